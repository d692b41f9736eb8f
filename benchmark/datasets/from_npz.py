"""Scans in .npz files: one file a site, one array (time, roi) a scan, the key its id."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from .. import npy
from .bids_names import scan_of
from .layout import Layout, Options, Source, check_size, numbered
from .rules import LeftOut

FORMAT = "abide-npz"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, NotImplementedError, RuntimeError)
LABEL_BYTES = 1 << 20
SERIES_KEYS = ("timeseries", "time_series", "series", "ts", "bold", "data", "arr_0")
"""Keys under which a .npz file of one scan holds its series, best first."""

MAX_RATIO = 100
"""Recordings compress to a half at best; what unpacks to a hundred times its size is no recording."""

ATLAS_BY_ROIS = {392: "cc400", 200: "cc200", 116: "aal"}
"""The Preprocessed Connectomes' atlases, told by their number of ROIs."""


@dataclass(frozen=True)
class Header:
    """Shape and type of a stored array, and where its values begin."""

    frames: int
    rois: int
    dtype: np.dtype
    fortran: bool
    size: int

    @property
    def precision(self) -> str:
        """The precision worth keeping."""
        return "float16" if self.dtype == np.float16 else "float32"


def recognise(folder: Path, _options: Options) -> str | None:
    """Why a folder is of this format; None where it is not."""
    files = sorted(folder.glob("*.npz"))
    known = [names for file in files if (names := _names(file))]
    return f"{len(files)} .npz files, one array a scan" if files and all(map(_scans, known)) else None


def _names(file: Path) -> list[str]:
    """Keys of a .npz file; none where it cannot be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except BROKEN:
        return []


def _scans(names: list[str]) -> bool:
    """Whether the keys of a file are scan ids, not the usual names of one series."""
    several = len(names) > 1 or any(char.isdigit() for char in names[0])
    return several and not set(names) & set(SERIES_KEYS)


def find(folder: Path, _options: Options) -> Layout:
    """All arrays of all .npz files of a folder."""
    layout = Layout([], labelled=False)
    for file in sorted(folder.glob("*.npz")):
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    _add(layout, file, archive, member)
        except BROKEN as error:
            layout.left_out[file.name] = f"cannot be read: {reason(error)}"
    counts = {len(source.labels) for source in layout.sources}
    if len(counts) == 1:
        layout.atlas = ATLAS_BY_ROIS.get(counts.pop(), "unknown")
    _name_columns(layout, folder / "roi_ids.txt")
    return layout


def _name_columns(layout: Layout, file: Path) -> None:
    """Take the columns' labels from a file with one label a line, where it fits."""
    if not file.is_file() or file.stat().st_size > LABEL_BYTES:
        return
    labels = tuple(file.read_text(errors="replace").split())
    if len(set(labels)) == len(labels) and all(len(source.labels) == len(labels) for source in layout.sources):
        layout.sources = [Source(s.id, s.file, labels, s.dtype, s.read) for s in layout.sources]
        layout.labelled = True
    else:
        layout.notes.append(f"{file.name} does not fit the columns and was not used")


def _add(layout: Layout, file: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Add one member of an archive, looking at its header only."""
    key = member.filename.removesuffix(".npy")
    where = f"{file.name}:{key}"
    try:
        if member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise LeftOut(f"{member.compress_size} bytes that unpack to {member.file_size}: not a recording")
        with archive.open(member) as stream:
            header = read_header(stream, member.file_size)
    except LeftOut as left_out:
        layout.left_out[where] = str(left_out)
    except BROKEN as error:
        layout.left_out[where] = f"cannot be read: {reason(error)}"
    else:
        layout.sources.append(
            Source(
                scan_of(key), where, numbered(header.rois), header.precision, lambda: read_member(file, member.filename)
            )
        )


def read_header(stream: IO[bytes], size: int) -> Header:
    """The header of a .npy stream of ``size`` bytes; nothing else is read.

    Raises `LeftOut` for arrays of objects, other than two dimensions, and sizes that do not add up.
    """
    try:
        shape, fortran, dtype = npy.read_header(stream)
    except ValueError as error:
        raise LeftOut(str(error)) from None
    if dtype.kind not in "fiu":
        raise LeftOut(f"holds {dtype}, not numbers")
    if len(shape) != 2 or min(shape) < 1:
        raise LeftOut(f"an array of shape {shape}; expected (time, roi)")
    check_size(shape[0], shape[1], dtype.itemsize)
    start = stream.tell()
    promised = shape[0] * shape[1] * dtype.itemsize
    if size - start != promised:
        raise LeftOut(f"{size - start} bytes of values where the header promises {promised}")
    return Header(shape[0], shape[1], dtype, fortran, promised)


def read_values(stream: IO[bytes], size: int) -> np.ndarray:
    """The (time, roi) array of a .npy stream of ``size`` bytes. Raises `LeftOut`."""
    header = read_header(stream, size)
    raw = stream.read(header.size)
    if len(raw) != header.size:
        raise LeftOut(f"truncated: {len(raw)} of {header.size} bytes")
    order: Literal["F", "C"] = "F" if header.fortran else "C"
    return np.frombuffer(raw, header.dtype).reshape((header.frames, header.rois), order=order)


def read_member(file: Path, name: str) -> np.ndarray:
    """One array of a .npz file. Raises `LeftOut`."""
    with readable():
        with zipfile.ZipFile(file) as archive, archive.open(name) as stream:
            values = read_values(stream, archive.getinfo(name).file_size)
            # Reading on to the end makes zipfile verify the checksum.
            stream.read(1)
        return values


@contextmanager
def readable() -> Iterator[None]:
    """Turn what a broken file raises into `LeftOut`."""
    try:
        yield
    except BROKEN as error:
        raise LeftOut(f"cannot be read: {reason(error)}") from None


def reason(error: Exception) -> str:
    """The first line of an error, in plain words for a damaged archive."""
    if isinstance(error, zipfile.BadZipFile) and "not a zip file" in str(error):
        return "truncated, or no .npz file at all"
    return (str(error).splitlines() or [type(error).__name__])[0]
