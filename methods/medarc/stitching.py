"""Stitching: for each subject and parcel, the members that predict it best (numpy only).

Reference: MedARC's stitching notebook ranks models by validation r averaged over chosen films and averages the
best five for each parcel; TRIBE weights all by exp(r / 0.3). Both choose and score on the same films; here the
score that is expected is taken on films that the choice did not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...benchmark.nn.film_sums import FLAT

WEIGHTS = ("mean", "softmax", "softmax-parcels")
TEMPERATURE = 0.3
"""TRIBE's, in units of r."""


@dataclass(frozen=True)
class Scores:
    """Validation r of every member.

    Attributes
    ----------
    movies
        Names of the inner films.
    r
        Subject -> (members, movies, parcels); NaN where a subject did not see a film.
    """

    movies: tuple[str, ...]
    r: Mapping[str, np.ndarray]

    @property
    def members(self) -> int:
        """Number of members."""
        return len(next(iter(self.r.values())))

    def table(self) -> np.ndarray:
        """(members, subjects, movies): means over parcels."""
        return np.stack([values.mean(axis=2) for values in self.r.values()], axis=1)

    def ranking(self, movies: Sequence[int]) -> dict[str, np.ndarray]:
        """Subject -> (members, parcels): r averaged over some of the films."""
        return {subject: mean_known(values[:, list(movies)], axis=1) for subject, values in self.r.items()}


def mean_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean over what is not NaN; NaN where nothing is known."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def headline(table: np.ndarray) -> np.ndarray:
    """Score (...,) of tables (..., subjects, movies) of r: mean over movies, then over subjects."""
    return mean_known(mean_known(table, axis=-1), axis=-1)


def member_weights(ranking: np.ndarray, top: int, weights: str) -> np.ndarray:
    """Weights (members, parcels) from r (members, parcels).

    Parameters
    ----------
    ranking
        Validation r; where nothing is known (NaN) all members count alike.
    top
        Only the best so many of each parcel have a weight; 0 for all. Of equals the first come first.
    weights
        ``mean``: the best count alike. ``softmax``: exp(r / 0.3), with sum 1 over members. ``softmax-parcels``: the
        same with sum 1 over *parcels*, as TRIBE's code has it: a member's weights then do not tell how it compares
        with others.

    Returns
    -------
    numpy.ndarray
        (members, parcels) float64. Over members they sum to 1, but for ``softmax-parcels``.
    """
    known = np.where(np.isfinite(ranking), ranking, 0.0)
    place = np.argsort(np.argsort(-known, axis=0, kind="stable"), axis=0, kind="stable")
    unknown = ~np.isfinite(ranking).any(axis=0)
    used = ((place < (top or len(known))) | unknown).astype(np.float64)
    raw = used if weights == "mean" else used * np.exp((known - known.max()) / TEMPERATURE)
    total = raw.sum(axis=0)
    if weights == "softmax-parcels":
        total = np.exp((known - known.max()) / TEMPERATURE).sum(axis=1, keepdims=True)
    out: np.ndarray = raw / total
    return out


@dataclass(frozen=True)
class Recipe:
    """How one subject's predictions are put together: ``sum over members of weights * prediction + offset``.

    Attributes
    ----------
    weights
        (members, parcels).
    offset
        (parcels,).
    """

    weights: np.ndarray
    offset: np.ndarray

    @classmethod
    def plain(cls, weights: np.ndarray) -> Recipe:
        """Predictions as they are."""
        return cls(weights, np.zeros(weights.shape[1]))

    @classmethod
    def standardised(cls, weights: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> Recipe:
        """Predictions z-scored by each member's own mean and deviation (members, parcels), then scaled back.

        The result has the weighted mean of the members' means and deviations. A constant member adds nothing.
        """
        varies = deviation > FLAT * np.abs(mean)
        scale = (weights * deviation).sum(axis=0)
        each = np.where(varies, weights * scale / np.where(varies, deviation, 1.0), 0.0)
        return cls(each, (weights * mean).sum(axis=0) - (each * mean).sum(axis=0))

    def among(self, able: np.ndarray) -> Recipe:
        """The recipe of some members (members,) alone: their weights grow to the sum that all had.

        Parcels of which none of the chosen is among them take all of them alike.
        """
        kept = np.where(able[:, None], self.weights, 0.0)
        left = kept.sum(axis=0)
        scaled = kept * np.where(left > 0, self.weights.sum(axis=0) / np.where(left > 0, left, 1.0), 0.0)
        alike = np.repeat(able[:, None] / able.sum(), len(left), axis=1)
        return Recipe(np.where(left > 0, scaled, alike), np.where(left > 0, self.offset, 0.0))

    def add(self, total: np.ndarray, member: int, prediction: np.ndarray) -> None:
        """Add a member's part to ``total`` (time, parcel), which began as the offset."""
        if self.weights[member].any():
            total += self.weights[member] * prediction


def best_member(scores: Scores, nested: bool) -> float | None:
    """r expected of the one best member; ``nested``: chosen on the other films than the one that it is scored on.

    None where there are no other films.
    """
    table = scores.table()
    films = range(len(scores.movies))
    if not nested:
        return float(headline(table).max())
    if len(films) < 2:
        return None
    out = np.full(table.shape[1:], np.nan)
    for film in films:
        others = [other for other in films if other != film]
        out[:, film] = table[np.nanargmax(headline(table[..., others])), :, film]
    return float(headline(out))
