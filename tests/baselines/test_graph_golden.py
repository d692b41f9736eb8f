"""Connectivity baselines against other software and against definitions written out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from brainbench.baselines.fask import Fask, adjacency_search, left_right
from brainbench.baselines.granger import Granger, granger_index, lagged
from brainbench.baselines.graph_numerics import REVERSE, directed, standardise
from brainbench.baselines.lsgc import LargeScaleGranger, components
from brainbench.baselines.notears import Notears, acyclicity
from brainbench.baselines.pairwise_lingam import PairwiseLingam, common_turn, skew_ratio, tanh_ratio
from brainbench.baselines.partial_correlation import partial_correlations
from brainbench.baselines.patel import kappa, tau
from brainbench.baselines.rdcm import RegressionDcm, derivative, variational_bayes
from brainbench.benchmark.contracts import Context, TaskInfo

CONTEXT = Context(TaskInfo("toy", "connectivity", "graph"), 0, Path())


def autoregression(frames: int = 300, seed: int = 5) -> np.ndarray:
    """0 -> 1 -> 2 with one lag and Laplace noise, (time, 3)."""
    rng = np.random.default_rng(seed)
    links = np.array([[0.4, 0, 0], [0.5, 0.3, 0], [0, 0.4, 0.5]])
    series = np.zeros((frames, 3))
    for frame in range(1, frames):
        series[frame] = links @ series[frame - 1] + rng.laplace(size=3)
    return series


def structural(weights: np.ndarray, frames: int, seed: int, noise: str = "laplace") -> np.ndarray:
    """Rows of x = x W + e."""
    rng = np.random.default_rng(seed)
    disturbances = getattr(rng, noise)(size=(frames, len(weights)))
    rows: np.ndarray = disturbances @ np.linalg.inv(np.eye(len(weights)) - weights)
    return rows


# F statistics of statsmodels 0.15.0, VAR(series).fit(lags, trend="c").test_causality(target, [source], kind="f"),
# and the residual degrees of freedom of one equation.
STATSMODELS = {
    1: (
        [
            [0, 9.4012410168e01, 1.6815542473e-03],
            [2.7085354409e-02, 0, 4.5628669076e01],
            [2.6534459578e-02, 1.3646003576e-01, 0],
        ],
        295,
    ),
    2: (
        [
            [0, 4.6731244670e01, 1.5517683432e00],
            [2.7831829810e-02, 0, 2.3452779906e01],
            [6.1223957391e-02, 4.6142662640e-01, 0],
        ],
        291,
    ),
}


@pytest.mark.parametrize("lags", [1, 2])
def test_granger_agrees_with_statsmodels(lags: int) -> None:
    """F = (exp(index) - 1) * degrees of freedom / lags."""
    statistic, freedom = STATSMODELS[lags]
    index = Granger(lags=lags).graph(autoregression(), 1.0, CONTEXT).scores
    np.testing.assert_allclose(np.expm1(index) * freedom / lags, statistic, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_granger_equals_two_fits(ridge: float) -> None:
    """Least squares on augmented rows, once with and once without the past of node 0."""
    series = standardise(np.random.default_rng(0).normal(size=(80, 4)).cumsum(axis=0))
    present, past = lagged(series, 2)

    def penalised(columns: np.ndarray) -> np.ndarray:
        penalty = np.sqrt(ridge * len(past)) * np.eye(len(columns))
        design = np.vstack([past[:, columns], penalty])
        target = np.vstack([present, np.zeros((len(columns), 4))])
        squares: np.ndarray = (target - design @ np.linalg.lstsq(design, target, rcond=None)[0]) ** 2
        total: np.ndarray = squares.sum(axis=0)
        return total

    full, without = penalised(np.arange(8)), penalised(np.array([1, 2, 3, 5, 6, 7]))
    expected = np.log(without / full)
    np.testing.assert_allclose(granger_index(present, past, ridge)[0, 1:], expected[1:], rtol=1e-8)


def test_pooled_granger_does_not_cross_seams() -> None:
    """White noise whose recordings start where the last one's neighbour ended: only a seam would tell."""
    rng = np.random.default_rng(1)
    recordings = [rng.normal(size=(6, 2)) for _ in range(400)]
    for before, after in pairwise(recordings):
        after[0, 1] = before[-1, 0]
    joined = Granger().graph(np.concatenate(recordings), 1.0, CONTEXT).scores
    pooled = Granger().together(recordings, 1.0, CONTEXT).scores
    assert joined[0, 1] > 0.02
    assert pooled[0, 1] < 0.005


def test_pooled_granger_of_one_recording_twice_is_its_own() -> None:
    series = autoregression()
    once, twice = Granger().graph(series, 1.0, CONTEXT), Granger().together([series, 3 + 7 * series], 1.0, CONTEXT)
    np.testing.assert_allclose(twice.scores, once.scores, rtol=1e-8)


