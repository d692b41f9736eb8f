"""Data sets of several networks, each a part of its own: installed files, or the simulated twin."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from ...contracts import Data, Dataset, Progress, silent
from ...errors import BadData, BadOption, DataMissing, UnknownName, near
from ...home import cohorts, twins
from ..dataset import SIZES
from .files import Files
from .raw import SOURCE_TARGET, Direction, Group, Layout, Origin, RawPart, natural, numbered
from .store import MANIFEST, Recordings, write

SMALL = 10
"""Subjects of a small twin."""


class RecordingsDataset(Dataset):
    """A data set in parts, such as ``netsim:3``; without a part it can be listed and imported, not loaded.

    Class attributes
    ----------------
    parts
        Names of the parts.
    layouts
        Known layouts of copies, the best first.
    origin
        Where imported numbers come from: "real" or "public simulation".
    full
        Subjects of the full twin.
    says_tr
        Whether files or papers say the TR, so that a person has nothing to state.
    archive
        What ``data get`` downloads: (address of its folder, file); None where nothing can be fetched.
    """

    parts: ClassVar[tuple[str, ...]]
    layouts: ClassVar[Mapping[str, Layout]]
    origin: ClassVar[Origin] = "public simulation"
    full: ClassVar[int]
    says_tr: ClassVar[bool] = True
    archive: ClassVar[tuple[str, str] | None] = None

    def __init__(self, part: str = "") -> None:
        """The data set, or one part of it. Raises `UnknownName` for a part that it has not."""
        if part and part not in self.parts:
            raise UnknownName(
                f"{self.name} has no part {part!r}", near(part, self.parts, f"parts are: {', '.join(self.parts)}")
            )
        self.part = part

    @property
    def folder(self) -> str:
        """Name on disk, such as ``netsim-3``. Raises `BadOption` without a part."""
        if not self.part:
            raise BadOption(
                f"{self.name} has {len(self.parts)} parts", f"name one, such as  {self.name}:{self.parts[0]}"
            )
        return f"{self.name}-{self.part}"

    @abstractmethod
    def find(self, files: Files) -> tuple[list[Group], dict[str, str]]:
        """Groups of files that hold a part, and files that look like it but cannot be used, with the reason."""

    @abstractmethod
    def read(self, files: Files, group: Group, orientation: Direction, tr: float | None) -> RawPart:
        """Read a group with its matrices in the given orientation. Raises `BadData`.

        ``tr`` is what the person says of it, in seconds; None for nothing.
        """

    def installed_parts(self) -> list[str]:
        """Parts whose imported files are on this machine."""
        return [part for part in self.parts if (cohorts() / f"{self.name}-{part}" / MANIFEST).is_file()]

    def installed(self) -> bool:
        """Whether the part, or without one any part, has been imported."""
        have = self.installed_parts()
        return self.part in have if self.part else bool(have)

    def load(self, source: str, progress: Progress = silent) -> Data:
        """The data from "real", "simulated" or "simulated:SIZE". See `Dataset.load`."""
        kind, _, size = source.partition(":")
        if kind == "real" and not size:
            if not (cohorts() / self.folder / MANIFEST).is_file():
                hint = f"{self.how_to_get()}\n  its simulated twin:  add  --data simulated"
                raise DataMissing(f"{self.name}:{self.part} is not installed", hint)
            return Recordings.open(cohorts() / self.folder).data()
        if kind == "simulated":
            return self.twin(size or SIZES[0], progress=progress).data()
        raise BadOption(f"--data {source}: no such source", "sources are: real, simulated, simulated:full")

    def twin(self, size: str, seed: int = 0, progress: Progress = silent) -> Recordings:
        """The twin of a size, made when it is not there whole. Raises `BadOption` for an unknown size."""
        if size not in SIZES:
            raise BadOption(f"no twin of size {size!r}", f"sizes are: {', '.join(SIZES)}")
        path = twins() / (f"{self.folder}-{size}" if seed == 0 else f"{self.folder}-{size}-seed{seed}")
        settings = {"version": self.twin_version(), "size": size, "seed": seed}
        with suppress(DataMissing, BadData):
            stored = Recordings.open(path)
            stored.verify()
            if stored.manifest.twin == settings:
                return stored
        part = self.simulate(SMALL if size == SIZES[0] else self.full, seed, progress)
        return write(
            path,
            part,
            dataset=self.name,
            origin="twin",
            source=self.generator(),
            orientation=(SOURCE_TARGET, "the generator's"),
            twin=settings,
        )

    def generator(self) -> str:
        """What makes the twin, in words."""
        return "the forward model of brainbench.benchmark.simulate under the published settings of this network"

    def twin_version(self) -> str:
        """Version of the generator; a stored twin of another one is made again."""
        from ...simulate import forward, network
        from ...simulate.network_cases import CASES

        return version_of(repr(CASES[f"{self.name}:{self.part}"]), forward, network)

    def simulate(self, subjects: int, seed: int, progress: Progress) -> RawPart:
        """The part's network run through the forward model."""
        from ...simulate.network_cases import CASES, simulate

        made = simulate(CASES[f"{self.name}:{self.part}"], subjects, seed, progress)
        return simulated_part(self.part, made.series, made.graphs, made.tr)

    def how_to_get(self) -> str:
        """The commands that bring the files."""
        steps = [f"brainbench data get {self.name}"] if self.archive else []
        steps.append(f"brainbench data import {self.name} PATH")
        return f"the files:  {'   then  '.join(steps)}"


def version_of(settings: str, *modules: ModuleType) -> str:
    """Hash of a generator's settings and source, so that no change of it can go unnoticed."""
    digest = hashlib.sha256(settings.encode())
    for module in modules:
        assert module.__file__
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:16]


def simulated_part(part: str, series: Any, graphs: Any, tr: float = math.nan) -> RawPart:
    """A part from simulated arrays, (time, node) and (node, node) for each subject."""
    names = [numbered(k + 1) for k in range(len(series))]
    return RawPart(
        part,
        tuple(f"X{k + 1}" for k in range(series[0].shape[1])),
        tr,
        {name: np.asarray(values, np.float64) for name, values in zip(names, series, strict=True)},
        {name: np.asarray(graph, bool) for name, graph in zip(names, graphs, strict=True)},
    )


def in_order(names: list[str]) -> tuple[str, ...]:
    """File names with their numbers in order."""
    return tuple(sorted(names, key=natural))


def folder_of(name: str) -> Path:
    """The folder of a file, in an archive too."""
    return Path(name).parent
