"""A submitted record made anew: the same cells, scored by the same code as any other, against the data that are here.

Nothing that a submission says of scores, splits, ceilings, audits or ranks reaches a board: the record that does is
made here. What was told is only compared with it, because numbers that differ are a reason to refuse.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cells import Cell
from ..contracts import Data, Progress, Task
from ..draws import Draws
from ..errors import BrainbenchError, DataMissing
from ..kinds import get_kind
from ..loading import Loaded, cut, load
from ..outside import Elsewhere, cell_of, split_of
from ..plan import Row, with_metrics
from ..record import CellPart, Finding, Record, ScorePart
from ..recording import make_record, safe_name
from ..registry import load_task
from ..settings import Settings
from ..sources import Lent, fingerprint, load_sources
from ..splits import HALVES, SplitManifest
from ..staging import order_seed, shown_order
from ..store import Finished, Ids, Store, digest_folder
from ..withheld import missing, with_truth
from .archive import few, shown
from .contents import unsafe
from .layout import Row as Sort
from .offer import Offered

TOLERANCE = 1e-4
"""Scores of other processors and libraries differ by less; what a board shows is the number that was made here."""

OUTSIDE = "outside:"
"""How the reference of a method begins that was run elsewhere, and only scored."""


UNSEEN = {
    "rescored": "predictions were made elsewhere, unseen; scored here",
    "reported": "made and scored elsewhere, unseen; nobody outside can score it again",
}


@dataclass(frozen=True)
class Remade:
    """A record as it was made here, the row that it is made of, its cells and the resamples of its scores."""

    record: Record
    row: Row
    cells: tuple[Finished, ...]
    draws: Draws | None
    notes: tuple[str, ...] = ()


class NotTaken(Exception):
    """Why a record is not taken: every reason that was found."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class NotHere(NotTaken):
    """Data, or a truth, that are not on this machine: nothing is said against the record."""


@dataclass
class Shelf:
    """The data that were loaded last: the records of one task come together."""

    truth: Path | None
    progress: Progress
    key: tuple[str, str] | None = None
    loaded: tuple[Task, Loaded, tuple[Lent, ...]] | None = None

    def take(self, record: Record) -> tuple[Task, Loaded, tuple[Lent, ...]]:
        """A record's task, its data with their truth, and its sources. Raises `NotTaken`."""
        key = (record.task.name, record.data.source)
        if self.key != key or self.loaded is None:
            self.key, self.loaded = key, self.load(*key)
        task, loaded, sources = self.loaded
        return with_metrics(task, record.task.metrics), loaded, sources

    def load(self, name: str, source: str) -> tuple[Task, Loaded, tuple[Lent, ...]]:
        """Load the data of a task. Raises `NotTaken` where they, or their truth, are not here."""
        try:
            task, _ = load_task(name)
            loaded = load(task, source, self.progress)
            if missing(task, loaded.items):
                if self.truth is None:
                    raise NotHere("the truth of its test items is withheld: its keeper verifies with  --truth FILE")
                loaded = with_truth(task, loaded, self.truth)
            return task, loaded, load_sources(task, loaded, source, self.progress)
        except DataMissing as error:
            raise NotHere(f"cannot be scored here: {error.message}") from None
        except BrainbenchError as error:
            raise NotTaken(f"cannot be scored here: {error.message}") from None


def remake(offered: Offered, shelf: Shelf) -> Remade:
    """Score an offered record anew. Raises `NotTaken` with every reason against it."""
    told = offered.record
    assert told is not None
    task, loaded, sources = shelf.take(told)
    if loaded.data.fingerprint != told.data.fingerprint:
        mine, theirs = loaded.data.fingerprint[:12], shown(told.data.fingerprint[:12])
        raise NotTaken(f"made on other data ({theirs}) than those that are installed here ({mine})")
    row = row_of(told, task, loaded, sources, offered)
    counts = [(done.folder, len(row.split.fold(done.cell.fold).test)) for done in offered.cells.values()]
    if wrong := unsafe(counts):
        raise NotTaken(*wrong)
    cells = {cell.key: offered.cells[cell.fold, cell.seed] for cell in row.cells}
    settings = Settings(told.environment.device, told.environment.threads, told.environment.executor)
    try:
        made, draws = make_record(row, dict(cells), settings)
    except BrainbenchError:
        raise
    except Exception as error:  # such as a metric of another kind: what was told chooses the further ones
        raise NotTaken(f"cannot be scored: {type(error).__name__}: {shown(str(error))}") from None
    failed = [f"{part.fold} seed {part.seed}: {shown(part.reason)}" for part in made.cells if part.status != "ok"]
    if failed:
        raise NotTaken(*few(failed))
    if made.id != told.id:
        raise NotTaken(f"its id is not {made.id}, as its cells give it")
    if lines := [*differences(told, made)]:
        raise NotTaken(*few(lines))
    return Remade(made, row, tuple(cells.values()), draws, tuple(unlike(told, made)))


