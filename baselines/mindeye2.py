"""MindEye2 (Scotti et al., ICML 2024): a linear layer for each brain into one space, a backbone for all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Train
from ..benchmark.errors import BadOption
from .brain_rows import Lesson, Standard
from .vision_network import Decoded, Goals, Pupils, VisionNetwork, positive, shares

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .mindeye2_network import SharedNetwork

FEWEST = 2


@dataclass
class MindEye2(VisionNetwork):
    """Pretrained on all other brains, then fine-tuned on the brain that is tested.

    Attributes
    ----------
    hidden, blocks, projected
        Width of the shared space, mixer blocks, and width of the retrieval projector: 4096, 4 and 1664 as published.
    transfer
        Pretrain on the other brains and fine-tune on each in turn. Where false, one model learns from all at once.
    train_fraction
        Share of the images of a tested brain that are used: 1/40 stands for one session of NSD. The other brains
        keep all of theirs where ``transfer`` is on.
    mixing
        Share of training with BiMixCo.
    features_weight, latents_weight
        Of the squared error of the features (that of the prior is 30), and of the blurry image's latents (0.5).
    mixed_temperature, first_temperature, last_temperature
        Of BiMixCo, and of SoftCLIP when it begins and at the end: 0.006, 0.004 and 0.0075 as published, for features
        of hundreds of tokens.
    strength
        Share of the picture's latents that are those of the training image that is found: the published share of
        the refined image beside the blurry one.
    """

    hidden: int = 256
    blocks: int = 2
    projected: int = 256
    transfer: bool = True
    train_fraction: float = 1.0
    mixing: float = 1 / 3
    features_weight: float = 3.0
    latents_weight: float = 0.5
    mixed_temperature: float = 0.1
    first_temperature: float = 0.1
    last_temperature: float = 0.1
    strength: float = 0.75

    card: ClassVar[Card] = Card(
        title="MindEye2",
        summary="A linear layer for each brain into a shared space, a shared backbone with heads for features, "
        "retrieval and a blurry image; pretrained on the other brains, then fine-tuned (BiMixCo, then SoftCLIP).",
        paper="Scotti et al., ICML 2024; layers as in MedARC-AI/MindEyeV2",
        parameters="voxels x hidden for each brain, and the shared part",
        notes="Squared error stands in the place of the diffusion prior; the picture mixes decoded and found "
        "latents. Image features are pooled. The mixer's sequence has length 1, as published. With one brain alone, "
        "and with transfer=false, nothing is pretrained. train_fraction=0.025 is the protocol of one session. "
        "Preset small has softer temperatures and less weight on the squared error.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {
            "hidden": 4096, "blocks": 4, "projected": 1664, "epochs": 150, "batch": 42, "rate": 3e-4,
            "mixing": 0.33, "trials": True, "features_weight": 30.0, "mixed_temperature": 0.006,
            "first_temperature": 0.004, "last_temperature": 0.0075,
            "features": "clip-vit-l-14",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "hidden", "projected", "mixed_temperature", "first_temperature", "last_temperature")
        shares(self, "mixing", "strength")
        if not 0 < self.train_fraction <= 1:
            raise BadOption(f"train_fraction={self.train_fraction} is no share", "give a number above 0, 1 at most")

    def learn(self, train: Train, goals: Goals, context: Context) -> None:
        """One network for each brain with transfer, else one for all."""
        found = {lesson.brain: lesson for lesson in self.taught(train)}
        few = {brain: some_images(lesson, self.train_fraction, context.seed) for brain, lesson in found.items()}
        self._standards = {brain: lesson.standard for brain, lesson in few.items()}
        self._networks: dict[str, SharedNetwork] = {}
        if not self.transfer or len(found) == 1:
            network = self._network(few, goals, context)
            self._train("all brains", network, few, goals, context)
            self._networks = dict.fromkeys(few, network)
            return
        for brain, lesson in few.items():
            others = {name: other for name, other in found.items() if name != brain}
            network = self._network(found, goals, context)
            self._train(f"without {brain}", network, others, goals, context)
            self._train(brain, network, {brain: lesson}, goals, context)
            self._networks[brain] = network

    def _network(self, found: Mapping[str, Lesson], goals: Goals, context: Context) -> SharedNetwork:
        from .mindeye2_network import SharedNetwork

        voxels = {brain: lesson.responses.shape[1] for brain, lesson in found.items()}
        latents = 0 if goals.latents is None else goals.latents.width
        sizes = (latents, self.hidden, self.blocks, self.projected)
        return SharedNetwork(voxels, 1, goals.features.width, *sizes).to(context.device)

    def _train(
        self, name: str, network: SharedNetwork, found: Mapping[str, Lesson], goals: Goals, context: Context
    ) -> None:
        """Train on these brains; the contrastive loss is over all rows of a batch."""
        import torch
        from torch.nn.functional import l1_loss, mse_loss

        from .contrastive import Contrast, joined, mixed_targets

        pupils = Pupils(found, context.device)
        contrast = Contrast(self.mixing, self.mixed_temperature, (self.first_temperature, self.last_temperature))

        def loss(rows: np.ndarray) -> Tensor:
            shared, parts, seen = [], [], []
            for brain, responses, images in pupils.of(rows):
                parts.append(contrast.prepare(responses))
                shared.append(network.embed(parts[-1].voxels, brain))
                seen.append(images)
            mixed, images = joined(parts), np.concatenate(seen)
            wanted = goals.features.values[images]
            heads = network(torch.cat(shared))
            total = contrast.loss(heads.retrieval, wanted, mixed)
            total = total + self.features_weight * mse_loss(heads.features, mixed_targets(wanted, mixed))
            if goals.latents is None or heads.latents is None:
                return total
            blurry = mixed_targets(goals.latents.values[images], mixed)
            return total + self.latents_weight * l1_loss(heads.latents, blurry)

        self.optimise(name, network, loss, pupils.rows, context, contrast.moved)

    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """The retrieval head's features, and the latents."""
        network = self._networks[brain]
        heads = network(network.embed(responses, brain))
        return Decoded(heads.retrieval, heads.latents)

    def picture(self, features: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """See `VisionNetwork.retrieved`."""
        return self.retrieved(features, latents, self.strength)

    def networks(self) -> list[nn.Module]:
        """One a tested brain, or the one of all."""
        return list({id(network): network for network in self._networks.values()}.values())


def some_images(lesson: Lesson, share: float, seed: int) -> Lesson:
    """The rows of a random share of a brain's images, two images or more, standardised on these rows."""
    images = np.unique(lesson.images)
    count = min(max(math.ceil(share * len(images)), FEWEST), len(images))
    if count == len(images):
        return lesson
    chosen = np.random.default_rng(seed).choice(images, count, replace=False)
    rows = np.flatnonzero(np.isin(lesson.images, chosen))
    raw = lesson.responses[rows] * lesson.standard.scale + lesson.standard.mean
    standard = Standard.of(raw)
    return Lesson(lesson.brain, standard(raw), lesson.images[rows], standard)
