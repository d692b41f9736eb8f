"""Principal components of feature streams, from moments: a stream is read run by run and is never whole in memory.

A column is standardised on the training stimuli, each of which counts once however often it was shown. A stream with
parts (time, part, dimension) is averaged over its parts. What is not a number counts as 0 (as in the challenge's
baseline).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..benchmark.contracts import Context, Progress
from ..benchmark.errors import BadData
from ..benchmark.files import made_once
from ..benchmark.items import ArrayRef
from ..benchmark.kinds.encoding import Run, Runs

BLOCK = 2048
"""Rows that are multiplied at a time."""


def rows_of(run: Run, stream: str) -> np.ndarray:
    """A stream of a run (time, dimension) float32, its parts averaged, NaN and infinities as 0."""
    values = run.read(stream)
    flat: np.ndarray = values.mean(axis=1) if values.ndim == 3 else values
    return np.where(np.isfinite(flat), flat, np.float32(0))


@dataclass(frozen=True)
class Reduction:
    """A linear map of a stream to its leading principal components.

    Attributes
    ----------
    weights, offset
        (D, d) and (d,) float32.
    variances
        (d,) of the components over the rows that it was made from.
    """

    weights: np.ndarray
    offset: np.ndarray
    variances: np.ndarray

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(time, D) -> (time, d) float32."""
        out: np.ndarray = np.asarray(rows, np.float32) @ self.weights
        out += self.offset
        return out

    def evened(self) -> Reduction:
        """The components times one number that makes their mean variance 1, so that streams weigh alike."""
        scale = 1 / np.sqrt(self.variances.mean() or 1.0)
        told = (self.weights * scale, self.offset * scale, self.variances * scale**2)
        return Reduction(*(values.astype(np.float32) for values in told))


def reduce_stream(runs: Runs, stream: str, components: int | None) -> Reduction:
    """The leading components of standardised columns; all columns, standardised, for None or too few of them.

    The sign of a component makes its largest loading positive. Raises `BadData` where no run has the stream.
    """
    count, mean, products = _products(runs, stream)
    spread = np.sqrt(np.maximum(np.diag(products) / count, 0))
    spread[spread <= 1e-6 * np.maximum(np.abs(mean), 1e-6)] = 1.0  # rounding alone
    if components is None or components >= len(mean):
        axes = np.eye(len(mean))
        variances = np.diag(products) / count / spread**2
    else:
        axes, variances = _leading(products / count / np.outer(spread, spread), components)
    weights = axes / spread[:, None]
    return Reduction(
        weights.astype(np.float32), (-mean @ weights).astype(np.float32), np.asarray(variances, np.float32)
    )


def _products(runs: Runs, stream: str) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of rows, their mean (D,), and sums of products (D, D) of the rows less their mean."""
    count, shift = 0, np.empty(0, np.float32)
    for rows in _batches(runs, stream):
        if not count:  # a provisional mean: single precision then suffices for the products
            shift = rows.mean(axis=0)
            sums, products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))
        rows -= shift
        products += rows.T @ rows
        sums += rows.sum(axis=0, dtype=np.float64)
        count += len(rows)
    if not count:
        raise BadData(f"no training run has the stream {stream!r}", "see  brainbench features list")
    return count, shift + sums / count, products - np.outer(sums, sums) / count


def _batches(runs: Runs, stream: str) -> Iterator[np.ndarray]:
    """The rows of a stream of all stimuli, about `BLOCK` at a time."""
    held: list[np.ndarray] = []
    for row in first_showings(runs):
        if stream in runs[row].streams:
            held.append(rows_of(runs[row], stream))
        if sum(map(len, held)) >= BLOCK:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _leading(correlations: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes (D, d) and variances (d,), the largest first."""
    from scipy.linalg import eigh

    size = len(correlations)
    values, axes = eigh(
        correlations, subset_by_index=(size - components, size - 1), overwrite_a=True, check_finite=False
    )
    values, axes = values[::-1], axes[:, ::-1]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(components)])
    return axes * np.where(signs == 0, 1, signs), np.maximum(values, 0)


def first_showings(runs: Runs) -> list[int]:
    """Positions of runs, each stimulus once."""
    seen: dict[str, int] = {}
    for row, run in enumerate(runs):
        seen.setdefault(run.stimulus or f"run {row}", row)
    return sorted(seen.values())


