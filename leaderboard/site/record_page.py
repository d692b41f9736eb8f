"""The page of a record: everything that it holds, in tables."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ...benchmark.record import Record, ScorePart
from ..table import Cell, Column, Row, Table
from .inputs import ORIGINS, Result
from .names import address
from .views import Href, columns, number_cell, pairs, table_view

LONGEST_REPORT = 6000
"""Characters of a cell's report that are printed; the record's file has the rest."""


def record_page(result: Result, href: Href, seal: str, size: int) -> dict[str, Any]:
    """What the template of a record draws; ``seal`` and ``size`` are those of its file."""
    record = result.record
    tables = (scores_table(record), parts_table(record), cells_table(record), controls_table(record))
    return {
        "record": record,
        "task_href": href(f"task:{record.task.name}"),
        "method_href": href(f"method:{record.method.name}"),
        "file": address("record", record.id, "json").rpartition("/")[2],
        "seal": seal,
        "size": size,
        "headline": record.scores.get(record.task.metrics[0]),
        "standing": result.standing,
        "tables": [
            table_view(table, href, name=f"t{number}") for number, table in enumerate(tables) if table and table.rows
        ],
        "audit": table_view(audit_table([record]), href, name="audit") if record.audit else None,
        "about": list(about(record)),
        "data": list(data_facts(record)),
        "options": [(name, told(value)) for name, value in record.method.options.items()],
        "ceiling": list(ceiling_facts(record)),
        "environment": list(environment_facts(record)),
        "packages": sorted(record.environment.packages.items()),
        "reports": list(reports(record)),
        "again": f"brainbench rescore {shlex.quote(record.id)}",
    }


def told(value: object) -> str:
    """An option's value, or a report's, as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def source_of(ref: str) -> str:
    """A method's reference without the folders of the machine that ran it."""
    if ".py:" not in ref:
        return ref
    return PureWindowsPath(PurePosixPath(ref).name).name


def about(record: Record) -> Iterable[tuple[str, str]]:
    """Facts on the row and its method."""
    return pairs(
        ("row", record.row),
        ("status", f"{record.status}: {record.reason}" if record.reason else record.status),
        ("ranked", "yes" if record.ranked else "no"),
        ("isolated", "yes" if record.isolated else "no: the file system was not closed to the cohort"),
        ("method", source_of(record.method.ref)),
        ("preset", record.method.preset),
        ("source", record.method.source),
        ("weights", record.method.weights),
        ("seeds", ", ".join(map(str, record.seeds))),
        ("brainbench", record.harness),
        ("content hash", record.content_hash),
    )


def data_facts(record: Record) -> Iterable[tuple[str, str]]:
    """Facts on the task, its data and its split."""
    data, task = record.data, record.task
    left = ", ".join(f"{count} {reason}" for reason, count in data.left_out.items())
    return pairs(
        ("task version", task.version),
        ("target", f"{task.target}: {', '.join(task.classes)}" if task.classes else task.target),
        ("data", f"{data.name}, {ORIGINS.get(data.origin, data.origin)}"),
        ("items", data.items),
        ("subjects", data.subjects),
        ("sites", data.sites),
        ("left out", left),
        ("scores are agreement with", data.reference),
        ("data fingerprint", data.fingerprint),
        ("split", record.split.rule),
        ("split hash", record.split.hash),
    )


def ceiling_facts(record: Record) -> Iterable[tuple[str, str]]:
    """The best attainable score, where it is known."""
    ceiling = record.ceiling
    if ceiling is None:
        return ()
    return pairs(
        ("best attainable", f"{ceiling.metric} {ceiling.value:.3f}, Monte-Carlo error {ceiling.error:.4f}"),
        ("with covariates", "" if ceiling.with_covariates is None else f"{ceiling.with_covariates:.3f}"),
        (
            f"learned from {ceiling.training_size}",
            "" if ceiling.at_training_size is None else f"{ceiling.at_training_size:.3f}",
        ),
        ("share reached", "" if ceiling.share is None else f"{100 * ceiling.share:.0f} %"),
        ("note", ceiling.note),
    )


def environment_facts(record: Record) -> Iterable[tuple[str, str]]:
    """Where and when it was made."""
    made = record.environment
    dirty = {True: ", with changes", False: "", None: ""}[made.git_dirty]
    return pairs(
        ("made", made.created),
        ("machine", f"{made.cores} cores, {made.memory / 2**30:.0f} GiB, {made.processor}"),
        ("device", made.device),
        ("threads", made.threads),
        ("executor", made.executor),
        ("platform", made.platform),
        ("revision", f"{made.git_revision}{dirty}" if made.git_revision else ""),
    )


def reports(record: Record) -> Iterable[tuple[str, str]]:
    """What the method said of each cell, as JSON."""
    for cell in record.cells:
        if cell.report:
            text = json.dumps(cell.report, indent=1, ensure_ascii=False)
            rest = len(text) - LONGEST_REPORT
            shown = f"{text[:LONGEST_REPORT]}\n… {rest} more characters in the record's file" if rest > 0 else text
            yield f"{cell.fold}, seed {cell.seed}", shown


