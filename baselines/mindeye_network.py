"""MindEye's two networks: voxels -> image features with a contrastive branch, and voxels -> latents."""

from __future__ import annotations

from torch import Tensor, nn

from .contrastive import projector, reader, residual_mlp


class HighLevel(nn.Module):
    """Reader, residual blocks, a linear layer to the features, and a projector for the contrastive loss.

    Features have ``tokens`` tokens of ``width``; pooled features are one token. The projector works token by
    token. As published: hidden 4096, 4 blocks, 257 tokens of 768, projector 2048.
    """

    def __init__(self, voxels: int, tokens: int, width: int, hidden: int, blocks: int, projected: int) -> None:
        super().__init__()
        self.tokens, self.width = tokens, width
        self.read = reader(voxels, hidden)
        self.body = residual_mlp(hidden, blocks)
        self.out = nn.Linear(hidden, tokens * width)
        self.project = projector(width, projected)

    def forward(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """Voxels (batch, voxels) -> features and contrastive features, (batch, tokens * width) both."""
        features = self.out(self.body(self.read(voxels)))
        contrastive = self.project(features.view(-1, self.tokens, self.width)).flatten(1)
        return features, contrastive


class LowLevel(nn.Module):
    """Reader, residual blocks and a linear layer to the latents of a blurry image."""

    def __init__(self, voxels: int, latents: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.read = reader(voxels, hidden)
        self.body = residual_mlp(hidden, blocks)
        self.out = nn.Linear(hidden, latents)

    def forward(self, voxels: Tensor) -> Tensor:
        """Voxels (batch, voxels) -> latents (batch, latents)."""
        out: Tensor = self.out(self.body(self.read(voxels)))
        return out
