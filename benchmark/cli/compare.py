"""``brainbench compare``: methods against one method, paired over test subjects."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import JsonOption, StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..comparing import Compared
    from ..record import Record
    from ..store import Store
    from ..subgroups import Breakdown


class Format(StrEnum):
    """Faces of a comparison."""

    table = "table"
    markdown = "markdown"
    json = "json"


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Method (or record id) that the others are set against.")],
    others: Annotated[list[str], typer.Argument(metavar="B...", help="Methods (or record ids).")],
    task: Annotated[str | None, typer.Option("--task", "-t", help="The task, where methods are named.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="M", help="Metric; repeat for several [default: the headline].")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the cohort within whose groups to compare as well, by the first metric; repeat for several "
            "[default: site, sex, age and motion, as far as known].",
            show_default=False,
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="real | simulated, where both have records.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Difference of each B to A on the same test items, with its interval and p; and within groups of people.

    Example:  brainbench compare fc-svm fmri-lm --task abide2-asd

    Example:  brainbench compare fc-svm fmri-lm --task abide2-asd --by site --format markdown
    """
    from ...leaderboard.compared import compared_sheet
    from ...leaderboard.markdown import to_markdown
    from ...leaderboard.terminal import to_terminal
    from ..comparing import compare as compare_records
    from ..comparing import pair_up
    from ..contracts import silent
    from ..grouping import usual_columns
    from ..store import Store
    from ..subgroups import break_down

    place = Store(store_path(store))
    found = picked(place, (first, *others), task, data)
    refuse_twice([record for record, _ in found])
    metrics = chosen_metrics(found[0][0], metric)
    with errors().status("comparing ..."):
        pairings = pair_up(found[0], found[1:], silent)
        rows = compare_records(pairings, metrics)
        columns = dict.fromkeys(by or usual_columns(pairings.task, pairings.items.table))
        groups = break_down(pairings, metrics[0], list(columns))
    if json_ or format_ is Format.json:
        print_json(rows, groups)
        return
    sheet = compared_sheet(found[0][0], rows, groups)
    if format_ is Format.markdown:
        print(to_markdown(sheet))
    else:
        to_terminal(sheet, out())


def chosen_metrics(record: Record, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The metrics that were asked for, else the headline. Raises `UnknownName`."""
    from ..errors import UnknownName, near

    for name in asked or ():
        if name not in record.task.metrics:
            known = record.task.metrics
            raise UnknownName(
                f"{record.task.name} has no metric {name!r}", near(name, known, f"its metrics: {', '.join(known)}")
            )
    return tuple(dict.fromkeys(asked or record.task.metrics[:1]))


def refuse_twice(records: Sequence[Record]) -> None:
    """Raise `BadOption` where the first record stands among the others, from which it differs by nothing."""
    from ..errors import BadOption

    first = records[0]
    if first.id in [record.id for record in records[1:]]:
        hint = "name two methods, or two records by id:  brainbench leaderboard --ids"
        raise BadOption(f"{first.method.name}: record {first.id} cannot be compared with itself", hint)


def picked(store: Store, names: Sequence[str], task: str | None, data: str | None) -> list[tuple[Record, Path]]:
    """A record for each name: of a method on a task, or by its id. Raises `BadOption` and `StoreError`.

    Of several the newest complete one, if possible on the data and split of the first.
    """
    from ..errors import BadOption, StoreError

    if data not in (None, "real", "simulated"):
        raise BadOption(f"--data {data}: expected real or simulated", "leave it out for both")
    if task is None:
        try:
            return [store.find(name) for name in names]
        except StoreError as error:
            raise StoreError(error.message, "give the methods' task as well:  --task T") from None
    here = on_task(store, task, data, names[0])
    first = pick(here, names[0], task, store.path)
    others = [pick(here, name, task, store.path, like=first) for name in names[1:]]
    return [store.find(str(store.path / "records" / record.id)) for record in (first, *others)]


def on_task(store: Store, task: str, data: str | None, method: str) -> list[Record]:
    """The records on a task. Raises `StoreError` where there is none."""
    from ..errors import StoreError, near
    from ..registry import entries

    found = [
        record
        for record in store.records(lambda place: place.task == task)
        if data in (None, "simulated" if record.data.origin == "twin" else "real")
    ]
    if not found:
        run = f"run one:  brainbench run --task {task} --method {method}"
        known = sorted({place.task for place in store.places().values()} - {task})
        hint = run if task.partition("@")[0] in entries("tasks") else near(task, known, run)
        raise StoreError(f"no record on {task!r} in {store.path}", hint)
    return found


def pick(records: Sequence[Record], name: str, task: str, place: Path, like: Record | None = None) -> Record:
    """The newest complete record of a method, or the one of this id. Raises `StoreError`."""
    from ..errors import StoreError, near
    from ..registry import entries

    known = [record for record in records if name in (record.method.name, record.id)]
    if not known:
        run = f"run it:  brainbench run --task {task} --method {name}"
        methods = sorted({record.method.name for record in records})
        hint = run if name.partition("+")[0] in entries("methods") else near(name, methods, run)
        raise StoreError(f"no record of {name!r} on {task!r} in {place}", hint)

    def order(record: Record) -> tuple[bool, bool, str]:
        alike = like is None or (record.data.fingerprint, record.split.hash) == (like.data.fingerprint, like.split.hash)
        return record.status == "ok", alike, record.environment.created

    return max(known, key=order)


def print_json(rows: Sequence[Compared], groups: Sequence[Breakdown]) -> None:
    """Both tables for programs; a number that is not defined is null."""
    import json
    from dataclasses import asdict

    content = {
        "differences": [{**asdict(row), "record": row.record.id} for row in rows],
        "groups": [{**asdict(found), "record": found.record.id} for found in groups],
    }
    print(json.dumps(without_nan(content), indent=1))


def without_nan(value: Any) -> Any:
    """The same with None for numbers that JSON cannot write."""
    import math

    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
