"""Published numbers: what papers print. Shown under real-data tables, never ranked with ours."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

HARD_LABEL_AUC = (
    "its released code computes AUC from hard 0/1 labels, which equals balanced accuracy; "
    "whether the printed AUC comes from it is unknown"
)
METRICS = {"Acc": "accuracy", "AUC": "auc"}


@dataclass(frozen=True)
class Published:
    """One method of one published table on one data set and target.

    Attributes
    ----------
    values
        Metric name -> (mean, standard deviation or None), as fractions.
    notes
        Known caveats.
    """

    source: str
    table: str
    method: str
    values: dict[str, tuple[float, float | None]]
    notes: tuple[str, ...]


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = (files(__package__) / "published" / "rsfmri.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def published(dataset: str, target: str) -> list[Published]:
    """Published rows for a data set and target as the papers name them, in the order of the tables."""
    found: dict[tuple[str, str, str], Published] = {}
    for row in _rows():
        if (row["dataset"], row["target"]) != (dataset, target) or row["metric"] not in METRICS or not row["mean"]:
            continue
        key = (row["source"], row["table"], row["method"])
        old = found.get(key, Published(*key, {}, ()))
        sd = float(row["std"]) / 100 if row["std"] else None
        values = {**old.values, METRICS[row["metric"]]: (float(row["mean"]) / 100, sd)}
        notes = (*old.notes, *([row["note"]] if row["note"] else []))
        if row["metric"] == "AUC" and row["method"].startswith("fMRI-LM"):
            notes = (*notes, HARD_LABEL_AUC)
        found[key] = Published(*key, values, tuple(dict.fromkeys(notes)))
    return list(found.values())
