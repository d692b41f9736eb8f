"""Pretraining: a method learns weights from label-free scans, and leaves a list of whom it saw."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .audit import SEEN, leave_manifest
from .cells import configure
from .contracts import Context, Data, Dataset, Pretrainable, Progress, TaskInfo
from .datasets.dataset import load_cohort
from .errors import BadData, BadOption, UnknownName
from .files import whole_folder
from .kinds.scans import SCAN_FIELDS, Scans
from .registry import load_all, load_dataset, load_method
from .staging import anonymous


@dataclass(frozen=True)
class Plan:
    """What to pretrain, on what, how.

    Attributes
    ----------
    method, preset, settings
        As for a run.
    cohorts, data
        Names of imported cohorts or data sets, and their source: real, simulated or simulated:SIZE.
    """

    method: str
    cohorts: tuple[str, ...]
    data: str = "real"
    preset: str | None = None
    settings: Mapping[str, str] | None = None
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Seen:
    """What a checkpoint learned from: names of the cohorts, and how many scans and subjects."""

    cohorts: tuple[str, ...]
    scans: int
    subjects: int


def pretrain(plan: Plan, target: Path, progress: Progress) -> Seen:
    """Write a checkpoint folder whole or not at all. Raises `BadOption` for a method that cannot be pretrained."""
    method_class, entry = load_method(plan.method)
    _, options = configure(method_class, plan.preset, dict(plan.settings or {}))
    method = method_class(**options)
    if not isinstance(method, Pretrainable):
        raise BadOption(f"{entry.name} has no pretraining", f"methods that have: {', '.join(pretrainable())}")
    refuse_other_folder(target)
    found = [load_data(name, plan.data, progress) for name in dict.fromkeys(plan.cohorts)]
    refuse_others(found)
    refuse_unlike(found)
    work = Path(tempfile.mkdtemp(prefix="brainbench-pretrain-"))
    try:
        with whole_folder(target) as folder:
            context = Context(
                task=TaskInfo("pretraining", "pretraining", "", inputs=tuple(found[0].items.arrays)),
                seed=plan.seed,
                workdir=work,
                device=plan.device,
                threads=os.cpu_count() or 1,
                progress=progress,
                save=folder,
            )
            method.pretrain([blind(data) for data in found], context)
            tables = pd.concat([data.items.table for data in found])
            digests = tables["digest"].astype(str) if "digest" in tables else ()
            leave_manifest(
                folder, "+".join(data.name for data in found), tables["subject"].astype(str).unique(), digests
            )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Seen(tuple(data.name for data in found), len(tables), tables["subject"].nunique())


def pretrainable() -> list[str]:
    """Names of the methods that can be pretrained."""
    found = load_all("methods")
    return [entry.name for entry, method in found if isinstance(method, type) and issubclass(method, Pretrainable)]


def refuse_other_folder(target: Path) -> None:
    """Raise `BadOption` where the folder holds something else than a checkpoint, which would be replaced."""
    if target.exists() and not (target / SEEN).is_file() and (target.is_file() or any(target.iterdir())):
        raise BadOption(f"--out {target}: it exists, and is no checkpoint", "name a new folder")


def load_data(name: str, source: str, progress: Progress) -> Data:
    """An imported cohort by its name, or a data set from a source."""
    try:
        dataset: Dataset = load_dataset(name)
    except UnknownName:
        return load_cohort(name)
    return dataset.load(source, progress)


def blind(data: Data) -> Scans:
    """Scans without labels and ids; of the covariates only the site, which normalisation may use."""
    return Scans(anonymous(data.items.select((*SCAN_FIELDS, "site"))), ("site",))


def refuse_others(found: list[Data]) -> None:
    """Raise `BadData` where data hold no scans of people, as recordings with known graphs."""
    for data in found:
        if "atlas" not in data.items.meta:
            raise BadData(f"{data.name} holds no scans of people", "name a cohort; see `brainbench data list`")


def refuse_unlike(found: list[Data]) -> None:
    """Raise `BadData` where cohorts do not share their regions."""
    first = found[0]
    for data in found[1:]:
        ours, theirs = (part.items.meta.get("atlas", {}).get("labels") for part in (first, data))
        if ours != theirs:
            raise BadData(
                f"{first.name} and {data.name} have other ROIs ({len(ours or [])}, {len(theirs or [])})",
                "pretrain on cohorts of one atlas",
            )
