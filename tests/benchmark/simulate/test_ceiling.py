"""The stored ceilings are what they say: bounds that the exact posterior reaches and learning does not pass."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import truncnorm
from sklearn.linear_model import LinearRegression, LogisticRegression

from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.simulate import ceiling as module
from brainbench.benchmark.simulate import people as people_module
from brainbench.benchmark.simulate.ceiling import Draw, answer, asked, auc, ceilings, draw, oracle_scores, score
from brainbench.benchmark.simulate.oracle import Oracle
from brainbench.benchmark.simulate.people import SEXES, key_of
from brainbench.benchmark.simulate.targets import Target
from brainbench.benchmark.simulate.twin import SIZES, Parts, parts
from brainbench.benchmark.simulate.twins import SPECS, simulate
from brainbench.tasks.phenotypes import AD, APOE4, CN_MCI_AD, CN_VS_REST, TOOLBOX, UKB_FLUID, age_group, status

STORED = ("abide1", "ukb", "adni")
"""Twins whose series are generated: one whose sites tell much, one with a score, one with three classes."""


@cache
def laws(name: str, effect: float | None = None) -> Parts:
    return parts(SPECS[name], SIZES["small"], effect)


@cache
def crowd(name: str, count: int = 40_000, seed: int = 5) -> Draw:
    return draw(laws(name).design, laws(name).population, count, np.random.default_rng(seed))


def target(name: str, column: str) -> Target:
    return next(found for found in laws(name).targets if found.name == column)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cohort]:
    folder = tmp_path_factory.mktemp("twins")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", 3000)
        patch.setattr(module, "MOST_TRAINING_DRAWS", 1)
        return {name: simulate(name, "small", folder / name) for name in STORED}


@pytest.mark.parametrize("name", STORED)
def test_generated_scans_reach_the_stored_ceilings(stored: dict[str, Cohort], name: str) -> None:
    """The oracle on the 240 stored series scores each target within sampling error of its ceiling."""
    found, cohort = laws(name), stored[name]
    items, table = cohort.items(), cohort.scans()
    assert cohort.manifest.twin is not None
    energies = np.array(
        [
            found.design.energies(items.read("series", k), tr, key_of(site))
            for k, (tr, site) in enumerate(zip(table["tr"], table["site"], strict=True))
        ]
    )
    classes = SPECS[name].classes
    table = table.assign(label=table["diagnosis"].map(classes.index) if classes else 0)
    reached = oracle_scores(Oracle(found.design, found.population), found.targets, Draw(table, energies))
    assert set(reached) == set(cohort.manifest.twin["ceilings"])
    for column, best in cohort.manifest.twin["ceilings"].items():
        value = best["value"]
        if best["metric"] == "auc":
            counts = np.bincount(asked(target(name, column), found.population, table).truth)
            sampling = np.sqrt(value * (1 - value) / counts[counts > 0].min())
        else:
            sampling = (1 - value**2) / np.sqrt(len(table))
        assert reached[column]["scan"] == pytest.approx(value, abs=3.5 * sampling), column


AIMS = {
    "diagnosis": (0.79, 0.93), "sex": (0.88, 0.95), "age": (0.66, 0.94), "age_group": (0.78, 1.0),
    "fluid": (0.45, 0.55), "fluid_composite": (0.45, 0.55), "flanker": (0.45, 0.55), "fluid_status": (0.7, 0.8),
    "fluid_composite_status": (0.7, 0.8), "flanker_status": (0.7, 0.8), "ad": (0.82, 0.88), "cn_mci_ad": (0.68, 0.76),
    "cn_vs_rest": (0.7, 0.8), "apoe4_carrier": (0.62, 0.69),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SPECS))
def test_ceilings_are_in_order_and_near_their_aims(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2000)
    found = laws(name)
    best = ceilings(found.design, found.population, found.targets, 120)
    assert list(best) == [target.name for target in found.targets]
    for column, ceiling in best.items():
        assert ceiling.metric == ("pearson-r" if column in ("age", "fluid", "fluid_composite", "flanker") else "auc")
        assert AIMS[column][0] < ceiling.value < AIMS[column][1], column
        assert ceiling.error < 0.01
        assert ceiling.with_covariates is not None
        assert ceiling.at_training_size is not None
        assert ceiling.at_training_size < ceiling.value + 3 * ceiling.error
        assert ceiling.value <= ceiling.with_covariates + 0.001


COLUMNS = {
    "abide1": ["diagnosis", "sex", "age", "age_group"],
    "ukb": ["sex", "age", "age_group", "fluid", "fluid_status"],
    "abcd": ["sex", "age", "fluid_composite", "fluid_composite_status", "flanker", "flanker_status"],
    "adni": ["ad", "cn_mci_ad", "cn_vs_rest", "sex", "age", "age_group", "apoe4_carrier"],
}


@pytest.mark.parametrize("name", list(COLUMNS))
def test_targets_of_the_cohorts(name: str) -> None:
    assert [target.name for target in laws(name).targets] == COLUMNS[name]


DERIVED = [
    *[("adni", task) for task in (AD, CN_MCI_AD, CN_VS_REST, APOE4)],
    *[(name, age_group(name)) for name in ("abide1", "abide2", "adhd200", "ukb", "hcp", "hcp-aging", "adni")],
    ("ukb", status("ukb", "fluid", "fluid intelligence", UKB_FLUID)),
    ("hcp", status("hcp", "fluid_composite", "fluid composite", TOOLBOX)),
    ("abcd", status("abcd", "flanker", "flanker", TOOLBOX)),
]


@pytest.mark.parametrize(("name", "task"), DERIVED, ids=[task.name for _, task in DERIVED])
def test_classes_are_those_of_the_tasks(name: str, task: object) -> None:
    """Thresholds and leavings-out of the tasks and of the ceilings are written twice; they must agree."""
    found = laws(name)
    table = found.population.population(4000, np.random.default_rng(1))
    classes = SPECS[name].classes
    if classes:
        table["diagnosis"] = np.array(classes)[table["label"]]
    label = task.label(table)  # type: ignore[attr-defined]
    ours = asked(target(name, task.target), found.population, table)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(ours.rows, np.flatnonzero(label.notna()))
    np.testing.assert_array_equal(
        ours.truth,
        label.dropna().map(list(task.classes).index),  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize("known", [(), ("age",), ("age", "sex")])
@pytest.mark.parametrize("name", ["adni", "abide2"])
def test_posteriors_are_calibrated(name: str, known: tuple[str, ...]) -> None:
    """Of people whom the posterior gives a class with probability p, the share p has it."""
    found, people = laws(name), crowd(name)
    oracle = Oracle(found.design, found.population)
    posterior = oracle.posterior(oracle.evidence(people.table, people.energies), known)
    for column in (target.name for target in found.targets if target.groups is not None and target.trait not in known):
        what = target(name, column)
        whom = asked(what, found.population, people.table)
        probability = what.classes(posterior[what.trait][whom.rows])
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        for k in range(probability.shape[1]):
            p, hit = probability[:, k], whom.truth == k
            for low in np.arange(0, 1, 0.1):
                inside = (p >= low) & (p < low + 0.1)
                error = np.sqrt((p[inside] * (1 - p[inside])).sum())
                assert abs(hit[inside].sum() - p[inside].sum()) <= 4.5 * error + 1, (column, k, low)


@pytest.mark.parametrize(("name", "column"), [("abide1", "age"), ("ukb", "age"), ("ukb", "fluid"), ("hcp", "flanker")])
def test_posterior_means_are_calibrated_and_their_spread_is_the_ceiling(name: str, column: str) -> None:
    """Truth on posterior mean has slope 1, and r is the mean's deviation over the target's (law of total variance)."""
    found, people = laws(name), crowd(name)
    oracle = Oracle(found.design, found.population)
    posterior = oracle.posterior(oracle.evidence(people.table, people.energies))
    what = target(name, column)
    mean = answer(what, found.population, posterior[what.trait])
    truth = found.population.traits(people.table)[column]
    line = LinearRegression().fit(mean[:, None], truth)
    assert line.coef_[0] == pytest.approx(1, abs=0.03)
    assert mean.mean() == pytest.approx(truth.mean(), abs=0.02 * truth.std())
    assert score(what, truth, mean) == pytest.approx(mean.std() / truth.std(), abs=0.01)


def test_a_posterior_is_bayes_rule_written_out() -> None:
    """Diagnosis, sex and alleles of a few people whose age is known, by loops and scipy's law of age."""
    found, people = laws("adni"), crowd("adni", 200)
    population, table = found.population, people.table
    oracle = Oracle(found.design, population)
    posterior = oracle.posterior(oracle.evidence(table, people.energies), known=("age",))
    groups = population.groups
    for k in range(8):
        person, weights = table.iloc[k], np.zeros((3, 2, 3))
        for _, group in groups[groups["site"] == person["site"]].iterrows():
            low, high = ((group[f"age_{end}"] - group["age_mean"]) / group["age_sd"] for end in ("min", "max"))
            density = truncnorm.pdf(person["age"], low, high, group["age_mean"], group["age_sd"])
            sex = SEXES.index(group["sex"])
            for alleles in range(3):
                traits = {"diagnosis": group["label"] / 2, "sex": sex, "age": 0.0, "apoe4": alleles}
                scale = found.design.scales({name: np.array([value]) for name, value in traits.items()})
                owned = [
                    d for name in ("diagnosis", "sex", "apoe4") for d in np.flatnonzero(found.design.directions[name])
                ]
                b, s = scale[0, owned], people.energies[k, owned]
                alpha, half = found.design.alpha, person["frames"] / 2
                likelihood = np.exp((alpha * np.log(b) - (alpha + half) * np.log((b + s / 2) / (s / 2))).sum())
                prior = group["n"] * density * population.alleles[group["label"]][alleles]
                weights[group["label"], sex, alleles] = prior * likelihood
        weights /= weights.sum()
        np.testing.assert_allclose(posterior["diagnosis"][k], weights.sum(axis=(1, 2)), atol=1e-9)
        np.testing.assert_allclose(posterior["sex"][k], weights.sum(axis=(0, 2)), atol=1e-9)
        np.testing.assert_allclose(posterior["apoe4"][k], weights.sum(axis=(0, 1)), atol=1e-9)


