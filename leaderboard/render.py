"""Faces of a board: terminal and Markdown. Both print the same cells."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from tabulate import tabulate

from ..benchmark.record import DRAWN, Record, ScorePart
from .board import Board, Line
from .narrow import fitted
from .sections import SHOWN, interval, method_label, number, safe, score_notes, sections, short, shown_metrics
from .suite import SuiteLine, SuiteTable


def title(board: Board) -> str:
    """Task, data and split in one line."""
    record = board.first
    data = record.data
    what = {"real": "real data", "twin": "SIMULATED twin"}.get(data.origin, data.origin)
    if data.reference:
        what += ", agreement with a reference"
    split = record.split.rule.partition(" ")[0]
    people = counted(data.subjects, "subject")
    told = [f"{counted(data.items, 'item')} of {people}", split] if split != "together" else []
    return f"{record.task.name} (version {record.task.version}) on {data.name}: {what}, {', '.join(told) or people}"


def counted(number: int, what: str) -> str:
    """``1 run`` or ``2 runs``."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def header(board: Board, ids: bool, wide: bool = True) -> list[str]:
    """Column titles; the narrow table stops after `SHOWN` metrics."""
    names = shown_metrics(board, wide)
    columns = ["#", "method", f"{names[0]} {'[range]' if ranges(board) else '[95 % interval]'}"]
    columns += [
        title for title, field in spreads(board).items() if any(spread(line, board, field) for line in board.lines)
    ]
    if len(board.first.split.folds) > 1 and not (ranges(board) or drawn(board) or board.first.task.parts):
        columns.append(other_aggregate(board))
    if has_share(board):
        columns.append(share_title(board))
    columns += [*(short(board, name) for name in names[1:]), "fit + predict s", "peak MiB", "status"]
    return [*columns, "record"] if ids else columns


def has_share(board: Board) -> bool:
    """Whether any row says what share of the attainable it reached."""
    return any(line.record.ceiling and line.record.ceiling.share is not None for line in board.every)


def share_title(board: Board) -> str:
    """Title of the share of the ceiling, with its metric where that is not the headline."""
    ceiling = board.first.ceiling
    other = ceiling and ceiling.metric != board.headline
    return f"share of attainable {ceiling.metric}" if ceiling and other else "share of attainable"


def spreads(board: Board) -> dict[str, str]:
    """Column titles of standard deviations, and the fields of a score that hold them."""
    first = (
        "sd draws"
        if drawn(board)
        else "sd films"
        if board.first.task.parts == "movie"
        else "sd parts"
        if board.first.task.parts
        else "sd folds"
    )
    return {first: "fold_sd", "sd seeds": "seed_sd", "sd subjects": "item_sd"}


def ranges(board: Board) -> bool:
    """Whether one item is scored, all subjects together, so that a range stands in the place of an interval."""
    return any(score.spread for line in board.every for score in line.record.scores.values())


def drawn(board: Board) -> bool:
    """Whether the folds are draws of the labelled items, all tested on the same subjects."""
    return any(score.aggregate == DRAWN for line in board.every for score in line.record.scores.values())


def spread(line: Line, board: Board, field: str) -> float | None:
    """A standard deviation of the headline."""
    score = line.record.scores.get(board.headline)
    value: float | None = getattr(score, field) if score else None
    return value


def other_aggregate(board: Board) -> str:
    """Title of the second way to join the folds: pooled where the headline is a mean, and the reverse."""
    return f"{board.headline} {'fold mean' if board.first.task.pooled else 'pooled'}"


def cells(board: Board, line: Line, ids: bool, wide: bool = True) -> list[str]:
    """The cells of a reproduced row."""
    record = line.record
    columns = header(board, ids, wide)
    found = [str(line.rank or "-"), method_label(board, record), interval(record.scores.get(board.headline))]
    found += [number(spread(line, board, field)) for title, field in spreads(board).items() if title in columns]
    if other_aggregate(board) in columns:
        found.append(number(second(record, board.headline)))
    if has_share(board):
        share = record.ceiling.share if record.ceiling else None
        found.append("" if share is None else f"{100 * share:.0f} %")
    found += [interval(record.scores.get(name), short=True) for name in shown_metrics(board, wide)[1:]]
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


