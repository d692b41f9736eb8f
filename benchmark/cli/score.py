"""``brainbench score``: somebody's predictions, our metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, StoreOption, errors, store_path


def score(
    task: Annotated[str, typer.Option("--task", "-t", metavar="T", help="Task whose test items were predicted.")],
    predictions: Annotated[
        list[str],
        typer.Option(
            metavar="[PART=]FILE",
            help="JSON, CSV, a folder of PNGs, .npy or .pt; repeat with subj01=FILE where there are several brains.",
        ),
    ],
    method: Annotated[str, typer.Option("--method", "-m", metavar="NAME", help="What made them.")],
    references: Annotated[
        Path | None, typer.Option(metavar="FILE", help="References of your own; the record is then not ranked.")
    ] = None,
    data: Annotated[str, typer.Option(help="auto | real | references | simulated.")] = "auto",
    note: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="What is known of how they were made; repeat.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="M", help="Score by this metric as well; repeat.")] = None,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Score predictions that were made elsewhere, and put them on the board as a rescored row.

    Example:  brainbench score --task nsd-caption@subjects:1 --predictions sub01.json --method umbrae-v-1-4
    """
    from ...leaderboard.systems import known_of
    from ..outside import Offer, parse_files, score_outside
    from ..store import Store
    from .run import print_records

    place = Store(store_path(store).resolve())
    offer = Offer(
        task=task,
        method=method,
        files=parse_files(predictions),
        data=data,
        references=references,
        notes=(*(note or ()), *known_of(method)),
        metrics=tuple(metric or ()),
    )
    with errors().status("scoring ...") as status:
        record, _ = score_outside(offer, place, lambda label, done, total: status.update(f"{label} {done}/{total}"))
    print_records([record], place, json_)
    if record.status != "ok":
        raise typer.Exit(1)
