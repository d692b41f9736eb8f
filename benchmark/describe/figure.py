"""A figure of a scan beside its cohort: a panel for each family of measures.

Needs matplotlib (extra ``figures``), which is imported when a figure is drawn.
"""

from __future__ import annotations

import importlib.util
import io
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import need
from . import components, gradients, graph
from .report import Description
from .scan import ScanData
from .words import MARKED, NOTABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIMIT = 3.0
"""|z| at the end of the colours and bars; what lies beyond is written as a number."""

COLOURS = "PuOr_r"
"""Purple below, orange above: told apart with any colour vision."""

GROUPS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A6A00", "#000000")
MARKS = "osD^vP*X"
"""Of networks; with more than eight they come again with another mark."""

PANEL = 6.2
"""Side of a panel in inches."""

DPI = 130


def description_figure(shown: Description) -> bytes:
    """The figure as PNG. Raises `ExtraMissing` without matplotlib."""
    refuse_without_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    families = shown.describer.families
    columns = min(len(families), 2)
    rows = -(-len(families) // columns)
    size = (columns * (PANEL + 1), rows * PANEL + 0.8)
    figure = Figure(figsize=size, dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, family in zip(axes, families, strict=False):
        DRAWN[family](place, shown, _of(shown, family))
    for place in axes[len(families) :]:
        place.axis("off")
    title = f"{shown.asked.title} beside {len(shown.asked.reference)} scans of {shown.asked.cohort}"
    figure.suptitle("\n".join(textwrap.wrap(title, int(size[0] * 8))), fontsize=13)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def refuse_without_matplotlib() -> None:
    """Raise `ExtraMissing` where no figure can be drawn; good to know before the work is done."""
    if importlib.util.find_spec("matplotlib") is None:
        raise need("figures", "matplotlib")


def _of(shown: Description, family: str) -> np.ndarray:
    """z-scores of a family's measures; NaN where there are none."""
    mine = np.array([name.startswith(f"{family}: ") for name in shown.describer.names])
    z: np.ndarray = np.where(shown.known, shown.z, np.nan)[mine]
    return z


def _pairs(axes: Axes, shown: Description, z: np.ndarray) -> None:
    """Pairs of networks as a symmetric matrix."""
    networks = shown.describer.frame.networks
    matrix = np.full((len(networks.names),) * 2, np.nan)
    matrix[networks.pairs] = z
    matrix = np.where(np.isnan(matrix), matrix.T, matrix)
    _cells(axes, matrix, networks.names, networks.names)
    axes.set_title("connectivity within and between networks")


def _signals(axes: Axes, shown: Description, z: np.ndarray) -> None:
    """Signal measures by network."""
    networks = shown.describer.frame.networks
    count = len(components.MEASURES) * len(networks.names)
    matrix = z[:count].reshape(len(components.MEASURES), len(networks.names))
    _cells(axes, matrix.T, networks.names, components.MEASURES)
    axes.set_title("signals of the networks")


def _cells(axes: Axes, matrix: np.ndarray, rows: tuple[str, ...], columns: tuple[str, ...]) -> None:
    """A matrix of z with colours, and numbers where they are notable; grey where nothing is known."""
    axes.set_facecolor("#D9D9D9")
    image = axes.imshow(matrix, cmap=COLOURS, vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.set_xticks(range(len(columns)), columns, fontsize=9, rotation=40, ha="right", rotation_mode="anchor")
    small = 8 if max(matrix.shape) <= 10 else 5
    for row, column in np.argwhere(np.abs(np.nan_to_num(matrix)) >= NOTABLE):
        value = matrix[row, column]
        colour = "white" if abs(value) > 0.6 * LIMIT else "black"
        axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=small, color=colour)
    figure: Any = axes.figure
    figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, label="z (grey: not known)")


def _axes_of_change(axes: Axes, shown: Description, _z: np.ndarray) -> None:
    """ROIs on the first two gradients, and where each network lies here and in the mean of the cohort's scans."""
    frame, scan = shown.describer.frame, ScanData(shown.asked.series)
    template = frame.template
    assert template is not None
    here = gradients.align(gradients.embed(scan.correlation, scan.alive), template)
    found = np.isfinite(here).all(axis=1)
    if not found.any():
        axes.axis("off")
        axes.text(0.5, 0.5, "gradients: not known of this scan", ha="center", transform=axes.transAxes)
        return
    ours = frame.networks.means(here, found)
    theirs = _cohort_means(shown)
    for k, name in enumerate(frame.networks.names):
        colour, mark = GROUPS[k % len(GROUPS)], MARKS[(k + k // len(GROUPS)) % len(MARKS)]
        mine = here[frame.networks.codes == k]
        axes.scatter(mine[:, 0], mine[:, 1], s=14, color=colour, marker=mark, alpha=0.45, linewidths=0)
        axes.plot([theirs[k, 0], ours[k, 0]], [theirs[k, 1], ours[k, 1]], color=colour, linewidth=1.3)
        axes.plot(*theirs[k, :2], marker=mark, markersize=9, markerfacecolor="white", color=colour)
        axes.plot(*ours[k, :2], marker=mark, markersize=10, color=colour, linestyle="none", label=name)
    axes.set(xlabel="gradient 1", ylabel="gradient 2")
    axes.set_title("gradients: regions, and the networks' means\n(hollow: mean of the cohort's scans)")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _cohort_means(shown: Description) -> np.ndarray:
    """(network, 2) means over the cohort's scans of where each network lies on the first two gradients."""
    mean = dict(zip(shown.describer.names, shown.describer.mean, strict=True))
    networks = shown.describer.frame.networks.names
    return np.array([[mean[f"gradients: {name} on gradient {k}"] for k in (1, 2)] for name in networks])


def _bars(axes: Axes, shown: Description, z: np.ndarray) -> None:
    """Graph measures as bars."""
    names = graph.names(shown.describer.frame.networks)
    place = np.arange(len(names))[::-1]
    for edge, style in ((NOTABLE, (0, (2, 3))), (MARKED, (0, (6, 3)))):
        for side in (-edge, edge):
            axes.axvline(side, color="#7F7F7F", linewidth=0.8, linestyle=style)
    axes.axvline(0, color="black", linewidth=0.8)
    clipped = np.clip(np.nan_to_num(z), -LIMIT, LIMIT)
    axes.barh(place, clipped, color=np.where(clipped > 0, "#E08214", "#8073AC"), edgecolor="black", linewidth=0.5)
    for y, value, end in zip(place, z, clipped, strict=True):
        text = "not known" if np.isnan(value) else f"{value:+.1f}"
        side = 0.07 if end >= 0 else -0.07
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(end + side, y, text, va="center", ha="left" if end >= 0 else "right", fontsize=8, bbox=ground)
    axes.set_yticks(place, names, fontsize=9)
    axes.set(xlim=(-LIMIT - 0.7, LIMIT + 0.7), xlabel="z")
    axes.set_title(f"graph of the strongest {graph.DENSITY:.0%} of the edges")


DRAWN: dict[str, Callable[[Axes, Description, np.ndarray], None]] = {
    "fc": _pairs,
    "gradients": _axes_of_change,
    "graph": _bars,
    "components": _signals,
}
"""Family -> what draws its panel."""
