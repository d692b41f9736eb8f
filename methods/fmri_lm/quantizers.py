"""Quantisers of encoder tokens: a codebook by moving average, and finite scalar quantisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Quantised(NamedTuple):
    """Result of quantising: straight-through vectors, code indices, commitment loss."""

    vectors: Tensor
    codes: Tensor
    loss: Tensor


class Quantizer(nn.Module):
    """Nearest entry of an L2-normalised codebook that follows its vectors by moving average.

    Codes start by spherical k-means on the first training batch; afterwards each used code moves to
    ``normalise(decay * code + (1 - decay) * normalise(mean of its vectors))``. Unused codes stay.
    The loss is ``beta * mean((stop_gradient(code) - z)^2)``.
    """

    codebook: Tensor
    ready: Tensor

    def __init__(self, codes: int, width: int, *, decay: float = 0.99, beta: float = 1.0, iterations: int = 10) -> None:
        super().__init__()
        self.decay = decay
        self.beta = beta
        self.iterations = iterations
        self.register_buffer("codebook", F.normalize(torch.randn(codes, width), dim=-1))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, z: Tensor) -> Quantised:
        """Quantise (..., width); updates the codebook while training."""
        unit = F.normalize(z.float(), dim=-1)
        flat = unit.detach().reshape(-1, unit.shape[-1])
        if self.training and not bool(self.ready):
            self.codebook.copy_(spherical_kmeans(flat, len(self.codebook), self.iterations))
            self.ready.fill_(True)
        codes = nearest(flat, self.codebook)
        chosen = self.codebook[codes].view_as(unit)
        if self.training:
            self.codebook.copy_(moved(self.codebook, flat, codes, self.decay))
        loss = self.beta * F.mse_loss(unit, chosen)
        return Quantised(unit + (chosen - unit).detach(), codes.view(unit.shape[:-1]), loss)


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Index (n,) of the nearest unit code of each unit vector: the largest cosine."""
    parts = [(part @ codebook.T).argmax(1) for part in torch.split(vectors, 8192)]
    return torch.cat(parts)


def moved(codebook: Tensor, vectors: Tensor, codes: Tensor, decay: float) -> Tensor:
    """The codebook after one moving-average step towards its assigned unit vectors."""
    sums = torch.zeros_like(codebook).index_add_(0, codes, vectors)
    used = torch.bincount(codes, minlength=len(codebook)).unsqueeze(1) > 0
    step = F.normalize(decay * codebook + (1 - decay) * F.normalize(sums, dim=-1), dim=-1)
    return torch.where(used, step, codebook)


def spherical_kmeans(vectors: Tensor, count: int, iterations: int) -> Tensor:
    """``count`` unit centres of unit vectors (n, width); an empty cluster keeps its centre."""
    n = len(vectors)
    drawn = torch.randperm(n)[:count] if n >= count else torch.randint(n, (count,))
    centres = vectors[drawn.to(vectors.device)]
    for _ in range(iterations):
        centres = moved(centres, vectors, nearest(vectors, centres), decay=0.0)
    return centres


class FiniteScalarQuantizer(nn.Module):
    """Each dimension bounded and rounded to a few levels; a code is one combination of levels.

    Mentzer et al. 2024 (ICLR), "Finite scalar quantization: VQ-VAE made simple": ``tanh`` bounds dimension i to
    ``levels[i]`` integers, rounding is straight-through, vectors are scaled to [-1, 1]. There is no codebook, and
    no loss of its own.
    """

    slack = 1e-3
    level: Tensor
    place: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("level", torch.tensor(list(levels)))
        places = [math.prod(levels[:number]) for number in range(len(levels))]
        self.register_buffer("place", torch.tensor(places))

    def forward(self, z: Tensor) -> Quantised:
        """Quantise (..., dimensions)."""
        half = (self.level - 1) * (1 + self.slack) / 2
        offset = torch.where(self.level % 2 == 0, 0.5, 0.0)
        bounded = torch.tanh(z.float() + torch.atanh(offset / half)) * half - offset
        rounded = bounded + (bounded.round() - bounded).detach()
        width = self.level // 2
        codes = ((rounded.detach() + width) * self.place).sum(-1).round().long()
        return Quantised(rounded / width, codes, z.new_zeros(()))