def test_narrower_age_bins_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, people = laws("abide1"), crowd("abide1", 500)
    means = []
    for bins in (96, 960):
        monkeypatch.setattr(people_module, "LEAST_AGE_BINS", bins)
        population = replace(found.population)
        oracle = Oracle(found.design, population)
        posterior = oracle.posterior(oracle.evidence(people.table, people.energies))
        means.append((posterior["age"] @ population.values["age"], posterior["diagnosis"][:, 1]))
    assert len(population.values["age"]) > 900
    np.testing.assert_allclose(means[0][0], means[1][0], atol=0.05)
    np.testing.assert_allclose(means[0][1], means[1][1], atol=0.005)


def test_learning_from_all_statistics_never_beats_the_posterior() -> None:
    found = laws("abide1")
    train, test = crowd("abide1", 60_000, 1), crowd("abide1", 60_000, 2)
    label = [people.table["label"].to_numpy() for people in (train, test)]
    model = LogisticRegression(C=100.0, max_iter=1000).fit(train.log_energies, label[0])
    learned = auc(label[1], model.decision_function(test.log_energies))
    exact = oracle_scores(Oracle(found.design, found.population), found.targets, test)["diagnosis"]["energies"]
    assert learned <= exact + 0.002
    assert learned > 0.85


def test_nothing_planted_leaves_the_covariates_only() -> None:
    found = laws("abide1")
    design = replace(found.design, plants=tuple(replace(plant, effect=0.0) for plant in found.design.plants))
    people = draw(design, found.population, 40_000, np.random.default_rng(0))
    reached = oracle_scores(Oracle(design, found.population), found.targets, people)
    for column in ("diagnosis", "sex"):
        assert reached[column]["energies"] == pytest.approx(0.5, abs=0.01)
        assert 0.5 < reached[column]["scan"] < reached[column]["covariates"] < 0.7
    assert reached["age"]["energies"] == 0
    assert reached["age"]["scan"] > 0.5


