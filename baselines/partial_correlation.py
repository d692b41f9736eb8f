"""Partial correlation: the correlation of two nodes given all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .correlation import correlations
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import need_frames, need_independent, standardise, without_diagonal


def ledoit_wolf(standard: np.ndarray) -> np.ndarray:
    """Shrunk covariance (node, node) of a centred recording (time, node): Ledoit and Wolf 2004, lemma 3.2 on.

    The weight of the identity is the estimated sampling error of the covariance over its squared
    distance from the (scaled) identity, at most 1.
    """
    frames, nodes = standard.shape
    sample = standard.T @ standard / frames
    target = np.trace(sample) / nodes * np.eye(nodes)
    distance = np.sum((sample - target) ** 2)
    error = (np.mean(np.sum(standard**2, axis=1) ** 2) - np.sum(sample**2)) / frames
    weight = min(1.0, error / distance) if distance > 0 else 1.0
    shrunk: np.ndarray = (1 - weight) * sample + weight * target
    return shrunk


def partial_correlations(series: np.ndarray, shrink: bool = True) -> np.ndarray:
    """Partial correlations (node, node) of a recording (time, node), ones on the diagonal.

    Parameters
    ----------
    series
        (time, node); standardised here, so the shrinkage does not depend on units.
    shrink
        Ledoit-Wolf shrinkage towards the identity; else the plain inverse, which needs more frames than nodes.
    """
    if shrink:
        need_frames(series, 3, "a partial correlation", "join recordings, or leave this one out")
        covariance = ledoit_wolf(standardise(series))
    else:
        least = series.shape[1] + 2
        need_frames(
            series, least, "an unregularised partial correlation", "use Ledoit-Wolf shrinkage: --set shrink=true"
        )
        covariance = correlations(series)
        need_independent(covariance)
    return partial_from_covariance(covariance)


def partial_from_covariance(covariance: np.ndarray) -> np.ndarray:
    """Partial correlations of one or several covariance matrices (..., node, node)."""
    precision = np.linalg.inv(covariance)
    precision = (precision + np.swapaxes(precision, -1, -2)) / 2
    scale = np.sqrt(np.diagonal(precision, axis1=-2, axis2=-1))
    partial = -precision / (scale[..., :, None] * scale[..., None, :])
    nodes = partial.shape[-1]
    partial[..., np.arange(nodes), np.arange(nodes)] = 1.0
    clipped: np.ndarray = np.clip(partial, -1, 1)
    return clipped


@dataclass
class PartialCorrelation(GraphBaseline):
    """Absolute partial correlation given all other nodes, the same in both directions.

    Attributes
    ----------
    shrink
        Ledoit-Wolf shrinkage of the correlation matrix; False inverts it as it is.
    """

    shrink: bool = True

    card: ClassVar[Card] = Card(
        title="Partial correlation",
        summary="Absolute correlation of two nodes given all others, from a Ledoit-Wolf precision matrix.",
        paper="Ledoit and Wolf 2004, J. Multivariate Analysis 88:365; for NetSim: Smith et al. 2011, NeuroImage 54:875",
        notes="Symmetric: it never finds a direction, so its orientation accuracy is 0.5 by rule. Preset 'plain' "
        "inverts the correlation matrix without shrinkage. Invariant to the scale and the sign of a node (series are "
        "z-scored before shrinkage). Reads rows as exchangeable.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"ledoit-wolf": {}, "plain": {"shrink": False}}

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""
        return Graph(without_diagonal(np.abs(partial_correlations(series, self.shrink))))
