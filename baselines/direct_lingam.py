"""DirectLiNGAM: a causal order by non-Gaussianity, then sparse regressions along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .graph_baseline import Graph, GraphBaseline
from .graph_library import check_frames, check_independent
from .graph_numerics import standardise


@dataclass
class DirectLiNGAM(GraphBaseline):
    """Linear non-Gaussian acyclic model, estimated directly; several recordings share one order."""

    card: ClassVar[Card] = Card(
        title="DirectLiNGAM",
        summary="Finds a causal order by pairwise likelihood ratios of non-Gaussian series, then the weights along "
        "it by the adaptive lasso. The score of an edge is the size of its weight.",
        paper="Shimizu et al., JMLR 12 (2011); Hyvärinen and Smith, JMLR 14 (2013); several recordings: Shimizu, "
        "Neurocomputing 81 (2012)",
        notes="Own vectorised form; order and weights equal those of the package lingam 1.13.0, which is not a "
        "dependency because it holds scipy at 1.13. Nodes are standardised, so that their units do not weigh. With "
        "several recordings the score is the mean size of the weights. Acyclic by construction; rows are taken as "
        "exchangeable.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    multi_group: ClassVar[bool] = True

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """Sizes of the weights of one recording."""
        return self.together((series,), tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """Mean sizes of the weights of several recordings under one causal order."""
        from .lingam_order import causal_order, weights

        check_frames(recordings, recordings[0].shape[1] + 1, "the regressions of DirectLiNGAM")
        check_independent(recordings)
        order = causal_order(recordings)
        sizes = np.zeros((len(order), len(order)))
        for done, series in enumerate(recordings):
            sizes += np.abs(weights(standardise(series), order))
            context.progress("recordings", done + 1, len(recordings))
        return Graph(sizes / len(recordings))
