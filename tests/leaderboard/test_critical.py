"""Tests over the tasks of a suite: against the paper's example, scipy and scikit-posthocs, and what they never say."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from brainbench.leaderboard.critical import (
    critical,
    critical_difference,
    findings,
    friedman,
    runs,
    signed_ranks,
    signs,
)
from brainbench.leaderboard.critical_figure import critical_svg

# Demsar (2006), table 6. The paper ranks "voting" by more digits than it prints (0.975 and 0.975 are ranks 2 and 3).
PAPER = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip
TREES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")

# Five methods on twelve tasks. The numbers below were computed by scikit-posthocs 0.17.1 (posthoc_nemenyi_friedman)
# and scipy 1.17.1 (exact Wilcoxon) with statsmodels' Holm adjustment.
SCORES = np.array([
    [0.0, 0.9, 0.73, 1.31, 1.95], [-0.99, 0.66, 2.34, 1.71, 1.78], [0.49, 0.96, 1.11, 1.27, 2.37],
    [0.7, -0.74, 0.54, 0.3, 1.11], [-1.84, 0.36, -0.27, 2.47, 2.56], [-0.19, -1.92, 0.46, 2.15, 2.51],
    [-1.53, 0.12, 0.02, 1.39, 3.46], [-0.81, 0.57, 1.88, 1.62, 2.29], [0.11, 0.66, -0.23, 2.28, 3.76],
    [-1.55, 1.46, 1.12, 1.56, 4.4], [0.76, -0.6, 1.07, 2.78, 2.21], [0.68, 0.53, 1.67, 3.64, 1.72],
])  # fmt: skip
NEMENYI = {"ab": 0.93798, "ac": 0.36917, "ad": 0.00447, "ae": 0.00001, "bc": 0.84022, "bd": 0.05234, "be": 0.00035,
           "cd": 0.44743, "ce": 0.01667, "de": 0.61463}  # fmt: skip
HOLM = {"ab": 0.2587890625, "ac": 0.01708984375, "ad": 0.0068359375, "ae": 0.0048828125, "bc": 0.2587890625,
        "bd": 0.0048828125, "be": 0.0048828125, "cd": 0.107421875, "ce": 0.0146484375, "de": 0.15673828125}  # fmt: skip


def judged(scores=SCORES, labels="abcde", higher=True, one_metric=True):
    return critical(tuple(labels), scores, [higher] * len(scores), one_metric)


def test_the_example_of_the_paper():
    found = judged(PAPER, TREES)
    ranks = dict(zip(found.labels, found.ranks, strict=True))
    assert [round(ranks[name], 3) for name in TREES] == [3.143, 2.000, 2.893, 1.964]
    assert round(found.difference, 2) == 1.25
    assert round(critical_difference(4, 14, 0.10), 2) == 1.12
    # The paper's chi2 and F, which are not corrected for ties.
    chi2 = 12 * 14 / (4 * 5) * (sum(rank**2 for rank in found.ranks) - 4 * 5**2 / 4)
    assert round(chi2, 2) == 9.28
    assert round(13 * chi2 / (14 * 3 - chi2), 2) == 3.69
    assert found.friedman.chi2 == pytest.approx(stats.friedmanchisquare(*PAPER.T).statistic)
    assert found.friedman.p == pytest.approx(stats.friedmanchisquare(*PAPER.T).pvalue, abs=0.01)
    # "the difference between the best and the worst performing algorithm is already smaller than that" at 5 %
    assert found.groups == ((0, 3),)


def test_groups_are_the_pairs_that_other_software_does_not_separate():
    found = judged()
    names = "".join(found.labels)
    assert names == "edcba"
    together = {
        frozenset((names[a], names[b]))
        for low, high in found.groups
        for a in range(low, high)
        for b in range(a + 1, high + 1)
    }
    assert together == {frozenset(pair) for pair, p in NEMENYI.items() if p > 0.05}


def test_pairs_are_those_of_other_software():
    found = judged()
    own = {"".join(sorted(found.labels[pair.first] + found.labels[pair.second])): pair.holm for pair in found.pairs}
    assert own == pytest.approx(HOLM)
    first = found.pairs[0]  # e against d: worse on tasks 11 and 12 only
    assert (first.wins, first.ties, first.losses) == (10, 0, 2)


def test_one_pair_separated_by_the_critical_difference_alone_is_told():
    text = " ".join(findings(judged()))
    assert "Not separated: e to d; d to b; c to a." in text
    assert "Holm over all 10 pairs" in text
    assert "too few" not in text


def test_lower_is_better_turns_the_order():
    assert judged(higher=False).labels == tuple("abcde")


def test_tasks_of_other_units_change_nothing_but_wilcoxon():
    scaled = SCORES * np.array([1, 1000] * 6)[:, None]
    plain, other = judged(one_metric=False), judged(scaled, one_metric=False)
    assert plain == other
    assert judged(scaled) != judged()
    pair = plain.pairs[0]
    assert pair.p == pytest.approx(stats.binomtest(10, 12).pvalue)


@pytest.mark.parametrize("size", [1, 5, 9, 20])
def test_signed_ranks_equal_scipy_without_ties(size):
    differences = np.random.default_rng(size).normal(0.3, 1, size)
    assert signed_ranks(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_signed_ranks_count_all_signs_where_sizes_are_equal():
    differences = np.array([1, 1, -1, 2, 2, 3.0])
    ranks = stats.rankdata(abs(differences))
    sums = np.array([ranks[np.array(sign)].sum() for sign in product([True, False], repeat=6)])
    seen = ranks[differences > 0].sum()
    expected = min(1, 2 * min((sums >= seen).mean(), (sums <= seen).mean()))
    assert signed_ranks(differences) == pytest.approx(expected)


def test_equal_scores_separate_nothing():
    assert signed_ranks(np.zeros(4)) == signs(np.zeros(4)) == 1
    same = judged(np.ones((6, 3)), "abc")
    assert same.friedman.p == 1
    assert same.groups == ((0, 2),)
    assert same.ranks == (2, 2, 2)


def test_tasks_that_are_too_few_are_said():
    two = judged(SCORES[:2, 2:], "cde")
    assert two.groups == ((0, 2),)
    assert len(two.few) == 3
    assert "(it takes 3)" in two.few[1]
    assert "(it takes 7)" in two.few[2]
    assert min(pair.holm for pair in two.pairs) > 0.05
    perfect = np.arange(3.0) + np.zeros((3, 1))
    assert friedman(stats.rankdata(perfect, axis=1)).p == pytest.approx(1 / 36, abs=0.01)
    assert not any("critical difference" in sentence for sentence in judged(perfect, "abc").few)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1, 20), min_size=1, max_size=25), st.floats(0.1, 15))
def test_runs_hold_all_pairs_that_are_near_and_no_other(ranks, far):
    ranks = sorted(ranks)
    found = runs(ranks, far)
    for a in range(len(ranks)):
        for b in range(a + 1, len(ranks)):
            assert (ranks[b] - ranks[a] < far) == any(low <= a and b <= high for low, high in found)
    assert all(not (x != y and y[0] <= x[0] and x[1] <= y[1]) for x in found for y in found)


def test_friedman_rejects_as_often_as_it_says():
    rng = np.random.default_rng(3)
    p = [friedman(stats.rankdata(rng.normal(size=(6, 4)), axis=1), shuffles=1000).p for _ in range(300)]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


def test_the_diagram_says_in_words_what_it_shows_and_escapes_names():
    root = ElementTree.fromstring(critical_svg(judged(labels=["<b>", "x & y", "\x00\u202e", '"', "e"]), "<suite>"))
    space = "{http://www.w3.org/2000/svg}"
    title, told = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title.text == "<suite>"
    assert "Critical difference 1.76" in told.text
    assert "Not separated: from e to" in told.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    shown = "".join(root.itertext())
    assert "<b>  4.42" in shown
    assert "\u202e" not in shown
    assert len(root.findall(f"{space}g")) == 5
    assert len([line for line in root.iter(f"{space}polyline") if line.get("class") == "cd-group"]) == 3


@pytest.mark.parametrize("count", [2, 3, 40])
def test_everything_of_a_diagram_lies_inside_of_it(count):
    scores = np.random.default_rng(count).normal(size=(5, count)) + np.arange(count) / 4
    root = ElementTree.fromstring(critical_svg(judged(scores, [f"method {k} " + "x" * 60 for k in range(count)]), "t"))
    _, _, width, height = map(float, root.get("viewBox").split())
    for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        room = 6.6 * len(text.text)
        left = float(text.get("x")) - {"end": room, "middle": room / 2}.get(text.get("text-anchor"), 0)
        assert left >= 0
        assert left + room <= width + 1
