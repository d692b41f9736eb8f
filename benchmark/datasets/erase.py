"""Erasing a person from an installed cohort."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from typing import Any

from ..fc_cache import forget
from .cohort import Cohort, write_cohort

SHORT = 3


def scans_of(cohort: Cohort, subject: str) -> list[str]:
    """The scans of a subject."""
    table = cohort.scans()
    return [str(scan) for scan in table.index[table["subject"].astype(str) == subject]]


def erase(cohort: Cohort, subject: str) -> None:
    """Write the cohort anew without a subject, whole or not at all; one without anybody else is removed.

    The manifest's lists lose what names the subject, too, and connectivity that was kept of the cohort is removed.
    The content's fingerprint changes, as the content does.
    Nothing here can erase copies: of the disk, of the lab's own files, of backups.
    """
    gone = set(scans_of(cohort, subject))
    table = cohort.scans()
    if len(gone) == len(table):
        shutil.rmtree(cohort.path)
        forget(cohort.manifest.fingerprint)
        return
    told = cohort.manifest.model_dump()
    made = (
        "schema_version",
        "grid",
        "dtype",
        "data_offset",
        "total_frames",
        "rois",
        "scans",
        "subjects",
        "fingerprint",
    )
    names = {*gone, as_word(subject)}
    kept = {name: value for name, value in told.items() if name not in made}
    kept |= {name: _without(told[name], names) for name in ("left_out", "importer")}
    items, grid = cohort.items(), cohort.manifest.grid
    with write_cohort(cohort.path, rois=told["rois"], dtype=told["dtype"], grid=grid) as writer:
        for number, (scan, row) in enumerate(zip(table.index, table.to_dict("records"), strict=True)):
            if scan not in gone:
                series = items.read(cohort.holds, number)
                flags = [flag for flag in str(row["flags"]).split(",") if not mentions(flag, names)]
                cells = {str(name): value for name, value in row.items()} | {"flags": ",".join(flags)}
                writer.add(str(scan), series.reshape(len(series), -1), cells)
        writer.finish(kept)
    for left in cohort.path.parent.glob(f".{cohort.path.name}.*.old"):  # of an interrupted import
        shutil.rmtree(left, ignore_errors=True)
    forget(cohort.manifest.fingerprint)


def as_word(subject: str) -> str:
    """A subject's id as texts name it: a short one, such as 1, is a word of much else."""
    return subject if len(subject) > SHORT else f"sub-{subject}"


def mentions(text: str, names: Collection[str]) -> bool:
    """Whether a text holds one of these ids as a word of it."""
    return any(re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text) for name in names)


def _without(value: Any, names: Collection[str]) -> Any:
    """A JSON value without the entries that name somebody."""
    if isinstance(value, dict):
        return {key: _without(held, names) for key, held in value.items() if not mentions(str(key), names)}
    if isinstance(value, list):
        return [_without(held, names) for held in value if not (isinstance(held, str) and mentions(held, names))]
    return value
