"""A tiny convolutional image autoencoder with 32 latent channels, each for 8 x 8 pixels.

The layout of the networks is that of TAEF2 (github.com/madebyollin/taesd, MIT), so that its published state dicts
fit; images and their reconstructions lie in 0..1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = 64
LATENT_CHANNELS = 32
FACTOR = 8
GROUPS = 4
LATENT_LIMIT = 3.0


def _conv(inside: int, outside: int, *, bias: bool = True, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, padding=1, bias=bias, stride=stride)


class Squash(nn.Module):
    """Bounds latents smoothly, so that an outlier does not saturate the decoder."""

    def forward(self, latents: Tensor) -> Tensor:
        """The same shape, within ±3."""
        return torch.tanh(latents / LATENT_LIMIT) * LATENT_LIMIT


class Residual(nn.Module):
    """Three convolutions with a skip connection; a ``wide`` one first normalises and mixes its channels."""

    def __init__(self, *, wide: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(CHANNELS, CHANNELS), nn.ReLU(), _conv(CHANNELS, CHANNELS), nn.ReLU(), _conv(CHANNELS, CHANNELS)
        )
        self.pool = _mixing() if wide else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 64, h, w) of the same shape."""
        if self.pool is not None:
            x = x + self.pool(x)
        out: Tensor = torch.relu(self.conv(x) + x)
        return out


def _mixing() -> nn.Sequential:
    wide = 4 * CHANNELS
    return nn.Sequential(
        nn.Conv2d(CHANNELS, wide, 1, bias=False), nn.GroupNorm(GROUPS, wide), nn.ReLU(),
        nn.Conv2d(wide, CHANNELS, 1, bias=False),
    )  # fmt: skip


def _three(*, wide: bool = False) -> list[nn.Module]:
    return [Residual(wide=wide) for _ in range(3)]


def encoder() -> nn.Sequential:
    """(batch, 3, h, w) in 0..1 to (batch, 32, h / 8, w / 8)."""
    halving = [_conv(CHANNELS, CHANNELS, bias=False, stride=2) for _ in range(3)]
    return nn.Sequential(
        _conv(3, CHANNELS), Residual(),
        halving[0], *_three(),
        halving[1], *_three(),
        halving[2], *_three(wide=True),
        _conv(CHANNELS, LATENT_CHANNELS),
    )  # fmt: skip


def decoder() -> nn.Sequential:
    """(batch, 32, h, w) to (batch, 3, 8 h, 8 w), about in 0..1."""

    def doubling() -> list[nn.Module]:
        return [nn.Upsample(scale_factor=2), _conv(CHANNELS, CHANNELS, bias=False)]

    return nn.Sequential(
        Squash(), _conv(LATENT_CHANNELS, CHANNELS), nn.ReLU(),
        *_three(wide=True), *doubling(),
        *_three(), *doubling(),
        *_three(), *doubling(),
        Residual(), _conv(CHANNELS, 3),
    )  # fmt: skip
