"""NOTEARS: a linear acyclic graph by continuous optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import centre, need_frames, standardise, without_diagonal

MAX_PENALTY = 1e16
PROGRESS = 0.25
"""The penalty grows tenfold until the acyclicity measure falls to this share of its last value."""


def acyclicity(weights: np.ndarray) -> tuple[float, np.ndarray]:
    """How cyclic a weighted graph is, trace((I + W * W / d)^d) - d, and the gradient; 0 on acyclic graphs."""
    nodes = len(weights)
    power = np.linalg.matrix_power(np.eye(nodes) + weights**2 / nodes, nodes - 1)
    value = float(np.trace(power) + np.sum(power.T * weights**2) / nodes - nodes)
    return value, 2 * power.T * weights


def fit_acyclic(covariance: np.ndarray, sparsity: float, tolerance: float, rounds: int = 100) -> np.ndarray:
    """Weights (source, target) that minimise squared error + sparsity * sum|W| over acyclic graphs.

    Augmented Lagrangian; W is split into two non-negative parts, so that the L1 term is smooth and
    L-BFGS-B applies.

    Parameters
    ----------
    covariance
        (node, node) covariance of the series.
    sparsity
        Weight of the L1 term.
    tolerance
        `acyclicity` at which to stop.
    rounds
        Updates of the multiplier at most.
    """
    from scipy.optimize import minimize

    nodes = len(covariance)
    bounds = [(0.0, 0.0 if row == column else None) for _ in "+-" for row in range(nodes) for column in range(nodes)]
    parts, penalty, multiplier, cyclic = np.zeros(2 * nodes**2), 1.0, 0.0, np.inf

    def weights_of(parts: np.ndarray) -> np.ndarray:
        positive, negative = parts.reshape(2, nodes, nodes)
        difference: np.ndarray = positive - negative
        return difference

    def lagrangian(parts: np.ndarray) -> tuple[float, np.ndarray]:
        weights = weights_of(parts)
        left = np.eye(nodes) - weights
        spread = covariance @ left
        value, slope = acyclicity(weights)
        loss = 0.5 * np.sum(left * spread) + multiplier * value + 0.5 * penalty * value**2
        gradient = (multiplier + penalty * value) * slope - spread
        return float(loss + sparsity * parts.sum()), np.concatenate([gradient, -gradient], axis=None) + sparsity

    for _ in range(rounds):
        while True:
            found = minimize(lagrangian, parts, method="L-BFGS-B", jac=True, bounds=bounds).x
            now = acyclicity(weights_of(found))[0]
            if now <= PROGRESS * cyclic or penalty >= MAX_PENALTY:
                break
            penalty *= 10
        parts, cyclic = found, now
        multiplier += penalty * cyclic
        if cyclic <= tolerance or penalty >= MAX_PENALTY:
            break
    return weights_of(parts)


@dataclass
class Notears(GraphBaseline):
    """Linear NOTEARS; the score is the absolute weight.

    Attributes
    ----------
    sparsity
        Weight of the L1 term.
    tolerance
        Acyclicity at which the optimisation stops.
    standardised
        z-score the series; False keeps their relative variances (all are divided by one number, for which ``sparsity``
        means the same).
    """

    sparsity: float = 0.1
    tolerance: float = 1e-8
    standardised: bool = True

    card: ClassVar[Card] = Card(
        title="NOTEARS",
        summary="Sparse linear acyclic graph by least squares under a smooth acyclicity constraint. The score is the "
        "absolute weight.",
        paper="Zheng et al. 2018, NeurIPS (arXiv:1803.01422); polynomial constraint: Yu et al. 2019, ICML",
        notes="Own implementation: augmented Lagrangian, L1, L-BFGS-B. Nothing is thresholded. Series are z-scored, "
        "because least squares takes an order of variances for an order of causes; of two nodes alone the direction is "
        "then not identified and both weights vanish. Preset 'raw' keeps relative variances. The optimum is "
        "local: nodes are put in an order of their own values first, so that the file's order cannot matter. z-scored: "
        "invariant to a node's scale. Assumes an acyclic graph and exchangeable rows.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"z-scored": {}, "raw": {"standardised": False}}

    def __post_init__(self) -> None:
        if self.sparsity < 0 or self.tolerance <= 0:
            raise BadOption(
                f"sparsity={self.sparsity} or tolerance={self.tolerance} is out of range",
                "sparsity is 0 or more, tolerance above 0",
            )

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""
        need_frames(series, 3, "a covariance", "join recordings, or leave this one out")
        ready = standardise(series) if self.standardised else centre(series)
        order = np.lexsort(ready[::-1])
        ready = np.ascontiguousarray(ready[:, order])
        covariance = ready.T @ ready / len(ready)
        # Thousands of products of small matrices: several threads would only wait for each other.
        with threadpool_limits(1, user_api="blas"):
            weights = fit_acyclic(covariance / np.mean(np.diag(covariance)), self.sparsity, self.tolerance)
        scores = np.zeros_like(weights)
        scores[np.ix_(order, order)] = np.abs(weights)
        return Graph(without_diagonal(scores))
