"""A figure of graphs: the true one beside the recovered ones, as matrices and as nodes and arrows.

Needs matplotlib (extra ``figures``), which is imported when a figure is drawn. Colours are told
apart with any colour vision, and every colour has a mark and a line style of its own.
"""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..benchmark.errors import need
from ..benchmark.metrics.binarise import strongest
from ..benchmark.metrics.graph_measures import f1, shd
from .recovered import Comparison, Recovered, outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, WIDE_PANEL = 3.9, 5.4
"""Width and height of a panel in inches, and those of a network of more than `FEW` nodes."""

FEW = 20

DPI = 130


class Look(NamedTuple):
    """How cells and arrows of one outcome are drawn."""

    title: str
    colour: str
    marker: str
    filled: bool
    line: Any


class Looks(NamedTuple):
    """A look for each field of `Outcome`, in its order."""

    hit: Look
    missed: Look
    extra: Look
    turned: Look


LOOKS = Looks(
    hit=Look("hit", "#0072B2", "s", True, "-"),
    missed=Look("missed", "#4D4D4D", "o", False, (0, (1, 1.6))),
    extra=Look("extra", "#E69F00", "X", True, (0, (5, 2))),
    turned=Look("reversed", "#AA3377", "D", True, (0, (6, 1.5, 1, 1.5))),
)
TRUE = Look("true edge", "#000000", "s", True, "-")


def graph_figure(shown: Comparison) -> bytes:
    """The figure as PNG: a column for the truth and one for each method.

    Raises `ExtraMissing` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise need("figures", "matplotlib") from None
    columns = 1 + len(shown.methods)
    panel = _panel(len(shown.truth))
    width = panel * columns + 0.4
    figure = Figure(figsize=(width, 3 * panel + 1.4), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    axes = figure.subplots(3, columns)
    _truth(axes[:, 0], shown)
    for column, method in zip(axes[:, 1:].T, shown.methods, strict=True):
        image = _method(column, shown.truth, method)
    bar = figure.colorbar(image, ax=list(axes[0]), shrink=0.85, pad=0.01, aspect=25)
    bar.set_label("score / largest score")
    lines = [line for text in shown.title.splitlines() for line in textwrap.wrap(text, int(width * 9))]
    figure.suptitle("\n".join(lines), fontsize=13)
    _legend(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _panel(nodes: int) -> float:
    """Side of a panel in inches."""
    return PANEL if nodes <= FEW else WIDE_PANEL


MEAN = (
    "\n\nF1 and SHD of the mean scores are those of\nthe matrix above, not the mean of the subjects'\n"
    "own F1 and SHD, which tables by subject hold."
)


def _truth(axes: Any, shown: Comparison) -> None:
    """The first column: the true graph, once as a matrix and once as arrows."""
    truth = shown.truth
    nodes = len(truth)
    edges = int(truth.sum())
    _matrix(axes[0], nodes, f"true graph\n{nodes} nodes, {edges} edges")
    _marks(axes[0], truth, TRUE)
    _text(
        axes[1],
        "A row is the source of an edge,\na column its target.\n\n"
        f"Recovered edges are the {nodes} strongest\nscores above 0 (as many as nodes);\nties are kept together.\n\n"
        "SHD counts a reversed edge once." + (MEAN if any(method.mean for method in shown.methods) else ""),
    )
    _circle(axes[2], nodes)
    _arrows(axes[2], truth, TRUE)


def _method(axes: Any, truth: np.ndarray, method: Recovered) -> Any:
    """A method's column: its scores, its edges against the true ones, and both as arrows."""
    nodes = len(truth)
    found = strongest(method.scores[None])
    off = np.where(np.eye(nodes, dtype=bool), np.nan, method.scores)
    _matrix(axes[0], nodes, method.label)
    image = axes[0].imshow(off / max(float(np.nanmax(off, initial=0)), 1e-300), cmap="Greys", vmin=0, vmax=1)
    axes[0].set_facecolor("#F3E9D2")
    became = outcome(truth, found[0])
    distance, score = shd(truth[None], found)[0], f1(truth[None], found)[0]
    told = ", ".join(f"{int(cells.sum())} {look.title}" for cells, look in zip(became, LOOKS, strict=True))
    of = " of the mean scores" if method.mean else ""
    _matrix(axes[1], nodes, f"F1 {score:.3f}, SHD {distance:.0f}{of}\n{told}")
    _circle(axes[2], nodes)
    for cells, look in zip(became, LOOKS, strict=True):
        _marks(axes[1], cells, look)
        _arrows(axes[2], cells, look)
    return image


