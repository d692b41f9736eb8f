"""Numerics of DirectLiNGAM: the causal order, and the weights given an order."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

# Maximum-entropy approximation of differential entropy (Hyvärinen 1998, eq. 22; Hyvärinen and Smith 2013, eq. 7).
LOG_COSH_WEIGHT, GAUSS_WEIGHT, GAUSSIAN_LOG_COSH = 79.047, 7.4129, 0.37457
BLOCK_VALUES = 1 << 16
"""Residual values held at once: they stay in the processor's cache."""


def causal_order(recordings: Sequence[np.ndarray]) -> np.ndarray:
    """Nodes from the first cause to the last effect, one order for all recordings.

    The most exogenous of the nodes left is taken, and regressed out of the others, until none is
    left. A node's evidence against being exogenous is the sum, over the other nodes, of the squared
    likelihood ratios that speak for them as its cause, averaged over recordings by their length.

    Parameters
    ----------
    recordings
        (time, node) each, in any units, none constant.

    Source: Shimizu et al., JMLR 12 (2011), algorithm 1; Hyvärinen and Smith, JMLR 14 (2013); for
    several recordings Shimizu, Neurocomputing 81 (2012).
    """
    left = np.arange(recordings[0].shape[1])
    total = sum(map(len, recordings))
    current = [_standardised(np.ascontiguousarray(series.T, dtype=np.float64)) for series in recordings]
    order: list[int] = []
    while len(left) > 1:
        evidence = sum(_evidence_against(rows) * (rows.shape[1] / total) for rows in current)
        first = int(np.argmin(evidence))
        order.append(int(left[first]))
        left = np.delete(left, first)
        current = [_without(rows, first) for rows in current]
    return np.array([*order, *left.tolist()])


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Rows (node, time) with mean 0 and variance 1."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / centred.std(axis=1, keepdims=True))


def _without(rows: np.ndarray, first: int) -> np.ndarray:
    """The other standardised rows with a row regressed out, standardised again."""
    others = np.delete(rows, first, axis=0)
    slopes = others @ rows[first] / rows.shape[1]
    return _standardised(others - slopes[:, None] * rows[first])


def _evidence_against(rows: np.ndarray) -> np.ndarray:
    """(node,) how much speaks against each of the standardised rows (node, time) being exogenous."""
    alone = _entropy(*_moments(rows))
    residual = _residual_entropies(rows)
    # ratios[i, j] > 0 speaks for i -> j: the residual of j on i, and i, take less entropy.
    ratios = alone[None, :] + residual - alone[:, None] - residual.T
    return np.asarray((np.minimum(ratios, 0) ** 2).sum(axis=1))


def _residual_entropies(rows: np.ndarray) -> np.ndarray:
    """Entropy of the standardised residual of row i on row j at [i, j]; 0 on the diagonal."""
    nodes, frames = rows.shape
    slopes = np.clip(rows @ rows.T / frames, -1, 1)
    spread = np.sqrt(np.maximum(1 - slopes**2, np.finfo(float).eps))
    moments = np.zeros((2, nodes, nodes))
    step = max(BLOCK_VALUES // nodes, 1)
    for start in range(0, frames, step):
        block = rows[:, start : start + step]
        share = block.shape[1] / frames
        for j in range(nodes):
            residual = (block - slopes[:, j, None] * block[j]) / spread[:, j, None]
            moments[:, :, j] += share * np.stack(_moments(residual))
    entropies = _entropy(moments[0], moments[1])
    np.fill_diagonal(entropies, 0)
    return entropies


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over time of log cosh u and of u exp(-u²/2), for rows (node, time)."""
    size = np.abs(rows)
    # log cosh u = |u| + log(1 + exp(-2|u|)) - log 2 does not overflow.
    log_cosh = size.mean(axis=1) + np.log(1 + np.exp(-2 * size)).mean(axis=1) - math.log(2)
    return log_cosh, np.einsum("nt,nt->n", rows, np.exp(-0.5 * rows * rows)) / rows.shape[1]


def _entropy(log_cosh: np.ndarray, gauss: np.ndarray) -> np.ndarray:
    """Approximate entropy of standardised variables from their two moments."""
    gaussian = (1 + math.log(2 * math.pi)) / 2
    return gaussian - LOG_COSH_WEIGHT * (log_cosh - GAUSSIAN_LOG_COSH) ** 2 - GAUSS_WEIGHT * gauss**2


def weights(series: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Weights (node, node) [source, target] of a recording (time, node) under a causal order.

    Each node is regressed on all nodes before it. The adaptive lasso (weights of the least-squares
    fit, penalty by BIC) picks its causes on standardised series; least squares on those alone gives
    the weights, in the units of the series (Shimizu et al. 2011, section 3.4). It needs more frames
    than nodes.
    """
    standard = _standardised(series.T).T
    found = np.zeros((series.shape[1], series.shape[1]))
    for place in range(1, len(order)):
        target, before = order[place], order[:place]
        causes = before[_adaptive_lasso(standard[:, before], standard[:, target])]
        centred = series[:, causes] - series[:, causes].mean(axis=0)
        found[causes, target] = np.linalg.lstsq(centred, series[:, target] - series[:, target].mean(), rcond=None)[0]
    return found


def _adaptive_lasso(inputs: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Which columns of the standardised inputs (time, column) the adaptive lasso keeps."""
    from sklearn.linear_model import LassoLarsIC

    full = np.linalg.lstsq(inputs, output, rcond=None)[0]
    with warnings.catch_warnings():
        # The path may stop early on nearly dependent columns; the best model so far is what is wanted.
        warnings.simplefilter("ignore")
        lasso = LassoLarsIC(criterion="bic").fit(inputs * np.abs(full), output)
    return np.asarray(np.abs(lasso.coef_ * full) > 0)
