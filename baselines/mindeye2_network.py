"""MindEye2's network: a linear layer a brain, one backbone for all, three heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from .contrastive import Residual, projector

DROPOUT = 0.15


class Heads(NamedTuple):
    """Features (batch, tokens * width), the same for retrieval, and latents (batch, latents) where there are any."""

    features: Tensor
    retrieval: Tensor
    latents: Tensor | None


class SharedNetwork(nn.Module):
    """A ridge-like linear layer for each brain, mixer blocks, and heads for features, retrieval and latents.

    As published: hidden 4096, 4 blocks, 256 tokens of 1664, projector 1664. The mixer's sequence has length 1
    there, which leaves its blocks of layer norm and two linear layers.
    """

    def __init__(
        self,
        voxels: Mapping[str, int],
        tokens: int,
        width: int,
        latents: int,
        hidden: int,
        blocks: int,
        projected: int,
    ) -> None:
        super().__init__()
        self.tokens, self.width = tokens, width
        self.read = nn.ModuleDict({brain: nn.Linear(count, hidden) for brain, count in voxels.items()})
        self.body = nn.Sequential(
            *(
                Residual(
                    nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(DROPOUT),
                    nn.Linear(hidden, hidden),
                )
                for _ in range(blocks)
            )
        )  # fmt: skip
        self.out = nn.Linear(hidden, tokens * width)
        self.project = projector(width, projected)
        self.blurry = nn.Linear(hidden, latents) if latents else None

    def embed(self, voxels: Tensor, brain: str) -> Tensor:
        """Voxels (batch, voxels) of one brain in the space (batch, hidden) that all brains share."""
        out: Tensor = self.read[brain](voxels)
        return out

    def forward(self, shared: Tensor) -> Heads:
        """What the three heads say of shared responses (batch, hidden)."""
        hidden = self.body(shared)
        features = self.out(hidden)
        retrieval = self.project(features.view(-1, self.tokens, self.width)).flatten(1)
        return Heads(features, retrieval, None if self.blurry is None else self.blurry(hidden))
