"""GES: greedy equivalence search by BIC, for one recording or one graph of many (IMaGES)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .graph_baseline import Graph, GraphBaseline
from .graph_library import Undirected, check_frames, check_independent, check_undirected, pattern_graph


@dataclass
class GES(GraphBaseline):
    """Greedy insertions, then deletions, on classes of equivalent acyclic graphs.

    Attributes
    ----------
    penalty
        Factor of the BIC's penalty (the "penalty discount"); 1 is the BIC.
    undirected
        An undirected edge scores 1/2 in both cells ("half"), or 1 ("both").
    """

    penalty: float = 1.0
    undirected: Undirected = "half"

    card: ClassVar[Card] = Card(
        title="GES",
        summary="Searches the classes of equivalent linear Gaussian graphs for the best BIC. A directed edge scores "
        "1, an undirected one 1/2 both ways.",
        paper="Chickering, JMLR 3 (2002); several recordings: IMaGES, Ramsey et al., NeuroImage 49 (2010)",
        notes="Own search; its graphs equal those of causal-learn 0.1.4.8. Several recordings share one graph, each "
        "with its own weights: the BIC is summed over them. Rows are taken as exchangeable, so autocorrelation "
        "makes it keep too many edges. Acyclic by construction.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}, "both-ways": {"undirected": "both"}}
    multi_group: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_undirected(self.undirected)
        if not self.penalty > 0:
            raise BadOption(f"penalty={self.penalty} is not positive", "give a number above 0; 1 is the BIC")

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording."""
        return self.together((series,), tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """One graph of several recordings by the sum of their BICs."""
        from .ges_search import search

        nodes = recordings[0].shape[1]
        check_frames(recordings, nodes + 1, "the regressions of GES")
        check_independent(recordings)
        most = nodes * (nodes - 1) // 2
        edges = search(recordings, self.penalty, lambda done: context.progress("edges", min(done, most), most))
        return pattern_graph(edges, self.undirected)
