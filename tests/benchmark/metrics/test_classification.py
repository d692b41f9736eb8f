"""Classification metrics against scikit-learn, on items repeated as often as their counts say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from brainbench.benchmark.metrics.classification import (
    AUC,
    MCC,
    Accuracy,
    BalancedAccuracy,
    CalibrationError,
    MacroF1,
    MajorityRate,
    binary_auc,
)

CASES = [(classes, seed) for classes in (2, 3, 5) for seed in range(4)]


def _random(classes: int, seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, probabilities with many ties, and counts of 40 resamples."""
    rng = np.random.default_rng([classes, seed])
    truth = rng.permutation(np.arange(n) % classes)
    raw = np.round(rng.random((n, classes)) + 0.4 * np.eye(classes)[truth], 1) + 0.05
    counts = rng.multinomial(n, np.ones(n) / n, size=40)
    return truth, raw / raw.sum(axis=1, keepdims=True), counts


def _repeat(truth: np.ndarray, prediction: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(truth, row), np.repeat(prediction, row, axis=0)


def _sklearn_auc(truth: np.ndarray, prediction: np.ndarray) -> float:
    if prediction.shape[1] == 2:
        return float(reference.roc_auc_score(truth, prediction[:, 1]))
    return float(reference.roc_auc_score(truth, prediction, multi_class="ovr", average="macro"))


@pytest.mark.parametrize(("classes", "seed"), CASES)
@pytest.mark.parametrize(
    ("metric", "peer"),
    [
        (AUC(), _sklearn_auc),
        (Accuracy(), lambda y, p: reference.accuracy_score(y, p.argmax(1))),
        (BalancedAccuracy(), lambda y, p: reference.balanced_accuracy_score(y, p.argmax(1))),
        (MacroF1(), lambda y, p: reference.f1_score(y, p.argmax(1), average="macro")),
        (MCC(), lambda y, p: reference.matthews_corrcoef(y, p.argmax(1))),
        (MajorityRate(), lambda y, p: np.bincount(y).max() / len(y)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_equals_scikit_learn(metric, peer, classes, seed):
    truth, prediction, counts = _random(classes, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [peer(*_repeat(truth, prediction, row)) for row in counts]
    np.testing.assert_allclose(metric.resample(truth, prediction, counts), expected, atol=1e-12)
    assert metric.score(truth, prediction) == pytest.approx(peer(truth, prediction), abs=1e-12)


def test_calibration_error_by_hand():
    prediction = np.array([[0.1, 0.9], [0.1, 0.9], [0.35, 0.65], [0.55, 0.45]])
    truth = np.array([1, 0, 1, 1])
    # Bins of 1/15: 0.9 twice (half right), 0.65 (right) and 0.55 (wrong) each alone.
    assert CalibrationError().score(truth, prediction) == pytest.approx((2 * 0.4 + 0.35 + 0.55) / 4)
    doubled = CalibrationError().resample(truth, prediction, np.array([[1, 0, 2, 0]]))
    assert doubled[0] == pytest.approx((0.1 + 2 * 0.35) / 3)


def test_calibrated_probabilities_have_a_small_error():
    rng = np.random.default_rng(0)
    p = rng.random(40000)
    truth = (rng.random(40000) < p).astype(int)
    assert CalibrationError().score(truth, np.c_[1 - p, p]) < 0.01
    assert CalibrationError().score(truth, np.c_[1 - p > 0.5, p >= 0.5].astype(float)) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("metric", [AUC(), BalancedAccuracy(), MacroF1(), MCC()])
def test_one_class_or_no_item_is_undefined(metric):
    truth, prediction = np.array([0, 0, 1]), np.array([[0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    scores = metric.resample(truth, prediction, np.array([[2, 1, 0], [0, 0, 3], [0, 0, 0], [1, 1, 1]]))
    assert np.isnan(scores).tolist() == [True, True, True, False]


def test_constant_prediction():
    truth, prediction = np.array([0, 1, 1, 0]), np.full((4, 2), 0.5)
    assert AUC().score(truth, prediction) == 0.5
    assert MCC().score(truth, prediction) == 0
    assert BalancedAccuracy().score(truth, prediction) == 0.5


scores = st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 4)), min_size=2, max_size=30)


@settings(max_examples=200, deadline=None)
@given(scores)
def test_auc_is_the_share_of_pairs_in_order(items):
    positive, score, weight = (np.array(column) for column in zip(*items, strict=True))
    pairs = [(a, b) for a in range(len(items)) for b in range(len(items)) if positive[a] and not positive[b]]
    total = sum(weight[a] * weight[b] for a, b in pairs)
    won = sum(weight[a] * weight[b] * ((score[a] > score[b]) + 0.5 * (score[a] == score[b])) for a, b in pairs)
    area = binary_auc(positive, score, weight[None])[0]
    assert np.isnan(area) if total == 0 else area == pytest.approx(won / total)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 5))
def test_auc_ignores_monotone_maps_and_turns_with_the_classes(seed, power):
    rng = np.random.default_rng(seed)
    truth, p = rng.integers(0, 2, 30), np.round(rng.random(30), 1)
    truth[:2] = [0, 1]
    area = AUC().score(truth, np.c_[1 - p, p])
    assert AUC().score(truth, np.c_[1 - p**power, p**power]) == pytest.approx(area)
    assert AUC().score(1 - truth, np.c_[1 - p, p]) == pytest.approx(1 - area)


def test_blocks_do_not_change_the_scores(monkeypatch):
    from brainbench.benchmark.metrics import counts as module

    truth, prediction, counts = _random(3, 9)
    whole = [metric.resample(truth, prediction, counts) for metric in (AUC(), MacroF1(), Accuracy())]
    monkeypatch.setattr(module, "BLOCK_BYTES", 1500)
    for metric, expected in zip((AUC(), MacroF1(), Accuracy()), whole, strict=True):
        np.testing.assert_array_equal(metric.resample(truth, prediction, counts), expected)