@dataclass(frozen=True)
class Reduced:
    """The reduced streams of training runs, on disk as float32.

    Attributes
    ----------
    maps
        Stream -> what reduces it.
    places
        Stream -> where each run's rows lie, None for a run that lacks the stream.
    """

    maps: Mapping[str, Reduction]
    places: Mapping[str, Sequence[ArrayRef | None]]

    @property
    def widths(self) -> dict[str, int]:
        """Stream -> number of components."""
        return {stream: found.weights.shape[1] for stream, found in self.maps.items()}

    def train(self, row: int) -> dict[str, np.ndarray]:
        """Stream -> (time, d) of a training run, by position; without the streams that it lacks."""
        held = {stream: places[row] for stream, places in self.places.items()}
        return {stream: place.read() for stream, place in held.items() if place is not None}

    def test(self, run: Run) -> dict[str, np.ndarray]:
        """Stream -> (time, d) of any run."""
        return {stream: reduce(rows_of(run, stream)) for stream, reduce in self.maps.items() if stream in run.streams}


def reduced_streams(runs: Runs, components: Mapping[str, int | None], context: Context, evened: bool) -> Reduced:
    """Training runs reduced to so many components a stream, made once for cells that ask for the same.

    Parameters
    ----------
    components
        Stream -> number of components; None keeps the columns, standardised.
    evened
        See `Reduction.evened`.
    """
    told = json.dumps([dict(sorted(components.items())), evened])
    place = context.shared or context.workdir
    folder = place / f"reduced-{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def make() -> dict[str, Reduction]:
        maps = {}
        for number, (stream, count) in enumerate(components.items()):
            context.progress("principal components", number, len(components))
            found = reduce_stream(runs, stream, count)
            maps[stream] = found.evened() if evened else found
        return maps

    def read(folder: Path) -> dict[str, Reduction]:
        return dict(_load(folder, runs).maps)

    def write(folder: Path, maps: dict[str, Reduction]) -> None:
        _store(folder, runs, maps, context.progress)

    made_once(folder, read, make, write)
    return _load(folder, runs)


def _store(folder: Path, runs: Runs, maps: Mapping[str, Reduction], progress: Progress) -> None:
    """Write the maps, and each stream of all runs, run by run."""
    lengths: dict[str, list[int | None]] = {}
    for number, (stream, reduce) in enumerate(maps.items()):
        np.savez(folder / f"{number}.npz", weights=reduce.weights, offset=reduce.offset, variances=reduce.variances)
        lengths[stream] = []
        with open(folder / f"{number}.f32", "wb") as file:
            for row, run in enumerate(runs):
                progress("reducing streams", number * len(runs) + row, len(maps) * len(runs))
                held = reduce(rows_of(run, stream)) if stream in run.streams else None
                lengths[stream].append(None if held is None else len(held))
                if held is not None:
                    file.write(held.astype("<f4", copy=False).tobytes())
    (folder / "lengths.json").write_text(json.dumps(lengths))


def _load(folder: Path, runs: Runs) -> Reduced:
    """What `_store` wrote. Raises `BadData` for a folder that holds something else."""
    maps: dict[str, Reduction] = {}
    places: dict[str, list[ArrayRef | None]] = {}
    try:
        lengths = json.loads((folder / "lengths.json").read_text())
        for number, (stream, told) in enumerate(lengths.items()):
            with np.load(folder / f"{number}.npz", allow_pickle=False) as held:
                maps[stream] = Reduction(held["weights"], held["offset"], held["variances"])
            places[stream] = _places(folder / f"{number}.f32", told, maps[stream].weights.shape[1])
    except (OSError, ValueError, KeyError) as error:
        raise BadData(f"{folder}: not the reduced streams of these runs ({error})", "run the cell again") from None
    if any(len(told) != len(runs) for told in places.values()):
        raise BadData(f"{folder}: the reduced streams of other runs", "run the cell again")
    return Reduced(maps, places)


def _places(path: Path, lengths: Sequence[int | None], components: int) -> list[ArrayRef | None]:
    """Where the runs lie in a file. Raises `ValueError` where its size is another."""
    places: list[ArrayRef | None] = []
    offset = 0
    for length in lengths:
        places.append(None if length is None else ArrayRef(str(path), offset, (length, components), "<f4"))
        offset += 4 * components * (length or 0)
    if path.stat().st_size != offset:
        raise ValueError(f"{path.name} holds {path.stat().st_size} bytes, not {offset}")
    return places
