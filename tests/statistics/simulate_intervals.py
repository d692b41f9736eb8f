"""Coverage of the interval beside a score, for what it claims and for what readers take it to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sim_path import CLASSES, NUMBERS, Trained, cut, keep_what_repeats, train
from sim_report import covered, number, show
from sim_worlds import Classes, Numbers

from brainbench.benchmark.score import score_cells

SIZES = {40: 250, 120: 250, 700: 75}
WIDER = (1.25, 1.5)
"""The second is the root of what five folds' shared training data add to a variance by Nadeau & Bengio's rule:
(1/5 + 1/4) / (1/5) = 2.25."""

CLASS_WORLDS = (Classes(0.0), Classes(1.2), Classes(2.2))
NUMBER_WORLDS = (Numbers(0.0), Numbers(0.3), Numbers(0.7))


def once(world: Classes | Numbers, people: int, seed: int) -> dict[str, np.ndarray]:
    """One cohort: (arm, metric) -> value, low, high, truth. Arms: cross-validated people, and new people."""
    rng = np.random.default_rng((seed, people))
    cohort, new = world.draw(people, rng), world.draw(people, rng)
    manifest = cut(cohort, CLASSES.split, seed)
    trained = train(world, cohort, manifest)
    apart = _scored(world, trained, _truths(world, trained))
    fresh = train(world, cohort, manifest, new)
    return apart | {f"new people, {name}": row for name, row in _scored(world, fresh, _means(apart)).items()}


def _scored(world: Classes | Numbers, trained: Trained, truths: dict[str, float]) -> dict[str, np.ndarray]:
    task = CLASSES if isinstance(world, Classes) else NUMBERS
    cells = trained.cells[0]
    parts = dict(score_cells(task, cells)[0])
    if "pooled auc" in truths:
        parts["pooled auc"] = score_cells(replace(task, pooled=True, metrics=("auc",)), cells)[0]["auc"]
    return {
        name: np.array([parts[name].value, parts[name].low, parts[name].high, truth], dtype=float)
        for name, truth in truths.items()
    }


def _truths(world: Classes | Numbers, trained: Trained) -> dict[str, float]:
    """True scores of the trained models, mean over folds."""
    models = trained.models
    if isinstance(world, Classes):
        return {
            "auc": float(np.mean([world.auc(model) for model in models])),
            "accuracy": float(np.mean([world.accuracy(model) for model in models])),
            "pooled auc": float(world.pooled_auc(models, trained.shares)[0]),
        }
    means = [float(cell.truth.train_mean[0]) for cell in trained.cells[0]]
    return {
        "pearson-r": float(np.mean([world.pearson(model) for model in models])),
        "mae": float(np.mean([world.mae(model) for model in models])),
        "predictive-cod": float(np.mean([world.cod(model, mean) for model, mean in zip(models, means, strict=True)])),
    }


def _means(rows: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(row[3]) for name, row in rows.items()}


def simulate(world: Classes | Numbers, people: int, repeats: int) -> dict[str, np.ndarray]:
    """Name -> (repeats, 4)."""
    found = [once(world, people, seed) for seed in range(repeats)]
    return {name: np.stack([one[name] for one in found]) for name in found[0]}


def rows(people: int, worlds: list[dict[str, np.ndarray]]) -> list[list[str]]:
    """Table rows of one size, a score each: shares over repeats and worlds."""
    table = []
    for name in worlds[0]:
        if name.startswith("new people, "):
            continue
        each = np.stack([found[name] for found in worlds], axis=1)
        value, low, high, truth = np.moveaxis(each, 2, 0)
        fresh = np.moveaxis(np.stack([found[f"new people, {name}"] for found in worlds], axis=1), 2, 0)
        claims = (truth, truth.mean(axis=0))
        cells = [covered(*fresh[1:]), *(covered(low, high, claim) for claim in claims)]
        for factor in WIDER:
            wide = value - factor * (value - low), value + factor * (high - value)
            cells += [covered(*wide, claim) for claim in claims]
        told = ", ".join(number(one, 2) for one in truth.T)
        table.append([name, str(people), told, number(high - low, 2), *cells])
    return table


HEADERS = (
    "score", "people", "truths", "width", "models, new people", "models", "method",
    "models, 1.25 wide", "method, 1.25 wide", "models, 1.5 wide", "method, 1.5 wide",
)  # fmt: skip


def main(part: float = 1.0) -> None:
    """Print the tables."""
    keep_what_repeats()
    for title, worlds in (("Classification, 5 folds", CLASS_WORLDS), ("Regression, 5 folds", NUMBER_WORLDS)):
        table = []
        for people, repeats in SIZES.items():
            count = max(2, round(part * repeats))
            table += rows(people, [simulate(world, people, count) for world in worlds])
        show(title, HEADERS, sorted(table, key=lambda row: row[0]))
