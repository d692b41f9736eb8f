"""``brainbench submit``: a folder with a method's records and all that somebody else needs to check them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, StoreOption, errors, out, store_path


def submit(
    names: Annotated[
        list[str], typer.Argument(metavar="METHOD|RECORD...", help="A method: its newest records. Or record ids.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="New folder; its name is that of the submission.")],
    licence: Annotated[
        str | None,
        typer.Option(metavar="SPDX", help="Under which all of it may be used [default: the licence of the card]."),
    ] = None,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Make a submission: card, records, predictions, source, checksums, and how to run it again.

    Example:  brainbench submit my-method --to my-method-2026
    """
    from ..registry import find
    from ..store import Store
    from ..submitting.collect import submit as make
    from .verify import counted

    own = [find("methods", name).name if ".py:" in name else name for name in names]  # as `run` is told them
    made = make(own, Store(store_path(store)), to, licence)
    records = made.manifest.records
    if json_:
        import json

        told = {"folder": str(to), "records": list(records), "left_out": made.left_out}
        print(json.dumps(told, indent=1))
        return
    for name, why in made.left_out.items():
        errors().print(f"left out: {name}: {why}", markup=False, soft_wrap=True)
    size = sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
    tasks = len({entry.task for entry in records.values()})
    out().print(
        f"{to}: {counted(len(records), 'record')} of {made.manifest.method} on {counted(tasks, 'task')}, "
        f"{max(size / 1e6, 0.1):.1f} MB, "
        f"under {made.manifest.licence}\n"
        f"check it:  brainbench verify {to}\n"
        "send it:   open a pull request that adds the folder under submissions/",
        markup=False,
        soft_wrap=True,
    )
