"""Mind-Reader (Lin et al., NeurIPS 2022): an MLP to image and caption features, trained by contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .brain_rows import Lesson
from .decoding import Library
from .vision_network import BrainNetworks, Decoded, Goals, Target, caption_vectors, positive

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class MindReader(BrainNetworks):
    """InfoNCE to image features and to caption features, one model for each brain.

    Attributes
    ----------
    hidden, blocks
        Width and residual blocks of the MLP.
    temperature
        Of InfoNCE.
    """

    hidden: int = 256
    blocks: int = 2
    temperature: float = 0.1

    card: ClassVar[Card] = Card(
        title="Mind-Reader",
        summary="A residual MLP to image and caption features, trained by InfoNCE, one model for each brain.",
        paper="Lin et al., NeurIPS 2022",
        parameters="voxels x hidden, and the layers above",
        notes="From the abstract; sizes are our own. The picture is decoded by a ridge from the direction of the "
        "decoded features to latents, in the place of a conditional StyleGAN2. Image features are pooled; text "
        "features are word counts of the captions in a few dimensions.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {
            "hidden": 2048, "blocks": 4, "epochs": 120, "rate": 3e-4, "trials": True, "features": "clip-vit-b-32",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "hidden", "temperature")

    def goals(self, library: Library, context: Context) -> Goals:
        """Image features, caption features, and latents where a picture is asked for."""
        goals = super().goals(library, context)
        goals.texts = Target.of(caption_vectors(library), context.device)
        return goals

    def learn_brain(self, lesson: Lesson, view: Any, goals: Goals, context: Context) -> nn.Module:
        """The network of a brain."""
        import torch

        from .contrastive import TwoHeads, info_nce

        assert goals.texts is not None
        pictures, texts = goals.features.values, goals.texts.values
        responses = torch.as_tensor(lesson.responses).to(context.device)
        network = TwoHeads(responses.shape[1], self.hidden, self.blocks, pictures.shape[1], texts.shape[1])
        network.to(context.device)

        def loss(rows: np.ndarray) -> Tensor:
            seen, (image, text) = lesson.images[rows], network(responses[rows])
            return (
                info_nce(image, pictures[seen], self.temperature) + info_nce(text, texts[seen], self.temperature)
            ) / 2

        self.optimise(lesson.brain, network, loss, np.arange(len(responses)), context)
        return network

    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """The image head's features, brought to the length that features have on average: InfoNCE teaches none."""
        from .contrastive import unit

        features, _ = self._networks[brain](responses)
        return Decoded(unit(features) * self._goals.features.values.norm(dim=1).mean())
