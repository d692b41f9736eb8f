"""Tiny synthetic cohorts in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.contracts import Context, Method, TaskInfo, Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans
from brainbench.benchmark.metrics.classification import AUC

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


def make_context(folder: Path, classes: int = 2, seed: int = 0, kind: str = "classification") -> Context:
    """A context with as many classes."""
    names = tuple(f"class{k}" for k in range(classes)) if kind == "classification" else ()
    return Context(TaskInfo("toy", kind, "label", names, COVARIATES), seed, folder)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def cohort() -> Callable[..., Tiny]:
    return build_cohort


@pytest.fixture
def contexts(tmp_path: Path) -> Callable[..., Context]:
    return lambda **options: make_context(tmp_path, **options)


def fit_and_score(method: Method, tiny: Tiny, context: Context) -> float:
    """AUC on the last quarter of the scans after a fit on the rest."""
    scans, labels, groups = tiny
    cut = len(labels) * 3 // 4
    rows = np.arange(len(labels))
    method.fit(Train(scans.take(rows[:cut]), labels[:cut], groups[:cut]), context)
    prediction = method.predict(scans.take(rows[cut:]), context)
    assert prediction.shape == (len(labels) - cut, len(context.task.classes))
    np.testing.assert_allclose(prediction.sum(axis=1), 1, atol=1e-6)
    assert prediction.min() >= 0
    return AUC().score(labels[cut:], prediction)


@pytest.fixture
def score() -> Callable[..., float]:
    return fit_and_score