def row_of(told: Record, task: Task, loaded: Loaded, sources: tuple[Lent, ...], offered: Offered) -> Row:
    """The row that a record claims to be: the task's own split, and a cell for each fold and seed.

    Raises `NotTaken` where the record's are others.
    """
    elsewhere = told.method.ref.startswith(OUTSIDE)
    split = split_of(task, loaded) if elsewhere else cut(task, loaded, None, fingerprint(loaded.data, sources))
    if split.hash != told.split.hash:
        raise NotTaken(f"its split is not that of the task: {split.rule}")
    keys = set(offered.cells)
    halves = any(fold == HALVES for fold, _ in keys)  # a method without seeds is asked for these as well
    wanted = [(fold, seed) for seed in told.seeds for fold in split.folds if fold != HALVES or halves]
    if keys != set(wanted) or (halves and len(told.seeds) > 1):
        raise NotTaken(f"its cells are not the {len(split.folds)} folds of the split for each of its seeds")
    data = loaded.data
    cells = []
    for fold, seed in wanted:
        mine, theirs = expected(told, task, split, fold, seed, data, elsewhere), offered.cells[fold, seed].cell
        if mine.model_copy(update={"device": theirs.device}) != theirs or theirs.device not in ("cpu", "cuda", "mps"):
            raise NotTaken(f"{fold} seed {seed}: its cell is not that of the task and split")
        if odd := odd_ids(offered.cells[fold, seed].ids, split, fold, data):
            raise NotTaken(f"{fold} seed {seed}: {odd}")
        cells.append(theirs)
    return Row(
        task, told.task.name, told.data.source, loaded, split, Elsewhere, told.method, tuple(cells), None, sources
    )


def odd_ids(ids: Sequence[str], split: SplitManifest, fold: str, data: Data) -> str:
    """What is wrong with the ids of a cell: they are the test items of its fold, in the order of all methods."""
    rows = shown_order(data.items, split.fold(fold), order_seed(split.data, split.hash, fold))
    wanted = tuple(map(str, data.items.table.index[rows]))
    if unknown := sorted(set(ids) - set(wanted)):
        return f"{len(unknown)} of its ids are none of the {len(wanted)} test items, such as {shown(unknown[0])!r}"
    if len(ids) != len(wanted):
        return f"it has {len(ids)} ids for {len(wanted)} test items"
    return "" if tuple(ids) == wanted else "its ids are in another order than that in which items are shown"


def expected(told: Record, task: Task, split: SplitManifest, fold: str, seed: int, data: Data, elsewhere: bool) -> Cell:
    """The cell that a run, or the scoring of predictions from elsewhere, makes of a fold and seed."""
    if elsewhere:
        return cell_of(task, told.method, split, fold).model_copy(update={"seed": seed})
    as_run = task.run_as
    return Cell(
        task=as_run.name,
        version=as_run.version,
        method=told.method,
        data=split.data,
        split=split.hash,
        fold=fold,
        seed=seed,
        track=as_run.track or None,
        inputs=data.inputs,
    )


def differences(told: Record, made: Record) -> Iterator[str]:
    """Scores of a record that are not those that its predictions give."""
    for name, mine, theirs in both(told, made):
        for field in ("value", "pooled"):
            a, b = getattr(theirs, field), getattr(mine, field)
            if not same(a, b):
                yield f"{name} {field}: {a} in the record, {b} here"
        for field in ("aggregate", "folds", "higher_is_better", "spread"):
            if getattr(theirs, field) != getattr(mine, field):
                yield f"{name} {field}: {shown(str(getattr(theirs, field)))} in the record, {getattr(mine, field)} here"
    for own, part in zip(made.cells, in_order(told, made), strict=True):
        for name, value in own.scores.items():
            if name in part.scores and not same(part.scores[name], value) and not told.scores[name].missing:
                yield f"{name} of {part.fold} seed {part.seed}: {part.scores[name]} in the record, {value} here"


