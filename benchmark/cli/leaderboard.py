"""``brainbench leaderboard``: the tables over all records of a store, in the terminal or as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from ...leaderboard.board import Board
    from ...leaderboard.gathered import Gathered
    from ...leaderboard.suite import SuiteTable
    from ...leaderboard.table import Sheet
    from ..index import Place
    from ..withdrawing import Tombstone


class Format(StrEnum):
    """Faces of a table."""

    table = "table"
    markdown = "markdown"
    latex = "latex"
    html = "html"


@dataclass(frozen=True)
class Asked:
    """What the command was asked for; ``tasks`` are those of the suite as well."""

    task: str | None
    tasks: tuple[str, ...]
    suite: str | None
    family: str | None
    data: str | None
    metric: str | None


def leaderboard(
    task: Annotated[str | None, typer.Option("--task", "-t", help="Only this task.")] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="S[@REGIME]", help="Only the tasks of a suite, and what tests over them say.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Only this family, such as autism.")] = None,
    data: Annotated[str | None, typer.Option(help="real | simulated.")] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="M", help="Rank by this metric [default: the headline of each task].")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print; html is a site, and needs --out.")] = (
        Format.table
    ),
    target: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="Write to a file; to a folder for html.")
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show record ids, for `rescore`.")] = False,
    submissions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Accepted submissions [default: $BRAINBENCH_SUBMISSIONS, else ./submissions if there]."
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Print the board: reproduced rows with intervals, and published numbers beside real ones.

    Example:  brainbench leaderboard --task abide1-asd --format latex --out asd.tex
    """
    from ...leaderboard.gathered import gather as gather_records
    from ...leaderboard.gathered import submissions_folder
    from ..errors import BadOption
    from ..registry import suites
    from ..store import Store
    from .run import suite_tasks

    if data not in (None, "real", "simulated"):
        raise BadOption(f"--data {data}: expected real or simulated", "leave it out for both")
    if format_ is Format.html and not target:
        raise BadOption("--format html writes a folder of pages", "say where:  --out site")
    if suite and metric:
        raise BadOption("--metric with --suite: a suite goes by the headline of each task", "leave out one of them")
    with errors().status("reading records ..."):
        place = gather_records(Store(store_path(store)), submissions_folder(submissions))
    for problem in place.damaged:
        errors().print(f"not shown: {problem}", markup=False, soft_wrap=True)
    asked = Asked(task, ((task,) if task else ()) + suite_tasks(suite), suite, family, data, metric)
    site = format_ is Format.html and not (task or metric)
    found, tables = boards_of(place, asked, suites() if site else {})
    if format_ is Format.html:
        assert target is not None
        gone = () if asked.tasks or family or data or metric else place.left_alone()
        count = write_pages(target, list(found), tables, place, gone)
        errors().print(f"{count} pages: {target / 'index.html'}", markup=False, soft_wrap=True)
        return
    show(format_, sheets(found, tables, place, ids), target)


def boards_of(
    place: Gathered, asked: Asked, all_suites: Mapping[str, tuple[str, ...]]
) -> tuple[Iterable[Board], list[SuiteTable]]:
    """The boards that were asked for, and the tables of the suite, or of all suites where none was named.

    Boards are made one after the other where there is no suite, so that only one is in memory.

    Raises `StoreError` or `UnknownName` where there is no board.
    """
    from ...leaderboard.board import chosen, fits, may_stand_in

    wanted = {asked.suite: asked.tasks} if asked.suite else all_suites
    in_suites = {task for tasks in wanted.values() for task in tasks}

    def needed(there: Place) -> bool:
        ours = fits(there, asked.tasks, None, None) or may_stand_in(there.task, in_suites)
        return ours and fits(there, (), asked.family, asked.data)

    every: Iterable[Board] = place.boards(asked.metric or "", needed)
    every = list(every) if wanted else every
    found = chosen(every, asked.tasks, None, None)
    first = next(found, None)
    if first is None:
        raise why_nothing(place, asked)
    if not wanted:
        return chain([first], found), []
    from ...leaderboard.suite import suite_tables

    return chain([first], found), [
        table for name, tasks in wanted.items() for table in suite_tables(name, tasks, every)
    ]


