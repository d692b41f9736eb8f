"""Populations whose true scores are known in closed form, and the linear models that are trained on people from them.

People are Gaussian, models are linear, so that the score of a *trained* model on new people is a formula: no error of
its own blurs what an interval is held against.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

SITES = (0.4, 0.3, 0.2, 0.1)
"""Shares of people at the sites; they stratify the folds and change nothing else."""

PENALTY = 1.0
"""Added to the unit variances of features before a model is solved."""


@dataclass(frozen=True)
class People:
    """People and what each method sees of them.

    Attributes
    ----------
    table
        Index = item id; columns subject, group, site, and the target ``y``.
    truth
        (n,) class indices or numbers.
    views
        (methods, n, features).
    """

    table: pd.DataFrame
    truth: np.ndarray
    views: np.ndarray


@dataclass(frozen=True)
class Models:
    """Linear models (methods, features) with offsets (methods,): decision = view @ weights + offset."""

    weights: np.ndarray
    offsets: np.ndarray

    def decide(self, views: np.ndarray) -> np.ndarray:
        """Decision values (methods, n)."""
        return np.einsum("mnp,mp->mn", views, self.weights) + self.offsets[:, None]


@dataclass(frozen=True)
class Classes:
    """Two equally frequent classes whose means stand ``separation`` standard deviations apart.

    Each method sees the same people through noise of its own: ``noise`` is its standard deviation, one entry a
    method. Methods with equal noise are equally good before they are trained, and their errors are correlated by
    1 / (1 + noise**2) within a class, as those of different models on the same scans are.

    Attributes
    ----------
    relatives
        People a family, who share their class and ``kinship`` of the variance of their features.
    scans
        Scans a person, which share all but ``rescan`` of the variance.
    """

    separation: float
    noise: tuple[float, ...] = (0.5,)
    features: int = 30
    relatives: int = 1
    kinship: float = 0.5
    scans: int = 1
    rescan: float = 0.2

    def draw(self, people: int, rng: np.random.Generator) -> People:
        """So many people, families whole."""
        families = people // self.relatives
        family = np.repeat(np.arange(families), self.relatives)
        subject = np.repeat(np.arange(len(family)), self.scans)
        label = rng.integers(0, 2, families)[family][subject]
        shape = (len(subject), self.features)
        seen = rng.standard_normal(shape)
        if self.scans > 1:
            person = rng.standard_normal((len(family), self.features))[subject]
            seen = np.sqrt(1 - self.rescan) * person + np.sqrt(self.rescan) * seen
        if self.relatives > 1:
            kin = rng.standard_normal((families, self.features))[family][subject]
            seen = np.sqrt(self.kinship) * kin + np.sqrt(1 - self.kinship) * seen
        seen = seen + label[:, None] * self.direction
        own = np.array(self.noise)[:, None, None] * rng.standard_normal((len(self.noise), *shape))
        return People(_table(subject, family[subject], label.astype(str), rng), label, seen + own)

    @property
    def direction(self) -> np.ndarray:
        """(features,) difference of the class means."""
        return np.full(self.features, self.separation / np.sqrt(self.features))

    @property
    def best(self) -> np.ndarray:
        """(methods,) AUC that each method would reach with endless training data."""
        return np.asarray(norm.cdf(self.separation / np.sqrt(2 * (1 + np.square(self.noise)))))

    def fit(self, views: np.ndarray, truth: np.ndarray) -> Models:
        """Ridge discriminant of each method."""
        means = np.stack([views[:, truth == k].mean(axis=1) for k in (0, 1)])
        centred = views - means[truth].transpose(1, 0, 2)
        spread = np.einsum("mnp,mnq->mpq", centred, centred, optimize=True) / len(truth)
        weights = np.linalg.solve(spread + PENALTY * np.eye(self.features), (means[1] - means[0])[..., None])[..., 0]
        return Models(weights, -np.einsum("mp,mp->m", weights, means.mean(axis=0)))

    def decisions(self, models: Models) -> tuple[np.ndarray, np.ndarray]:
        """Mean decision by class (2, methods) and its standard deviation (methods,) on new people."""
        shift = models.weights @ self.direction
        size = np.sqrt((1 + np.square(self.noise)) * np.square(models.weights).sum(axis=1))
        return np.stack([models.offsets, models.offsets + shift]), size

    def auc(self, models: Models) -> np.ndarray:
        """(methods,) true AUC of trained models."""
        mean, size = self.decisions(models)
        return np.asarray(norm.cdf((mean[1] - mean[0]) / (np.sqrt(2) * size)))

    def accuracy(self, models: Models) -> np.ndarray:
        """(methods,) true accuracy, and balanced accuracy, of trained models."""
        mean, size = self.decisions(models)
        return np.asarray((norm.cdf(mean[1] / size) + norm.cdf(-mean[0] / size)) / 2)

    def pooled_auc(self, folds: list[Models], shares: np.ndarray) -> np.ndarray:
        """(methods,) true AUC of the folds' models when each person is judged by one of them, in these shares."""
        each = [self.decisions(models) for models in folds]
        total = np.zeros(len(self.noise))
        for (mine, size), share in zip(each, shares, strict=True):
            for (theirs, other), part in zip(each, shares, strict=True):
                total += share * part * norm.cdf((mine[1] - theirs[0]) / np.sqrt(size**2 + other**2))
        return total


