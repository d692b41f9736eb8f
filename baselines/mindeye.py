"""MindEye (Scotti et al., NeurIPS 2023): a residual MLP with a contrastive branch, one model for each brain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .brain_rows import Lesson
from .vision_network import BrainNetworks, Decoded, Goals, positive, shares

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class MindEye(BrainNetworks):
    """BiMixCo, then SoftCLIP, on a projector; squared error in the place of the diffusion prior.

    Attributes
    ----------
    hidden, blocks, projected
        Width and residual blocks of the backbone, and width of the projector: 4096, 4 and 2048 as published.
    mixing
        Share of training with BiMixCo: a third as published.
    features_weight
        Weight of the squared error of the features beside the contrastive loss; that of the prior is 30.
    mixed_temperature, first_temperature, last_temperature
        Of BiMixCo, and of SoftCLIP when it begins and at the end: 0.006, 0.004 and 0.0075 as published, for features
        of hundreds of tokens.
    strength
        Share of the picture's latents that are those of the training image that is found: the published strength
        of image-to-image diffusion. At 0 the picture is the blurry image alone.
    """

    epochs: int = 40
    hidden: int = 256
    blocks: int = 2
    projected: int = 256
    mixing: float = 1 / 3
    features_weight: float = 3.0
    mixed_temperature: float = 0.1
    first_temperature: float = 0.1
    last_temperature: float = 0.1
    strength: float = 0.85

    card: ClassVar[Card] = Card(
        title="MindEye",
        summary="A residual MLP from voxels to image features with a contrastive projector (BiMixCo, then "
        "SoftCLIP), and a second one to the latents of a blurry image; one model for each brain.",
        paper="Scotti et al., NeurIPS 2023; layers as in MedARC-AI/fMRI-reconstruction-NSD",
        parameters="940 million at published sizes and 257 tokens, without the projector; voxels x hidden and more "
        "in general",
        notes="Squared error stands in the place of the diffusion prior, with mixed targets for mixed responses; "
        "the picture mixes decoded and found latents, in the place of diffusion. Captions, answers and boxes are "
        "those of the training image that the projector finds. Image features are pooled. The last epoch is kept, "
        "as in the reference. Preset small has softer temperatures and less weight on the squared error; preset "
        "paper has the published ones, on pooled features.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {
            "hidden": 4096, "blocks": 4, "projected": 2048, "epochs": 240, "batch": 32, "rate": 3e-4, "trials": True,
            "features_weight": 30.0, "mixed_temperature": 0.006, "first_temperature": 0.004, "last_temperature": 0.0075,
            "features": "clip-vit-l-14",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "hidden", "projected", "mixed_temperature", "first_temperature", "last_temperature")
        shares(self, "mixing", "strength")

    def learn_brain(self, lesson: Lesson, view: Any, goals: Goals, context: Context) -> nn.Module:
        """The networks of features and, where a picture is asked for, latents."""
        from torch import nn

        networks = nn.ModuleDict({"high": self._high(lesson, goals, context)})
        if goals.latents is not None:
            networks["low"] = self._low(lesson, goals.latents.values, context)
        return networks

    def _high(self, lesson: Lesson, goals: Goals, context: Context) -> nn.Module:
        import torch
        from torch.nn.functional import mse_loss

        from .contrastive import Contrast, mixed_targets
        from .mindeye_network import HighLevel

        responses = torch.as_tensor(lesson.responses).to(context.device)
        network = HighLevel(
            responses.shape[1], 1, goals.features.width, self.hidden, self.blocks, self.projected
        ).to(context.device)  # fmt: skip
        contrast = Contrast(self.mixing, self.mixed_temperature, (self.first_temperature, self.last_temperature))

        def loss(rows: np.ndarray) -> Tensor:
            mixed = contrast.prepare(responses[rows])
            wanted = goals.features.values[lesson.images[rows]]
            features, projected = network(mixed.voxels)
            error = mse_loss(features, mixed_targets(wanted, mixed))
            return contrast.loss(projected, wanted, mixed) + self.features_weight * error

        self.optimise(f"{lesson.brain} features", network, loss, np.arange(len(responses)), context, contrast.moved)
        return network

    def _low(self, lesson: Lesson, latents: Tensor, context: Context) -> nn.Module:
        import torch
        from torch.nn.functional import l1_loss

        from .mindeye_network import LowLevel

        responses = torch.as_tensor(lesson.responses).to(context.device)
        network = LowLevel(responses.shape[1], latents.shape[1], self.hidden, self.blocks).to(context.device)

        def loss(rows: np.ndarray) -> Tensor:
            return l1_loss(network(responses[rows]), latents[lesson.images[rows]])

        self.optimise(f"{lesson.brain} latents", network, loss, np.arange(len(responses)), context)
        return network

    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """The projector's features, and the latents."""
        networks: Any = self._networks[brain]
        _, projected = networks["high"](responses)
        return Decoded(projected, networks["low"](responses) if "low" in networks else None)

    def picture(self, features: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """See `VisionNetwork.retrieved`."""
        return self.retrieved(features, latents, self.strength)
