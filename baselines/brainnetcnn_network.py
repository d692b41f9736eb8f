"""The network of BrainNetCNN, without ever forming an (ROI, ROI) feature map.

An edge-to-edge layer adds a term of the row and a term of the column, so a feature map is
``LeakyReLU(row[i] + column[j])``: two strips of R numbers a channel. The next layer needs sums of
that over i or j with learned weights. With one strip sorted, the pairs on the negative side of the
LeakyReLU are a prefix, and prefix sums of the weights give the layer exactly, at a cost that grows
with R instead of R * R.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.33
DROPOUT = 0.5
CHUNK = 2


def pair_sum(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """``out[b, i, o] = sum over c, j of weight[c, j, o] * LeakyReLU(left[b, c, i] + right[b, c, j])``.

    Parameters
    ----------
    left, right
        (batch, channels, ROI).
    weight
        (channels, ROI, out).

    Worked through a few samples at a time, which keeps the tables in the processor's cache.
    """
    parts = zip(torch.split(left, CHUNK), torch.split(right, CHUNK), strict=True)
    return torch.cat([_pair_sum(a, b, weight) for a, b in parts])


def _pair_sum(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    batch, channels, rois = left.shape
    out = weight.shape[2]
    ordered, order = right.contiguous().sort(dim=-1)
    # How many of the sorted values leave left[i] + value at or below zero.
    negative = torch.searchsorted(ordered.detach(), -left.detach().contiguous(), right=True)
    channel = torch.arange(channels, device=left.device)[:, None]
    sorted_weight = F.embedding(order + channel * weight.shape[1], weight.reshape(-1, out))
    prefix = torch.stack([sorted_weight, sorted_weight * ordered[..., None]]).cumsum(dim=3)
    table = F.pad(prefix, (0, 0, 1, 0)).reshape(-1, out)
    strip = torch.arange(batch * channels, device=left.device).reshape(batch, channels, 1)
    first = strip * (weight.shape[1] + 1) + negative
    rows = torch.cat([first, first + len(table) // 2], dim=1).transpose(1, 2).reshape(-1, 2 * channels)
    factor = torch.cat([left, torch.ones_like(left)], dim=1).transpose(1, 2).reshape(-1, 2 * channels)
    below = F.embedding_bag(rows, table, mode="sum", per_sample_weights=factor).reshape(batch, rois, out)
    linear = torch.einsum("bci,co->bio", left, weight.sum(dim=1)) + torch.einsum("bcj,cjo->bo", right, weight)[:, None]
    return linear - (1 - SLOPE) * below


class Strips(nn.Module):
    """Weights of one convolution over a whole row or column: (in, ROI, out), and a bias."""

    def __init__(self, channels: int, rois: int, out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(channels * rois)
        self.weight = nn.Parameter(torch.empty(channels, rois, out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out).uniform_(-bound, bound))

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """(batch, out, ROI) from one-channel matrices (batch, ROI, ROI), summed over the last axis."""
        return (matrix @ self.weight[0] + self.bias).transpose(1, 2)

    def of_pair(self, left: Tensor, right: Tensor) -> Tensor:
        """(batch, out, ROI) from the map LeakyReLU(left + right), summed over the right strip's ROIs."""
        return (pair_sum(left, right, self.weight) + self.bias).transpose(1, 2)


class BrainNetwork(nn.Module):
    """E2E, E2E, E2N, N2G and three dense layers; LeakyReLU 0.33 after each, the last included.

    Parameters
    ----------
    rois, classes
        Size of the input matrix and of the output.
    edge_channels, graph_channels
        Channels of the first E2E layer (the second has twice as many) and of N2G: 32 and 256 in the
        reference.
    always_on_dropout
        Keep dropout active at test time, as the reference code does.
    """

    def __init__(
        self, rois: int, classes: int, edge_channels: int, graph_channels: int, always_on_dropout: bool
    ) -> None:
        super().__init__()
        first, second = edge_channels, 2 * edge_channels
        self.rows1, self.columns1 = Strips(1, rois, first), Strips(1, rois, first)
        self.rows2, self.columns2 = Strips(first, rois, second), Strips(first, rois, second)
        self.nodes = Strips(second, rois, 1)
        self.dense = nn.ModuleList(
            nn.Linear(a, b) for a, b in [(rois, graph_channels), (graph_channels, 128), (128, 30), (30, classes)]
        )
        self.always_on_dropout = always_on_dropout

    def forward(self, matrix: Tensor) -> Tensor:
        """Logits (batch, classes) of connectivity matrices (batch, ROI, ROI)."""
        rows, columns = self.rows1.of_matrix(matrix), self.columns1.of_matrix(matrix.transpose(1, 2))
        rows, columns = self.rows2.of_pair(rows, columns), self.columns2.of_pair(columns, rows)
        x = F.leaky_relu(self.nodes.of_pair(rows, columns)[:, 0], SLOPE)
        for layer in self.dense[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            x = F.dropout(x, DROPOUT, self.training or self.always_on_dropout)
        return F.leaky_relu(self.dense[-1](x), SLOPE)