def why_nothing(place: Gathered, asked: Asked) -> Exception:
    """The error that says why no board was found: a name that nobody knows, or no record yet."""
    from ..errors import StoreError, unknown
    from ..registry import entries, load_task

    tasks = {there.task: there.family for there in place.places}
    path = place.store.path
    if not tasks and any((path / "records").glob("*/record.json")):
        hint = f"those that are there are damaged or edited:  brainbench doctor --store {path}"
        return StoreError(f"no record in {path} can be read", hint)
    if asked.metric and tasks and asked.metric not in (metrics := metrics_of(place)):
        return unknown("metric", asked.metric, sorted(metrics))
    if asked.task and asked.task not in tasks:
        try:
            load_task(asked.task)
        except Exception:
            return unknown("task", asked.task, [*tasks, *entries("tasks")])
    if asked.family and asked.family not in tasks.values():
        families = {entry.load().family for entry in entries("tasks").values()}
        if asked.family not in families:
            return unknown("family", asked.family, sorted(families | set(tasks.values())))
    gone = [one.id for one in place.withdrawn if one.task in asked.tasks and one.task not in tasks]
    why = f"all that stood there was withdrawn: {', '.join(gone)}" if gone else f"no record in {path} fits"
    name = asked.tasks[0] if asked.tasks else "abide2-asd"
    return StoreError(why, f"run something first:  brainbench run --task {name} --method fc-svm")


def metrics_of(place: Gathered) -> set[str]:
    """The metrics of all records."""
    return {name for there in place.places for record in place.records(there) for name in record.scores}


def board_with_judges(board: Board, place: Gathered, ids: bool) -> Sheet:
    """The sheet of a board, with what language models said of its answers."""
    from ...leaderboard.judged import judged_table
    from ...leaderboard.tables import board_sheet

    sheet, judged = board_sheet(board, ids), judged_table(board, place.store)
    return replace(sheet, tables=(*sheet.tables, judged)) if judged else sheet


def sheets(found: Iterable[Board], tables: Sequence[SuiteTable], place: Gathered, ids: bool) -> Iterator[Sheet]:
    """The sheets to print: boards, then suites."""
    from ...leaderboard.tables import suite_sheet

    yield from (board_with_judges(board, place, ids) for board in found)
    yield from map(suite_sheet, tables)


def show(format_: Format, found: Iterable[Sheet], target: Path | None) -> None:
    """Print sheets, or write them to a file."""
    from ..files import write_text

    if format_ is Format.table and not target:
        from ...leaderboard.terminal import to_terminal

        for sheet in found:
            to_terminal(sheet, out())
        return
    text = as_text(format_, list(found))
    if target:
        write_text(target, text)
    else:
        print(text)


def as_text(format_: Format, found: Sequence[Sheet]) -> str:
    """Sheets as one text."""
    if format_ is Format.latex:
        from ...leaderboard.latex import to_latex

        return to_latex(found)
    if format_ is Format.markdown:
        from ...leaderboard.markdown import to_markdown

        return "\n".join(map(to_markdown, found))
    from rich.console import Console

    from ...leaderboard.terminal import to_terminal

    text = StringIO()
    for sheet in found:
        to_terminal(sheet, Console(file=text, width=200, highlight=False))
    return text.getvalue()


def write_pages(
    target: Path, found: Sequence[Board], tables: Sequence[SuiteTable], place: Gathered, gone: Sequence[Tombstone]
) -> int:
    """Write the site, of what may leave the lab, and return the number of its pages."""
    from ...leaderboard.beside import withdrawn_alone
    from ...leaderboard.critical_figure import critical_svg
    from ...leaderboard.site import BoardSheet, SuiteSheet, write_site
    from ...leaderboard.tables import suite_sheet

    boards = []
    left_out: list[str] = []
    leaving = [place.outward_board(board, left_out) for board in found]
    for board in filter(None, leaving):
        records = tuple(line.record for line in board.every)
        boards.append(BoardSheet(board_with_judges(board, place, False), board.first, records))
    for reason in left_out:
        errors().print(f"not on the site: {reason}", markup=False, soft_wrap=True)
    suites = []
    for table in tables:
        sheet = suite_sheet(table)
        figure = critical_svg(table.critical, sheet.title) if table.critical else ""
        suites.append(SuiteSheet(table.name, sheet, figure))
    return write_site(target, boards, suites, withdrawn=withdrawn_alone(gone) if gone else None)
