"""Tiny synthetic cohorts in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans

ROIS = 10
COVARIATES = ("age", "sex", "site", "motion")
Tiny = tuple[Scans, np.ndarray, np.ndarray]
"""Scans, class of each, subject number of each."""


def build_cohort(subjects: int = 80, effect: float = 0.8, classes: int = 2, seed: int = 0, scans: int = 1) -> Tiny:
    """Scans whose first ROIs share a signal that grows with the class; covariates hold no effect."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(subjects), scans)
    labels = rng.permutation(np.arange(subjects) % classes)[group]
    series = []
    for label in labels:
        frames = int(rng.integers(50, 70))
        signal = rng.normal(size=(frames, ROIS))
        signal[:, :4] += effect * label * rng.normal(size=(frames, 1))
        series.append((1000 + 30 * signal).astype(np.float16))
    n = len(labels)
    table = pd.DataFrame(
        {
            "age": rng.uniform(8, 40, n),
            "sex": rng.choice(["male", "female"], n),
            "site": rng.choice(["A", "B", "C"], n),
            "motion": rng.gamma(2, 0.05, n),
            "tr": 2.0,
            "frames": [len(values) for values in series],
        },
        index=[f"scan{i}" for i in range(n)],
    )
    atlas = {"name": "toy", "labels": [f"roi{i}" for i in range(ROIS)]}
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), COVARIATES), labels, group
