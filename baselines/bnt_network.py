"""The layers of the Brain Network Transformer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BOTTLENECK = 32
REDUCED = 8


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network.

    Attributes
    ----------
    rois, outputs
        Of the data.
    project
        Width that connectivity rows are projected to; 0 keeps them as they are.
    identity
        Width of the learned vector appended to each ROI's row; 0 for none.
    layers, heads, feedforward, dropout
        Of the transformer.
    clusters
        Nodes after the read-out.
    student
        Student-t assignment instead of the projection.
    """

    rois: int
    outputs: int
    project: int
    identity: int
    layers: int
    heads: int
    feedforward: int
    dropout: float
    clusters: int
    student: bool

    @property
    def width(self) -> int:
        """Width of a node."""
        return (self.project or self.rois) + self.identity


def orthonormal(clusters: int, width: int) -> Tensor:
    """Xavier vectors (clusters, width) made orthonormal in their order, as Gram-Schmidt does."""
    start = nn.init.xavier_uniform_(torch.empty(clusters, width))
    basis, upper = torch.linalg.qr(start.T)
    found: Tensor = (basis * upper.diagonal().sign()).T.contiguous()
    return found


class ClusterReadout(nn.Module):
    """Nodes (batch, ROI, width) -> soft clusters (Kan et al. 2022, section 3.2); the centres are frozen."""

    centres: Tensor

    def __init__(self, rois: int, width: int, clusters: int, student: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(rois * width, BOTTLENECK), nn.LeakyReLU(),
            nn.Linear(BOTTLENECK, BOTTLENECK), nn.LeakyReLU(),
            nn.Linear(BOTTLENECK, rois * width),
        )  # fmt: skip
        self.register_buffer("centres", orthonormal(clusters, width))
        self.student = student

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded nodes (batch, ROI, width) and their assignment (batch, ROI, clusters)."""
        encoded = self.encoder(nodes.flatten(1)).view_as(nodes)
        return encoded, self.assign(encoded)

    def assign(self, encoded: Tensor) -> Tensor:
        """Shares of the clusters in each node: they add up to 1."""
        along = encoded @ self.centres.T
        if not self.student:
            return torch.softmax(along**2 / self.centres.norm(dim=1), dim=-1)
        squares = (encoded**2).sum(-1, keepdim=True) - 2 * along + (self.centres**2).sum(-1)
        closeness = 1 / (1 + squares)
        return closeness / closeness.sum(-1, keepdim=True)


def clustering_divergence(assignment: Tensor) -> Tensor:
    """Divergence of assignments (batch, ROI, clusters) from their sharpened selves (Xie et al. 2016, equation 3)."""
    share = assignment.flatten(0, 1)
    sharp = share**2 / share.sum(0)
    target = (sharp / sharp.sum(1, keepdim=True)).detach()
    return F.kl_div(share.log(), target, reduction="batchmean")


class BrainNetworkTransformer(nn.Module):
    """Post-norm transformer layers over ROIs, cluster read-out, dense layers."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.entry = nn.Linear(sizes.rois, sizes.project) if sizes.project else nn.Identity()
        vectors = torch.empty(sizes.rois, sizes.identity)
        self.identity = nn.Parameter(nn.init.kaiming_normal_(vectors)) if sizes.identity else None
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(sizes.width, sizes.heads, sizes.feedforward, sizes.dropout, batch_first=True)
            for _ in range(sizes.layers)
        )
        self.readout = ClusterReadout(sizes.rois, sizes.width, sizes.clusters, sizes.student)
        self.reduce = nn.Linear(sizes.width, REDUCED)
        self.dense = nn.Sequential(
            nn.Linear(REDUCED * sizes.clusters, 256), nn.LeakyReLU(),
            nn.Linear(256, 32), nn.LeakyReLU(),
            nn.Linear(32, sizes.outputs),
        )  # fmt: skip

    def forward(self, matrix: Tensor) -> Tensor:
        """Outputs (batch, outputs) of connectivity matrices (batch, ROI, ROI)."""
        return self.assigned(matrix)[0]

    def assigned(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, and the assignment of ROIs to clusters (batch, ROI, clusters)."""
        nodes = self.entry(matrix)
        if self.identity is not None:
            nodes = torch.cat([nodes, self.identity.expand(len(nodes), -1, -1)], dim=-1)
        for layer in self.layers:
            nodes = layer(nodes)
        encoded, assignment = self.readout(nodes)
        # A cluster is a sum of nodes, so nodes are reduced before they are added up: the same, at 8 numbers a node.
        summed = assignment.transpose(1, 2) @ F.linear(encoded, self.reduce.weight) + self.reduce.bias
        return self.dense(F.leaky_relu(summed).flatten(1)), assignment