def scores_table(record: Record) -> Table:
    """Every metric with its interval and its spread."""
    spread = next((score.spread for score in record.scores.values() if score.spread), "")
    fields = [field for field in ("fold_sd", "seed_sd", "item_sd", "pooled", "chance") if _any(record, field)]
    titles = {"fold_sd": "sd folds", "seed_sd": "sd seeds", "item_sd": "sd items"}
    heads = columns(
        ("metric", "metric"),
        ("value", f"value [{spread or '95 % interval'}]", "number"),
        *((field, titles.get(field, field), "number") for field in fields),
        ("aggregate", "joined by"),
        ("rests", "rests on"),
    )
    rows = [
        Row(
            (
                Cell(name),
                interval_cell(score),
                *(number_cell(getattr(score, field)) for field in fields),
                Cell(score.aggregate),
                Cell(score.made_with),
            )
        )
        for name, score in record.scores.items()
    ]
    return without_empty(Table("scores", "Scores", heads, tuple(rows)))


def _any(record: Record, field: str) -> bool:
    return any(getattr(score, field) is not None for score in record.scores.values())


def interval_cell(score: ScorePart) -> Cell:
    """A score with its interval, or a dash with the reason."""
    if score.value is None:
        return Cell("–", note=score.missing.partition("\n")[0])
    if score.low is None or score.high is None:
        return number_cell(score.value)
    return Cell(score.told, value=score.value, low=score.low, high=score.high)


def without_empty(table: Table) -> Table:
    """The table without columns in which nothing is said."""
    kept = [k for k in range(len(table.columns)) if any(row.cells[k].text not in ("", "–") for row in table.rows)]
    return Table(
        table.name,
        table.title,
        tuple(table.columns[k] for k in kept),
        tuple(Row(tuple(row.cells[k] for k in kept), row.record, row.rank, row.tied) for row in table.rows),
        table.notes,
        table.quiet,
    )


def parts_table(record: Record) -> Table | None:
    """The headline on each part, where it is a mean of several."""
    score = record.scores.get(record.task.metrics[0])
    if score is None or len(score.parts) < 2:
        return None
    heads = columns(("part", "part"), ("value", record.task.metrics[0], "number"))
    rows = tuple(Row((Cell(part), number_cell(value))) for part, value in score.parts.items())
    return Table("parts", f"{record.task.metrics[0]} of each part", heads, rows)


def cells_table(record: Record) -> Table:
    """A row a cell: its scores, cost and hash."""
    names = [name for name in record.scores if any(name in cell.scores for cell in record.cells)]
    heads = columns(
        ("fold", "fold"),
        ("seed", "seed", "number"),
        ("status", "status"),
        ("items", "test items", "number"),
        *((name, name, "number") for name in names),
        ("fit", "fit s", "number"),
        ("predict", "predict s", "number"),
        ("peak", "peak MiB", "number"),
        ("prediction", "prediction SHA-256"),
    )
    rows = []
    for cell in record.cells:
        cost = record.environment.cells.get(f"{cell.fold}-seed{cell.seed}")
        costs = (cost.fit_seconds, cost.predict_seconds, cost.peak_memory / 2**20) if cost else (None, None, None)
        found = [
            Cell(cell.fold),
            number_cell(cell.seed, "d"),
            Cell(cell.status, note=cell.reason),
            number_cell(cell.items, "d"),
            *(number_cell(cell.scores.get(name)) for name in names),
            number_cell(costs[0], ".1f"),
            number_cell(costs[1], ".1f"),
            number_cell(costs[2], ".0f"),
            Cell(cell.prediction[:16]),
        ]
        rows.append(Row(tuple(found)))
    return without_empty(Table("cells", "Cells: one fit and one predict each", heads, tuple(rows)))


def controls_table(record: Record) -> Table | None:
    """Scores of what was made from the truth itself."""
    if not record.controls:
        return None
    names = list(dict.fromkeys(name for scores in record.controls.values() for name in scores))
    heads = columns(("control", "control"), *((name, name, "number") for name in names))
    rows = [
        Row((Cell(label), *(number_cell(scores.get(name)) for name in names)))
        for label, scores in record.controls.items()
    ]
    return Table("controls", "Controls: not methods", heads, tuple(rows), quiet=True)


def audit_table(records: Sequence[Record]) -> Table:
    """The leak audit of some records: leaks first, equal findings once, with the methods that they concern."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for record in records:
        for finding in record.audit:
            names = found.setdefault((finding.level, finding.detector, finding.message), [])
            if record.method.name not in names:
                names.append(record.method.name)
    heads = [Column("level", "finding"), Column("detector", "detector"), Column("message", "what was found")]
    if len(records) > 1:
        heads.append(Column("methods", "rows"))
    methods = {record.method.name for record in records}
    rows = []
    for (level, detector, message), names in sorted(found.items(), key=_by_level):
        cells = [Cell(level), Cell(detector), Cell(message)]
        if len(records) > 1:
            cells.append(Cell("all" if len(names) == len(methods) else ", ".join(names)))
        rows.append(Row(tuple(cells)))
    return Table("audit", "Leak audit", tuple(heads), tuple(rows))


def _by_level(item: tuple[tuple[str, str, str], list[str]]) -> tuple[int, str, str]:
    level, detector, message = item[0]
    order = ("leak", "warning", "note", "ok")
    return order.index(level) if level in order else 1, detector, message
