"""MindBridge's network: brains pooled to one size, an embedder and a builder a brain, one translator for all."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .contrastive import Residual, reader, residual_mlp


def adapter(width: int, rank: int) -> Residual:
    """A residual bottleneck of ``rank`` units."""
    return Residual(nn.Linear(width, rank), nn.ReLU(), nn.Linear(rank, width))


def pool(voxels: Tensor, size: int) -> Tensor:
    """The largest response in each of ``size`` stretches of the voxel vector: (batch, voxels) -> (batch, size).

    Stretches follow the order in which voxels stand in the vector, so neighbours in it need not be
    neighbours in the brain. Where there are fewer voxels than stretches, voxels stand in several.
    """
    return F.adaptive_max_pool1d(voxels[:, None], size)[:, 0]


class Bridge(nn.Module):
    """Embedder and builder of each brain, and a translator with heads for image and text features.

    As published: pooled size 8192, hidden 2048, 4 blocks, adapters of rank 128, heads of 257 x 768 and 77 x 768.
    """

    def __init__(
        self, brains: Sequence[str], size: int, hidden: int, blocks: int, rank: int, image: int, text: int
    ) -> None:
        super().__init__()
        self.size = size
        self.embedders = nn.ModuleDict({brain: self._embedder(size, hidden, rank) for brain in brains})
        self.builders = nn.ModuleDict({brain: self._builder(size, hidden, rank) for brain in brains})
        self.translator = residual_mlp(hidden, blocks)
        self.image = nn.Linear(hidden, image)
        self.text = nn.Linear(hidden, text)

    @staticmethod
    def _embedder(size: int, hidden: int, rank: int) -> nn.Module:
        return nn.Sequential(adapter(size, rank), *reader(size, hidden))

    @staticmethod
    def _builder(size: int, hidden: int, rank: int) -> nn.Module:
        return nn.Sequential(nn.Linear(hidden, size), nn.LayerNorm(size), nn.GELU(), adapter(size, rank))

    def embed(self, pooled: Tensor, brain: str) -> Tensor:
        """Pooled responses (batch, size) of a brain in the shared space (batch, hidden)."""
        out: Tensor = self.embedders[brain](pooled)
        return out

    def build(self, shared: Tensor, brain: str) -> Tensor:
        """Pooled responses (batch, size) that a brain would give for shared embeddings (batch, hidden)."""
        out: Tensor = self.builders[brain](shared)
        return out

    def translate(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Image and text features of shared embeddings (batch, hidden)."""
        hidden = self.translator(shared)
        return self.image(hidden), self.text(hidden)

    def cycle(self, shared: Tensor, other: str) -> Tensor:
        """Squared distance between embeddings and those of the responses built from them for another brain."""
        return F.mse_loss(self.embed(self.build(shared, other), other), shared)
