"""Encoding: the brain's response to a film, from features of the film. Everything is read from disk when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadData, BadPrediction
from ..items import ArrayRef, Items
from ..npy import mapped

FEATURES = "features/"
FRAMES = "frames:"
LENGTHS = "frames.json"
TR = 1.49
DAMAGED = (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading JSON and the header of a ``.npy`` file raises where these are not what they should be."""

SEGMENT = 60
"""TRs (about 90 s) of a run that a bootstrap draws together, so that what is correlated in time stays together."""


@dataclass(frozen=True)
class Run:
    """One stimulus that was shown once.

    Attributes
    ----------
    series, movie, stimulus
        Such as "friends", "s6" and "s06e01a"; two showings share their stimulus. "" where unknown.
    showing
        Which showing of the stimulus, from 1.
    frames
        Subject -> number of TRs to predict.
    """

    series: str
    movie: str
    stimulus: str
    showing: int
    frames: Mapping[str, int]
    _arrays: Mapping[str, ArrayRef | np.ndarray]

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the feature streams that this run has."""
        return tuple(self._arrays)

    @property
    def features(self) -> dict[str, np.ndarray]:
        """All streams, whole: stream -> (time, dimension) or (time, part, dimension) float32."""
        return {stream: self.read(stream) for stream in self.streams}

    def shape(self, stream: str) -> tuple[int, ...]:
        """(time, dimension) or (time, part, dimension) of a stream. Raises `BadData` for one that the run lacks."""
        return tuple(self._array(stream).shape)

    def read(self, stream: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a stream, float32; row k tells of the time k TR to k + 1 TR."""
        array = self._array(stream)
        stop = array.shape[0] if stop is None else stop
        rows = array.rows(start, stop).read() if isinstance(array, ArrayRef) else array[start:stop]
        return np.asarray(rows, dtype=np.float32)

    def padded(self, stream: str, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop``, float32; the first row stands before the stream, the last beyond its end.

        Responses last a TR or two longer than features.
        """
        length = self.shape(stream)[0]
        rows = np.clip(np.arange(start, stop), 0, length - 1)
        if not len(rows):
            return self.read(stream, 0, 0)
        held = self.read(stream, int(rows[0]), int(rows[-1]) + 1)
        return held if len(held) == len(rows) else held[rows - rows[0]]

    def _array(self, stream: str) -> ArrayRef | np.ndarray:
        if stream not in self._arrays:
            raise BadData(
                f"run {self.stimulus!r} has no stream {stream!r}; it has: {', '.join(self.streams) or 'none'}"
            )
        return self._arrays[stream]


class Runs(Sequence[Run]):
    """Runs, one an item, in an order that tells nothing.

    Attributes
    ----------
    subjects, networks, tr
        All subjects; the network of each parcel, "" where unknown; and seconds a volume.
    streams
        Stream -> shape of a row: (dimension,) or (part, dimension).
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        meta = items.meta
        frames = [str(name).removeprefix(FRAMES) for name in items.table.columns if str(name).startswith(FRAMES)]
        self.subjects: tuple[str, ...] = tuple(frames)
        self.networks: tuple[str, ...] = tuple(meta.get("networks", ()))
        self.tr = float(meta.get("tr", TR))
        self.streams: dict[str, tuple[int, ...]] = {
            name.removeprefix(FEATURES): tuple(first.shape[1:])
            for name, values in items.arrays.items()
            if name.startswith(FEATURES) and (first := next((v for v in values if v is not None), None)) is not None
        }

    @property
    def parcels(self) -> int:
        """Number of parcels, 0 where unknown."""
        return len(self._items.meta.get("parcels", self.networks))

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, row: int) -> Run: ...
    @overload
    def __getitem__(self, row: slice) -> list[Run]: ...
    def __getitem__(self, row: int | slice) -> Run | list[Run]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row = range(len(self))[row]
        record = self._items.table.iloc[row]
        arrays = {
            name.removeprefix(FEATURES): value
            for name, values in self._items.arrays.items()
            if name.startswith(FEATURES) and (value := values[row]) is not None
        }
        words = {name: str(record.get(name, "")) for name in ("series", "movie", "stimulus")}
        return Run(**words, showing=int(record.get("showing", 1)), frames=frames_of(self._items, row), _arrays=arrays)


def frames_of(items: Items, row: int) -> dict[str, int]:
    """Subject -> number of TRs of a run, from the columns ``frames:SUBJECT``."""
    record = items.table.iloc[row]
    return {
        str(name).removeprefix(FRAMES): int(record[name])
        for name in items.table.columns
        if str(name).startswith(FRAMES) and record[name] > 0
    }


