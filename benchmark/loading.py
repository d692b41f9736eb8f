"""From a task and ``--data`` to the items that are split: which source, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .contracts import Ceiling, Data, Kind, Progress, Task
from .datasets.dataset import load_cohort
from .errors import BadData, BadOption
from .items import Items
from .kinds import get_kind
from .registry import load_dataset
from .splits import SplitManifest, make_manifest, with_folds

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Loaded:
    """Data as a task uses them: items with a usable truth, and how many were left out and why."""

    data: Data
    left_out: dict[str, int]

    @property
    def items(self) -> Items:
        """The usable items."""
        return self.data.items


def choose_source(tasks: Sequence[Task], option: str) -> tuple[str, str]:
    """The source for all tasks of a run, and a sentence that says so when it was chosen.

    ``auto`` takes real data when any task's data are installed (the others are then missing), else
    the twins: sources are never mixed in one run.
    """
    if option != "auto":
        if option.partition(":")[0] not in ("real", "simulated"):
            raise BadOption(f"--data {option}: expected auto, real, simulated or simulated:SIZE")
        return option, ""
    names = list(dict.fromkeys(task.dataset for task in tasks))
    here = [name for name in names if load_dataset(name).installed()]
    if len(here) == len(names):
        return "real", "data: what is installed is used, not the simulated twin"
    if here:
        return "real", (
            f"data: {len(here)} of {len(names)} data sets are installed and used; the tasks of the others are missing "
            "(all on simulated twins:  --data simulated)"
        )
    if all(name.startswith("own:") for name in names):
        return "real", ""  # a lab's own cohort has no twin: loading says what is missing
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    verb = "is" if len(names) == 1 else "are"
    return "simulated", (
        f"data: {listed} {verb} not installed, so the simulated twin is used; its scores say nothing about real "
        "brains. How to get real data:  brainbench data list"
    )


def load(task: Task, source: str, progress: Progress) -> Loaded:
    """The items of a task. Raises `DataMissing` or `BadData` with what to do."""
    data = load_dataset(task.dataset).load(source, progress)
    if task.test_dataset:
        if data.origin == "twin":
            raise BadOption(f"{task.name}: external validation needs real data", "use --data real")
        data = with_external(data, load_cohort(task.test_dataset))
    kind = get_kind(task.kind)
    items, left_out = usable(kind, labelled(data.items, task), task)
    if task.derive:
        items, more = kind.clean(task.derive(items), task.info)
        left_out = {**left_out, **more}
    if not len(items):
        raise BadData(
            f"{task.name}: no item of {data.name!r} has a usable {task.target!r}",
            f"see `brainbench data check {data.name}`",
        )
    return Loaded(replace(data, items=items, ceilings=ceilings_of(task, data, items)), left_out)


def usable(kind: Kind, items: Items, task: Task) -> tuple[Items, dict[str, int]]:
    """Items with a usable truth, and how many were left out for each reason; test items whose truth is kept stay."""
    if not task.withheld:
        return kind.clean(items, task.info)
    if "set" not in items.table:
        raise BadData(
            f"{task.name}: the cohort does not say who is tested (it has no column 'set')",
            "take one that  brainbench data withhold  made",
        )
    test = (items.table["set"] == "test").to_numpy()
    train, left_out = kind.clean(items.take(np.flatnonzero(~test)), task.info)
    return items.take(np.flatnonzero(test | items.table.index.isin(train.table.index))), left_out


def ceilings_of(task: Task, data: Data, items: Items) -> Mapping[str, Ceiling]:
    """The ceilings of a twin; none where a task leaves out parts, such as brains, over which they are means."""
    if any(name.startswith(f"{task.target}/") for name in data.ceilings):
        return mean_of_parts(task, data, items)
    if task.parts and set(items.table[task.parts]) != set(data.items.table[task.parts]):
        return {}
    return data.ceilings


def mean_of_parts(task: Task, data: Data, items: Items) -> Mapping[str, Ceiling]:
    """The mean of the ceilings of the tested parts, such as films; none where one is not tested whole."""

    def asked(of: Items) -> set[str]:
        return {name for name in of.arrays if name.startswith(f"{task.target}/")}

    def groups(table: pd.DataFrame) -> Mapping[str, set[str]]:
        return {str(part): set(rows["group"]) for part, rows in table.groupby(task.parts)}

    tested, whole = groups(items.table.loc[items.table["set"] == "test"]), groups(data.items.table)
    found = [data.ceilings.get(f"{task.target}/{part}") for part in tested]
    known = [ceiling for ceiling in found if ceiling is not None]
    if not known or len(known) < len(found) or asked(items) != asked(data.items):
        return {}
    if any(tested[part] != whole[part] for part in tested):
        return {}
    value = sum(ceiling.value for ceiling in known) / len(known)
    error = sum(ceiling.error**2 for ceiling in known) ** 0.5 / len(known)
    return {task.target: replace(known[0], value=value, error=error)}


def cut(task: Task, loaded: Loaded, folds: int | None, fingerprint: str = "") -> SplitManifest:
    """The task's split of loaded items, with another number of folds where asked for or where a small twin does.

    ``fingerprint`` is that of the data where a method gets more than these items.
    """
    rule = task.split
    folds = folds or (loaded.data.folds if hasattr(rule, "n") else None)
    if folds:
        rule = with_folds(rule, folds)
    return make_manifest(rule, loaded.items.table, task.target, fingerprint or loaded.data.fingerprint)


def labelled(items: Items, task: Task) -> Items:
    """The items with the target's column, where a task makes it from the cohort's own columns."""
    if task.label is None:
        return items
    return Items(items.table.assign(**{task.target: task.label(items.table)}), items.arrays, items.meta)


def with_external(home: Data, other: Data) -> Data:
    """Two cohorts as one table with a column ``cohort``. Another atlas is refused.

    Subjects keep their ids, so that a person who is in both cohorts is seen by the split.
    """
    import pandas as pd

    ours, theirs = home.items.meta.get("atlas", {}), other.items.meta.get("atlas", {})
    if ours.get("labels") != theirs.get("labels"):
        raise BadData(
            f"cohort {other.name!r} has another atlas ({theirs.get('name')}, {len(theirs.get('labels', []))} ROIs) "
            f"than {home.name!r} ({ours.get('name')}, {len(ours.get('labels', []))} ROIs)",
            "extract its series with the same atlas and import it again",
        )
    tables = [data.items.table.assign(cohort=data.name) for data in (home, other)]
    tables[1].index = [f"{other.name}:{item}" for item in tables[1].index]
    names = [name for name in home.items.arrays if name in other.items.arrays]
    arrays = {name: [*home.items.arrays[name], *other.items.arrays[name]] for name in names}
    items = Items(pd.concat(tables, join="inner"), arrays, home.items.meta)
    return Data(items, f"{home.name}+{other.name}", home.origin, f"{home.fingerprint}+{other.fingerprint}")
