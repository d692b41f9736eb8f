"""A small machine for the pickles that numpy writes of numbers. It never looks up, imports or calls anything.

Python's own unpickler runs what a file asks for, and even a restricted one allocates what a file claims to need.
This one knows the opcodes of protocols 2 to 4 that numpy uses for dictionaries and arrays of numbers. It builds
these from plain values, checks lengths against the bytes that are left, and refuses all else by name.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

MAX_STEPS = 200_000
"""Most opcodes; a submission of fifty runs of four subjects takes about seven thousand."""

MAX_TEXT = 1000
"""Bytes of a text, such as the name of a subject or run."""

MAX_DIMENSIONS = 4

NUMBERS = {
    f"{kind}{size}" for kind, sizes in (("b", "1"), ("i", "1248"), ("u", "1248"), ("f", "248")) for size in sizes
}
"""Types of arrays that are read."""

GLOBALS = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    **{
        (f"{core}.multiarray", name): name
        for core in ("numpy.core", "numpy._core")  # numpy 1 and numpy 2
        for name in ("_reconstruct", "scalar")
    },
}
"""The only names a file may mention. None of them is looked up: each is a word of this reader."""

INSIDE = "an array of Python objects inside, not of numbers"


class Refused(Exception):
    """Why a file is not read."""


@dataclass
class Source:
    """Bytes of a file in order, never more than are left."""

    file: IO[bytes]
    left: int

    def take(self, count: int) -> bytes:
        """The next bytes. A claim of more than the file holds is refused before anything is allocated."""
        if count > self.left:
            raise Refused(f"truncated: {count:,} bytes are announced where {self.left:,} are left")
        found = self.file.read(count)
        if len(found) != count:
            raise Refused(f"truncated: {count:,} bytes are announced and {len(found):,} come")
        self.left -= count
        return found

    def number(self, width: int) -> int:
        """An unsigned little-endian number."""
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        """Text up to the end of the line. Raises `Refused` for a long one."""
        found = bytearray()
        while (byte := self.take(1)) != b"\n":
            found += byte
            if len(found) > MAX_TEXT:
                raise Refused(f"a name of more than {MAX_TEXT} bytes")
        return decoded(bytes(found))


@dataclass(frozen=True)
class Word:
    """A name of `GLOBALS`."""

    name: str


@dataclass(eq=False)
class Type:
    """A numpy type while it is read; ``code`` such as f4 or O8, ``order`` such as < once it is told."""

    code: str
    order: str = ""


@dataclass(eq=False)
class Array:
    """An array while it is read: first announced, later filled. ``objects`` are those of an array of Python objects."""

    values: np.ndarray | None = None
    objects: list[Any] | None = None


@dataclass
class Machine:
    """Runs the opcodes of pickle protocols 2 to 4 that numpy writes for dictionaries and arrays of numbers.

    ``stack`` holds values and, between them, marks; ``memo`` holds values by number.
    """

    source: Source
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self) -> Any:
        """The value at the end. Raises `Refused`."""
        for _ in range(MAX_STEPS):
            code = self.source.take(1)
            if code == b".":
                if len(self.stack) != 1:
                    raise Refused(f"a damaged pickle: {len(self.stack)} values at its end")
                return self.stack[0]
            step = STEPS.get(code)
            if step is None:
                raise Refused(f"the pickle opcode {name_of(code)} is not one that numpy writes for numbers: not run")
            step(self)
        raise Refused(f"more than {MAX_STEPS:,} pickle opcodes")

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self, *kinds: type) -> Any:
        """The last value, of one of these types (any where none is named)."""
        if not self.stack or self.stack[-1] is MARK:
            raise Refused("a damaged pickle: a value is lacking")
        value = self.stack.pop()
        if kinds and type(value) not in kinds:
            raise Refused(f"a damaged pickle: {told(value)} in the place of another value")
        return value

    def since_mark(self) -> list[Any]:
        """All values after the last mark, which goes too."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is MARK:
                found = self.stack[place + 1 :]
                del self.stack[place:]
                return found
        raise Refused("a damaged pickle: a mark is lacking")

    def remember(self, key: int) -> None:
        """Keep the last value under a number."""
        if key >= MAX_STEPS:
            raise Refused(f"a pickle memo of number {key:,}")
        value = self.pop()
        self.push(value)
        self.memo[key] = value

    def recall(self, key: int) -> None:
        """Put a kept value on the stack."""
        if key not in self.memo:
            raise Refused(f"a damaged pickle: nothing was kept under {key:,}")
        self.push(self.memo[key])

    def text(self, width: int) -> None:
        """A text whose length is told by so many bytes."""
        length = self.source.number(width)
        if length > MAX_TEXT:
            raise Refused(f"a text of {length:,} bytes; at most {MAX_TEXT} are read")
        self.push(decoded(self.source.take(length)))

    def data(self, width: int) -> None:
        """Bytes whose length is told by so many bytes: the data of an array."""
        self.push(self.source.take(self.source.number(width)))

    def integer(self, width: int, signed: bool = True) -> None:
        """A whole number of so many bytes."""
        self.push(int.from_bytes(self.source.take(width), "little", signed=signed))

    def long(self) -> None:
        """A whole number of as many bytes as the next one says, nine at most."""
        width = self.source.number(1)
        if width > 9:  # what an unsigned number of 64 bits takes
            raise Refused(f"a whole number of {width} bytes")
        self.integer(width)

    def tuple_of(self, count: int) -> None:
        """The last so many values as one tuple."""
        self.push(tuple(reversed([self.pop() for _ in range(count)])))

    def append(self, values: list[Any]) -> None:
        """Values at the end of a list."""
        target = self.pop(list)
        target.extend(values)
        self.push(target)

    def set_items(self, flat: list[Any]) -> None:
        """Keys and values, in turns, into a dictionary."""
        target = self.pop(dict)
        if len(flat) % 2:
            raise Refused("a damaged pickle: a key without a value")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if type(key) is not str:
                raise Refused(f"a dictionary with {told(key)} as a key; only texts are")
            if key in target:
                raise Refused(f"the key {key[:80]!r} occurs twice")
            target[key] = value
        self.push(target)

    def word(self, module: str, name: str) -> None:
        """A name of numpy's own, as a word of this reader; all others are refused, whatever they are."""
        if (module, name) not in GLOBALS:
            raise Refused(f"asks for {f'{module}.{name}'[:120]!r}, which is not run or even looked up")
        self.push(Word(GLOBALS[module, name]))

    def stack_word(self) -> None:
        """The same with module and name from the stack."""
        name, module = self.pop(str), self.pop(str)
        self.word(module, name)

    def call(self) -> None:
        """An array or type as numpy announces it, or a number. Nothing is called."""
        given, word = self.pop(tuple), self.pop()
        if not isinstance(word, Word):
            raise Refused(f"calls {told(word)}, which is not run")
        self.push(announced(word.name, given))

    def build(self) -> None:
        """Fill an announced array or type with what is told of it."""
        state, target = self.pop(tuple), self.pop()
        if isinstance(target, Type):
            target.order = order_of(state, target)
        elif isinstance(target, Array) and target.values is None and target.objects is None:
            fill(target, state)
        else:
            raise Refused(f"sets the state of {told(target)}, which is not done")
        self.push(target)


