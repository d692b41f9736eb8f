"""What linear encoding models have in common: whose models there are, inner folds of stimuli, delayed streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..benchmark.errors import BadData, BadOption, Skipped
from ..benchmark.kinds.encoding import Measured, Runs
from .stream_modalities import RESPONSES

Model = TypeVar("Model")


def known(models: Mapping[str, Model], subject: str) -> Model:
    """A subject's model. Raises `BadData` for a subject without training data."""
    if subject not in models:
        raise BadData(
            f"no training response of {subject!r}; there are: {', '.join(models) or 'none'}",
            "a linear model is fitted to each subject: give it training runs of everybody who is tested",
        )
    return models[subject]


def stimulus_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(runs,) fold of each run, stimuli dealt out at random; no more folds than stimuli."""
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    count = int(numbers.max()) + 1 if len(numbers) else 0
    dealt = np.random.default_rng(seed).permutation(count) % max(1, min(folds, count))
    out: np.ndarray = dealt[numbers.reshape(-1)]
    return out


def parcels_of(measured: Measured) -> int:
    """Number of parcels of the first response; reads one TR. Raises `BadData` where there is none."""
    for row in range(len(measured)):
        for subject in measured.subjects(row):
            return int(measured.read(row, subject, 0, 1).shape[1])
    raise BadData("no training run has a response", "withheld responses cannot be learned from: choose another task")


def people(measured: Measured) -> list[str]:
    """Subjects with a training response, by name."""
    return sorted({subject for row in range(len(measured)) for subject in measured.subjects(row)})


def used_streams(runs: Runs, wanted: str) -> list[str]:
    """Feature streams of a film by name: those of a comma-separated list, or all for "".

    Raises `BadOption` for one that is not there, and `Skipped` where there is none.
    """
    there = sorted(name for name in runs.streams if not name.startswith(RESPONSES))
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if missing := [name for name in names if name not in there]:
        raise BadOption(f"there is no stream {missing[0]!r}", f"the streams are: {', '.join(there) or 'none'}")
    if not there:
        raise Skipped("there are no features of the films here", "see  brainbench features add")
    return names or there


@dataclass(frozen=True)
class Delays:
    """Rows of a linear model: each stream as it was 1, 2 ... TRs before.

    Before a run's start a stream is 0, its training mean; beyond a stream's end its last row stands. A stream that
    a run lacks is 0.

    Attributes
    ----------
    widths
        Stream -> number of columns.
    delays
        How many TRs back.
    """

    widths: Mapping[str, int]
    delays: int

    @property
    def columns(self) -> int:
        """Number of columns: streams, within each the delays, within each the stream's columns."""
        return self.delays * sum(self.widths.values())

    @property
    def groups(self) -> np.ndarray:
        """(columns,) number of the stream that a column is of."""
        return np.repeat(np.arange(len(self.widths)), [width * self.delays for width in self.widths.values()])

    def __call__(self, streams: Mapping[str, np.ndarray], frames: int) -> np.ndarray:
        """Streams (time, width) -> (frames, columns) float32."""
        out = np.zeros((frames, self.columns), np.float32)
        column = 0
        for name, width in self.widths.items():
            for delay in range(1, self.delays + 1):
                if name in streams and frames > delay and len(streams[name]):
                    rows = np.minimum(np.arange(frames - delay), len(streams[name]) - 1)
                    out[delay:, column : column + width] = streams[name][rows]
                column += width
        return out
