"""UMBRAE (Xia et al., ECCV 2024): a tokenizer for each brain and a Perceiver for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Train
from .ridge_baseline import DECODED
from .vision_network import Decoded, Goals, Pupils, VisionNetwork, positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .umbrae_network import BrainX


@dataclass
class Umbrae(VisionNetwork):
    """Squared error of image features, which are read without further alignment.

    Attributes
    ----------
    tokens, width, layers, heads, head_width
        Of tokenizer and Perceiver: 256, 1024, 6, 16 and 96 as published.
    """

    tokens: int = 8
    width: int = 64
    layers: int = 2
    heads: int = 4
    head_width: int = 16

    supports: ClassVar[tuple[str, ...]] = (*DECODED, "localisation")
    card: ClassVar[Card] = Card(
        title="UMBRAE",
        summary="A tokenizer for each brain and one Perceiver for all predict image features by squared error.",
        paper="Xia et al., ECCV 2024; layers as in weihaox/UMBRAE",
        parameters="(voxels + 1) x width + 2 x tokens for each brain, and the Perceiver",
        notes="The tokenizer makes affine copies of one vector, as published. The last epoch is kept, and nothing "
        "is chosen on test images: the published checkpoint was chosen on the test set of one brain. All brains are "
        "trained in each epoch, where the reference draws two. Captions, answers and boxes are those of the "
        "training image with the nearest features, in the place of Shikra-7B; the picture is decoded by a ridge "
        "from decoded features to latents. Image features are pooled, and read from the mean token.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {
            "tokens": 256, "width": 1024, "layers": 6, "heads": 16, "head_width": 96, "epochs": 300, "batch": 128,
            "rate": 3e-4, "trials": True, "features": "clip-vit-l-14",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "tokens", "width", "layers", "heads", "head_width")

    def learn(self, train: Train, goals: Goals, context: Context) -> None:
        """One network for all brains."""
        import torch
        from torch.nn.functional import mse_loss

        from .umbrae_network import BrainX

        pupils = Pupils({lesson.brain: lesson for lesson in self.taught(train)}, context.device)
        network = BrainX(
            pupils.voxels, self.tokens, self.width, self.layers, self.heads, self.head_width, goals.features.width
        ).to(context.device)  # fmt: skip

        def loss(rows: np.ndarray) -> Tensor:
            total = torch.zeros((), device=context.device)
            for brain, responses, images in pupils.of(rows):
                error = mse_loss(network(responses, brain), goals.features.values[images])
                total = total + error * (len(images) / len(rows))
            return total

        self.optimise("all brains", network, loss, pupils.rows, context)
        self._network: BrainX = network

    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """The features."""
        return Decoded(self._network(responses, brain))

    def networks(self) -> list[nn.Module]:
        """The one of all brains."""
        return [self._network]