@pytest.mark.parametrize(("name", "column"), [("hcp", "sex"), ("ukb", "sex")])
def test_without_its_effect_the_main_target_is_at_chance(name: str, column: str) -> None:
    found = laws(name, 0.0)
    people = draw(found.design, found.population, 40_000, np.random.default_rng(0))
    reached = oracle_scores(Oracle(found.design, found.population), found.targets, people)
    assert reached[column]["scan"] == pytest.approx(0.5, abs=0.015)
    assert reached["age"]["scan"] > 0.65


def test_a_site_with_one_class_decides() -> None:
    found = laws("abide2")
    people = found.population.sample(None, np.random.default_rng(0))
    leuven = people[people["site"] == "KUL_3"].reset_index(drop=True)
    assert len(leuven) == 28
    oracle = Oracle(found.design, found.population)
    energies = crowd("abide2").energies[: len(leuven)]
    np.testing.assert_allclose(oracle.posterior(oracle.evidence(leuven, energies))["diagnosis"][:, 1], 1)


def test_covariates_that_a_target_may_use() -> None:
    assert target("adni", "age").known == {"sex"}
    assert target("adni", "age_group").known == {"sex"}
    assert target("adni", "sex").known == {"age"}
    assert target("adni", "ad").known == {"age", "sex"}


