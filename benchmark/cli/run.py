"""``brainbench run``: methods on tasks, through the one evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .executing import Where, choose_device, execute, print_job
from .options import (
    ExecutorOption,
    JobsOption,
    JsonOption,
    MemoryOption,
    ProfileOption,
    SchedulerOption,
    StoreOption,
    ThreadsOption,
    TimeOption,
    errors,
    out,
    store_path,
)
from .planned import print_plan, print_shard

if TYPE_CHECKING:
    from ..cells import Cell
    from ..executors import Event
    from ..plan import Plan
    from ..record import Record
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
    jobs: JobsOption = 1,
    threads: ThreadsOption = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only part I of N of the cells.")] = None,
    executor: ExecutorOption = "local",
    scheduler: SchedulerOption = None,
    profile: ProfileOption = None,
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
    time_limit: TimeOption = 12 * 3600,
    memory_limit: MemoryOption = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Run methods in a sandbox: no network, no home, and labels out of reach (Linux)."
        ),
    ] = False,
    store: StoreOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan: cells, what is cached and why, and what it will cost.")
    ] = False,
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
    check_usage(tasks, tuple(method or ()))
    where = Where(
        executor=executor,
        jobs=jobs,
        threads=threads,
        scheduler=scheduler,
        profile=profile,
        shard=shard,
        time_limit=time_limit,
        memory_limit=memory_limit,
        isolated=isolated,
    )
    data = tell_source(tasks, data)
    request = Request(
        tasks=tuple(dict.fromkeys(tasks)),
        methods=tuple(dict.fromkeys(method or ())),
        data=data,
        preset=preset,
        settings=tuple(set_ or ()),
        folds=folds,
        seeds=seeds,
        device=choose_device(device, where),
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
        print_plan(plan, place, json_, where)
        if not json_:
            print_job(where, place)
        return
    bad: list[str] = []

    def watch(cell: Cell, event: Event) -> None:
        if event.outcome is not None and event.outcome.status not in ("ok", "skipped"):
            bad.append(cell.label)

    records = execute(plan, place, request, where, watch)
    print_records(records, place, json_)
    if suite and not json_:
        print_suite(suite, place)
    print_missing(plan)
    if where.shard:
        print_shard(plan, place, where, len(records), len(bad))
    if bad or any(record.status not in ("ok", "skipped") for record in records):
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
    from ...leaderboard.board import may_stand_in, stored_boards
    from ...leaderboard.suite import suite_tables
    from ...leaderboard.tables import suite_sheet
    from ...leaderboard.terminal import to_terminal

    tasks = suite_tasks(suite)
    found = stored_boards(store, None, lambda place: may_stand_in(place.task, tasks))
    for table in suite_tables(suite, tasks, found):
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


def check_usage(tasks: tuple[str, ...], methods: tuple[str, ...]) -> None:
    """Say what is missing, with an example."""
    from ..errors import BadOption

    example = "for example:  brainbench run --task abide2-asd --method fmri-lm"
    if not tasks:
        raise BadOption("no task given", f"{example}   (see `brainbench tasks`)")
    if not methods:
        raise BadOption("no method given", f"{example}   (see `brainbench methods`)")


def print_records(records: list[Record], store: Store, as_json: bool) -> None:
    """The board of each task that was run, and what to type next."""
    if as_json:
        import json

        print(json.dumps([record.model_dump(mode="json") for record in records], indent=1))
        return
    from ...leaderboard.board import stored_boards
    from ...leaderboard.tables import board_sheet
    from ...leaderboard.terminal import to_terminal
    from ..index import place_of

    for board in stored_boards(store, store.draws, set(map(place_of, records)).__contains__):
        to_terminal(board_sheet(board), out())
    console = errors()
    for record in records:
        for finding in record.audit:
            if finding.level == "leak":
                console.print(
                    f"LEAK {record.task.name} {record.method.name}: {finding.message}", style="bold red", markup=False
                )
    console.print(f"records: {store.path / 'records'}", markup=False, soft_wrap=True)
