"""Items: a table of things to predict, with arrays that stay on disk until they are read.

Every kind of task moves its data as `Items`, so staging, splitting and hiding labels are written
once: a label-free view is a selection of columns and array fields.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import BadData

if TYPE_CHECKING:
    import pandas as pd

ARRAY_COLUMN = "array:"


class ArrayRef(NamedTuple):
    """Where an array lies in a file: read with `read`, never memory-mapped into the process.

    Attributes
    ----------
    path
        File that holds the raw, C-ordered values.
    offset
        Position of the first byte.
    shape
        Shape of the array.
    dtype
        Numpy type string with byte order, such as ``<f2``; never an object type.
    digest
        SHA-256 of the bytes, compared whenever the whole array is read; "" where it is not known.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: str
    digest: str = ""

    def read(self) -> np.ndarray:
        """The array, as stored. Raises `BadData` when the file is shorter than promised, or holds other bytes."""
        dtype = np.dtype(self.dtype)
        if dtype.hasobject:
            raise BadData(f"{self.path}: arrays of Python objects are not read")
        size = int(np.prod(self.shape, dtype=np.int64)) * dtype.itemsize
        try:
            with open(self.path, "rb") as file:
                raw = os.pread(file.fileno(), size, self.offset)
                while len(raw) < size and (more := os.pread(file.fileno(), size - len(raw), self.offset + len(raw))):
                    raw += more
        except FileNotFoundError:
            raise BadData(f"{self.path}: the file is gone", "import the cohort again") from None
        if len(raw) != size:
            raise BadData(
                f"{self.path}: truncated, {len(raw)} of {size} bytes at offset {self.offset}",
                "import the cohort again, or see `brainbench data check`",
            )
        if self.digest and hashlib.sha256(raw).hexdigest() != self.digest:
            raise BadData(
                f"{self.path}: damaged or edited: {size} bytes at offset {self.offset} are not those that were written",
                "`brainbench data check` says which; import the cohort again",
            )
        return np.frombuffer(raw, dtype).reshape(self.shape)

    def rows(self, start: int, stop: int) -> ArrayRef:
        """Where rows ``start`` to ``stop`` of the first axis lie. Raises `BadData` outside of the array."""
        if not 0 <= start <= stop <= self.shape[0]:
            raise BadData(f"{self.path}: no rows {start} to {stop} in an array of {self.shape[0]}")
        row_bytes = int(np.prod(self.shape[1:], dtype=np.int64)) * np.dtype(self.dtype).itemsize
        return self._replace(offset=self.offset + start * row_bytes, shape=(stop - start, *self.shape[1:]), digest="")

    @classmethod
    def of(cls, told: Sequence[Any]) -> ArrayRef:
        """From a list, as JSON gives it."""
        path, offset, shape, dtype, *digest = told
        return cls(path, offset, tuple(shape), dtype, *digest)


@dataclass(frozen=True)
class Items:
    """Rows to fit on or to predict.

    Attributes
    ----------
    table
        One row an item, indexed by item id (unique strings). Columns hold numbers, strings, or
        lists of these.
    arrays
        Field name -> one array (or reference, or None where an item lacks it) for each row.
    meta
        What all items share, as plain JSON values: atlas, TR, concepts ...
    """

    table: pd.DataFrame
    arrays: Mapping[str, Sequence[ArrayRef | np.ndarray | None]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def read(self, name: str, row: int, part: tuple[int, int] | None = None) -> np.ndarray:
        """Array `name` of a row (by position), or its rows ``part[0]`` to ``part[1]`` alone."""
        if name not in self.arrays:
            raise BadData(f"items hold no {name}; they hold: {', '.join(self.arrays) or 'no array'}")
        value = self.arrays[name][row]
        if value is None:
            raise BadData(f"item {self.table.index[row]!r} has no array {name!r}")
        if isinstance(value, ArrayRef):
            return (value.rows(*part) if part else value).read()
        return value[slice(*part)] if part else value

    def take(self, rows: Sequence[int] | np.ndarray) -> Items:
        """The items at these positions, in this order."""
        arrays = {name: [values[i] for i in rows] for name, values in self.arrays.items()}
        return Items(self.table.iloc[list(rows)], arrays, self.meta)

    def select(self, fields: Sequence[str]) -> Items:
        """Only these columns and arrays; a field that ends in ``/`` or ``:`` stands for its family."""
        families = tuple(name for name in fields if name.endswith(("/", ":")))

        def wanted(name: str) -> bool:
            return name in fields or name.startswith(families)

        columns = [name for name in self.table.columns if wanted(name)]
        arrays = {name: values for name, values in self.arrays.items() if wanted(name)}
        return Items(self.table[columns], arrays, self.meta)

    def save(self, path: Path, whole: bool = False) -> None:
        """Write the table to ``path`` (Parquet) and arrays that lie in memory to a file beside it.

        ``whole`` copies arrays that lie in other files, too, for a reader to whom these are closed.
        """
        table = self.table.copy()
        blob = path.with_suffix(".bin")
        with open(blob, "wb") as file:
            for name, values in self.arrays.items():
                table[ARRAY_COLUMN + name] = [_reference(value, blob, file, whole) for value in values]
        table.attrs = {}
        table.to_parquet(path)
        path.with_suffix(".json").write_text(json.dumps(dict(self.meta)))

    @classmethod
    def load(cls, path: Path) -> Items:
        """Read what `save` wrote, in this thread alone: pandas' reader starts two more for any table."""
        import pyarrow
        from pyarrow.parquet import ParquetFile

        file = ParquetFile(pyarrow.BufferReader(path.read_bytes()))
        table = file.read(use_threads=False).to_pandas(use_threads=False)
        names = [column for column in table.columns if column.startswith(ARRAY_COLUMN)]
        folder = str(path.parent)
        arrays = {name.removeprefix(ARRAY_COLUMN): [_parse(text, folder) for text in table[name]] for name in names}
        meta = json.loads(path.with_suffix(".json").read_text())
        return cls(table.drop(columns=names), arrays, meta)


def _reference(value: ArrayRef | np.ndarray | None, blob: Path, file: Any, whole: bool) -> str:
    """A reference as JSON text; an array in memory, or any where ``whole`` says so, is appended to the blob first."""
    if value is None:
        return ""
    if whole and isinstance(value, ArrayRef):
        value = value.read()
    if not isinstance(value, ArrayRef):
        array = np.ascontiguousarray(value)
        value = ArrayRef(blob.name, file.tell(), array.shape, array.dtype.str)
        file.write(array.tobytes())
    return json.dumps(value)


def _parse(text: str, folder: str) -> ArrayRef | None:
    """A reference; a path that is not absolute lies in the folder, which may have moved since."""
    if not text:
        return None
    found = ArrayRef.of(json.loads(text))
    return found._replace(path=os.path.join(folder, found.path))  # noqa: PTH118 - of 50,000, paths take longer than all
