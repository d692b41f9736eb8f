"""Tables that stand under a board's own: rescored rows, parts, controls, published numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.markup import escape

from ..benchmark.record import Record, ScorePart
from .board import Board, Line, identity, options_told

SHOWN = 8
"""Metrics in the terminal's table; Markdown holds all."""

CONTROLS_TITLE = "Controls: made from the graph that scores, or from the order of the file; not methods, not ranked"
SEEN_CONTROLS_TITLE = "Controls: made from what was seen itself; not methods, not ranked"
RESCORED_TITLE = "Rescored: somebody's predictions, our metrics; ranked among themselves, not run here"
ORACLES_TITLE = "Oracles: they see what methods do not, such as other people's responses; not ranked"
PUBLISHED_TITLE = "Published: printed by the papers on their own splits; not ranked, not run here"


@dataclass(frozen=True)
class Section:
    """A table with a title; ``quiet`` ones are printed dim on a terminal."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    quiet: bool = False


def sections(board: Board, ids: bool, wide: bool) -> Iterator[Section]:
    """The sections of a board that have rows, in the order in which they are printed."""
    names = shown_metrics(board, wide)
    for made in (
        Section(RESCORED_TITLE, rescored_header(board, names, ids), tuple(rescored_rows(board, names, ids))),
        Section(ORACLES_TITLE, oracle_header(board, names), tuple(oracle_rows(board, names)), quiet=True),
        Section(f"{board.headline} of each part", parts_header(board), tuple(parts_rows(board))),
        Section(controls_title(board), ("control", *names), tuple(control_rows(board, names)), quiet=True),
        Section(PUBLISHED_TITLE, published_header(board), tuple(published_rows(board))),
    ):
        if made.rows:
            yield made


def shown_metrics(board: Board, wide: bool) -> list[str]:
    """The metrics of a table, headline first; those that no row has a value of are left out."""
    names = list(dict.fromkeys(name for line in board.every for name in line.record.task.metrics))
    valued = {name for line in board.every for name, score in line.record.scores.items() if score.value is not None}
    names = [name for name in names if name in valued or name == board.headline] if valued else names
    return names if wide else names[:SHOWN]


def short(board: Board, name: str) -> str:
    """A metric's column title: ``:PART`` for a part of the headline."""
    return name.removeprefix(board.headline) if name.startswith(f"{board.headline}:") else name


def rescored_header(board: Board, names: Sequence[str], ids: bool) -> tuple[str, ...]:
    """Column titles of the rescored rows."""
    first = (f"{name} [95 % interval]" if name == board.headline else name for name in names)
    return ("#", "predictions of", *first, "known of how they were made", *(("record",) if ids else ()))


def rescored_rows(board: Board, names: Sequence[str], ids: bool) -> Iterator[tuple[str, ...]]:
    """Rows of predictions that were made elsewhere."""
    for line in board.rescored:
        record = line.record
        scores = [interval(record.scores.get(name), short=name != board.headline) for name in names]
        known = str(record.card.get("notes") or "nothing")
        yield (str(line.rank or "-"), record.method.name, *scores, known, *((record.id,) if ids else ()))


def oracle_header(board: Board, names: Sequence[str]) -> tuple[str, ...]:
    """Column titles of the oracles."""
    return ("regime", "method", f"{board.headline} [95 % interval]", *(short(board, name) for name in names[1:]))


def oracle_rows(board: Board, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Rows of regimes that show their methods more than this task does."""
    for line in board.oracles:
        record = line.record
        scores = [interval(record.scores.get(name), short=name != board.headline) for name in names]
        yield (record.task.name.partition("@")[2], method_label(board, record), *scores)


def parts_of(board: Board) -> list[str]:
    """Names of the parts that are averaged."""
    found = [line.record.scores.get(board.headline) for line in board.every]
    return sorted({part for score in found if score for part in score.parts})


def parts_header(board: Board) -> tuple[str, ...]:
    """Column titles of the table of parts."""
    return ("method", *parts_of(board))


def parts_rows(board: Board) -> Iterator[tuple[str, ...]]:
    """The headline of every row on each part; nothing where there is one part only."""
    names = parts_of(board)
    for line in board.every if len(names) > 1 else ():
        score = line.record.scores.get(board.headline)
        if score and score.parts:
            yield (method_label(board, line.record), *(number(score.parts.get(name)) for name in names))


def controls_title(board: Board) -> str:
    """What the controls of a kind are made from."""
    return CONTROLS_TITLE if board.first.task.kind == "connectivity" else SEEN_CONTROLS_TITLE


def control_rows(board: Board, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """What predictions made from the truth itself would score."""
    found = next((line.record.controls for line in board.every if line.record.controls), {})
    for label, scores in found.items():
        yield (label, *(number(scores.get(name)) for name in names))


def published_metrics(board: Board) -> list[str]:
    """The task's metrics that papers print."""
    return [name for name in board.first.task.metrics if any(name in row.values for row in board.published)]


def published_header(board: Board) -> tuple[str, ...]:
    """Column titles of the published section."""
    return ("source", "method", *published_metrics(board), "caveats")


def published_rows(board: Board) -> Iterator[tuple[str, ...]]:
    """Rows of papers: source, method, the metrics that they print, and what to know of them."""
    names = published_metrics(board)
    for row in board.published:
        values = (_paper(row.values.get(name)) for name in names)
        yield (f"{row.source} {row.table}", row.method, *values, "; ".join(row.notes))


def _paper(value: tuple[float, float | None] | None) -> str:
    if value is None:
        return "-"
    mean, sd = value
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"


def method_label(board: Board, record: Record) -> str:
    """Method and preset, and in what rows of the same name differ: options, number of seeds, weights."""
    others = [line.record for line in board.every]
    told = options_told(record, others)
    same = [other for other in others if identity(other) == identity(record)]
    if any(other.seeds != record.seeds for other in same):
        told.append(f"seeds={len(record.seeds)}")
    return f"{record.method.name} ({', '.join(told)})" if told else record.method.name


def interval(score: ScorePart | None, short: bool = False) -> str:
    """``0.771 [0.735, 0.806]``; ``short`` leaves the interval out."""
    if score is None or score.value is None:
        return "-"
    if short or score.low is None or score.high is None:
        return number(score.value)
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def safe(text: str) -> str:
    """Text from outside for a terminal: no markup of rich's, and no control character but line breaks."""
    return escape("".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text))


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def score_notes(lines: Sequence[Line], names: Sequence[str], wide: bool) -> Iterator[str]:
    """What scores rest on, and why some are not there: one sentence for metrics that share it.

    The narrow form leaves out what would bring the missing ones.
    """
    made: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for line in lines:
        for name, score in line.record.scores.items():
            if score.missing and name not in missing.setdefault(score.missing, []):
                missing[score.missing].append(name)
            if score.made_with and name in names and name not in made.setdefault(score.made_with, []):
                made[score.made_with].append(name)
    for what, metrics in made.items():
        yield f"{', '.join(metrics)}: {what}."
    for why, metrics in missing.items():
        problem, _, remedy = why.partition("\n")
        yield f"Not scored here, {', '.join(metrics)}: {problem}{f'; {remedy.strip()}' if wide and remedy else ''}."
    if missing and not wide:
        yield "What brings them:  brainbench doctor   and  brainbench weights list"
