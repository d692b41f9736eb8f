"""Hidden labels: a cohort whose test labels somebody keeps, the file that holds them, and how both come together.

The keeper cuts a cohort in two (`withhold`): one that anybody may have, in which the test people have no label and no
name, and a sealed file with the truth. Predictions are made on the first (regime ``@hidden:COHORT``); the keeper
scores them with the second (`with_truth`), by the same code as any other record.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from .contracts import Leaves, Progress, Task
from .datasets.cohort import Cohort, write_cohort
from .errors import BadData, BadIds, BadOption
from .files import write_text
from .home import cohorts
from .items import Items
from .loading import Loaded, labelled
from .registry import load_dataset
from .splits import deal, one_row_a_group, stratum

if TYPE_CHECKING:
    import pandas as pd

PARTS = 20
"""A test share is a number of twentieths."""

KEPT = ("tr", "frames", "start", "flags", "digest")
"""Columns that test people keep beside the task's covariates. A session may be named by what it was: it is not."""

LARGEST = 1 << 28
"""Bytes of a file of truth that are read at most."""

KEPT_ELSEWHERE = (
    "the truth of the test items is withheld\n"
    "make a submission:  brainbench submit RECORD --to DIR ; its keeper scores it:  brainbench verify DIR --truth FILE"
)
"""Why there is no score where the predictions were made."""

WRITTEN = "give the file that  brainbench data withhold  wrote"


class Truth(BaseModel):
    """The withheld truth: ``data`` is the fingerprint of the open cohort, ``labels`` item id -> truth.

    ``names`` maps the id of each test person in the open cohort to the person's own.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    task: str
    version: int
    target: str
    data: str
    labels: dict[str, str | float]
    names: dict[str, str] = {}


@dataclass(frozen=True)
class Withheld:
    """What `withhold` made: the open cohort, the file of truth, and how many items train and test."""

    cohort: Path
    truth: Path
    train: int
    test: int


def withhold(
    task: Task, source: Cohort, name: str, truth: Path, share: float, seed: int, progress: Progress
) -> Withheld:
    """Cut a cohort into one with withheld test labels, installed as ``name``, and a file of truth.

    People (families) are drawn, stratified by site and target. Test people get new ids and keep the task's covariates
    only; all scans change places. Who is tested follows from ``seed``; new ids and places follow from nothing that
    anybody could try, or a public list of names and labels would tell who stands where. Raises `BadOption` for a task
    or share that cannot be withheld, and where a cohort or file of that name is there.
    """
    refuse(task, name, truth, share)
    loaded = labelled(source.items(), task)
    usable = loaded.take(np.flatnonzero(_known(loaded.table[task.target])))
    tested = draw(task, usable, share, seed)
    hidden = np.random.default_rng(secrets.randbits(128))
    items = usable.table.iloc[hidden.permutation(len(usable.table))]
    alias = aliases(items.loc[items.index.isin(tested)], hidden)
    table = opened(task, items, tested, alias)
    series = np.load(source.path / "series.npy", mmap_mode="r", allow_pickle=False)
    manifest = source.manifest
    with write_cohort(cohorts() / name, rois=manifest.rois, dtype=manifest.dtype, grid=manifest.grid) as writer:
        for done, (scan, row) in enumerate(table.iterrows()):
            start, frames = int(row["start"]), int(row["frames"])
            told = {str(name): value for name, value in row.items() if name not in ("start", "frames", "digest")}
            writer.add(str(scan), series[start : start + frames], told)
            progress("scans", done, len(table))
        kept = manifest.model_dump(include={"dataset", "origin", "atlas", "importer", "twin"})
        about = {"name": name, "source": f"{manifest.name}, labels withheld", "leaves": may_leave(source)}
        writer.finish({**kept, **about, "left_out": {}})
    labels = items.loc[items.index.isin(tested), task.target]
    names = dict(zip(table.index, items.index, strict=True))
    back = {str(names[scan]): str(scan) for scan in table.index}
    sealed = Truth(
        task=task.name,
        version=task.version,
        target=task.target,
        data=Cohort.open(cohorts() / name).manifest.fingerprint,
        labels={back[str(scan)]: _plain(value) for scan, value in labels.items()},
        names={alias[subject]: subject for subject in sorted(alias)},
    )
    write_text(truth, sealed.model_dump_json(indent=1))
    truth.chmod(0o600)
    return Withheld(cohorts() / name, truth, len(table) - len(labels), len(labels))


def refuse(task: Task, name: str, truth: Path, share: float) -> None:
    """Raise `BadOption` where nothing can be withheld so."""
    if task.kind not in ("classification", "regression"):
        raise BadOption(
            f"the truth of {task.name} ({task.kind}) is no column of a table", "withhold a classification or regression"
        )
    if "hidden" not in task.regimes:
        raise BadOption(f"task {task.name!r} has no regime @hidden", "take the task without a regime")
    if not 1 <= round(share * PARTS) < PARTS:
        raise BadOption(f"--share {share:g}: between {1 / PARTS:g} and {1 - 1 / PARTS:g}", "such as  --share 0.3")
    if not name.isidentifier() and not all(part.isalnum() for part in name.split("-")):
        raise BadOption(f"--name {name!r}: letters, digits and hyphens", "such as  --name abide1-open")
    for place in (cohorts() / name, truth):
        if place.exists():
            raise BadOption(f"{place} is there already", "choose another name: withheld labels are never drawn anew")


def may_leave(source: Cohort) -> Leaves:
    """What predictions on the open cohort let out. A lab that gives away scans of its own lets their ids out."""
    manifest = source.manifest
    if manifest.leaves is not None:
        return manifest.leaves
    return "ids" if manifest.dataset == "own" else load_dataset(manifest.dataset).card.leaves


def draw(task: Task, items: Items, share: float, seed: int) -> set[str]:
    """Ids of the items of the people who are tested."""
    groups = one_row_a_group(items.table)
    part = deal(stratum(groups, task.target, PARTS), PARTS, np.random.default_rng(seed))
    people = groups.index[part < round(share * PARTS)]
    return set(map(str, items.table.index[items.table["group"].isin(people)]))


def aliases(table: pd.DataFrame, rng: np.random.Generator) -> dict[str, str]:
    """Subject -> new id, in an order that says nothing."""
    people = rng.permutation(table["subject"].astype(str).unique())
    return {str(subject): f"hidden{number + 1:05d}" for number, subject in enumerate(people)}


def opened(task: Task, items: pd.DataFrame, tested: set[str], alias: dict[str, str]) -> pd.DataFrame:
    """The table that anybody may have: a column ``set``, and of test people no label, name or other fact."""
    import pandas as pd

    test = items.index.isin(tested)
    table = items.drop(columns=[name for name in ("group", *_made(task)) if name in items])
    for name in [name for name in table if name not in (*KEPT, *task.covariates, "subject", "family")]:
        empty = np.nan if pd.api.types.is_numeric_dtype(table[name]) else ""
        table[name] = table[name].where(~test, empty)
    if "family" in items:  # relatives stay together, under the new name of one of them
        head = items.groupby("group")["subject"].transform("first").astype(str).map(alias)
        table["family"] = items["family"].where(~test, head)
    table["subject"] = items["subject"].astype(str).where(~test, items["subject"].astype(str).map(alias))
    table["set"] = np.where(test, "test", "train")
    number = table.groupby("subject").cumcount() + 1
    ids = table["subject"] + "_" + number.astype(str)
    return table.set_axis(pd.Index(np.where(test, ids, table.index), name="scan"))


def _made(task: Task) -> tuple[str, ...]:
    """The target's column where the task makes it from others: it is made again when the cohort is loaded."""
    return (task.target,) if task.label is not None else ()


