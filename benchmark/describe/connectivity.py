"""Family ``fc``: mean connectivity within and between networks."""

from __future__ import annotations

import numpy as np

from ..fc import fisher_z
from .networks import Networks
from .scan import Frame, ScanData
from .words import Aspect


def names(networks: Networks) -> list[str]:
    """Names of the measures."""
    return networks.pair_names


def aspects(networks: Networks) -> list[Aspect]:
    """How the measures are told: the highest and the lowest pairs."""
    return [Aspect("connectivity", tuple(range(len(networks.pair_names))), tuple(networks.pair_names), "extremes")]


def measure(scan: ScanData, frame: Frame) -> np.ndarray:
    """Mean Fisher z (pairs,) of the Pearson r between the ROIs of two networks.

    Within a network, over the upper triangle (a network of one ROI has none). ROIs without signal do not
    count; a pair without any edge is NaN.
    """
    networks = frame.networks
    z = fisher_z(scan.correlation)
    np.fill_diagonal(z, 0)
    member = networks.member * scan.alive[:, None]
    size = member.sum(axis=0)
    edges = np.outer(size, size) - np.diag(size)
    with np.errstate(invalid="ignore"):
        means = (member.T @ z @ member) / np.where(edges > 0, edges, np.nan)
    out: np.ndarray = means[networks.pairs].astype(np.float64)
    return out
