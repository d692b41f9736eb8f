"""The layers and losses of BrainGNN, as dense matrices over a batch of graphs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-10


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network.

    Attributes
    ----------
    rois, outputs
        Of the data.
    communities, channels, hidden
        Width between a ROI and its convolution weights, channels of both convolutions, width of the
        last dense layer.
    ratio
        Share of nodes that a pooling layer keeps.
    reference_scores
        Hand kept nodes' scores, squashed twice, to the losses, as the reference code does.
    """

    rois: int
    outputs: int
    communities: int = 8
    channels: int = 32
    hidden: int = 512
    ratio: float = 0.5
    reference_scores: bool = False


class RoiConv(nn.Module):
    """Ra-GConv: every ROI has weights of its own, made from its identity (Li et al. 2021, section 3.3)."""

    def __init__(self, rois: int, communities: int, inward: int, outward: int) -> None:
        super().__init__()
        self.shape = (inward, outward)
        self.membership = nn.Linear(rois, communities, bias=False)
        self.basis = nn.Linear(communities, inward * outward)
        bound = 1 / math.sqrt(inward)
        self.bias = nn.Parameter(torch.empty(outward).uniform_(-bound, bound))

    def forward(self, nodes: Tensor, edges: Tensor, kept: Tensor | None = None) -> Tensor:
        """New nodes (batch, node, outward): own weights, then a weighted mean over neighbours.

        Parameters
        ----------
        nodes
            (batch, node, inward).
        edges
            (batch, node, node) weights of 0 and above with an empty diagonal; 0 is no edge.
        kept
            (batch, node) ROI of each node; None where all ROIs stand in their order.
        """
        # A one-hot identity picks a column of the membership weights.
        weights = self.basis(torch.relu(self.membership.weight.T)).reshape(-1, *self.shape)
        if kept is None:
            own = torch.einsum("bni,nio->bno", nodes, weights)
        else:
            own = torch.einsum("bni,bnio->bno", nodes, weights[kept])
        looped = edges + torch.eye(edges.shape[1], dtype=edges.dtype, device=edges.device)
        share = torch.softmax(looped.masked_fill(looped == 0, -torch.inf), dim=-1)
        return share @ own + self.bias


class TopPool(nn.Module):
    """R-pool: keeps the nodes that score highest along a learned direction, scaled by their scores."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        bound = 1 / math.sqrt(channels)
        self.weight = nn.Parameter(torch.empty(1, channels).uniform_(-bound, bound))
        self.ratio = ratio

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Kept nodes (batch, kept, channel), their positions (batch, kept), scores of all nodes (batch, node)."""
        direction = self.weight[0] / self.weight.norm()
        scores = torch.sigmoid(nodes @ direction)
        best, where = scores.topk(math.ceil(self.ratio * nodes.shape[1]), dim=1)
        kept = nodes.gather(1, where[..., None].expand(-1, -1, nodes.shape[2])) * best[..., None]
        return kept, where, scores

    def unit_loss(self) -> Tensor:
        """Squared distance of the direction's length from 1."""
        distance: Tensor = (self.weight.norm() - 1) ** 2
        return distance


def among(edges: Tensor, where: Tensor) -> Tensor:
    """Edges (batch, kept, kept) among the nodes at positions (batch, kept)."""
    rows = edges.gather(1, where[..., None].expand(-1, -1, edges.shape[2]))
    return rows.gather(2, where[:, None].expand(-1, where.shape[1], -1))


def two_steps(edges: Tensor) -> Tensor:
    """Edges over paths of up to two steps: the square with self-loops, without its diagonal."""
    loop = torch.eye(edges.shape[1], dtype=edges.dtype, device=edges.device)
    looped = edges + loop
    return (looped @ looped) * (1 - loop)


class BrainGraphNetwork(nn.Module):
    """Two rounds of Ra-GConv and R-pool with read-outs, then dense layers."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.channels
        self.conv1 = RoiConv(sizes.rois, sizes.communities, sizes.rois, width)
        self.pool1 = TopPool(width, sizes.ratio)
        self.conv2 = RoiConv(sizes.rois, sizes.communities, width, width)
        self.pool2 = TopPool(width, sizes.ratio)
        self.dense1, self.norm1 = nn.Linear(4 * width, width), nn.BatchNorm1d(width)
        self.dense2, self.norm2 = nn.Linear(width, sizes.hidden), nn.BatchNorm1d(sizes.hidden)
        self.out = nn.Linear(sizes.hidden, sizes.outputs)
        self.reference_scores = sizes.reference_scores

    def forward(self, matrix: Tensor, edges: Tensor) -> Tensor:
        """Outputs (batch, outputs) of connectivity rows (batch, ROI, ROI) and edges (batch, ROI, ROI)."""
        return self.scored(matrix, edges)[0]

    def scored(self, matrix: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs, and the scores (batch, node) of both pooling layers as the losses take them."""
        nodes, kept, scores1 = self.pool1(self.conv1(matrix, edges))
        first = _readout(nodes)
        last, where, scores2 = self.pool2(self.conv2(nodes, two_steps(among(edges, kept)), kept))
        if self.reference_scores:
            scores1, scores2 = (torch.sigmoid(s.gather(1, w)) for s, w in ((scores1, kept), (scores2, where)))
        x = torch.cat([first, _readout(last)], dim=1)
        x = F.dropout(self.norm1(torch.relu(self.dense1(x))), 0.5, self.training)
        x = F.dropout(self.norm2(torch.relu(self.dense2(x))), 0.5, self.training)
        return self.out(x), scores1, scores2


def _readout(nodes: Tensor) -> Tensor:
    """(batch, 2 channels): largest and mean value over nodes."""
    return torch.cat([nodes.amax(dim=1), nodes.mean(dim=1)], dim=1)


def top_loss(scores: Tensor, ratio: float) -> Tensor:
    """TPK: scores (batch, node) of the top share near 1, of the bottom share near 0."""
    count = max(int(scores.shape[1] * min(ratio, 1 - ratio)), 1)
    ordered = scores.sort(dim=1).values
    high, low = ordered[:, -count:], ordered[:, :count]
    return -torch.log(high + EPSILON).mean() - torch.log(1 - low + EPSILON).mean()


def consistency_loss(scores: Tensor, labels: Tensor, classes: int) -> Tensor:
    """GLC: scores (batch, node) of scans of one class alike.

    ``trace(S^T L S) / n^2`` with the Laplacian L of the complete graph of a class's n scans is the
    variance over these scans, summed over nodes.
    """
    members = [scores[labels == label] for label in range(classes)]
    parts = [one.var(dim=0, unbiased=False).sum() for one in members if len(one)]
    return torch.stack(parts).sum()
