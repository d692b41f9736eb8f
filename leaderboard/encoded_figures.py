"""Figures of encoding records. They need matplotlib (extra ``figures``); a surface nilearn and nibabel too.

Records are told apart by colour and mark, values by a map of colours that grows evenly darker: both can be read
without telling red from green.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..benchmark.errors import BadData, needing
from ..benchmark.record import ScorePart
from .curve_figure import LOOKS
from .encoded import Atlas, Course, Courses, NetworkScores, ParcelScores
from .encoded_surface import VIEWS, surface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
COLOURS = "YlGnBu"
INK, MILD = "#222222", "#8C8C8C"
CELLS = 46
"""Most parcels in a row of the flat panel: Schaefer's largest networks then take three rows a hemisphere."""

SIDES = {"L": "left hemisphere", "R": "right hemisphere", "": "hemisphere unknown"}
FLAT_NOTE = (
    "Flat panel: a square a parcel, in the atlas's order within its network; numbers are means of networks.\n"
    "A map on the surface needs the volume of the parcels (--atlas FILE)."
)


def parcel_figure(shown: ParcelScores) -> bytes:
    """PNG of r by parcel: on the surface where the parcels' volume is at hand, else as a flat panel that says so.

    Raises `ExtraMissing` without matplotlib (or nilearn), and `BadData` for a volume of other parcels.
    """
    return surface_figure(shown) if shown.atlas.volume else flat_figure(shown)


def surface_figure(shown: ParcelScores) -> bytes:
    """A row a record: the left and right half from outside and inside, on fsaverage5."""
    with needing("figures", "matplotlib"):
        from matplotlib.figure import Figure
    with needing("neuro", "nilearn", "nibabel"):
        import nibabel  # noqa: F401
        import nilearn  # noqa: F401
    drawn = surface(shown.atlas)
    rows = len(shown.scores)
    wide, tall, head, cell, square = 11.5, 2.4, 0.7, 2.63, 2.65
    high = tall * rows + head
    figure = Figure(figsize=(wide, high), dpi=DPI)
    limit = scale_of(list(shown.scores.values()))
    for row, (label, values) in enumerate(shown.scores.items()):
        top = high - head - tall * row
        figure.text(0.015, top / high, name(label, values), fontsize=9.5, fontweight="bold", va="top", parse_math=False)
        for column, view in enumerate(VIEWS):
            middle, centre = cell * (column + 0.5), top - tall / 2 - 0.05
            place = ((middle - square / 2) / wide, (centre - square / 2) / high, square / wide, square / high)
            drawn.draw(figure.add_axes(place, projection="3d"), view, values, COLOURS, limit)
            if row == rows - 1:
                figure.text(middle / wide, 0.06 / high, view.title, ha="center", fontsize=8, color=MILD)
    bar(figure, figure.add_axes((0.935, 0.5 - 0.3 / rows**0.5, 0.012, 0.6 / rows**0.5)), limit)
    return saved(figure, f"{shown.title}\n{shown.atlas.whose}, on fsaverage5; {drawn.note}")


def flat_figure(shown: ParcelScores) -> bytes:
    """A row a record, a panel a hemisphere, in it the networks one below the other."""
    with needing("figures", "matplotlib"):
        from matplotlib.figure import Figure
    blocks = shown.atlas.blocks()
    sides = [side for side in SIDES if any(key[0] == side for key in blocks)]
    networks = list(dict.fromkeys(network for _, network in blocks))
    tall = {network: max(lines(len(blocks.get((side, network), ()))) for side in sides) for network in networks}
    inches = 0.105 * sum(tall.values()) + 0.075 * len(networks) + 0.55
    figure = Figure(figsize=(5.4 * len(sides) + 1.0, inches * len(shown.scores) + 0.95), dpi=DPI, layout="constrained")
    limit = scale_of(list(shown.scores.values()))
    panels = figure.subplots(len(shown.scores), len(sides), squeeze=False)
    for row, (label, values) in enumerate(shown.scores.items()):
        for column, side in enumerate(sides):
            panel(panels[row][column], shown.atlas, side, tall, values, limit)
            panels[row][column].set_title(SIDES[side], fontsize=8, color=MILD, loc="right")
        panels[row][0].set_title(name(label, values), fontsize=9.5, fontweight="bold", loc="left", parse_math=False)
    bar(figure, panels, limit)
    return saved(figure, f"{shown.title}\n{FLAT_NOTE}")


