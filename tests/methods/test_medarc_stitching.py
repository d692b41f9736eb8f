"""Stitching against plain loops, and what it is worth: selection that pays on its own films only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.nn.film_sums import FilmSums, Sums
from brainbench.methods.medarc.stitching import (
    WEIGHTS,
    Recipe,
    Scores,
    best_member,
    headline,
    member_weights,
)

RNG = np.random.default_rng(0)


def loop_weights(ranking: np.ndarray, top: int, how: str) -> np.ndarray:
    """The same, parcel by parcel and in words."""
    members, parcels = ranking.shape
    out = np.zeros((members, parcels))
    for parcel in range(parcels):
        order = sorted(range(members), key=lambda member: (-ranking[member, parcel], member))
        best = order[: top or members]
        for member in best:
            if how == "mean":
                out[member, parcel] = 1 / len(best)
            elif how == "softmax":
                total = sum(np.exp(ranking[other, parcel] / 0.3) for other in best)
                out[member, parcel] = np.exp(ranking[member, parcel] / 0.3) / total
            else:
                out[member, parcel] = np.exp(ranking[member, parcel] / 0.3) / sum(
                    np.exp(ranking[member, other] / 0.3) for other in range(parcels)
                )
    return out


@pytest.mark.parametrize("how", WEIGHTS)
@pytest.mark.parametrize("top", [0, 1, 3])
def test_weights_are_those_of_a_plain_loop(how, top):
    ranking = RNG.normal(0.2, 0.1, (7, 11)).round(2)  # rounded, so that there are equals
    assert np.allclose(member_weights(ranking, top, how), loop_weights(ranking, top, how))


def test_weights_over_members_sum_to_one_and_the_parcel_axis_does_not():
    ranking = RNG.normal(0.2, 0.1, (6, 9))
    assert np.allclose(member_weights(ranking, 0, "softmax").sum(axis=0), 1)
    wrong = member_weights(ranking, 0, "softmax-parcels")
    assert np.allclose(wrong.sum(axis=1), 1)
    assert not np.allclose(wrong.sum(axis=0), 1)


def test_a_parcel_of_which_nothing_is_known_takes_all_members_alike():
    ranking = np.array([[0.3, np.nan], [0.1, np.nan]])
    assert np.allclose(member_weights(ranking, 1, "mean"), [[1, 0.5], [0, 0.5]])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 9999))
def test_sums_over_runs_are_those_of_the_whole(lengths, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(3, 1, (sum(lengths) + 2, 4))
    guess = truth + rng.normal(100, 2, truth.shape)
    sums = Sums()
    for part in np.split(np.arange(len(truth)), np.cumsum(lengths)):
        sums.add(guess[part], truth[part])
    expected = [np.corrcoef(guess[:, parcel], truth[:, parcel])[0, 1] for parcel in range(4)]
    assert np.allclose(sums.r(), expected, atol=1e-9)
    assert np.allclose(sums.moments(), [guess.mean(axis=0), guess.std(axis=0)])


def test_moments_over_films_are_those_of_all_runs():
    sums, parts = FilmSums(), [RNG.normal(shift, 1 + shift, (20 + shift, 3)) for shift in range(4)]
    for film, values in zip("aabb", parts, strict=True):
        sums.add(film, {"one": values}, {"one": RNG.normal(size=values.shape)})
    whole = np.concatenate(parts)
    assert np.allclose(sums.moments()["one"], [whole.mean(axis=0), whole.std(axis=0)])


def test_a_constant_scores_zero():
    sums = Sums()
    for value in (0.1, 0.1):
        sums.add(np.full((5, 2), value, np.float32), RNG.normal(size=(5, 2)))
    assert sums.r().tolist() == [0, 0]


def applied(recipe: Recipe, predictions: list[np.ndarray]) -> np.ndarray:
    total = np.tile(recipe.offset, (len(predictions[0]), 1))
    for member, values in enumerate(predictions):
        recipe.add(total, member, values)
    return total


def test_a_recipe_is_the_weighted_sum():
    predictions = [RNG.normal(size=(12, 5)).astype(np.float32) for _ in range(3)]
    weights = RNG.random((3, 5))
    expected = np.zeros((12, 5))
    for row in range(12):
        for parcel in range(5):
            expected[row, parcel] = sum(weights[m, parcel] * predictions[m][row, parcel] for m in range(3))
    assert np.allclose(applied(Recipe.plain(weights), predictions), expected, atol=1e-5)


def test_standardised_members_count_alike_whatever_their_scale():
    truth = RNG.normal(size=(2000, 3))
    good, loud = (truth + RNG.normal(size=truth.shape) for _ in range(2))
    loud = 50 * loud + 7
    weights = np.full((2, 3), 0.5)
    stack = np.stack([good, loud])
    recipe = Recipe.standardised(weights, stack.mean(axis=1), stack.std(axis=1))
    out = applied(recipe, [good, loud])
    z = [(values - values.mean(axis=0)) / values.std(axis=0) for values in (good, loud)]
    assert np.corrcoef(out[:, 0], (z[0] + z[1])[:, 0])[0, 1] == pytest.approx(1, abs=1e-6)
    assert np.allclose(out.mean(axis=0), stack.mean(axis=1).mean(axis=0), atol=1e-3)
    plain = applied(Recipe.plain(weights), [good, loud])
    assert np.corrcoef(out[:, 0], truth[:, 0])[0, 1] > np.corrcoef(plain[:, 0], truth[:, 0])[0, 1] + 0.05


def test_among_some_members_weights_keep_their_sum():
    recipe = Recipe.plain(np.array([[0.5, 1.0, 0.0], [0.25, 0.0, 0.5], [0.25, 0.0, 0.5]]))
    found = recipe.among(np.array([False, True, True])).weights
    assert np.allclose(found, [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])


def test_a_constant_member_adds_nothing_when_standardised():
    mean, deviation = np.array([[0.0], [4.0]]), np.array([[1.0], [0.0]])
    recipe = Recipe.standardised(np.full((2, 1), 0.5), mean, deviation)
    assert recipe.weights[1, 0] == 0
    assert np.isfinite(recipe.offset).all()


def test_headline_leaves_out_films_that_a_subject_did_not_see():
    assert headline(np.array([[0.2, 0.4], [0.1, np.nan]])) == pytest.approx((0.3 + 0.1) / 2)


def test_the_best_member_is_chosen_on_other_films():
    """Two members, each right about one film: nested choice takes the wrong one each time."""
    r = np.zeros((2, 2, 1))
    r[0, 0] = r[1, 1] = 0.5
    scores = Scores(("a", "b"), {"one": r})
    assert best_member(scores, nested=False) == pytest.approx(0.25)
    assert best_member(scores, nested=True) == pytest.approx(0.0)
    assert best_member(Scores(("a",), {"one": r[:, :1]}), nested=True) is None
