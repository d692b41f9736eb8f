"""Losses and layers that networks from voxels to image features share (MindEye and those after it)."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIX_CONCENTRATION = 0.15
MIXED_SHARE = 0.5


def unit(values: Tensor) -> Tensor:
    """Rows (batch, ...) flattened and scaled to length 1."""
    return F.normalize(values.flatten(1), dim=1)


def info_nce(predicted: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of finding each row's partner among the batch, in both directions.

    Cosine similarity; rows ``predicted`` (batch, dim) and ``wanted`` (batch, dim).
    """
    similarity = unit(predicted) @ unit(wanted).T / temperature
    return _both_ways(similarity, torch.eye(len(similarity), device=similarity.device, dtype=similarity.dtype))


def soft_clip(predicted: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """SoftCLIP (Scotti et al. 2023, eq. 3): partners are weighted by how alike the wanted features are.

    The weights are the softmax of the wanted features' cosine similarities at the same temperature, with
    which both directions are compared.
    """
    mine, theirs = unit(predicted), unit(wanted)
    weights = (theirs @ theirs.T / temperature).softmax(-1)
    similarity = mine @ theirs.T / temperature
    # The weights are not symmetric once normalised; the reference takes the rows for both directions.
    forward = -(similarity.log_softmax(-1) * weights).sum(-1).mean()
    backward = -(similarity.T.log_softmax(-1) * weights).sum(-1).mean()
    return (forward + backward) / 2


class Mixed(NamedTuple):
    """Voxels of a batch of one brain, mixed in pairs: ``share * row + (1 - share) * row[order]``."""

    voxels: Tensor
    order: Tensor
    share: Tensor


def mix(voxels: Tensor) -> Mixed:
    """MixCo: half of the rows (batch, voxels) are mixed with another, share from Beta(0.15, 0.15)."""
    count, device = len(voxels), voxels.device
    order = torch.randperm(count, device=device)
    beta = torch.distributions.Beta(MIX_CONCENTRATION, MIX_CONCENTRATION)
    share = torch.where(torch.rand(count) <= MIXED_SHARE, beta.sample((count,)), torch.ones(count)).to(device)
    return Mixed(share[:, None] * voxels + (1 - share[:, None]) * voxels[order], order, share)


def joined(parts: list[Mixed]) -> Mixed:
    """Mixed batches of several brains, with other numbers of voxels, as orders and shares of one batch.

    The voxels cannot be joined: those of the first part stand for them.
    """
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part.share))
    orders = [part.order + start for part, start in zip(parts, starts, strict=False)]
    return Mixed(parts[0].voxels, torch.cat(orders), torch.cat([part.share for part in parts]))


def bi_mix_co(predicted: Tensor, wanted: Tensor, mixed: Mixed, temperature: float) -> Tensor:
    """BiMixCo (Scotti et al. 2023, eq. 2): a mixed row has two partners, by their shares, in both directions.

    A row that is mixed with itself keeps its whole weight; the reference gives it ``1 - share``.
    """
    count = len(predicted)
    weights = torch.diag(mixed.share)
    rows = torch.arange(count, device=weights.device)
    weights[rows, mixed.order] += 1 - mixed.share
    similarity = unit(predicted) @ unit(wanted).T / temperature
    return _both_ways(similarity, weights)


def _both_ways(similarity: Tensor, weights: Tensor) -> Tensor:
    forward = -(similarity.log_softmax(-1) * weights).sum(-1).mean()
    backward = -(similarity.T.log_softmax(-1) * weights.T).sum(-1).mean()
    return (forward + backward) / 2


def between(first: float, last: float, done: float) -> float:
    """A value on the way from ``first`` to ``last`` along half a cosine, ``done`` in 0..1."""
    return last + (first - last) * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2


class Residual(nn.Module):
    """``x + f(x)``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        """The same shape as ``values``."""
        out: Tensor = values + self.inner(values)
        return out


def reader(voxels: int, width: int, dropout: float = 0.5) -> nn.Sequential:
    """Linear, layer norm, GELU, dropout: (batch, voxels) -> (batch, width)."""
    return nn.Sequential(nn.Linear(voxels, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout))


def residual_mlp(width: int, blocks: int, dropout: float = 0.15) -> nn.Sequential:
    """Residual blocks of linear, layer norm, GELU, dropout."""
    return nn.Sequential(*(Residual(*reader(width, width, dropout)) for _ in range(blocks)))


def projector(width: int, hidden: int) -> nn.Sequential:
    """Three linear layers (width -> hidden -> hidden -> width), each after a layer norm and GELU."""
    sizes = (width, hidden, hidden, width)
    layers: list[nn.Module] = []
    for inside, outside in itertools.pairwise(sizes):
        layers += [nn.LayerNorm(inside), nn.GELU(), nn.Linear(inside, outside)]
    return nn.Sequential(*layers)


class Contrast:
    """MindEye's contrastive loss over training: BiMixCo for a first share of it, then SoftCLIP.

    Parameters
    ----------
    mixing
        Share of training in which responses are mixed: a third as published.
    mixed_temperature, temperatures
        Of BiMixCo, and of SoftCLIP when it begins and at the end: 0.006, and 0.004 to 0.0075 as published.
    """

    def __init__(
        self, mixing: float, mixed_temperature: float = 0.006, temperatures: tuple[float, float] = (0.004, 0.0075)
    ) -> None:
        self.mixing, self.mixed_temperature, self.temperatures = mixing, mixed_temperature, temperatures
        self.done = 0.0

    def moved(self, done: float) -> None:
        """Note which share of training is done."""
        self.done = done

    def prepare(self, voxels: Tensor) -> Mixed:
        """Responses of one brain, mixed in the first share of training."""
        if self.done < self.mixing:
            return mix(voxels)
        count = len(voxels)
        return Mixed(voxels, torch.arange(count, device=voxels.device), torch.ones(count, device=voxels.device))

    def loss(self, predicted: Tensor, wanted: Tensor, mixed: Mixed) -> Tensor:
        """The contrastive loss of a batch of prepared responses."""
        if self.done < self.mixing:
            return bi_mix_co(predicted, wanted, mixed, self.mixed_temperature)
        share = (self.done - self.mixing) / max(1 - self.mixing, 1e-9)
        return soft_clip(predicted, wanted, between(*self.temperatures, share))


def mixed_targets(wanted: Tensor, mixed: Mixed) -> Tensor:
    """Targets (batch, dim) of mixed responses, mixed by the same shares."""
    return mixed.share[:, None] * wanted + (1 - mixed.share[:, None]) * wanted[mixed.order]


class TwoHeads(nn.Module):
    """Reader and residual MLP with a linear head for image features and one for text features."""

    def __init__(self, voxels: int, hidden: int, blocks: int, image: int, text: int) -> None:
        super().__init__()
        self.body = nn.Sequential(reader(voxels, hidden), residual_mlp(hidden, blocks))
        self.image, self.text = nn.Linear(hidden, image), nn.Linear(hidden, text)

    def forward(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """Voxels (batch, voxels) -> image features (batch, image) and text features (batch, text)."""
        hidden = self.body(voxels)
        return self.image(hidden), self.text(hidden)