MARK = object()


def decoded(raw: bytes) -> str:
    """Text from UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refused("a text that is not UTF-8") from None


def announced(name: str, given: tuple[Any, ...]) -> Any:
    """What stands for ``numpy.NAME(*given)``, made here. Raises `Refused` for what numpy does not write."""
    if name == "_reconstruct" and given == (Word("ndarray"), (0,), b"b"):
        return Array()
    if name == "dtype" and [type(one) for one in given] in ([str, bool, bool], [str, int, int]):
        if given[0] not in (*NUMBERS, "O8"):
            raise Refused(f"an array of type {given[0][:40]!r}, not of numbers")
        return Type(given[0])
    if name == "scalar" and len(given) == 2 and isinstance(given[0], Type) and isinstance(given[1], bytes):
        return whole_number(given[0], given[1])
    raise Refused(f"numpy's {name} is used in a way in which numpy does not write it")


def whole_number(kind: Type, raw: bytes) -> int:
    """A number of numpy's as Python's. Raises `Refused` unless it is a whole one."""
    if dtype_of(kind).kind not in "iu" or not fits((), kind, raw):
        raise Refused(f"a single number of type {kind.code}, not a whole one")
    return int(np.frombuffer(raw, dtype_of(kind))[0])


def order_of(state: tuple[Any, ...], target: Type) -> str:
    """The byte order of a type, from numpy's state of a type without fields."""
    plain_state = len(state) == 8 and type(state[0]) is int and state[0] == 3 and state[2:5] == (None, None, None)
    if not plain_state or type(state[1]) is not str or state[1] not in ("<", ">", "|", "="):
        raise Refused("a type with fields or metadata, not of plain numbers")
    if target.order not in ("", state[1]):
        raise Refused("a type that changes while it is read")
    return state[1]


