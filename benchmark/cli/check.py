"""``brainbench check``: whether a method keeps the contract and can be believed, tried on tiny planted data."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from .options import JsonOption, errors, out


def check(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Method name, or ./file.py:Class.")],
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", metavar="KIND", help="Only this kind of task.", show_default="all")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Size of the method.", show_default="small where it has one")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the method.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Check a method on tiny data with a planted signal, for each kind of task it supports.

    Its class, shapes, seeds, files that it opens, labels that it must not see, what it learns, and what breaks it.
    The exit code is 1 where something must be mended.

    Example:  brainbench check ./my_method.py:MyMethod
    """
    from ..checking.checks import Wanted, check_method, resolve
    from ..checking.report import as_json, show, summary
    from ..checking.verdict import Verdict, passed

    wanted = Wanted(method, kind, preset, tuple(set_ or ()))
    _, spec = resolve(wanted)
    start = time.monotonic()
    verdicts: list[Verdict] = []
    told = ""
    with errors().status("checking ...") as status:

        def progress(label: str, done: int, total: int) -> None:
            status.update(f"{label} ({done + 1} of {total}, {time.monotonic() - start:.0f} s)")

        for verdict in check_method(wanted, progress):
            verdicts.append(verdict)
            if json_:
                continue
            if verdict.kind != told:
                told = verdict.kind
                out().print(f"\n{told}, on planted data", markup=False)
            show(verdict, out())
    seconds = time.monotonic() - start
    if json_:
        print(as_json(spec.name, verdicts, seconds))
    else:
        print(f"\n{summary(verdicts, seconds)}")
    if not passed(verdicts):
        raise typer.Exit(1)
