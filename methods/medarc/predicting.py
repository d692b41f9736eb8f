"""Predictions of whole runs, and how well they fit runs that were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...benchmark.errors import BadData
from ...benchmark.kinds.encoding import Measured, Run
from ...benchmark.nn.film_sums import Sums
from .crops import presence, read_stream
from .network import Encoder
from .stitching import mean_known

Prediction = dict[str, np.ndarray]


@dataclass(frozen=True)
class Validation:
    """Pearson r of held-out films, the runs of a film concatenated.

    Attributes
    ----------
    subjects, movies
        Names.
    r
        (subject, movie, parcel); NaN where a subject did not see a film. A constant prediction scores 0.
    """

    subjects: tuple[str, ...]
    movies: tuple[str, ...]
    r: np.ndarray

    @property
    def score(self) -> float:
        """Mean over parcels, then films, then subjects."""
        return float(mean_known(mean_known(self.r.mean(axis=2), axis=1), axis=0))

    def by_subject(self) -> dict[str, float]:
        """Mean r of each subject."""
        means = mean_known(self.r.mean(axis=2), axis=1)
        return {name: round(float(value), 4) for name, value in zip(self.subjects, means, strict=True)}

    def by_movie(self) -> dict[str, float]:
        """Mean r of each film."""
        means = mean_known(self.r.mean(axis=2), axis=0)
        return {name: round(float(value), 4) for name, value in zip(self.movies, means, strict=True)}

    def by_network(self, networks: Sequence[str]) -> dict[str, float]:
        """Mean r of each network of parcels that has a name."""
        if len(networks) != self.r.shape[2]:
            return {}
        each = mean_known(mean_known(self.r, axis=1), axis=0)
        names = np.array(networks)
        return {name: round(float(each[names == name].mean()), 4) for name in dict.fromkeys(networks) if name}


@torch.no_grad()
def predict_run(network: Encoder, streams: dict[str, tuple[int, ...]], run: Run, length: int) -> np.ndarray:
    """Responses (length, subject, parcel) to a whole run, on the CPU.

    Raises `BadData` for a run without any of the streams.
    """
    if not any(name in run.streams for name in streams):
        raise BadData(
            f"run {run.stimulus!r} has none of the streams that were trained on: {', '.join(streams)}",
            "it has: " + (", ".join(run.streams) or "none"),
        )
    device = next(network.parameters()).device
    features = [torch.from_numpy(read_stream([run], [0], length, *one)).to(device) for one in streams.items()]
    present = torch.tensor([presence(run, streams)], device=device)
    out: np.ndarray = network(features, present)[0].cpu().numpy()
    return out


def validate(
    predict: Callable[[Run, int], np.ndarray], runs: Sequence[Run], rows: Sequence[int], films: Sequence[str],
    targets: Measured, subjects: tuple[str, ...],
) -> Validation:  # fmt: skip
    """How well runs are predicted, each read once.

    Parameters
    ----------
    predict
        Run and number of TRs -> (time, subject, parcel).
    runs, rows, films
        The runs, their positions in ``targets``, and the film of each.
    """
    movies = tuple(dict.fromkeys(films))
    sums = {(subject, movie): Sums() for subject in subjects for movie in movies}
    parcels = 0
    for run, row, film in zip(runs, rows, films, strict=True):
        lengths = [targets.frames(row, subject) for subject in subjects]
        if not any(lengths):
            continue
        predicted = predict(run, max(lengths))
        parcels = predicted.shape[2]
        for column, (subject, length) in enumerate(zip(subjects, lengths, strict=True)):
            if length:
                sums[subject, film].add(predicted[:length, column], targets.read(row, subject))
    empty = np.full(parcels, np.nan)
    r = [
        [sums[subject, movie].r() if sums[subject, movie].count else empty for movie in movies] for subject in subjects
    ]
    return Validation(subjects, movies, np.array(r, np.float32))