def dtype_of(kind: Type) -> np.dtype:
    """The numpy type of numbers. Raises `Refused` for objects."""
    if kind.code not in NUMBERS or not kind.order:
        raise Refused(INSIDE)
    return np.dtype(f"{kind.order}{kind.code}")


def fits(shape: tuple[int, ...], kind: Type, raw: bytes) -> bool:
    """Whether data have as many bytes as their shape and type say."""
    return math.prod(shape) * dtype_of(kind).itemsize == len(raw)


def fill(target: Array, state: tuple[Any, ...]) -> None:
    """Give an array its shape and data, from numpy's state (version, shape, type, Fortran order, data)."""
    if len(state) != 5 or state[0] != 1 or not isinstance(state[2], Type) or type(state[3]) not in (bool, int):
        raise Refused("a damaged array")
    shape, kind, fortran, data = state[1:]
    if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in shape):
        raise Refused("an array without a proper shape")
    if kind.code == "O8" and shape == () and type(data) is list and len(data) == 1:
        target.objects = data
        return
    if type(data) is not bytes:
        dtype_of(kind)
        raise Refused(f"an array whose data are {told(data)}")
    if not fits(shape, kind, data):
        raise Refused(f"an array of shape {shape} with {len(data):,} bytes of data")
    values = np.frombuffer(data, dtype_of(kind)) if data else np.empty(0, dtype_of(kind))
    try:
        target.values = values.reshape(shape, order="F" if fortran else "C")
    except ValueError:
        raise Refused(f"an array of shape {shape}") from None


def told(value: Any) -> str:
    """A value's sort, for a message."""
    names = {
        dict: "a dictionary", str: "a text", bytes: "bytes", int: "a whole number", bool: "a truth value",
        tuple: "a tuple", list: "a list", type(None): "nothing (None)",
        Word: "a name of numpy", Type: "a type", Array: "an array", np.ndarray: "an array",
    }  # fmt: skip
    return names.get(type(value), "an unknown value")


def name_of(code: bytes) -> str:
    """The name of an opcode, for a message."""
    import pickletools

    known = {op.code: op.name for op in pickletools.opcodes}
    return known.get(code.decode("latin-1"), repr(code))


def protocol(machine: Machine) -> None:
    """The protocol's number, which must be one that numpy.save writes."""
    version = machine.source.number(1)
    if not 2 <= version <= 4:
        raise Refused(f"pickle protocol {version}; numpy.save writes 2 to 4")


def loose_number(machine: Machine) -> None:
    """A number with a decimal point, which stands in arrays only."""
    told_value = struct.unpack(">d", machine.source.take(8))[0]
    raise Refused(f"the number {told_value:g} in no array, as in a list")


STEPS: dict[bytes, Callable[[Machine], Any]] = {
    b"\x80": protocol,
    b"\x95": lambda m: m.source.take(8),  # a frame's length, which only tells how to buffer
    b"(": lambda m: m.push(MARK),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"G": loose_number,
    b"J": lambda m: m.integer(4),
    b"K": lambda m: m.integer(1, signed=False),
    b"M": lambda m: m.integer(2, signed=False),
    b"\x8a": Machine.long,
    b"X": lambda m: m.text(4),
    b"\x8c": lambda m: m.text(1),
    b"C": lambda m: m.data(1),
    b"B": lambda m: m.data(4),
    b"\x8e": lambda m: m.data(8),
    b")": lambda m: m.push(()),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"t": lambda m: m.push(tuple(m.since_mark())),
    b"]": lambda m: m.push([]),
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.since_mark()),
    b"}": lambda m: m.push({}),
    b"s": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    b"u": lambda m: m.set_items(m.since_mark()),
    b"q": lambda m: m.remember(m.source.number(1)),
    b"r": lambda m: m.remember(m.source.number(4)),
    b"\x94": lambda m: m.remember(len(m.memo)),
    b"h": lambda m: m.recall(m.source.number(1)),
    b"j": lambda m: m.recall(m.source.number(4)),
    b"c": lambda m: m.word(m.source.line(), m.source.line()),
    b"\x93": Machine.stack_word,
    b"R": Machine.call,
    b"b": Machine.build,
}
"""Opcode -> what it does here."""
