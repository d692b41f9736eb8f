"""Random crops of runs, read from disk when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...benchmark.errors import BadData, BadOption, Skipped
from ...benchmark.kinds.encoding import Measured, Run, Runs
from .options import Options
from .space import by_place

ORACLE = "responses/"
"""Streams that are measured brains and not features of the film; never used here."""

STATISTICS_CROPS = 256
"""Crops, spread over all training runs, from which centre and scale of features are estimated."""


@dataclass(frozen=True)
class Batch:
    """Crops of the same length.

    Attributes
    ----------
    features
        One a stream, (crop, time, dimension) or (crop, time, layer, dimension); 0 where a run lacks it.
    present
        (crop, stream) 1 where the run has the stream.
    wanted, mask
        Responses (crop, time, subject, parcel), and where they are known (crop, time, subject).
    """

    features: list[np.ndarray]
    present: np.ndarray
    wanted: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Footage:
    """Runs to learn from.

    Attributes
    ----------
    runs, rows
        The runs, and their positions in the targets.
    lengths
        (run, subject) TRs measured, 0 where a subject lacks the run.
    targets, subjects, streams
        Where responses are read, whose, and the streams in use with the shape of a row.
    """

    runs: tuple[Run, ...]
    rows: tuple[int, ...]
    lengths: np.ndarray
    targets: Measured
    subjects: tuple[str, ...]
    streams: dict[str, tuple[int, ...]]

    @property
    def spans(self) -> np.ndarray:
        """(run,) TRs that crops are drawn from: up to the longest response."""
        longest: np.ndarray = self.lengths.max(axis=1)
        return longest

    def crops(self, length: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Run and first TR of crops without end: all runs in random order, again and again, at uniform offsets."""
        spans = self.spans
        while True:
            for run in rng.permutation(len(self.runs)):
                yield int(run), int(rng.integers(0, max(spans[run] - length, 0) + 1))

    def read(self, crops: Sequence[tuple[int, int]], length: int) -> Batch:
        """Crops as arrays; shorter than ``length`` where one of their runs is."""
        length = min(length, *(int(self.spans[run]) for run, _ in crops))
        features = [
            read_stream([self.runs[run] for run, _ in crops], [start for _, start in crops], length, name, shape)
            for name, shape in self.streams.items()
        ]
        present = np.array([presence(self.runs[run], self.streams) for run, _ in crops], np.float32)
        wanted, mask = self._responses(crops, length)
        return Batch(features, present, wanted, mask)

    def _responses(self, crops: Sequence[tuple[int, int]], length: int) -> tuple[np.ndarray, np.ndarray]:
        mask = np.zeros((len(crops), length, len(self.subjects)), bool)
        wanted: np.ndarray | None = None
        for place, (run, start) in enumerate(crops):
            for column, subject in enumerate(self.subjects):
                stop = min(start + length, int(self.lengths[run, column]))
                if stop <= start:
                    continue
                values = self.targets.read(self.rows[run], subject, start, stop)
                if wanted is None:
                    wanted = np.zeros((*mask.shape, values.shape[1]), np.float32)
                wanted[place, : stop - start, column] = values
                mask[place, : stop - start, column] = True
        if wanted is None:
            raise BadData("no response in the drawn crops", "check the cohort: brainbench data check")
        return wanted, mask


def footage(
    inputs: Runs, targets: Measured, rows: Sequence[int], streams: dict[str, tuple[int, ...]],
    subjects: tuple[str, ...], common: bool,
) -> Footage:  # fmt: skip
    """The runs of ``rows`` that can be learned from: with a response, and one of the streams at least.

    With ``common`` only runs that all subjects have, each cut to its shortest response. Raises `BadData` where
    nothing is left.
    """
    kept, runs, lengths = [], [], []
    for row in map(int, rows):
        run = inputs[row]
        measured = [targets.frames(row, subject) for subject in subjects]
        if common:
            measured = [min(measured)] * len(measured)
        if any(measured) and any(name in run.streams for name in streams):
            kept.append(row)
            runs.append(run)
            lengths.append(measured)
    if not kept:
        raise BadData(
            f"none of {len(rows)} training runs has responses of {', '.join(subjects)} and a feature stream",
            "with common_runs=true only runs that all subjects have count",
        )
    return Footage(tuple(runs), tuple(kept), np.array(lengths), targets, subjects, streams)


def streams_used(inputs: Runs, options: Options) -> dict[str, tuple[int, ...]]:
    """The streams that the options name, with the shape of a row as the network gets it.

    The pool ``avg`` takes the mean over a stream's layers, which may as well be taken before the linear map.
    """
    known = sorted(name for name in inputs.streams if not name.startswith(ORACLE))
    if not known:
        raise Skipped("the runs have no feature streams", "add some: see  brainbench features --help")
    shapes = {name: inputs.streams[name] for name in _named(options.streams, known)}
    return {name: shape[-1:] if options.pool == "avg" else shape for name, shape in shapes.items()}


def _named(text: str, known: list[str]) -> tuple[str, ...]:
    """The streams that an option names. Raises `BadOption` for a part that no name has."""
    if (placed := by_place(text, known)) is not None:
        return placed
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not any(part in name for name in known):
            raise BadOption(f"streams={text}: no stream has {part!r} in its name", f"there are: {', '.join(known)}")
    return tuple(name for name in known if not parts or any(part in name for part in parts))


def read_stream(
    runs: Sequence[Run], starts: Sequence[int], length: int, stream: str, shape: tuple[int, ...]
) -> np.ndarray:
    """Rows of a stream of several runs (run, length, *shape), 0 for runs that lack it."""
    out = np.zeros((len(runs), length, *shape), np.float32)
    for place, (run, start) in enumerate(zip(runs, starts, strict=True)):
        if stream in run.streams:
            rows = run.padded(stream, start, start + length)
            out[place] = rows.mean(axis=1) if rows.ndim > 1 + len(shape) else rows
    return out


def presence(run: Run, streams: Sequence[str] | dict[str, tuple[int, ...]]) -> list[float]:
    """1 for each stream that a run has, else 0."""
    return [float(name in run.streams) for name in streams]


def statistics(source: Footage, length: int, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and standard deviation (dimension,) of each stream, from crops of all runs that have it."""
    drawn = source.crops(length, rng)
    crops = [next(drawn) for _ in range(max(STATISTICS_CROPS, len(source.runs)))]
    out = {}
    for name, shape in source.streams.items():
        count, total, squares = 0, np.zeros(shape[-1]), np.zeros(shape[-1])
        shift: np.ndarray | None = None  # a value near the mean keeps the squares precise
        for run, start in crops:
            if name not in source.runs[run].streams:
                continue
            stop = min(start + length, int(source.spans[run]))
            rows = read_stream([source.runs[run]], [start], stop - start, name, shape).reshape(-1, shape[-1])
            shift = rows.mean(axis=0) if shift is None else shift
            moved = rows - shift
            count += len(rows)
            total += moved.sum(axis=0, dtype=np.float64)
            squares += np.einsum("td,td->d", moved, moved, dtype=np.float64)
        mean = total / max(count, 1)
        spread = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        out[name] = ((mean + (0 if shift is None else shift)).astype(np.float32), spread.astype(np.float32))
    return out
