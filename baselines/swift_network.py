"""The network of SwiFT: a Swin transformer over the space and time of 4-D images.

Tensors of tokens are (batch, x, y, z, time, channel). Names of parameters, and the order in which voxels and
neighbours are flattened, are those of the published weights.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POSITION_STD = 0.02
MLP_RATIO = 4

Sizes = tuple[int, int, int, int]
"""Along x, y, z and time."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of a backbone.

    Attributes
    ----------
    grid
        Voxels along x, y, z; each a multiple of ``patches``.
    patches
        Patches along each axis of space; a patch is one frame long.
    frames
        Frames of a window.
    width, depths, heads
        Channels of the first stage (they double at each), blocks and attention heads of each stage.
    window
        Tokens along each of the four axes within which attention is confined, except in the last stage.
    four_frame_global
        The last stage attends over all of space, but over ``window`` frames only.
    unused_norm
        The final LayerNorm is there but left out.
    """

    grid: tuple[int, int, int]
    patches: int
    frames: int
    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int = 4
    four_frame_global: bool = False
    unused_norm: bool = False

    @property
    def stages(self) -> list[Sizes]:
        """Tokens along each axis at each stage."""
        sides = [self.patches >> stage for stage in range(len(self.depths))]
        return [(side, side, side, self.frames) for side in sides]

    def problem(self) -> str:
        """What does not fit together; empty where all does."""
        if len(self.depths) != len(self.heads) or not self.depths:
            return f"depths={self.depths} and heads={self.heads} are not of one length"
        if self.patches % (1 << (len(self.depths) - 1)):
            return f"patches={self.patches} cannot be halved {len(self.depths) - 1} times"
        if any(self.width * 2**stage % heads for stage, heads in enumerate(self.heads)):
            return f"heads={self.heads} do not divide the channels {self.width}, doubled at each stage"
        if any(side > self.window and side % self.window for sizes in self.stages for side in sizes):
            return f"windows of {self.window} tokens do not divide {self.patches} patches or {self.frames} frames"
        if any(side % self.patches for side in self.grid):
            return f"{self.patches} patches do not divide a grid of {' x '.join(map(str, self.grid))} voxels"
        return ""


class Backbone(nn.Module):
    """Patches, positions and stages."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        count = len(geometry.depths)
        widths = [geometry.width << stage for stage in range(count)]
        self.patch_embed = PatchEmbed(geometry)
        self.pos_embeds = nn.ModuleList(
            Positions(width, sizes) for width, sizes in zip(widths, geometry.stages, strict=True)
        )
        self.layers = nn.ModuleList(self._stage(geometry, stage, widths[stage]) for stage in range(count))
        self.norm = nn.LayerNorm(widths[-1])
        self.width = widths[-1]

    @staticmethod
    def _stage(geometry: Geometry, stage: int, width: int) -> Stage:
        sizes = geometry.stages[stage]
        window: Sizes = (geometry.window,) * 4
        last = stage == len(geometry.depths) - 1
        if last:
            window = (*sizes[:3], geometry.window if geometry.four_frame_global else sizes[3])
        return Stage(
            width, geometry.depths[stage], geometry.heads[stage], sizes, window, shifts=not last, merges=not last
        )

    def forward(self, volumes: Tensor) -> Tensor:
        """(batch, time, x, y, z) -> tokens (batch, x, y, z, time, channel) of the last stage."""
        x = self.patch_embed(volumes)
        for positions, stage in zip(self.pos_embeds, self.layers, strict=True):
            x = stage(positions(x))
        out: Tensor = x if self.geometry.unused_norm else self.norm(x)
        return out


class PatchEmbed(nn.Module):
    """One token for each patch of space and each frame."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.patches = geometry.patches
        self.fc = nn.Linear(math.prod(side // geometry.patches for side in geometry.grid), geometry.width)

    def forward(self, volumes: Tensor) -> Tensor:
        """(batch, time, x, y, z) -> (batch, x, y, z, time, channel)."""
        batch, frames, *grid = volumes.shape
        x, y, z = (side // self.patches for side in grid)
        n = self.patches
        cut = volumes.reshape(batch, frames, n, x, n, y, n, z).permute(0, 2, 4, 6, 1, 3, 5, 7)
        out: Tensor = self.fc(cut.reshape(batch, n, n, n, frames, x * y * z))
        return out


class Positions(nn.Module):
    """Learned embeddings of place and of time, added to the tokens of a stage."""

    def __init__(self, width: int, sizes: Sizes) -> None:
        super().__init__()
        x, y, z, frames = sizes
        self.pos_embed = nn.Parameter(torch.empty(1, width, x, y, z, 1))
        self.time_embed = nn.Parameter(torch.empty(1, width, 1, 1, 1, frames))
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=POSITION_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens with their positions."""
        return x + (self.pos_embed + self.time_embed).permute(0, 2, 3, 4, 5, 1)


