"""Folds beside scikit-learn's own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from brainbench.benchmark.stratified import StratifiedGroups


@pytest.mark.parametrize("seed", range(25))
def test_folds_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    classes, items, folds = int(rng.integers(2, 12)), int(rng.integers(60, 160)), int(rng.integers(2, 7))
    labels = rng.integers(0, classes, items)
    groups = rng.integers(0, items // int(rng.integers(1, 4)), items)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may have fewer items than there are folds
        found, expected = (
            [test.tolist() for _, test in make(folds, shuffle=True, random_state=seed).split(labels, labels, groups)]
            for make in (StratifiedGroups, StratifiedGroupKFold)
        )
    assert found == expected
