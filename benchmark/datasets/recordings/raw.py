"""What a reader makes of files: one network's recordings and graphs, oriented, with the unusable left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from ...errors import BadData, BadOption
from ..rules import constant

Direction = Literal["source-target", "target-source"]
Origin = Literal["real", "public simulation", "twin"]
Truth = Literal["generating network", "reference, not truth"]

SOURCE_TARGET: Direction = "source-target"
TARGET_SOURCE: Direction = "target-source"
ORIENTATIONS = get_args(Direction)
"""Entry [i, j] of a matrix on disk is an edge from i to j, or from j to i."""


@dataclass(frozen=True)
class Layout:
    """How one kind of copy stores a network.

    Attributes
    ----------
    title
        The files, in words.
    orientation
        Documented orientation of its matrices; None where nobody says it.
    reason
        Where the orientation is documented, or why it is not known.
    arrows
        True where no matrix is read, but edges that say their direction: there is nothing to state.
    """

    title: str
    orientation: Direction | None
    reason: str
    arrows: bool = False

    def resolve(self, stated: str | None) -> tuple[Direction, str]:
        """The orientation to read with, and who says so.

        Raises `BadOption` for an unknown one, for none where the layout has none, and for one that
        contradicts a list of arrows.
        """
        if stated is not None and stated not in ORIENTATIONS:
            raise BadOption(f"no orientation {stated!r}", f"choose {' or '.join(ORIENTATIONS)}")
        if self.arrows and stated == TARGET_SOURCE:
            raise BadOption(f"{self.title}: nothing to state, {self.reason}", "leave out --orientation")
        if stated is not None:
            return SOURCE_TARGET if stated == SOURCE_TARGET else TARGET_SOURCE, "stated by --orientation"
        if self.orientation is None:
            raise BadOption(
                f"orientation not stated: {self.reason}",
                "add  --orientation source-target  (a row is the cause)  or  --orientation target-source  "
                "(a row is the effect)",
            )
        return self.orientation, f"documented: {self.reason}"


@dataclass(frozen=True)
class Group:
    """Files that hold one part of a data set.

    Attributes
    ----------
    part, layout
        Name of the part, and key of the data set's table of layouts.
    series, graph
        Names of the files; ``graph`` is "" where the series' file holds it, or where there is none.
    """

    part: str
    layout: str
    series: tuple[str, ...]
    graph: str = ""


@dataclass
class RawPart:
    """One network as read.

    Attributes
    ----------
    part, nodes
        Name of the part, and labels of its nodes.
    tr
        Seconds a frame; NaN where the rows are no time series.
    series
        Subject -> (time, node) float64.
    graphs
        Subject -> (node, node) bool, [source, target], zero diagonal.
    truth
        What the graphs are.
    left_out
        Subject or file -> reason.
    """

    part: str
    nodes: tuple[str, ...]
    tr: float
    series: dict[str, np.ndarray]
    graphs: dict[str, np.ndarray]
    truth: Truth = "generating network"
    left_out: dict[str, str] = field(default_factory=dict)

    def keep_usable(self) -> None:
        """Leave out recordings of another node count, and such that hold NaN or a node that never varies.

        Raises `BadData`, with the first reason, when none is left.
        """
        for subject, values in list(self.series.items()):
            if reason := unusable(values, self.nodes):
                self.left_out[subject] = reason
                del self.series[subject], self.graphs[subject]
        if not self.series:
            some = next(iter(self.left_out.items()), ("", "there is none"))
            raise BadData(f"no usable recording: {': '.join(filter(None, some))}")


def unusable(series: np.ndarray, nodes: Sequence[str]) -> str:
    """Why a recording cannot be used, or ""."""
    if series.ndim != 2:
        return f"an array of shape {series.shape}; expected (time, node)"
    frames, columns = series.shape
    if columns != len(nodes):
        turned = "; it looks transposed: expected (time, node)" if frames == len(nodes) else ""
        return f"{columns} nodes, its graph has {len(nodes)}{turned}"
    if frames < 2:
        return f"{frames} frames"
    bad = int((~np.isfinite(series)).any(axis=1).sum())
    if bad:
        return f"NaN or infinity in {bad} of {frames} frames"
    still = [node for node, flat in zip(nodes, constant(series), strict=True) if flat]
    return f"node {', '.join(still)} never varies" if still else ""


def oriented(matrix: np.ndarray, orientation: Direction, name: str = "the graph") -> np.ndarray:
    """(node, node) bool, [source, target], from a weight matrix on disk; the diagonal is dropped.

    Raises `BadData` for a matrix that is not square or holds NaN.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BadData(f"{name}: a matrix of shape {matrix.shape}, which is not square")
    if not np.isfinite(matrix).all():
        raise BadData(f"{name}: the matrix holds NaN or infinity")
    graph: np.ndarray = (matrix if orientation == SOURCE_TARGET else matrix.T) != 0
    return graph & ~np.eye(len(graph), dtype=bool)


def edges(graph: np.ndarray) -> list[tuple[int, int]]:
    """Edges (source, target) of a graph by node index."""
    return [(int(i), int(j)) for i, j in np.argwhere(graph)]


def graph_of(pairs: Sequence[Sequence[int]], nodes: int) -> np.ndarray:
    """(node, node) bool of edges by node index, the reverse of `edges`."""
    graph = np.zeros((nodes, nodes), bool)
    for source, target in pairs:
        graph[source, target] = True
    return graph


def subject_names(stems: Sequence[str]) -> list[str]:
    """Ids from the stems of file names: ``sub-07`` where each has one number of its own, else the stems."""
    numbers = [re.findall(r"\d+", stem) for stem in stems]
    if all(len(found) == 1 for found in numbers) and len({int(found[0]) for found in numbers}) == len(stems):
        return [numbered(int(found[0])) for found in numbers]
    return list(stems)


def numbered(number: int) -> str:
    """The id of a subject that has a number and no name."""
    return f"sub-{number:02d}"


def natural(text: str) -> list[tuple[int, str]]:
    """A sorting key by which ``sim2`` comes before ``sim10``."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", text)]


def same_graph(graph: np.ndarray, series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The one graph of all subjects, by subject."""
    return {subject: graph for subject in series}
