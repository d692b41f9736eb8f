"""The page of a task: its boards, one for each source of data, version and split."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

from ...benchmark.contracts import DatasetCard
from ...benchmark.errors import BrainbenchError
from ...benchmark.record import Record
from ...benchmark.registry import entries, load_dataset
from ..table import Table
from .inputs import ORIGINS, BoardSheet, Site
from .plot import sheet_axis
from .record_page import audit_table
from .views import TableView, pairs, table_view, table_views


def task_page(name: str, site: Site) -> dict[str, Any]:
    """What the template of a task draws."""
    boards = site.tasks[name]
    first = boards[0].first
    return {
        "name": name,
        "first": first,
        "about": list(pairs(*task_facts(first))),
        "boards": [board_view(board, site, f"b{number}") for number, board in enumerate(boards)],
        "regimes": [(other, site.href(f"task:{other}")) for other in site.regimes(name)],
        "data_card": data_card(first.task.dataset),
        "commands": list(commands(boards[0])),
    }


def task_facts(record: Record) -> Iterator[tuple[str, object]]:
    """What is asked, of which data, scored how."""
    task = record.task
    yield "kind", task.kind
    yield "target", f"{task.target}: {', '.join(task.classes)}" if task.classes else task.target
    yield "data", task.dataset
    yield "ranked by", task.metrics[0]
    yield "also scored", ", ".join(task.metrics[1:])


def board_view(board: BoardSheet, site: Site, name: str) -> dict[str, Any]:
    """A board's tables on one axis, its notes, its audit."""
    axis = sheet_axis(board.sheet, partial(levels, board.first))
    audit = audit_table(board.records)
    tables = table_views(board.sheet, site.href, axis, name)
    return {
        "id": name,
        "origin": ORIGINS.get(board.first.data.origin, board.first.data.origin),
        "simulated": board.first.data.origin != "real",
        "title": board_title(board, site.tasks[board.first.task.name]),
        "facts": list(pairs(*board_facts(board.first))),
        "tables": tables,
        "notes": board_notes(board, tables),
        "audit": table_view(audit, site.href, name=f"{name}-audit") if audit.rows else None,
        "leak": any(finding.level == "leak" for record in board.records for finding in record.audit),
    }


def board_title(board: BoardSheet, among: list[BoardSheet]) -> str:
    """A sheet's title, with data and split where another board of the task has the same title."""
    if sum(other.sheet.title == board.sheet.title for other in among) == 1:
        return board.sheet.title
    return f"{board.sheet.title}; data {board.first.data.fingerprint[:6]}, split {board.first.split.hash[:6]}"


def board_notes(board: BoardSheet, tables: list[TableView]) -> list[str]:
    """A sheet's notes without those that the audit's table or a footnote of a cell says."""
    findings = {(finding.detector, finding.message) for record in board.records for finding in record.audit}
    audit = {f"Audit, {detector}: {message}." for detector, message in findings}
    reasons = tuple(f": {text}" for table in tables for _, text in table.footnotes)
    return [note for note in board.sheet.notes if note not in audit and not note.endswith(reasons)]


def board_facts(record: Record) -> Iterator[tuple[str, object]]:
    """What makes this board differ from others of its task."""
    data = record.data
    sites = f", {data.sites} sites" if data.sites > 1 else ""
    yield "items", f"{data.items} of {data.subjects} subjects{sites}"
    yield "split", f"{record.split.rule.partition(' {')[0]}, {record.split.hash}"
    yield "version", record.task.version
    yield "data fingerprint", data.fingerprint[:16]


def levels(record: Record, metric: str) -> list[tuple[str, float]]:
    """Lines across the plot of a metric: chance, and the best attainable."""
    score = record.scores.get(metric)
    found = [("chance", score.chance)] if score and score.chance is not None else []
    if record.ceiling and record.ceiling.metric == metric:
        found.append(("best attainable", record.ceiling.value))
    return found


def data_card(dataset: str) -> DatasetCard | None:
    """The card of a data set; None where none of that name is installed.

    The name comes from a record, so one that would load a file is not looked up.
    """
    if dataset not in entries("datasets"):
        return None
    try:
        return load_dataset(dataset).card
    except BrainbenchError:
        return None


def commands(board: BoardSheet) -> Iterator[tuple[str, str]]:
    """What to type, and what for: the best row again, two rows side by side, and a method of one's own."""
    task = shlex.quote(board.first.task.name)
    best = best_records(board)
    if best and ".py:" not in best[0].method.ref:
        yield "The first row again:", f"brainbench run --task {task} --method {shlex.quote(best[0].method.ref)}"
    if len(best) > 1:
        both = " ".join(shlex.quote(record.method.name) for record in best[:2])
        yield (
            "The first two rows side by side, with the test of their difference:",
            f"brainbench compare {both} --task {task}",
        )
    mine = "my-method"
    steps = (
        f"brainbench new method {mine}",
        f"brainbench check {mine}",
        f"brainbench run --task {task} --method {mine}",
        f"brainbench submit {mine} --to {mine}-submission",
    )
    yield "A method of your own, from nothing to this table:", "\n".join(steps)


def best_records(board: BoardSheet) -> list[Record]:
    """Records of the rows that rank in the first table that has any, best first."""
    known = {record.id: record for record in board.records}
    for table in board.sheet.tables:
        ranked = ranked_rows(table)
        if ranked:
            return [known[record] for _, record in ranked if record in known]
    return []


def ranked_rows(table: Table) -> list[tuple[int, str]]:
    """Rank and record of each row that has them, best first."""
    return sorted((row.rank, row.record) for row in table.rows if row.rank is not None)
