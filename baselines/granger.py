"""Conditional Granger causality: does the past of i help to predict j, given the past of all?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadData, BadOption
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import need_independent, standardise, without_diagonal


def lagged(series: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Present (time - lags, node) and past (time - lags, lags * node), lag by lag, each column centred.

    Centring stands for an intercept of the recording's own.
    """
    frames = len(series)
    present = series[lags:]
    past = np.hstack([series[lags - lag : frames - lag] for lag in range(1, lags + 1)])
    return present - present.mean(axis=0), past - past.mean(axis=0)


def granger_index(present: np.ndarray, past: np.ndarray, ridge: float = 0.0) -> np.ndarray:
    """Log ratio of residual variances without and with the past of a source, (node, node) [source, target].

    Dropping a block of regressors raises the (penalised) residual sum of squares by the quadratic form
    of its coefficients in the inverse of its block of the inverse Gram matrix, so that one fit of the
    full model gives all restricted ones.

    Parameters
    ----------
    present, past
        As from `lagged`; rows of several recordings may be stacked.
    ridge
        Penalty on coefficients, as a multiple of the number of rows.

    Raises
    ------
    BadData
        Where the past is linearly dependent.
    """
    rows, nodes = present.shape
    lags = past.shape[1] // nodes
    gram = past.T @ past + ridge * rows * np.eye(nodes * lags)
    cross = past.T @ present
    need_independent(gram)
    precision = np.linalg.inv(gram)
    weights = precision @ cross
    residual = np.einsum("tj,tj->j", present, present) - np.einsum("ij,ij->j", weights, cross)
    blocks = precision.reshape(lags, nodes, lags, nodes)[:, np.arange(nodes), :, np.arange(nodes)]
    by_source = weights.reshape(lags, nodes, nodes).transpose(1, 0, 2)
    increase = np.einsum("ikj,ikj->ij", by_source, np.linalg.solve(blocks, by_source))
    return without_diagonal(np.log1p(np.maximum(increase, 0) / residual))


@dataclass
class Granger(GraphBaseline):
    """Conditional (multivariate) Granger causality in a vector autoregression.

    Attributes
    ----------
    lags
        Order of the autoregression.
    ridge
        Penalty on coefficients of z-scored series, as a multiple of the number of rows; 0 is least squares.
    """

    lags: int = 1
    ridge: float = 0.0

    card: ClassVar[Card] = Card(
        title="Conditional Granger",
        summary="Log ratio of residual variances of a node predicted without and with the past of the source, given "
        "the past of all nodes.",
        paper="Geweke 1984, JASA 79:907; for NetSim: Smith et al. 2011, NeuroImage 54:875",
        notes="Least squares with one lag and no order selection by default. A recording with too few frames for least "
        "squares is refused, unless ridge > 0. Several recordings: one autoregression with an intercept a recording, "
        "on rows that do not cross a seam, after z-scoring each. Invariant to the scale and the sign of a node. Reads "
        "rows as a time series: on exchangeable rows it has nothing to find. At a TR of seconds it does not see "
        "neural lags of 50 ms.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}, "ridge": {"ridge": 0.1}}
    multi_group: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.lags < 1:
            raise BadOption(f"lags={self.lags} is not a number of past frames", "give 1 or more")
        if self.ridge < 0:
            raise BadOption(f"ridge={self.ridge} is negative", "give 0 or more")

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""
        return self.together([series], tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """One graph of several recordings (time, node) each."""
        self._need_rows(recordings)
        pairs = [lagged(standardise(series), self.lags) for series in recordings]
        present, past = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return Graph(granger_index(present, past, self.ridge))

    def _need_rows(self, recordings: Sequence[np.ndarray]) -> None:
        nodes = recordings[0].shape[1]
        short = min(len(series) for series in recordings)
        rows = sum(len(series) - self.lags - 1 for series in recordings)
        least = 3 if self.ridge else nodes * self.lags + 2
        if short < self.lags + 3 or rows < least:
            frames = sum(len(series) for series in recordings)
            hint = "join recordings, or leave this one out" if self.ridge else "use a penalty: --preset ridge"
            raise BadData(f"{frames} frames are too few for lag {self.lags} and {nodes} nodes", hint)
