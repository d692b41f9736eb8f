"""Regression DCM at rest: effective connectivity as Bayesian regression in the frequency domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import need_frames, standardise, without_diagonal

TOLERANCE = 1e-8
"""The noise precision has settled when it changes by less than this share."""
ROUNDS = 500


def derivative(series: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of a recording (time, node) and of its difference quotient, real and imaginary parts stacked.

    Of the orthonormal Fourier transform all frequencies are kept, so that sums over rows equal sums
    over time.

    Returns
    -------
    spectrum, rate
        (2 * time, node) each; rate is (exp(i w step) - 1) / step times the spectrum.
    """
    frames = len(series)
    spectrum = np.fft.fft(series, axis=0, norm="ortho")
    shift = np.exp(2j * np.pi * np.arange(frames) / frames) - 1
    rate = spectrum * shift[:, None] / step
    return np.concatenate([spectrum.real, spectrum.imag]), np.concatenate([rate.real, rate.imag])


def variational_bayes(
    spectrum: np.ndarray, rate: np.ndarray, mean: np.ndarray, precision: np.ndarray, shape: float, scale: float
) -> np.ndarray:
    """Posterior means (target, source) of one Bayesian linear regression a target, with unknown noise.

    Parameters
    ----------
    spectrum, rate
        Regressors (row, source) and responses (row, target).
    mean, precision
        Gaussian prior of the weights, (target, source) each.
    shape, scale
        Gamma prior of the noise precision: shape / scale is its mean.
    """
    gram, cross = spectrum.T @ spectrum, (spectrum.T @ rate).T
    power = np.einsum("tj,tj->j", rate, rate)
    nodes = len(gram)
    prior = np.einsum("ji,ik->jik", precision, np.eye(nodes))
    # Half of the stacked rows are free: the spectrum of a real series is symmetric.
    posterior_shape = shape + len(rate) / 4
    noise = np.full(nodes, shape / scale)
    for _ in range(ROUNDS):
        covariance = np.linalg.inv(noise[:, None, None] * gram + prior)
        weights = np.einsum("jik,jk->ji", covariance, noise[:, None] * cross + precision * mean)
        squares = power - 2 * np.einsum("ji,ji->j", weights, cross) + np.einsum("ji,ik,jk->j", weights, gram, weights)
        spread = np.einsum("jik,ki->j", covariance, gram)
        updated = posterior_shape / (scale + (squares + spread) / 2)
        settled = np.max(np.abs(updated / noise - 1)) < TOLERANCE
        noise = updated
        if settled:
            break
    found: np.ndarray = weights
    return found


@dataclass
class RegressionDcm(GraphBaseline):
    """Linear DCM without inputs, solved by variational Bayes one region at a time.

    Attributes
    ----------
    decay
        Prior mean of the self-connections, per second.
    spread
        Prior variance of a connection is this, divided by the number of nodes.
    """

    decay: float = -0.5
    spread: float = 8.0

    card: ClassVar[Card] = Card(
        title="rDCM",
        summary="Regression dynamic causal model at rest: Bayesian linear regression, in the frequency domain, of a "
        "region's rate of change on all regions. The score is the absolute posterior mean of the coupling.",
        paper="Fraessle et al. 2017, NeuroImage 155:406; at rest: Fraessle et al. 2021, Hum. Brain Mapp. 42:2159",
        notes="Own implementation of the equations. No inputs, all connections present (no sparsity prior), z-scored "
        "series. Prior, our choice: self-connections -0.5 per second with variance 1 / (8 nodes), others 0 with "
        "variance 8 / nodes; noise precision Gamma(2, 1). Without inputs the hemodynamic response cancels, and the "
        "difference quotient makes the model a Bayesian autoregression of order one. Invariant to the scale and the "
        "sign of a node. Reads rows as a time series; where there is no TR, a row counts as a second.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def __post_init__(self) -> None:
        if self.spread <= 0:
            raise BadOption(f"spread={self.spread} is not a variance", "give a number above 0")

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""
        need_frames(series, 10, "a spectrum", "join recordings, or leave this one out")
        nodes = series.shape[1]
        spectrum, rate = derivative(standardise(series), tr if np.isfinite(tr) else 1.0)
        own = np.eye(nodes, dtype=bool)
        precision = np.where(own, 8.0 * nodes, nodes / self.spread)
        weights = variational_bayes(spectrum, rate, np.where(own, self.decay, 0.0), precision, 2.0, 1.0)
        return Graph(without_diagonal(np.abs(weights.T)))