def test_lsgc_with_all_components_is_conditional_granger() -> None:
    series = autoregression()
    full = LargeScaleGranger(variance=1.0).graph(series, 1.0, CONTEXT).scores
    np.testing.assert_allclose(full, Granger().graph(series, 1.0, CONTEXT).scores, rtol=1e-6, atol=1e-10)


def test_components_hold_the_share_of_variance() -> None:
    rng = np.random.default_rng(0)
    standard = standardise(rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(200, 12)))
    directions = components(standard, 0.9)
    kept = np.sum((standard @ directions) ** 2) / np.sum(standard**2)
    fewer = np.sum((standard @ directions[:, :-1]) ** 2) / np.sum(standard**2)
    assert fewer < 0.9 <= kept
    assert components(standard, 1.0).shape == (12, 12)


def test_partial_correlation_is_that_of_residuals() -> None:
    series = np.random.default_rng(2).normal(size=(100, 5)) @ np.random.default_rng(3).normal(size=(5, 5))
    centred = series - series.mean(axis=0)
    others, pair = centred[:, 2:], centred[:, :2]
    residual = pair - others @ np.linalg.lstsq(others, pair, rcond=None)[0]
    expected = np.corrcoef(residual.T)[0, 1]
    assert partial_correlations(series, shrink=False)[0, 1] == pytest.approx(expected, abs=1e-10)


def test_shrunk_partial_correlation_agrees_with_scikit_learn() -> None:
    from sklearn.covariance import LedoitWolf

    series = np.random.default_rng(4).normal(size=(40, 8)).cumsum(axis=0) * np.arange(1, 9)
    precision = LedoitWolf().fit((series - series.mean(0)) / series.std(0)).precision_
    scale = np.sqrt(np.diag(precision))
    expected = -precision / np.outer(scale, scale)
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(partial_correlations(series)[off], expected[off], atol=1e-10)


@pytest.mark.parametrize(
    ("both", "first", "second", "expected"),
    [
        (0.2, 0.0, 0.0, 1.0),  # always together: as much as the two probabilities allow
        (0.04, 0.16, 0.16, 0.0),  # independent
        (0.0, 0.2, 0.2, -0.04 / 0.16),  # never together: E = 0.04, max = 0.2
        (0.2, 0.1, 0.0, 1.0),  # the second never alone
        (0.0, 0.0, 0.5, 0.0),  # the first is never active: nothing to tell
    ],
)
def test_kappa_of_known_tables(both: float, first: float, second: float, expected: float) -> None:
    found = kappa(np.array(both), np.array(first), np.array(second))
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_kappa_follows_its_definition() -> None:
    """P = (0.2, 0.1, 0.15): expected 0.105, most 0.3, excess 0.095, D = 0.5 + 0.095 / 0.39."""
    mix = 0.5 + 0.095 / (2 * 0.195)
    expected = 0.095 / (mix * 0.195 + (1 - mix) * 0.105)
    assert float(kappa(np.array(0.2), np.array(0.1), np.array(0.15))) == pytest.approx(expected, abs=1e-12)


def test_tau_compares_activation() -> None:
    assert float(tau(np.array(0.2), np.array(0.0), np.array(0.2))) == pytest.approx(0.5)
    assert float(tau(np.array(0.0), np.array(0.2), np.array(0.2))) == pytest.approx(-0.5)


def test_directed_keeps_a_third_for_the_reverse() -> None:
    strength = np.array([[0, 0.6, 0.4], [0.6, 0, 0.2], [0.4, 0.2, 0]])
    contrast = np.array([[0, 1, 0], [-1, 0, -2], [0, 2, 0]])
    expected = [[0, 0.6, 0.4 * (1 + REVERSE) / 2], [0.2, 0, 0.2 / 3], [0.4 * (1 + REVERSE) / 2, 0.2, 0]]
    np.testing.assert_allclose(directed(strength, contrast), expected)


def test_lingam_ratios_follow_their_formulas() -> None:
    standard = standardise(np.random.default_rng(6).gamma(2, size=(500, 2)) @ np.array([[1, 0.5], [0, 1]]))
    one, other = standard.T
    correlation = np.mean(one * other)
    skew = correlation * np.mean(one**2 * other - one * other**2)
    tanh = correlation * np.mean(one * np.tanh(other) - np.tanh(one) * other)
    np.testing.assert_allclose(skew_ratio(5 - standard * [3, -2])[0, 1], skew, rtol=1e-10)
    np.testing.assert_allclose(tanh_ratio(standard)[0, 1], tanh, rtol=1e-10)


