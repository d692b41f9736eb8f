"""Models of time between pooling and heads: a rotary transformer and a ConvNeXt in one dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .kernels import TemporalConv

THETA = 10000.0


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


def rotate(x: Tensor) -> Tensor:
    """Rotary positions along time of (sample, head, time, width); width is even."""
    half = x.shape[-1] // 2
    rate = THETA ** (-torch.arange(half, device=x.device, dtype=x.dtype) / half)
    angle = torch.arange(x.shape[-2], device=x.device, dtype=x.dtype)[:, None] * rate
    cos, sin = angle.cos(), angle.sin()
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class RotaryBlock(nn.Module):
    """Self-attention along time and an MLP, each behind an RMSNorm and around a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.mlp = _mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(sample, time, width) -> the same shape."""
        samples, time, width = x.shape
        parts = self.qkv(self.norm1(x)).view(samples, time, 3, self.heads, width // self.heads).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(rotate(query), rotate(key), value)
        x = x + self.proj(mixed.transpose(1, 2).reshape(samples, time, width))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class ConvBlock(nn.Module):
    """A depthwise convolution along time and an MLP behind a LayerNorm, around a residual."""

    def __init__(self, width: int, kernel: int, causal: bool) -> None:
        super().__init__()
        self.conv = TemporalConv(width, kernel, causal=causal)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = _mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(sample, time, width) -> the same shape."""
        out: Tensor = x + self.mlp(self.norm(self.conv(x)))
        return out