def footnotes(board: Board, wide: bool = True, lost: Sequence[str] = ()) -> list[str]:
    """What a reader must know below the table; ``lost`` are columns that the terminal had no room for."""
    record = board.first
    score = next(
        (line.record.scores[board.headline] for line in board.every if board.headline in line.record.scores), None
    )
    notes = ["Scores are agreement with a reference, not with a measured truth."] if record.data.reference else []
    notes += [
        f"{board.headline}: {meaning(board)}"
        + (f"; chance {score.chance:g}" if score and score.chance is not None else "")
        + "."
    ]
    notes += score_notes(board.every, shown_metrics(board, wide), wide)
    names = shown_metrics(board, wide=True)
    gone = {f"{board.headline}{title}" if title.startswith(":") else title: None for title in lost}
    hidden = [*gone, *names[SHOWN:]]
    if hidden and not wide:
        notes.append(f"With --format markdown also: {', '.join(hidden)}.")
    if record.ceiling:
        notes.append(ceiling_note(record))
    if record.data.left_out:
        left = ", ".join(f"{count} {reason}" for reason, count in record.data.left_out.items())
        notes.append(f"Left out: {left}.")
    notes += [
        f"{method_label(board, line.record)} {line.record.status}: {line.record.reason}"
        for line in board.every
        if line.record.reason
    ]
    audit = {f"{finding.detector}: {finding.message}" for line in board.every for finding in line.record.audit}
    notes += [f"Audit, {text}." for text in sorted(audit)]
    if board.lines and not any(line.record.isolated for line in board.lines):
        notes.append("Workers saw no test label, but their file system was not closed to the cohort (isolated: no).")
    if board.superseded:
        notes.append(f"Older records of the same rows, left out: {board.superseded}.")
    if board.published_elsewhere:
        base = record.task.name.partition("@")[0]
        notes.append(
            f"{board.published_elsewhere} published rows stand under the real-data table: "
            f"brainbench leaderboard --task {base} --data real"
        )
    return notes


def meaning(board: Board) -> str:
    """What the headline averages, and what stands in its brackets."""
    if ranges(board):
        found: dict[str, list[str]] = {}
        for line in board.every:
            if score := line.record.scores.get(board.headline):
                found.setdefault(score.spread or "nothing (one seed)", []).append(line.record.method.name)
        each = "; ".join(f"{spread} for {', '.join(sorted(set(names)))}" for spread, names in found.items())
        return f"all subjects together, one graph; in brackets no interval but the {each}"
    task = board.first.task
    if any(line.record.scores.get(board.headline, NOTHING).item_sd is not None for line in board.every):
        return "mean over subjects, each alone; interval and standard deviation over subjects"
    if task.track == "score-mean":
        return "the subjects' score matrices averaged, then scored; interval over subjects"
    if drawn(board):
        draws = len(board.first.split.folds)
        return f"mean over {draws} draws of the labelled items; interval over test subjects and draws"
    if task.kind == "encoding":
        data = board.first.data
        return (
            "Pearson r of each parcel, mean over parcels, people and films; interval over segments of about 90 s of "
            f"{counted(data.items, 'run')} of film in {data.subjects} people, given the trained models: nothing "
            "follows for other people, and little for other films"
        )
    if task.parts:
        return "mean over parts, each scored by itself; interval over test images, which parts may share"
    return f"{'pooled' if task.pooled else 'mean'} over folds; interval over test subjects, given the trained models"


def ceiling_note(record: Record) -> str:
    """Best attainable score of the twin in one sentence."""
    ceiling = record.ceiling
    assert ceiling is not None
    text = f"Best attainable {ceiling.metric} {ceiling.value:.3f} (Monte-Carlo error {ceiling.error:.4f})"
    if ceiling.with_covariates is not None:
        text += f", {ceiling.with_covariates:.3f} with covariates"
    if ceiling.at_training_size is not None:
        learned = f"{ceiling.training_size} {'images' if record.task.parts else 'subjects'}"
        text += f", {ceiling.at_training_size:.3f} when its weights are learned from {learned}"
    return f"{text}. {ceiling.note}".rstrip()


NOTHING = ScorePart(
    value=None, low=None, high=None, fold_sd=None, seed_sd=None, pooled=None, aggregate="", folds=0, chance=None,
    higher_is_better=True,
)  # fmt: skip


def to_terminal(board: Board, console: Console, ids: bool = False) -> None:
    """Print a board on a terminal; what has no room beside the score is named below."""
    further = [title for name in shown_metrics(board, wide=False)[:0:-1] for title in (short(board, name), name)]
    costs = ("peak MiB", "fit + predict s", *spreads(board), other_aggregate(board))
    lost: list[str] = []
    if board.lines:
        table = Table(title=safe(title(board)), title_justify="left")
        rows = [list(map(safe, cells(board, line, ids, wide=False))) for line in board.lines]
        columns = list(map(safe, header(board, ids, wide=False)))
        lost += fitted(table, columns, rows, [*further, *costs], console)
        for row, line in zip(table.rows, board.lines, strict=True):
            row.style = "bold" if line.rank == 1 else None
        console.print(table)
    else:
        console.print(safe(title(board)), style="italic")
    for part in sections(board, ids, wide=False):
        below = Table(title=safe(part.title), title_justify="left", row_styles=("dim",) if part.quiet else None)
        rows = [list(map(safe, row)) for row in part.rows]
        lost += fitted(below, list(map(safe, part.header)), rows, further, console)
        console.print(below)
    for note in footnotes(board, wide=False, lost=lost):
        console.print(safe(note), style="dim")
    console.print()


