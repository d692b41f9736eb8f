"""``brainbench bundle``: everything a machine without a network needs, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, errors, out

if TYPE_CHECKING:
    from ..bundling.write import Bundle


def bundle(
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write; a new one.")],
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", metavar="T", help="Task name; repeat for several.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", metavar="M", help="Installed method; repeat for several.")
    ] = None,
    suite: Annotated[str | None, typer.Option(metavar="S", help="All tasks of a suite.")] = None,
    data: Annotated[str, typer.Option(help="auto | real | simulated | simulated:SIZE.")] = "auto",
    preset: Annotated[str | None, typer.Option(help="Size of the method, such as small or B.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the method; repeat.")
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            metavar="E", help="Extras instead of those that tasks and methods import; repeat; none for the core alone."
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Leave these weights out although an option names them.")
    ] = None,
    python: Annotated[
        str | None, typer.Option(metavar="3.N", help="Python of the other machine [default: as here].")
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="P", help="linux_x86_64, linux_aarch64, macosx_arm64 or macosx_x86_64 [default: as here]."
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Put packages, weights and open data for a run into one folder, with a script that installs them offline.

    Data under an agreement are never copied: the other machine needs its own copy of them.

    Example:  brainbench bundle --task abide2-asd --method fc-svm --out ./bundle
    """
    from ..bundling.machine import machine_of
    from ..bundling.write import make_bundle
    from ..errors import BadOption
    from ..plan import Request
    from .data import progress_bar
    from .run import suite_tasks, tell_source

    tasks = tuple(dict.fromkeys([*(task or ()), *suite_tasks(suite)]))
    methods = tuple(dict.fromkeys(method or ()))
    if not tasks or not methods:
        raise BadOption(
            f"no {'method' if tasks else 'task'} given",
            "for example:  brainbench bundle --task abide2-asd --method fc-svm --out ./bundle",
        )
    request = Request(
        tasks=tasks, methods=methods, data=tell_source(tasks, data), preset=preset, settings=tuple(set_ or ())
    )
    machine = machine_of(python, platform)
    with progress_bar() as progress:
        made = make_bundle(request, to, progress, extras=extra or (), without=without or (), machine=machine)
    tell(made, json_)


def tell(made: Bundle, as_json: bool) -> None:
    """What is in a bundle, what is not, and what to do with it."""
    import json

    manifest = made.manifest
    if as_json:
        print(json.dumps({"path": str(made.path), "sums": made.sums, **manifest.model_dump(mode="json")}, indent=1))
        return
    for name, reason in manifest.left_out.items():
        errors().print(f"left out {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    wheels = sum(name.startswith("wheels/") for name in manifest.files)
    lines = [
        f"{made.path}: {made.bytes / 2**20:,.0f} MiB, {wheels} wheels, for {manifest.machine}",
        f"SHA-256 of SHA256SUMS: {made.sums}",
        "next: copy the folder to the other machine, and there:  sh install.sh TARGET",
    ]
    for line in lines:
        out().print(line, markup=False, highlight=False, soft_wrap=True)
