"""NumPy's files from outside, as arrays of plain values: nothing is unpickled, and no file costs more than it holds.

NumPy's own reader raises a dozen sorts of errors on a damaged header, and makes room for whatever a header claims.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

MAX_HEADER = 10_000
"""Bytes of a header; that of an array of numbers has about a hundred."""

NUMBERS = "fiub"
"""Kinds of types that hold numbers or truth values."""

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What reading a damaged archive raises."""


class Header(NamedTuple):
    """What the beginning of a file says of the array behind it."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def read_header(file: IO[bytes]) -> Header:
    """The header of a ``.npy`` file, read up to its values.

    Raises `ValueError` for anything else, and what reading the file itself raises.
    """
    begin = file.read(8)
    width = 2 if begin[6:7] == b"\x01" else 4
    begin += file.read(width)
    size = int.from_bytes(begin[8:], "little")
    if begin[:6] == np.lib.format.MAGIC_PREFIX and size > MAX_HEADER:
        raise ValueError(f"a header of {size:,} bytes, which no array of numbers has")
    whole = io.BytesIO(begin + file.read(min(size, MAX_HEADER)))
    try:
        version = np.lib.format.read_magic(whole)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        header = Header(*read(whole))
    except Exception as error:  # errors of the tokenizer, parser and codec, and of memory where brackets are nested
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"not a .npy file ({reason[:200]})") from None
    if any(side < 0 for side in header.shape):
        raise ValueError(f"an array of shape {header.shape}")
    return header


def checked_header(file: IO[bytes], size: int, kinds: str = NUMBERS) -> Header:
    """The header of a file of ``size`` bytes, which must be those that it promises.

    Raises `ValueError`, also for values that are none of ``kinds`` (letters of `numpy.dtype.kind`).
    """
    header = read_header(file)
    if header.dtype.hasobject:
        raise ValueError("an array of Python objects, which is refused: a pickle is never read")
    if header.dtype.kind not in kinds:
        raise ValueError(f"an array of type {header.dtype}, not of numbers")
    promised, held = math.prod(header.shape) * header.dtype.itemsize, size - file.tell()
    if promised != held:
        told = f"an array of {promised:,} bytes by its header, {held:,} in the file"
        raise ValueError(f"{told}: truncated, damaged or too large")
    return header


def read_array(file: IO[bytes], size: int, kinds: str = NUMBERS) -> np.ndarray:
    """The array of a file of ``size`` bytes, not writable. Raises `ValueError` as `checked_header` does."""
    header = checked_header(file, size, kinds)
    promised = math.prod(header.shape) * header.dtype.itemsize
    raw = file.read(promised)
    if len(raw) != promised:
        raise ValueError(f"truncated: {len(raw):,} of {promised:,} bytes")
    values = np.frombuffer(raw, header.dtype) if raw else np.empty(0, header.dtype)
    return values.reshape(header.shape, order="F" if header.fortran else "C")


def mapped(path: Path, kinds: str = NUMBERS) -> np.ndarray:
    """The array of a ``.npy`` file, which stays on disk. Raises `OSError`, or `ValueError` as `checked_header` does."""
    with open(path, "rb") as file:
        if file.read(2) == b"PK":
            raise ValueError("an archive of arrays, not one array")
        file.seek(0)
        header, start = checked_header(file, path.stat().st_size, kinds), file.tell()
    if not math.prod(header.shape):
        return np.empty(header.shape, header.dtype)
    return np.memmap(path, header.dtype, "r", start, header.shape, "F" if header.fortran else "C")


def read_member(archive: zipfile.ZipFile, name: str, kinds: str = NUMBERS) -> np.ndarray:
    """An array of an open ``.npz`` file, to the checksum behind it. Raises `KeyError`, or one of `BROKEN_ZIP`."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        values = read_array(member, info.file_size, kinds)
        member.read(1)
    return values