def both(told: Record, made: Record) -> Iterator[tuple[str, ScorePart, ScorePart]]:
    """Name of a metric, its score here and its score in the record, where both could be computed."""
    for name, mine in made.scores.items():
        if not mine.missing and not told.scores[name].missing:
            yield name, mine, told.scores[name]


def in_order(told: Record, made: Record) -> list[CellPart]:
    """The cells of a record in the order of another's."""
    parts = {(part.fold, part.seed): part for part in told.cells}
    return [parts[part.fold, part.seed] for part in made.cells]


def same(a: float | None, b: float | None) -> bool:
    """Whether two numbers are one, up to what machines differ by."""
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def unlike(told: Record, made: Record) -> Iterator[str]:
    """What the keeper should know: scores that could not be compared, and intervals that are others here."""
    for name, score in made.scores.items():
        if score.missing:
            yield f"{name} cannot be computed here: {shown(score.missing)}"
    alone = [name for name, score in made.scores.items() if told.scores[name].missing and not score.missing]
    if alone:
        yield f"computed here alone: {', '.join(alone)}"
    other = [
        name
        for name, mine, theirs in both(told, made)
        if not all(same(getattr(mine, end), getattr(theirs, end)) for end in ("low", "high", "fold_sd", "seed_sd"))
    ]
    if other:
        yield f"intervals are those made here; the record's are others: {', '.join(other[:5])}"


def kept(remade: Remade, told: Record, name: str, sort: Sort) -> Record:
    """The record as a board holds it: ours, with what only the submitter knows (card, costs, options) as told.

    Its id and its method's reference name the submission, so that no other row is taken for it or gives way to it.
    """
    made = remade.record
    trained = [finding for finding in told.audit if finding.detector.startswith("pretraining")]
    findings = [*made.audit, *trained]
    if sort != "reproduced":
        findings.append(Finding(detector="origin", level="unknown", message=UNSEEN[sort]))
    reports = {(part.fold, part.seed): part.report for part in told.cells}
    parts = [part.model_copy(update={"report": reports.get((part.fold, part.seed), {})}) for part in made.cells]
    return made.model_copy(
        update={
            "id": own_id(made, name),
            "row": sort,
            "method": told.method.model_copy(update={"ref": f"submission:{name}"}),
            "card": told.card,
            "audit": tuple(findings),
            "isolated": sort == "reproduced",
            "ranked": made.ranked and told.ranked and not any(finding.level == "leak" for finding in trained),
            "environment": made.environment if sort == "reproduced" else told.environment,
            "cells": made.cells if sort == "reproduced" else tuple(parts),
        }
    )


def own_id(record: Record, name: str) -> str:
    """The id of an accepted record: its task, the submission and a hash of both and of its cells."""
    text = json.dumps([name, record.id])
    return f"{safe_name(record.task.name)}--{name}--{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def save(record: Record, remade: Remade, store: Store) -> Path:
    """Write an accepted record. Its predictions are written anew from the numbers that were scored."""
    kind, info = get_kind(record.task.kind), remade.row.task.info
    cells, digests = [], {}
    with tempfile.TemporaryDirectory(prefix="brainbench-accepted-") as place:
        for number, done in enumerate(remade.cells):
            folder = Path(place) / str(number)
            (folder / "prediction").mkdir(parents=True)
            kind.save(kind.load(done.folder / "prediction", info), folder / "prediction", info)
            digests[done.cell.key] = digest = digest_folder(folder / "prediction")
            (folder / "cell.json").write_text(done.cell.model_dump_json())
            outcome = done.outcome.model_copy(update={"isolated": record.isolated})
            (folder / "outcome.json").write_text(outcome.model_dump_json())
            (folder / "ids.json").write_text(Ids(ids=done.ids).model_dump_json())
            (folder / "prediction.sha256").write_text(digest)
            cells.append(Finished(cell=done.cell, outcome=done.outcome, ids=done.ids, prediction=digest, folder=folder))
        parts = tuple(part.model_copy(update={"prediction": digests[part.key]}) for part in record.cells)
        # Resamples, made with a known seed, tell each person's outcome: those of withheld labels are not given away.
        draws = None if remade.row.task.withheld else remade.draws
        return store.save(record.model_copy(update={"cells": parts}), remade.row.split, cells, draws)