def test_scores_that_need_care() -> None:
    number, three = target("ukb", "age"), target("adni", "cn_mci_ad")
    assert score(number, np.arange(4.0), np.full(4, 7.3)) == 0
    truth = np.array([0, 0, 2, 2])
    prediction = np.array([[0.8, 0.1, 0.1], [0.5, 0.2, 0.3], [0.2, 0.4, 0.4], [0.6, 0.2, 0.2]])
    assert score(three, truth, prediction) == pytest.approx((0.75 + 0.75) / 2)
    assert auc(np.array([0, 0, 1, 1]), np.array([-np.inf, 1.0, 1.0, np.inf])) == 0.875


def test_a_class_that_nobody_trained_on_has_probability_zero() -> None:
    what = target("adni", "cn_mci_ad")
    features = np.random.default_rng(0).standard_normal((20, 8))
    assert (module._fitted(what, features, np.repeat([0, 2], 10), features)[:, 1] == 0).all()
    assert (module._fitted(what, features, np.full(20, 1), features) == [0, 1, 0]).all()


def test_people_have_the_law_of_the_tables() -> None:
    """Ages by cell, alleles by class, scores: what the prior says is what is drawn."""
    found = laws("adni").population
    people = found.population(60_000, np.random.default_rng(0))
    law = pd.Series(found.age_law.bins(found.age_edges) @ found.values["age"], index=found.groups.index)
    drawn = people.groupby(["site", "label", "sex"])["age"].agg(["mean", "sem"])
    expected = found.groups.assign(law=law).set_index(["site", "label", "sex"])["law"]
    assert ((drawn["mean"] - expected).abs() / drawn["sem"]).max() < 4.5
    for k, share in enumerate(found.alleles):
        counts = np.bincount(people.loc[people["label"] == k, "apoe4"], minlength=3)
        np.testing.assert_allclose(counts / counts.sum(), share, atol=0.02)
    points = laws("ukb").population.population(60_000, np.random.default_rng(0))["fluid"]
    assert points.between(0, 13).all()
    assert (points.mean(), points.std()) == pytest.approx(UKB_FLUID, rel=0.03)
