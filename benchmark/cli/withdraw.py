"""``brainbench withdraw``: take back a record, or a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, store_path

if TYPE_CHECKING:
    from ..withdrawing import Withdrawal


def withdraw(
    record: Annotated[
        str | None, typer.Argument(metavar="[RECORD]", help="Record id (its beginning is enough), or its folder.")
    ] = None,
    subject: Annotated[str | None, typer.Option(metavar="S", help="A person, by the id in the cohort.")] = None,
    cohort: Annotated[str | None, typer.Option(metavar="C", help="The installed cohort that the person is in.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; boards and sites show it.")] = "",
    weights: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Look for weights here, too; repeat for several.")
    ] = None,
    submissions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Accepted submissions [default: $BRAINBENCH_SUBMISSIONS, else ./submissions].",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be withdrawn, and stop.")] = False,
    json_: JsonOption = False,
) -> None:
    """Withdraw a record, or a person and every record and weight that rests on them. Tombstones are left.

    A person's scans are erased from the cohort, and later imports leave them out. The lab's own files, backups and
    copies elsewhere are not touched.

    Example:  brainbench withdraw --subject 50002 --cohort abide1 --reason "consent withdrawn"
    """
    from datetime import UTC, datetime

    from ..store import Store
    from ..withdrawing import carry_out, check_reason, find_person, plan_record, plan_subject

    check_usage(record, subject, cohort)
    reason = check_reason(reason, subject or "")
    place = store_path(store)
    if record:
        plan = plan_record(Store(place), record)
    else:
        assert subject is not None
        assert cohort is not None
        plan = plan_subject([place, *submitted(submissions)], find_person(cohort, subject), weights or [])
    show(plan, json_)
    if dry_run:
        return
    if not yes and not typer.confirm("This cannot be undone. Withdraw?", err=True):
        errors().print("nothing was withdrawn")
        raise typer.Exit(1)
    carry_out(plan, reason, datetime.now(UTC).date().isoformat(), lambda line: errors().print(line, markup=False))
    for note in plan.notes:
        errors().print(note, style="yellow", markup=False, soft_wrap=True)


def check_usage(record: str | None, subject: str | None, cohort: str | None) -> None:
    """Raise `BadOption` for anything but a record, or a subject with the cohort."""
    from ..errors import BadOption

    if bool(record) == bool(subject) or bool(subject) != bool(cohort):
        raise BadOption(
            "withdraw one record, or one person of a cohort",
            "write  brainbench withdraw RECORD  or  brainbench withdraw --subject S --cohort C",
        )


def submitted(folder: Path | None) -> list[Path]:
    """The folders of accepted submissions, each with records as a store has."""
    import os

    place = folder or Path(os.environ.get("BRAINBENCH_SUBMISSIONS") or "submissions")
    return sorted(path.parent for path in place.glob("*/records") if path.is_dir())


def show(plan: Withdrawal, as_json: bool) -> None:
    """Print what a withdrawal touches."""
    import json

    if as_json:
        told = {
            "what": plan.what,
            "records": [{"id": r.record.id, "folder": str(r.folder), "why": r.why} for r in plan.records],
            "weights": list(map(str, plan.weights)),
            "removed": list(map(str, plan.caches)),
            "scans": len(plan.person.scans) if plan.person else 0,
        }
        print(json.dumps(told, indent=1))
        return
    for resting in plan.records:
        print(f"record   {resting.record.id}   ({resting.why})")
    for folder in plan.weights:
        print(f"weights  {folder}   ({sum(path.is_file() for path in folder.rglob('*'))} files)")
    print(f"cache    {len(plan.caches)} folders of finished cells and of what can be computed again")
    if plan.person:
        print(f"data     {len(plan.person.scans)} scans of one subject of {plan.person.name}")
