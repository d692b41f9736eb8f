"""Cortex2Image (Gu et al., MIDL 2023): convolution over neighbouring voxels, and a Gaussian over fine detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .brain_rows import Lesson
from .ridge_baseline import DECODED
from .vision_network import BrainNetworks, Decoded, Goals, positive

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class Cortex2Image(BrainNetworks):
    """Graph convolution on the voxels' own grid, one model for each brain.

    Attributes
    ----------
    channels, layers, hidden
        Channels of a voxel, graph convolutions, and width of the layer that reads all voxels.
    latents_weight
        Weight of the Gaussian's negative log likelihood beside the squared error of the features.
    """

    epochs: int = 80
    channels: int = 4
    layers: int = 2
    hidden: int = 128
    latents_weight: float = 1.0

    supports: ClassVar[tuple[str, ...]] = (*DECODED, "localisation")
    card: ClassVar[Card] = Card(
        title="Cortex2Image",
        summary="Graph convolutions over neighbouring voxels predict image features and a Gaussian over image latents.",
        paper="Gu et al., MIDL 2023 (arXiv 2212.02409)",
        parameters="voxels x channels x hidden, and the heads",
        notes="From the abstract; sizes are our own. Neighbours are the 26 of a voxel in its grid, in the place of "
        "a mesh of the cortex; one network has both heads. The picture is decoded from the Gaussian's mean, in the "
        "place of an instance-conditioned GAN.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {
            "channels": 16, "layers": 4, "hidden": 1024, "epochs": 100, "batch": 32, "rate": 3e-4, "trials": True,
            "features": "clip-vit-l-14",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "channels", "layers", "hidden")

    def learn_brain(self, lesson: Lesson, view: Any, goals: Goals, context: Context) -> nn.Module:
        """The network of a brain, on the graph of its voxels."""
        import torch
        from torch.nn.functional import gaussian_nll_loss, mse_loss

        from .cortex2image_network import GraphNetwork, average, neighbours

        space = view.spaces[lesson.brain]
        graph = average(neighbours(space.index, space.shape), len(space.index))
        latents = 0 if goals.latents is None else goals.latents.width
        network = GraphNetwork(graph, self.channels, self.layers, self.hidden, goals.features.width, latents)
        network.to(context.device)
        responses = torch.as_tensor(lesson.responses).to(context.device)

        def loss(rows: np.ndarray) -> Tensor:
            seen, found = lesson.images[rows], network(responses[rows])
            error = mse_loss(found.features, goals.features.values[seen])
            if goals.latents is None or found.mean is None or found.log_variance is None:
                return error
            detail = gaussian_nll_loss(found.mean, goals.latents.values[seen], found.log_variance.exp())
            return error + self.latents_weight * detail

        self.optimise(lesson.brain, network, loss, np.arange(len(responses)), context)
        return network

    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """The features, and the Gaussian's mean."""
        found = self._networks[brain](responses)
        return Decoded(found.features, found.mean)

    def picture(self, features: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """The decoded latents."""
        return latents