def to_markdown(board: Board, ids: bool = False) -> str:
    """A board as GitHub Markdown."""
    parts = [f"### {escape_markdown(title(board))}"]
    if board.lines:
        rows = [list(map(escape_markdown, cells(board, line, ids))) for line in board.lines]
        parts.append(tabulate(rows, header(board, ids), tablefmt="github", disable_numparse=True))
    parts.append("\n".join(f"- {escape_markdown(note)}" for note in footnotes(board)))
    for part in sections(board, ids, wide=True):
        below = [list(map(escape_markdown, row)) for row in part.rows]
        heads = list(map(escape_markdown, part.header))
        parts += [f"**{part.title}**", tabulate(below, heads, tablefmt="github", disable_numparse=True)]
    return "\n\n".join(parts) + "\n"


def suite_title(table: SuiteTable) -> str:
    """Suite, source, and what its means average."""
    what = {"real": "real data", "twin": "SIMULATED twins"}.get(table.origin, table.origin)
    if not table.averaged:
        return f"suite {table.name}: {what}, headlines of {len(table.tasks)} tasks"
    graphs = f"which hold {table.truths} distinct true graphs"
    return f"suite {table.name}: {what}, mean over {len(table.tasks)} tasks, {graphs}"


def suite_header(table: SuiteTable, wide: bool = True) -> list[str]:
    """Column titles of a suite's table."""
    if not table.averaged:
        return ["method", "mean rank", *table.tasks, "fit + predict s"]
    names = table.metrics if wide else table.metrics[:SHOWN]
    return ["method", "tasks", *names, "fit + predict s"]


def suite_cells(table: SuiteTable, line: SuiteLine, wide: bool = True) -> list[str]:
    """The cells of a suite's row."""
    if not table.averaged:
        rank = "-" if line.rank is None else f"{line.rank:.1f}"
        scores = [interval(line.headlines.get(task), short=not wide) for task in table.tasks]
        return [line.label, rank, *scores, f"{line.seconds:.1f}"]
    names = table.metrics if wide else table.metrics[:SHOWN]
    count = f"{len(line.tasks)}/{len(table.tasks)}{'*' if line.fewer else ''}"
    return [line.label, count, *(number(line.scores[name]) for name in names), f"{line.seconds:.1f}"]


def suite_notes(table: SuiteTable) -> list[str]:
    """What a reader must know of the means."""
    notes = []
    if not table.averaged:
        notes.append("Ranks are means over the tasks, among rows that have them all; scores are never averaged.")
    elif any(not table.complete(line) for line in table.lines):
        notes.append("Only rows with the same tasks compare; rows with fewer tasks stand last.")
    for line in table.lines:
        if line.fewer:
            few = ", ".join(f"{task} on {count} subjects" for task, count in line.fewer.items())
            notes.append(f"* {line.label}: {few}.")
    if table.missing:
        notes.append(f"Missing, without any record: {', '.join(table.missing)}.")
    return notes


def suite_to_terminal(table: SuiteTable, console: Console) -> None:
    """Print a suite's table on a terminal."""
    shown = Table(*suite_header(table, wide=False), title=safe(suite_title(table)), title_justify="left")
    for line in table.lines:
        shown.add_row(*map(safe, suite_cells(table, line, wide=False)))
    console.print(shown)
    for note in suite_notes(table):
        console.print(safe(note), style="dim")
    console.print()


def suite_to_markdown(table: SuiteTable) -> str:
    """A suite's table as GitHub Markdown."""
    rows = [list(map(escape_markdown, suite_cells(table, line))) for line in table.lines]
    body = tabulate(rows, suite_header(table), tablefmt="github", disable_numparse=True)
    notes = "\n".join(f"- {escape_markdown(note)}" for note in suite_notes(table))
    return "\n\n".join([f"## {escape_markdown(suite_title(table))}", body, notes]) + "\n"


def escape_markdown(text: str) -> str:
    """Text from outside, such as a method's name or reason, as text: no cell border, no HTML, no link, one line."""
    line = " ".join(text.splitlines())
    return line.replace("\\", "\\\\").replace("|", "\\|").replace("](", "]\\(").replace("<", "&lt;")
