"""Folders of cohorts as labs have them: tiny random series, and tables in the documented layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from brainbench.benchmark.datasets.importer import ImportReport, import_cohort
from brainbench.benchmark.datasets.layout import Options

ROIS = 4


def scans(folder: Path, names: Iterable[str]) -> None:
    """One .npy file a scan, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        np.save(folder / f"{name}.npy", np.random.default_rng(k).normal(size=(50, ROIS)).astype(np.float32))


def write(path: Path, columns: Sequence[str], *rows: Sequence[object], sep: str = ",") -> Path:
    """A table of text."""
    lines = [columns, *rows]
    path.write_text("".join(sep.join(str(cell) for cell in line) + "\n" for line in lines))
    return path


def take(dataset: str, folder: Path, *tables: Path, **options: object) -> ImportReport:
    """Import with these tables, the first as the main one."""
    chosen = Options(participants=tables[0] if tables else None, more_tables=tables[1:], **options)
    return import_cohort(dataset, folder, name="lab" if dataset == "own" else None, options=chosen)


def rows_of(report: ImportReport) -> pd.DataFrame:
    """The cohort's table."""
    return report.cohort.scans()


def noted(report: ImportReport, text: str) -> bool:
    """Whether a note says something."""
    return any(text in note for note in report.notes)