def lines(parcels: int) -> int:
    """Rows of cells that so many parcels take."""
    return math.ceil(parcels / CELLS)


def panel(
    axes: Axes, atlas: Atlas, side: str, tall: dict[str, int], values: np.ndarray, limit: tuple[float, float]
) -> None:
    """One hemisphere: networks as blocks of cells, their mean r at the right."""
    blocks, top = atlas.blocks(), 0.0
    for network, rows in tall.items():
        middle = top + rows / 2
        axes.text(-0.6, middle, network or "all", ha="right", va="center", fontsize=8, color=INK)
        places = blocks.get((side, network))
        if places is not None:
            wide = block(axes, values[places], top, limit)
            axes.text(wide + 0.6, middle, f"{values[places].mean():.2f}", ha="left", va="center", fontsize=8, color=INK)
        top += rows + 0.6
    axes.set_xlim(-7.5, CELLS + 3.5)
    axes.set_ylim(top, -0.3)
    axes.set_axis_off()


def block(axes: Axes, values: np.ndarray, top: float, limit: tuple[float, float]) -> int:
    """The parcels of a network in rows of equal length, outlined; returns that length."""
    rows = lines(len(values))
    wide = math.ceil(len(values) / rows)
    grid = np.full(rows * wide, np.nan)
    grid[: len(values)] = values
    extent = (0.0, float(wide), top + rows, top)
    axes.imshow(
        np.ma.masked_invalid(grid.reshape(rows, wide)), cmap=COLOURS, vmin=limit[0], vmax=limit[1], extent=extent,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    axes.plot([0, wide, wide, 0, 0], [top, top, top + rows, top + rows, top], color="#B0B0B0", linewidth=0.6)
    return wide


def network_figure(shown: NetworkScores) -> bytes:
    """PNG of the score by network: a mark a record with its interval, small dots for films, a line for the ceiling."""
    with needing("figures", "matplotlib"):
        from matplotlib.figure import Figure
    networks = list(shown.counts)
    figure = Figure(figsize=(max(7.5, 1.25 * len(networks)), 5.0), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    step = min(0.17, 0.7 / len(shown.scores))
    for number, (label, scores) in enumerate(shown.scores.items()):
        look = LOOKS[number % len(LOOKS)]
        shift = (number - (len(shown.scores) - 1) / 2) * step
        at = np.arange(len(networks)) + shift
        points = [scores[network] for network in networks]
        values = [math.nan if point.value is None else point.value for point in points]
        axes.errorbar(
            at, values, yerr=whiskers(points, values), fmt=look.marker, color=look.colour, markersize=6, capsize=2.5,
            elinewidth=1.1, label=label, zorder=3,
        )  # fmt: skip
        for place, point in zip(at, points, strict=True):
            films = [value for value in point.parts.values() if value is not None]
            axes.plot([place] * len(films), films, ".", color=look.colour, alpha=0.45, markersize=3.5, zorder=2)
    width = step * len(shown.scores) / 2 + 0.05
    for place, network in enumerate(networks):
        if network in shown.ceilings:
            said = "attainable on this twin" if place == 0 else "_nolegend_"
            level = shown.ceilings[network]
            axes.hlines(level, place - width, place + width, color=INK, linewidth=2.2, label=said)
    axes.axhline(0, color=MILD, linewidth=0.9)
    axes.set_xticks(range(len(networks)), [f"{network}\n({shown.counts[network]})" for network in networks])
    axes.set_xlabel("network (parcels)")
    axes.set_ylabel("mean Pearson r")
    tidy(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    named = {film for scores in shown.scores.values() for score in scores.values() for film in score.parts}
    note = "Bars: 95 % interval over segments of the films, given these subjects and films."
    if len(named) > 1:
        note += f" Small dots: the films {', '.join(sorted(named))}."
    return saved(figure, f"{shown.title}\n{note}")


def whiskers(points: Sequence[ScorePart], values: Sequence[float]) -> np.ndarray:
    """How far (2, points) the intervals reach below and above."""
    low = [value - (value if point.low is None else point.low) for point, value in zip(points, values, strict=True)]
    high = [(value if point.high is None else point.high) - value for point, value in zip(points, values, strict=True)]
    found: np.ndarray = np.maximum(np.array([low, high]), 0)
    return found


def course_figure(shown: Courses) -> bytes:
    """PNG of time courses: a row a parcel, the measured response grey, a line a record; all in standard deviations."""
    with needing("figures", "matplotlib"):
        from matplotlib.figure import Figure
    rows = len(shown.courses)
    figure = Figure(figsize=(11.5, 2.2 * rows + 1.4), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    for axes, course in zip(panels, shown.courses, strict=True):
        one_course(axes, course, shown.tr)
    panels[-1].set_xlabel("minutes of the run")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    note = "Each line in standard deviations of itself: predictions are flatter than responses."
    if any(course.measured is None for course in shown.courses):
        note = "The measured response is withheld. Each line in standard deviations of itself."
    return saved(figure, f"{shown.title}\n{note}")


def one_course(axes: Axes, course: Course, tr: float) -> None:
    """A parcel's lines; their r stands above."""
    if course.measured is not None:
        axes.plot(
            minutes(course.measured, tr), standard(course.measured), color="#4D4D4D", linewidth=1.2, label="measured"
        )
    for number, (label, values) in enumerate(course.predicted.items()):
        look = LOOKS[number % len(LOOKS)]
        axes.plot(minutes(values, tr), standard(values), color=look.colour, linewidth=1.5, alpha=0.9, label=label)
    axes.set_title(course.parcel, fontsize=9, loc="left", parse_math=False)
    if course.r:
        said = ",  ".join(f"{label}: {r:.2f}" for label, r in course.r.items())
        axes.set_title(f"r of {said}", fontsize=9, loc="right", color=INK, parse_math=False)
    axes.set_ylabel("sd")
    axes.margins(x=0.005)
    tidy(axes)


def minutes(values: np.ndarray, tr: float) -> np.ndarray:
    """Time of each value."""
    return np.arange(len(values)) * tr / 60


def standard(values: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance; zeros where nothing changes."""
    centred = values - values.mean()
    spread = float(centred.std())
    return centred / spread if spread > 0 else np.zeros_like(centred)


def scale_of(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """From 0 to a round number that nearly all values stay below."""
    high = max(float(np.quantile(each, 0.995)) for each in values)
    return 0.0, max(0.05, math.ceil(high * 20) / 20)


def name(label: str, values: np.ndarray) -> str:
    """A record's label with its mean r."""
    return f"{label}: mean r {values.mean():.3f}"


def bar(figure: Figure, where: Any, limit: tuple[float, float]) -> None:
    """The scale of colours, in axes of its own or beside panels; values below 0 have the colour of 0."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shades = ScalarMappable(Normalize(*limit), colormaps[COLOURS])
    place = {"ax": where, "shrink": 0.7, "pad": 0.01} if isinstance(where, np.ndarray) else {"cax": where}
    scale = figure.colorbar(shades, **place)
    scale.set_label("Pearson r (0 or less: lightest)", fontsize=8)
    scale.ax.tick_params(labelsize=8)


def tidy(axes: Axes) -> None:
    """Light lines at the ticks of the value, no box."""
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def saved(figure: Figure, title: str) -> bytes:
    """The figure as PNG under its title, on white."""
    if not figure.axes:
        raise BadData("nothing to draw")
    wide = int(figure.get_figwidth() * 14.5)
    told = "\n".join(line for part in title.splitlines() for line in textwrap.wrap(part, wide))
    figure.suptitle(told, fontsize=8.5, parse_math=False)
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor="white")
    return out.getvalue()
