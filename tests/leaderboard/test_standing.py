"""Where a row stands: rank intervals and tests against the best, from the resamples of its record."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.draws import as_draws
from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.record import ScorePart
from brainbench.benchmark.stats import Resampling, Scored, bootstrap, holm, interval, paired, resampling, two_sided
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
    # Against b ten of 100 draws lie beyond 0. Against c none does: for a, whose difference has no spread, p is what
    # 100 draws can say; for b it is the tail of t. Of the three, that of b with c is the smallest.
    ab, ac = 2 * 11 / 101, 2 / 101
    assert [one.p for one in found[1:]] == pytest.approx([ab, 2 * ac])
    assert [one.separated for one in found[1:]] == [False, True]


def test_lower_is_better_where_the_metric_says_so():
    rows = [entry(name, value, np.full(50, value), higher_is_better=False) for name, value in (("a", 1), ("b", 2))]
    assert ranks(standings(rows, "m")) == [(1, 1), (2, 2)]


def test_rows_that_tie_share_their_ranks():
    row = np.random.default_rng(0).normal(size=200)
    rows = [entry(name, 0.0, row) for name in "abc"] + [entry("d", -9.0, row - 9 + np.linspace(0, 1, 200))]
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
    # All pairs are one family: the best was chosen after the scores were seen.
    expected = holm([paired(AUC(), one, two).p for one, two in combinations(made, 2)])
    assert [one.p for one in standings(rows, "auc")[1:]] == pytest.approx(expected[:3], rel=1e-4)


def test_rows_that_cannot_be_tested_say_why_and_spoil_no_other():
    rng = np.random.default_rng(0)
    row = rng.normal(0.8, 0.01, 500)
    good = [entry("a", 0.8, row), entry("b", 0.7, row - 0.1)]
    others = entry("others", 0.6, rng.normal(0.6, 0.01, 500), Resampling("other people", 100))
    none = Entry("none", score_of(0.5, row - 0.3), None)
    swapped = Entry("swapped", score_of(0.4, row - 0.4), good[0].draws)
    ranged = entry("ranged", 0.3, row - 0.5, spread="range over 3 seeds")
    found = standings([*good, others, none, swapped, ranged], "m")
    assert ranks(found) == [(1, 5), (2, 6)] + [(None, None)] * 4  # the four may be anywhere
    assert [one.separated for one in found] == [None, True, None, None, None, None]
    assert found[1].p == standings(good, "m")[1].p
    told = ["other subjects or draws", "brainbench rescore none", "not those of its interval", "range over 3 seeds"]
    assert all(part in one.reason for part, one in zip(told, found[2:], strict=True))


def test_a_best_row_without_resamples_leaves_rank_intervals_only():
    row = np.random.default_rng(0).normal(0.8, 0.01, 500)
    best = Entry("best", score_of(0.9, row + 0.1), None)
    found = standings([best, entry("a", 0.8, row), entry("b", 0.7, row - 0.1)], "m")
    assert ranks(found) == [(None, None), (1, 2), (2, 3)]
    assert all(one.p is None for one in found)
    assert "the best row, best, has no resamples" in found[1].reason
    assert ranks(standings([best], "m")) == [(None, None)]


def test_resamples_without_a_score_are_left_out():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.8, 0.1, 1000), rng.normal(0.75, 0.1, 1000)
    a[:500], b[400:600] = np.nan, np.nan
    found = standings([entry("a", 0.8, a), entry("b", 0.75, b)], "m")
    assert found[1].p == pytest.approx(two_sided((a - b)[600:], 100))
    b[:] = np.nan
    b[:500] = 0.7
    assert standings([entry("a", 0.8, a), entry("b", 0.7, b)], "m")[1].p is None  # never defined together


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 12), spread=st.sampled_from([0.001, 0.05, 1.0]))
def test_what_must_hold_of_any_board(seed, rows, spread):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.normal(size=rows))[::-1]
    made = [entry(f"r{k}", value, value + spread * rng.normal(size=300)) for k, value in enumerate(values)]
    found = standings(made, "m")
    for rank, one in enumerate(found, 1):
        assert 1 <= one.rank_low <= rank <= one.rank_high <= rows
    assert all(one.p is None or 0 < one.p <= 1 for one in found)
    assert [one.separated for one in found[1:]] == [one.p < 0.05 for one in found[1:]]
    assert all(one.rank_low > 1 for one in found[1:] if one.separated)
    assert found[0].rank_high == rows - sum(one.separated for one in found[1:])
    if spread == 0.001 and -np.diff(values).max(initial=-1) > 0.02:
        assert all(one.rank_low == one.rank_high for one in found)
    moved = [entry(one.name, one.score.value + 1, one.draws.of("m") + np.float32(1)) for one in made]
    assert ranks(standings(moved, "m")) == ranks(found)


def seen(true: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[Standing]]:
    """Methods of these true scores, measured with an error of 1: which is at each rank, and the standings."""
    values = true + rng.normal(size=len(true))
    order = np.argsort(-values)
    rows = [entry(f"r{k}", values[k], values[k] + rng.normal(size=300)) for k in order]
    return order, standings(rows, "m")


def test_the_best_of_equals_is_rarely_separated_from_any():
    """Of ten equals the leader leads by luck. Holm over the nine others alone would separate some in 14 % of boards."""
    rng = np.random.default_rng(0)
    wrong = sum(any(one.separated for one in seen(np.zeros(10), rng)[1][1:]) for _ in range(300))
    assert 0.01 < wrong / 300 < 0.075


@pytest.mark.parametrize("gap", [0.3, 1.0, 3.0])
def test_rank_intervals_hold_all_true_ranks_together(gap):
    rng = np.random.default_rng(1)
    held = []
    for _ in range(100):
        order, found = seen(-gap * np.arange(6), rng)
        held.append(all(one.rank_low <= k + 1 <= one.rank_high for k, one in zip(order, found, strict=True)))
    assert np.mean(held) > 0.92
    if gap == 3.0:  # they are not merely wide
        assert np.mean([one.rank_high - one.rank_low for one in found]) < 3


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
