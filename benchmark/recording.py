"""Records: the finished cells of a row scored, and everything that a table or a reader needs beside them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict

from .audit import audit
from .cells import Cell
from .draws import Draws
from .plan import Row
from .record import CellCost, CellPart, DataPart, Record, SplitPart, TaskPart
from .registry import load_metric
from .score import Judged, Scores, score_cells, score_truth, share_of_ceiling, without_value
from .settings import Settings
from .sources import told
from .splits import HALVES
from .store import Finished, cell_folder
from .system import environment, harness_version
from .truths import judge_of
from .withheld import KEPT_ELSEWHERE, missing
from .worker import Outcome


def make_record(row: Row, done: dict[str, Finished | Outcome], settings: Settings) -> tuple[Record, Draws | None]:
    """Score the finished cells of a row and describe everything; and the resamples of its scores."""
    task, data = row.task, row.loaded.data
    done, cells = judge_cells(row, done)
    judged = list(cells.values())
    scores, own, draws = score_cells(task, judged) if judged else unscored(row, done)
    by_key = dict(zip(cells, own, strict=True))
    parts = tuple(_cell_part(cell, done[cell.key], row, by_key.get(cell.key, {})) for cell in row.cells)
    status, reason = overall(parts)
    table = data.items.table
    tested = {item for name in row.split.folds if name != HALVES for item in row.split.fold(name).test}
    controls, truths = score_truth(task, judged)
    finished = [part for part in done.values() if isinstance(part, Finished)]
    record = Record(
        id=record_id(row),
        harness=harness_version(),
        task=TaskPart(
            name=task.name,
            ref=row.task_ref,
            version=task.version,
            title=task.title,
            family=task.family,
            kind=task.kind,
            dataset=task.dataset,
            target=task.target,
            classes=task.classes,
            metrics=task.metrics,
            pooled=task.pooled,
            published=task.published,
            track=task.track,
            parts=task.parts,
            oracle_of=task.oracle_of,
        ),
        method=row.spec,
        card=asdict(row.method.card),
        data=DataPart(
            name=data.name,
            source=row.source,
            origin=data.origin,
            fingerprint=data.fingerprint,
            items=len(tested),
            subjects=data.items.meta.get("subjects", table.loc[list(tested), "subject"].nunique()),
            sites=table["site"].nunique() if "site" in table else 0,
            left_out=row.loaded.left_out,
            truths=truths,
            reference=str(data.items.meta.get("reference", "")),
            inputs=data.inputs,
        ),
        split=SplitPart(rule=row.split.rule, hash=row.split.hash, folds=tuple(row.split.folds)),
        seeds=tuple(sorted({cell.seed for cell in row.cells})),
        status=status,
        reason=reason,
        scores=scores,
        cells=parts,
        ceiling=share_of_ceiling(data.ceiling(task), scores),
        controls=controls,
        audit=(
            *audit(task, data.items, row.split, row.overlap),
            *told(row.sources, data, [row.split.fold(name) for name in row.split.folds]),
        ),
        isolated=bool(finished) and all(part.outcome.isolated for part in finished),
        ranked=status == "ok" and not task.oracle_of and (row.overlap is None or row.overlap.level != "leak"),
        environment=environment(
            settings.device,
            settings.threads,
            settings.executor,
            {cell_folder(c.fold, c.seed): _cost(done[c.key]) for c in row.cells},
        ),
    )
    return record, draws


def judge_cells(
    row: Row, done: dict[str, Finished | Outcome]
) -> tuple[dict[str, Finished | Outcome], dict[str, Judged]]:
    """Truth beside prediction of each finished cell; one that cannot be judged becomes a failed one."""
    if missing(row.task, row.loaded.items):
        return done, {}
    parts, judged = dict(done), {}
    judge = judge_of(row.task, row.loaded.data, row.split)
    for key, part in done.items():
        if isinstance(part, Finished):
            try:
                judged[key] = judge(part)
            except Exception as error:  # no other row is lost by it
                reason = f"its prediction cannot be judged: {type(error).__name__}: {error}"
                parts[key] = Outcome(status="failed", reason=reason)
    return parts, judged


def unscored(row: Row, done: dict[str, Finished | Outcome]) -> Scores:
    """No score: nothing is finished, or the truth is somebody else's."""
    if not missing(row.task, row.loaded.items) or not any(isinstance(part, Finished) for part in done.values()):
        return Scores({}, [], None)
    return Scores({name: without_value(load_metric(name), KEPT_ELSEWHERE) for name in row.task.metrics}, [], None)


def _cell_part(cell: Cell, part: Finished | Outcome, row: Row, scores: dict[str, float | None]) -> CellPart:
    outcome = part.outcome if isinstance(part, Finished) else part
    return CellPart(
        fold=cell.fold,
        seed=cell.seed,
        key=cell.key,
        status=outcome.status,
        reason=outcome.reason,
        items=len(row.split.fold(cell.fold).test),
        scores=scores,
        prediction=part.prediction if isinstance(part, Finished) else "",
        report=outcome.report,
    )


def _cost(part: Finished | Outcome) -> CellCost:
    outcome = part.outcome if isinstance(part, Finished) else part
    return CellCost(
        fit_seconds=outcome.fit_seconds,
        predict_seconds=outcome.predict_seconds,
        peak_memory=outcome.peak_memory,
        host=outcome.host,
    )


def overall(parts: tuple[CellPart, ...]) -> tuple[str, str]:
    """Status of a row: ok when all cells are, else the first that is not, with its reason."""
    bad = [part for part in parts if part.status != "ok"]
    if not bad:
        return "ok", ""
    first = bad[0]
    return first.status, f"{len(bad)} of {len(parts)} cells; {first.fold} seed {first.seed}: {first.reason}"


def safe_name(name: str) -> str:
    """A name that is safe as a folder on every system."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)


def record_id(row: Row) -> str:
    """Readable and unique: task, method and a hash of everything the record depends on."""
    return id_of(row.task.name, row.spec.name, [cell.key for cell in row.cells])


def id_of(task: str, method: str, keys: Sequence[str]) -> str:
    """The id of the record that cells of these keys make."""
    tail = hashlib.sha256(json.dumps([task, *keys]).encode()).hexdigest()[:8]
    return f"{safe_name(task)}--{safe_name(method)}--{tail}"
