"""Tiny synthetic cohorts in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_cohort import COVARIATES, Tiny, build_cohort

from brainbench.benchmark.contracts import Context, Method, TaskInfo, Train
from brainbench.benchmark.metrics.classification import AUC


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
