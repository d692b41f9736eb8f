"""The whole network: encoder over time scales, language model, decoder, graph."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .contrastive import ScaleContrast
from .graph import GraphAttention, graph_of
from .mixing import Mixing
from .options import Options
from .patches import PatchEmbedding, Scaling, Shape, pyramid
from .prototypes import Reprogramming


class Output(NamedTuple):
    """Reconstruction (batch, time, region) on the raw scale, graph (source, target), contrastive term."""

    series: Tensor
    graph: Tensor
    contrastive: Tensor


class Decoder(nn.Module):
    """Hidden states of all patches -> one series a time scale -> their sum at full length."""

    def __init__(self, options: Options, shape: Shape, width: int) -> None:
        super().__init__()
        self.shape = shape
        self.lower = nn.Linear(width, options.d_ff)
        self.to_time = nn.ModuleList(
            nn.Linear(count * options.d_ff, length) for count, length in zip(shape.patches, shape.lengths, strict=True)
        )
        self.stretch = nn.ModuleList(nn.Linear(length, shape.frames) for length in shape.lengths)

    def scales(self, hidden: Tensor) -> list[Tensor]:
        """(batch * region, token, width) -> (batch, time, region) at each scale."""
        parts = self.lower(hidden).split(list(self.shape.patches), dim=1)
        series = [layer(part.flatten(1)) for layer, part in zip(self.to_time, parts, strict=True)]
        return [scale.view(-1, self.shape.regions, scale.shape[-1]).transpose(1, 2) for scale in series]

    def joined(self, scales: list[Tensor]) -> Tensor:
        """(batch, time, region) at full length."""
        parts = [layer(scale.transpose(1, 2)) for layer, scale in zip(self.stretch, scales, strict=True)]
        return torch.stack(parts).sum(0).transpose(1, 2)


class BrainEC(nn.Module):
    """(batch, time, region) series -> `Output`.

    Convolutions and linear maps over regions have weights of their own for each region, so the order
    of regions matters as the order of weights in a random start does: the network is not equivariant.
    """

    def __init__(self, options: Options, shape: Shape, table: Tensor, reader: nn.Module) -> None:
        super().__init__()
        self.shape, self.window = shape, options.window
        self.mixing = Mixing(options, shape)
        self.patches = nn.ModuleList(
            PatchEmbedding(options.patch, options.stride, options.d_model) for _ in shape.lengths
        )
        self.prototypes = Reprogramming(options, table)
        self.language = reader
        self.decoder = Decoder(options, shape, table.shape[1])
        self.contrast = ScaleContrast(shape.lengths)
        self.graph = GraphAttention(shape.frames, shape.regions, options.dropout, options.attention_dropout)

    def tokens(self, standard: Tensor) -> Tensor:
        """(batch * region, token, d_model) of standardised series, the finest scale first."""
        scales = self.mixing(pyramid(standard, self.shape, self.window))
        rows = [scale.transpose(1, 2).flatten(0, 1) for scale in scales]
        return torch.cat([embed(series) for embed, series in zip(self.patches, rows, strict=True)], dim=1)

    def forward(self, series: Tensor) -> Output:
        """Reconstruct a batch of subjects."""
        scaling = Scaling.of(series)
        hidden = self.language(self.prototypes(self.tokens(scaling.apply(series))))
        scales = self.decoder.scales(hidden)
        rebuilt, attention = self.graph(self.decoder.joined(scales))
        return Output(scaling.undo(rebuilt), graph_of(attention), self.contrast(scales))


def part_sizes(model: BrainEC) -> dict[str, dict[str, int]]:
    """Trainable and all parameters of each part."""
    found = {
        name: {
            "trainable": sum(p.numel() for p in part.parameters() if p.requires_grad),
            "total": sum(p.numel() for p in part.parameters()),
        }
        for name, part in model.named_children()
    }
    found["all"] = {key: sum(size[key] for size in found.values()) for key in ("trainable", "total")}
    return found
