"""What a plan will cost: seconds and memory of its cells, as records of the same method say."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .errors import StoreError
from .index import record_names
from .plan import Row
from .record import Record
from .recording import safe_name
from .store import Store, cell_folder, read_record

NEWEST = 20
"""So many records of a method are read at the most: the newest."""


@dataclass(frozen=True)
class Cost:
    """What one cell will take.

    Attributes
    ----------
    seconds
        Wall seconds of fit and predict: the median of past cells, times the ratio of the numbers of items.
    memory
        Bytes: the most that a past cell took.
    records
        Number of records that it rests on.
    likeness
        What they share with the cell beside method, preset and device: "task and options", "task", "options" or
        "kind".
    """

    seconds: float
    memory: int
    records: int
    likeness: str


LIKENESS = {(True, True): "task and options", (True, False): "task", (False, True): "options", (False, False): "kind"}


def estimate(row: Row, store: Store) -> Cost | None:
    """What a cell of a row will take, from the records that are most like it; None where there is none."""
    like: dict[str, list[Record]] = {}
    for record in past(row, store):
        equal = record.task.name == row.task.name, record.method.options == row.spec.options
        like.setdefault(LIKENESS[equal], []).append(record)
    for likeness in LIKENESS.values():
        if found := like.get(likeness):
            return cost_of(found, likeness, row)
    return None


def past(row: Row, store: Store) -> list[Record]:
    """Records of the row's method, preset, kind and type of device with a finished cell: on its task, else on any."""
    names = record_names(store.path / "records")
    task, method = safe_name(row.task.name), safe_name(row.spec.name)
    for known in (
        [name for name in names if name.startswith(f"{task}--{method}--")],
        [name for name in names if name.rpartition("--")[0].endswith(f"--{method}")],
    ):
        found = [record for record in newest(store.path / "records", known) if alike(record, row)]
        if found:
            return found
    return []


def newest(folder: Path, names: Sequence[str]) -> Iterable[Record]:
    """The newest of some records that can be read."""
    dated = {name: _date(folder / name) for name in names}
    for name in heapq.nlargest(NEWEST, names, key=dated.__getitem__):
        try:
            yield read_record(folder / name / "record.json")
        except StoreError:
            continue


def _date(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def alike(record: Record, row: Row) -> bool:
    """Whether a record tells of a row's cells: same method, preset, kind and type of device, and one that ended well.

    What somebody else predicted has no cost.
    """
    ours = row.spec.name, row.spec.preset, row.task.kind, row.cells[0].device
    theirs = record.method.name, record.method.preset, record.task.kind, record.environment.device.partition(":")[0]
    return ours == theirs and record.row == "reproduced" and any(part.status == "ok" for part in record.cells)


def cost_of(records: Sequence[Record], likeness: str, row: Row) -> Cost:
    """The cost of a cell of a row, by the cells of records that ended well."""
    seconds, memory = [], 0
    for record in records:
        same = record.data.fingerprint == row.loaded.data.fingerprint
        scale = 1.0 if same else len(row.loaded.items) / max(1, record.data.items)
        for part in record.cells:
            taken = record.environment.cells.get(cell_folder(part.fold, part.seed))
            if part.status == "ok" and taken is not None:
                seconds.append((taken.fit_seconds + taken.predict_seconds) * scale)
                memory = max(memory, taken.peak_memory)
    return Cost(median(seconds or [0.0]), memory, len(records), likeness)


def wall(seconds: Iterable[float], jobs: int) -> float:
    """Seconds until cells have ended that ``jobs`` slots take in turn."""
    free = [0.0] * jobs
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)
