"""``brainbench show``: pictures of what records hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption, errors, store_path

app = typer.Typer(help="Draw what a record holds.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Draw what a record holds."""


@app.command("graph")
def graph(
    records: Annotated[
        list[str],
        typer.Argument(metavar="RECORD...", help="Record ids (their beginnings are enough) of one network."),
    ],
    target: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.png", help="Where to write [default: RECORD.png].", show_default=False),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", help="One subject, not the mean of all.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Draw the true graph beside the recovered ones, as matrices and as arrows, into a PNG.

    Example:  brainbench show graph netsim-1--pairwise-lingam netsim-1--correlation
    """
    from ...leaderboard.graph_figure import graph_figure
    from ...leaderboard.recovered import compare
    from ..errors import BadOption
    from ..files import write_bytes
    from ..store import Store

    if target and target.suffix != ".png":
        raise BadOption(f"--out {target}: the figure is a PNG", f"use  --out {target.with_suffix('.png')}")
    place = Store(store_path(store))
    found = [place.find(name) for name in records]
    with errors().status("drawing ..."):
        shown = compare(found, subject, lambda label, done, total: None)
        picture = graph_figure(shown)
    path = target or Path(default_name([record.id for record, _ in found], subject))
    write_bytes(path, picture)
    print(path)


def default_name(ids: list[str], subject: str | None) -> str:
    """``RECORD.png``, with what tells it from other pictures of that record."""
    parts = [ids[0], *([f"and-{len(ids) - 1}-more"] if len(ids) > 1 else []), *([subject] if subject else [])]
    return f"{'-'.join(parts)}.png"
