"""The encoder: streams to channels, kernels along time, one sum, and linear heads to parcels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hidden import ConvBlock, RotaryBlock
from .kernels import INIT_STD, TemporalConv, response_energy, told_lags
from .options import Options


class StreamEmbedding(nn.Module):
    """A linear map to ``width`` channels and a kernel along time for each.

    Attributes
    ----------
    centre, scale
        (dimension,) what is taken from features, and what they are multiplied with then.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, dimension: int, options: Options) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(dimension))
        self.scaled = options.standardise
        self.linear = nn.Linear(dimension, options.width)
        self.conv = (
            TemporalConv(options.width, options.kernel, options.causal, options.positive, options.tied)
            if options.kernel > 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(sample, time, dimension) -> (sample, time, width)."""
        out: Tensor = self.linear((x - self.centre) * self.scale if self.scaled else x)
        return out if self.conv is None else self.conv(out)


class LinearPool(nn.Module):
    """Learned weights of tokens, channel by channel."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(tokens, width), std=INIT_STD))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(sample, time, token, width), with tokens present (sample, token) -> (sample, time, width)."""
        return torch.einsum("ntlc,lc,nl->ntc", x, self.weight, present)


class AttentionPool(nn.Module):
    """A learned query that attends to the tokens of its own TR; tokens have learned positions."""

    def __init__(self, tokens: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.place = nn.Parameter(nn.init.trunc_normal_(torch.empty(tokens, width), std=INIT_STD))
        self.query = nn.Parameter(nn.init.trunc_normal_(torch.empty(width), std=INIT_STD))
        self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """As `LinearPool.forward`."""
        samples, time, tokens, width = x.shape
        x = (x + self.place).reshape(samples * time, tokens, width)
        key, value = (self._split(layer(x)) for layer in (self.key, self.value))
        query = self._split(self.query.expand(len(x), 1, width))
        seen = present.bool().repeat_interleave(time, dim=0)[:, None, None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(samples, time, width))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(len(x), x.shape[1], self.heads, -1).transpose(1, 2)


class Encoder(nn.Module):
    """From features of a film to the responses of all subjects.

    Parameters
    ----------
    streams
        Stream -> (dimension,) or (layer, dimension).
    subjects, parcels
        Their numbers.
    """

    def __init__(self, streams: Mapping[str, tuple[int, ...]], subjects: int, parcels: int, options: Options) -> None:
        super().__init__()
        self.names, self.subjects, self.parcels = tuple(streams), subjects, parcels
        self.tokens = [shape[0] if len(shape) == 2 else 1 for shape in streams.values()]
        width = options.width
        self.embeddings = nn.ModuleList(StreamEmbedding(shape[-1], options) for shape in streams.values())
        self.pool = _pool(sum(self.tokens), options)
        self.hidden = _hidden(options)
        self.group_head = nn.Linear(width, parcels) if options.heads != "subject" else None
        self.subject_heads = nn.ModuleList(
            nn.Linear(width, parcels) for _ in range(subjects if options.heads != "group" else 0)
        )
        self.apply(_init)

    def forward(self, features: Sequence[Tensor], present: Tensor) -> Tensor:
        """Responses (sample, time, subject, parcel).

        Parameters
        ----------
        features
            One a stream, (sample, time, dimension) or (sample, time, layer, dimension); anything finite where a
            sample lacks the stream.
        present
            (sample, stream) 1 where the sample has the stream, else 0: it is then left out of the sum.
        """
        pooled = self.pooled([self.embed(one, x) for one, x in zip(self.embeddings, features, strict=True)], present)
        weight, bias = self.reading()
        out = F.linear(self.hidden(pooled), weight, bias)
        return out.view(*out.shape[:2], self.subjects, self.parcels)

    def embed(self, embedding: nn.Module, x: Tensor) -> Tensor:
        """A stream's tokens (sample, time, token, width)."""
        samples, time = x.shape[:2]
        flat = x.reshape(samples, time, -1, x.shape[-1]).transpose(1, 2).flatten(0, 1)
        out: Tensor = embedding(flat)
        return out.view(samples, -1, time, out.shape[-1]).transpose(1, 2)

    def pooled(self, tokens: Sequence[Tensor], present: Tensor) -> Tensor:
        """All streams as one (sample, time, width)."""
        if self.pool is None:
            parts = [x.mean(dim=2) * present[:, k, None, None] for k, x in enumerate(tokens)]
            return torch.stack(parts).sum(dim=0)
        counts = torch.tensor(self.tokens, device=present.device)
        out: Tensor = self.pool(torch.cat(list(tokens), dim=2), present.repeat_interleave(counts, dim=1))
        return out

    def reading(self) -> tuple[Tensor, Tensor]:
        """Weights (subjects x parcels, width) and bias of all heads: group and subject maps are added first."""
        weights: list[Tensor] = [head.weight for head in self.subject_heads if isinstance(head, nn.Linear)]
        biases: list[Tensor] = [head.bias for head in self.subject_heads if isinstance(head, nn.Linear)]
        if self.group_head is None:
            return torch.cat(weights), torch.cat(biases)
        weight, bias = self.group_head.weight, self.group_head.bias
        if not weights:
            return weight.repeat(self.subjects, 1), bias.repeat(self.subjects)
        return torch.cat([own + weight for own in weights]), torch.cat([own + bias for own in biases])

    @torch.no_grad()
    def kernel_lags(self) -> dict[str, dict[str, float]]:
        """Where each stream's impulse response lies; empty without kernels, or where the model is no convolution."""
        if self.pool is not None or len(self.hidden):
            return {}
        weight = self.reading()[0]
        return {
            name: told_lags(response_energy(one.conv.kernel, weight, one.linear.weight))
            for name, one in zip(self.names, self.embeddings, strict=True)
            if isinstance(one, StreamEmbedding) and one.conv is not None
        }


def _pool(tokens: int, options: Options) -> nn.Module | None:
    if options.pool == "linear":
        return LinearPool(tokens, options.width)
    return AttentionPool(tokens, options.width, options.attention_heads) if options.pool == "attention" else None


def _hidden(options: Options) -> nn.Sequential:
    if options.hidden == "none":
        return nn.Sequential()
    if options.hidden == "transformer":
        return nn.Sequential(*(RotaryBlock(options.width, options.attention_heads) for _ in range(options.depth)))
    return nn.Sequential(
        *(ConvBlock(options.width, options.hidden_kernel, options.causal) for _ in range(options.depth))
    )


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
