"""Intervals cover, clusters stay together, tests agree with their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from brainbench.benchmark import stats
from brainbench.benchmark.contracts import Metric
from brainbench.benchmark.metrics.classification import AUC, Accuracy
from brainbench.benchmark.score import clusters_of
from brainbench.benchmark.stats import Scored, bootstrap, corrected_resampled_t, holm, paired, two_sided


def _names(n: int, first: int = 0) -> list[str]:
    return [f"s{i:04d}" for i in range(first, first + n)]


def _two_class(rng: np.random.Generator, n: int, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.permutation(np.arange(n) % 2)
    score = rng.normal(size=n) + shift * truth
    p = 1 / (1 + np.exp(-(score - shift / 2)))
    return truth, np.c_[1 - p, p]


class Recorder(Metric):
    """Keeps the counts that it was asked about."""

    name = "recorder"
    title = "Recorder"

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def resample(self, truth: Any, prediction: Any, counts: np.ndarray) -> np.ndarray:
        self.seen.append(counts.copy())
        return counts.sum(axis=1).astype(float)


def test_a_subject_has_one_count_in_every_scan_and_fold():
    metric = Recorder()
    first = Scored(np.zeros(3), np.zeros(3), ["a", "b", "a"])
    second = Scored(np.zeros(2), np.zeros(2), ["c", "a"])
    bootstrap(metric, [first, second], resamples=50)
    one, two = metric.seen[-2:]
    np.testing.assert_array_equal(one[:, 0], one[:, 2])
    np.testing.assert_array_equal(one[:, 0], two[:, 1])
    # Three subjects are drawn in each resample, from the union of all folds.
    np.testing.assert_array_equal(one[:, 0].astype(int) + one[:, 1] + two[:, 0], 3)
    assert len(np.unique(one[:, 0])) > 2


def test_same_seed_same_interval_and_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    folds = [Scored(*_two_class(rng, 40), _names(40, 40 * k)) for k in range(3)]
    whole = bootstrap(AUC(), folds, 300, seed=1)
    assert whole == bootstrap(AUC(), folds, 300, seed=1)
    assert whole.low != bootstrap(AUC(), folds, 300, seed=2).low
    monkeypatch.setattr(stats, "BLOCK_CELLS", 1000)
    assert bootstrap(AUC(), folds, 300, seed=1) == whole


def test_value_is_the_mean_of_fold_scores_and_std_their_spread():
    rng = np.random.default_rng(0)
    folds = [Scored(*_two_class(rng, 30), _names(30, 30 * k)) for k in range(4)]
    each = [AUC().score(fold.truth, fold.prediction) for fold in folds]
    found = bootstrap(AUC(), folds, 100)
    assert found.value == pytest.approx(np.mean(each))
    assert found.std == pytest.approx(np.std(each, ddof=1))
    assert found.low < found.value < found.high
    assert (found.folds, found.folds_defined, found.resamples_defined) == (4, 4, 100)


def test_an_undefined_fold_is_left_out_and_counted():
    rng = np.random.default_rng(0)
    good = Scored(*_two_class(rng, 30), _names(30))
    lone = Scored(np.zeros(5, int), np.full((5, 2), 0.5), _names(5, 30))
    found = bootstrap(AUC(), [good, lone], 200)
    assert found.value == pytest.approx(AUC().score(good.truth, good.prediction))
    assert (found.folds, found.folds_defined) == (2, 1)
    nothing = bootstrap(AUC(), [lone], 50)
    assert np.isnan([nothing.value, nothing.low, nothing.high, nothing.std]).all()
    assert nothing.resamples_defined == 0


def test_repeated_scans_widen_the_interval():
    rng = np.random.default_rng(0)
    truth, prediction = _two_class(rng, 40)
    apart = Scored(np.tile(truth, 4), np.tile(prediction, (4, 1)), _names(160))
    together = apart._replace(clusters=_names(40) * 4)
    alone = bootstrap(AUC(), [Scored(truth, prediction, _names(40))])
    grouped, naive = bootstrap(AUC(), [together]), bootstrap(AUC(), [apart])
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low)
    assert naive.high - naive.low < 0.65 * (grouped.high - grouped.low)


@pytest.mark.parametrize(
    ("metric", "truth"), [(AUC(), scipy_stats.norm.cdf(1 / np.sqrt(2))), (Accuracy(), scipy_stats.norm.cdf(0.5))]
)
def test_intervals_cover_what_they_promise(metric, truth):
    """Mean over 3 folds of 60 subjects: 95 % intervals hold the true value about 95 % of the time."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        folds = [Scored(*_two_class(rng, 60), _names(60, 60 * k)) for k in range(3)]
        found = bootstrap(metric, folds, 250)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 300 <= 0.985


def test_clustered_scans_are_covered_too():
    """Four noisy scans of each subject: counting scans as independent would cover far less."""
    rng = np.random.default_rng(3)
    grouped = naive = 0
    for _ in range(200):
        truth = rng.permutation(np.arange(80) % 2)
        person = rng.normal(size=80) + truth
        score = (person[:, None] + 0.2 * rng.normal(size=(80, 4))).ravel()
        prediction = np.c_[-score, score]
        area = scipy_stats.norm.cdf(1 / np.sqrt(2 * 1.04))
        one = bootstrap(AUC(), [Scored(np.repeat(truth, 4), prediction, np.repeat(_names(80), 4))], 200)
        two = bootstrap(AUC(), [Scored(np.repeat(truth, 4), prediction, _names(320))], 200)
        grouped += one.low <= area <= one.high
        naive += two.low <= area <= two.high
    assert grouped / 200 > 0.9
    assert naive / 200 < 0.8


