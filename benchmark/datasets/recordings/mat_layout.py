"""Whether a MATLAB file (version 5 to 7.2) is laid out as it says. SciPy trusts it, and may end the process.

A file is a header of 128 bytes and elements: a tag of type and size, and so many bytes. Variables are elements of type
`MATRIX`, alone or in one of type `PACKED`; inside are flags, dimensions, a name, and numbers (MAT-File Format, 2023).
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .files import MAX_FILE

HEADER = 128
ORDERS = {b"IM": "little", b"MI": "big"}
MATRIX, PACKED = 14, 15
NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13})
"""Types of elements that hold whole numbers or floats."""

CLASSES = range(6, 16)
"""Classes of full arrays of numbers."""


@dataclass(frozen=True)
class Element:
    """An element of a file: its type, its bytes, and where the next one begins."""

    kind: int
    body: bytes
    end: int


def refuse_misplaced(raw: bytes, wanted: Collection[str]) -> None:
    """Raise `ValueError` where an element lies outside of the file, or a wanted variable is no array of numbers.

    Files of version 4 are passed over: SciPy reads these in Python.
    """
    if 0 in raw[:4]:
        return
    order = ORDERS.get(raw[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("not a MATLAB file of version 5 to 7.2")
    place = HEADER
    while place < len(raw):
        found = element(raw, place, order, full=True)
        if found.kind == PACKED:
            body = zlib.decompressobj().decompress(found.body, MAX_FILE)
            _refuse(element(body, 0, order, full=True), order, wanted)
        else:
            _refuse(found, order, wanted)
        place = found.end


def element(raw: bytes, place: int, order: str, full: bool = False) -> Element:
    """The element at a place. Small ones hold size, type and up to four bytes in their tag, unless it must be full."""
    tag = raw[place : place + 8]
    if len(tag) < 8:
        raise ValueError("truncated: an element without a tag")
    kind, size = (int.from_bytes(tag[part], order) for part in (slice(4), slice(4, 8)))  # type: ignore[arg-type]
    if kind >> 16 and not full:
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise ValueError(f"a small element of {size} bytes")
        return Element(kind, tag[4 : 4 + size], place + 8)
    body = raw[place + 8 : place + 8 + size]
    if len(body) < size:
        raise ValueError(f"truncated: {len(body)} of {size} bytes of an element")
    return Element(kind, body, place + 8 + (size if full else size + -size % 8))


def _refuse(variable: Element, order: str, wanted: Collection[str]) -> None:
    """Raise `ValueError` for a variable that is not laid out as it says."""
    if variable.kind != MATRIX:
        raise ValueError(f"an element of type {variable.kind} in the place of a variable")
    inside = _inside(variable.body, order)
    flags, _dimensions, name = next(inside), next(inside), next(inside)
    told = name.body.decode("latin-1")
    if told not in wanted:
        return
    if len(flags.body) < 4 or int.from_bytes(flags.body[:4], order) & 0xFF not in CLASSES:  # type: ignore[arg-type]
        raise ValueError(f"{told!r} is no array of numbers")
    for values in inside:
        if values.kind not in NUMBERS:
            raise ValueError(f"{told!r} holds values of type {values.kind}, which is none of numbers")


def _inside(body: bytes, order: str) -> Iterator[Element]:
    """The elements of a variable. Raises `ValueError` for fewer than three."""
    place, count = 0, 0
    while place < len(body) or count < 3:
        found = element(body, place, order)
        yield found
        place, count = found.end, count + 1
