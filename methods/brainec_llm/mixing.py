"""Decomposition into coarse and fine parts, and their mixing across time scales by ModernTCN blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .options import Options
from .patches import PatchEmbedding, Shape, moving_average

REGION_WIDTH = 32


class FeedForward(nn.Module):
    """Two grouped 1x1 convolutions with GELU between them."""

    def __init__(self, channels: int, hidden: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, hidden, 1, groups=groups),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(hidden, channels, 1, groups=groups),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, patches) -> the same shape."""
        out: Tensor = self.layers(x)
        return out


class ModernTCN(nn.Module):
    """(batch, region, time in) -> (batch, region, time out), through patches."""

    def __init__(self, options: Options, regions: int, time_in: int, patches: int, time_out: int) -> None:
        super().__init__()
        width = options.d_model
        channels = regions * width
        self.embed = PatchEmbedding(options.patch, options.stride, width)
        self.depth = nn.Conv1d(channels, channels, options.kernel, padding=options.kernel // 2, groups=channels)
        self.norm = nn.BatchNorm1d(width)
        self.within = FeedForward(channels, regions * options.d_ff, regions, options.dropout)
        self.across = FeedForward(channels, channels, width, options.dropout)
        self.lower = nn.Linear(width, options.patch)
        self.stretch = nn.Linear(patches * options.patch, time_out)

    def forward(self, x: Tensor) -> Tensor:
        """Mix patches of each feature, features of each region, then regions of each feature."""
        batch, regions, _ = x.shape
        start = self.embed(x.flatten(0, 1)).transpose(1, 2)  # (batch * region, width, patches)
        mixed = self.depth(start.reshape(batch, -1, start.shape[-1])).reshape(start.shape)
        mixed = self.within(self.norm(mixed).reshape(batch, -1, start.shape[-1]))
        by_feature = mixed.view(batch, regions, -1, start.shape[-1]).transpose(1, 2)
        mixed = self.across(by_feature.flatten(1, 2)).view(by_feature.shape).transpose(1, 2).flatten(0, 1)
        patches = self.lower((start + mixed).transpose(1, 2))
        out: Tensor = self.stretch(patches.flatten(1))
        return out.view(batch, regions, -1)


class Mixing(nn.Module):
    """One block: decompose each scale, pass fine parts towards coarse scales and coarse parts back."""

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        self.average = options.average
        self.regions = nn.Sequential(
            nn.Linear(shape.regions, REGION_WIDTH), nn.GELU(), nn.Linear(REGION_WIDTH, shape.regions)
        )
        steps = range(len(shape.lengths) - 1)

        def block(source: int, target: int) -> ModernTCN:
            lengths, patches = shape.lengths, shape.patches
            return ModernTCN(options, shape.regions, lengths[source], patches[source], lengths[target])

        self.down = nn.ModuleList([block(scale, scale + 1) for scale in steps])
        self.up = nn.ModuleList([block(scale + 1, scale) for scale in steps])

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """(batch, time, region) at each scale -> the same shapes."""
        coarse = [moving_average(series, self.average) for series in scales]
        fine = [series - slow for series, slow in zip(scales, coarse, strict=True)]
        coarse = [self.regions(part).transpose(1, 2) for part in coarse]
        fine = [self.regions(part).transpose(1, 2) for part in fine]
        for k, block in enumerate(self.down):
            fine[k + 1] = fine[k + 1] + block(fine[k])
        for k in reversed(range(len(self.up))):
            coarse[k] = coarse[k] + self.up[k](coarse[k + 1])
        return [torch.add(a, b).transpose(1, 2) for a, b in zip(fine, coarse, strict=True)]
