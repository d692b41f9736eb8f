"""How cells are run: what a worker is told beside its cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """How to run, none of which may change a result.

    Attributes
    ----------
    device, threads
        Torch device and CPU threads of a worker.
    executor
        Name for the record.
    checkpoint, save
        As in `plan.Request`.
    isolated
        Whether only what ran in a sandbox counts as finished; the pool must have one.
    """

    device: str
    threads: int
    executor: str = "local"
    checkpoint: Path | None = None
    save: Path | None = None
    isolated: bool = False
