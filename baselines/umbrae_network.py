"""UMBRAE's network: a tokenizer a brain and one Perceiver for all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Tokenizer(nn.Module):
    """Linear(1 -> tokens) on each voxel, then Linear(voxels -> width) on each token.

    Token t is ``scale[t] * (W x) + offset[t] * (W 1) + b``: all tokens are affine copies of one vector, however
    many there are. They are computed that way, which gives the same values and the same parameters.
    """

    def __init__(self, voxels: int, tokens: int, width: int) -> None:
        super().__init__()
        self.spread = nn.Linear(1, tokens)
        self.gather = nn.Linear(voxels, width)

    def forward(self, voxels: Tensor) -> Tensor:
        """Voxels (batch, voxels) -> tokens (batch, tokens, width)."""
        gathered = F.linear(voxels, self.gather.weight)
        constant = self.gather.weight.sum(1)
        scale, offset = self.spread.weight[:, 0], self.spread.bias
        return scale[:, None] * gathered[:, None] + offset[:, None] * constant + self.gather.bias


class CrossAttention(nn.Module):
    """Latents look at the tokens and at themselves."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.token_norm, self.latent_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, heads * head_width, bias=False)
        self.key_value = nn.Linear(width, 2 * heads * head_width, bias=False)
        self.out = nn.Linear(heads * head_width, width, bias=False)

    def forward(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """Update (batch, latents, width)."""
        latents = self.latent_norm(latents)
        seen = torch.cat((self.token_norm(tokens), latents), 1)
        query = self._split(self.query(latents))
        key, value = (self._split(part) for part in self.key_value(seen).chunk(2, -1))
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, values: Tensor) -> Tensor:
        batch, count, width = values.shape
        return values.view(batch, count, self.heads, width // self.heads).transpose(1, 2)


class Perceiver(nn.Module):
    """Learned latents (count, width) that read tokens through layers of cross-attention and an MLP."""

    def __init__(self, count: int, width: int, layers: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(count, width))
        self.attention = nn.ModuleList(CrossAttention(width, heads, head_width) for _ in range(layers))
        self.mlp = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 4 * width, bias=False), nn.GELU(),
                nn.Linear(4 * width, width, bias=False),
            )
            for _ in range(layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, tokens, width) -> (batch, count, width)."""
        latents = self.latents.expand(len(tokens), -1, -1)
        for attention, mlp in zip(self.attention, self.mlp, strict=True):
            latents = latents + attention(tokens, latents)
            latents = latents + mlp(latents)
        out: Tensor = self.norm(latents)
        return out


class BrainX(nn.Module):
    """Tokenizer of each brain, Perceiver, and a linear layer from each token to the features.

    As published: 256 tokens of 1024, 6 layers, 16 heads of 96, and the tokens are the features. Where the
    features are pooled, a linear layer reads the mean token.
    """

    def __init__(
        self, voxels: Mapping[str, int], tokens: int, width: int, layers: int, heads: int, head_width: int,
        features: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tokenizers = nn.ModuleDict({brain: Tokenizer(n, tokens, width) for brain, n in voxels.items()})
        self.perceiver = Perceiver(tokens, width, layers, heads, head_width)
        self.pooled = None if features == tokens * width else nn.Linear(width, features)

    def forward(self, voxels: Tensor, brain: str) -> Tensor:
        """Voxels (batch, voxels) of one brain -> features (batch, features)."""
        tokens = self.perceiver(self.tokenizers[brain](voxels))
        out: Tensor = tokens.flatten(1) if self.pooled is None else self.pooled(tokens.mean(1))
        return out
