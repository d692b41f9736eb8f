"""Coverage on the project's own twins: their sites, ages and energies, linear models, true scores from new people."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from sim_path import CLASSES, cut, keep_what_repeats, train
from sim_report import covered, number, show
from sim_worlds import Classes, Models, People

from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.simulate import ceiling
from brainbench.benchmark.simulate.twin import Parts, parts, size_of
from brainbench.benchmark.simulate.twins import SPECS
from brainbench.benchmark.stats import bootstrap

DATASET = "abide2"
SIZES = {120: 100, 700: 40}
NEW_PEOPLE = 20_000
LINEAR = Classes(0.0, noise=(0.0,), features=8)
"""How the eight log energies are fitted."""


@lru_cache
def laws() -> Parts:
    """The twin's design and population."""
    return parts(SPECS[DATASET], size_of("small"), None)


def draw(people: int, rng: np.random.Generator) -> People:
    """People of the twin with their log energies, in units of their own spread."""
    found = laws()
    drawn = ceiling.draw(found.design, found.population, people, rng)
    table = drawn.table.reset_index(drop=True)
    names = [f"sub-{row:05d}" for row in range(len(table))]
    truth = table["label"].to_numpy(int)
    table = table.assign(subject=names, group=names, y=truth.astype(str)).set_axis(
        [f"scan-{row:05d}" for row in range(len(table))]
    )
    energies = drawn.log_energies
    return People(table, truth, ((energies - energies.mean(axis=0)) / energies.std(axis=0))[None])


def true_auc(models: Models, new: People) -> float:
    """AUC of trained models on many new people."""
    return ceiling.auc(new.truth, models.decide(new.views)[0])


def once(people: int, new: People, seed: int) -> np.ndarray:
    """Value, low, high and truth of one cohort."""
    cohort = draw(people, np.random.default_rng((seed, people)))
    trained = train(LINEAR, cohort, cut(cohort, CLASSES.split, seed))
    told = bootstrap(AUC(), trained.scored(0))
    return np.array([told.value, told.low, told.high, np.mean([true_auc(each, new) for each in trained.models])])


def main(share: float = 1.0) -> None:
    """Print the table."""
    keep_what_repeats()
    new = draw(NEW_PEOPLE, np.random.default_rng(1))
    table = []
    for people, repeats in SIZES.items():
        found = np.array([once(people, new, seed) for seed in range(max(2, round(share * repeats)))])
        value, low, high, truth = found.T
        cells = [covered(low, high, truth), covered(low, high, truth.mean())]
        wide = [covered(value - 1.5 * (value - low), value + 1.5 * (high - value), truth.mean())]
        table.append([str(people), number(value), number(truth), number(high - low), *cells, *wide])
    headers = ("people", "score", "truth", "width", "models", "method", "method, 1.5 wide")
    show(f"AUC on the {DATASET} twin, 5 folds stratified by its sites", headers, table)
