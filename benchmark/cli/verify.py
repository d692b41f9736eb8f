"""``brainbench verify``: whether a submission may stand on the board, or every reason why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, errors, out

if TYPE_CHECKING:
    from ..submitting.verify import Verdict

ABSENT = 3
"""Exit code where nothing stands against a submission but that its data are not on this machine."""


def verify(
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="A folder, a .zip or a .tar.gz.")],
    accept: Annotated[
        bool, typer.Option("--accept", help="Put it on the board when nothing stands against it.")
    ] = False,
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The board's folder of submissions, for --accept.")
    ] = Path("submissions"),
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The withheld truth, where you are its keeper.")
    ] = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Also run its method again, in a sandbox (Linux): its rows are then ranked.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Wall time of each fold that --rerun runs.")
    ] = 7200,
    json_: JsonOption = False,
) -> None:
    """Score a submission again from its predictions; nothing in it is imported or run, but by --rerun in a sandbox.

    The exit code is 0 when it is accepted, 1 when it is refused, and 3 when its data are not on this machine.

    Example:  brainbench verify my-method-2026.zip
    """
    from ..sandbox import need_sandbox
    from ..submitting.archive import Refused, received
    from ..submitting.verify import accept as put
    from ..submitting.verify import verify as check
    from ..withheld import read_truth
    from .data import progress_bar

    sandbox = need_sandbox() if rerun else None
    if truth is not None:
        read_truth(truth)  # another file is a slip of the keeper's, and nothing against the submission
    try:
        with received(submission) as folder:
            if accept:
                refuse_taken(folder, to)
            with progress_bar() as progress:
                verdict = check(folder, truth, progress, sandbox, time_limit)
            place = put(verdict, to) if accept and verdict.accepted else None
    except Refused as error:
        say_refused(error.reasons, json_)
        if error.hint and not json_:
            errors().print(f"  {error.hint}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if json_:
        print_json(verdict, place)
    else:
        print_verdict(verdict, place)
    if not verdict.accepted:
        raise typer.Exit(ABSENT if verdict.open else 1)


def refuse_taken(folder: Path, to: Path) -> None:
    """Raise `BadOption` where a submission of this name is on the board already: told before hours of ``--rerun``."""
    from ..errors import BadOption
    from ..submitting.layout import MANIFEST, Manifest
    from ..submitting.offer import parsed
    from ..submitting.text import Unreadable
    from ..submitting.verify import same_submission

    try:
        name = parsed(folder / MANIFEST, Manifest).name
    except Unreadable:
        return  # every reason why it is refused is told together
    if (to / name).exists() and not same_submission(to / name, folder):
        raise BadOption(f"{to / name} is there already", "accept it under another name, or remove that folder first")


def say_refused(reasons: tuple[str, ...], json_: bool, word: str = "refused") -> None:
    """Print why a submission is not taken."""
    if json_:
        import json

        print(json.dumps({"accepted": False, "open": False, "reasons": reasons, "notes": [], "records": []}, indent=1))
        return
    if len(reasons) == 1:
        errors().print(f"{word}: {reasons[0]}", style="red", markup=False, soft_wrap=True)
        return
    errors().print(f"{word}, for {counted(len(reasons), 'reason')}:", style="red")
    for reason in reasons:
        errors().print(f"  - {reason}", markup=False, soft_wrap=True)


def print_json(verdict: Verdict, place: Path | None) -> None:
    """Print a verdict for programs."""
    import json

    from ..submitting.verify import told

    found = {"accepted": verdict.accepted, "open": verdict.open, "reasons": verdict.reasons, "notes": verdict.notes}
    print(json.dumps({**found, "records": [*told(verdict)], "folder": str(place) if place else None}, indent=1))


def print_verdict(verdict: Verdict, place: Path | None) -> None:
    """Print a verdict for people: the scores as they were made here, then what stands against it."""
    from rich.markup import escape
    from rich.table import Table

    from ..submitting.archive import shown

    made = [(one, record) for one in verdict.records if (record := one.found)]
    if made:
        table = Table("record", "row", "score here [95 % interval]")
        for one, record in made:
            score = record.scores[record.task.metrics[0]]
            table.add_row(escape(shown(record.id)), one.row, f"{record.task.metrics[0]} {escape(score.told)}")
        out().print(table)
    for note in verdict.notes:
        errors().print(f"note: {note}", markup=False, soft_wrap=True)
    if not verdict.accepted:
        say_refused(tuple(verdict.reasons), json_=False, word="not verified here" if verdict.open else "refused")
        return
    count = counted(len(verdict.records), "record")
    for how in dict.fromkeys(one.checked for one in verdict.records):
        print(how)
    print(f"accepted: {count}" + (f"; now in {place}" if place else ""))
    if place:
        task = verdict.records[0].offered.entry.task
        print(f"see it:  brainbench leaderboard --task {task} --submissions {place.parent}")


def counted(count: int, word: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{count} {word}{'' if count == 1 else 's'}"
