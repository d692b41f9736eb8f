"""What a store remembers of its records: on which board each stands, so that those of one are found without the rest.

``index.json`` is a cache. An entry holds for a record's files as they were when it was read, by their sizes and times;
every other record is read again, and whatever is shown of a record comes from the record itself. Without the file, or
where it is damaged, of another version or cannot be written, all records are read.

Its first line is the SHA-256 of the rest, which is JSON: ``made_by`` (schemas and version), ``places`` (each `Place`
once), and for each record its ``names``, ``at`` (number of its place) and ``stamps``.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from .errors import StoreError
from .files import write_bytes
from .record import SCHEMA_VERSION, Record

INDEX = "index.json"
MADE_BY = [1, SCHEMA_VERSION, __version__]
"""Schema of the file, of records, and who wrote it: another version may read other records."""

WORTH = 256
"""So many records must be new to the index before it is written: fewer are read as fast."""

SETTLED_NS = 2_000_000_000
"""What changed less than this before it was read might change again without another time, where clocks are coarse."""

MOST_BYTES = 1 << 30
"""A larger file is left alone: 100,000 records take 13 MB."""

Stamp = list[int]
"""Times of content and of state (ns) and bytes of a record, then of its seal; zeros for none."""


class Place(NamedTuple):
    """Where a record stands: equal for the records of one board. As in `record.Record`."""

    family: str
    task: str
    version: int
    origin: str
    fingerprint: str
    split: str
    oracle_of: str


PLACE_TYPES = [str, str, int, str, str, str, str]


def place_of(record: Record) -> Place:
    """The place of a record."""
    task, data = record.task, record.data
    return Place(task.family, task.name, task.version, data.origin, data.fingerprint, record.split.hash, task.oracle_of)


def places(store: Path, seal: str, read: Callable[[Path], Record]) -> dict[str, Place]:
    """Folder -> place of every record of a store that can be read, by name.

    Parameters
    ----------
    store
        Its folder.
    seal
        Name of the file beside a record that tells whether it was edited.
    read
        Gives the record of a file. Raises `StoreError` where it cannot be read: that is not remembered.
    """
    known = load(store / INDEX)
    settled = time.time_ns() - SETTLED_NS
    found: dict[str, Place] = {}
    kept: dict[str, tuple[Place, Stamp]] = {}
    new = 0
    for name in record_names(store / "records"):
        stamp = stamp_of(f"{store}/records/{name}", seal)
        if not any(stamp[:3]):
            continue  # withdrawn: a folder without a record
        entry = known.get(name)
        if entry is None or entry[1] != stamp:
            try:
                place = place_of(read(store / "records" / name / "record.json"))
            except StoreError:
                continue
            entry = place, stamp
            new += 1
        found[name] = entry[0]
        if max(stamp) < settled:
            kept[name] = entry
    if new >= WORTH:
        save(store / INDEX, kept)
    return found


def record_names(records: Path) -> list[str]:
    """Names of the folders that may hold a record, sorted; unfinished ones, which begin with a dot, do not."""
    try:
        return sorted(name for name in os.listdir(records) if not name.startswith("."))  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def stamp_of(folder: str, seal: str) -> Stamp:
    """What changes whenever a record or its seal does. By names, as paths take twice the time."""
    return [*_stat(f"{folder}/record.json"), *_stat(f"{folder}/{seal}")]


def _stat(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def load(path: Path) -> dict[str, tuple[Place, Stamp]]:
    """What an index remembers; nothing where it is not there, damaged, or of another version."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return {}
        digest, _, body = path.read_bytes().partition(b"\n")
        if digest.decode() != hashlib.sha256(body).hexdigest():
            return {}
        return _entries(json.loads(body))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return {}


def _entries(content: Any) -> dict[str, tuple[Place, Stamp]]:
    if content["made_by"] != MADE_BY:
        return {}
    known = [Place(*place) for place in content["places"]]
    if any([type(value) for value in place] != PLACE_TYPES for place in known):
        return {}
    rows = zip(content["names"], content["at"], content["stamps"], strict=True)
    return {name: (known[at], stamp) for name, at, stamp in rows}


def save(path: Path, entries: dict[str, tuple[Place, Stamp]]) -> None:
    """Write an index whole, or not at all where the store cannot be written."""
    numbers = {place: number for number, place in enumerate(dict.fromkeys(place for place, _ in entries.values()))}
    content = {
        "made_by": MADE_BY,
        "places": list(numbers),
        "names": list(entries),
        "at": [numbers[place] for place, _ in entries.values()],
        "stamps": [stamp for _, stamp in entries.values()],
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    with suppress(StoreError):
        write_bytes(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def refuse(path: Path, name: str) -> StoreError:
    """Forget an index that says of a record what is not so, and the error for whoever relied on it."""
    with suppress(OSError):
        path.unlink()
    return StoreError(
        f"{path}: does not fit {name}, which was changed meanwhile", "repeat the command: all records are read again"
    )
