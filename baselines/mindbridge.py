"""MindBridge (Wang et al., CVPR 2024): one model for all brains, bridged by cycles through one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Train
from .decoding import Library
from .ridge_baseline import DECODED
from .vision_network import Decoded, Goals, Pupils, Target, VisionNetwork, caption_vectors, positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .mindbridge_network import Bridge


@dataclass
class MindBridge(VisionNetwork):
    """Brains max-pooled to one size, an embedder and a builder for each, one translator.

    Attributes
    ----------
    pooled, hidden, blocks, rank
        Size that brains are pooled to, width and residual blocks of the translator, rank of the adapters:
        8192, 2048, 4 and 128 as published.
    error_weight
        Weight of the squared errors of image and text features: 10,000 as published, on features whose
        variance is about 1/5000 of what it is here.
    temperature
        Of SoftCLIP.
    """

    pooled: int = 512
    hidden: int = 128
    blocks: int = 2
    rank: int = 32
    error_weight: float = 2.0
    temperature: float = 0.125
    epochs: int = 40

    supports: ClassVar[tuple[str, ...]] = (*DECODED, "localisation")
    card: ClassVar[Card] = Card(
        title="MindBridge",
        summary="One model for all brains: responses are max-pooled to one size, embedded by brain, and translated "
        "to image and text features; SoftCLIP, squared error, reconstruction of responses and cycles through other "
        "brains.",
        paper="Wang et al., CVPR 2024; layers as in littlepure2333/MindBridge",
        parameters="about 2 x pooled x (hidden + 2 x rank) for each brain, and the shared part",
        notes="Pooling goes over stretches of the voxel vector, whose order is arbitrary. The picture is decoded by "
        "a ridge from decoded features to latents, in the place of Versatile Diffusion. Image features are pooled; "
        "text features are word counts of the captions in a few dimensions.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {
            "pooled": 8192, "hidden": 2048, "blocks": 4, "rank": 128, "epochs": 600, "batch": 50, "rate": 1.5e-4,
            "trials": True, "features": "clip-vit-l-14",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "pooled", "hidden", "rank", "temperature")

    def goals(self, library: Library, context: Context) -> Goals:
        """Image features, caption features, and latents where a picture is asked for."""
        goals = super().goals(library, context)
        goals.texts = Target.of(caption_vectors(library), context.device)
        return goals

    def learn(self, train: Train, goals: Goals, context: Context) -> None:
        """One network for all brains."""
        from .mindbridge_network import Bridge, pool

        assert goals.texts is not None
        images, texts = goals.features.values, goals.texts.values
        pupils = Pupils({lesson.brain: lesson for lesson in self.taught(train)}, context.device)
        pupils.responses = {brain: pool(matrix, self.pooled) for brain, matrix in pupils.responses.items()}
        network = Bridge(
            pupils.brains, self.pooled, self.hidden, self.blocks, self.rank, images.shape[1], texts.shape[1]
        ).to(context.device)  # fmt: skip
        rng = np.random.default_rng(context.seed)

        def loss(rows: np.ndarray) -> Tensor:
            return self._loss(network, pupils, rows, images, texts, rng)

        self.optimise("all brains", network, loss, pupils.rows, context)
        self._network: Bridge = network

    def _loss(
        self, network: Bridge, pupils: Pupils, rows: np.ndarray, images: Tensor, texts: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """The four losses: of features (two heads), of rebuilt responses, and of cycles."""
        import torch
        from torch.nn.functional import mse_loss

        from .contrastive import soft_clip

        shared, seen, own = [], [], torch.zeros((), device=images.device)
        for brain, pooled, places in pupils.of(rows):
            shared.append(network.embed(pooled, brain))
            seen.append(places)
            own = own + mse_loss(network.build(shared[-1], brain), pooled) * (len(places) / len(rows))
            others = [name for name in pupils.brains if name != brain]
            if others:
                other = others[int(rng.integers(len(others)))]
                own = own + network.cycle(shared[-1], other) * (len(places) / len(rows))
        wanted = np.concatenate(seen)
        total = own
        for found, goal in zip(network.translate(torch.cat(shared)), (images, texts), strict=True):
            total = total + soft_clip(found, goal[wanted], self.temperature)
            total = total + self.error_weight * mse_loss(found, goal[wanted])
        return total

    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """The image head's features."""
        from .mindbridge_network import pool

        shared = self._network.embed(pool(responses, self.pooled), brain)
        return Decoded(self._network.translate(shared)[0])

    def networks(self) -> list[nn.Module]:
        """The one of all brains."""
        return [self._network]
