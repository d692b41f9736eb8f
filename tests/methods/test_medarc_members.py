"""Members are trained once for single runs and ensembles, and one that cannot be trained stops nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from film_toy import mean_r, toy_items, train_of

from brainbench.benchmark.contracts import Context, TaskInfo, silent
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.space import draw
from brainbench.methods.medarc import members
from brainbench.methods.medarc.ensemble import Ensemble
from brainbench.methods.medarc.options import Options
from brainbench.methods.medarc.space import SPACES

SMALL = {"width": 8, "kernel": 9, "crop": 32, "crops": 48, "batch": 8, "epochs": 2, "standardise": True, "rate": 3e-3}
TOY = {
    "rate": (3e-3, 1e-2),
    "kernel": (0, 9),
    "streams": ("all", "but:1", "only:2"),
    "inner_movies": (2,),
}
MOVIES = ("s1", "s2", "figures", "wolf")


@pytest.fixture(autouse=True)
def toy_space(monkeypatch):
    monkeypatch.setitem(SPACES, "small", TOY)


@pytest.fixture(scope="module")
def train():
    return train_of(toy_items(MOVIES, stimuli=2))


def context(tmp_path: Path, shared: bool = True) -> Context:
    info = TaskInfo("toy", "encoding", "responses")
    return Context(info, seed=3, workdir=tmp_path, shared=tmp_path / "shared" if shared else None)


def ensemble_of(count: int, **more) -> Options:
    return Options(**SMALL, members=count, **{"top": 1, **more})


def test_members_are_the_configurations_that_a_sweep_draws():
    configs = draw(TOY, 4, 7)
    found = members.drawn(ensemble_of(4, members_seed=7, weights="softmax"))
    assert [{name: getattr(one, name) for name in TOY} for one in found] == configs
    assert {one.members for one in found} == {0}
    assert {one.width for one in found} == {8}


def test_an_ensemble_trains_nothing_that_single_runs_have_left(tmp_path, train, monkeypatch):
    options = ensemble_of(2, members_seed=1)
    for one in members.drawn(options):
        members.fit(one, train, context(tmp_path))
    apart = members.fit(options, train, context(tmp_path, shared=False))

    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(members, "fit_one", refuse)
    together = members.fit(options, train, context(tmp_path))
    assert isinstance(together, Ensemble)
    assert together.report() == apart.report()
    one, other = (found.predict_run(train.inputs[0]) for found in (together, apart))
    assert all(np.array_equal(one[name], other[name]) for name in other)


def test_options_of_the_ensemble_share_members_and_others_do_not(tmp_path, train):
    rows = np.arange(3)
    base = Options(**SMALL)
    same = members.shared_name(base, rows, context(tmp_path))
    assert (
        members.shared_name(Options(**SMALL, top=9, weights="softmax", members_seed=4), rows, context(tmp_path)) == same
    )
    assert members.shared_name(Options(**{**SMALL, "rate": 0.1}), rows, context(tmp_path)) != same
    assert members.shared_name(base, rows[:2], context(tmp_path)) != same


def test_a_member_that_cannot_be_trained_is_left_out_with_its_reason(tmp_path, train, monkeypatch):
    honest = members.fit_one

    def fails(options, *rest):
        if options.streams == "only:2":
            raise BadData("the loss is no number")
        return honest(options, *rest)

    monkeypatch.setattr(members, "fit_one", fails)
    options = ensemble_of(6)
    bad = [str(k) for k, one in enumerate(members.drawn(options), 1) if one.streams == "only:2"]
    facts = members.fit(options, train, context(tmp_path)).report()
    assert bad
    assert facts["members_lost"] == dict.fromkeys(bad, "the loss is no number")
    assert len(facts["members"]) == len(facts["member_validation_r"]) == 6 - len(bad)
    monkeypatch.setattr(members, "fit_one", lambda *_: fails(Options(streams="only:2")))
    with pytest.raises(BadData, match="none of 2 members"):
        members.fit(ensemble_of(2, members_seed=5), train, context(tmp_path / "other"))


def test_an_ensemble_of_real_members_predicts_films_that_it_never_saw(tmp_path, train):
    """Members that lack a stream are not used for a film that has no other; every row is finite."""
    options = ensemble_of(6, top=2, estimate="same-movies")
    found = members.fit(options, train, context(tmp_path))
    facts = found.report()
    assert facts["inner_movies"] == ["figures", "wolf"] or facts["inner_movies"] == ["wolf", "figures"]
    test = toy_items(("life", "s9"), stimuli=2, seed=5)
    runs = train_of(test).inputs
    predicted = [found.predict_run(runs[row]) for row in range(len(runs))]
    together = found.predict(runs, silent)
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(predicted, together, strict=True) for name in a)
    assert {len(member.desk) for member in found.members} == {1}, "one member at a time is in memory"
    reached = mean_r(test, predicted)
    assert reached > 0.15
    assert facts["expected_r_nested"] == pytest.approx(reached, abs=0.1)
    assert facts["expected_r_same_movies"] >= facts["expected_r_nested"]
    lacking = toy_items(("wolf",), stimuli=1, seed=6)
    told = found.predict_run(train_of(lacking).inputs[0])
    assert all(np.isfinite(values).all() for values in told.values())
