"""Reading arrays out of HDF5 files from outside: only what lies in the file itself, and never more than a bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, DataMissing, needing

MAX_ARRAYS = 20_000
MAX_BYTES = 4 << 30
"""Of one array, as it would lie in memory."""

BROKEN = (OSError, RuntimeError, KeyError, TypeError, ValueError)
"""What h5py raises on a damaged file, beside a file that is none."""

POINTER = b"/annex/objects/"
"""Begins a file whose content git-annex has not fetched."""


def fetched(path: Path) -> bool:
    """Whether a file's content is here: it is no dangling link and no pointer of git-annex."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(POINTER)) != POINTER


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An HDF5 file to read. Raises `DataMissing`, `BadData`, or `ExtraMissing` without h5py."""
    with needing("encoding", "h5py"):
        import h5py
    if not fetched(path):
        there = path.is_symlink() or path.is_file()
        raise DataMissing(
            f"{path}: {'its content has not been fetched' if there else 'no such file'}",
            f"datalad get {path}" if there else "check the path",
        )
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise BadData(f"{path}: not an HDF5 file ({str(error)[:120]})", "copy the file again") from None
    with file:
        yield file


def arrays(file: Any, path: Path) -> dict[str, Any]:
    """Name -> array (h5py data set) of all that an open file holds, groups included.

    Raises `BadData` for links to elsewhere, arrays whose values lie in other files, values that are no floats,
    arrays that are empty, never written, or larger than `MAX_BYTES`, and for a damaged file.
    """
    try:
        return _arrays(file, path)
    except BROKEN as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> BadData:
    """What to say of a file that h5py cannot read to its end."""
    return BadData(f"{path}: damaged, cannot be read ({str(error)[:120]})", "copy the file again")


def _arrays(file: Any, path: Path) -> dict[str, Any]:
    import h5py

    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", file)]
    seen: set[Any] = set()
    while waiting:
        prefix, group = waiting.pop()
        if group.id in seen:
            raise BadData(f"{path}: group {prefix!r} leads back to itself")
        seen.add(group.id)
        for key in _keys(group, path):
            name = f"{prefix}{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise BadData(f"{path}: {name!r} is a link to elsewhere", "write the values into the file itself")
            value = group[key]
            if isinstance(value, h5py.Group):
                waiting.append((f"{name}/", value))
            else:
                found[name] = _checked(value, name, path)
            if len(found) + len(seen) > MAX_ARRAYS:
                raise BadData(f"{path}: more than {MAX_ARRAYS} arrays")
    return dict(sorted(found.items()))


def _keys(group: Any, path: Path) -> Iterator[str]:
    """Names in a group. Raises `BadData` for one that is no text, or that would steer a terminal."""
    for key in group:
        if not isinstance(key, str):  # h5py leaves what is no UTF-8 as bytes
            raise BadData(f"{path}: the name {key[:80]!r} is no UTF-8")
        if not key.isprintable():
            raise BadData(f"{path}: a name {key[:80]!r} with characters that cannot be printed")
        yield key


def _checked(value: Any, name: str, path: Path) -> Any:
    """An array that is safe to read."""
    import h5py

    if not isinstance(value, h5py.Dataset) or value.is_virtual or value.external:
        raise BadData(f"{path}: {name!r} is no array of this file", "write the values into the file itself")
    if value.dtype.kind != "f" or value.dtype.itemsize > 8:
        raise BadData(f"{path}: {name!r} holds {value.dtype}, not floats of 2, 4 or 8 bytes")
    shape = value.shape or (0,)
    if min(shape) < 1 or math.prod(shape) * value.dtype.itemsize > MAX_BYTES:
        raise BadData(f"{path}: {name!r} has shape {value.shape}: empty, or more than {MAX_BYTES >> 30} GiB")
    if not value.id.get_storage_size():
        raise BadData(f"{path}: {name!r} was never written: it has a shape, and no values", "write it again")
    return value


def in_place(value: Any) -> tuple[int, str] | None:
    """Offset and numpy type of an array whose values lie in the file one after the other, as they are; else None."""
    import h5py

    if value.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
        return None
    offset = value.id.get_offset()
    # The type must be plain IEEE: numpy's view of an odd HDF5 float has the size, but not the bits.
    plain = value.id.get_type() == h5py.h5t.py_create(value.dtype, logical=True)
    return (int(offset), np.dtype(value.dtype).str) if offset is not None and plain else None
