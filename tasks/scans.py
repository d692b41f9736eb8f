"""What tasks on cohorts of resting-state scans share: split, regimes, metrics, covariates."""

from __future__ import annotations

from dataclasses import replace

from ..benchmark.contracts import Task
from ..benchmark.splits import KFold
from .regimes import SPLITS

COVARIATES = ("age", "sex", "site", "motion", "frames")
"""What a view may carry beside a scan; a task leaves out its target and what gives it away."""

DESCRIPTION = (
    "Five folds, stratified by site and target, a subject's scans and a family together. @site-out leaves each site "
    "out in turn: its headline is the mean over sites (of a classification: those with at least five people of each "
    "class), because scores of models trained on other sites are not on one scale; the pooled score stands beside "
    "it. @site-out:5 groups the sites into five folds. @external:NAME trains on this cohort and tests on another."
)

CLASSIFICATION = Task(
    name="",
    title="",
    description=DESCRIPTION,
    family="",
    version=1,
    kind="classification",
    dataset="",
    target="",
    covariates=COVARIATES,
    split=KFold(5),
    metrics=("auc", "accuracy", "balanced-accuracy", "macro-f1", "mcc", "ece"),
    regimes=SPLITS,
    inputs=("series",),
)
"""Fields that classification tasks share; each sets its own name, data set and target."""

REGRESSION = replace(CLASSIFICATION, kind="regression", metrics=("mae", "mae-of-mean", "pearson-r", "predictive-cod"))
"""The same of regression tasks."""


def without(*hidden: str) -> tuple[str, ...]:
    """The covariates without some of them."""
    return tuple(name for name in COVARIATES if name not in hidden)
