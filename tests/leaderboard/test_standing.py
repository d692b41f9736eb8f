"""Where a row stands: rank intervals and tests against the best, from the resamples of its record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from brainbench.benchmark.draws import as_draws
from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.record import ScorePart
from brainbench.benchmark.stats import Resampling, Scored, bootstrap, holm, interval, paired, resampling
from brainbench.leaderboard.board import boards, make_board
from brainbench.leaderboard.standing import Entry, Standing, standings
from support import plan_of, write_planted

PEOPLE = Resampling("people", 100)


def score_of(value: float, row: np.ndarray, **changes) -> ScorePart:
    low, high = interval(np.asarray(row, dtype=float))
    part = ScorePart(
        value=value, low=low, high=high, fold_sd=None, seed_sd=None, pooled=None, aggregate="fold mean", folds=1,
        chance=0.5, higher_is_better=True,
    )  # fmt: skip
    return part.model_copy(update=changes)


def entry(name: str, value: float, row, of_what: Resampling = PEOPLE, **changes) -> Entry:
    row = np.asarray(row, dtype=float)
    return Entry(name, score_of(value, row, **changes), as_draws({"m": row}, of_what))


def ranks(found: list[Standing]) -> list[tuple[int | None, int | None]]:
    return [(one.rank_low, one.rank_high) for one in found]


def test_a_small_board_by_hand():
    """Of 100 resamples a beats b in 90; c is always last."""
    a, b = np.full(100, 0.8), np.full(100, 0.7)
    b[:10] = 0.9
    found = standings([entry("a", 0.8, a), entry("b", 0.72, b), entry("c", 0.5, np.full(100, 0.5))], "m")
    assert ranks(found) == [(1, 2), (1, 2), (3, 3)]
    assert (found[0].p, found[0].separated, found[0].reason) == (None, None, "")
    # Ten of 100 draws lie beyond 0; against c none does, and a difference without spread is as sure as draws can be.
    raw = [2 * 11 / 101, 2 / 101]
    assert [one.p for one in found[1:]] == pytest.approx(holm(raw))
    assert [one.separated for one in found[1:]] == [False, True]


def test_lower_is_better_where_the_metric_says_so():
    rows = [entry(name, value, np.full(50, value), higher_is_better=False) for name, value in (("a", 1), ("b", 2))]
    assert ranks(standings(rows, "m")) == [(1, 1), (2, 2)]


def test_rows_that_tie_share_their_ranks():
    row = np.random.default_rng(0).normal(size=200)
    rows = [entry(name, 0.0, row) for name in "abc"] + [entry("d", -9.0, row - 9)]
    found = standings(rows, "m")
    assert ranks(found) == [(1, 3)] * 3 + [(4, 4)]
    assert [one.p for one in found[1:3]] == [1, 1]
    assert [one.separated for one in found[1:]] == [False, False, True]


def test_one_row_alone_is_first():
    assert standings([entry("a", 0.0, np.arange(50.0))], "m") == [Standing(1, 1)]
    assert standings([], "m") == []


def test_many_rows_can_be_separated_although_resamples_are_few():
    """2,000 resamples alone give p of 0.001 at least, which Holm over 60 rows makes 0.06."""
    rng = np.random.default_rng(0)
    best = rng.normal(0.9, 0.01, 2000)
    rows = [entry("best", 0.9, best)] + [entry(f"r{k}", 0.7, rng.normal(0.7, 0.01, 2000)) for k in range(60)]
    found = standings(rows, "m")
    assert all(one.separated for one in found[1:])
    assert max(one.p for one in found[1:]) < 1e-10
    few = [entry(one.name, one.score.value, one.draws.of("m"), Resampling("people", 2)) for one in rows]
    assert not any(one.separated for one in standings(few, "m")[1:])  # two people cannot say that much


def predictions(rng: np.random.Generator, shift: float) -> list[Scored]:
    made = []
    for fold in range(2):
        truth = np.arange(60) % 2
        score = rng.normal(size=60) + shift * truth
        made.append(Scored(truth, np.c_[-score, score], [f"p{fold}-{k}" for k in range(60)]))
    return made


def test_its_test_is_the_paired_bootstrap():
    rng = np.random.default_rng(1)
    made = sorted(
        (predictions(rng, shift) for shift in (1.2, 1.1, 0.9, 0.6)), key=lambda folds: -bootstrap(AUC(), folds, 1).value
    )
    rows = []
    for k, folds in enumerate(made):
        found = bootstrap(AUC(), folds)
        score = score_of(found.value, found.draws)
        rows.append(Entry(f"r{k}", score, as_draws({"auc": found.draws}, resampling(folds))))
    expected = holm([paired(AUC(), made[0], folds).p for folds in made[1:]])
    assert [one.p for one in standings(rows, "auc")[1:]] == pytest.approx(expected, rel=1e-5)


def test_rows_that_cannot_be_tested_say_why_and_spoil_no_other():
    rng = np.random.default_rng(0)
    row = rng.normal(0.8, 0.01, 500)
    good = [entry("a", 0.8, row), entry("b", 0.7, row - 0.1)]
    others = entry("others", 0.6, rng.normal(0.6, 0.01, 500), Resampling("other people", 100))
    none = Entry("none", score_of(0.5, row - 0.3), None)
    swapped = Entry("swapped", score_of(0.4, row - 0.4), good[0].draws)
    ranged = entry("ranged", 0.3, row - 0.5, spread="range over 3 seeds")
    found = standings([*good, others, none, swapped, ranged], "m")
    assert ranks(found) == [(1, 1), (2, 2)] + [(None, None)] * 4
    assert [one.separated for one in found] == [None, True, None, None, None, None]
    assert found[1].p == standings(good, "m")[1].p
    told = ["other subjects or draws", "brainbench rescore none", "not those of its interval", "range over 3 seeds"]
    assert all(part in one.reason for part, one in zip(told, found[2:], strict=True))


def test_a_best_row_without_resamples_leaves_rank_intervals_only():
    row = np.random.default_rng(0).normal(0.8, 0.01, 500)
    best = Entry("best", score_of(0.9, row + 0.1), None)
    found = standings([best, entry("a", 0.8, row), entry("b", 0.7, row - 0.1)], "m")
    assert ranks(found) == [(None, None), (2, 2), (3, 3)]
    assert all(one.p is None for one in found)
    assert "the best row, best, has no resamples" in found[1].reason
    assert ranks(standings([best], "m")) == [(None, None)]


def test_an_undefined_score_is_last_and_where_all_are_undefined_nothing_is_counted():
    a, b = np.full(100, 0.8), np.full(100, 0.7)
    a[:50], b[:40] = np.nan, np.nan  # in ten resamples b alone is defined
    assert ranks(standings([entry("a", 0.8, a), entry("b", 0.7, b)], "m")) == [(1, 2), (1, 2)]
    a[:50] = b[:50] = np.nan
    assert ranks(standings([entry("a", 0.8, a), entry("b", 0.7, b)], "m")) == [(1, 1), (2, 2)]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 12), spread=st.sampled_from([0.001, 0.05, 1.0]))
def test_what_must_hold_of_any_board(seed, rows, spread):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.normal(size=rows))[::-1]
    made = [entry(f"r{k}", value, value + spread * rng.normal(size=300)) for k, value in enumerate(values)]
    found = standings(made, "m")
    for rank, one in enumerate(found, 1):
        assert 1 <= one.rank_low <= one.rank_high <= rows
        if spread == 0.001 and rows > 1 and -np.diff(values).max(initial=-1) > 0.02:
            assert one.rank_low == one.rank_high == rank
    assert all(one.p is None or 0 < one.p <= 1 for one in found)
    assert [one.separated for one in found[1:]] == [one.p < 0.05 for one in found[1:]]
    # The order in which rows come changes nothing but the best: shuffle the rest.
    order = [0, *(1 + rng.permutation(rows - 1))]
    again = standings([made[k] for k in order], "m")
    assert ranks(again) == [ranks(found)[k] for k in order]
    assert [one.p for one in again[1:]] == [found[k].p for k in order[1:]]


def test_rank_intervals_hold_the_true_rank():
    """Five methods, true scores 0.1 apart, standard error 0.05: at least 95 % of intervals hold the true rank."""
    rng = np.random.default_rng(2)
    true = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    held = []
    for _ in range(200):
        seen = true + rng.normal(0, 0.05, 5)
        order = np.argsort(-seen)
        rows = [entry(f"r{k}", seen[k], seen[k] + rng.normal(0, 0.05, 200)) for k in order]
        held += [low <= k + 1 <= high for k, (low, high) in zip(order, ranks(standings(rows, "m")), strict=True)]
    assert np.mean(held) > norm.cdf(1.645)


@pytest.fixture
def record(own_home, run_plan):
    write_planted(own_home, "abide2", n=40)
    (found,) = run_plan(plan_of("abide2-asd", "majority", data="real", folds=2))
    return found


def named(record, name: str, metric: str, value: float, **changes):
    scores = {**record.scores, metric: record.scores[metric].model_copy(update={"value": value})}
    method = record.method.model_copy(update={"name": name, "ref": name})
    return record.model_copy(update={"id": name, "scores": scores, "method": method, **changes})


def test_a_board_tells_standings_when_it_is_given_draws(record, store):
    rows = [named(record, "a", "auc", 0.5), named(record, "b", "auc", 0.4), named(record, "no", "auc", 1, ranked=False)]
    (quiet,) = boards(rows)
    assert [line.standing for line in quiet.lines] == [None] * 3
    (board,) = boards(rows, lambda one: store.draws(record))
    assert [line.standing and line.standing.rank_high for line in board.lines] == [2, 2, None]
    rescored = [one.model_copy(update={"row": "rescored"}) for one in rows]
    (apart,) = boards([*rows[:1], *rescored[:1]], lambda one: store.draws(record))
    assert [line.standing for line in apart.every] == [Standing(1, 1)] * 2  # each section has ranks of its own


def test_rows_of_another_sort_replace_none(record):
    mine = named(record, "a", "auc", 0.8)
    late = record.environment.model_copy(update={"created": "2999-01-01T00:00:00+00:00"})
    theirs = named(record, "a", "auc", 0.99, row="rescored", environment=late)
    told = named(record, "a", "auc", 0.999, row="reported", environment=late)
    board = make_board([mine, theirs, told])
    assert [len(section) for section in (board.lines, board.rescored, board.reported)] == [1, 1, 1]
    assert (board.superseded, board.reported[0].rank, len(board.every)) == (0, None, 3)


def test_another_metric_ranks_when_it_is_asked_for(record, store):
    a = named(named(record, "a", "auc", 0.9), "a", "accuracy", 0.5)
    b = named(named(record, "b", "auc", 0.6), "b", "accuracy", 0.7)
    lacking = named(record, "c", "auc", 1.0)
    lacking = lacking.model_copy(update={"scores": {"auc": lacking.scores["auc"]}})
    (board,) = boards([a, b, lacking], metric="accuracy")
    assert [(line.record.method.name, line.rank) for line in board.lines] == [("b", 1), ("a", 2), ("c", None)]
    assert board.headline == "accuracy"
    (usual,) = boards([a, b, lacking])
    assert [line.record.method.name for line in usual.lines] == ["c", "a", "b"]
    assert usual.headline == "auc"
    assert list(boards([a, b, lacking], metric="shd")) == []
    (stood,) = boards([a], lambda one: store.draws(record), metric="accuracy")
    assert stood.lines[0].standing == Standing(1, 1)
