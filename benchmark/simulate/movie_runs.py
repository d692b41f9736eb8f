"""Runs of the twin of Algonauts, made one at a time: features, responses, and what is in them beside noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .movie_brains import Brain, brains, convolved
from .movie_plan import Showing, key_of, manner_of
from .movie_streams import latents, readings, streams_of


@dataclass(frozen=True)
class MadeRun:
    """A run.

    Attributes
    ----------
    features
        Stream -> (chunks, ...) float32, or None where a film lacks it.
    responses
        Subject -> (frames, parcels) float32, z-scored over the run and scaled by the parcel's spread.
    signals
        The same without noise: what is best to predict.
    """

    showing: Showing
    features: dict[str, np.ndarray | None]
    responses: dict[str, np.ndarray]
    signals: dict[str, np.ndarray]


def made_runs(showings: Sequence[Showing], size: str, seed: int) -> Iterator[MadeRun]:
    """Simulate runs in their order, with streams of a size, "small" or "full".

    A run depends on its name and length and on the seed alone, not on the other runs.
    """
    readers, people = readings(size), brains()
    for showing in showings:
        series = latents(showing.stimulus, showing.movie, showing.chunks, seed)
        responses, signals = respond(people, showing, series, manner_of(showing.movie).gain, seed)
        yield MadeRun(showing, dict(streams_of(showing, readers, series, seed)), responses, signals)


def respond(
    people: Sequence[Brain], showing: Showing, series: np.ndarray, gain: float, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Responses and signals by subject, to latent series (chunks, latents)."""
    responses, signals = {}, {}
    for brain in people:
        if brain.name in showing.frames:
            frames = showing.frames[brain.name]
            signal = np.float32(gain) * brain.signal(convolved(series, frames))
            rng = np.random.default_rng((seed, 4, key_of(showing.id), key_of(brain.name)))
            total = signal + brain.noise(frames, rng)
            scale = brain.spread / total.std(axis=0)
            responses[brain.name] = (total - total.mean(axis=0)) * scale
            signals[brain.name] = (signal - signal.mean(axis=0)) * scale
    return responses, signals


class Agreement:
    """Correlation of signal and response by subject, film and parcel, over the runs of a film put end to end."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], np.ndarray] = {}

    def add(self, run: MadeRun) -> None:
        """Count a run. Second showings are not counted: tasks test the first."""
        if run.showing.showing == 1:
            for subject, response in run.responses.items():
                key = subject, run.showing.movie
                self._sums[key] = self._sums.get(key, 0) + _products(run.signals[subject], response)

    def found(self) -> Mapping[tuple[str, str], np.ndarray]:
        """(subject, film) -> (parcels,) r."""
        return {key: sums[2] / np.sqrt(sums[0] * sums[1]) for key, sums in self._sums.items()}


def _products(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    """(3, parcels) sums of squares and of products; both are centred in every run, hence over all runs."""
    pairs = ((signal, signal), (response, response), (signal, response))
    return np.stack([np.einsum("tp,tp->p", one, other, dtype=np.float64) for one, other in pairs])