@dataclass(frozen=True)
class Numbers:
    """A number of unit variance, of which the features tell ``explained`` (a share of its variance)."""

    explained: float
    noise: tuple[float, ...] = (0.5,)
    features: int = 30

    def draw(self, people: int, rng: np.random.Generator) -> People:
        """So many people."""
        seen = rng.standard_normal((people, self.features))
        number = seen @ self.slope + np.sqrt(1 - self.explained) * rng.standard_normal(people)
        own = np.array(self.noise)[:, None, None] * rng.standard_normal((len(self.noise), *seen.shape))
        rows = np.arange(people)
        return People(_table(rows, rows, number, rng).astype({"y": float}), number, seen + own)

    @property
    def slope(self) -> np.ndarray:
        """(features,) of the number."""
        return np.full(self.features, np.sqrt(self.explained / self.features))

    def fit(self, views: np.ndarray, truth: np.ndarray) -> Models:
        """Ridge of each method, the penalty growing with the number of people as that of `Classes`."""
        mean = views.mean(axis=1)
        centred, wanted = views - mean[:, None], truth - truth.mean()
        spread = np.einsum("mnp,mnq->mpq", centred, centred, optimize=True) / len(truth)
        shared = np.einsum("mnp,n->mp", centred, wanted) / len(truth)
        weights = np.linalg.solve(spread + PENALTY * np.eye(self.features), shared[..., None])[..., 0]
        return Models(weights, truth.mean() - np.einsum("mp,mp->m", weights, mean))

    def errors(self, models: Models) -> np.ndarray:
        """(methods,) true variance of truth minus prediction; its mean is minus the offset."""
        wrong = np.square(models.weights - self.slope).sum(axis=1)
        return np.asarray(wrong + np.square(self.noise) * np.square(models.weights).sum(axis=1) + (1 - self.explained))

    def pearson(self, models: Models) -> np.ndarray:
        """(methods,) true Pearson r of trained models."""
        size = (1 + np.square(self.noise)) * np.square(models.weights).sum(axis=1)
        return np.asarray(models.weights @ self.slope / np.sqrt(size))

    def mae(self, models: Models) -> np.ndarray:
        """(methods,) true mean absolute error: that of a folded normal."""
        size = np.sqrt(self.errors(models))
        off = models.offsets / size
        return np.asarray(size * (2 * norm.pdf(off) + off * (1 - 2 * norm.cdf(-off))))

    def cod(self, models: Models, train_mean: float) -> np.ndarray:
        """(methods,) true predictive COD beside a training mean."""
        return np.asarray(1 - (self.errors(models) + models.offsets**2) / (1 + train_mean**2))


def _table(subject: np.ndarray, family: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """The table of scans, of plain Python objects: splits of it are twice as fast."""
    site = rng.choice(len(SITES), len(np.unique(family)), p=SITES)[family]
    columns = {
        "subject": [f"sub-{number:05d}" for number in subject],
        "group": [f"family-{number:05d}" for number in family],
        "site": [f"site{number}" for number in site],
        "y": target,
    }
    rows = pd.Index([f"scan-{row:05d}" for row in range(len(subject))], dtype=object)
    return pd.DataFrame({name: pd.Series(values, rows, dtype=object) for name, values in columns.items()})
