"""The one place where a pickle from outside is read: numpy files of a dictionary, as the Algonauts challenge has them.

Its sample counts and its submissions are dictionaries saved by ``numpy.save``, which pickles them. Python's own
unpickler would run what such a file asks for; these are read by `restricted_pickle`, which runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .errors import BadData
from .restricted_pickle import INSIDE, MAX_STEPS, Array, Machine, Refused, Source, told

MAX_BYTES = 2 * 2**30
"""Largest file; a submission of four subjects is less than half a gigabyte."""

MAX_COUNTS_BYTES = 2**20
"""Largest file of sample counts; the challenge's have a few kilobytes."""

MAX_DEPTH = 2
"""Dictionaries in dictionaries: subject -> run -> array."""

HEADER = re.compile(
    rb"\{'descr': '([^']{1,40})', 'fortran_order': (?:False|True), 'shape': (\([0-9, ]{0,60}\)), \} *\n"
)
"""What numpy writes before the data of an array without fields."""


def read_counts(path: Path) -> dict[str, int]:
    """Run -> number of samples, from a file such as ``sub-01_friends-s7_fmri_samples.npy``.

    Raises `BadData` for anything but a dictionary of names and whole numbers above 0.
    """
    found = read_object_array(path, MAX_COUNTS_BYTES)
    if not isinstance(found, dict):
        raise BadData(f"{path}: {told(found)}, not a dictionary of numbers of samples")
    for name, count in found.items():
        if not isinstance(count, int) or count < 1:
            said = count if isinstance(count, int) else told(count)
            raise BadData(f"{path}: {name[:80]!r} is {said}, not a number of samples")
    return found


def read_object_array(path: Path, most: int = MAX_BYTES) -> Any:
    """What ``numpy.save`` pickled: a dictionary (texts to values, two deep at most), text, whole number or array.

    Arrays are of numbers, and not writable. Raises `BadData` for a file that is damaged, larger than ``most`` bytes,
    or holds anything else; nothing in it is run.
    """
    if not path.is_file():
        raise BadData(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}", "check the path")
    size = path.stat().st_size
    if size > most:
        raise BadData(f"{path}: {size:,} bytes, more than {most:,}: not read")
    with open(path, "rb") as file:
        return read_object_stream(file, size, str(path))


def read_object_stream(file: IO[bytes], size: int, where: str) -> Any:
    """The same from an open file of ``size`` bytes, such as a member of an archive; all of it is read."""
    source = Source(file, size)
    try:
        skip_header(source)
        found = Machine(source).run()
        if source.left or file.read(1):
            raise Refused(f"{source.left:,} bytes after the end of the pickle")
        return plain(found)
    except Refused as error:
        raise BadData(
            f"{where}: {error}", "only dictionaries, texts, whole numbers and arrays of numbers are read"
        ) from None


def skip_header(source: Source) -> None:
    """Read the header of a ``.npy`` file up to its data. Raises `Refused` unless one object follows."""
    if source.take(min(6, source.left)) != b"\x93NUMPY":
        raise Refused("not a .npy file")
    if source.take(2) != b"\x01\x00":
        raise Refused("not the version 1.0 of .npy files, in which numpy saves a dictionary")
    header = HEADER.fullmatch(source.take(source.number(2)))
    if header is None:
        raise Refused("not the header of a dictionary saved by numpy")
    if header[1] != b"|O" or header[2] != b"()":
        kind, shape = header[1].decode("latin-1"), header[2].decode()
        raise Refused(f"holds an array of type {kind!r} and shape {shape}, not one dictionary")


def plain(found: Any) -> Any:
    """The one object of the outermost array, without what only the reading needed. Raises `Refused`."""
    if not isinstance(found, Array):
        raise Refused(f"{told(found)}, not an array that numpy saved")
    if found.objects is None:
        raise Refused("an array, though its header announces a dictionary")
    return Finisher().finish(found.objects[0], 0)


@dataclass
class Finisher:
    """Makes plain values of what was read. It counts them: a dictionary may be meant many times over."""

    made: int = 0

    def finish(self, value: Any, depth: int) -> Any:
        """A value with its arrays filled in, ``depth`` dictionaries deep."""
        self.made += 1
        if self.made > MAX_STEPS:
            raise Refused(f"more than {MAX_STEPS:,} values")
        if type(value) in (str, int):
            return value
        if isinstance(value, Array):
            if value.values is None:
                raise Refused(INSIDE)
            return value.values
        if type(value) is not dict:
            raise Refused(f"holds {told(value)}")
        if depth == MAX_DEPTH:
            raise Refused(f"dictionaries nested more than {MAX_DEPTH} deep")
        return {key: self.finish(entry, depth + 1) for key, entry in value.items()}
