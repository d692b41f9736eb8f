"""Layers of TRIBE: scale norm, rotary attention, projectors of modalities, heads of subjects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POSITIONS = 1024
"""Places in time that have a learned vector."""

BASE = 10_000.0
"""Longest wave length of the rotary angles, in units of 2 pi TRs."""


class ScaleNorm(nn.Module):
    """Scales a vector to the length ``gain * sqrt(width)``, with one learned gain (Nguyen and Salazar, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.root = width**0.5
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> the same shape."""
        out: Tensor = F.normalize(x, dim=-1) * (self.gain * self.root)
        return out


class RotaryAttention(nn.Module):
    """Self-attention without biases; half of each head's queries and keys are turned by their place in time.

    Neighbouring pairs of values turn together, pair j of place t by t / BASE^(2j / turned).
    """

    frequencies: Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        turned = max(width // heads // 4 * 2, 2)
        self.register_buffer("frequencies", BASE ** -(torch.arange(0, turned, 2) / turned), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) -> the same shape."""
        batch, time, width = x.shape
        parts = self.qkv(x).view(batch, time, 3, self.heads, width // self.heads).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)
        angles = torch.arange(time, device=x.device)[:, None] * self.frequencies
        mixed = F.scaled_dot_product_attention(turn(query, angles), turn(key, angles), value)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, time, width))
        return out


def turn(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the leading pairs of values of x (..., time, head width) by angles (time, pairs)."""
    pairs = angles.shape[-1]
    a, b, rest = x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2], x[..., 2 * pairs :]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    turned = torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
    return torch.cat((turned, rest), dim=-1)


class Layer(nn.Module):
    """Attention and a feed-forward net, each behind a scale norm, with a learned gain on what goes around them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList((ScaleNorm(width), ScaleNorm(width)))
        self.attention = RotaryAttention(width, heads)
        self.forward_net = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.around = nn.Parameter(torch.ones(2, width))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) -> the same shape."""
        x = x * self.around[0] + self.attention(self.norms[0](x))
        out: Tensor = x * self.around[1] + self.forward_net(self.norms[1](x))
        return out


class SubjectHeads(nn.Module):
    """A linear map to parcels for each subject; outputs have about the standard deviation ``start`` at first."""

    def __init__(self, subjects: int, width: int, parcels: int, start: float = 1.0) -> None:
        super().__init__()
        scale = start / width**0.5
        self.weight = nn.Parameter(scale * torch.randn(subjects, width, parcels))
        self.bias = nn.Parameter(scale * torch.randn(subjects, parcels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) -> (batch, subject, time, parcel)."""
        return torch.einsum("btd,sdp->bstp", x, self.weight) + self.bias[:, None]


class Tribe(nn.Module):
    """Features of all modalities in a window -> responses of all subjects.

    Parameters
    ----------
    inputs
        Columns of each modality's features.
    width, depth, heads
        Of the transformer; each modality has an equal share of the width.
    subjects, parcels
        Of the responses.
    mlp
        A projector is Linear, LayerNorm, GELU; else a linear map alone.
    dropout
        Chance of a modality to be zeroed in a window of training.
    start
        Scale of the random numbers that positions and heads start from; 1 in the reference.
    """

    def __init__(
        self, inputs: Sequence[int], width: int, depth: int, heads: int, subjects: int, parcels: int,
        mlp: bool = True, dropout: float = 0.0, start: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if width % len(inputs):
            raise ValueError(f"width {width} does not divide by {len(inputs)} modalities")
        share = width // len(inputs)
        self.dropout = dropout
        self.projectors = nn.ModuleList(_projector(columns, share, mlp) for columns in inputs)
        self.positions = nn.Parameter(start * torch.randn(POSITIONS, width))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(depth)), ScaleNorm(width))
        self.heads = SubjectHeads(subjects, width, parcels, start)

    def forward(self, features: Sequence[Tensor], there: Tensor) -> Tensor:
        """Features (batch, time, columns) of each modality, and which are there (batch, modality).

        Returns (batch, subject, time, parcel).
        """
        if self.training:
            there = there & ~dropped(there, self.dropout)
        parts = [
            projector(values) * there[:, number, None, None]
            for number, (projector, values) in enumerate(zip(self.projectors, features, strict=True))
        ]
        x = torch.cat(parts, dim=-1)
        out: Tensor = self.heads(self.layers(x + self.positions[: x.shape[1]]))
        return out


def dropped(there: Tensor, chance: float) -> Tensor:
    """Which modalities (window, modality) of those ``there`` are zeroed: each by chance, but never all of a window.

    Where all would be, one of those that are there is spared, each as likely.
    """
    lost = (torch.rand(there.shape, device=there.device) < chance) & there
    spared = torch.where(there, torch.rand(there.shape, device=there.device), -1.0).argmax(1)
    everything = (lost == there).all(1)
    keep = F.one_hot(spared, there.shape[1]).bool() & everything[:, None]
    return lost & ~keep


def _projector(columns: int, width: int, mlp: bool) -> nn.Module:
    linear = nn.Linear(columns, width)
    return nn.Sequential(linear, nn.LayerNorm(width), nn.GELU()) if mlp else linear
