"""What is tried on: a reader of a file from outside, with a folder in which everything is in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from brainbench.benchmark.datasets.rules import LeftOut
from brainbench.benchmark.errors import BrainbenchError
from brainbench.benchmark.submitting.text import Unreadable

REFUSES = (BrainbenchError, LeftOut, Unreadable)
"""How a reader may say no: an error that a person reads, why a scan is left out, why a submission is refused."""


@dataclass(frozen=True)
class Reader:
    """A reader of outside files.

    Attributes
    ----------
    name
        What is read, for the table.
    file
        The file that is spoilt, inside the folder that ``seed`` writes; its ending tells how.
    seed
        Writes a sound folder.
    read
        Reads the folder. It may only raise one of `REFUSES`.
    """

    name: str
    file: str
    seed: Callable[[Path], object]
    read: Callable[[Path], object]


def readers_of(
    name: str, seed: Callable[[Path], object], files: Iterable[str], read: Callable[[Path], object]
) -> Iterator[Reader]:
    """One reader for each file of a folder that may be spoilt."""
    for file in files:
        yield Reader(f"{name}: {file}", file, seed, read)
