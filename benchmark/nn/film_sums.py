"""Correlation of predicted and measured responses, run by run: how a method watches itself on held-out films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FLAT = 1e-6
"""A series whose standard deviation is below this part of its mean is constant up to rounding."""


class Sums:
    """Mean, spread and correlation of prediction and truth by parcel, over runs that come one by one.

    As if all runs were concatenated. Centred sums are merged, so that an offset costs no precision.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = np.zeros((2, 1))
        self._squares = np.zeros((2, 1))
        self._products = np.zeros(1)

    def add(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        """A run: both (time, parcel)."""
        if not len(truth):
            return
        both = np.stack([prediction, truth]).astype(np.float64)
        mean = both.mean(axis=1)
        both -= mean[:, None]
        count = len(truth)
        step = mean - self._mean
        share = self.count * count / (self.count + count)
        self._squares = self._squares + (both**2).sum(axis=1) + step**2 * share
        self._products = self._products + (both[0] * both[1]).sum(axis=0) + step[0] * step[1] * share
        self._mean = self._mean + step * count / (self.count + count)
        self.count += count

    def r(self) -> np.ndarray:
        """Pearson r (parcels,); 0 where either side is constant."""
        deviation = np.sqrt(self._squares / max(self.count, 1))
        flat = (deviation <= FLAT * np.abs(self._mean)).any(axis=0) | (deviation == 0).any(axis=0)
        scale = np.where(flat, 1.0, np.sqrt(self._squares[0] * self._squares[1]))
        return np.where(flat, 0.0, self._products / scale)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (parcels,) of the predictions."""
        return self._mean[0], np.sqrt(self._squares[0] / max(self.count, 1))


class FilmSums:
    """`Sums` of every subject and film."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Sums] = {}

    def add(self, film: str, prediction: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> None:
        """A run of a film: both subject -> (time, parcel). Who has no truth is not scored."""
        for subject, values in truth.items():
            self._sums.setdefault((subject, film), Sums()).add(prediction[subject], values)

    def r(self, movies: Sequence[str]) -> dict[str, np.ndarray]:
        """Subject -> (movies, parcels); NaN where a subject did not see a film."""
        out = {}
        for subject in self._subjects:
            found = [self._sums.get((subject, film)) for film in movies]
            known = {film: sums.r() for film, sums in zip(movies, found, strict=True) if sums is not None}
            unseen = np.full(len(next(iter(known.values()))), np.nan)
            out[subject] = np.stack([known.get(film, unseen) for film in movies])
        return out

    def moments(self) -> dict[str, np.ndarray]:
        """Subject -> (2, parcels): mean and standard deviation of the predictions over all films."""
        out = {}
        for subject in self._subjects:
            own = [sums for (name, _), sums in self._sums.items() if name == subject]
            share = np.array([sums.count for sums in own], dtype=float)[:, None]
            mean, deviation = (np.stack(values) for values in zip(*(sums.moments() for sums in own), strict=True))
            middle = (share * mean).sum(axis=0) / share.sum()
            variance = (share * (deviation**2 + (mean - middle) ** 2)).sum(axis=0) / share.sum()
            out[subject] = np.stack([middle, np.sqrt(variance)])
        return out

    @property
    def _subjects(self) -> list[str]:
        return list(dict.fromkeys(subject for subject, _ in self._sums))
