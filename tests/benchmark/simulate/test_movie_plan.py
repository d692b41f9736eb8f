from collections import Counter

import pytest

from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.simulate.movie_plan import (
    MANNERS,
    MISSING,
    MOVIE10,
    OOD,
    SEASONS,
    SHOWN_TWICE,
    SUBJECTS,
    TR,
    episodes,
    manner_of,
    showings,
    shown_of,
)
from brainbench.benchmark.simulate.movie_twin import SMALL_TRS, planned

MOVIES = {*SEASONS, *MOVIE10, *OOD}


@pytest.fixture(scope="module")
def full():
    return showings(None)


def volumes(runs):
    return sum(max(run.frames.values()) for run in runs)


def test_the_whole_is_as_long_as_the_real_data(full):
    train = [run for run in full if run.series != "ood" and run.movie != "s7"]
    by_series = {
        name: volumes(run for run in train if run.series == name) * TR / 3600 for name in ("friends", "movie10")
    }
    assert by_series == {"friends": pytest.approx(55, abs=1.5), "movie10": pytest.approx(10, abs=0.3)}
    assert volumes(train) == pytest.approx(157_000, rel=0.01)
    counts = Counter(run.movie for run in full)
    assert {movie: counts[movie] for movie in MOVIE10} == {"bourne": 10, "wolf": 17, "figures": 24, "life": 10}
    assert sum(counts[movie] for movie in SEASONS if movie != "s7") == 292


def test_films_out_of_distribution_have_their_real_lengths(full):
    found = {run.id: set(run.frames.values()) for run in full if run.series == "ood"}
    assert len(found) == 12
    assert found["chaplin1"] == {432}
    assert found["chaplin2"] == {405}
    assert found["wot2"] == {324}
    assert found["pulpfiction1"] == {468}


def test_names_are_those_of_the_challenge(full):
    names = [run.id for run in full]
    assert len(set(names)) == len(names)
    assert {"s01e01a", "s06e24b", "s07e01a", "bourne01", "figures01_run-1", "figures12_run-2", "wot2"} <= set(names)
    assert len(episodes("s1")) == 48
    assert episodes("s6")[-4:] == ["s06e24a", "s06e24b", "s06e24c", "s06e24d"]
    for run in full:
        assert run.stimulus == run.id.partition("_")[0]
        assert run.showing == (2 if run.id.endswith("_run-2") else 1)
        assert run.id.startswith(run.movie if run.series != "friends" else f"s0{run.movie[1]}e")


@pytest.mark.parametrize("trs", [None, SMALL_TRS, 2_500, 30_000])
def test_every_size_has_every_film_and_lacks_the_runs_that_were_missed(trs):
    runs = showings(trs)
    assert {run.movie for run in runs} == MOVIES
    assert all(sum(run.movie == movie and run.showing == 1 for run in runs) >= 2 for movie in MOVIES)
    if trs is not None:
        assert volumes(runs) == pytest.approx(trs, rel=0.02)
    lacks = {(who, run.id) for run in runs for who in SUBJECTS if who not in run.frames}
    there = {run.id for run in runs}
    assert lacks == {(who, name) for who, names in MISSING.items() for name in names if name in there}
    assert {"sub-02", "sub-05"} == {who for who, _ in lacks}


@pytest.mark.parametrize("trs", [None, SMALL_TRS])
def test_scans_are_a_volume_or_two_longer_than_films_and_not_always_alike(trs):
    runs = showings(trs)
    beyond = Counter(frames - run.chunks for run in runs for frames in run.frames.values())
    assert set(beyond) == {1, 2}
    assert min(beyond.values()) > sum(beyond.values()) / 4
    differ = [run for run in runs if len(set(run.frames.values())) > 1]
    assert 0 < len(differ) < len(runs) / 2
    assert not [run for run in differ if run.series == "ood"]


def test_a_second_showing_is_the_same_film(full):
    for movie in SHOWN_TWICE:
        first, second = (
            {run.stimulus: run.chunks for run in full if (run.movie, run.showing) == (movie, k)} for k in (1, 2)
        )
        assert first == second != {}
    assert {run.movie for run in full if run.showing == 2} == set(SHOWN_TWICE)
    assert [run.id for run in shown_of("movie10", "life", "life09", 100)] == ["life09_run-1", "life09_run-2"]
    assert [run.id for run in shown_of("friends", "s2", "s02e01a", 100)] == ["s02e01a"]


def test_small_runs_are_long_enough_to_learn_from():
    small = planned("small")
    assert min(run.chunks for run in small) > 100
    assert len(small) < 60


def test_unknown_sizes_are_refused_with_what_to_type():
    for wrong in ("large", "", "-5", "photos"):
        with pytest.raises(BadOption, match="no twin of size"):
            planned(wrong)
    with pytest.raises(BadOption, match="too short") as caught:
        planned("500")
    least = caught.value.hint.split()[2]
    assert planned(least)
    assert planned("9999999") == showings(None)


def test_every_film_has_a_manner_and_chaplin_is_silent():
    assert set(MANNERS) == MOVIES - set(SEASONS)
    assert manner_of("chaplin").speech == 0
    assert manner_of("s3").gain == 1