def _known(values: pd.Series) -> np.ndarray:
    return (values.notna() & (values.astype(str) != "")).to_numpy()


def _plain(value: object) -> str | float:
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]


def missing(task: Task, items: Items) -> bool:
    """Whether the truth of test items is not here."""
    if not task.withheld:
        return False
    test = items.table.loc[items.table["set"] == "test", task.target]
    return not bool(_known(test).all())


def read_truth(path: Path) -> Truth:
    """The withheld truth from its file. Raises `BadData`."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadData(f"{path}: larger than {LARGEST >> 20} MiB", WRITTEN)
        return Truth.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BadData(
            f"{path}: not a file of withheld truth ({reason})", "give the file that `data withhold` wrote"
        ) from None


def with_truth(task: Task, loaded: Loaded, path: Path) -> Loaded:
    """The data with the withheld truth of their test items.

    Raises `BadData` for a file of other data, or of another task or version, `BadIds` for other items.
    """
    import pandas as pd

    truth = read_truth(path)
    data = loaded.data
    base = task.name.partition("@")[0]
    for what, mine, theirs in (
        ("task", base, truth.task),
        ("version", task.version, truth.version),
        ("target", task.target, truth.target),
        ("data", data.fingerprint, truth.data),
    ):
        if mine != theirs:
            raise BadData(f"{path}: the truth of another {what} ({theirs}; here {mine})", "give the file of these data")
    table = data.items.table
    test = table.index[table["set"] == "test"]
    if set(map(str, test)) != set(truth.labels):
        raise BadIds(
            f"{path}: its items are not the {len(test)} test items of {data.name}", "give the file of these data"
        )
    whole = table[task.target].astype(object)
    whole.loc[test] = [truth.labels[str(name)] for name in test]
    filled = whole if task.classes else pd.to_numeric(whole)
    items = Items(table.assign(**{task.target: filled}), data.items.arrays, data.items.meta)
    return Loaded(replace(data, items=items), loaded.left_out)


def seal(path: Path) -> str:
    """What names a file of truth without telling it: the beginning of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
