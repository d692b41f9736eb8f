"""Faces of a board: terminal and Markdown. Both print the same cells."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tabulate import tabulate

from ..benchmark.record import Record, ScorePart
from .board import Board, Line


def title(board: Board) -> str:
    """Task, data and split in one line."""
    record = board.first
    data = record.data
    what = {"real": "real data", "twin": "SIMULATED twin"}.get(data.origin, data.origin)
    return (
        f"{record.task.name} (version {record.task.version}) on {data.name}: {what}, {data.items} items of "
        f"{data.subjects} subjects, {record.split.rule.partition(' ')[0]}"
    )


def header(board: Board, ids: bool) -> list[str]:
    """Column titles."""
    names = list(board.first.task.metrics)
    columns = ["#", "method", f"{names[0]} [95 % interval]", "sd folds"]
    if all(line.record.scores.get(names[0]) is None or len(line.record.split.folds) > 1 for line in board.lines):
        columns.append(other_aggregate(board))
    if board.first.ceiling:
        columns.append("share of attainable")
    columns += [*names[1:], "fit + predict s", "peak MiB", "status"]
    return [*columns, "record"] if ids else columns


def other_aggregate(board: Board) -> str:
    """Title of the second way to join the folds: pooled where the headline is a mean, and the reverse."""
    return f"{board.headline} {'fold mean' if board.first.task.pooled else 'pooled'}"


def cells(board: Board, line: Line, ids: bool) -> list[str]:
    """The cells of a reproduced row."""
    record = line.record
    columns = header(board, ids)
    score = record.scores.get(board.headline)
    found = [
        str(line.rank or "-"),
        method_label(board, record),
        interval(score),
        number(score.fold_sd if score else None),
    ]
    if other_aggregate(board) in columns:
        found.append(number(second(record, board.headline)))
    if board.first.ceiling:
        share = record.ceiling.share if record.ceiling else None
        found.append("" if share is None else f"{100 * share:.0f} %")
    found += [interval(record.scores.get(name), short=True) for name in record.task.metrics[1:]]
    cost = record.environment.cells.values()
    found += [
        f"{sum(c.fit_seconds + c.predict_seconds for c in cost):.1f}",
        f"{max((c.peak_memory for c in cost), default=0) >> 20}",
        status(record),
    ]
    return [*found, record.id] if ids else found


def second(record: Record, metric: str) -> float | None:
    """The headline under the other way of joining folds."""
    if not record.task.pooled:
        score = record.scores.get(metric)
        return score.pooled if score else None
    own = [part.scores.get(metric) for part in record.cells]
    known = [value for value in own if value is not None]
    return sum(known) / len(known) if known else None


def status(record: Record) -> str:
    """``ok``, or what went wrong (the reason stands below the table), and what the audit found."""
    marks = [finding.detector for finding in record.audit if finding.level == "leak"]
    return record.status if not marks else f"{record.status}; LEAK: {', '.join(marks)}"


def method_label(board: Board, record: Record) -> str:
    """Method and preset, and in what rows of the same name differ: options, number of seeds, weights."""
    mine = record.method
    others = [
        line.record
        for line in board.lines
        if (line.record.method.ref, line.record.method.preset) == (mine.ref, mine.preset)
    ]
    told = [mine.preset] if mine.preset else []
    for name, value in mine.options.items():
        if any(other.method.options.get(name) != value for other in others):
            told.append(f"{name}={value}")
    if any(other.seeds != record.seeds for other in others):
        told.append(f"seeds={len(record.seeds)}")
    if any(other.method.weights != mine.weights for other in others):
        told.append(f"weights={mine.weights[:8] or None}")
    return f"{mine.name} ({', '.join(told)})" if told else mine.name


def interval(score: ScorePart | None, short: bool = False) -> str:
    """``0.771 [0.735, 0.806]``; ``short`` leaves the interval out."""
    if score is None or score.value is None:
        return "-"
    if short or score.low is None or score.high is None:
        return number(score.value)
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def footnotes(board: Board) -> list[str]:
    """What a reader must know below the table."""
    record = board.first
    score = next(
        (line.record.scores[board.headline] for line in board.lines if board.headline in line.record.scores), None
    )
    how = "pooled over folds" if record.task.pooled else "mean over folds"
    notes = [
        f"{board.headline}: {how}; interval over test subjects, given the trained models"
        + (f"; chance {score.chance:g}" if score and score.chance is not None else "")
        + "."
    ]
    if record.ceiling:
        notes.append(ceiling_note(record))
    if record.data.left_out:
        left = ", ".join(f"{count} {reason}" for reason, count in record.data.left_out.items())
        notes.append(f"Left out: {left}.")
    notes += [
        f"{method_label(board, line.record)} {line.record.status}: {line.record.reason}"
        for line in board.lines
        if line.record.reason
    ]
    audit = {f"{finding.detector}: {finding.message}" for line in board.lines for finding in line.record.audit}
    notes += [f"Audit, {text}." for text in sorted(audit)]
    if not any(line.record.isolated for line in board.lines):
        notes.append("Workers saw no test label, but their file system was not closed to the cohort (isolated: no).")
    if board.published_elsewhere:
        base = record.task.name.partition("@")[0]
        notes.append(
            f"{board.published_elsewhere} published rows stand under the real-data table: "
            f"brainbench leaderboard --task {base} --data real"
        )
    return notes


def ceiling_note(record: Record) -> str:
    """Best attainable score of the twin in one sentence."""
    ceiling = record.ceiling
    assert ceiling is not None
    text = f"Best attainable {ceiling.metric} {ceiling.value:.3f} (Monte-Carlo error {ceiling.error:.4f})"
    if ceiling.with_covariates is not None:
        text += f", {ceiling.with_covariates:.3f} with covariates"
    if ceiling.at_training_size is not None:
        text += f", {ceiling.at_training_size:.3f} when its weights are learned from {ceiling.training_size} subjects"
    return f"{text}. {ceiling.note}".rstrip()


def published_cells(board: Board) -> list[list[str]]:
    """Rows of papers: source, method, and the metrics that they print."""
    names = board.first.task.metrics
    return [
        [
            f"{row.source} {row.table}",
            row.method,
            *(_paper(row.values.get(name)) for name in names),
            "; ".join(row.notes),
        ]
        for row in board.published
    ]


def published_header(board: Board) -> list[str]:
    """Column titles of the published section."""
    return ["source", "method", *board.first.task.metrics, "caveats"]


def _paper(value: tuple[float, float | None] | None) -> str:
    if value is None:
        return "-"
    mean, sd = value
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"


PUBLISHED_TITLE = "Published: printed by the papers on their own splits; not ranked, not run here"


def to_terminal(board: Board, console: Console, ids: bool = False) -> None:
    """Print a board on a terminal."""
    table = Table(*map(escape, header(board, ids)), title=escape(title(board)), title_justify="left")
    for line in board.lines:
        table.add_row(*map(escape, cells(board, line, ids)), style="bold" if line.rank == 1 else None)
    console.print(table)
    for note in footnotes(board):
        console.print(note, markup=False, style="dim")
    if board.published:
        papers = Table(*map(escape, published_header(board)), title=PUBLISHED_TITLE, title_justify="left")
        for row in published_cells(board):
            papers.add_row(*map(escape, row))
        console.print(papers)
    console.print()


def to_markdown(board: Board, ids: bool = False) -> str:
    """A board as GitHub Markdown."""
    rows = [list(map(escape_markdown, cells(board, line, ids))) for line in board.lines]
    body = tabulate(rows, header(board, ids), tablefmt="github", disable_numparse=True)
    notes = "\n".join(f"- {escape_markdown(note)}" for note in footnotes(board))
    parts = [f"### {escape_markdown(title(board))}", body, notes]
    if board.published:
        papers = [list(map(escape_markdown, row)) for row in published_cells(board)]
        table = tabulate(papers, published_header(board), tablefmt="github", disable_numparse=True)
        parts += [f"**{PUBLISHED_TITLE}**", table]
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    """Text from outside, such as a method's name or reason, as text: no cell border, no HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
