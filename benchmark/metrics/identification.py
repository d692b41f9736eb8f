"""Two-way identification: is what was predicted more like its own image than like another?

``matrix[i, j]`` is the likeness of what was seen on item i and what was predicted on item j. Column-wise, as the
code of Brain-Diffuser, MindEye and MindBridge has it, a prediction is fixed and the images that were seen compete;
row-wise, as Takagi & Nishimoto and the text of NV2L have it, an image is fixed and predictions compete. A tie is a
failure, so a model that draws one image for everything has a half column-wise and nothing row-wise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import numpy as np

from ..files import write_error
from ..home import home
from ..nn.features import BATCH, Encoder, content_key, features_of

COLUMN_WISE, ROW_WISE = "column-wise", "row-wise"

BLOCK = 128
"""Rows of long vectors that are multiplied at once: 94 MB of AlexNet's second layer."""

CHUNK = 1 << 14
"""Values of a vector whose products are added in float32, before float64 takes over."""

Layers = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
"""Images to the vectors (n, d) of one or several layers."""


def two_way(matrix: np.ndarray, direction: str = COLUMN_WISE) -> np.ndarray:
    """Share (n,) of competitors that each item beats, strictly. NaN where there is one item only."""
    n = len(matrix)
    if n < 2:
        return np.full(n, np.nan)
    own = np.diagonal(matrix)
    beaten = (matrix < own[None, :]).sum(axis=0) if direction == COLUMN_WISE else (matrix < own[:, None]).sum(axis=1)
    share: np.ndarray = beaten / (n - 1)
    return share


@dataclass(frozen=True)
class Likeness:
    """Correlations (n, n) of what was seen (rows) and predicted (columns), and how many vectors are flat."""

    matrix: np.ndarray
    flat: int


def standardise(vectors: np.ndarray, centre: bool = True) -> np.ndarray:
    """Rows (n, d) float32 of mean 0 (unless told otherwise) and length 1; a flat row becomes 0."""
    out = np.empty(vectors.shape, np.float32)
    for row, vector in enumerate(vectors):
        values = vector.astype(np.float64)
        if centre:
            values -= values.mean()
        length = np.sqrt(values @ values)
        flat = length == 0 or (centre and vector.min() == vector.max())
        out[row] = 0 if flat else values / length
    return out


def unique(keys: Sequence[bytes]) -> tuple[list[int], np.ndarray]:
    """First position of each different key, and for every key which of them it is."""
    known: dict[bytes, int] = {}
    first: list[int] = []
    for row, key in enumerate(keys):
        if key not in known:
            known[key] = len(first)
            first.append(row)
    return first, np.array([known[key] for key in keys], dtype=int)