def _matrix(axes: Axes, nodes: int, title: str) -> None:
    """An empty (nodes, nodes) grid, numbered from 1."""
    axes.set_title(title, fontsize=11)
    axes.set(xlim=(-0.5, nodes - 0.5), ylim=(nodes - 0.5, -0.5), aspect="equal", xlabel="target", ylabel="source")
    step = 1 if nodes <= 15 else 5 if nodes <= 60 else 10
    ticks = [0, *range(step - 1, nodes, step)] if step > 1 else list(range(nodes))
    axes.set_xticks(ticks, [str(k + 1) for k in ticks], fontsize=8)
    axes.set_yticks(ticks, [str(k + 1) for k in ticks], fontsize=8)
    if nodes <= 15:
        edges = np.arange(-0.5, nodes)
        axes.hlines(edges, -0.5, nodes - 0.5, colors="#D9D9D9", linewidths=0.5)
        axes.vlines(edges, -0.5, nodes - 0.5, colors="#D9D9D9", linewidths=0.5)
    axes.plot([-0.5, nodes - 0.5], [-0.5, nodes - 0.5], color="#BFBFBF", linewidth=0.6, zorder=0)


def _marks(axes: Axes, cells: np.ndarray, look: Look) -> None:
    """A mark on each of the cells."""
    source, target = np.nonzero(cells)
    # A panel's axes take about four fifths of it; an inch has 72 points.
    side = min(0.82 * 72 * 0.8 * _panel(len(cells)) / len(cells), 17)
    axes.plot(
        target, source, linestyle="none", marker=look.marker, markersize=side, color=look.colour,
        markerfacecolor=look.colour if look.filled else "none", markeredgewidth=max(side / 9, 0.9) * (not look.filled),
    )  # fmt: skip


def _places(nodes: int) -> np.ndarray:
    """Positions (nodes, 2) on a circle, clockwise from the top."""
    angle = np.pi / 2 - 2 * np.pi * np.arange(nodes) / nodes
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _circle(axes: Axes, nodes: int) -> None:
    """The nodes, numbered from 1: inside where they are large enough, else outside the circle."""
    axes.set(xlim=(-1.22, 1.22), ylim=(-1.22, 1.22), aspect="equal")
    axes.axis("off")
    places = _places(nodes)
    large = nodes <= FEW
    axes.plot(
        *places.T, linestyle="none", marker="o", markersize=_node(nodes), markerfacecolor="white",
        markeredgecolor="#4D4D4D", zorder=3,
    )  # fmt: skip
    for node, (x, y) in enumerate(places):
        shift = 1 if large else 1.09
        axes.text(shift * x, shift * y, str(node + 1), ha="center", va="center", fontsize=10 if large else 8, zorder=4)


def _node(nodes: int) -> float:
    """Diameter of a node in points."""
    return 20 if nodes <= 10 else 16 if nodes <= FEW else 5


def _arrows(axes: Axes, cells: np.ndarray, look: Look) -> None:
    """An arrow for each of the cells, bent to the inside, so that the two directions of a pair lie apart."""
    from matplotlib.patches import FancyArrowPatch

    nodes = len(cells)
    places, gap = _places(nodes), _node(nodes) / 2 + 1.5
    few = nodes <= FEW
    for source, target in np.argwhere(cells):
        axes.add_patch(
            FancyArrowPatch(
                places[source],
                places[target],
                connectionstyle=f"arc3,rad={_bend(source, target, nodes):.3f}",
                arrowstyle="-|>",
                mutation_scale=15 if few else 7,
                shrinkA=gap,
                shrinkB=gap,
                color=look.colour,
                linestyle=look.line,
                linewidth=2 if few else 1.1,
                zorder=2,
            )
        )


def _bend(source: int, target: int, nodes: int) -> float:
    """Curvature of an arrow: clockwise ones flat, the others more; neighbours on a full circle the most."""
    step = (target - source) % nodes
    short = min(step, nodes - step)
    bend = 0.16 + (0.6 / short if nodes > FEW else 0)
    return bend if step <= nodes / 2 else -1.9 * bend


def _text(axes: Axes, text: str) -> None:
    """Words in the place of a panel."""
    axes.axis("off")
    axes.text(0.02, 0.98, text, transform=axes.transAxes, ha="left", va="top", fontsize=10, linespacing=1.5)


def _legend(figure: Figure) -> None:
    """What marks and lines mean, below all panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=look.colour, linestyle=look.line, marker=look.marker, label=look.title, linewidth=2,
            markersize=9, markerfacecolor=look.colour if look.filled else "white",
        )
        for look in (TRUE, *LOOKS)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, handlelength=4)
