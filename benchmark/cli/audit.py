"""``brainbench audit``: every leak detector on a task, and on a method's record and pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..audit.bench import Bench
    from ..audit.detector import Result
    from ..audit.report import Wanted
    from ..contracts import Progress

STYLES = {"leak": "bold red", "note": "yellow", "ok": "green", "not covered": "dim"}


def audit(
    task: Annotated[str, typer.Option("--task", "-t", metavar="T", help="Task name, or ./file.py:TASK.")],
    method: Annotated[
        str | None, typer.Option("--method", "-m", metavar="M", help="Method to put to the test, too.")
    ] = None,
    data: Annotated[str, typer.Option(help="auto | real | simulated | simulated:full.")] = "auto",
    preset: Annotated[str | None, typer.Option(help="Size of the method, such as small.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the method.")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Number of folds instead of the task's own.")] = None,
    shuffles: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Label shuffles of the whole pipeline.",
            show_default="100, or as many as fit into ten minutes, at least 5",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of noise and shuffles.")] = 0,
    against: Annotated[
        str | None, typer.Option(metavar="COHORT", help="Another installed cohort: is anybody in both?")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights to start from.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes; they share the cores.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "cpu",
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Look for leaks in a task's data and split, and in a method's record and pipeline.

    The exit code is 1 when a leak was found. A method is trained anew: twice on one fold (does it use the
    test set?) and on shuffled labels (does it score where there is nothing to find?).

    Example:  brainbench audit --task abide1-asd --method fc-svm
    """
    from ..audit.report import Wanted

    wanted = Wanted(task, data, folds, seed, checkpoint, against, shuffles)
    results: list[Result] = []
    try:
        with errors().status("reading data ...") as status:

            def progress(label: str, done: int, total: int) -> None:
                status.update(f"{label} {done}/{total}")

            bench = make_bench(method, preset, tuple(set_ or ()), wanted, jobs, device, store, progress)
            results.extend(found(wanted, bench, progress))
    except KeyboardInterrupt:
        errors().print("\nstopped. Finished shuffles are kept; the same command continues.", markup=False)
        raise typer.Exit(130) from None
    print_results(results, wanted, method, json_)
    if any(result.level == "leak" for result in results):
        raise typer.Exit(1)


def found(wanted: Wanted, bench: Bench | None, progress: Progress) -> Iterator[Result]:
    """All results; what was chosen for the user is said first."""
    from ..audit.report import audit_all, open_case

    opened = open_case(wanted, progress)
    if opened.note:
        errors().print(opened.note, style="yellow", markup=False, soft_wrap=True)
    console = errors()
    for result in audit_all(opened, wanted, bench):
        if not console.is_terminal:
            console.print(f"{result.level:11} {result.detector}", markup=False)
        yield result


def make_bench(
    method: str | None,
    preset: str | None,
    settings: tuple[str, ...],
    wanted: Wanted,
    jobs: int,
    device: str,
    store: Path | None,
    progress: Progress,
) -> Bench | None:
    """How the method's cells are run; None without a method. Raises `BadOption` for options without a method."""
    import os

    from ..audit.bench import Bench
    from ..errors import BadOption
    from ..plan import Request, resolve_method, unused_settings
    from ..store import Store
    from .executing import choose_device

    if method is None:
        if preset or settings or wanted.shuffles:
            raise BadOption(
                "--preset, --set and --shuffles are about a method", "name one:  brainbench audit --task T --method M"
            )
        return None
    request = Request((wanted.task,), (method,), preset=preset, settings=settings, checkpoint=wanted.checkpoint)
    plugin, spec = resolve_method(request, method)
    unused_settings(request, [plugin])
    place = Store(store_path(store).resolve())
    place.prepare()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return Bench(
        plugin, spec, place, jobs, threads, choose_device(device), checkpoint=wanted.checkpoint, progress=progress
    )


def print_results(results: list[Result], wanted: Wanted, method: str | None, as_json: bool) -> None:
    """A table, or JSON with the figures."""
    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps([asdict(result) for result in results], indent=1))
        return
    from rich.markup import escape
    from rich.table import Table

    title = f"Leak audit of {wanted.task}" + (f" with {method}" if method else "")
    table = Table("trap", "detector", "looked at", "verdict", "figures", title=escape(title), title_justify="left")
    for result in results:
        cells = (result.trap, result.detector, result.looked, result.level, result.message)
        style = STYLES[result.level]
        table.add_row(*(f"[{style}]{escape(text)}[/]" if k == 3 else escape(text) for k, text in enumerate(cells)))
    out().print(table)
    counts = {level: sum(result.level == level for result in results) for level in STYLES}
    print(", ".join(f"{count} {level}" for level, count in counts.items() if count))