def products(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``rows @ columns.T`` in float64, from float32 products of short stretches."""
    out = np.zeros((len(rows), len(columns)))
    for start in range(0, rows.shape[1], CHUNK):
        out += rows[:, start : start + CHUNK] @ columns[:, start : start + CHUNK].T
    return out


def likeness_of(seen: np.ndarray, found: np.ndarray, centre: bool = True) -> Likeness:
    """Correlations, or cosines without ``centre``, of vectors (n, d) that fit into memory.

    Equal vectors get equal values to the last bit, which no matrix product promises: ties are then ties.
    """
    sides = []
    for vectors in (seen, found):
        first, where = unique([hashlib.sha256(vector.tobytes()).digest() for vector in vectors])
        sides.append((standardise(vectors[first], centre), where))
    (rows, row_of), (columns, column_of) = sides
    flat = sum(int(_flat(units)[where].sum()) for units, where in sides)
    return Likeness(products(rows, columns)[np.ix_(row_of, column_of)], flat)


def encoder_likeness(
    encoder: Encoder, seen: Sequence[np.ndarray], found: Sequence[np.ndarray], centre: bool = True
) -> Likeness:
    """Likeness by an encoder whose vectors are short enough to be kept."""
    return likeness_of(features_of(encoder, seen), features_of(encoder, found), centre)


class Scratch:
    """Standardised vectors of several layers, written to a folder and read back in blocks.

    A context manager: its files go when it ends.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._widths: list[int] = []
        self._rows = 0

    def __enter__(self) -> Scratch:
        place = home() / "features"
        try:
            place.mkdir(parents=True, exist_ok=True)
            self._folder = Path(self._stack.enter_context(TemporaryDirectory(dir=place, prefix=".scratch-")))
        except OSError as error:
            raise write_error(error, place) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, layers: Sequence[np.ndarray]) -> None:
        """Append vectors (k, d) of each layer."""
        self._widths = [vectors.shape[1] for vectors in layers]
        self._rows += len(layers[0])
        for number, vectors in enumerate(layers):
            try:
                with open(self._folder / str(number), "ab") as file:
                    vectors.astype(np.float32).tofile(file)
            except OSError as error:
                raise write_error(error, self._folder) from error

    def blocks(self, layer: int) -> Iterator[np.ndarray]:
        """The vectors of a layer in blocks."""
        width = self._widths[layer]
        with open(self._folder / str(layer), "rb") as file:
            for start in range(0, self._rows, BLOCK):
                rows = min(BLOCK, self._rows - start)
                yield np.fromfile(file, np.float32, rows * width).reshape(rows, width)


def streamed_likeness(layers: Layers, seen: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> list[Likeness]:
    """Correlations by each layer of a network whose vectors are too long to be held for all images.

    What was seen is embedded once and lies on disk meanwhile; what was predicted passes by in blocks. Every image
    is read once; equal images are embedded once and get equal values.
    """
    with Scratch() as scratch:
        row_of: list[int] = []
        column_of: list[int] = []
        parts: list[list[np.ndarray]] = []
        flat_rows: list[list[np.ndarray]] = []
        flat_columns: list[list[np.ndarray]] = []
        for vectors in _embedded(layers, seen, row_of):
            flat_rows.append([_flat(each) for each in vectors])
            scratch.add(vectors)
        for vectors in _embedded(layers, found, column_of):
            flat_columns.append([_flat(each) for each in vectors])
            parts.append([_against(scratch, layer, each) for layer, each in enumerate(vectors)])
    out = []
    for layer in range(len(parts[0]) if parts else 0):
        matrix = np.concatenate([part[layer] for part in parts], axis=1)
        flat = sum(
            int(np.concatenate([block[layer] for block in blocks])[where].sum())
            for blocks, where in ((flat_rows, row_of), (flat_columns, column_of))
        )
        out.append(Likeness(matrix[np.ix_(row_of, column_of)], flat))
    return out


def _against(scratch: Scratch, layer: int, columns: np.ndarray) -> np.ndarray:
    return np.concatenate([products(rows, columns) for rows in scratch.blocks(layer)])


def _flat(units: np.ndarray) -> np.ndarray:
    found: np.ndarray = (units == 0).all(axis=1)
    return found


def _embedded(layers: Layers, images: Sequence[np.ndarray], places: list[int]) -> Iterator[list[np.ndarray]]:
    """Standardised vectors of the different images, in blocks; ``places`` is told which of them each image is."""
    known: dict[bytes, int] = {}
    waiting: list[np.ndarray] = []
    block: list[list[np.ndarray]] = []
    for row in range(len(images)):
        image = images[row]
        key = content_key(image)
        if key not in known:
            known[key] = len(known)
            waiting.append(image)
        places.append(known[key])
        last = row + 1 == len(images)
        if waiting and (len(waiting) == BATCH or last):
            block.append([standardise(vectors) for vectors in layers(waiting)])
            waiting.clear()
        if block and (sum(len(part[0]) for part in block) >= BLOCK or last):
            yield [np.concatenate(parts) for parts in zip(*block, strict=True)]
            block.clear()
