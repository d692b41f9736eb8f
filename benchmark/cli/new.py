"""``brainbench new``: a start that works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write something new that works as it is.", no_args_is_help=True)


@app.callback()
def new() -> None:
    """Write something new that works as it is.

    Example:  brainbench new method my-method
    """


@app.command("method")
def method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my-method.")],
    kind: Annotated[
        str, typer.Option("--kind", "-k", metavar="KIND", help="Kind of task, such as regression.")
    ] = "classification",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder to make.", show_default="./NAME")
    ] = None,
) -> None:
    """Write the package of a new method: a small real model with its card, test and entry point.

    Example:  brainbench new method my-method --kind regression
    """
    from ..scaffold import TASKS, new_method
    from .options import errors

    folder = to or Path(name)
    files = new_method(name, kind, folder)
    for file in files:
        print(file)
    errors().print(
        f"\nThe model is in {files[1]}: it works as it is. Next:\n"
        f"  uv pip install -e {folder}      (without uv:  pip install -e {folder})\n"
        f"  brainbench check {name}\n"
        f"  brainbench run --task {TASKS[kind]} --method {name}",
        markup=False,
        soft_wrap=True,
    )
