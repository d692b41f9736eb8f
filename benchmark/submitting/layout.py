"""The folder of a submission: which files it may hold, how they are described, and how large they may be.

::

    NAME/
      submission.json      the manifest, see `Manifest`
      card.json            the method's card
      README.md            how to run it again
      checksums.sha256     SHA-256 of every other file, as ``sha256sum`` writes it
      method/              source files of the method, where it is none of the project's own
      records/ID/          record.json, record.sha256, split.json, cells/FOLD-SEED/...   as in a store
      accepted.json        written by the board's keeper alone, see `brainbench.benchmark.submitting.acceptance`

Everything in it comes from outside: a name is plain, a size is bounded, and nothing in it is ever imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pydantic import ConfigDict, Field

from ..record import Strict

SCHEMA_VERSION = 1

MANIFEST = "submission.json"
CARD = "card.json"
README = "README.md"
CHECKSUMS = "checksums.sha256"
ACCEPTED = "accepted.json"
METHOD = "method"
RECORDS = "records"

MEBIBYTE = 1 << 20

Row = Literal["reproduced", "rescored", "reported"]
"""What a record is on a board: run again by its keeper, scored again there, or told by its lab as aggregates."""

Leaves = Literal["ids", "salted", "aggregates"]
"""What of a cohort's people left the lab: their ids, salted ids, or nothing but aggregates."""

LONGEST_NAME = 80

FOREIGN = "no file of a submission"
"""What is wrong with a path that leads nowhere else, but is of no known file."""


@dataclass(frozen=True)
class Limits:
    """The most that a submission may hold: files, bytes of one file, and bytes in all."""

    files: int = 50_000
    file_bytes: int = 2048 * MEBIBYTE
    total_bytes: int = 8192 * MEBIBYTE


class Entry(Strict):
    """One record of a submission: its task, what it asks to be, what left the lab, and the hash of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(max_length=200)
    row: Literal["rescored", "reported"]
    leaves: Leaves
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Strict):
    """What a submission says of itself.

    Attributes
    ----------
    schema_version
        Of this manifest.
    name
        Name of the submission, which is its folder's on the board.
    method
        Name of the method as tables print it.
    source
        What finds the method: a name of the project's own, ``method/FILE.py:CLASS``, ``method/PACKAGE/...``,
        or "" where it was run elsewhere and only its predictions are here.
    licence
        SPDX expression under which what lies in the folder may be used.
    harness
        Version of brainbench that made it.
    created
        ISO date and time.
    records
        Record id -> entry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str = Field(max_length=LONGEST_NAME)
    method: str = Field(max_length=LONGEST_NAME)
    source: str = Field(default="", max_length=300)
    licence: str = Field(max_length=200)
    harness: str = Field(max_length=40)
    created: str = Field(max_length=40)
    records: dict[str, Entry] = Field(min_length=1, max_length=5000)


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
"""Names of submissions and of records: they are folders on every system, and parts of addresses."""

PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
"""One part of a path inside a submission: no hidden file, no space, nothing that a shell or a page would read."""

RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that are devices on Windows."""

_CELL = r"records/[^/]+/cells/[^/]+"

KNOWN: Mapping[str, int] = {
    re.escape(MANIFEST): 4 * MEBIBYTE,
    re.escape(CARD): MEBIBYTE,
    re.escape(README): MEBIBYTE,
    re.escape(CHECKSUMS): 16 * MEBIBYTE,
    r"method/(?:[^/]+/){0,6}[^/]+\.(?:py|toml|md|txt|json|yaml|yml|cfg)": 2 * MEBIBYTE,
    r"method/(?:[^/]+/){0,6}(?:LICENSE|LICENCE|NOTICE|py\.typed)": MEBIBYTE,
    r"records/[^/]+/record\.json": 32 * MEBIBYTE,
    r"records/[^/]+/record\.sha256": 1024,
    r"records/[^/]+/split\.json": 64 * MEBIBYTE,
    r"records/[^/]+/draws\.json": MEBIBYTE,
    r"records/[^/]+/draws\.npy": 64 * MEBIBYTE,
    rf"{_CELL}/(?:cell|outcome)\.json": 8 * MEBIBYTE,
    rf"{_CELL}/ids\.json": 64 * MEBIBYTE,
    rf"{_CELL}/prediction\.sha256": 1024,
    rf"{_CELL}/prediction/[^/]+\.(?:parquet|npz|npy)": 2048 * MEBIBYTE,
    rf"{_CELL}/prediction/[^/]+\.png": 16 * MEBIBYTE,
    rf"{_CELL}/prediction/[^/]+\.json": 64 * MEBIBYTE,
}
"""Pattern of a path -> bytes that such a file may have. What fits none is a foreign file."""

_PATTERNS = [(re.compile(pattern), most) for pattern, most in KNOWN.items()]


def most_bytes(path: str) -> int | None:
    """Bytes that a file of this path (with forward slashes) may have; None for a path of no known file."""
    return next((most for pattern, most in _PATTERNS if pattern.fullmatch(path)), None)


def wrong_path(path: str) -> str:
    """What is wrong with a path inside a submission; "" where nothing is."""
    if path == ACCEPTED:
        return f"{ACCEPTED} is written by the board's keeper alone"
    parts = PurePosixPath(path).parts
    if not parts or "/".join(parts) != path or any(part in ("..", ".", "/") for part in parts):
        return "it leads out of the folder"
    for part in parts:
        if not PART.fullmatch(part) or part.endswith(".") or RESERVED.fullmatch(part):
            return f"{part[:60]!r} is no plain name (letters, digits, _, - and . only)"
    return "" if most_bytes(path) is not None else FOREIGN


def colliding(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of paths that are one file where a system does not tell capitals from small letters."""
    seen: dict[str, str] = {}
    pairs = []
    for path in paths:
        parts = PurePosixPath(path).parts
        for depth in range(1, len(parts) + 1):
            own = "/".join(parts[:depth])
            first = seen.setdefault(own.lower(), own)
            if first != own:
                pairs.append((first, own))
    return list(dict.fromkeys(pairs))
