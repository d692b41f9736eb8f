"""``brainbench show``: pictures of what records hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from ...leaderboard.curves import Chart

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


@app.command("curve")
def curve(
    task: Annotated[str, typer.Option("--task", "-t", metavar="T", help="Task without a regime.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", metavar="M", help="Method, or METHOD+CONTROL; repeat [default: all run]."),
    ] = None,
    sources: Annotated[
        str | None, typer.Option(metavar="T,T", help="Sources as typed after the colon; none [default: the task's].")
    ] = None,
    metric: Annotated[str | None, typer.Option(metavar="M", help="Metric [default: the headline].")] = None,
    data: Annotated[str | None, typer.Option(help="real | simulated, where both have records.")] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.png", help="Where to write [default: TASK-curve.png].", show_default=False),
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Print the points as a table instead.")] = False,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Draw the scores against the number of labelled scans, with intervals, into a PNG.

    Example:  brainbench show curve --task hcp-sex --method fc-transfer --method fc-svm
    """
    from ...leaderboard.curve_figure import curve_figure
    from ...leaderboard.curves import chart_of
    from ..errors import BadOption
    from ..files import write_bytes
    from ..registry import load_task
    from ..store import Store

    if target and target.suffix != ".png":
        raise BadOption(f"--out {target}: the figure is a PNG", f"use  --out {target.with_suffix('.png')}")
    if "@" in task:
        raise BadOption(f"--task {task}: a curve goes over the regimes", f"use  --task {task.partition('@')[0]}")
    if data not in (None, "real", "simulated"):
        raise BadOption(f"--data {data}: expected real or simulated", "leave it out where one kind was run")
    chart = chart_of(Store(store_path(store)), load_task(task)[0], tuple(method or ()), sources, metric, data)
    for note in chart.notes:
        errors().print(note, style="yellow", markup=False, soft_wrap=True)
    if json_:
        print(json.dumps(chart.rows(), indent=1))
    elif table:
        print_points(chart)
    else:
        path = target or Path(f"{chart.task}-curve.png")
        write_bytes(path, curve_figure(chart))
        print(path)


def print_points(chart: Chart) -> None:
    """A row a method, a column a number of labelled scans."""
    from rich.markup import escape
    from rich.table import Table

    from ...leaderboard.wording import interval

    regimes = list(chart.regimes)
    heads = [f"{regime} ({count})" if regime == "all-shot" else regime for regime, count in chart.regimes.items()]
    shown = Table("method", *heads, title=escape(f"{chart.title}: {chart.metric}"), title_justify="left")
    for line in chart.curves:
        points = {point.regime: interval(point.score) for point in line.points}
        shown.add_row(escape(line.label), *(points.get(regime, "-") for regime in regimes))
    out().print(shown)
    print(chart.what)
