"""The stored ceiling is what it says: a bound that the exact ratio reaches and learning does not pass."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.simulate.abide import SPECS, simulate
from brainbench.benchmark.simulate.ceiling import auc, ceiling, draw, ratios
from brainbench.benchmark.simulate.people import Population, key_of
from brainbench.benchmark.simulate.twin import SIZES, parts


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return simulate("abide1", "small", tmp_path_factory.mktemp("twin") / "abide1")


def test_generated_scans_reach_the_stored_ceiling(twin: Cohort) -> None:
    design, population = parts(SPECS["abide1"], SIZES["small"], None)
    items, table = twin.items(), twin.scans()
    label = (table["diagnosis"] == "autism").to_numpy(int)
    energies = np.array(
        [
            design.energies(items.read("series", k), tr, key_of(site))
            for k, (tr, site) in enumerate(zip(table["tr"], table["site"], strict=True))
        ]
    )
    score = design.log_ratio(energies, table["frames"].to_numpy()) + population.log_site_ratio(table)
    best = twin.manifest.twin["ceiling"]
    sampling = np.sqrt(best["value"] * (1 - best["value"]) / (len(label) / 2))
    assert auc(label, score) == pytest.approx(best["value"], abs=3 * sampling)


def test_ceilings_are_in_order_and_near_their_aim() -> None:
    for name in SPECS:
        design, population = parts(SPECS[name], SIZES["small"], None)
        best = ceiling(design, population, 120)
        assert 0.88 < best.value < 0.93
        assert best.error < 0.002
        assert best.at_training_size < best.value <= best.with_covariates


def test_learning_from_all_statistics_never_beats_the_ratio() -> None:
    design, population = parts(SPECS["abide1"], SIZES["small"], None)
    train, test = (draw(design, population, 60_000, np.random.default_rng(seed)) for seed in (1, 2))
    model = LogisticRegression(C=100.0, max_iter=1000).fit(train.log_energies, train.label)
    learned = auc(test.label, model.decision_function(test.log_energies))
    exact = ratios(design, population, test)["energies"]
    assert learned <= auc(test.label, exact) + 0.002
    assert learned > 0.85


def test_no_effect_leaves_the_covariates_only() -> None:
    design, population = parts(SPECS["abide1"], SIZES["small"], 0.0)
    people = draw(design, population, 40_000, np.random.default_rng(0))
    found = ratios(design, population, people)
    assert auc(people.label, found["energies"]) == pytest.approx(0.5, abs=0.01)
    assert 0.5 < auc(people.label, found["scan"]) < auc(people.label, found["covariates"]) < 0.65


def test_ratio_of_covariates_is_calibrated() -> None:
    """E[p1/p0 | label 0] is one where both classes have the same sites."""
    population = Population.read("abide1", "diagnosis", ("control", "autism"))
    people = population.population(300_000, np.random.default_rng(0))
    control = people[people["label"] == 0]
    ratio = population.log_site_ratio(control) + population.log_person_ratio(control)
    # A sex that one class of a site lacks takes its share of probability out of the mean.
    lost = population.groups.query("label == 0 and n == 0")[["site", "sex"]].merge(
        population.groups.query("label == 1")
    )
    expected = 1 - lost["n"].sum() / population.groups.query("label == 1")["n"].sum()
    assert np.exp(ratio).mean() == pytest.approx(expected, abs=0.02)


def test_a_site_with_one_class_decides() -> None:
    population = Population.read("abide2", "diagnosis", ("control", "autism"))
    people = population.sample(None, np.random.default_rng(0))
    leuven = people[people["site"] == "KUL_3"]
    assert len(leuven) == 28
    assert np.isposinf(population.log_site_ratio(leuven)).all()
    assert (population.log_person_ratio(leuven) == 0).all()


def test_auc_counts_ties_half_and_takes_infinity() -> None:
    assert auc(np.array([0, 0, 1, 1]), np.array([-np.inf, 1.0, 1.0, np.inf])) == 0.875
