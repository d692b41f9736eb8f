"""A home and a store with the test labels in them, laid out for a method that looks where it should not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import digest_file
from ..home import home
from ..items import Items

LABELLED = ("cohorts", "twins")
"""Folders of a home that hold labels."""

LONG_AGO = 10**9
"""Seconds since 1970: older than any file, so that a file system that keeps access times renews them at a read."""


@dataclass(frozen=True)
class Bait:
    """What lies about.

    Attributes
    ----------
    place
        Folder that stands for ``$BRAINBENCH_HOME``; ``runs`` within it for ``$BRAINBENCH_STORE``.
    files
        Files with labels in them.
    """

    place: Path
    files: tuple[Path, ...]

    @classmethod
    def laid(cls, place: Path, items: Items) -> Bait:
        """A home whose cohort holds the truth of all items; what else the real home has is linked."""
        cohort, runs = place / "cohorts" / "planted", place / "runs"
        cohort.mkdir(parents=True)
        runs.mkdir()
        if home().is_dir():
            for entry in sorted(home().iterdir()):
                if entry.name not in (*LABELLED, "runs"):
                    (place / entry.name).symlink_to(entry)
        items.save(cohort / "items.parquet")
        plain = items.table[[name for name in items.table if not _nested(items.table[name].iloc[0])]]
        plain.to_csv(cohort / "participants.tsv", sep="\t")
        plain.to_csv(runs / "truth.csv")
        files = tuple(sorted(file for folder in (cohort, runs) for file in folder.iterdir()))
        for file in files:
            os.utime(file, (LONG_AGO, file.stat().st_mtime))
        return cls(place, files)

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which it is found."""
        return {"BRAINBENCH_HOME": str(self.place), "BRAINBENCH_STORE": str(self.place / "runs")}

    def touched(self) -> list[Path]:
        """Files that were read since they were laid, by whatever code."""
        return [file for file in self.files if file.stat().st_atime != LONG_AGO]


def _nested(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def tells_reads(folder: Path) -> bool:
    """Whether the file system of a folder keeps the times of reads."""
    probe = folder / "probe"
    probe.write_text("read me")
    os.utime(probe, (LONG_AGO, probe.stat().st_mtime))
    digest_file(probe)
    return probe.stat().st_atime != LONG_AGO
