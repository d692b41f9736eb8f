"""The best attainable AUC of a twin, by Monte Carlo over sufficient statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..contracts import Ceiling
from .gaussian import Design
from .people import Population

BATCHES = 10
BATCH = 20_000
"""Ten batches of so many people: the error is that of the batches' mean."""

TRAINING_DRAWS = 30
"""Training sets over which the score at the training size is averaged."""


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
    def label(self) -> np.ndarray:
        """(n,) 0 or 1."""
        return self.table["label"].to_numpy()

    @property
    def log_energies(self) -> np.ndarray:
        """(n, 8) log of the mean statistic a frame: what a classifier may learn from."""
        return np.asarray(np.log(self.energies / self.table["frames"].to_numpy()[:, None]))


def draw(design: Design, population: Population, subjects: int, rng: np.random.Generator) -> Draw:
    """Independent people and their statistics."""
    table = population.population(subjects, rng)
    label, frames = table["label"].to_numpy(), table["frames"].to_numpy()
    return Draw(table, design.draw_energies(label, frames, rng))


def ratios(design: Design, population: Population, people: Draw) -> dict[str, np.ndarray]:
    """(n,) exact log likelihood ratios, by what the oracle reads.

    ``energies``: the network energies alone. ``scan``: also the site, which a scan gives away by its
    TR, length and ROI gains. ``covariates``: also sex and age.
    """
    energies = design.log_ratio(people.energies, people.table["frames"].to_numpy())
    scan = energies + population.log_site_ratio(people.table)
    return {"energies": energies, "scan": scan, "covariates": scan + population.log_person_ratio(people.table)}


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve; ties count half, infinite scores are allowed."""
    ranks = rankdata(score)
    ones = label == 1
    n1, n0 = int(ones.sum()), int((~ones).sum())
    return float((ranks[ones].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def ceiling(design: Design, population: Population, training_size: int, seed: int = 0) -> Ceiling:
    """AUC of the exact likelihood ratio, and of a classifier that must learn it.

    Parameters
    ----------
    training_size
        People whom a method of the twin's default split learns from.
    seed
        Of the Monte Carlo; not that of the twin, which must not change its own ceiling.
    """
    values: dict[str, list[float]] = {"energies": [], "scan": [], "covariates": []}
    rng = np.random.default_rng((seed, 11))
    for _ in range(BATCHES):
        people = draw(design, population, BATCH, rng)
        for name, ratio in ratios(design, population, people).items():
            values[name].append(auc(people.label, ratio))
    mean = {name: float(np.mean(batch)) for name, batch in values.items()}
    error = float(np.std(values["scan"], ddof=1) / np.sqrt(BATCHES))
    return Ceiling(
        metric="auc",
        value=round(mean["scan"], 4),
        error=round(error, 5),
        with_covariates=round(mean["covariates"], 4),
        at_training_size=round(learned(design, population, training_size, rng), 4),
        training_size=training_size,
        note=(
            f"exact likelihood ratio, {BATCHES * BATCH} simulated people; the scan gives its site away, "
            f"so the site counts as read from it (network energies alone: {mean['energies']:.4f}); "
            "at the training size: logistic regression on the eight log network energies"
        ),
    )


def learned(design: Design, population: Population, size: int, rng: np.random.Generator) -> float:
    """Mean AUC of logistic regression on the log energies over `TRAINING_DRAWS` training sets."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    test = draw(design, population, BATCH, rng)
    scores = []
    for _ in range(TRAINING_DRAWS):
        train = draw(design, population, size, rng)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(train.log_energies, train.label)
        scores.append(auc(test.label, model.decision_function(test.log_energies)))
    return float(np.mean(scores))
