"""A simulated twin of a cohort, written scan by scan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Progress
from ..datasets.cohort import Cohort, CohortWriter, write_cohort
from ..errors import BadOption
from .atlas import FULL_ROIS, twin_atlas
from .ceiling import ceiling
from .gaussian import Design, Pair
from .people import Population, key_of

VERSION = 1
"""Changes when the same seed gives another cohort or another ceiling."""


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
    shorten, least_frames
        Scans are shortened by this factor, but not below so many frames.
    """

    rois: int
    subjects: int | None
    dtype: str
    folds: int | None
    shorten: float = 1.0
    least_frames: int = 0

    def frames(self, real: pd.Series) -> pd.Series:
        """Frames of the twin's scans, from those of the real ones; never more."""
        short = (real * self.shorten).round().clip(lower=self.least_frames)
        return short.clip(upper=real).astype(int)


SIZES = {
    "small": Size(rois=100, subjects=240, dtype="float32", folds=2, shorten=0.7, least_frames=120),
    "full": Size(rois=FULL_ROIS, subjects=None, dtype="float16", folds=None),
}

TASK_FOLDS = 5
"""Folds of the tasks' default split, for the training size of a twin that asks for no other."""


@dataclass(frozen=True)
class TwinSpec:
    """What makes one data set's twin.

    Attributes
    ----------
    dataset
        Name of the data set.
    tables
        Prefix of the site tables in this package.
    column, classes
        Column that holds the label, and its values for labels 0 and 1.
    pairs, effect
        See `Design`; ``effect`` is the default.
    source
        What was counted, and what is assumed, for the manifest.
    """

    dataset: str
    tables: str
    column: str
    classes: tuple[str, str]
    pairs: tuple[Pair, ...]
    effect: float
    source: str


def size_of(name: str) -> Size:
    """A size by its name. Raises `BadOption`."""
    if name not in SIZES:
        raise BadOption(f"no twin of size {name!r}", f"sizes are: {', '.join(SIZES)}")
    return SIZES[name]


def parts(spec: TwinSpec, size: Size, effect: float | None) -> tuple[Design, Population]:
    """The law of the scans and of the people."""
    population = Population.read(spec.tables, spec.column, spec.classes)
    scans = population.scans.assign(frames=size.frames(population.scans["frames"]))
    design = Design(
        twin_atlas(size.rois),
        spec.pairs,
        spec.effect if effect is None else effect,
        structure_seed=key_of(spec.dataset),
    )
    return design, Population(population.people, scans)


def training_size(size: Size, population: Population) -> int:
    """People in the training set of the default split."""
    folds = size.folds or TASK_FOLDS
    return (size.subjects or population.subjects) * (folds - 1) // folds


def write_twin(
    spec: TwinSpec, size_name: str, path: Path, seed: int, effect: float | None, progress: Progress
) -> Cohort:
    """Write a twin's folder whole or not at all; at no time is more than one scan in memory."""
    size = size_of(size_name)
    design, population = parts(spec, size, effect)
    people = population.sample(size.subjects, np.random.default_rng((seed, 0)))
    people = people.iloc[np.random.default_rng((seed, 1)).permutation(len(people))].reset_index(drop=True)
    with write_cohort(path, rois=size.rois, dtype=size.dtype) as writer:
        for k in range(len(people)):
            progress(f"simulate {spec.dataset}", k, len(people))
            _add(writer, spec, design, people.iloc[k], k, seed)
        progress(f"simulate {spec.dataset}", len(people), len(people))
        best = ceiling(design, population, training_size(size, population))
        writer.finish(_manifest(spec, design, size, size_name, seed, asdict(best)))
    return Cohort.open(path)


def _add(writer: CohortWriter, spec: TwinSpec, design: Design, person: pd.Series, number: int, seed: int) -> None:
    """Draw and append one person's scan; its random numbers depend on the seed and the number only."""
    rng = np.random.default_rng((seed, 2, number))
    frames, tr, motion = int(person["frames"]), float(person["tr"]), float(person["motion"])
    series = design.draw_series(int(person["label"]), frames, tr, motion, key_of(person["site"]), rng)
    subject = f"twin-{spec.dataset}-{seed}-{number:04d}"
    row = {name: person[name] for name in ("site", "age", "sex", "motion", "tr")}
    writer.add(subject, series, {"subject": subject, **row, spec.column: spec.classes[person["label"]]})


def _manifest(
    spec: TwinSpec, design: Design, size: Size, size_name: str, seed: int, best: dict[str, Any]
) -> dict[str, Any]:
    """What cohort.json says beside the counts."""
    return {
        "name": f"{spec.dataset}-{size_name}",
        "dataset": spec.dataset,
        "origin": "twin",
        "atlas": design.atlas.manifest(),
        "source": spec.source,
        "importer": {"format": "simulated", "generator": "brainbench.benchmark.simulate"},
        "left_out": {},
        "twin": {
            "version": VERSION,
            "size": size_name,
            "seed": seed,
            "effect": design.effect,
            "pairs": [asdict(pair) for pair in design.pairs],
            "folds": size.folds,
            "ceiling": best,
        },
    }
