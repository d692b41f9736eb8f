"""Twins of the resting-state cohorts, by the name of their data set."""

from __future__ import annotations

from pathlib import Path

from ..contracts import Progress, silent
from ..datasets.cohort import Cohort
from .abide import SPECS
from .twin import write_twin


def simulate(
    name: str, size: str, path: Path, seed: int = 0, effect: float | None = None, progress: Progress = silent
) -> Cohort:
    """Write the twin of a data set into a cohort folder; one that exists is replaced."""
    return write_twin(SPECS[name], size, path, seed, effect, progress)
