"""The control of wrong responses: whose response a run gets, in what length, and that it scores nothing."""

from __future__ import annotations

import numpy as np
import pytest
from film_toy import SUBJECTS, mean_r, toy_items, train_of

from brainbench.baselines.delayed_ridge import DelayedRidge
from brainbench.baselines.shuffled_films import Mismatched, ShuffledFilms, strangers
from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.errors import Skipped


@pytest.fixture
def context(tmp_path):
    return Context(TaskInfo("toy", "encoding", "responses"), 0, tmp_path)


def test_partners_are_of_another_film_and_serve_about_equally():
    films = ["a"] * 6 + ["b"] * 3 + ["c"] * 5
    for seed in range(20):
        found = strangers(films, seed)
        assert all(films[partner] != film for partner, film in zip(found, films, strict=True))
        assert np.bincount(found, minlength=len(films)).max() <= 3
    assert not np.array_equal(strangers(films, 0), strangers(films, 1))
    assert np.array_equal(strangers(films, 0), strangers(films, 0))


def test_one_film_is_skipped():
    with pytest.raises(Skipped):
        strangers(["a", "a"], 0)


def test_responses_have_the_length_of_the_run_and_the_content_of_its_partner():
    measured = train_of(toy_items(("s1", "s2"), lacking=("sub-02", "s200"))).targets
    wrong = Mismatched(measured, [3, 5, 4, 0, 1, 2], np.array([0, 0.5, 0, 0, 0, 0]))
    assert wrong.subjects(0) == ("sub-01", "sub-03")  # sub-02 lacks the partner
    assert wrong.subjects(3) == ("sub-01", "sub-03")  # sub-02 lacks the run
    own, other = measured.read(1, "sub-01"), measured.read(5, "sub-01")
    found = wrong.read(1, "sub-01")
    assert found.shape == own.shape
    half = len(other) // 2
    np.testing.assert_array_equal(found, np.concatenate([other[half:], other[:half]])[: len(own)])
    short, long = measured.read(0, "sub-01"), measured.read(2, "sub-01")
    wrong = Mismatched(measured, [1, 2, 0, 0, 1, 2], np.zeros(6))
    np.testing.assert_array_equal(wrong[2]["sub-01"], np.concatenate([short, short])[: len(long)])
    np.testing.assert_array_equal(wrong.read(2, "sub-01", 100, 140), wrong.read(2, "sub-01")[100:140])


def test_it_scores_nothing_where_ridge_scores(context):
    items = toy_items(("s7", "wolf"), seed=5)
    test = train_of(items).inputs
    train = train_of(toy_items(stimuli=6, lacking=("sub-02", "s100")))
    found = {}
    for method in (DelayedRidge(), ShuffledFilms()):
        method.fit(train, context)
        found[type(method).__name__] = mean_r(items, method.predict(test, context))
    assert found["DelayedRidge"] > 0.4
    assert abs(found["ShuffledFilms"]) < 0.08
    assert set(SUBJECTS) == set(method.predict(test, context)[0])
