"""The network of BrainNetCNN, without ever forming an (ROI, ROI) feature map.

An edge-to-edge layer adds a term of the row and a term of the column, so a feature map is
``LeakyReLU(row[i] + column[j])``: two strips of R numbers a channel. The next layer needs sums of
that over i or j with learned weights. With one strip sorted, the pairs on the negative side of the
LeakyReLU are a prefix, and prefix sums of the weights give the layer exactly, at a cost that grows
with R instead of R * R.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SLOPE = 0.33
DROPOUT = 0.5


def pair_sum(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """``out[b, i, o] = sum over c, j of weight[c, j, o] * LeakyReLU(left[b, c, i] + right[b, c, j])``.

    Parameters
    ----------
    left, right
        (batch, channels, ROI).
    weight
        (channels, ROI, out).
    """
    with torch.autocast(left.device.type, enabled=False):
        out: Tensor = PairSum.apply(left.to(weight.dtype), right.to(weight.dtype), weight)  # type: ignore
        return out


class PairSum(torch.autograd.Function):
    """`pair_sum` and its gradients, one sample at a time, which keeps the tables in the processor's cache.

    The gradient by the weights is a sum over pairs as well, with the strips in each other's place, so both
    directions gather rows of prefix sums: nothing is scattered, and no table is kept for the way back.
    """

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
        """See `pair_sum`."""
        left, right = left.contiguous(), right.contiguous()
        ctx.save_for_backward(left, right, weight)
        negative = torch.stack([_negative(a, b, weight) for a, b in zip(left, right, strict=True)])
        by_left = torch.einsum("bci,co->bio", left, weight.sum(dim=1))
        by_right = torch.einsum("bcj,cjo->bo", right, weight)
        return by_left + by_right[:, None] - (1 - SLOPE) * negative

    @staticmethod
    @once_differentiable  # type: ignore
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients by both strips and the weights, from the one by the output (batch, ROI, out)."""
        left, right, weight = ctx.saved_tensors
        total = grad.sum(dim=1)
        by_left = torch.einsum("bio,co->bci", grad, weight.sum(dim=1))
        by_right = torch.einsum("bo,cjo->bcj", total, weight)
        by_weight = torch.einsum("bci,bio->co", left, grad)[:, None] + torch.einsum("bcj,bo->cjo", right, total)
        negative = torch.zeros_like(by_weight)
        for b, (one, other, slope) in enumerate(zip(left, right, grad, strict=True)):
            by_left[b] -= (1 - SLOPE) * _gradient_by_left(one, other, weight, slope)
            by_right[b] -= (1 - SLOPE) * _gradient_by_right(one, other, weight, slope, negative)
        return by_left, by_right, by_weight - (1 - SLOPE) * negative


def _negative(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """(ROI, out): the part of one sample's sum where ``left + right`` is at or below zero."""
    ordered, order, count = _ranks(left, right)
    chosen = _rows(weight, order)
    table = _prefix(torch.stack([chosen, chosen * ordered[..., None]]))
    strips, size, out = 2 * table.shape[1], table.shape[2], table.shape[3]
    start = torch.arange(strips, device=left.device)[:, None] * size
    rows = (torch.cat([count, count]) + start).T.contiguous()
    factor = torch.cat([left, torch.ones_like(left)]).T.contiguous()
    return F.embedding_bag(rows, table.reshape(-1, out), mode="sum", per_sample_weights=factor)


def _gradient_by_left(left: Tensor, right: Tensor, weight: Tensor, grad: Tensor) -> Tensor:
    """(channels, ROI): gradient of `_negative` by the left strip."""
    _, order, count = _ranks(left, right)
    return _rows(_prefix(_rows(weight, order)), count).mul_(grad).sum(dim=-1)


def _gradient_by_right(left: Tensor, right: Tensor, weight: Tensor, grad: Tensor, by_weight: Tensor) -> Tensor:
    """(channels, ROI): gradient of `_negative` by the right strip; that by the weights is added to ``by_weight``."""
    ordered, order, count = _ranks(right, left)
    chosen = grad.index_select(0, order.flatten()).view(*order.shape, -1)
    slopes = _rows(_prefix(chosen), count)
    by_weight.addcmul_(slopes, right[..., None]).add_(_rows(_prefix(chosen.mul_(ordered[..., None])), count))
    return slopes.mul_(weight).sum(dim=-1)


def _ranks(values: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The other strip sorted, its order, and how many of it leave each value's sum at or below zero."""
    ordered, order = others.sort(dim=-1)
    return ordered, order, torch.searchsorted(ordered, -values, right=True)


def _prefix(rows: Tensor) -> Tensor:
    """(..., n + 1, out): sums of the first 0, 1 ... n of the rows (..., n, out)."""
    return F.pad(rows.cumsum(dim=-2), (0, 0, 1, 0))


def _rows(table: Tensor, which: Tensor) -> Tensor:
    """(channels, n, out): rows ``which`` (channels, n) of each channel's table (channels, rows, out)."""
    start = torch.arange(len(table), device=table.device)[:, None] * table.shape[1]
    return table.reshape(-1, table.shape[2]).index_select(0, (which + start).flatten()).view(*which.shape, -1)


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
