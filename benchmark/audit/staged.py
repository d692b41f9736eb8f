"""L13: what lies in the folder that a method's process is given."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet

from ..cells import Cell, MethodSpec
from ..contracts import Kind, Task
from ..items import ARRAY_COLUMN
from ..kinds import get_kind
from ..staging import Extras, stage
from .detector import Case, Detector, Result

STAGED = Detector("L13", "staged-test-set", "columns and ids of the test file as a worker gets it", covers=())

PLACEHOLDER = MethodSpec(name="none", ref="none", preset="", options={}, source="")


def staged_test_set(case: Case) -> Result:
    """Stage the first fold and read what a method could read of the test items."""
    name = next(iter(case.folds))
    cell = Cell(
        task=case.task.name, version=case.task.version, method=PLACEHOLDER, data=case.split.data,
        split=case.split.hash, fold=name, seed=case.seed,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fold = case.split.fold(name)
        stage(cell, case.task, case.items, fold, folder, Extras(threads=1, device="cpu"))
        return inspect(folder, case.task, get_kind(case.task.kind), fold.test)


def inspect(folder: Path, task: Task, kind: Kind, ids: tuple[str, ...]) -> Result:
    """Whether a staged test file holds the target, a column outside the task's list, or public ids."""
    table = pyarrow.parquet.read_table(folder / "test.parquet").to_pandas()
    names = [str(name).removeprefix(ARRAY_COLUMN) for name in table.columns]
    targets, allowed = kind.target_fields(task.info), (*kind.inputs, *task.covariates)
    hidden = [name for name in names if _among(name, targets)]
    extra = [name for name in names if not _among(name, allowed) and name not in hidden]
    if hidden:
        return STAGED.leak(f"the test file that methods get holds the target: {', '.join(hidden)}", columns=len(names))
    if extra:
        return STAGED.leak(
            f"the test file holds columns outside the task's list: {', '.join(extra)}", columns=len(names)
        )
    if known := set(map(str, table.index)) & set(ids) - set(map(str, range(len(table)))):
        return STAGED.leak(f"the test file holds {len(known)} public ids", columns=len(names))
    return STAGED.ok(f"no target, no id, and only: {', '.join(names)}", columns=len(names))


def _among(name: str, fields: tuple[str, ...]) -> bool:
    """Whether a column is one of the fields, or of a family such as ``responses/``."""
    return name in fields or name.startswith(tuple(field for field in fields if field.endswith(("/", ":"))) or "\0")
