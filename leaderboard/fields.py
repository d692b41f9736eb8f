"""The columns of a board's tables, each with the cells that stand in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..benchmark.record import DRAWN, ScorePart
from .board import Board, Line
from .costs import device, fit_seconds, parameters, peak_memory, predict_seconds
from .floors import why_floor
from .standing import Standing
from .table import Cell, Column, Row, Table
from .wording import counted, interval, labeller, number, short

LEAVES = {
    "record": 0,
    "status": 97,
    "audit": 96,
    "device": 94,
    "parameters": 93,
    "predict-seconds": 92,
    "peak-mib": 91,
    "metrics": 10,
    "fit-seconds": 7,
    "spread": 6,
    "aggregate": 5,
    "share": 4,
    "p": 3,
}
"""Order in which columns leave a narrow face; further metrics leave from the last one, between costs."""


@dataclass(frozen=True)
class Field:
    """A column and how its cell of a row is made."""

    column: Column
    cell: Callable[[Line], Cell]


def filled(name: str, title: str, fields: Sequence[Field], lines: Sequence[Line], quiet: bool = False) -> Table:
    """A table of lines, the best and the second of each metric marked among those that rank."""
    rows = [
        Row(tuple(field.cell(line) for field in fields), record=line.record.id, rank=line.rank, tied=tied(line))
        for line in lines
    ]
    return marked(Table(name, title, tuple(field.column for field in fields), tuple(rows), quiet=quiet))


def tied(line: Line) -> bool:
    """Whether a row was tested against the best and is not separated from it."""
    return line.standing is not None and line.standing.separated is False


def marked(table: Table) -> Table:
    """The same table with best and second cells: of each metric as printed, so that equal numbers are equal."""
    rows = [list(row.cells) for row in table.rows]
    for place, column in enumerate(table.columns):
        if column.higher_is_better is None:
            continue
        ranked = [k for k, row in enumerate(table.rows) if row.rank is not None]
        values = {k: round(value, 3) for k in ranked if (value := rows[k][place].value) is not None}
        order = sorted(set(values.values()), reverse=column.higher_is_better)
        for k, value in values.items():
            if len(order) > 1 and value in order[:2]:
                rows[k][place] = replace(rows[k][place], best="best" if value == order[0] else "second")
    return replace(
        table, rows=tuple(replace(row, cells=tuple(cells)) for row, cells in zip(table.rows, rows, strict=True))
    )


def metrics_of(board: Board) -> list[str]:
    """The metrics of a board, headline first; those that no row has a value of are left out."""
    names = list(dict.fromkeys(name for line in board.every for name in line.record.task.metrics))
    valued = {name for line in board.every for name, score in line.record.scores.items() if score.value is not None}
    rest = [name for name in names if name != board.headline and (name in valued or not valued)]
    return [board.headline, *rest]


def higher_is_better(board: Board, metric: str) -> bool | None:
    """Which end of a metric is better; None where no row has it."""
    found = (line.record.scores.get(metric) for line in board.every)
    return next((score.higher_is_better for score in found if score), None)


def ranges(board: Board) -> bool:
    """Whether one item is scored, all subjects together, so that a range stands in the place of an interval."""
    return any(score.spread for line in board.every for score in line.record.scores.values())


def drawn(board: Board) -> bool:
    """Whether the folds are draws of the labelled items, all tested on the same subjects."""
    return any(score.aggregate == DRAWN for line in board.every for score in line.record.scores.values())


def rank_field() -> Field:
    """The rank, ``=`` where it is not separated from the best, and the interval of the rank."""
    note = "in brackets the 95 % bootstrap interval of the rank; =: not separated from the best"
    return Field(Column("rank", "#", note, "number"), rank_cell)


def rank_cell(line: Line) -> Cell:
    """``2= (1-3)``; a dash where a row does not rank."""
    if line.rank is None:
        return Cell("-", note=line.record.reason or why_unranked(line))
    stand = line.standing or Standing()
    text = f"{line.rank}{'=' if tied(line) else ''}"
    if stand.rank_low is None or stand.rank_high is None:
        return Cell(text, value=line.rank, note=stand.reason)
    return Cell(f"{text} ({stand.rank_low}-{stand.rank_high})", line.rank, stand.rank_low, stand.rank_high)


def why_unranked(line: Line) -> str:
    """Why a row that was finished does not rank."""
    record = line.record
    if record.task.oracle_of:
        return "an oracle: it sees what methods do not"
    if not record.ranked:
        return "may not rank: its pretraining overlaps with the test subjects, or its references are the user's own"
    return "has no score to rank by"


def p_fields(lines: Sequence[Line]) -> Iterator[Field]:
    """The test against the best, where any row has it."""
    if any(line.standing and line.standing.p is not None for line in lines):
        note = "of no difference to the best: paired bootstrap over the test subjects, Holm over all pairs of rows"
        yield Field(Column("p", "p", note, "number", leaves=LEAVES["p"]), test_cell)


def test_cell(line: Line) -> Cell:
    """p of a row against the best."""
    stand = line.standing
    if stand is None or stand.p is None:
        return Cell("-", note="the best itself" if line.rank == 1 else stand.reason if stand else "")
    return p_cell(stand.p)


def p_cell(p: float) -> Cell:
    """A p; the least are not printed to the last place."""
    return Cell("<0.001" if p < 0.001 else f"{p:.3f}", value=p)


def method_field(board: Board, title: str = "method") -> Field:
    """Method, preset, and in what rows of the same name differ."""

    named = labeller(board)

    def cell(line: Line) -> Cell:
        name = line.record.method.name
        why = why_floor(name)
        return Cell(named(line.record), link=f"method:{name}", note=f"a floor: it {why}" if why else "")

    return Field(Column("method", title), cell)


def headline_field(board: Board) -> Field:
    """The metric that ranks, with its interval."""
    name = board.headline
    title = f"{name} {'[range]' if ranges(board) else '[95 % interval]'}"
    return Field(
        Column(name, title, sort="number", higher_is_better=higher_is_better(board, name)),
        lambda line: score_cell(line, name, interval(line.record.scores.get(name))),
    )


def metric_fields(board: Board, names: Sequence[str]) -> Iterator[Field]:
    """Metrics beside the headline."""
    for place, name in enumerate(names):
        column = Column(
            name,
            short(board, name),
            sort="number",
            higher_is_better=higher_is_better(board, name),
            leaves=LEAVES["metrics"] + min(place, 80),
        )
        yield Field(column, partial(score_cell, name=name))


def score_cell(line: Line, name: str, text: str = "") -> Cell:
    """A score; where there is none, why."""
    score = line.record.scores.get(name)
    if score is None or score.value is None:
        return Cell("-", note=why_missing(line, name, score))
    return Cell(text or number(score.value), value=score.value, low=score.low, high=score.high)


def why_missing(line: Line, name: str, score: ScorePart | None) -> str:
    """Why a row lacks a metric."""
    record = line.record
    if score is not None and score.missing:
        return score.missing
    if record.status != "ok":
        return f"{record.status}: {record.reason}" if record.reason else record.status
    return f"{name} was not scored in this record" if score is None else f"{name} is not defined on these items"


def spread_fields(board: Board) -> Iterator[Field]:
    """Standard deviations of the headline, where any row has them."""
    first = "films" if board.first.task.parts == "movie" else "parts" if board.first.task.parts else "folds"
    first = "draws" if drawn(board) else first
    for what, of in ((first, "fold_sd"), ("seeds", "seed_sd"), ("subjects", "item_sd")):
        if any(spread(line, board, of) is not None for line in board.lines):
            note = f"standard deviation of {board.headline} over {what}"
            column = Column(f"sd-{what}", f"sd {what}", note, "number", leaves=LEAVES["spread"])
            yield Field(column, partial(spread_cell, board=board, field=of))


def spread_cell(line: Line, board: Board, field: str) -> Cell:
    """A standard deviation of the headline, as a cell."""
    return number_cell(spread(line, board, field))


def spread(line: Line, board: Board, field: str) -> float | None:
    """A standard deviation of the headline."""
    score = line.record.scores.get(board.headline)
    value: float | None = getattr(score, field) if score else None
    return value


def number_cell(value: float | None) -> Cell:
    """A number with three decimals."""
    return Cell(number(value), value=value)


def aggregate_fields(board: Board) -> Iterator[Field]:
    """The second way to join several folds: pooled where the headline is a mean, and the reverse."""
    task = board.first.task
    if len(board.first.split.folds) > 1 and not (ranges(board) or drawn(board) or task.parts):
        column = Column(
            "aggregate",
            f"{board.headline} {'fold mean' if task.pooled else 'pooled'}",
            "the folds joined the other way",
            "number",
            higher_is_better(board, board.headline),
            LEAVES["aggregate"],
        )
        yield Field(column, lambda line: number_cell(other_aggregate(line, board.headline)))


def other_aggregate(line: Line, metric: str) -> float | None:
    """The headline under the other way of joining folds."""
    record = line.record
    if not record.task.pooled:
        score = record.scores.get(metric)
        return score.pooled if score else None
    own = [part.scores.get(metric) for part in record.cells]
    known = [value for value in own if value is not None]
    return sum(known) / len(known) if known else None


def share_fields(board: Board) -> Iterator[Field]:
    """The share of the attainable that was reached, where a ceiling is known."""
    if any(line.record.ceiling and line.record.ceiling.share is not None for line in board.every):
        ceiling = board.first.ceiling
        other = f" {ceiling.metric}" if ceiling and ceiling.metric != board.headline else ""
        note = "(score - chance) / (best attainable - chance)"
        column = Column("share", f"share of attainable{other}", note, "number", leaves=LEAVES["share"])
        yield Field(column, share_cell)


def share_cell(line: Line) -> Cell:
    """A share of the attainable in percent."""
    share = line.record.ceiling.share if line.record.ceiling else None
    return Cell("-") if share is None else Cell(f"{100 * share:.0f} %", value=share)


def cost_fields() -> Iterator[Field]:
    """Parameters, seconds, memory and device."""
    made: tuple[tuple[str, str, str, Callable[[Line], Cell]], ...] = (
        ("fit-seconds", "fit s", "seconds of fitting, all cells", lambda line: fit_seconds(line.record)),
        ("predict-seconds", "predict s", "seconds of predicting, all cells", lambda line: predict_seconds(line.record)),
        ("peak-mib", "peak MiB", "most memory of a cell", lambda line: peak_memory(line.record)),
        ("parameters", "parameters", "as the method reports, most of a cell", lambda line: parameters(line.record)),
    )
    for name, title, note, cell in made:
        yield Field(Column(name, title, note, "number", leaves=LEAVES[name]), cell)
    yield Field(Column("device", "device", leaves=LEAVES["device"]), lambda line: device(line.record))


def status_fields(lines: Sequence[Line]) -> Iterator[Field]:
    """How the run ended, which never leaves where it is not the same for all, and what the audit found."""
    fine = all(status_cell(line).text == "ok" for line in lines)
    yield Field(Column("status", "status", leaves=LEAVES["status"] if fine else 0), status_cell)
    note = "leak detectors that found nothing, that found something to read, and that do not cover these data"
    yield Field(Column("audit", "audit", note, leaves=LEAVES["audit"]), audit_cell)


def status_cell(line: Line) -> Cell:
    """``ok``, or what went wrong, and any leak."""
    record = line.record
    leaks = [finding.detector for finding in record.audit if finding.level == "leak"]
    text = record.status if not leaks else f"{record.status}; LEAK: {', '.join(leaks)}"
    return Cell(text, note=record.reason)


def audit_cell(line: Line) -> Cell:
    """Number of findings of each level, worst first; the note holds them all."""
    found = line.record.audit
    levels = sorted({finding.level for finding in found}, key=lambda level: (level == "ok", level))
    counts = {level: sum(finding.level == level for finding in found) for level in levels}
    text = ", ".join(counted(n, level) if level in ("leak", "note") else f"{n} {level}" for level, n in counts.items())
    note = "; ".join(f"{finding.detector}: {finding.message}" for finding in found)
    return Cell(text or "none", note=note)


def record_field() -> Field:
    """The record's id."""
    return Field(
        Column("record", "record", leaves=LEAVES["record"]),
        lambda line: Cell(line.record.id, link=f"record:{line.record.id}"),
    )
