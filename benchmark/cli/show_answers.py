"""``brainbench show answers``: what a method was asked, what it said, and what was taken from it."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import JsonOption, StoreOption, errors, out, store_path


def answers(
    record: Annotated[str, typer.Argument(help="Record id (its beginning is enough), or its folder.")],
    count: Annotated[int, typer.Option("--items", min=1, help="How many items.")] = 5,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only items with a field that is not right.")] = False,
    json_: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Print answers of a record with the truth, and how the matcher read them.

    Example:  brainbench show answers abide1-open--field-logistic --items 3 --wrong
    """
    import json
    from itertools import islice

    from rich.markup import escape
    from rich.table import Table

    from ..answer_sheet import sheet
    from ..store import Store

    found, folder = Store(store_path(store)).find(record)
    with errors().status("reading ..."):
        rows = list(islice((row for row in sheet(found, folder) if not (wrong and row.all_right)), count))
    if json_:
        print(json.dumps([vars(row) for row in rows], indent=1))
        return
    table = Table(
        "prompt", "answer", "field", "truth", "matched", "", title=found.id, title_justify="left", show_lines=True
    )
    for row in rows:
        names = list(row.truth)
        table.add_row(
            escape(row.prompt),
            escape(row.answer),
            "\n".join(names),
            "\n".join(row.truth.values()),
            "\n".join(row.matched[name] or "-" for name in names),
            "\n".join("right" if row.matched[name] == row.truth[name] else "wrong" for name in names),
        )
    out().print(table)
