"""The multi-scale encoder: tokens of ROIs, of sub-networks, and one of the whole brain.

Published: the three scales and their order, ROI vectors as rows of the network, sub-network vectors as
their means, a two-layer graph convolution over the thresholded absolute network. Ours: weighted edges
|r| where they pass the threshold, self-loops, symmetric normalisation, ReLU between the layers, dropout
0.1, and the graph convolution for the whole-brain token alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALES = ("roi", "subnetwork", "brain")


def adjacency(networks: Tensor, threshold: float, density: float) -> Tensor:
    """Normalised adjacency (batch, roi, roi) of correlation networks.

    Parameters
    ----------
    networks
        (batch, roi, roi) correlations.
    threshold
        Smallest |r| of an edge.
    density
        Above 0: keep this share of the strongest edges of each network instead [ours]; a fixed threshold
        depends on the length of a scan.
    """
    strength = networks.abs() * (1 - torch.eye(networks.shape[-1], device=networks.device))
    edges = strength * (strength >= _least(strength, threshold, density))
    looped = edges + torch.eye(edges.shape[-1], device=edges.device)
    scale = looped.sum(-1).rsqrt()
    return looped * scale.unsqueeze(-1) * scale.unsqueeze(-2)


def _least(strength: Tensor, threshold: float, density: float) -> float | Tensor:
    """The weakest edge that is kept, of each network where it is a share of them."""
    if density <= 0:
        return threshold
    rois = strength.shape[-1]
    rows, columns = torch.triu_indices(rois, rois, 1, device=strength.device)
    upper = strength[:, rows, columns]
    kept = min(max(round(density * upper.shape[1]), 1), upper.shape[1])
    return upper.topk(kept, dim=1).values[:, -1].clamp_min(1e-12).view(-1, 1, 1)


class WholeBrain(nn.Module):
    """Two graph convolutions and the mean over ROIs: (batch, roi, roi) -> (batch, roi).

    The mean is taken before the second weight, which gives the same number with less work.
    """

    def __init__(self, rois: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(rois, hidden)
        self.second = nn.Linear(hidden, rois)
        self.dropout = dropout

    def forward(self, features: Tensor, edges: Tensor) -> Tensor:
        """The whole-brain vector of ROI features (batch, roi, roi) under a normalised adjacency."""
        hidden = F.relu(self.first(edges @ features))
        hidden = F.dropout(hidden, self.dropout, self.training)
        pooled = edges.mean(1, keepdim=True) @ hidden
        out: Tensor = self.second(pooled.squeeze(1))
        return out


class Encoder(nn.Module):
    """Correlation networks (batch, roi, roi) -> tokens (batch, token, roi), scale by scale.

    Parameters
    ----------
    parcels, groups
        (parcel, roi) and (sub-network, roi) matrices that average ROI vectors. Parcels are the ROIs
        themselves as published.
    scales
        Those in use, of `SCALES`.
    """

    parcels: Tensor
    groups: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(
        self, parcels: Tensor, groups: Tensor, scales: tuple[str, ...], hidden: int, dropout: float,
        threshold: float, density: float,
    ) -> None:  # fmt: skip
        super().__init__()
        rois = groups.shape[1]
        self.scales = scales
        self.threshold, self.density = threshold, density
        self.register_buffer("parcels", parcels)
        self.register_buffer("groups", groups)
        self.register_buffer("mean", torch.zeros(rois, rois))
        self.register_buffer("spread", torch.ones(rois, rois))
        self.brain = WholeBrain(rois, hidden, dropout) if "brain" in scales else None

    def standardise(self, mean: Tensor, spread: Tensor) -> None:
        """Read deviations from the training scans' mean network in units of their spread [ours]."""
        self.mean.copy_(mean)
        self.spread.copy_(spread)

    @property
    def scale_of_token(self) -> Tensor:
        """(token,) index in `SCALES` of each token's scale."""
        counts = {"roi": len(self.parcels), "subnetwork": len(self.groups), "brain": 1}
        return torch.cat([torch.full((counts[name],), SCALES.index(name)) for name in self.scales])

    def forward(self, networks: Tensor) -> Tensor:
        """Tokens; the diagonal of a network counts as 0."""
        off = 1 - torch.eye(networks.shape[-1], device=networks.device)
        features = (networks * off - self.mean) / self.spread
        parts: list[Tensor] = []
        if "roi" in self.scales:
            parts.append(features if len(self.parcels) == features.shape[1] else self.parcels @ features)
        if "subnetwork" in self.scales:
            parts.append(self.groups @ features)
        if self.brain is not None:
            edges = adjacency(networks, self.threshold, self.density)
            parts.append(self.brain(features, edges).unsqueeze(1))
        return torch.cat(parts, dim=1)
