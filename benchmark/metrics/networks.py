"""Image metrics by frozen networks: two-way identification, and the distance to one's own image.

The published eight are MindEye's and Brain-Diffuser's; which weights a protocol uses, and at which size, is in
`brainbench.benchmark.nn.encoders`. ``lite0-identification`` and ``lite0-distance`` stand in for them where no
published weights are at hand: a network of a package, under a name of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import ExtraMissing, Unavailable
from ..kinds.seen import Stimulus
from ..nn.features import BRAIN_DIFFUSER, MINDEYE, Encoder, features_of, load_encoder
from .identification import (
    COLUMN_WISE,
    ROW_WISE,
    Likeness,
    encoder_likeness,
    standardise,
    streamed_likeness,
    two_way,
)
from .images import Found, ImageMetric, Images, Seen, remembered

PROTOCOL = (MINDEYE, BRAIN_DIFFUSER)


_held: dict[tuple[str, str], Encoder] = {}


def encoder_of(name: str, protocol: str) -> Encoder:
    """The encoder; one is held, and loaded anew when its weights change. Raises `Unavailable`, `ExtraMissing`."""
    fresh = load_encoder(name, protocol=protocol)
    held = _held.get((name, protocol))
    if held is None or held.source() != fresh.source():
        _held.clear()
        held = _held[name, protocol] = fresh
    return held


class NetworkMetric(ImageMetric):
    """A metric of the features of one network.

    Class attributes
    ----------------
    networks
        Protocol -> encoder; ``network`` where both use the same.
    """

    network: ClassVar[str] = ""
    networks: ClassVar[Mapping[str, str]] = {}

    @property
    def encoder_name(self) -> str:
        """The network, and its layer."""
        return self.networks.get(self.protocol, self.network)

    def encoder(self) -> Encoder:
        """The network under this protocol. Raises `Unavailable` where its weights are not to be had."""
        return encoder_of(self.encoder_name, self.protocol)

    def rests_on(self) -> list[str]:
        with suppress(Unavailable, ExtraMissing):
            return [self.encoder().source()]
        return []


class Shares(NamedTuple):
    """Shares (n,) of competitors that each item beats in both directions, and the number of flat vectors."""

    columns: np.ndarray
    rows: np.ndarray
    flat: int


def shares_of(likeness: Likeness) -> Shares:
    """Two-way identification of every item, in both directions."""
    matrix = likeness.matrix
    return Shares(two_way(matrix, COLUMN_WISE), two_way(matrix, ROW_WISE), likeness.flat)


_shares: list[tuple[Any, Any, str, dict[str, Shares]]] = []


class Identification(NetworkMetric):
    """Two-way identification: the share of other images that an item's own beats, strictly, by correlation."""

    chance = 0.5
    choices = {"protocol": PROTOCOL, "direction": (COLUMN_WISE, ROW_WISE)}

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Share (n,) of competitors that are beaten."""
        encoder = self.encoder()

        def make() -> dict[str, Shares]:
            return self.shares(encoder, Seen(truth), Found(prediction, len(truth)))

        key = f"{encoder.source()} {self.protocol}"
        found = remembered(_shares, truth, prediction, key, make)[self.encoder_name]
        self.flat += found.flat
        return found.columns if self.chosen["direction"] == COLUMN_WISE else found.rows

    def shares(self, encoder: Encoder, seen: Images, found: Images) -> dict[str, Shares]:
        """Encoder -> shares; of several encoders where one pass of the network gives them all."""
        return {encoder.name: shares_of(encoder_likeness(encoder, seen, found))}


class AlexNetIdentification(Identification):
    """Two-way identification by a layer of AlexNet; both layers come from one pass, in blocks."""

    layers: ClassVar[tuple[str, ...]] = ("alexnet-2", "alexnet-5")

    def shares(self, encoder: Encoder, seen: Images, found: Images) -> dict[str, Shares]:
        network: Any = encoder
        likeness = streamed_likeness(lambda images: network.layers(images, self.layers), seen, found)
        return dict(zip(self.layers, map(shares_of, likeness), strict=True))


class AlexNet2(AlexNetIdentification):
    """Two-way identification after the ReLU of conv2, before pooling (torchvision's IMAGENET1K_V1)."""

    name = network = "alexnet-2"
    title = "AlexNet(2)"


class AlexNet5(AlexNetIdentification):
    """Two-way identification after the ReLU of conv5, before pooling (torchvision's IMAGENET1K_V1)."""

    name = network = "alexnet-5"
    title = "AlexNet(5)"


class Inception(Identification):
    """Two-way identification by Inception-v3's pooled features."""

    name = "inception"
    title = "Inception"
    network = "inception-v3"


class CLIP(Identification):
    """Two-way identification by the projected image embedding of OpenAI's ViT-L/14."""

    name = "clip"
    title = "CLIP"
    network = "clip-vit-l-14"


class Lite0Identification(Identification):
    """Two-way identification by EfficientNet-Lite0's pooled features; not a published metric."""

    name = "lite0-identification"
    title = "Lite0 identification"
    network = "efficientnet-lite0"


class Distance(NetworkMetric):
    """One minus the correlation of the features of what was seen and what was predicted; 1 where either is flat."""

    higher_is_better = False

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Distance of each pair."""
        encoder = self.encoder()
        seen = standardise(features_of(encoder, Seen(truth)))
        found = standardise(features_of(encoder, Found(prediction, len(truth))))
        self.flat += int((~seen.any(axis=1)).sum() + (~found.any(axis=1)).sum())
        distance: np.ndarray = 1 - np.einsum("nd,nd->n", seen, found, dtype=np.float64)
        return distance


class EffNetB(Distance):
    """Distance of EfficientNet-B1's pooled features: IMAGENET1K_V2, of Brain-Diffuser V1. Lower is better."""

    name = "effnet-b"
    title = "EffNet-B"
    networks = {MINDEYE: "efficientnet-b1-v2", BRAIN_DIFFUSER: "efficientnet-b1-v1"}


class SwAV(Distance):
    """Distance of the pooled features of SwAV's ResNet-50. Lower is better."""

    name = "swav"
    title = "SwAV"
    network = "swav-resnet50"


class Lite0Distance(Distance):
    """Distance of EfficientNet-Lite0's pooled features; not a published metric. Lower is better."""

    name = "lite0-distance"
    title = "Lite0 distance"
    network = "efficientnet-lite0"
