"""Downloads of open data, resumable: what is there already is not fetched again."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..contracts import Progress
from ..errors import BadData, BadOption, DataMissing, StoreError, need
from ..files import digest_file, write_text
from ..registry import load_dataset
from .algonauts import Algonauts
from .algonauts_get import download_algonauts
from .brainhub import BrainHub, download_brainhub
from .recordings.dataset import RecordingsDataset
from .recordings.download import download

Fetcher = Callable[..., Any]
"""Takes the arguments of `nilearn.datasets.fetch_abide_pcp`."""

ATLASES = ("cc200", "cc400")
"""Of ABIDE I; the last is the default."""

CHECKSUMS = "checksums.json"
PIPELINE = {"pipeline": "cpac", "band_pass_filtering": True, "global_signal_regression": True, "quality_checked": True}
"""C-PAC, 0.01 to 0.1 Hz, global signal regressed, quality-checked scans: the most used variant."""

TRIES = 3


def get(
    dataset: str,
    folder: Path,
    atlas: str | None = None,
    *,
    fetcher: Fetcher | None = None,
    url: str | None = None,
    progress: Progress = lambda label, done, total: None,
) -> Path:
    """Download a data set into a folder, and return the folder that `import` takes.

    Parameters
    ----------
    dataset
        Name of a data set that is open: abide1, algonauts2025, brainhub, netsim, sanchez.
    atlas
        "cc200" or "cc400", the default, of ABIDE I; None elsewhere.
    fetcher, url
        Another fetcher with nilearn's arguments, another server of the same layout.

    Raises
    ------
    BadOption, DataMissing, BadData, ExtraMissing
        For a data set that cannot be fetched; when the server is not reached (what has arrived
        stays); when a file is not the one recorded at first sight.
    """
    found = load_dataset(dataset)
    if atlas and isinstance(found, RecordingsDataset | BrainHub | Algonauts):
        raise BadOption(f"{found.name} has no atlas", "leave out --atlas")
    if isinstance(found, BrainHub):
        return download_brainhub(folder, url=url, progress=progress)
    if isinstance(found, Algonauts):
        return download_algonauts(folder, url=url)
    if isinstance(found, RecordingsDataset):
        return download(found, folder, url=url, progress=progress)
    atlas = atlas or ATLASES[-1]
    if dataset != "abide1":
        raise BadOption(
            f"{dataset} cannot be fetched by a command: {found.card.access}",
            f"get it by hand, then:  brainbench data import {dataset} PATH",
        )
    if atlas not in ATLASES:
        raise BadOption(f"no atlas {atlas!r}", f"choose one of {', '.join(ATLASES)}")
    _fetch_abide(fetcher or _nilearn(), folder, f"rois_{atlas}", url, progress)
    record_checksums(folder)
    return folder


def _nilearn() -> Fetcher:
    """nilearn's fetcher. Raises `ExtraMissing`."""
    try:
        from nilearn.datasets import fetch_abide_pcp
    except ImportError:
        raise need("neuro", "nilearn") from None
    fetcher: Fetcher = fetch_abide_pcp
    return fetcher


def _fetch_abide(fetcher: Fetcher, folder: Path, derivative: str, url: str | None, progress: Progress) -> None:
    """One subject a call: nilearn holds what it has fetched in memory until it returns."""
    common = {**PIPELINE, "data_dir": str(folder), "url": url, "verbose": 0}
    table = _patient(partial(fetcher, **common, derivatives=[]), folder, 0, 0)["phenotypic"]
    subjects = [int(subject) for subject in table["SUB_ID"]]
    for done, subject in enumerate(subjects):
        progress("download", done, len(subjects))
        _patient(
            partial(fetcher, **common, derivatives=[derivative], SUB_ID=subject),
            folder,
            done,
            len(subjects),
        )
    progress("download", len(subjects), len(subjects))


def _patient(call: Callable[[], Any], folder: Path, done: int, total: int) -> Any:
    """Call again after a passing fault; raises `DataMissing` with how to go on."""
    for left in reversed(range(TRIES)):
        try:
            return call()
        except ValueError as error:
            raise BadData(
                f"a downloaded file below {folder} is damaged: {error}",
                "delete the newest file there and repeat the command",
            ) from None
        except OSError as error:
            if left and total:
                continue
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            had = f"{done} of {total} scans have arrived and stay; " if total else ""
            raise DataMissing(
                f"download failed: {reason}",
                f"{had}with a network, repeat the command to continue; without one, copy the files from another "
                "machine and use  brainbench data import abide1 PATH",
            ) from None
    return None


def record_checksums(folder: Path) -> dict[str, str]:
    """Record the SHA-256 of files seen for the first time, and compare the others.

    Raises `BadData` for a file that has changed, `StoreError` when the folder cannot be written.
    """
    note = folder / CHECKSUMS
    try:
        known: dict[str, str] = json.loads(note.read_text()) if note.is_file() else {}
    except (ValueError, RecursionError):
        raise StoreError(f"{note}: cannot be read", "delete it; checksums are then recorded anew") from None
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != CHECKSUMS and path.suffix in (".1D", ".csv"):
            name = path.relative_to(folder).as_posix()
            found[name] = digest_file(path)
            if known.get(name, found[name]) != found[name]:
                raise BadData(f"{path}: not the file that was downloaded first", "delete it and repeat the command")
    write_text(note, json.dumps({**known, **found}, indent=1, sort_keys=True))
    return found
