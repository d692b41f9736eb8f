"""Coverage of the interval over draws of labelled people and test people, where labels are few."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
from sim_path import CLASSES, cut, keep_what_repeats, train
from sim_report import covered, number, show
from sim_worlds import Classes, People

from brainbench.benchmark.errors import BadSplit
from brainbench.benchmark.score import score_cells
from brainbench.benchmark.shots import Shots

WORLD = Classes(2.2)
CASES = {(40, 4): 120, (40, 16): 120, (120, 4): 120, (120, 16): 70, (120, 48): 30, (700, 16): 30, (700, 128): 30}
MORE = 100
"""Further draws from the same half, whose mean stands for all draws from it."""


def once(people: int, labels: int, seed: int) -> np.ndarray:
    """Low, high, and the mean true AUC of the drawn models, and of models of all draws from this half."""
    rng = np.random.default_rng((seed, people, labels))
    cohort = WORLD.draw(people, rng)
    split = Shots(labels)
    manifest = cut(cohort, split, seed)
    trained = train(WORLD, cohort, manifest)
    task = replace(CLASSES, split=split, interval="draws", metrics=("auc",))
    part = score_cells(task, trained.cells[0])[0]["auc"]
    drawn = np.mean([WORLD.auc(models)[0] for models in trained.models])
    test = set(next(iter(manifest.folds.values()))["test"])
    pool = np.flatnonzero(~cohort.table.index.isin(test))
    return np.array([part.low, part.high, drawn, _all_draws(cohort, pool, labels, rng)])


def _all_draws(cohort: People, pool: np.ndarray, labels: int, rng: np.random.Generator) -> float:
    classes = [pool[cohort.truth[pool] == k] for k in (0, 1)]
    scores = []
    for _ in range(MORE):
        rows = np.concatenate([rng.choice(own, labels // 2, replace=False) for own in classes])
        scores.append(WORLD.auc(WORLD.fit(cohort.views[:, rows], cohort.truth[rows]))[0])
    return float(np.mean(scores))


def main(share: float = 1.0) -> None:
    """Print the table."""
    keep_what_repeats()
    table = []
    for (people, labels), repeats in CASES.items():
        found = []
        for seed in range(max(2, round(share * repeats))):
            with suppress(BadSplit):  # the half has too few people of a class: such a cohort is not offered
                found.append(once(people, labels, seed))
        low, high, drawn, half = np.array(found).T
        truths = (drawn, half, half.mean())
        table.append(
            [str(people), str(labels), number(half), number(high - low), *(covered(low, high, t) for t in truths)]
        )
    headers = ("people", "labels", "truth", "width", "these 20 models", "all draws from this half", "method")
    show("AUC, 20 draws of few labels", headers, table)