def test_pooled_lingam_adds_likelihood_ratios() -> None:
    """One long recording that is sure outvotes two short ones that lean the other way."""
    forward = structural(np.array([[0, 0.8], [0, 0]]), 2000, 0, "standard_exponential")
    against = [structural(np.array([[0, 0], [0.5, 0]]), 60, seed, "standard_exponential") for seed in (1, 2)]
    for series in against:
        assert skew_ratio(series)[0, 1] < 0
    scores = PairwiseLingam().together([forward, *against], 1.0, CONTEXT).scores
    assert scores[0, 1] > scores[1, 0]


def test_pooled_lingam_turns_a_node_once_for_all_recordings() -> None:
    """Fifty short recordings of faint skewness: each alone misjudges its sign, all together do not."""
    weights = np.array([[0, 0.6], [0, 0]])
    recordings = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        recordings.append(rng.gamma(20, size=(60, 2)) @ np.linalg.inv(np.eye(2) - weights))
    np.testing.assert_array_equal(common_turn(recordings), [1, 1])
    assert min(np.mean(standardise(series)[:, 0] ** 3) for series in recordings) < 0
    scores = PairwiseLingam().together(recordings, 1.0, CONTEXT).scores
    turned = PairwiseLingam().together([series * [-3, 2] for series in recordings], 1.0, CONTEXT).scores
    assert scores[0, 1] > scores[1, 0]
    np.testing.assert_allclose(turned, scores, atol=1e-8)


# Weights of gcastle 1.0.4 (Notears(lambda1=0.1, w_threshold=0), torch 2.15.0) on the z-scored rows below.
GCASTLE = [
    [0, -0.208711, 0.000011, -0.000149, 0],
    [-0.000046, 0, 0.000007, -0.000117, 0.234414],
    [0.508602, 0.522809, 0, -0.000021, 0],
    [0, 0, -0.662457, 0, 0.63139],
    [-0.001292, 0.000033, 0, 0.000019, 0],
]


def test_notears_agrees_with_gcastle() -> None:
    """To the accuracy at which two runs of L-BFGS stop."""
    weights = np.zeros((5, 5))
    for source, target, weight in ((0, 2, 0.9), (1, 2, 0.8), (2, 3, -0.7), (1, 4, 0.6), (3, 4, 0.8)):
        weights[source, target] = weight
    scores = Notears().graph(structural(weights, 500, 11), 1.0, CONTEXT).scores
    np.testing.assert_allclose(scores, np.abs(GCASTLE), atol=5e-3)


def test_notears_in_equal_noise_finds_the_graph() -> None:
    """The published case: noise of equal variance, units kept."""
    weights = np.zeros((5, 5))
    for source, target, weight in ((0, 2, 0.9), (1, 2, 0.8), (2, 3, -0.7), (1, 4, 0.6), (3, 4, 0.8)):
        weights[source, target] = weight
    scores = Notears(sparsity=0.02, standardised=False).graph(structural(weights, 2000, 12), 1.0, CONTEXT).scores
    np.testing.assert_array_equal(scores > 0.1, weights != 0)


def test_acyclicity_and_its_gradient() -> None:
    rng = np.random.default_rng(8)
    weights = rng.normal(size=(5, 5))
    assert acyclicity(np.triu(weights, 1))[0] == pytest.approx(0, abs=1e-12)
    assert acyclicity(weights)[0] > 1

    def value(flat: np.ndarray) -> float:
        return acyclicity(flat.reshape(5, 5))[0]

    def gradient(flat: np.ndarray) -> np.ndarray:
        return acyclicity(flat.reshape(5, 5))[1].ravel()

    size = np.linalg.norm(gradient(weights.ravel()))
    assert check_grad(value, gradient, weights.ravel()) < 1e-5 * size


def test_rdcm_spectra_are_those_of_differences() -> None:
    """(exp(i w step) - 1) / step is the forward difference of the circular series."""
    series = np.random.default_rng(9).normal(size=(64, 3))
    spectrum, rate = derivative(series, 2.0)
    forward = (np.roll(series, -1, axis=0) - series) / 2.0
    np.testing.assert_allclose(spectrum.T @ rate, series.T @ forward, atol=1e-10)
    np.testing.assert_allclose(np.sum(rate**2, axis=0), np.sum(forward**2, axis=0), atol=1e-10)


def test_rdcm_with_a_wide_prior_is_least_squares() -> None:
    series = standardise(autoregression())
    spectrum, rate = derivative(series, 1.0)
    found = variational_bayes(spectrum, rate, np.zeros((3, 3)), np.full((3, 3), 1e-9), 1e-6, 1e-6)
    expected = np.linalg.lstsq(spectrum, rate, rcond=None)[0].T
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rdcm_is_a_fixed_point_of_its_updates() -> None:
    """The noise precision that belongs to the weights gives the weights back."""
    spectrum, rate = derivative(standardise(autoregression()), 1.0)
    mean, precision = -0.5 * np.eye(3), 1.0 + 20 * np.eye(3)
    weights = variational_bayes(spectrum, rate, mean, precision, 2.0, 1.0)
    gram = spectrum.T @ spectrum
    for target in range(3):
        noise = 1.0
        for _ in range(200):
            covariance = np.linalg.inv(noise * gram + np.diag(precision[target]))
            residual = np.sum((rate[:, target] - spectrum @ weights[target]) ** 2)
            noise = (2.0 + 300 / 2) / (1.0 + (residual + np.trace(covariance @ gram)) / 2)
        again = covariance @ (noise * spectrum.T @ rate[:, target] + precision[target] * mean[target])
        np.testing.assert_allclose(again, weights[target], rtol=1e-6)


