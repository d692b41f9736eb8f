"""Data sets that are cohorts on disk: the installed one, or its simulated twin.

A new one is a subclass with ``name``, ``card`` and ``twin`` (see `brainbench.benchmark.datasets.abide`).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ..contracts import Ceiling, Data, Dataset, Progress, silent
from ..errors import BadOption, DataMissing
from ..home import cohorts, twins
from ..simulate.versions import RESTING
from .cohort import Cohort
from .scheme import OWN, Scheme

SIZES = ("small", "full")
"""Sizes of a twin; the first is the default."""


def data_of(cohort: Cohort) -> Data:
    """A cohort as a task gets it: origin, fingerprint, and of a twin its ceilings and folds.

    Raises `BadData` where its manifest or its table is not what was written.
    """
    cohort.check_seal()
    manifest, twin = cohort.manifest, cohort.manifest.twin or {}
    return Data(
        items=cohort.items(),
        name=manifest.name,
        origin=manifest.origin,
        fingerprint=manifest.fingerprint,
        ceilings={target: Ceiling(**ceiling) for target, ceiling in twin.get("ceilings", {}).items()},
        folds=twin.get("folds"),
    )


def load_cohort(name: str) -> Data:
    """An imported cohort by its name, whatever data set it belongs to. Raises `DataMissing`."""
    path = cohorts() / name
    # A name comes from a command line: it must not lead to another folder.
    if path.parent != cohorts() or not (path / "cohort.json").exists():
        have = ", ".join(sorted(file.parent.name for file in cohorts().glob("*/cohort.json")))
        raise DataMissing(
            f"no cohort {name!r} is installed (there are: {have or 'none'})",
            f"import it:  brainbench data import own PATH --name {name}",
        )
    return data_of(Cohort.open(path))


class CohortDataset(Dataset):
    """A data set whose real data are imported, and whose twin is simulated when first asked for.

    Class attributes
    ----------------
    open_access
        Whether ``brainbench data get`` brings it.
    scheme
        How its participants table is read.
    """

    open_access: ClassVar[bool] = False
    scheme: ClassVar[Scheme] = OWN

    def simulate(self, size: str, path: Path, seed: int, progress: Progress) -> Cohort:
        """Write the twin's folder. Raises `DataMissing` when the data set has no twin."""
        raise DataMissing(f"{self.name} has no simulated twin", self._how_to_get())

    def twin_version(self) -> int:
        """Version of the generator; a stored twin of another one is made again."""
        return 0

    def installed(self) -> bool:
        """Whether the real cohort is on this machine."""
        return (cohorts() / self.name / "cohort.json").exists()

    def load(self, source: str, progress: Progress = silent) -> Data:
        """The data from "real", "simulated" or "simulated:SIZE". See `Dataset.load`."""
        kind, _, size = source.partition(":")
        if kind == "real" and not size:
            if not self.installed():
                raise DataMissing(f"{self.name} is not installed", self._how_to_get())
            return load_cohort(self.name)
        if kind == "simulated":
            return data_of(self.twin(size or SIZES[0], progress=progress))
        raise BadOption(
            f"--data {source}: no such source", "sources are: real, simulated, simulated:full, simulated:PEOPLE"
        )

    def twin(self, size: str, seed: int = 0, progress: Progress = silent) -> Cohort:
        """The twin of a size, made when it is not there yet. Raises `BadOption` for an unknown size."""
        if size not in SIZES and not size.isdecimal():
            raise BadOption(f"no twin of size {size!r}", f"sizes are: {', '.join(SIZES)}, or a number of people")
        path = twins() / (f"{self.name}-{size}" if seed == 0 else f"{self.name}-{size}-seed{seed}")
        if (path / "cohort.json").exists():
            cohort = Cohort.open(path)
            if (cohort.manifest.twin or {}).get("version") == self.twin_version():
                return cohort
        return self.simulate(size, path, seed, progress)

    def _how_to_get(self) -> str:
        """The commands that bring the real data."""
        steps = [f"brainbench data get {self.name}"] if self.open_access else []
        steps.append(f"brainbench data import {self.name} PATH")
        return f"real data:  {'   then  '.join(steps)}\n  its simulated twin:  add  --data simulated"


class TwinnedCohort(CohortDataset):
    """A cohort whose twin comes from the generator of resting-state twins, by the data set's name."""

    def simulate(self, size: str, path: Path, seed: int, progress: Progress) -> Cohort:
        """Write the twin's folder."""
        from ..simulate.twins import simulate

        return simulate(self.name, size, path, seed, progress=progress)

    def twin_version(self) -> int:
        """Version of the generator."""
        return RESTING
