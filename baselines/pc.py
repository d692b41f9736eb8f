"""PC: conditional independence tests, then orientation of what they imply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption, need
from .graph_baseline import Graph, GraphBaseline
from .graph_library import (
    Undirected,
    by_correlation,
    check_frames,
    check_independent,
    check_undirected,
    pattern_graph,
    quiet,
)

SEPARATING_SETS, MARK_CONFLICTS = 0, 1
"""causal-learn's numbers: colliders by separating sets, conflicting colliders as bi-directed edges."""


@dataclass
class PC(GraphBaseline):
    """PC-stable with Fisher's z test.

    Attributes
    ----------
    alpha
        Level of the tests.
    undirected
        An undirected or conflicting edge scores 1/2 in both cells ("half"), or 1 ("both").
    """

    alpha: float = 0.01
    undirected: Undirected = "half"

    card: ClassVar[Card] = Card(
        title="PC",
        summary="Removes edges by tests of conditional independence (Fisher's z), then orients colliders and what "
        "follows from them. A directed edge scores 1, an undirected one 1/2 both ways.",
        paper="Spirtes and Glymour 1991; order-independent form: Colombo and Maathuis, JMLR 15 (2014); causal-learn",
        notes="An edge that two colliders orient against each other counts as undirected. Nodes are handed to the "
        "library by the strength of their correlations, so the order of the file cannot matter. Rows are taken as "
        "exchangeable, so autocorrelation makes it keep too many edges.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}, "both-ways": {"undirected": "both"}}

    def __post_init__(self) -> None:
        check_undirected(self.undirected)
        if not 0 < self.alpha < 1:
            raise BadOption(f"alpha={self.alpha} is not a level of a test", "give a number between 0 and 1")

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording."""
        try:
            with quiet():
                from causallearn.search.ConstraintBased.PC import pc
        except ModuleNotFoundError:
            raise need("connectivity", "causal-learn") from None
        check_frames((series,), series.shape[1] + 3, "partial correlations")
        check_independent((series,))
        order = by_correlation((series,))
        with quiet():
            found = pc(
                series[:, order], self.alpha, "fisherz", stable=True,
                uc_rule=SEPARATING_SETS, uc_priority=MARK_CONFLICTS, show_progress=False,
            )  # fmt: skip
        back = np.argsort(order)
        return pattern_graph(_edges(found.G.graph)[np.ix_(back, back)], self.undirected)


def _edges(marks: np.ndarray) -> np.ndarray:
    """Boolean edges [source, target] from causal-learn's end marks; both cells where the direction is open.

    There i -> j is marks[i, j] = -1 and marks[j, i] = 1; undirected is -1 twice, conflicting 1 twice.
    """
    return np.asarray((marks != 0) & ~((marks == 1) & (marks.T == -1)))
