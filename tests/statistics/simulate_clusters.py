"""Coverage where items are not independent: several scans of a person, and relatives in one cohort."""

from __future__ import annotations

import numpy as np
from sim_path import CLASSES, cut, keep_what_repeats, train
from sim_report import covered, number, show
from sim_worlds import Classes

from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.stats import bootstrap

PEOPLE, REPEATS = 120, 200
WORLDS = {
    "one scan a person, strangers": Classes(1.2),
    "three scans a person": Classes(1.2, scans=3),
    "pairs of relatives, half of the variance shared": Classes(1.2, relatives=2, kinship=0.5),
    "families of three, half shared": Classes(1.2, relatives=3, kinship=0.5),
    "pairs of relatives, 0.9 shared": Classes(1.2, relatives=2, kinship=0.9),
}
CLUSTERS = ("subject", "group")


def once(world: Classes, seed: int) -> np.ndarray:
    """(cluster, arm, 3): low, high, truth; arms are the cohort's own people and new ones."""
    rng = np.random.default_rng((seed, PEOPLE))
    cohort, new = world.draw(PEOPLE, rng), world.draw(PEOPLE, rng)
    manifest = cut(cohort, CLASSES.split, seed)
    found = np.empty((len(CLUSTERS), 2, 3))
    for row, cluster in enumerate(CLUSTERS):
        for arm, people in enumerate((None, new)):
            trained = train(world, cohort, manifest, people, cluster)
            told = bootstrap(AUC(), trained.scored(0))
            found[row, arm] = told.low, told.high, np.mean([world.auc(models) for models in trained.models])
    return found


def main(share: float = 1.0) -> None:
    """Print the table."""
    keep_what_repeats()
    table = []
    for label, world in WORLDS.items():
        found = np.stack([once(world, seed) for seed in range(max(2, round(share * REPEATS)))])
        for row, cluster in enumerate(("people", "families")):
            own, new = found[:, row, 0].T, found[:, row, 1].T
            cells = [covered(*new), covered(*own), covered(own[0], own[1], own[2].mean())]
            table.append([label, cluster, number(own[1] - own[0]), *cells])
    headers = ("cohort", "resampled", "width", "models, new people", "models", "method")
    show(f"AUC of {PEOPLE} people, 5 folds", headers, table)