def test_paired_difference_is_tighter_than_two_intervals():
    rng = np.random.default_rng(0)
    truth, first = _two_class(rng, 200)
    score = np.log(first[:, 1] / first[:, 0])
    worse = score + rng.normal(0, 1.2, 200)
    better, other = (Scored(truth, np.c_[-s, s], _names(200)) for s in (score, worse))
    found = paired(AUC(), [better], [other])
    assert found.value == pytest.approx(AUC().score(truth, better.prediction) - AUC().score(truth, other.prediction))
    assert 0 < found.low < found.value < found.high
    assert found.p < 0.05
    one, two = bootstrap(AUC(), [better]), bootstrap(AUC(), [other])
    assert found.high - found.low < (one.high - one.low) + (two.high - two.low)
    back = paired(AUC(), [other], [better])
    assert back.value == pytest.approx(-found.value)
    assert back.p == pytest.approx(found.p)


def test_paired_with_itself_finds_nothing():
    rng = np.random.default_rng(0)
    fold = Scored(*_two_class(rng, 50), _names(50))
    found = paired(AUC(), [fold], [fold], 200)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_paired_refuses_other_items():
    rng = np.random.default_rng(0)
    fold = Scored(*_two_class(rng, 10), _names(10))
    with pytest.raises(ValueError, match="same items"):
        paired(AUC(), [fold], [fold._replace(clusters=_names(10, 5))])


def test_paired_p_values_are_honest_under_no_difference():
    """Two equally noisy readings of one score: about 5 % of p-values lie below 0.05."""
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(300):
        truth = rng.permutation(np.arange(80) % 2)
        signal = rng.normal(size=80) + truth
        a, b = (signal + rng.normal(size=80) for _ in range(2))
        folds = [Scored(truth, np.c_[-s, s], _names(80)) for s in (a, b)]
        rejected += paired(AUC(), folds[:1], folds[1:], 250).p < 0.05
    assert 0.02 <= rejected / 300 <= 0.095


def test_corrected_resampled_t_by_formula():
    values = [0.02, 0.01, 0.05, 0.03, -0.01]
    found = corrected_resampled_t(values, train=80, test=20)
    error = np.sqrt((1 / 5 + 20 / 80) * np.var(values, ddof=1))
    assert found.t == pytest.approx(0.02 / error)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(0.02 / error, 4))
    # With nothing shared between the folds it is the plain t-test.
    plain = scipy_stats.ttest_1samp(values, 0)
    assert corrected_resampled_t(values, 1, 0).p == pytest.approx(plain.pvalue)
    assert found.p > plain.pvalue


def test_corrected_resampled_t_of_few_or_equal_differences():
    assert np.isnan(corrected_resampled_t([0.1], 80, 20).p)
    assert np.isnan(corrected_resampled_t([], 80, 20).mean)
    assert corrected_resampled_t([0, 0, 0], 80, 20).p == 1
    assert corrected_resampled_t([0.1, 0.1], 80, 20).p == 0
    assert corrected_resampled_t([0.1, np.nan, 0.3], 80, 20).df == 1


def test_holm_by_hand():
    # Sorted 0.01 0.02 0.03 0.04 times 4 3 2 1, then made non-decreasing.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, np.nan, 0.9]), [1, np.nan, 1])
    assert holm([]).tolist() == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_order_and_never_shrinks(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= -1e-12).all()


def test_p_beyond_the_resamples_is_that_of_the_t_tail():
    draws = np.random.default_rng(0).normal(0.1, 0.01, 2000)
    assert two_sided(draws, 30) == pytest.approx(2 * scipy_stats.t.sf(draws.mean() / draws.std(), 29))
    assert two_sided(-draws, 30) == two_sided(draws, 30) < 2 / 2001
    assert two_sided(draws, 1) == 2 / 2001  # one subject has no spread
    assert two_sided(draws.astype(np.float32), 10**6) > 0
    near = np.random.default_rng(0).normal(0.1, 0.04, 2000)
    assert two_sided(near, 30) == 2 * ((near <= 0).sum() + 1) / 2001  # some lie beyond 0: they are counted
    assert np.isnan(two_sided(np.full(5, np.nan), 30))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_p_of_a_difference_without_spread_is_that_of_the_resamples(kind):
    row = np.random.default_rng(0).normal(size=2000).astype(kind)
    assert two_sided((row + kind(0.3)) - row, 500) == 2 / 2001
    assert two_sided(np.zeros(2000), 500) == 1


def test_relatives_are_drawn_together_where_families_are_known():
    table = pd.DataFrame({"subject": ["a", "b", "c"], "group": ["f", "f", "c"]})
    assert clusters_of(table) == ["a", "b", "c"]
    assert clusters_of(table.assign(family=["f", "f", ""])) == ["f", "f", "c"]


@pytest.mark.parametrize("subjects", [1, 7, 1000, stats.DRAWN_AT_ONCE // 2 + 1])
def test_resamples_drawn_together_are_those_drawn_one_by_one(subjects):
    rng, resamples = np.random.default_rng(5), 5 if subjects > 1000 else 150
    expected = [np.bincount(rng.integers(0, subjects, subjects), minlength=subjects) for _ in range(resamples)]
    np.testing.assert_array_equal(stats._draw(np.random.default_rng(5), resamples, subjects), expected)
