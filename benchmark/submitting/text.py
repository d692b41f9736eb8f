"""What text and numbers from outside may be: JSON trees without surprises, and names that a table can hold."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path
from typing import Any

from .archive import shown

DEEPEST = 24
LONGEST_TEXT = 20_000
LONGEST_KEY = 400
LARGEST_INTEGER = 2**63 - 1
MOST_VALUES = 1_000_000
"""Values of one file: a few bytes that were packed may unfold to millions of lists, each of them an object."""

ALLOWED = " ._+-:()@=,/"
"""What the name of a method may hold beside letters and digits."""


class Unreadable(ValueError):
    """A file that is no JSON, or holds what a record never does."""


def read_json(path: Path) -> Any:
    """A JSON file whose numbers are finite and whose texts are printable. Raises `Unreadable`."""
    if not path.is_file():
        raise Unreadable("not there")
    try:
        content = path.read_bytes()
        if values(content) > MOST_VALUES:
            raise Unreadable(f"holds more than {MOST_VALUES:,} values")
        tree = json.loads(content, parse_constant=_refuse)
    except Unreadable:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON ({shown(str(error))})") from None
    check(tree)
    return tree


def values(content: bytes) -> int:
    """At most how many values a JSON file holds, told before any of them is made."""
    return sum(map(content.count, (b",", b"[", b"{")))


def _refuse(name: str) -> None:
    raise Unreadable(f"holds {name}, which is no number")


def check(tree: Any) -> None:
    """Raise `Unreadable` for numbers that are not finite, and for texts that are too long or not printable."""
    todo = [(tree, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > DEEPEST:
            raise Unreadable("lists within lists within lists")
        if isinstance(value, dict):
            for key in value:
                if len(key) > LONGEST_KEY or not printable(key):
                    raise Unreadable(f"a name that is too long or not printable: {shown(key)!r}")
            todo += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            todo += [(inner, depth + 1) for inner in value]
        elif isinstance(value, str):
            if len(value) > LONGEST_TEXT or not printable(value):
                raise Unreadable(f"a text that is too long or not printable: {shown(value[:60])!r}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise Unreadable("a number that is not finite")
        elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            raise Unreadable("a number beyond any count")


def printable(text: str) -> bool:
    """Whether a text holds no control character but line breaks and tabs, and nothing that turns its direction."""
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


def wrong_name(name: str, longest: int = 80) -> str:
    """What is wrong with a name that tables print; "" where nothing is."""
    if not name.strip() or name != name.strip():
        return "is empty, or begins or ends with a space"
    if len(name) > longest:
        return f"has {len(name)} characters; at most {longest} are taken"
    if name != unicodedata.normalize("NFKC", name):
        return "has letters that look like others"
    odd = sorted({letter for letter in name if not (letter.isalnum() or letter in ALLOWED)})
    if odd:
        return f"holds {shown(' '.join(odd))}; letters, digits and {ALLOWED.strip()} are taken"
    return ""
