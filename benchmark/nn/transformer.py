"""ViT-style transformer blocks that several torch models share.

Pre-norm blocks with GELU, a bias on query, key and value, LayerNorm eps 1e-6, stochastic depth, and
the initialisation of BEiT: truncated normal 0.02, with the output layers of block ``k`` divided by
``sqrt(2 k)``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

INIT_STD = 0.02


class DropPath(nn.Module):
    """Drops a residual branch for whole samples with probability ``rate`` while training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """The branch (batch, ...), kept samples scaled up by 1 / (1 - rate)."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        return x * torch.empty(shape, device=x.device, dtype=x.dtype).bernoulli_(keep) / keep


class Attention(nn.Module):
    """Multi-head self-attention over (batch, token, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, token, width) -> the same shape."""
        batch, tokens, width = x.shape
        # Unbound along this axis, the three gradients are joined in one copy.
        parts = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and around a residual."""

    def __init__(self, width: int, heads: int, mlp_ratio: int = 4, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, token, width) -> the same shape."""
        x = x + self.drop_path(self.attention(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out


class Transformer(nn.Module):
    """A stack of blocks and a final LayerNorm.

    Parameters
    ----------
    width, depth, heads, mlp_ratio
        Size of the stack.
    drop_path
        Stochastic depth of the last block; it grows linearly from 0 at the first.
    checkpointed
        Recompute each block in the backward pass of training instead of keeping what it computed: less memory,
        more time, the same gradients.
    """

    def __init__(
        self, width: int, depth: int, heads: int, mlp_ratio: int = 4, drop_path: float = 0.0, checkpointed: bool = False
    ) -> None:
        super().__init__()
        self.checkpointed = checkpointed
        rates = [drop_path * k / max(depth - 1, 1) for k in range(depth)]
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, rate) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.apply(init_linear)
        with torch.no_grad():
            for k, block in enumerate(self.blocks, 1):
                assert isinstance(block, Block)
                block.attention.proj.weight.div_(math.sqrt(2 * k))
                last = block.mlp[2]
                assert isinstance(last, nn.Linear)
                last.weight.div_(math.sqrt(2 * k))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, token, width) -> the same shape."""
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointed and self.training else block(x)
        out: Tensor = self.norm(x)
        return out


def init_linear(module: nn.Module) -> None:
    """Truncated normal 0.02 weights and zero biases for linear and convolution layers."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