class Measured(Sequence[dict[str, np.ndarray]]):
    """Responses, one entry a run: subject -> (time, parcel) float32, read at each call.

    A run whose truth is withheld, or that a subject lacks, has no entry for it.
    """

    def __init__(self, items: Items, target: str) -> None:
        self._items = items
        self._prefix = f"{target}/"
        self._fields = [name for name in items.arrays if name.startswith(self._prefix)]
        self.networks: tuple[str, ...] = tuple(items.meta.get("networks", ()))

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, row: int) -> dict[str, np.ndarray]: ...
    @overload
    def __getitem__(self, row: slice) -> list[dict[str, np.ndarray]]: ...
    def __getitem__(self, row: int | slice) -> dict[str, np.ndarray] | list[dict[str, np.ndarray]]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row = range(len(self))[row]
        return {subject: self.read(row, subject) for subject in self.subjects(row)}

    def subjects(self, row: int) -> tuple[str, ...]:
        """Whose responses a run holds."""
        return tuple(
            name.removeprefix(self._prefix) for name in self._fields if self._items.arrays[name][row] is not None
        )

    def frames(self, row: int, subject: str) -> int:
        """Number of TRs of a subject's response; reads nothing."""
        values = self._items.arrays.get(self._prefix + subject)
        value = None if values is None else values[row]
        return 0 if value is None else int(value.shape[0])

    def read(self, row: int, subject: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """TRs ``start`` to ``stop`` of a subject's response (time, parcel), float32."""
        stop = self.frames(row, subject) if stop is None else stop
        return np.asarray(self._items.read(self._prefix + subject, row, (start, stop)), dtype=np.float32)


@dataclass(frozen=True)
class Piece:
    """TRs ``start`` to ``stop`` of a run, a position in ``measured``: its segment ``number``."""

    measured: Measured
    run: int
    number: int
    start: int
    stop: int

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose responses are at hand."""
        return self.measured.subjects(self.run)

    def frames(self, subject: str) -> int:
        """Number of TRs of the whole run of a subject."""
        return self.measured.frames(self.run, subject)

    def read(self, subject: str, start: int, stop: int) -> np.ndarray:
        """TRs ``start`` to ``stop`` of the run (time, parcel), float32."""
        return self.measured.read(self.run, subject, start, stop)


@dataclass(frozen=True)
class Pieces:
    """The truth of a test set in pieces of runs, in time order within each run, which a bootstrap draws."""

    pieces: tuple[Piece, ...]
    kept: dict[Any, tuple[Any, Any]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.pieces)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)

    @property
    def networks(self) -> tuple[str, ...]:
        """The network of each parcel, "" where unknown."""
        return self.pieces[0].measured.networks if self.pieces else ()

    def remember(self, prediction: Any, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` returns for this very prediction object, computed once."""
        known = self.kept.get(key)
        if known is None or known[0] is not prediction:
            self.kept[key] = known = (prediction, make())
        return known[1]


class Encoding(Kind):
    """Input `Runs`; target `Measured`; prediction a list with {subject: (time, parcel)} for each run."""

    name = "encoding"
    inputs = (FEATURES, FRAMES, "series", "movie", "stimulus", "showing")
    headline = ("encoding-r",)

    def view(self, items: Items, task: TaskInfo) -> Runs:
        return Runs(items)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        return (f"{task.target}/",)

    def targets(self, items: Items, task: TaskInfo) -> Measured:
        return Measured(items, task.target)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        """Without runs that nobody has."""
        rows = [row for row in range(len(items)) if frames_of(items, row)]
        lost = len(items) - len(rows)
        return (items.take(rows), {"nobody has the run": lost}) if lost else (items, {})

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[dict[str, np.ndarray]]:
        if not isinstance(prediction, Sequence) or len(prediction) != len(items):
            told = f"{len(prediction)} runs" if isinstance(prediction, Sequence) else type(prediction).__name__
            raise BadPrediction(f"predict returned {told}; expected a list of {len(items)} runs")
        parcels = len(items.meta.get("parcels", ()))
        return [_checked(run, frames_of(items, row), parcels, row) for row, run in enumerate(prediction)]

    def pieces(self, truth: Any, prediction: Any) -> tuple[Any, Any, list[tuple[int, str]]]:
        """Runs cut into segments of about `SEGMENT` TRs."""
        cut = tuple(piece for run, values in enumerate(prediction) for piece in _cut(truth, run, _length(values)))
        parts = [
            {subject: values[piece.start : piece.stop] for subject, values in prediction[piece.run].items()}
            for piece in cut
        ]
        return Pieces(cut), parts, [(piece.run, f"segment {piece.number}") for piece in cut]

    def take(self, values: Any, rows: Sequence[int] | np.ndarray) -> Any:
        return (
            Pieces(tuple(values.pieces[row] for row in rows))
            if isinstance(values, Pieces)
            else super().take(values, rows)
        )

    def concat(self, parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], Pieces):
            return Pieces(tuple(piece for part in parts for piece in part))
        return super().concat(parts)

    def save(self, prediction: list[dict[str, np.ndarray]], folder: Path, task: TaskInfo) -> None:
        subjects = sorted({subject for run in prediction for subject in run})
        frames = {subject: [len(run[subject]) if subject in run else 0 for run in prediction] for subject in subjects}
        for subject in subjects:
            held = [run[subject] for run in prediction if subject in run]
            shape = (sum(frames[subject]), held[0].shape[1])
            out = np.lib.format.open_memmap(folder / f"{subject}.npy", mode="w+", dtype=np.float32, shape=shape)
            np.concatenate(held, out=out)
            out.flush()
        (folder / LENGTHS).write_text(json.dumps(frames))

    def load(self, folder: Path, task: TaskInfo) -> list[dict[str, np.ndarray]]:
        """Predictions that stay on disk until they are used. Raises `BadData`."""
        try:
            frames = {str(name): [int(n) for n in told] for name, told in json.loads(_text(folder / LENGTHS)).items()}
            runs = max((len(told) for told in frames.values()), default=0)
            if any(len(told) != runs for told in frames.values()):
                raise ValueError(f"{LENGTHS} tells of different numbers of runs")
            series = {name: _series(folder, name, told) for name, told in frames.items()}
        except DAMAGED as error:
            raise BadData(f"{folder}: not predictions of responses ({error})", "run the cell again") from None
        return [{name: parts[run] for name, parts in series.items() if len(parts[run])} for run in range(runs)]


