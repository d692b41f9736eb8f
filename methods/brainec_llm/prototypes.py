"""Patch tokens in the language of word prototypes (the reprogramming of Time-LLM)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from .options import Options


class Reprogramming(nn.Module):
    """Cross attention from patch tokens to trained mixtures of word embeddings."""

    table: Tensor

    def __init__(self, options: Options, table: Tensor) -> None:
        super().__init__()
        words = options.prototype_words or len(table)
        self.register_buffer("table", table[:words].detach().float().T.contiguous(), persistent=False)
        width, inner = table.shape[1], options.heads * options.d_ff
        self.heads = options.heads
        self.mix = nn.Linear(self.table.shape[1], options.prototypes)
        self.query = nn.Linear(options.d_model, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)
        self.dropout = nn.Dropout(options.attention_dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, tokens, d_model) -> (rows, tokens, width of the language model)."""
        prototypes = self.mix(self.table).T
        rows, count, _ = tokens.shape
        query = self.query(tokens).view(rows, count, self.heads, -1).transpose(1, 2)
        key = self.key(prototypes).view(len(prototypes), self.heads, -1).permute(1, 2, 0)
        value = self.value(prototypes).view(len(prototypes), self.heads, -1).transpose(0, 1)
        weights = self.dropout((query @ key / math.sqrt(query.shape[-1])).softmax(-1))
        out: Tensor = self.out((weights @ value).transpose(1, 2).reshape(rows, count, -1))
        return out
