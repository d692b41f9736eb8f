"""What the search-based connectivity baselines share: checks, and graphs with undirected edges."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from ..benchmark.errors import BadOption
from .graph_baseline import Graph
from .graph_numerics import need_frames, need_independent

Undirected = Literal["half", "both"]
"""What an undirected edge scores in each of its cells: 1/2, or 1 as if it went both ways."""


def check_frames(recordings: Sequence[np.ndarray], least: int, what: str) -> None:
    """Raise `BadData` when a recording (time, node) has fewer than ``least`` frames for ``what``."""
    for series in recordings:
        need_frames(series, least, what, "give longer recordings, or leave this method out")


def check_independent(recordings: Sequence[np.ndarray]) -> None:
    """Raise `BadData` when a node of a recording (time, node) is a linear combination of others."""
    for series in recordings:
        need_independent(np.corrcoef(series, rowvar=False))


def check_undirected(choice: str) -> None:
    """Raise `BadOption` for an unknown way to score undirected edges."""
    if choice not in ("half", "both"):
        raise BadOption(f"undirected={choice!r} is not known", "give undirected=half or undirected=both")


def pattern_graph(edges: np.ndarray, undirected: Undirected) -> Graph:
    """The graph of a partly directed pattern.

    Parameters
    ----------
    edges
        Boolean (node, node) [source, target]; an undirected edge has both cells set.
    undirected
        "half" scores its cells 1/2, "both" 1.
    """
    scores = edges.astype(float)
    if undirected == "half":
        scores[edges & edges.T] = 0.5
    return Graph(scores, edges)


def by_correlation(recordings: Sequence[np.ndarray]) -> np.ndarray:
    """Nodes by falling sum of squared correlations: an order that belongs to the data, not to the file."""
    squared = [np.corrcoef(series, rowvar=False) ** 2 for series in recordings]
    return np.argsort(-np.sum(squared, axis=(0, 1)), kind="stable")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what a library prints and warns of."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
