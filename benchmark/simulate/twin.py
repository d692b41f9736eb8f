"""A simulated twin of a cohort, written scan by scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Progress
from ..datasets.cohort import Cohort, CohortWriter, write_cohort
from ..errors import BadOption
from .atlas import FULL_ROIS, twin_atlas
from .ceiling import ceilings
from .gaussian import Design, Plant
from .people import Population, key_of
from .targets import Target, targets
from .versions import RESTING


@dataclass(frozen=True)
class Size:
    """How large a twin is.

    Attributes
    ----------
    rois
        Number of columns.
    subjects
        Number of people; None for as many as the real cohort has.
    dtype
        Precision on disk.
    folds
        Folds of its default split; None for the task's own.
    shorten, least_frames, most_frames
        Scans are shortened by this factor, but not below so many frames, and cut at most.
    """

    rois: int
    subjects: int | None
    dtype: str
    folds: int | None
    shorten: float = 1.0
    least_frames: int = 0
    most_frames: int | None = None

    def frames(self, real: pd.Series) -> pd.Series:
        """Frames of the twin's scans, from those of the real ones; never more."""
        short = (real * self.shorten).round().clip(self.least_frames, self.most_frames)
        return short.clip(upper=real).astype(int)


SIZES = {
    "small": Size(rois=100, subjects=240, dtype="float32", folds=2, shorten=0.7, least_frames=120, most_frames=150),
    "full": Size(rois=FULL_ROIS, subjects=None, dtype="float16", folds=None, most_frames=490),
}

LEAST_PEOPLE = 100
"""People in the smallest twin that a number asks for."""

TASK_FOLDS = 5
"""Folds of the tasks' default split, for the training size of a twin that asks for no other."""


@dataclass(frozen=True)
class TwinSpec:
    """What makes one data set's twin.

    Attributes
    ----------
    dataset
        Name of the data set.
    plants
        See `Design`; the first is the main one, whose effect `write_twin` can set.
    source
        What was counted, and what is assumed, for the manifest.
    column, classes
        Column that holds the diagnosis, and its values; empty where there is none.
    labels
        Target -> class of each diagnosis, see `targets`.
    people
        Further fields of `Population`.
    """

    dataset: str
    plants: tuple[Plant, ...]
    source: str
    column: str = ""
    classes: tuple[str, ...] = ()
    labels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    people: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """The laws of a twin: of its scans, of its people, and what is asked of them."""

    design: Design
    population: Population
    targets: tuple[Target, ...]


def size_of(name: str) -> Size:
    """A size by its name, or by a number of people, whose scans are small. Raises `BadOption`."""
    if name in SIZES:
        return SIZES[name]
    if name.isdecimal() and int(name) >= LEAST_PEOPLE:
        return replace(SIZES["small"], subjects=int(name), dtype="float16", folds=None)
    raise BadOption(
        f"no twin of size {name!r}", f"sizes are: {', '.join(SIZES)}, or a number of people from {LEAST_PEOPLE} on"
    )


def parts(spec: TwinSpec, size: Size, effect: float | None) -> Parts:
    """The laws of a twin; ``effect`` replaces that of the main plant."""
    population = Population.read(spec.dataset, spec.column, spec.classes, **spec.people)
    scans = population.scans.assign(frames=size.frames(population.scans["frames"]))
    main, *others = spec.plants
    plants = (main if effect is None else replace(main, effect=effect), *others)
    design = Design(twin_atlas(size.rois), plants, structure_seed=key_of(spec.dataset))
    return Parts(design, replace(population, scans=scans), targets(population, spec.labels))


def training_size(size: Size, population: Population) -> int:
    """People in the training set of the default split."""
    folds = size.folds or TASK_FOLDS
    return (size.subjects or population.subjects) * (folds - 1) // folds


def write_twin(
    spec: TwinSpec, size_name: str, path: Path, seed: int, effect: float | None, progress: Progress
) -> Cohort:
    """Write a twin's folder whole or not at all; at no time is more than one scan in memory."""
    size = size_of(size_name)
    found = parts(spec, size, effect)
    design, population = found.design, found.population
    people = population.sample(size.subjects, np.random.default_rng((seed, 0)))
    people = people.iloc[np.random.default_rng((seed, 1)).permutation(len(people))].reset_index(drop=True)
    scales = design.scales(population.codes(people))
    rows = _rows(spec, people, seed)
    with write_cohort(path, rois=size.rois, dtype=size.dtype) as writer:
        for k, (row, scale, frames) in enumerate(zip(rows, scales, people["frames"].tolist(), strict=True)):
            progress(f"simulate {spec.dataset}", k, len(people))
            _add(writer, design, row, scale, frames, np.random.default_rng((seed, 2, k)))
        progress(f"simulate {spec.dataset}", len(people), len(people))
        best = ceilings(design, population, found.targets, training_size(size, population))
        manifest = _manifest(spec, design, size, size_name, seed)
        manifest["twin"]["ceilings"] = {name: asdict(ceiling) for name, ceiling in best.items()}
        writer.finish(manifest)
    return Cohort.open(path)


def _rows(spec: TwinSpec, people: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """What the scan table says of each person; ids number them in the order of the table."""
    ids = [f"twin-{spec.dataset}-{seed}-{number:04d}" for number in range(len(people))]
    table = people.drop(columns=["label", "frames"]).assign(subject=ids)
    if spec.column:
        table[spec.column] = np.array(spec.classes)[people["label"]]
    if "family" in table:
        table["family"] = [f"twin-{spec.dataset}-{seed}-family-{number:04d}" for number in table["family"]]
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _add(
    writer: CohortWriter,
    design: Design,
    row: Mapping[str, Any],
    scale: np.ndarray,
    frames: int,
    rng: np.random.Generator,
) -> None:
    """Draw and append one person's scan; its random numbers depend on the seed and the number only."""
    series = design.draw_series(scale, frames, row["tr"], row["motion"], key_of(row["site"]), rng)
    writer.add(row["subject"], series, row)


def _manifest(spec: TwinSpec, design: Design, size: Size, size_name: str, seed: int) -> dict[str, Any]:
    """What cohort.json says beside the counts and the ceilings."""
    return {
        "name": f"{spec.dataset}-{size_name}",
        "dataset": spec.dataset,
        "origin": "twin",
        "atlas": design.atlas.manifest(),
        "source": spec.source,
        "importer": {"format": "simulated", "generator": "brainbench.benchmark.simulate"},
        "left_out": {},
        "twin": {
            "version": RESTING,
            "size": size_name,
            "seed": seed,
            "effect": design.plants[0].effect,
            "plants": [asdict(plant) for plant in design.plants],
            "folds": size.folds,
        },
    }
