"""The graph extractor: self-attention between regions, whose weights are the graph."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

HEADS = 2
HIDDEN = 16
BLOCKED = -1e9


def position_code(frames: int, regions: int) -> Tensor:
    """(frames, regions) sinusoids: time is the position, the region is the channel."""
    time = torch.arange(frames, dtype=torch.float32).unsqueeze(1)
    channel = torch.arange(regions)
    angle = time / 10000 ** (2 * (channel // 2) / regions)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())


class GraphAttention(nn.Module):
    """Regions attend to one another; a token is the whole series of a region.

    A region never attends to itself, but residual paths carry its own series past the attention.
    """

    code: Tensor

    def __init__(self, frames: int, regions: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.size = frames // 2
        self.register_buffer("code", position_code(frames, regions), persistent=False)
        self.norm = nn.LayerNorm(frames)
        self.query = nn.Linear(frames, HEADS * self.size, bias=False)
        self.key = nn.Linear(frames, HEADS * self.size, bias=False)
        self.value = nn.Linear(frames, HEADS * self.size, bias=False)
        self.out = nn.Linear(HEADS * self.size, frames, bias=False)
        self.out_norm = nn.LayerNorm(frames)
        self.feed = nn.Sequential(nn.Linear(frames, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, frames), nn.Dropout(dropout))
        self.feed_norm = nn.LayerNorm(frames)
        self.dropout = nn.Dropout(dropout)
        self.attention_dropout = nn.Dropout(attention_dropout)

    def forward(self, series: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, time, region) -> the same, and attention (batch, head, target, source)."""
        tokens = self.norm(self.dropout(series + self.code).transpose(1, 2))
        attention = self.attention_dropout(self.weights(tokens))
        gathered = (attention @ self._heads(self.value(tokens))).transpose(1, 2).flatten(2)
        tokens = self.out_norm(tokens + self.dropout(self.out(gathered)))
        tokens = self.feed_norm(tokens + self.feed(tokens))
        return series + tokens.transpose(1, 2), attention

    def weights(self, tokens: Tensor) -> Tensor:
        """Attention (batch, head, target, source) before dropout; rows sum to 1, the diagonal is 0."""
        logits = self._heads(self.query(tokens)) @ self._heads(self.key(tokens)).transpose(2, 3)
        own = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        return (logits / math.sqrt(self.size)).masked_fill(own, BLOCKED).softmax(-1)

    def _heads(self, x: Tensor) -> Tensor:
        batch, regions, _ = x.shape
        return x.view(batch, regions, HEADS, -1).transpose(1, 2)


def graph_of(attention: Tensor) -> Tensor:
    """(source, target) graph of attention (batch, head, target, source): its mean, transposed."""
    return attention.mean((0, 1)).T
