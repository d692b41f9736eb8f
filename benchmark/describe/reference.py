"""The scan that is asked for, and the cohort that it is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contracts import Data, Progress
from ..datasets.cohort import Cohort, installed
from ..datasets.dataset import data_of
from ..datasets.from_npz import BROKEN, reason
from ..datasets.from_table import ARRAYS, array_file
from ..datasets.rules import LeftOut, clean
from ..datasets.text import SUFFIXES, read_text, read_text_header
from ..errors import BadData, BadOption, DataMissing, UnknownName, near
from ..home import cohorts, twins
from ..items import Items
from ..kinds.scans import SCAN_FIELDS, Atlas, Scans
from ..registry import load_dataset

MIN_FRAMES = 20
"""Frames that a description needs."""

FEWEST = 5
"""Scans that a cohort needs, for its SD to mean anything."""

MOST = 1000
"""Scans of a reference; of a larger cohort as many are taken evenly. They give an SD to 2 %."""


@dataclass(frozen=True)
class Asked:
    """A scan and what it is compared with.

    Attributes
    ----------
    title
        Cohort and id, or the file's name.
    series, tr
        (time, roi) float32, and seconds a frame; NaN where unknown.
    cohort, reference
        Name of the cohort that the z-scores are of, and its scans without this person's.
    notes
        What a reader should know of both.
    """

    title: str
    series: np.ndarray
    tr: float
    cohort: str
    reference: Scans
    notes: tuple[str, ...]


def ask(scan: str, cohort: str | None, tr: float | None, progress: Progress) -> Asked:
    """Find a scan, by its file or as ``COHORT:SCAN``, and its reference.

    Parameters
    ----------
    scan
        A file of a (time, roi) series, or ``COHORT:SCAN`` of an installed cohort, a twin or a data set.
    cohort
        The reference; None for the scan's own cohort, which a file has not.
    tr
        Seconds a frame, instead of what the cohort says.

    Raises `BadData`, `BadOption`, `DataMissing` or `UnknownName`.
    """
    path = Path(scan)
    is_file = path.is_file() or (not scan.partition(":")[1]) or path.suffix in (*SUFFIXES, *ARRAYS)
    return _file(path, cohort, tr, progress) if is_file else _member(scan, cohort, tr, progress)


def _member(scan: str, cohort: str | None, tr: float | None, progress: Progress) -> Asked:
    """A scan of a cohort."""
    name, _, key = scan.partition(":")
    own, notes = find_cohort(name, progress)
    row = _row(own, key)
    series = _scans(own.items).series(row)
    known = float(own.items.table["tr"].iloc[row]) if tr is None else tr
    other, more = (own, []) if cohort is None else find_cohort(cohort, progress)
    title = f"{own.name}:{own.items.table.index[row]}"
    _refuse_other_atlas(title, _scans(own.items).atlas.labels, series.shape[1], other)
    subject = str(own.items.table["subject"].iloc[row]) if other.fingerprint == own.fingerprint else None
    return _asked(title, series, known, other, subject, [*notes, *more])


def _file(path: Path, cohort: str | None, tr: float | None, progress: Progress) -> Asked:
    """A scan in a file."""
    labels, series, notes = read_series(path)
    if cohort is None:
        raise BadOption(
            f"{path} says nothing of a cohort to compare it with",
            f"name one:  brainbench describe {path} --cohort COHORT   (see `brainbench data list`)",
        )
    other, more = find_cohort(cohort, progress)
    if labels is None:
        notes.append("nothing names the file's columns: they are taken to be those of the cohort, in its order")
    _refuse_other_atlas(path.name, labels, series.shape[1], other)
    return _asked(path.name, series, float("nan") if tr is None else tr, other, None, [*notes, *more])


def _asked(title: str, series: np.ndarray, tr: float, other: Data, subject: str | None, notes: list[str]) -> Asked:
    """Leave the person out of the reference, and say what is lacking."""
    table = other.items.table
    out = np.array(table["subject"].astype(str) == subject) if subject else np.zeros(len(table), bool)
    if "digest" in table:
        stored = {hashlib.sha256(np.ascontiguousarray(series, kind).data).hexdigest() for kind in ("<f2", "<f4")}
        out = out | table["digest"].isin(stored).to_numpy()
    kept = np.flatnonzero(~out)
    if len(kept) < FEWEST:
        raise BadData(
            f"{other.name} has {len(kept)} scans of other people; z-scores need {FEWEST}",
            "compare with a larger cohort:  --cohort COHORT",
        )
    if out.any():
        notes = [*notes, f"left out of the reference, as the same person's: {', '.join(table.index[out].astype(str))}"]
    if len(kept) > MOST:
        notes = [*notes, f"of {len(kept)} scans of {other.name}, {MOST} are taken evenly as the reference"]
        kept = kept[np.linspace(0, len(kept) - 1, MOST).round().astype(int)]
    return Asked(title, series, tr, other.name, _scans(other.items.take(kept)), tuple(notes))


def find_cohort(name: str, progress: Progress) -> tuple[Data, list[str]]:
    """An installed cohort or twin by its name; else the data set of that name, real or as its twin.

    Also what is to be said about the choice. Raises `DataMissing` or `UnknownName`, with near names.
    """
    for place in (cohorts(), twins()):
        folder = place / name
        # A name comes from a command line: it must not lead to another folder.
        if name and folder.parent == place and (folder / "cohort.json").is_file():
            return _people(data_of(Cohort.open(folder))), []
    have = [folder.name for place in (cohorts(), twins()) for folder in installed(place)]
    try:
        dataset = load_dataset(name)
    except UnknownName as unknown:
        told = f"no cohort {name!r} (installed: {', '.join(have) or 'none'})"
        raise DataMissing(told, near(name, have, unknown.hint)) from None
    source = "real" if dataset.installed() else "simulated"
    notes = [] if source == "real" else [f"{name} is not installed: its simulated twin is used, which is no brain"]
    return _people(dataset.load(source, progress)), notes


def _people(data: Data) -> Data:
    """Raise `BadData` where data hold no scans of people, as recordings with known graphs."""
    if "atlas" not in data.items.meta:
        raise BadData(f"{data.name} holds no scans of people", "name a cohort; see `brainbench data list`")
    return data


def _scans(items: Items) -> Scans:
    """The series and nothing else: a description reads no label and no covariate."""
    return Scans(items.select(SCAN_FIELDS), ())


def _row(data: Data, key: str) -> int:
    """Position of a scan id. Raises `BadOption` with near ones."""
    ids = [str(name) for name in data.items.table.index]
    if key in ids:
        return ids.index(key)
    hint = near(key, ids, f"its scans are called {', '.join(ids[:3])} ...")
    raise BadOption(f"{data.name} has no scan {key!r}" if key else f"which scan of {data.name}?", hint)


def read_series(path: Path) -> tuple[tuple[str, ...] | None, np.ndarray, list[str]]:
    """Column labels (None where the file has none), the (time, roi) series after the importers' rules, and findings.

    Raises `BadData` for a file that is not there or holds no series.
    """
    known = ", ".join((*ARRAYS, *SUFFIXES))
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise BadData(f"{path}: {what}", "name a file of one series, or a scan of a cohort as  COHORT:SCAN")
    try:
        if path.suffix in ARRAYS:
            labels, series = None, array_file(path)[1]()
        elif path.suffix in SUFFIXES:
            header = read_text_header(path)
            labels, series = header.labels if header.labelled else None, read_text(path)
        else:
            raise BadData(f"{path}: no file of a series by its ending", f"endings are: {known}")
        cleaned, flags = clean(series, MIN_FRAMES)
    except LeftOut as why:
        raise BadData(f"{path}: {why}", "a file holds one scan: a line (or row) a frame, a column an ROI") from None
    except BROKEN as error:
        raise BadData(f"{path}: cannot be read: {reason(error)}", "check the file") from None
    return labels, cleaned, [f"{path.name}: {flag}" for flag in flags]


def _refuse_other_atlas(title: str, labels: Sequence[str] | None, rois: int, other: Data) -> None:
    """Raise `BadData` where the scan's columns are not those of the cohort."""
    atlas = Atlas.from_meta(other.items.meta["atlas"])
    theirs = [label.lstrip("#") for label in atlas.labels]
    if rois != len(theirs):
        raise BadData(
            f"{title} has {rois} columns; {other.name} has {len(theirs)} ROIs ({atlas.name})",
            "compare scans of one atlas:  --cohort COHORT",
        )
    ours = theirs if labels is None else [label.lstrip("#") for label in labels]
    # A table may have renamed a cohort's columns altogether; names that fit in part are another atlas or order.
    if ours != theirs and set(ours) & set(theirs):
        first = next(k for k in range(rois) if ours[k] != theirs[k])
        raise BadData(
            f"{title}: column {first + 1} is {ours[first]!r}; in {other.name} it is {theirs[first]!r} ({atlas.name})",
            "bring the columns into the cohort's order, or compare with a cohort of the same atlas",
        )
