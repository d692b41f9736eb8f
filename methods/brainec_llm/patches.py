"""Series at several time scales, and their patches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.errors import BadData
from .options import Options

EPSILON = 1e-5


@dataclass(frozen=True)
class Shape:
    """Sizes that follow from the data.

    Attributes
    ----------
    regions
        Number of regions (N).
    lengths
        Frames at each time scale, the finest first.
    patches
        Patch tokens of a region at each time scale.
    """

    regions: int
    lengths: tuple[int, ...]
    patches: tuple[int, ...]

    @classmethod
    def of(cls, options: Options, frames: int, regions: int) -> Shape:
        """Sizes for series of ``frames`` frames; `BadData` where they are too short or hold one region."""
        lengths = tuple(frames // options.window**scale for scale in range(options.scales + 1))
        shortest = max(options.patch - options.stride, 1)
        if lengths[-1] < shortest:
            needed = shortest * options.window**options.scales
            raise BadData(
                f"{frames} frames are too few: the coarsest of {len(lengths)} time scales has {lengths[-1]}, and a "
                f"patch of {options.patch} with stride {options.stride} needs at least {shortest}",
                f"give at least {needed} frames, or use fewer scales (--set scales=...)",
            )
        if regions < 2:
            raise BadData(f"a graph needs two regions, the recordings hold {regions}")
        return cls(regions, lengths, tuple(patch_count(length, options.patch, options.stride) for length in lengths))

    @property
    def frames(self) -> int:
        """Frames of the series."""
        return self.lengths[0]


def patch_count(length: int, patch: int, stride: int) -> int:
    """Patches of a series whose end is padded by one stride."""
    return (length + stride - patch) // stride + 1


def to_patches(series: Tensor, patch: int, stride: int) -> Tensor:
    """(rows, time) -> (rows, patches, patch): the last frame repeated ``stride`` times, then cut."""
    return F.pad(series.unsqueeze(1), (0, stride), mode="replicate").squeeze(1).unfold(-1, patch, stride)


class PatchEmbedding(nn.Module):
    """(rows, time) series -> (rows, patches, d_model): a circular convolution over three patches."""

    def __init__(self, patch: int, stride: int, width: int) -> None:
        super().__init__()
        self.patch, self.stride = patch, stride
        self.lift = nn.Conv1d(patch, width, 3, padding=1, padding_mode="circular", bias=False)

    def forward(self, series: Tensor) -> Tensor:
        """Tokens in the order of time."""
        out: Tensor = self.lift(to_patches(series, self.patch, self.stride).transpose(1, 2))
        return out.transpose(1, 2)


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each subject and region over time, both (batch, 1, region)."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, series: Tensor) -> Scaling:
        """Statistics of (batch, time, region), without gradient."""
        series = series.detach()
        variance = series.var(1, keepdim=True, unbiased=False)
        return cls(series.mean(1, keepdim=True), torch.sqrt(variance + EPSILON))

    def apply(self, series: Tensor) -> Tensor:
        """Standardised series (RevIN without affine weights)."""
        return (series - self.mean) / self.deviation

    def undo(self, series: Tensor) -> Tensor:
        """Back to the raw scale."""
        return series * self.deviation + self.mean


def pyramid(series: Tensor, shape: Shape, window: int) -> list[Tensor]:
    """(batch, time, region) at every time scale, by repeated average pooling."""
    found = [series.transpose(1, 2)]
    for _ in shape.lengths[1:]:
        found.append(F.avg_pool1d(found[-1], window))
    return [scale.transpose(1, 2) for scale in found]


def moving_average(series: Tensor, size: int) -> Tensor:
    """Moving average of (batch, time, region) over ``size`` frames, the ends repeated."""
    half = size // 2
    padded = F.pad(series.transpose(1, 2), (half, half), mode="replicate")
    return F.avg_pool1d(padded, size, stride=1).transpose(1, 2)
