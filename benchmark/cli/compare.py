"""``brainbench compare``: methods against one method, paired over test subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from pathlib import Path

    from ..comparing import Compared
    from ..record import Record
    from ..store import Store


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Method (or record id) that the others are set against.")],
    others: Annotated[list[str], typer.Argument(metavar="B...", help="Methods (or record ids).")],
    task: Annotated[str | None, typer.Option("--task", "-t", help="The task, where methods are named.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="M", help="Metric; repeat for several [default: the headline].")
    ] = None,
    data: Annotated[str | None, typer.Option(help="real | simulated, where both have records.")] = None,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Difference of each B to A on the same test items, with its interval and p.

    Example:  brainbench compare fc-svm fmri-lm --task abide2-asd
    """
    from ..comparing import compare as compare_records
    from ..store import Store

    place = Store(store_path(store))
    found = [pick(place, name, task, data) for name in (first, *others)]
    metrics = tuple(metric or found[0][0].task.metrics[:1])
    with errors().status("comparing ..."):
        rows = compare_records(found[0], found[1:], metrics, lambda label, done, total: None)
    if json_:
        import json
        from dataclasses import asdict

        print(json.dumps([{**asdict(row), "record": row.record.id} for row in rows], indent=1))
        return
    print_rows(found[0][0], rows)


def pick(store: Store, name: str, task: str | None, data: str | None) -> tuple[Record, Path]:
    """The newest complete record of a method on a task, or a record by its id. Raises `StoreError`."""
    from ..errors import StoreError

    if task is None:
        try:
            return store.find(name)
        except StoreError as error:
            raise StoreError(error.message, "give the methods' task as well:  --task T") from None
    known = [
        record
        for record in store.records()
        if record.task.name == task
        and name in (record.method.name, record.id)
        and data in (None, "simulated" if record.data.origin == "twin" else "real")
    ]
    if not known:
        raise StoreError(
            f"no record of {name!r} on {task!r} in {store.path}",
            f"run it:  brainbench run --task {task} --method {name}",
        )
    newest = max(known, key=lambda record: (record.status == "ok", record.environment.created))
    return store.find(newest.id)


def told(record: Record) -> str:
    """A method with its preset, where it has one."""
    method = record.method
    return f"{method.name} ({method.preset})" if method.preset else method.name


def print_rows(first: Record, rows: list[Compared]) -> None:
    """A table of differences, and what its columns mean."""
    from math import isnan

    from rich.markup import escape
    from rich.table import Table

    title = f"{first.task.name} on {first.data.name}: difference to {told(first)}"
    columns = ("method", "metric", "difference [95 % interval]", "p", "p (Holm)", "p over folds")
    table = Table(*columns, title=escape(title), title_justify="left")
    for row in rows:
        change = row.difference
        table.add_row(
            escape(told(row.record)),
            row.metric,
            f"{change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}]",
            f"{change.p:.4f}",
            f"{row.holm:.4f}",
            "-" if isnan(row.over_folds.p) else f"{row.over_folds.p:.4f}",
        )
    out().print(table)
    for record in (first, *{row.record.id: row.record for row in rows}.values()):
        if not record.ranked:
            print(f"{record.id} is not ranked: its checkpoint was trained on test subjects")
    print(
        f"difference: {basis(first)}, given the trained models. "
        "p over folds: corrected resampled t-test, which counts the training as well."
    )


def basis(record: Record) -> str:
    """What a difference averages, and what its interval and p are over."""
    if record.task.kind == "encoding":
        return f"mean over films; interval and p over segments of film in {record.data.subjects} people and no others"
    if record.task.parts:
        return "mean over parts; interval and p over test images"
    return "mean over folds; interval and p over test subjects"