def test_rdcm_shrinks_with_a_narrow_prior() -> None:
    series = autoregression()
    wide, narrow = (RegressionDcm(spread=spread).graph(series, 1.0, CONTEXT).scores for spread in (8.0, 1e-3))
    assert narrow.max() < 0.2 * wide.max()
    assert wide.argmax() == 0 * 3 + 1


def test_rdcm_counts_rows_where_there_is_no_tr() -> None:
    series = autoregression()
    without, unit = (RegressionDcm().graph(series, tr, CONTEXT).scores for tr in (float("nan"), 1.0))
    np.testing.assert_array_equal(without, unit)


def test_adjacency_search_separates_a_chain() -> None:
    """0 -> 1 -> 2 and 3 by itself: 0 and 2 part given 1, and their strength falls to that partial correlation."""
    correlation = np.eye(4)
    for i, j, value in ((0, 1, 0.6), (1, 2, 0.5), (0, 2, 0.3)):
        correlation[i, j] = correlation[j, i] = value
    adjacent, strength = adjacency_search(correlation, 0.1, 3)
    assert [tuple(pair) for pair in np.argwhere(np.triu(adjacent))] == [(0, 1), (1, 2)]
    assert strength[0, 2] == pytest.approx(0, abs=1e-6)
    assert strength[0, 1] == pytest.approx(0.45 / np.sqrt(0.75 * 0.91), abs=1e-6)
    assert adjacency_search(correlation, 0.1, 0)[0][0, 2]


def test_left_right_is_antisymmetric_and_points_forward() -> None:
    series = standardise(structural(np.array([[0, 0.6], [0, 0]]), 2000, 3, "standard_exponential"))
    contrast = left_right(series)
    np.testing.assert_allclose(contrast, -contrast.T, atol=1e-12)
    assert contrast[0, 1] > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_fask_finds_a_planted_two_cycle(seed: int) -> None:
    """0 <-> 1 -> 2 -> 3 with exponential noise."""
    weights = np.zeros((4, 4))
    weights[0, 1] = weights[1, 0] = 0.5
    weights[1, 2] = weights[2, 3] = 0.6
    found = Fask().graph(structural(weights, 1000, seed, "standard_exponential"), 1.0, CONTEXT)
    assert found.native is not None
    np.testing.assert_array_equal(found.native, weights != 0)
    assert found.scores[0, 1] == found.scores[1, 0]
    assert found.scores[found.native].min() > found.scores[~found.native].max()


@pytest.mark.parametrize("weight", [0.6, -0.6])
def test_uncentred_fask_keeps_single_edges_in_long_recordings(weight: float) -> None:
    """A restricted range alone changes a centred correlation, and with enough frames significantly."""
    rng = np.random.default_rng(0)
    cause = rng.gamma(2, size=20000)
    series = np.column_stack([cause, weight * cause + rng.gamma(2, size=20000)])
    uncentred, centred = (Fask(centred=kind).graph(series, 1.0, CONTEXT).native for kind in (False, True))
    np.testing.assert_array_equal(uncentred, [[False, True], [False, False]])
    np.testing.assert_array_equal(centred, [[False, True], [True, False]])


def test_uncentred_fask_finds_a_planted_two_cycle() -> None:
    weights = np.zeros((4, 4))
    weights[0, 1] = weights[1, 0] = 0.5
    weights[1, 2] = weights[2, 3] = 0.6
    found = Fask(centred=False).graph(structural(weights, 10000, 0, "standard_exponential"), 1.0, CONTEXT)
    np.testing.assert_array_equal(found.native, weights != 0)


def test_fask_adds_pairs_whose_links_cancel() -> None:
    """A 2-cycle of opposite signs leaves no correlation, and shows in the two halves."""
    weights = np.array([[0, 0.5], [-0.5, 0]])
    series = structural(weights, 1000, 0, "standard_exponential")
    assert abs(np.corrcoef(series.T)[0, 1]) < 0.07
    found = Fask().graph(series, 1.0, CONTEXT)
    assert found.native is not None
    assert found.native.any()
    assert not np.any(Fask(extra=2.0).graph(series, 1.0, CONTEXT).native)
