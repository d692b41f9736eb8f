"""The baseline of the Algonauts 2025 challenge: PCA of three streams, windows of chunks, ridge with leave-one-out.

Everything follows the organisers' code (`code/challenge_baseline_model` of `courtois-neuromod/algonauts_2025.
competitors`), with its rules at the edges of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.errors import BadOption, Skipped
from ..benchmark.kinds.encoding import Measured, Run, Runs
from .encoding_rows import known, parcels_of, people
from .gram_ridge import LinearMap, fit_leave_one_out
from .stream_modalities import MODALITIES, by_modality
from .stream_pca import Reduced, reduced_streams

ALPHAS = (1e6, 1e5, 1e4, 1e3, 1e2, 10, 1, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)
COMPONENTS = {"visual": 250, "audio": 20, "language": 250}
DELAY, WINDOW, CUT = 3, 5, 5
"""TRs between the last chunk of a window and its response, chunks of a window, and TRs cut at both ends in training."""


def windows(samples: int, length: int, first: int) -> np.ndarray:
    """Chunks that explain each sample by sight and sound, (samples, `WINDOW`) in time order.

    The first `WINDOW` + `DELAY` samples all get the first chunks, which for some lie in the future; past the end of
    the stream, the last chunks.

    Parameters
    ----------
    samples
        Number of responses: all TRs of a tested run, those between the cuts of a training run.
    length
        Number of chunks of the stream.
    first
        TR of the first sample, and first chunk: `CUT` in training, 0 in testing.
    """
    sample = np.arange(samples)
    start = np.where(sample < WINDOW + DELAY, first, sample + first - DELAY - WINDOW + 1)
    start = np.minimum(start, length - WINDOW)
    return np.maximum(start[:, None] + np.arange(WINDOW), 0)


def single_chunks(samples: int, length: int, first: int) -> np.ndarray:
    """The chunk that explains each sample by language, (samples,); parameters as in `windows`.

    The last one serves from `DELAY` chunks before the stream's end on.
    """
    sample = np.arange(samples)
    chunk = np.where(sample < DELAY, first, sample + first - DELAY)
    return np.where(chunk >= length - DELAY, length - 1, chunk)


@dataclass
class AlgonautsBaseline(Method):
    """The official baseline on one stream a modality.

    Attributes
    ----------
    modality
        "all", or the only one that is used.
    visual, audio, language
        Names of streams; "" for the first one, by name, that speaks of that modality.
    modalities
        What streams speak of where their names do not tell: ``STREAM=MODALITY``, separated by commas.
    """

    modality: Literal["all", "visual", "audio", "language"] = "all"
    visual: str = ""
    audio: str = ""
    language: str = ""
    modalities: str = ""

    card: ClassVar[Card] = Card(
        title="Algonauts baseline",
        summary="The official baseline: PCA to 250 visual, 20 audio and 250 language features, windows of five chunks "
        "that end three TRs before a response (one chunk of language), ridge regression for each subject.",
        paper="Gifford et al., The Algonauts Project 2025 Challenge. arXiv 2501.00504",
        parameters="(1600 + 1) x 1000 for each subject",
        notes="Penalties 1e-5 to 1e6 by efficient leave-one-out, one for each parcel. Edge rules of the organisers' "
        "code are kept: five TRs are cut at both ends of training runs; the first eight samples share a window, which "
        "reaches into the future. A run without a stream (a silent film) gets the other columns and the intercept. "
        "Features here are those of the data at hand, not the organisers' (slow_r50, MFCC, BERT); of an audio stream "
        "with more than 20 columns 20 components are kept. Scaling and PCA are learned on the training films alone.",
    )
    supports: ClassVar[tuple[str, ...]] = ("encoding",)
    seeded: ClassVar[bool] = False
    controls: ClassVar[dict[str, dict[str, Any]]] = {name: {"modality": name} for name in MODALITIES}

    def fit(self, train: Train, context: Context) -> None:
        """One subject after the other; the design of one run in memory at a time."""
        runs, measured = train.inputs, train.targets
        self._streams = self._chosen(runs)
        components = {stream: COMPONENTS[modality] for modality, stream in self._streams.items()}
        self._reduced = reduced_streams(runs, components, context, evened=False)
        self._models: dict[str, LinearMap] = {}
        subjects, targets = people(measured), parcels_of(measured)
        columns = sum(self._widths.values())
        for done, subject in enumerate(subjects):
            context.progress("ridge", done, len(subjects))
            blocks = _Blocks(self, measured, subject)
            self._models[subject] = fit_leave_one_out(blocks, columns, targets, ALPHAS)

    def _chosen(self, runs: Runs) -> dict[str, str]:
        """Modality -> stream. Raises `Skipped` where a wanted one has none, `BadOption` for a name not there."""
        wanted = MODALITIES if self.modality == "all" else (self.modality,)
        given = {name: getattr(self, name) for name in wanted}
        guessed = {} if all(given.values()) else by_modality(sorted(runs.streams), self.modalities)
        chosen = {name: given[name] or guessed[name][0] for name in wanted if given[name] or guessed.get(name)}
        if not chosen:
            raise Skipped(
                f"no stream speaks of {' or '.join(wanted)}; there are: {', '.join(runs.streams) or 'none'}",
                f"name one:  --set {wanted[0]}=STREAM",
            )
        if missing := [stream for stream in chosen.values() if stream not in runs.streams]:
            raise BadOption(f"there is no stream {missing[0]!r}", f"the streams are: {', '.join(runs.streams)}")
        return chosen

    @property
    def _widths(self) -> dict[str, int]:
        """Modality -> number of columns."""
        widths = self._reduced.widths
        return {name: widths[stream] * (1 if name == "language" else WINDOW) for name, stream in self._streams.items()}

    def design(self, streams: Mapping[str, np.ndarray], samples: int, first: int) -> np.ndarray:
        """Inputs (samples, columns) float32 from reduced streams (time, d); see `windows` for ``first``."""
        out = np.zeros((samples, sum(self._widths.values())), np.float32)
        column = 0
        for name, width in self._widths.items():
            rows = streams.get(self._streams[name])
            if rows is not None and len(rows):
                chunks = (single_chunks if name == "language" else windows)(samples, len(rows), first)
                out[:, column : column + width] = rows[np.minimum(chunks, len(rows) - 1)].reshape(samples, width)
            column += width
        return out

    def predict(self, test: Runs, context: Context) -> list[dict[str, np.ndarray]]:
        """One entry a run."""
        return [self._predict(run) for run in test]

    def _predict(self, run: Run) -> dict[str, np.ndarray]:
        x = self.design(self._reduced.test(run), max(run.frames.values(), default=0), 0)
        return {subject: known(self._models, subject)(x[:frames]) for subject, frames in run.frames.items()}

    def report(self) -> dict[str, Any]:
        """Parameters, the stream of each modality and its columns, and the median penalty of each subject."""
        return {
            "parameters": sum(model.weights.size + model.offset.size for model in self._models.values()),
            "streams": self._streams,
            "columns": self._widths,
            "alpha": {subject: float(np.median(model.alphas)) for subject, model in self._models.items()},
        }


@dataclass(frozen=True)
class _Blocks:
    """A subject's training samples, run by run, as often as they are asked for."""

    method: AlgonautsBaseline
    measured: Measured
    subject: str

    def __call__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for row in range(len(self.measured)):
            samples = self.measured.frames(row, self.subject) - 2 * CUT
            if samples > 0:
                streams: Reduced = self.method._reduced
                x = self.method.design(streams.train(row), samples, CUT)
                yield x, self.measured.read(row, self.subject, CUT, CUT + samples)
