"""What language models said of answers: a table beside a board, never part of its ranking."""

from __future__ import annotations

from tabulate import tabulate

from ..benchmark.judging import Opinion, opinions
from ..benchmark.record import ScorePart
from ..benchmark.store import Store
from .board import Board
from .render import escape_markdown
from .sections import interval, method_label

TITLE = "Judged by a language model: not ranked, and not comparable with the matcher's scores above"
HEADER = ("method", "judge", "field accuracy", "all fields right", "agrees with the matcher", "void", "not read")


def judged_rows(board: Board, store: Store) -> list[list[str]]:
    """A row for each record of a board and judge; none where nobody has judged."""
    if board.first.task.kind != "questions":
        return []
    return [
        [method_label(board, line.record), *_cells(opinion)]
        for line in board.lines
        for opinion in opinions(store, line.record)
    ]


def _cells(opinion: Opinion) -> list[str]:
    judge = opinion.judge
    scores = [_shown(opinion.scores.get(f"judged-{name}")) for name in ("field-accuracy", "all-fields-accuracy")]
    told = f"{judge.name} ({judge.version or 'version not told'}; {judge.where})"
    return [told, *scores, f"{opinion.agreement:.1%}", str(opinion.void), str(opinion.unread)]


def _shown(score: ScorePart | None) -> str:
    return interval(score) if score else ""


def judged_text(board: Board, store: Store) -> str:
    """The table in Markdown under its title; "" where there is none."""
    rows = [list(map(escape_markdown, row)) for row in judged_rows(board, store)]
    if not rows:
        return ""
    return f"**{TITLE}**\n\n{tabulate(rows, HEADER, tablefmt='github', disable_numparse=True)}\n"
