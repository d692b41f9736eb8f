"""Feature streams of films by modality: one matrix for each, read crop by crop, centred and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..benchmark.contracts import Context
from ..benchmark.errors import Skipped
from ..benchmark.kinds.encoding import Run, Runs
from .stream_modalities import by_modality

ROWS = 1024
"""Rows of a stream that are in memory at once while their scale is learned."""


@dataclass(frozen=True)
class Standard:
    """Centre and reciprocal spread of a stream's values (dimension,), float32."""

    centre: np.ndarray
    gain: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values (time, dimension), centred and scaled."""
        scaled: np.ndarray = (values - self.centre) * self.gain
        return scaled


@dataclass(frozen=True)
class Streams:
    """How the streams of a film become one matrix for each modality.

    Attributes
    ----------
    groups
        Modality -> its streams.
    widths
        Stream -> its dimension; parts of a stream that has several stand beside each other.
    standards
        Stream -> its scale in training; a stream without one is taken as it is.
    """

    groups: dict[str, list[str]]
    widths: dict[str, int]
    standards: dict[str, Standard]

    @classmethod
    def of(cls, runs: Runs, given: str = "") -> Streams:
        """The streams of some runs as they are; ``given`` is said in `stream_modalities.modalities`."""
        groups = by_modality(runs.streams, given)
        if not groups:
            raise Skipped("there are no features of the films here")
        widths = {name: int(np.prod(runs.streams[name])) for group in groups.values() for name in group}
        return cls(groups, widths, {})

    def standardised(self, runs: Runs, rows: Sequence[int] | np.ndarray, context: Context) -> Streams:
        """The same, centred and scaled as these runs say. Their features are read once, block by block."""
        totals = {name: np.zeros((2, width)) for name, width in self.widths.items()}
        counts = dict.fromkeys(self.widths, 0)
        for done, row in enumerate(rows, 1):
            run = runs[int(row)]
            for name in (name for name in run.streams if name in totals):
                length = run.shape(name)[0]
                for start in range(0, length, ROWS):
                    values = run.read(name, start, min(start + ROWS, length)).reshape(-1, self.widths[name])
                    totals[name] += values.sum(0, np.float64), np.einsum("td,td->d", values, values, dtype=np.float64)
                counts[name] += length
            context.progress("scale of the features", done, len(rows))
        standards = {name: _standard(totals[name], counts[name]) for name in totals}
        return Streams(self.groups, self.widths, standards)

    def width(self, modality: str) -> int:
        """Columns of a modality's matrix."""
        return sum(self.widths[name] for name in self.groups[modality])

    def read(self, run: Run, start: int, stop: int) -> tuple[list[np.ndarray], np.ndarray]:
        """TRs ``start`` to ``stop`` of a run: (time, width) float32 for each modality, and which of them it has.

        Beyond its ends a stream goes on as it began or ended. What a run lacks is zero.
        """
        matrices, there = [], []
        for names in self.groups.values():
            held = [name in run.streams for name in names]
            parts = [self._stream(run, name, start, stop) for name in names]
            matrices.append(np.concatenate(parts, axis=1))
            there.append(any(held))
        return matrices, np.array(there)

    def _stream(self, run: Run, name: str, start: int, stop: int) -> np.ndarray:
        if name not in run.streams:
            return np.zeros((stop - start, self.widths[name]), np.float32)
        values = run.padded(name, start, stop).reshape(stop - start, -1)
        return self.standards[name](values) if name in self.standards else values


def _standard(total: np.ndarray, count: int) -> Standard:
    """Of sums and sums of squares (2, dimension); a value that never changes keeps its scale."""
    centre = total[0] / max(count, 1)
    spread = np.sqrt(np.maximum(total[1] / max(count, 1) - centre**2, 0))
    gain = 1 / np.where(spread > 1e-6 * np.abs(centre) + 1e-12, spread, 1)
    return Standard(centre.astype(np.float32), gain.astype(np.float32))
