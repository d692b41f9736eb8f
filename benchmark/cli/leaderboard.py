"""``brainbench leaderboard``: the tables over all records of a store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption, out, store_path


class Format(StrEnum):
    """Faces of a table."""

    table = "table"
    markdown = "markdown"


def leaderboard(
    task: Annotated[str | None, typer.Option("--task", "-t", help="Only this task.")] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="S[@REGIME]", help="Only the tasks of a suite, and their means.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Only this family, such as autism.")] = None,
    data: Annotated[str | None, typer.Option(help="real | simulated.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    target: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Write to a file.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show record ids, for `rescore`.")] = False,
    store: StoreOption = None,
) -> None:
    """Print the board: reproduced rows with intervals, and published numbers beside real ones.

    Example:  brainbench leaderboard --task abide1-asd --format markdown
    """
    from ...leaderboard.board import boards, chosen
    from ...leaderboard.judged import judged_text
    from ...leaderboard.render import suite_to_markdown, suite_to_terminal, to_markdown, to_terminal
    from ...leaderboard.suite import suite_tables
    from ..errors import BadOption, StoreError
    from ..files import write_text
    from ..store import Store
    from .run import suite_tasks

    if data not in (None, "real", "simulated"):
        raise BadOption(f"--data {data}: expected real or simulated", "leave it out for both")
    place = Store(store_path(store))
    tasks = ((task,) if task else ()) + suite_tasks(suite)
    every = list(boards(place.records()))
    found = list(chosen(every, tasks, family, data))
    tables = suite_tables(suite, tasks, chosen(every, (), family, data)) if suite else []
    if not found:
        hint = "run something first:  brainbench run --task abide2-asd --method fc-svm"
        if not every and any((place.path / "records").glob("*/record.json")):
            hint = f"those that are there are damaged or edited:  brainbench doctor --store {place.path}"
        raise StoreError(f"no record in {place.path} fits", hint)
    judged = {board.identity: judged_text(board, place) for board in found}
    printed = (part for board in found for part in (to_markdown(board, ids), judged[board.identity]) if part)
    text = "\n".join([*map(suite_to_markdown, tables), *printed])
    if target:
        write_text(target, text)
    elif format_ is Format.markdown:
        print(text)
    else:
        for board in found:
            to_terminal(board, out(), ids)
            if judged[board.identity]:
                print(judged[board.identity])
        for table in tables:
            suite_to_terminal(table, out())
