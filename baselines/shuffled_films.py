"""Ridge that was taught the responses to other films: what is left when features tell nothing of the response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Train
from ..benchmark.errors import Skipped
from ..benchmark.kinds.encoding import Measured
from ..benchmark.nn.inner_movies import names_of
from .delayed_ridge import DelayedRidge


@dataclass
class ShuffledFilms(DelayedRidge):
    """Delayed ridge whose training responses are those to another film.

    Penalties are chosen as ever, and come out large: nothing can be learned.
    """

    card: ClassVar[Card] = Card(
        title="Shuffled films",
        summary="Delayed ridge whose training responses are those of the same subject to another film: what is left "
        "when features are read but tell nothing of the response.",
        notes="Each run gets the response to another film (to another stimulus, where films cannot be told apart), "
        "from a random place on, so that what films share from their start on does not stay in step. A response that "
        "is shorter than the run begins again.",
    )
    seeded: ClassVar[bool] = True

    def fit(self, train: Train, context: Context) -> None:
        """As `DelayedRidge`, on the wrong responses."""
        partners = strangers(names_of(train.inputs), context.seed)
        turns = np.random.default_rng([context.seed, 1]).random(len(partners))
        super().fit(replace(train, targets=Mismatched(train.targets, partners, turns)), context)


class Mismatched(Measured):
    """Responses of each run's partner in the length of its own, turned around by a share of their length.

    Parameters
    ----------
    measured
        The right responses.
    partners
        Whose response a run gets, by position.
    turns
        Share of a response that comes last instead of first.
    """

    def __init__(self, measured: Measured, partners: Sequence[int] | np.ndarray, turns: np.ndarray) -> None:
        self._measured, self._partners, self._turns = measured, partners, turns
        self.networks = measured.networks

    def __len__(self) -> int:
        return len(self._measured)

    def subjects(self, row: int) -> tuple[str, ...]:
        """Who saw both the run and its partner."""
        other = self._measured.subjects(int(self._partners[row]))
        return tuple(subject for subject in self._measured.subjects(row) if subject in other)

    def frames(self, row: int, subject: str) -> int:
        """As many TRs as the run has."""
        return self._measured.frames(row, subject)

    def read(self, row: int, subject: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """TRs of the partner's response (time, parcel)."""
        stop = self.frames(row, subject) if stop is None else stop
        other = self._measured.read(int(self._partners[row]), subject)
        first = int(self._turns[row] * len(other))
        return other[(first + np.arange(start, stop)) % len(other)]


def strangers(films: Sequence[str], seed: int) -> np.ndarray:
    """For each run the position of one of another film (n,), drawn at random; all runs serve about equally often.

    Raises `Skipped` where there is one film only.
    """
    names = np.asarray(films)
    rng = np.random.default_rng([seed, 0])
    if len(set(films)) < 2:
        raise Skipped("one film only: there is no other one to take responses from")
    out = np.empty(len(names), int)
    used = np.zeros(len(names), int)
    for row in rng.permutation(len(names)):
        among = rng.permutation(np.flatnonzero(names != names[row]))
        out[row] = among[np.argmin(used[among])]
        used[out[row]] += 1
    return out
