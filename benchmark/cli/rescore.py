"""``brainbench rescore``: the numbers of records, made anew from their predictions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import StoreOption, errors, store_path

if TYPE_CHECKING:
    from ..draws import Draws
    from ..record import Record
    from ..store import Store


def rescore(
    records: Annotated[
        list[str], typer.Argument(metavar="RECORD...", help="Record ids (their beginnings are enough), or folders.")
    ],
    store: StoreOption = None,
) -> None:
    """Score records again from their predictions, and say whether every number is the same.

    Beside a record whose numbers are, the resamples of its scores are kept, which the leaderboard's tests need.

    Example:  brainbench rescore abide2-asd--fc-svm
    """
    from ..store import Store

    place = Store(store_path(store))
    several = len(records) > 1
    same = [told_apart(place, name) if several else again(*place.find(name)) for name in records]
    if not all(same):
        raise typer.Exit(1)


def told_apart(place: Store, name: str) -> bool:
    """Score one of several records again, under its name; one that cannot be scored does not stop the others."""
    from ..errors import BrainbenchError

    try:
        record, folder = place.find(name)
        print(record.id, flush=True)
        return again(record, folder)
    except BrainbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return False


def again(record: Record, folder: Path) -> bool:
    """Score one record again, tell the numbers, and keep its resamples; whether the numbers are the same."""
    from ..rescoring import rescore as score_again

    with errors().status("scoring ..."):
        result = score_again(record, folder, lambda label, done, total: None)
    wide = max((len(name) for name in result.scores), default=0)
    for name, score in result.scores.items():
        value = "not defined" if score.value is None else f"{score.value:.6f}"
        around = "" if score.low is None or score.high is None else f"  [{score.low:.6f}, {score.high:.6f}]"
        print(f"{name:{wide}}  {value}{around}")
    if result.differences:
        print("\n".join(result.differences))
        errors().print(f"{len(result.differences)} numbers differ from the record {record.id}", style="red")
        return False
    print(f"every number of {record.id} is reproduced")
    keep(folder, result.draws)
    return True


def keep(folder: Path, draws: Draws | None) -> None:
    """Keep the resamples beside a record that lacks them, or holds others."""
    from ..draws import same_draws, write_draws
    from ..errors import StoreError

    if draws is None or same_draws(folder, draws):
        return
    try:
        write_draws(folder, draws)
    except StoreError as error:  # the numbers are reproduced all the same
        errors().print(f"its resamples are not kept: {error.message}", style="yellow", markup=False)
        return
    print(f"its {draws.values.shape[1]:,} resamples are now beside it: {folder / 'draws.npy'}")
