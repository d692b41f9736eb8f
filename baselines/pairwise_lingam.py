"""Pairwise LiNGAM (Hyvarinen and Smith): direction from the third or higher moments of two nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .correlation import correlations
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import directed, standardise
from .partial_correlation import partial_correlations

CONTRASTS = ("skew", "tanh")


def skew_ratio(series: np.ndarray, turn: np.ndarray | None = None) -> np.ndarray:
    """r_ij E[x_i^2 x_j - x_i x_j^2] of a recording (time, node): positive where i drives j.

    Nodes are standardised and multiplied by ``turn`` (node,), the sign of their skewness unless given.
    """
    standard = standardise(series)
    standard = standard * (np.where(np.mean(standard**3, axis=0) < 0, -1.0, 1.0) if turn is None else turn)
    cubic = (standard**2).T @ standard / len(standard)
    ratio: np.ndarray = correlations(standard) * (cubic - cubic.T)
    return ratio


def common_turn(recordings: Sequence[np.ndarray]) -> np.ndarray:
    """Sign (node,) of the skewness of each node over all recordings (time, node), each standardised."""
    total = sum(np.sum(standardise(series) ** 3, axis=0) for series in recordings)
    return np.where(total < 0, -1.0, 1.0)


def tanh_ratio(series: np.ndarray) -> np.ndarray:
    """r_ij E[x_i tanh(x_j) - tanh(x_i) x_j] of a recording (time, node): positive where i drives j.

    The sign is that of sparse (super-Gaussian) disturbances.
    """
    standard = standardise(series)
    squashed = standard.T @ np.tanh(standard) / len(standard)
    ratio: np.ndarray = correlations(standard) * (squashed - squashed.T)
    return ratio


@dataclass
class PairwiseLingam(GraphBaseline):
    """Strength from partial correlation, direction from an approximate likelihood ratio of the pair.

    Attributes
    ----------
    contrast
        "skew" or "tanh".
    shrink
        Ledoit-Wolf shrinkage in the partial correlation; False inverts the correlation matrix as it is.
    """

    contrast: str = "skew"
    shrink: bool = True

    card: ClassVar[Card] = Card(
        title="Pairwise LiNGAM",
        summary="Strength |partial correlation|; direction from the sign of an approximate likelihood ratio, based on "
        "skewness or on tanh.",
        paper="Hyvarinen and Smith 2013, JMLR 14:111",
        notes="The favoured direction scores the strength, the other a third of it; both stay possible, as 2-cycles "
        "do. Several recordings: partial correlations are averaged, and the likelihood ratios, which add up over "
        "independent recordings, are summed with the frames as weights; a node is turned to positive skewness by "
        "all its recordings together. Invariant to the scale and the sign of a node. Reads rows as "
        "exchangeable; assumes linear, non-Gaussian disturbances - skewed for 'skew', sparse (super-Gaussian) for "
        "'tanh'. Presets '-plain' use no shrinkage.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "skew": {},
        "tanh": {"contrast": "tanh"},
        "skew-plain": {"shrink": False},
        "tanh-plain": {"contrast": "tanh", "shrink": False},
    }
    multi_group: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise BadOption(f"there is no contrast {self.contrast!r}", f"the contrasts are: {', '.join(CONTRASTS)}")

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""
        return self.together([series], tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """One graph of several recordings (time, node) each."""
        strengths = [partial_correlations(series, self.shrink) for series in recordings]
        if self.contrast == "skew":
            turn = common_turn(recordings)
            ratios = [len(series) * skew_ratio(series, turn) for series in recordings]
        else:
            ratios = [len(series) * tanh_ratio(series) for series in recordings]
        return Graph(directed(np.abs(np.mean(strengths, axis=0)), np.sum(ratios, axis=0)))
