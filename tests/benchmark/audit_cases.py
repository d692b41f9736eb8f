"""Cohorts in memory for the audit's tests: clean, or with a leak that the test plants."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from brainbench import Items, Task
from brainbench.benchmark.audit.detector import Case
from brainbench.benchmark.splits import KFold, make_manifest

ROIS = 12

ASD = Task(
    name="t", title="t", family="f", version=1, kind="classification", dataset="own:t", target="y", split=KFold(4),
    metrics=("auc",), classes=("no", "yes"), covariates=("age", "site", "motion"),
)  # fmt: skip


def people(n: int, seed: int = 0) -> pd.DataFrame:
    """A table of n people, balanced over label and site; motion, age and length are by chance."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"subject": [f"s{k}" for k in range(n)], "y": [("no", "yes")[k % 2] for k in range(n)]})
    table["group"] = table["subject"]
    table["family"] = ""
    table["site"] = [f"site{k // 2 % 3}" for k in range(n)]
    table["age"] = rng.uniform(10, 40, n)
    table["motion"] = rng.lognormal(-2, 0.5, n)
    table["tr"] = 2.0
    return table.set_index(np.array([f"scan{k}" for k in range(n)]))


def recordings(table: pd.DataFrame, frames: int = 80, own: float = 1.0, seed: int = 0) -> list[np.ndarray]:
    """One series a row, with a connectivity of the subject's own (``own`` times as strong as the noise)."""
    rng = np.random.default_rng(seed)
    mixing = {name: np.eye(ROIS) + own * rng.normal(size=(ROIS, ROIS)) / 3 for name in table["subject"].unique()}
    return [(rng.normal(size=(frames, ROIS)) @ mixing[name]).astype(np.float32) for name in table["subject"]]


def case(table: pd.DataFrame, series: list[np.ndarray] | None = None, task: Task = ASD, **more: object) -> Case:
    """A case with its digests and frames as an import would set them."""
    series = recordings(table) if series is None else series
    table = table.assign(
        frames=[len(values) for values in series],
        digest=[hashlib.sha256(values.tobytes()).hexdigest() for values in series],
    )
    atlas = {"name": "a", "labels": [f"r{k}" for k in range(series[0].shape[1])]}
    items = Items(table, {"series": series}, {"atlas": atlas})
    fingerprint = hashlib.sha256(b"".join(values.tobytes() for values in series)).hexdigest()
    return Case(task, items, make_manifest(task.split, table, task.target, fingerprint), **more)  # type: ignore[arg-type]
