"""Pretraining: a method learns weights before it meets a task, and leaves a list of whom it saw.

It gets label-free scans, and the labels of tasks where some are named.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .audit import SEEN, leave_manifest
from .cells import configure
from .contracts import Context, Data, Dataset, Method, Pretrainable, Progress, Source, Task, TaskInfo
from .datasets.dataset import load_cohort
from .errors import BadData, BadOption, UnknownName
from .files import whole_folder
from .kinds import get_kind
from .kinds.scans import SCAN_FIELDS, Scans
from .loading import Loaded, load
from .plan import weights_hash
from .registry import load_all, load_dataset, load_method, load_task
from .staging import anonymous, load_train, show_source, source_file


@dataclass(frozen=True)
class Plan:
    """What to pretrain, on what, how.

    Attributes
    ----------
    method, preset, settings
        As for a run.
    cohorts, data
        Names of imported cohorts or data sets, and their source: real, simulated or simulated:SIZE.
    tasks
        Tasks whose labels are learned from; without cohorts, their data sets are these.
    stage, checkpoint
        The stage to train (0: all), and the weights to start from.
    """

    method: str
    cohorts: tuple[str, ...]
    data: str = "real"
    tasks: tuple[str, ...] = ()
    stage: int = 0
    checkpoint: Path | None = None
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
    """Write a checkpoint folder whole or not at all.

    What a method keeps to go on after an interruption lies beside it until then. Raises `BadOption` for
    a method that cannot be pretrained, or not like this.
    """
    method_class, entry = load_method(plan.method)
    _, options = configure(method_class, plan.preset, dict(plan.settings or {}))
    method = method_class(**options)
    if not isinstance(method, Pretrainable):
        raise BadOption(f"{entry.name} has no pretraining", f"methods that have: {', '.join(pretrainable())}")
    refuse_unfit(plan, method_class)
    refuse_other_folder(target)
    lent = [(task, load(task, plan.data, progress)) for task, _ in map(load_task, dict.fromkeys(plan.tasks))]
    named = [load_data(name, plan.data, progress) for name in dict.fromkeys(plan.cohorts)]
    found = named or list({loaded.data.name: loaded.data for _, loaded in lent}.values())
    refuse_others([*found, *(loaded.data for _, loaded in lent)])
    refuse_unlike([*found, *(loaded.data for _, loaded in lent)])
    everything = [*found, *(loaded.data for _, loaded in lent)]
    resume = target.parent / f".{target.name}.resume"
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
                checkpoint=plan.checkpoint,
                sources=sources(lent, work),
                stage=plan.stage,
                resume=resume / plan_hash(plan, options, everything),
            )
            method.pretrain([blind(data) for data in found], context)
            tables = pd.concat([data.items.table for data in everything])
            digests = tables["digest"].dropna().astype(str) if "digest" in tables else ()
            names = dict.fromkeys(data.name for data in everything)
            subjects = tables["subject"].astype(str).unique()
            for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):  # one of a stage, too
                leave_manifest(place, "+".join(names), subjects, digests, plan.checkpoint)
        shutil.rmtree(resume, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Seen(tuple(names), tables.index.nunique(), len(subjects))


def refuse_unfit(plan: Plan, method: type[Method]) -> None:
    """Raise `BadOption` where the method has no such stage, or reads no weights, or nothing is named."""
    if not plan.cohorts and not plan.tasks:
        raise BadOption("nothing to pretrain on", "name a cohort (--cohort C) or a task with labels (--task T)")
    if not 0 <= plan.stage <= method.stages:
        raise BadOption(f"--stage {plan.stage}: {plan.method} has {method.stages} of them", "leave it out for all")
    if plan.checkpoint and not method.takes_checkpoint:
        raise BadOption(f"{plan.method} cannot start from weights", "leave out --checkpoint")
    if plan.checkpoint and not plan.checkpoint.exists():
        raise BadOption(f"--checkpoint {plan.checkpoint}: no such file")


def sources(lent: Sequence[tuple[Task, Loaded]], work: Path) -> dict[str, Source]:
    """The labelled data of tasks, as methods get them."""
    found = {}
    for number, (task, loaded) in enumerate(lent):
        file = work / source_file(number)
        show_source(task, loaded.items).save(file)
        found[task.name] = Source(task.info, load_train(file, get_kind(task.kind), task.info))
    return found


def plan_hash(plan: Plan, options: Mapping[str, object], found: Sequence[Data]) -> str:
    """What tells an interrupted pretraining from another one."""
    told = [plan.method, sorted(map(str, options.items())), plan.tasks, plan.stage, plan.seed, plan.device]
    told += [data.fingerprint for data in found]
    told += [weights_hash(plan.checkpoint)] if plan.checkpoint else []
    return hashlib.sha256(repr(told).encode()).hexdigest()[:24]


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
