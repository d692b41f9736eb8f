"""The best attainable scores of a twin, by Monte Carlo over sufficient statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Ceiling
from .gaussian import Design
from .oracle import Oracle
from .people import Population
from .targets import Target, value_indices

BATCHES = 10
BATCH = 10_000
"""Ten batches of so many people: the error is that of the batches' mean."""

TRAINING_PEOPLE = 500
MOST_TRAINING_DRAWS = 2
"""Each batch tests models of so many people in several training sets, but not of more sets than this."""


@dataclass(frozen=True)
class Draw:
    """People with their statistics, without scans.

    Attributes
    ----------
    table
        Columns of `Population.draw`.
    energies
        (n, 8) sufficient statistics S.
    """

    table: pd.DataFrame
    energies: np.ndarray

    @property
    def log_energies(self) -> np.ndarray:
        """(n, 8) log of the mean statistic a frame: what a linear model may learn from."""
        return np.asarray(np.log(self.energies / self.table["frames"].to_numpy()[:, None]))


@dataclass(frozen=True)
class Asked:
    """The people whom a target asks for, as rows of a draw, and their truth: class indices or numbers."""

    rows: np.ndarray
    truth: np.ndarray


def draw(design: Design, population: Population, subjects: int, rng: np.random.Generator) -> Draw:
    """Independent people and their statistics."""
    table = population.population(subjects, rng)
    scale = design.scales(population.codes(table))
    return Draw(table, design.draw_energies(scale, table["frames"].to_numpy(), rng))


def asked(target: Target, population: Population, table: pd.DataFrame) -> Asked:
    """Whom a target asks for, and what is true of them."""
    index = value_indices(population, table)[target.trait]
    rows = np.flatnonzero(target.asked(index))
    if target.groups is None:
        return Asked(rows, population.traits(table)[target.trait])
    return Asked(rows, target.groups[index[rows]])


def answer(target: Target, population: Population, posterior: np.ndarray) -> np.ndarray:
    """The best prediction from a posterior (n, v): probabilities (n, classes), or the posterior mean (n,)."""
    if target.groups is None:
        return np.asarray(posterior @ population.values[target.trait])
    return target.classes(posterior)


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve; ties count half, infinite scores are allowed."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    ones = positive == 1
    n1, n0 = int(ones.sum()), int((~ones).sum())
    return float((ranks[ones].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def score(target: Target, truth: np.ndarray, prediction: np.ndarray) -> float:
    """Pearson r of a number, AUC of two classes, macro mean of each class against the rest of more.

    A constant prediction of a number has r 0.
    """
    if target.groups is None:
        constant = np.ptp(prediction) <= 1e-9 * np.abs(prediction).max()
        return 0.0 if constant else float(np.corrcoef(truth, prediction)[0, 1])
    if prediction.shape[1] == 2:
        return auc(truth == 1, prediction[:, 1])
    held = [k for k in range(prediction.shape[1]) if 0 < (truth == k).sum() < len(truth)]
    return float(np.mean([auc(truth == k, prediction[:, k]) for k in held]))


def oracle_scores(oracle: Oracle, targets: Sequence[Target], people: Draw) -> dict[str, dict[str, float]]:
    """Target -> the exact posterior's score, by what is read.

    ``energies``: the network energies alone. ``scan``: also the site, which a scan gives away by its
    TR, length and ROI gains. ``covariates``: also sex and age, where they are not the target.
    """
    evidence = oracle.evidence(people.table, people.energies)
    views: dict[Any, Mapping[str, np.ndarray]] = {
        "energies": oracle.posterior(evidence, site_known=False),
        "scan": oracle.posterior(evidence),
    }
    for target in targets:
        if target.known not in views:
            views[target.known] = oracle.posterior(evidence, target.known)
    found: dict[str, dict[str, float]] = {}
    for target in targets:
        whom = asked(target, oracle.population, people.table)
        views["covariates"] = views[target.known]
        found[target.name] = {
            view: score(target, whom.truth, answer(target, oracle.population, views[view][target.trait][whom.rows]))
            for view in ("energies", "scan", "covariates")
        }
    return found


def ceilings(
    design: Design, population: Population, targets: Sequence[Target], training_size: int, seed: int = 0
) -> dict[str, Ceiling]:
    """Score of the exact posterior, and of a linear model that must learn it, for each target.

    Parameters
    ----------
    training_size
        People whom a method of the twin's default split learns from.
    seed
        Of the Monte Carlo; not that of the twin, which must not change its own ceilings.
    """
    oracle = Oracle(design, population)
    rng = np.random.default_rng((seed, 11))
    batches = []
    for _ in range(BATCHES):
        people = draw(design, population, BATCH, rng)
        best, reached = oracle_scores(oracle, targets, people), learned(oracle, targets, training_size, people, rng)
        batches.append({name: {**views, "learned": reached[name]} for name, views in best.items()})
    return {
        target.name: _ceiling(target, pd.DataFrame([batch[target.name] for batch in batches]), training_size)
        for target in targets
    }


def _ceiling(target: Target, scores: pd.DataFrame, training_size: int) -> Ceiling:
    """What is stored of a target's Monte Carlo: one row a batch, a column for what is read, one for what is learned."""
    mean = scores.mean()
    number = target.groups is None
    best, model = ("posterior mean", "ridge") if number else ("posterior", "logistic")
    return Ceiling(
        metric="pearson-r" if number else "auc",
        value=round(float(mean["scan"]), 4),
        error=round(float(scores["scan"].std() / np.sqrt(BATCHES)), 5),
        with_covariates=round(float(mean["covariates"]), 4),
        at_training_size=round(float(mean["learned"]), 4),
        training_size=training_size,
        note=(
            f"exact {best}, {BATCHES * BATCH} simulated people; the scan gives its site away, "
            f"so the site counts as read from it (network energies alone: {mean['energies']:.4f}); "
            f"at the training size: {model} regression on the eight log network energies"
        ),
    )


def learned(
    oracle: Oracle, targets: Sequence[Target], size: int, test: Draw, rng: np.random.Generator
) -> dict[str, float]:
    """Target -> mean score on ``test`` of linear models on the log energies of ``size`` people."""
    scores: dict[str, list[float]] = {target.name: [] for target in targets}
    for _ in range(int(np.clip(TRAINING_PEOPLE // size, 1, MOST_TRAINING_DRAWS))):
        train = draw(oracle.design, oracle.population, size, rng)
        for target in targets:
            known, wanted = (asked(target, oracle.population, people.table) for people in (train, test))
            prediction = _fitted(target, train.log_energies[known.rows], known.truth, test.log_energies[wanted.rows])
            scores[target.name].append(score(target, wanted.truth, prediction))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def _fitted(target: Target, features: np.ndarray, truth: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Predictions of ridge or logistic regression; classes that nobody trained on have probability 0."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if target.groups is None:
        return np.asarray(make_pipeline(StandardScaler(), Ridge()).fit(features, truth).predict(wanted))
    prediction = np.zeros((len(wanted), int(target.groups.max()) + 1))
    present = np.unique(truth)
    if len(present) == 1:
        prediction[:, present] = 1.0
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, truth)
        prediction[:, present] = model.predict_proba(wanted)
    return prediction
