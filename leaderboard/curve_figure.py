"""A figure of learning curves: score against the number of labelled scans, one line a method.

Needs matplotlib (extra ``figures``), which is imported when a figure is drawn. Lines are told apart by colour, mark
and, for a method's controls, by dashes.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ..benchmark.errors import need
from .curves import Chart, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, DPI = 8.4, 5.6, 130
APART = 0.035
"""Shift of a line's points along the axis, so that bars of two methods do not hide each other."""


class Look(NamedTuple):
    """Colour and mark of a method."""

    colour: str
    marker: str


LOOKS = (
    Look("#0072B2", "o"),
    Look("#D55E00", "s"),
    Look("#009E73", "^"),
    Look("#AA3377", "D"),
    Look("#E69F00", "v"),
    Look("#56B4E9", "P"),
    Look("#000000", "X"),
)
FLOOR = "#8C8C8C"
DASHES = ((0, (5, 2)), (0, (1, 1.4)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))


def curve_figure(chart: Chart) -> bytes:
    """The figure as PNG. Raises `ExtraMissing` without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise need("figures", "matplotlib") from None
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _axis(axes, chart)
    _levels(axes, chart)
    looks, dashes = looks_of(chart), dashes_of(chart)
    middle = (len(chart.curves) - 1) / 2
    for number, curve in enumerate(chart.curves):
        look = Look(FLOOR, ".") if curve.floor else looks[curve.method]
        _curve(axes, curve, look, dashes[number], (number - middle) * APART)
    told = "\n".join(textwrap.wrap(chart.what, 105))
    figure.suptitle(chart.title, fontsize=13, fontweight="bold")
    axes.set_title(told, fontsize=8.5)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5, handlelength=3.2)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def place(labelled: int) -> float:
    """Position of a number of labelled scans on the axis: its binary logarithm, and one step less for none."""
    return math.log2(labelled) if labelled else 0.0


def looks_of(chart: Chart) -> dict[str, Look]:
    """A look for each method; its controls and presets share the colour."""
    methods = list(dict.fromkeys(curve.method for curve in chart.curves if not curve.floor))
    return {method: LOOKS[number % len(LOOKS)] for number, method in enumerate(methods)}


def dashes_of(chart: Chart) -> list[Any]:
    """A line style for each curve: the first plain one of a method is solid, all others of one colour differ."""
    found: list[Any] = []
    taken: dict[str, int] = defaultdict(int)
    solid = set()
    for curve in chart.curves:
        colour = FLOOR if curve.floor else curve.method
        if not (curve.floor or curve.control or colour in solid):
            solid.add(colour)
            found.append("-")
        else:
            found.append(DASHES[taken[colour] % len(DASHES)])
            taken[colour] += 1
    return found


def _axis(axes: Axes, chart: Chart) -> None:
    """Numbers of labelled scans along the axis, the score up."""
    counts = sorted(set(chart.regimes.values()))
    everything = chart.regimes.get("all-shot")
    axes.set_xticks(
        [place(count) for count in counts],
        [f"all\n({count})" if count == everything else str(count) for count in counts],
    )
    axes.set_xlim(-0.4, max(place(counts[-1]), 1) + 0.4)
    axes.set_xlabel("labelled scans of the task")
    axes.set_ylabel(chart.metric + ("" if chart.higher_is_better else " (lower is better)"))
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _levels(axes: Axes, chart: Chart) -> None:
    """The attainable and chance, as lines over the whole width."""
    if chart.ceiling:
        axes.axhline(chart.ceiling.value, color="#222222", linewidth=1.1, label="best attainable")
        if chart.ceiling.at_training_size is not None:
            axes.axhline(
                chart.ceiling.at_training_size, color="#222222", linewidth=0.9, linestyle=(0, (4, 3)),
                label=f"attainable when learned from {chart.ceiling.training_size}",
            )  # fmt: skip
    if chart.chance is not None:
        axes.axhline(chart.chance, color=FLOOR, linewidth=0.9, label=f"chance {chart.chance:g}")


def _curve(axes: Axes, curve: Curve, look: Look, dash: Any, shift: float) -> None:
    """One line with its intervals; marks of floors and controls are open."""
    at = [place(point.labelled) + shift for point in curve.points]
    values = [_value(point.score.value) for point in curve.points]
    bars = [
        [max(value - _value(point.score.low, value), 0) for point, value in zip(curve.points, values, strict=True)],
        [max(_value(point.score.high, value) - value, 0) for point, value in zip(curve.points, values, strict=True)],
    ]
    plain = not (curve.control or curve.floor)
    axes.errorbar(
        at, values, yerr=bars, label=curve.label, color=look.colour, marker=look.marker,
        markersize=7 if curve.floor else 6, markerfacecolor=look.colour if plain else "white", linestyle=dash,
        linewidth=1.8 if plain else 1.2, elinewidth=1.0, capsize=2.5,
    )  # fmt: skip


def _value(number: float | None, otherwise: float = math.nan) -> float:
    return otherwise if number is None else number
