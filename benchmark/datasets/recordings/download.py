"""Downloads of archives, resumable: what has arrived of a file stays, and what is whole is not fetched again."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ...contracts import Progress
from ...errors import BadData, BadOption, DataMissing, StoreError, need
from ...files import write_text
from .dataset import RecordingsDataset

CHECKSUMS = "checksums.json"
CHUNK = 1 << 18
TRIES = 3
WAIT = 30
"""Seconds without an answer."""


def download(
    dataset: RecordingsDataset,
    folder: Path,
    *,
    url: str | None = None,
    progress: Progress = lambda label, done, total: None,
) -> Path:
    """Download a data set's archive into a folder, and return the folder that `import` takes.

    Parameters
    ----------
    url
        Another place that holds the archive.

    Raises
    ------
    BadOption, DataMissing, BadData, ExtraMissing, StoreError
        For a data set without an archive; when the server is not reached (what has arrived stays);
        when the file is not the one recorded at first sight; without pooch; when the checksums
        cannot be read.
    """
    if dataset.archive is None:
        raise BadOption(
            f"{dataset.name} cannot be fetched by a command: {dataset.card.access}",
            f"get it by hand, then:  brainbench data import {dataset.name} PATH",
        )
    try:
        from pooch import file_hash, get_logger, retrieve
    except ImportError:
        raise need("connectivity", "pooch") from None
    get_logger().setLevel("WARNING")
    base, remote = dataset.archive
    name = f"{dataset.name}.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    known = _known(folder)
    fetcher = Resuming(folder / f".{name}.part", progress)
    try:
        path = retrieve(f"{url or base}/{remote}", known.get(name), name, folder, downloader=fetcher)
    except ValueError:
        raise BadData(f"{folder / name}: not the file that was downloaded first", "delete it and repeat") from None
    except (OSError, http.client.HTTPException) as error:
        raise DataMissing(
            f"download of {url or base}/{remote} failed: {str(error)[:200] or type(error).__name__}",
            f"with a network, repeat the command to continue; without one, copy the files from another machine and use"
            f"  brainbench data import {dataset.name} PATH   ({dataset.card.access})",
        ) from None
    write_text(folder / CHECKSUMS, json.dumps({**known, name: f"sha256:{file_hash(path)}"}, indent=1, sort_keys=True))
    return folder


def _known(folder: Path) -> dict[str, str]:
    """File -> checksum recorded at first sight."""
    note = folder / CHECKSUMS
    try:
        found: dict[str, str] = json.loads(note.read_text()) if note.is_file() else {}
    except (ValueError, RecursionError):
        raise StoreError(f"{note}: cannot be read", "delete it; checksums are then recorded anew") from None
    return found


class Resuming:
    """A downloader for pooch that goes on where an earlier attempt stopped."""

    def __init__(self, part: Path, progress: Progress) -> None:
        self._part = part
        self._progress = progress

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Fetch ``url`` into ``output_file``, with a few attempts. Raises OSError."""
        for left in reversed(range(TRIES)):
            try:
                self._continue(url)
                break
            except (OSError, http.client.HTTPException):
                if not left:
                    raise
        self._part.replace(output_file)

    def _continue(self, url: str) -> None:
        """Append what is lacking; from the beginning where the server cannot give a part."""
        have = self._part.stat().st_size if self._part.exists() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            answer = urllib.request.urlopen(request, timeout=WAIT)
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._part.unlink()  # longer than the file, or already whole: begin again
            raise
        with answer:
            partial = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            done = have if partial else 0
            total = done + int(answer.headers.get("Content-Length") or 0)
            with open(self._part, "ab" if partial else "wb") as file:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    self._progress("download (bytes)", done, max(total, done))
        if done < total:
            raise ConnectionError(f"{done} of {total} bytes arrived")
