"""``brainbench run``: methods on tasks, through the one evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import JsonOption, StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from ..cells import Cell
    from ..draws import Draws
    from ..executors import Event
    from ..plan import Plan, Request
    from ..record import Record
    from ..run import Watch
    from ..store import Store


def run(
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", metavar="T", help="Task name; repeat for several.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", metavar="M", help="Method, or METHOD+CONTROL, or ./file.py:Class; repeat."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="S[@REGIME]", help="All tasks of a suite; under a regime of theirs.")
    ] = None,
    data: Annotated[str, typer.Option(help="auto | real | simulated | simulated:full | simulated:SIZE.")] = "auto",
    preset: Annotated[str | None, typer.Option(help="Size of the method, such as small or B.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="An option of the method (METHOD.KEY=VALUE for one of several)."
        ),
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Number of folds instead of the task's own.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of method seeds.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes; they share the cores.")] = 1,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only part I of N of the cells.")] = None,
    executor: Annotated[str, typer.Option(help="Where cells run; this version has: local.")] = "local",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    controls: Annotated[
        bool, typer.Option("--controls", help="Run each method's controls beside it, such as METHOD+text-only.")
    ] = False,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="M", help="Score by this metric as well (see docs/vision.md); repeat.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights to start from.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Leave each cell's weights here.")] = None,
    allow_overlap: Annotated[
        bool,
        typer.Option(
            "--allow-overlap",
            help="Run although test subjects were in the checkpoint's training; marked and not ranked.",
        ),
    ] = False,
    time_limit: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Wall time of one cell.")] = 12 * 3600,
    memory_limit: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="GB",
            show_default="nine tenths of the machine",
            help="Memory of one cell.",
        ),
    ] = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Run methods in a sandbox: no network, no home, and labels out of reach (Linux)."
        ),
    ] = False,
    store: StoreOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan: cells, what is cached and why.")] = False,
    json_: JsonOption = False,
) -> None:
    """Run methods on tasks and print the table with intervals.

    Finished cells are kept: the same command continues where it stopped, and computes nothing twice.

    Example:  brainbench run --task abide2-asd --method fmri-lm --method fc-svm
    """
    from ..plan import Request, make_plan
    from ..store import Store
    from ..withdrawing import without_withdrawn

    tasks = tuple(task or ()) + suite_tasks(suite)
    check_usage(tasks, tuple(method or ()), executor)
    data = tell_source(tasks, data)
    request = Request(
        tasks=tuple(dict.fromkeys(tasks)),
        methods=tuple(dict.fromkeys(method or ())),
        data=data,
        preset=preset,
        settings=tuple(set_ or ()),
        folds=folds,
        seeds=seeds,
        device=choose_device(device),
        checkpoint=checkpoint,
        save=save,
        allow_overlap=allow_overlap,
        controls=controls,
        metrics=tuple(metric or ()),
    )
    place = Store(store_path(store).resolve())
    console = errors()
    with console.status("reading data ...") as status:
        plan = make_plan(request, lambda label, done, total: status.update(f"{label} {done}/{total}"))
    plan = without_withdrawn(plan, place)
    for note in plan.notes:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    print_missing(plan)
    if dry_run:
        print_plan(plan, place, json_, isolated)
        return
    records = execute(plan, place, request, jobs, shard, time_limit, memory_limit, isolated=isolated)
    print_records(records, place, json_)
    if suite and not json_:
        print_suite(suite, place)
    print_missing(plan)
    if any(record.status not in ("ok", "skipped") for record in records):
        raise typer.Exit(1)


def tell_source(tasks: tuple[str, ...], data: str) -> str:
    """The source that ``auto`` stands for, said before a twin is made, which may take minutes."""
    from ..loading import choose_source
    from ..registry import load_task

    source, note = choose_source([load_task(name)[0] for name in tasks], data)
    if note:
        errors().print(note, style="yellow", markup=False, soft_wrap=True)
    return source


def print_suite(suite: str, store: Store) -> None:
    """The means of a suite, after the boards of its tasks."""
    from ...leaderboard.board import boards
    from ...leaderboard.suite import suite_tables
    from ...leaderboard.tables import suite_sheet
    from ...leaderboard.terminal import to_terminal

    for table in suite_tables(suite, suite_tasks(suite), boards(store.records())):
        to_terminal(suite_sheet(table), out())


def print_missing(plan: Plan) -> None:
    """The tasks that are not run for want of data, each with its reason."""
    for name, reason in plan.missing.items():
        errors().print(f"missing {name}: {reason}", style="yellow", markup=False, soft_wrap=True)


def suite_tasks(suite: str | None) -> tuple[str, ...]:
    """Tasks of a suite, under a regime where it is written ``suite@regime``. Raises `UnknownName`."""
    from ..errors import UnknownName, unknown
    from ..registry import load_task, suites

    if suite is None:
        return ()
    known = suites()
    name, at, regime = suite.partition("@")
    if name not in known:
        raise unknown("suite", name, known)
    tasks = [task for task in known[name] if not at or regime.partition(":")[0] in load_task(task)[0].regimes]
    if not tasks:
        raise UnknownName(
            f"no task of suite {name!r} has a regime {regime!r}", f"see `brainbench tasks {known[name][0]}`"
        )
    return tuple(task + at + regime for task in tasks)


def check_usage(tasks: tuple[str, ...], methods: tuple[str, ...], executor: str) -> None:
    """Say what is missing, with an example."""
    from ..errors import BadOption

    example = "for example:  brainbench run --task abide2-asd --method fmri-lm"
    if not tasks:
        raise BadOption("no task given", f"{example}   (see `brainbench tasks`)")
    if not methods:
        raise BadOption("no method given", f"{example}   (see `brainbench methods`)")
    if executor != "local":
        raise BadOption(
            f"--executor {executor}: this version runs cells on this machine only",
            "use --executor local, or split the work over machines with --shard I/N",
        )


def choose_device(device: str) -> str:
    """``auto`` becomes cuda where torch finds a GPU."""
    import re

    from ..errors import BadOption

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise BadOption(f"--device {device}: expected auto, cpu, cuda or cuda:N")
    if device == "cpu":
        return device
    if has_gpu():
        return "cuda" if device == "auto" else device
    if device == "auto":
        return "cpu"
    raise BadOption(f"--device {device}: torch finds no GPU here", "use --device cpu; `brainbench doctor` says what is")


def has_gpu() -> bool:
    """Whether torch is installed and finds a GPU; torch is not imported where there can be none."""
    from importlib.util import find_spec

    if find_spec("torch") is None or not Path("/dev/nvidia0").exists():
        return False
    import torch

    return bool(torch.cuda.is_available())


def parse_shard(text: str | None) -> tuple[int, int]:
    """(part, parts) of ``I/N``, counted from 1."""
    from ..errors import BadOption

    if text is None:
        return 1, 1
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise BadOption(f"--shard {text}: expected I/N, such as 1/4")
    return int(part), int(parts)


def execute(
    plan: Plan,
    store: Store,
    request: Request,
    jobs: int,
    shard: str | None,
    time_limit: float,
    memory_limit: float | None,
    also: Watch | None = None,
    isolated: bool = False,
) -> list[Record]:
    """Run the plan with progress bars, told to ``also`` as well; Ctrl-C says what is kept.

    Raises `NoSandbox` where cells are to be isolated and cannot be.
    """
    import os

    from ..executors import Limits, LocalPool
    from ..run import Settings
    from ..run import run as run_plan
    from ..sandbox import need_sandbox
    from .progress import Bars

    threads = max(1, (os.cpu_count() or 1) // jobs)
    memory = int(memory_limit * 2**30) if memory_limit else Limits.default().memory
    store.prepare()
    pool = LocalPool(jobs, threads, Limits(time_limit, memory), store.log, need_sandbox() if isolated else None)
    settings = Settings(request.device, threads, "local", request.checkpoint, request.save, isolated)
    part, parts = parse_shard(shard)
    records: list[Record] = []
    with Bars(plan, store) as bars:

        def watch(cell: Cell, event: Event) -> None:
            bars.watch(cell, event)
            if also is not None:
                also(cell, event)

        try:
            records.extend(run_plan(plan, store, pool, settings, watch, shard=(part, parts)))
        except KeyboardInterrupt:
            bars.stop()
            errors().print(
                f"\nstopped. {bars.finished} of {bars.total} cells are finished and kept in {store.path}; "
                "the same command continues.",
                markup=False,
                soft_wrap=True,
            )
            raise typer.Exit(130) from None
    return records


def print_plan(plan: Plan, store: Store, as_json: bool, isolated: bool = False) -> None:
    """The cells of a plan: cached, or why not; isolated ones only where that is asked for."""
    import json

    from ..plan import known_cells, why_not_cached

    known = known_cells(store)
    rows: list[dict[str, Any]] = []
    for _, cell in plan.cells:
        found = store.finished(cell.key)
        cached = found is not None and (found.outcome.isolated or not isolated)
        why = "ran outside a sandbox" if found else why_not_cached(cell, known)
        rows.append(
            {
                "task": cell.task,
                "method": cell.method.name,
                "preset": cell.method.preset,
                "fold": cell.fold,
                "seed": cell.seed,
                "state": "cached" if cached else why,
                "key": cell.key,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from rich.table import Table

    columns = ("task", "method", "preset", "fold", "seed", "state")
    table = Table(*columns)
    for row in without_draws(rows):
        table.add_row(*(str(row[name]) for name in columns))
    out().print(table)
    todo = sum(row["state"] != "cached" for row in rows)
    print(f"{len(rows)} cells: {len(rows) - todo} cached, {todo} to compute")


def without_draws(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a plan, those that differ in the draw of labelled items alone as one: ``draw01 ... draw20``."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
        alone = "" if row["fold"].startswith("draw") else number
        same = (row["task"], row["method"], row["preset"], row["seed"], row["state"], alone)
        groups.setdefault(same, []).append(row)
    return [
        group[0] | {"fold": f"{group[0]['fold']} ... {group[-1]['fold']} ({len(group)})"}
        if len(group) > 1
        else group[0]
        for group in groups.values()
    ]


def print_records(records: list[Record], store: Store, as_json: bool) -> None:
    """The board of each task that was run, and what to type next."""
    if as_json:
        import json

        print(json.dumps([record.model_dump(mode="json") for record in records], indent=1))
        return
    from ...leaderboard.board import boards
    from ...leaderboard.tables import board_sheet
    from ...leaderboard.terminal import to_terminal

    wanted = {(record.task.name, record.data.fingerprint, record.split.hash) for record in records}

    def draws(record: Record) -> Draws | None:
        place = record.task.name, record.data.fingerprint, record.split.hash
        return store.draws(record) if place in wanted else None

    for board in boards(store.records(), draws):
        if board.identity in wanted:
            to_terminal(board_sheet(board), out())
    console = errors()
    for record in records:
        for finding in record.audit:
            if finding.level == "leak":
                console.print(
                    f"LEAK {record.task.name} {record.method.name}: {finding.message}", style="bold red", markup=False
                )
    console.print(f"records: {store.path / 'records'}", markup=False, soft_wrap=True)
