"""Addresses of pages: file names that are safe on every disk, whatever a name from outside holds."""

from __future__ import annotations

import hashlib
import re

LONGEST = 80
"""Characters of a file's stem."""

PLAIN = re.compile(r"[a-z0-9]+(?:[_-]+[a-z0-9]+)*")
"""Names that are their own file name: no upper case, which some disks do not tell apart, and no dots."""

RESERVED = re.compile(r"con|prn|aux|nul|index|(?:com|lpt)[0-9]")
"""Stems that Windows keeps for devices, and our own."""

FOLDERS = {"task": "tasks", "method": "methods", "record": "records", "suite": "suites"}


def stem(name: str) -> str:
    """A file's stem for a name: the name itself where it is plain, else what is left of it and a hash.

    Different names have different stems, in any case of letters.
    """
    if len(name) <= LONGEST and PLAIN.fullmatch(name) and not RESERVED.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: LONGEST - 12]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{kept or 'x'}.{digest}"


def address(kind: str, name: str, ending: str = "html") -> str:
    """Where the page of a task, method, record or suite lies, from the root of the site."""
    return f"{FOLDERS[kind]}/{stem(name)}.{ending}"


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts ``netsim-2`` before ``netsim-10``, and a task before its regimes."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]
