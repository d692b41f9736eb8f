"""Regression, image, encoding, answer and text metrics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from brainbench.benchmark.contracts import Metric
from brainbench.benchmark.kinds import KINDS, get_kind
from brainbench.benchmark.kinds.regression import Values
from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.metrics import METRICS
from brainbench.benchmark.metrics.regression import MAE, MAEOfMean, PearsonR, PredictiveCOD
from brainbench.benchmark.metrics.text import ExactMatch


def test_every_registered_metric_exists_under_its_name():
    from importlib import import_module

    for name, home in METRICS.items():
        module, _, attribute = home.partition(":")
        metric = getattr(import_module(f"brainbench.benchmark.metrics.{module}"), attribute)()
        assert isinstance(metric, Metric)
        assert metric.name == name
        assert metric.title


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_a_headline_metric(kind):
    headline = get_kind(kind).headline
    assert headline
    assert set(headline) <= set(METRICS)


@pytest.mark.parametrize("seed", range(5))
def test_regression_equals_scipy_on_repeated_items(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(1e4, 1, 50)
    prediction = truth + rng.normal(0, 1, 50)
    counts = rng.multinomial(50, np.ones(50) / 50, size=20)
    repeated = [(np.repeat(truth, row), np.repeat(prediction, row)) for row in counts]
    expected = [stats.pearsonr(a, b).statistic for a, b in repeated]
    values = Values(truth, np.full(50, 1e4 - 1))
    np.testing.assert_allclose(PearsonR().resample(values, prediction, counts), expected, atol=1e-9)
    np.testing.assert_allclose(MAE().resample(values, prediction, counts), [abs(a - b).mean() for a, b in repeated])
    of_mean = [abs(a - (1e4 - 1)).mean() for a, _ in repeated]
    np.testing.assert_allclose(MAEOfMean().resample(values, prediction, counts), of_mean)
    cod = [1 - ((a - b) ** 2).sum() / ((a - (1e4 - 1)) ** 2).sum() for a, b in repeated]
    np.testing.assert_allclose(PredictiveCOD().resample(values, prediction, counts), cod)


def test_predictive_cod_is_against_the_training_mean_not_the_test_mean():
    truth = Values(np.array([1.0, 2.0, 3.0]), np.zeros(3))
    assert PredictiveCOD().score(truth, np.full(3, 2.0)) == pytest.approx(1 - 2 / 14)
    assert PredictiveCOD().score(truth, np.zeros(3)) == 0
    assert np.isnan(PredictiveCOD().score(Values(np.ones(2), np.ones(2)), np.ones(2)))


def test_constant_prediction_has_no_correlation_and_constant_truth_is_undefined():
    truth = np.array([20.1, 30.7, 44.3])
    values = Values(truth, np.full(3, 30.0))
    assert PearsonR().score(values, np.full(3, 31.7)) == 0
    assert np.isnan(PearsonR().score(Values(np.full(3, 31.7), np.full(3, 30.0)), truth))
    # A resample that holds one item only.
    assert np.isnan(PearsonR().resample(values, truth**2, np.array([[3, 0, 0]]))[0])
    assert np.isnan(MAE().resample(values, truth, np.zeros((1, 3)))[0])


def test_exact_match():
    assert ExactMatch().items(
        [Stimulus(references=("a dog", "Dog")), Stimulus(references=("cat",))], [" dog ", "a cat"]
    ).tolist() == [1, 0]