class Stage(nn.Module):
    """Blocks whose windows are shifted by half in every second one, then a halving of space."""

    def __init__(
        self, width: int, depth: int, heads: int, sizes: Sizes, window: Sizes, *, shifts: bool, merges: bool
    ) -> None:
        super().__init__()
        window = _smaller(sizes, window)
        shift = _half(sizes, window) if shifts else (0, 0, 0, 0)
        plain, shifted = Parts(sizes, window, (0, 0, 0, 0)), Parts(sizes, window, shift)
        self.parts = nn.ModuleList((plain, shifted if any(shift) else plain))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.downsample = Merge(width) if merges else None

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of this stage -> tokens of the next."""
        rows = x.flatten(1, 4)
        for number, block in enumerate(self.blocks):
            rows = block(rows, self.parts[number % 2])
        x = rows.view(x.shape)
        return x if self.downsample is None else self.downsample(x)


class Parts(nn.Module):
    """Which tokens attend to each other: those of a window of the grid.

    Windows that are shifted are cut at the ends of an axis, where a shift by rolling would bring the far ends together
    and need a mask. They are smaller there, and windows of one number of tokens are worked on together.
    """

    order: Tensor
    back: Tensor

    def __init__(self, sizes: Sizes, window: Sizes, shift: Sizes) -> None:
        super().__init__()
        found = windows(sizes, window, shift)
        self.counts = [tuple(same.shape) for same in found]
        order = torch.cat([same.flatten() for same in found])
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)

    def cut(self, x: Tensor) -> list[Tensor]:
        """(batch, token, channel) -> (batch, window, token, channel) of each size."""
        moved: Tensor = Reorder.apply(x, self.order, self.back)  # type: ignore[no-untyped-call]
        rows = moved.split([count * tokens for count, tokens in self.counts], dim=1)  # type: ignore[no-untyped-call]
        return [part.unflatten(1, shape) for part, shape in zip(rows, self.counts, strict=True)]

    def joined(self, parts: list[Tensor]) -> Tensor:
        """Undo `cut`."""
        rows = torch.cat([part.flatten(1, 2) for part in parts], dim=1)
        out: Tensor = Reorder.apply(rows, self.back, self.order)  # type: ignore[no-untyped-call]
        return out


class Reorder(torch.autograd.Function):
    """Tokens (batch, token, channel) in another order; their gradient is put back by the inverse order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        """See the class."""
        ctx.save_for_backward(back)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """See the class."""
        (back,) = ctx.saved_tensors
        return grads[0].index_select(1, back), None, None


class Block(nn.Module):
    """Pre-norm attention within windows and an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential()
        self.mlp.add_module("linear1", nn.Linear(width, MLP_RATIO * width))
        self.mlp.add_module("gelu", nn.GELU())
        self.mlp.add_module("linear2", nn.Linear(MLP_RATIO * width, width))

    def forward(self, x: Tensor, parts: nn.Module) -> Tensor:
        """Tokens (batch, token, channel) -> the same shape."""
        assert isinstance(parts, Parts)
        x = x + parts.joined([self.attn(part) for part in parts.cut(self.norm1(x))])
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Attention(nn.Module):
    """Multi-head self-attention within each window."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, window, token, channel) -> the same shape."""
        batch, count, tokens, width = x.shape
        # Unbound along this axis, the three gradients are joined in one copy.
        parts = self.qkv(x).view(batch * count, tokens, 3, self.heads, width // self.heads).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, tokens, width))
        return out


class Merge(nn.Module):
    """Eight neighbours in space become one token of twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(8 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(8 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, x, y, z, time, channel) -> (batch, x/2, y/2, z/2, time, 2 channel)."""
        corners = [x[:, i::2, j::2, k::2] for i, j, k in itertools.product(range(2), repeat=3)]
        out: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return out


class SwiftNetwork(nn.Module):
    """Backbone, mean over tokens, and one linear layer.

    Two classes share one logit, that of the second against the first; any other number of outputs has one each.
    """

    def __init__(self, backbone: Backbone, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.binary = outputs == 2
        self.head = nn.Linear(backbone.width, 1 if self.binary else outputs)

    def forward(self, volumes: Tensor) -> Tensor:
        """(batch, time, x, y, z) -> (batch, outputs)."""
        found: Tensor = self.head(self.backbone(volumes).mean(dim=(1, 2, 3, 4)))
        return F.pad(found, (1, 0)) if self.binary else found


def _smaller(sizes: Sizes, window: Sizes) -> Sizes:
    """A window that is no larger than what there is."""
    a, b, c, d = (min(pair) for pair in zip(sizes, window, strict=True))
    return a, b, c, d


def _half(sizes: Sizes, window: Sizes) -> Sizes:
    """Half a window, along the axes that hold more than one."""
    a, b, c, d = (side // 2 if size > side else 0 for size, side in zip(sizes, window, strict=True))
    return a, b, c, d


def windows(sizes: Sizes, window: Sizes, shift: Sizes) -> list[Tensor]:
    """Positions (window, token) of the flattened tokens of each window; a tensor for each number of tokens."""
    place = torch.arange(math.prod(sizes)).reshape(sizes)
    found: dict[int, list[Tensor]] = {}
    for box in itertools.product(*map(_cuts, sizes, window, shift)):
        tokens = place[box].flatten()
        found.setdefault(len(tokens), []).append(tokens)
    return [torch.stack(same) for same in found.values()]


def _cuts(size: int, side: int, step: int) -> list[slice]:
    """Stretches of an axis: of length ``side`` from ``step`` on, and what is left at its ends."""
    edges = sorted({0, *range(step, size + 1, side), size})
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]