def _checked(run: Any, expected: Mapping[str, int], parcels: int, row: int) -> dict[str, np.ndarray]:
    """A run's prediction as float32 arrays. Raises `BadPrediction`."""
    if not isinstance(run, Mapping):
        raise BadPrediction(f"run {row}: expected {{subject: (time, parcel)}}, got {type(run).__name__}")
    values = {str(subject): np.asarray(told, dtype=np.float32) for subject, told in run.items()}
    shapes = {subject: told.shape for subject, told in values.items()}
    if any(len(shape) != 2 or (parcels and shape[1] != parcels) for shape in shapes.values()):
        raise BadPrediction(f"run {row}: predicted {shapes}; expected (time, {parcels or 'parcel'}) for each subject")
    if {subject: shape[0] for subject, shape in shapes.items()} != expected:
        raise BadPrediction(f"run {row}: predicted {shapes}; expected these numbers of TRs: {dict(expected)}")
    for subject, told in values.items():
        if not np.isfinite(told).all():
            raise BadPrediction(f"run {row}, {subject}: values that are not finite")
    return values


def _length(run: Mapping[str, np.ndarray]) -> int:
    return max((len(values) for values in run.values()), default=0)


def _cut(measured: Measured, run: int, length: int) -> list[Piece]:
    """A run in pieces of `SEGMENT` TRs; the last takes what is over. A TR more moves no edge but the last."""
    edges = [*range(0, max(1, round(length / SEGMENT)) * SEGMENT, SEGMENT), length]
    return [Piece(measured, run, number, a, b) for number, (a, b) in enumerate(pairwise(edges))]


def _text(path: Path) -> str:
    if path.stat().st_size > 1 << 24:
        raise ValueError(f"{path.name} is too large")
    return path.read_text()


def _series(folder: Path, subject: str, frames: list[int]) -> list[np.ndarray]:
    """A subject's runs. Raises `ValueError` where the file does not hold them."""
    if Path(subject).name != subject or min(frames, default=0) < 0:
        raise ValueError(f"subject {subject!r}")
    stored = mapped(folder / f"{subject}.npy")
    if stored.ndim != 2 or stored.dtype != np.float32 or len(stored) != sum(frames):
        raise ValueError(f"{subject}.npy holds {stored.dtype} {stored.shape}, not {sum(frames)} TRs of float32")
    return np.split(stored, np.cumsum(frames)[:-1])
