"""A twin whose features are given: responses are simulated to features that networks made of real films or texts.

The latent series are the first principal components of each stream, of unit variance over all runs; brains weigh those
of all streams, the first components most. Everything else is as in the twin whose films are simulated, so that lag,
noise and ceilings are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.linalg import eigsh

from ..contracts import Progress
from ..datasets.hdf5 import arrays, open_hdf5
from ..errors import BadData
from ..extraction.names import parse
from .movie_brains import Brain, brain_of, convolved, networks, uneven_shares
from .movie_plan import SUBJECTS, Showing, key_of, manner_of, shown_of
from .movie_runs import MadeRun, respond
from .movie_streams import fading

COMPONENTS = 12
"""Latent series of a stream, where it has as many dimensions."""

LEAST_CHUNKS = 40
"""Chunks of all runs together that a stream must hold."""

LAYOUT = "give a folder that holds MODEL/SERIES/MOVIE/RUN.h5, as `brainbench features extract` writes it"


@dataclass(frozen=True)
class Stimulus:
    """A part of a film: where it belongs, and stream -> the file that holds its features."""

    series: str
    movie: str
    name: str
    files: dict[str, Path]

    def features(self, stream: str) -> np.ndarray:
        """(chunks, ...) float32. Raises `BadData` where values are not finite."""
        path = self.files[stream]
        with open_hdf5(path) as file:
            values = np.asarray(arrays(file, path)[stream.partition("/")[2]], dtype=np.float32)
        if not np.isfinite(values).all():
            raise BadData(f"{path}: {stream} holds values that are not finite", "extract its features again")
        return values

    def summary(self, stream: str) -> np.ndarray:
        """(chunks, dimension) float64, parts of a layer averaged."""
        values = self.features(stream).astype(np.float64)
        return values if values.ndim == 2 else np.asarray(values.mean(axis=1))


@dataclass(frozen=True)
class Given:
    """Features that are given.

    Attributes
    ----------
    streams
        Stream -> shape of a row.
    dtype
        "<f2" where that holds all values as they are given, else "<f4".
    stimuli
        Name -> what there is of it.
    chunks
        Name -> rows of its longest stream.
    """

    folder: Path
    streams: dict[str, tuple[int, ...]]
    dtype: str
    stimuli: dict[str, Stimulus]
    chunks: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> Given:
        """Features in MedARC's layout. Raises `BadData` for none, or streams whose rows differ in shape."""
        paths = [path for path in sorted(folder.glob("*/*/*/*.h5")) if not path.name.startswith(".")]
        if not paths:
            raise BadData(f"{folder}: no features of films", LAYOUT)
        streams: dict[str, tuple[int, ...]] = {}
        found: dict[str, Stimulus] = {}
        chunks: dict[str, int] = {}
        widest = 2
        for path in paths:
            model, *place = path.relative_to(folder).parts
            series, movie, name = parse(path.stem) or (place[0], place[1], path.stem.rpartition("_")[2])
            stimulus = found.setdefault(name, Stimulus(series, movie, name, {}))
            for layer, (shape, size) in _layers(path).items():
                stream = f"{model}/{layer}"
                if streams.setdefault(stream, shape[1:]) != shape[1:]:
                    raise BadData(f"{path}: {layer} has rows {shape[1:]}, elsewhere {streams[stream]}", LAYOUT)
                if stimulus.files.setdefault(stream, path) != path:
                    raise BadData(f"{path}: {stream} of {name} is also in {stimulus.files[stream]}", LAYOUT)
                chunks[name] = max(chunks.get(name, 0), shape[0])
                widest = max(widest, size)
        kept = "<f2" if widest == 2 else "<f4"
        return cls(folder, dict(sorted(streams.items())), kept, dict(sorted(found.items())), chunks)

    @cached_property
    def showings(self) -> list[Showing]:
        """The runs: films that the challenge shows twice are shown twice."""
        return [
            showing
            for stimulus in self.stimuli.values()
            for showing in shown_of(stimulus.series, stimulus.movie, stimulus.name, self.chunks[stimulus.name])
        ]

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says of the features."""
        return {"features": self.folder.name, "components": COMPONENTS, "streams_weigh": "evenly"}

    def runs(self, seed: int, progress: Progress) -> Iterator[MadeRun]:
        """Simulate the runs one at a time."""
        components = {}
        for number, stream in enumerate(self.streams):
            progress("read features", number, len(self.streams))
            components[stream] = self._components(stream)
        series = {name: self._latents(stimulus, components) for name, stimulus in self.stimuli.items()}
        people = self._brains([convolved(one, len(one)) for one in series.values()], components)
        for showing in self.showings:
            stimulus = self.stimuli[showing.stimulus]
            responses, signals = respond(people, showing, series[stimulus.name], manner_of(stimulus.movie).gain, seed)
            features = {name: stimulus.features(name) if name in stimulus.files else None for name in self.streams}
            yield MadeRun(showing, features, responses, signals)

    def _components(self, stream: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean (dimension,) and weights (dimension, components) that give components of unit variance."""
        count, total, products = 0, np.zeros(()), np.zeros(())
        for stimulus in self.stimuli.values():
            if stream in stimulus.files:
                values = stimulus.summary(stream)
                count, total, products = count + len(values), total + values.sum(axis=0), products + values.T @ values
        if count < LEAST_CHUNKS:
            raise BadData(f"{stream}: {count} chunks of features; a twin needs {LEAST_CHUNKS}")
        mean = total / count
        covariance = products / count - np.outer(mean, mean)
        kept = min(COMPONENTS, len(mean))
        variance, vectors = _largest(covariance, kept)
        if not variance[0] > 0:
            raise BadData(f"{stream}: its features do not vary", "leave it out")
        # A component without variance must not become rounding noise of variance one.
        scale = np.where(variance > 1e-6 * variance[0], np.sqrt(np.maximum(variance, 1e-30)), np.inf)
        return mean, vectors / scale

    def _latents(self, stimulus: Stimulus, components: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """(chunks, latents) components of all streams; 0 of those that the stimulus lacks."""
        rows, found = self.chunks[stimulus.name], []
        for stream, (mean, weights) in components.items():
            values = np.zeros((rows, weights.shape[1]))
            if stream in stimulus.files:
                known = (stimulus.summary(stream) - mean) @ weights
                values[: len(known)] = known
                values[len(known) :] = known[-1]
            found.append(values)
        return np.concatenate(found, axis=1)

    def _brains(self, moved: list[np.ndarray], components: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Brain]:
        """Brains for latents whose convolved series over all runs are these."""
        moments = np.asarray(sum(one.T @ one for one in moved)) / sum(map(len, moved))
        planned = np.full((len(components), len(networks())), 1 / len(components))
        sizes = {stream: weights.shape[1] for stream, (_, weights) in components.items()}
        shares = uneven_shares(planned, key_of("given"))
        variances = [fading(size)[:, None] * share for size, share in zip(sizes.values(), shares, strict=True)]
        return [brain_of(name, moments, np.concatenate(variances)) for name in SUBJECTS]


def _layers(path: Path) -> dict[str, tuple[tuple[int, ...], int]]:
    """Layer -> shape and bytes of a value, of one file. Raises `BadData` for what is no array of a layer."""
    with open_hdf5(path) as file:
        found = {layer: (tuple(values.shape), values.dtype.itemsize) for layer, values in arrays(file, path).items()}
    wrong = next((layer for layer, (shape, _) in found.items() if len(shape) not in (2, 3)), None)
    if wrong is not None:
        raise BadData(f"{path}: {wrong} is {found[wrong][0]}; expected (time, dimension) or (time, part, dimension)")
    if not found:
        raise BadData(f"{path}: holds no layer", LAYOUT)
    return found


def _largest(covariance: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues, falling, and their vectors (n, count); signs do not depend on the solver."""
    if count * 4 < len(covariance):
        values, vectors = eigsh(covariance, k=count, v0=np.ones(len(covariance)))
    else:
        values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][:count]
    chosen = vectors[:, order]
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(count)])
    return values[order], chosen * signs
