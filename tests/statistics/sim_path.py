"""The engine's own path, without processes and files: split, fit, predict, judge, resample, test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sim_worlds import Classes, Models, Numbers, People

from brainbench.benchmark import score, stats
from brainbench.benchmark.contracts import Metric, Split, Task
from brainbench.benchmark.kinds.regression import Values
from brainbench.benchmark.score import Judged
from brainbench.benchmark.splits import KFold, SplitManifest, make_manifest
from brainbench.benchmark.stats import Scored

CLASSES = Task(
    name="simulated-classes",
    title="Two simulated classes",
    family="simulated",
    version=1,
    kind="classification",
    dataset="simulated",
    target="y",
    split=KFold(),
    metrics=("auc", "accuracy"),
    classes=("0", "1"),
)
NUMBERS = Task(
    name="simulated-number",
    title="A simulated number",
    family="simulated",
    version=1,
    kind="regression",
    dataset="simulated",
    target="y",
    split=KFold(),
    metrics=("mae", "pearson-r", "predictive-cod"),
)


@dataclass(frozen=True)
class Trained:
    """What cross-validation leaves.

    Attributes
    ----------
    cells
        Judged predictions of each method: a list a method, an entry a fold.
    models
        The models of each fold.
    train, test
        Numbers of items of each fold.
    """

    cells: list[list[Judged]]
    models: list[Models]
    train: np.ndarray
    test: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of the people that each fold tests."""
        return np.asarray(self.test / self.test.sum())

    def scored(self, method: int) -> list[Scored]:
        """A method's folds, as the engine resamples them."""
        return [Scored(cell.truth, cell.prediction, cell.clusters, cell.fold) for cell in self.cells[method]]


def cut(people: People, split: Split, seed: int) -> SplitManifest:
    """The manifest that the engine makes of these people."""
    return make_manifest(split, people.table, "y", "simulated", seed)


def train(
    world: Classes | Numbers,
    people: People,
    manifest: SplitManifest,
    new: People | None = None,
    cluster: str = "subject",
) -> Trained:
    """Fit every method in every fold and judge its predictions of the test people, or of as many ``new`` ones.

    ``cluster`` is the column that is resampled; the engine's is the subject.
    """
    judged = new or people
    position = {name: row for row, name in enumerate(people.table.index)}
    subjects = people.table[cluster].to_numpy()
    cells: list[list[Judged]] = [[] for _ in world.noise]
    models, sizes = [], []
    for name in manifest.folds:
        fold = manifest.fold(name)
        known, asked = ([position[item] for item in ids] for ids in (fold.train, fold.test))
        model = world.fit(people.views[:, known], people.truth[known])
        told = model.decide(judged.views[:, asked])
        truth = _truth(world, judged.truth[asked], people.truth[known].mean())
        for method, values in enumerate(told):
            prediction = _prediction(world, values)
            cells[method].append(Judged(name, 0, truth, prediction, list(subjects[asked]), True))
        models.append(model)
        sizes.append((len(known), len(asked)))
    return Trained(cells, models, *np.array(sizes).T)


def _truth(world: Classes | Numbers, truth: np.ndarray, train_mean: float) -> Any:
    return truth if isinstance(world, Classes) else Values(truth, np.full(len(truth), train_mean))


def _prediction(world: Classes | Numbers, values: np.ndarray) -> np.ndarray:
    if not isinstance(world, Classes):
        return values
    chance = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return np.stack([1 - chance, chance], axis=1)


def fold_scores(metric: Metric, folds: Sequence[Scored]) -> np.ndarray:
    """(folds,) score in each fold."""
    return np.array([metric.score(fold.truth, fold.prediction) for fold in folds])


def keep_what_repeats() -> None:
    """Keep what is the same in every repeat: the engine's counts, its metrics and kinds.

    The counts depend on the engine's seed and the number of people alone.
    """
    make = stats._draw
    kept: dict[tuple[str, int, int], tuple[np.ndarray, Any]] = {}

    def drawn(rng: np.random.Generator, resamples: int, subjects: int) -> np.ndarray:
        key = str(rng.bit_generator.state), resamples, subjects
        if key not in kept:
            kept[key] = make(rng, resamples, subjects), rng.bit_generator.state
        counts, rng.bit_generator.state = kept[key]
        return counts

    stats._draw = drawn
    score.load_metric = lru_cache(score.load_metric)
    score.get_kind = lru_cache(score.get_kind)
