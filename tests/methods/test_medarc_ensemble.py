"""The ensemble on members whose skill is planted: what it promises, beside what it reaches on films nobody chose on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from brainbench import Items
from brainbench.benchmark.contracts import silent
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.kinds.encoding import Measured, Run, Runs
from brainbench.methods.medarc.ensemble import Choice, Ensemble, Watched, stitch

FRAMES = 120
SUBJECTS = ("sub-01", "sub-02")
FILMS = ("figures", "figures", "life", "life", "chaplin", "chaplin")
INNER = (0, 1, 2, 3)
TESTED = (4, 5)


def world(parcels: int, seed: int) -> tuple[Runs, Measured, list[dict[str, np.ndarray]]]:
    """Six runs of three films with a known signal under noise; the second subject lacks one run."""
    rng = np.random.default_rng(seed)
    signal = [{name: rng.normal(size=(FRAMES, parcels)) for name in SUBJECTS} for _ in FILMS]
    arrays: dict[str, list] = {"features/sound": [np.zeros((FRAMES, 1), np.float32) for _ in FILMS]}
    for name in SUBJECTS:
        arrays[f"responses/{name}"] = [
            (one[name] + 1.5 * rng.normal(size=one[name].shape)).astype(np.float32) for one in signal
        ]
    arrays["responses/sub-02"][1] = None
    table = pd.DataFrame({"movie": FILMS, "stimulus": [f"{film}{k}" for k, film in enumerate(FILMS)], "series": "x"})
    table["subject"] = table["group"] = table["stimulus"]
    for name in SUBJECTS:
        table[f"frames:{name}"] = [0 if values is None else FRAMES for values in arrays[f"responses/{name}"]]
    table.index = pd.Index(table["stimulus"])
    items = Items(table, arrays, {"parcels": [str(k) for k in range(parcels)]})
    return Runs(items), Measured(items, "responses"), signal


class Planted:
    """A model with some share of the signal in each parcel, and noise of its own."""

    streams: tuple[str, ...] = ("sound",)

    def __init__(self, signal: list[dict[str, np.ndarray]], skill: np.ndarray, seed: int, scale: float = 1.0) -> None:
        self.signal, self.skill, self.seed, self.scale = signal, skill, seed, scale
        self.asked: list[int] = []

    def predict_run(self, run: Run) -> dict[str, np.ndarray]:
        row = int(run.stimulus[-1])
        self.asked.append(row)
        rng = np.random.default_rng([self.seed, row])
        noise = {name: rng.normal(size=values.shape) for name, values in self.signal[row].items()}
        return {
            name: (self.scale * (self.skill * self.signal[row][name] + noise[name])).astype(np.float32)
            for name in run.frames
        }


def reached(ensemble: Ensemble, runs: Runs, targets: Measured) -> float:
    """The score on the tested film, by a plain loop over subjects and parcels."""
    predicted = [ensemble.predict_run(runs[row]) for row in TESTED]
    found = []
    for name in SUBJECTS:
        told = np.concatenate([run[name] for run in predicted])
        truth = np.concatenate([targets[row][name] for row in TESTED])
        found.append([np.corrcoef(told[:, k], truth[:, k])[0, 1] for k in range(truth.shape[1])])
    return float(np.mean(found))


def make(members, runs, targets, **more) -> Ensemble:
    watched = Watched(runs, targets, INNER, [FILMS[row] for row in INNER])
    return stitch(members, watched, Choice(**{"top": 1, "estimate": "same-movies", **more}), silent)


def test_choosing_among_noise_pays_on_its_own_films_only():
    """The planted overfitting: two hundred models that know nothing."""
    runs, targets, signal = world(30, 1)
    members = [Planted(signal, np.zeros(30), seed) for seed in range(200)]
    ensemble = make(members, runs, targets)
    facts = ensemble.report()
    true = reached(ensemble, runs, targets)
    assert facts["expected_r_same_movies"] > 0.12
    assert abs(true) < 0.03
    assert abs(facts["expected_r_nested"]) < 0.03
    assert facts["expected_r_same_movies"] > facts["expected_r_nested"] + 0.1
    assert facts["validation_r"] == facts["expected_r_nested"]


def test_the_nested_score_is_about_what_is_reached_and_the_leaky_one_is_not():
    """Forty weak models, each good in some parcels: stitching gains, and scores less than it seems to."""
    runs, targets, signal = world(40, 2)
    rng = np.random.default_rng(0)
    members = [Planted(signal, rng.uniform(0, 0.5, 40), seed) for seed in range(40)]
    ensemble = make(members, runs, targets, top=3)
    facts = ensemble.report()
    true = reached(ensemble, runs, targets)
    assert facts["expected_r_nested"] == pytest.approx(true, abs=0.03)
    assert facts["expected_r_same_movies"] > true + 0.04
    assert facts["stitching_gain_nested"] > 0.05


def test_each_parcel_takes_the_member_that_knows_it():
    runs, targets, signal = world(6, 3)
    knows = np.eye(2)[[0, 0, 0, 1, 1, 1]].T * 3
    ensemble = make([Planted(signal, skill, seed) for seed, skill in enumerate(knows)], runs, targets)
    for recipe in ensemble.recipes.values():
        assert recipe.weights.tolist() == (knows > 0).astype(float).tolist()
    assert ensemble.report()["member_share"] == [0.5, 0.5]


def test_a_member_of_another_scale_counts_more_unless_members_are_standardised():
    runs, targets, signal = world(8, 4)
    members = [Planted(signal, np.full(8, 0.5), seed, scale=100.0 if seed == 0 else 1.0) for seed in range(5)]
    plain = reached(make(members, runs, targets, top=0), runs, targets)
    even = reached(make(members, runs, targets, top=0, standardise=True), runs, targets)
    assert plain == pytest.approx(reached(make(members[:1], runs, targets), runs, targets), abs=0.01)
    assert even > plain + 0.1


@pytest.mark.parametrize("weights", ["softmax", "softmax-parcels"])
def test_softmax_weights_use_every_member(weights):
    runs, targets, signal = world(8, 5)
    members = [Planted(signal, np.full(8, 0.4), seed) for seed in range(6)]
    ensemble = make(members, runs, targets, top=0, weights=weights)
    assert all((recipe.weights > 0).all() for recipe in ensemble.recipes.values())
    assert reached(ensemble, runs, targets) > reached(make(members, runs, targets), runs, targets) + 0.05


def test_members_that_nothing_is_taken_from_do_not_predict():
    runs, targets, signal = world(4, 6)
    members = [Planted(signal, np.full(4, skill), seed) for seed, skill in enumerate((2.0, 0.0, 0.0))]
    ensemble = make(members, runs, targets)
    for member in members:
        member.asked.clear()
    [ensemble.predict_run(runs[row]) for row in TESTED]
    assert [len(member.asked) for member in members] == [2, 0, 0]


def test_a_run_without_the_streams_of_a_member_is_predicted_by_the_others():
    runs, targets, signal = world(4, 8)
    members = [Planted(signal, np.full(4, skill), seed) for seed, skill in enumerate((3.0, 1.0, 1.0))]
    ensemble = make(members, runs, targets)
    members[0].streams = ("words",)
    told = ensemble.predict_run(runs[4])
    others = [member.predict_run(runs[4]) for member in members[1:]]
    for name in SUBJECTS:
        assert np.allclose(told[name], (others[0][name] + others[1][name]) / 2, atol=1e-5)


def test_one_inner_film_promises_nothing():
    runs, targets, signal = world(4, 7)
    watched = Watched(runs, targets, (0, 1), ("figures", "figures"))
    facts = stitch([Planted(signal, np.ones(4), 0)], watched, Choice(top=1), silent).report()
    assert facts["expected_r_nested"] is None
    assert facts["validation_r"] is None
    assert "one inner film" in facts["expected_r_note"]
    assert "expected_r_same_movies" not in facts


@pytest.mark.parametrize("wrong", [{"top": -1}, {"weights": "median"}, {"estimate": "hopeful"}])
def test_wrong_choices_are_refused(wrong):
    with pytest.raises(BadOption, match=str(next(iter(wrong)))):
        Choice(**{"top": 1, **wrong}).verify()
