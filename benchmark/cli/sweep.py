"""``brainbench sweep``: random configurations of a method, ranked by inner validation, and their ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
from .planned import print_plan
from .run import print_records, tell_source

if TYPE_CHECKING:
    from ..cells import Cell
    from ..executors import Event
    from ..plan import Request
    from ..record import Record
    from ..store import Finished, Store
    from ..sweeping import Sweep, Trial
    from ..worker import Outcome


def sweep(
    task: Annotated[str, typer.Option("--task", "-t", metavar="T", help="Task name.")],
    method: Annotated[str, typer.Option("--method", "-m", metavar="M", help="Method with a space, such as medarc.")],
    configs: Annotated[int, typer.Option(min=1, help="Number of configurations that are drawn.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    top: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="K", help="Members that the ensemble takes for each parcel, 0 for all; repeat."),
    ] = None,
    data: Annotated[str, typer.Option(help="auto | real | simulated | simulated:SIZE.")] = "auto",
    preset: Annotated[str | None, typer.Option(help="What the drawn options are set over.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of all configurations.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of method seeds.")] = 1,
    jobs: JobsOption = 1,
    threads: ThreadsOption = None,
    executor: ExecutorOption = "local",
    scheduler: SchedulerOption = None,
    profile: ProfileOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    time_limit: TimeOption = 12 * 3600,
    memory_limit: MemoryOption = None,
    store: StoreOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is drawn, and what is cached.")] = False,
    json_: JsonOption = False,
) -> None:
    """Draw configurations of a method, run them, and rank them by inner validation, never by a test score.

    Test scores are computed for the chosen configuration and, of a method that has one, for the ensemble of all.
    Finished cells are kept: the same command continues, and with more --configs it adds to what is there.

    Example:  brainbench sweep --task algonauts2025-val --method medarc --configs 12 --top 1 --top 5
    """
    from ..plan import Request
    from ..store import Store
    from ..sweeping import make_sweep

    where = Where(
        executor=executor,
        jobs=jobs,
        threads=threads,
        scheduler=scheduler,
        profile=profile,
        time_limit=time_limit,
        memory_limit=memory_limit,
    )
    request = Request(
        tasks=(task,),
        methods=(method,),
        data=tell_source((task,), data),
        preset=preset,
        settings=tuple(set_ or ()),
        seeds=seeds,
        device=choose_device(device, where),
    )
    place = Store(store_path(store).resolve())
    console = errors()
    with console.status("reading data ...") as status:
        plan = make_sweep(
            request, configs, seed, top or (), lambda label, done, total: status.update(f"{label} {done}/{total}")
        )
    for note in plan.notes:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    if dry_run:
        print_plan(plan, place, json_, where)
        if not json_:
            print_job(where, place)
        return
    trials, records = run_sweep(plan, place, request, where)
    if json_:
        print_json(trials, records)
    else:
        print_trials(trials)
        print_ensembles(records[1:])
        print_records(records, place, as_json=False)
    if any(record.status not in ("ok", "skipped") for record in records):
        raise typer.Exit(1)


def run_sweep(plan: Sweep, place: Store, request: Request, where: Where) -> tuple[list[Trial], list[Record]]:
    """Run all cells; the ranked trials, and the records of the chosen one and of the ensembles."""
    from ..plan import Plan
    from ..sweeping import choose, rank

    ended: dict[str, Outcome] = {}

    def watch(cell: Cell, event: Event) -> None:
        if event.outcome is not None:
            ended[cell.key] = event.outcome

    def find(key: str) -> Finished | Outcome | None:
        return place.finished(key) or ended.get(key)

    ensembles = execute(plan, place, request, where, watch)
    trials = rank(plan, find)
    row = choose(trials, plan.trials[0].spec.name.rpartition("#")[0])
    records = execute(Plan((row,)), place, request, where)
    return trials, records + ensembles


def print_trials(trials: list[Trial]) -> None:
    """The table of configurations."""
    from rich.table import Table

    from ..sweeping import varied

    options = varied([trial.config for trial in trials])
    told = next((trial.told for trial in trials if trial.told), "validation")
    table = Table("rank", "#", told, *options, "s", "status", title="by inner validation, no test score is used")
    for place, trial in enumerate(trials, 1):
        shown = trial.shown
        table.add_row(
            str(place) if shown is not None else "-",
            str(trial.number),
            f"{shown:.4f}" if shown is not None else "-",
            *(str(trial.config[name]) for name in options),
            f"{trial.seconds:.0f}",
            trial.status if trial.status == "ok" else f"{trial.status}: {trial.reason}",
        )
    out().print(table)


def print_ensembles(records: list[Record]) -> None:
    """What each ensemble expects of itself: the numbers in its report."""
    for record in records:
        members, top = (record.method.options[name] for name in ("members", "top"))
        for cell in record.cells:
            numbers = {name: value for name, value in cell.report.items() if isinstance(value, float)}
            told = ", ".join(f"{name} {value:.4f}" for name, value in numbers.items()) or cell.reason
            which = f"ensemble of {members}, top {top or 'all'} ({cell.fold}, seed {cell.seed})"
            out().print(f"{which}: {told}", markup=False, soft_wrap=True)


def print_json(trials: list[Trial], records: list[Record]) -> None:
    """Trials in order, and the records: first the chosen one."""
    import json

    rows: list[dict[str, Any]] = [
        {
            "number": trial.number,
            "options": dict(trial.config),
            "validation": trial.shown,
            "figure": trial.told,
            "folds": dict(trial.folds),
            "seconds": trial.seconds,
            "status": trial.status,
            "reason": trial.reason,
        }
        for trial in trials
    ]
    print(json.dumps({"trials": rows, "records": [record.model_dump(mode="json") for record in records]}, indent=1))
