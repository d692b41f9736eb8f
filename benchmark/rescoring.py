"""Scoring a record again from its predictions: the numbers must be the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .contracts import Progress, Task
from .draws import Draws
from .errors import BadData, StoreError
from .loading import Loaded, load
from .record import OWN, Record, ScorePart
from .registry import load_task, refuse_unasked
from .score import Judged, score_cells
from .store import Finished, read_cell, read_split
from .truths import judge_of
from .withheld import KEPT_ELSEWHERE, missing, with_truth


@dataclass(frozen=True)
class Rescored:
    """The new scores, one line for every number that is not the old one, and the resamples of the scores."""

    scores: dict[str, ScorePart]
    differences: tuple[str, ...]
    draws: Draws | None = None


def rescore(record: Record, folder: Path, progress: Progress) -> Rescored:
    """Read a record's predictions and score them anew against the installed data.

    Raises `StoreError` when predictions were edited, and `BadData` when the data are others.
    """
    task, judged, cells = rejudge(record, folder, progress)
    finished = [part for part in record.cells if part.status == "ok"]
    scores, own, draws = score_cells(task, judged)
    hashes = {(done.cell.fold, done.cell.seed): done.prediction for done in cells}
    lines = [
        line
        for part, score in zip(finished, own, strict=True)
        for line in _differences(f"{part.fold} seed {part.seed}", part.scores, score)
    ]
    lines += [
        f"{part.fold} seed {part.seed}: the predictions are not those that the record was made from"
        for part in finished
        if hashes[part.fold, part.seed] != part.prediction
    ]
    for name, score in record.scores.items():
        lines += _differences(name, score.model_dump(), scores[name].model_dump())
    return Rescored(scores, tuple(lines), draws)


def rejudge(
    record: Record, folder: Path, progress: Progress, truth: Path | None = None
) -> tuple[Task, list[Judged], list[Finished]]:
    """The task, and the finished cells of a record with their truth, in the record's order.

    ``truth`` is the file of a truth that is withheld. Raises `StoreError` when cells are missing or edited, and
    `BadData` when the data are others or their truth is not here.
    """
    task, loaded = reload(record, progress)
    if truth:
        loaded = with_truth(task, loaded, truth)
    elif missing(task, loaded.items):
        raise BadData(f"{record.id}: {KEPT_ELSEWHERE.partition(chr(10))[0]}", "only its keeper can score it")
    split = read_split(folder)
    if split.hash != record.split.hash:
        raise StoreError(f"{folder / 'split.json'}: its hash is not the record's", "the folder was edited")
    judge = judge_of(task, loaded.data, split)
    judged, cells = [], []
    for path in sorted((folder / "cells").glob("*")):
        done = read_cell(path)
        if done is None:
            raise StoreError(f"{path}: missing or edited predictions", "run the method again")
        cells.append(done)
        judged.append(judge(done))
    finished = [part for part in record.cells if part.status == "ok"]
    order = {(part.fold, part.seed): k for k, part in enumerate(finished)}
    if {(cell.fold, cell.seed) for cell in judged} != set(order) or not order:
        raise StoreError(f"{folder / 'cells'}: not the {len(order)} finished cells of the record", "run it again")
    judged.sort(key=lambda cell: order[cell.fold, cell.seed])
    return task, judged, cells


def reload(record: Record, progress: Progress) -> tuple[Task, Loaded]:
    """The task and the data of a record, checked against its fingerprint."""
    if record.data.source == OWN:
        raise StoreError(
            f"{record.id} was scored against references from a file, which the store does not hold",
            "score it again:  brainbench score ... --references FILE",
        )
    refuse_unasked(record.task.ref, *record.task.metrics)
    task, _ = load_task(record.task.ref)
    if task.version != record.task.version:
        raise StoreError(
            f"{record.id} is of version {record.task.version} of {task.name}; this is {task.version}",
            "run it again: versions are never compared",
        )
    loaded = load(task, record.data.source, progress)
    if loaded.data.fingerprint != record.data.fingerprint:
        raise BadData(
            f"the installed data {loaded.data.name!r} ({loaded.data.fingerprint[:12]}) are not those of the "
            f"record ({record.data.fingerprint[:12]})",
            "install the same data, or run the method again",
        )
    return replace(task, metrics=record.task.metrics), loaded


def _differences(where: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Fields that differ, numbers up to rounding in the last place."""
    return [
        f"{where} {name}: {old[name]} in the record, {new.get(name)} now"
        for name in old
        if not _same(old[name], new.get(name))
    ]


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b
