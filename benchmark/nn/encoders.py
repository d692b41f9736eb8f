"""Frozen image networks: how each is built, what is read from it, and how an image is brought to its size.

Three protocols (MindEye: MedARC-AI/MindEyeV2, src/final_evaluations.ipynb; Brain-Diffuser: ozcelikfu/brain-diffuser,
scripts/eval_extract_features.py):

own
    8-bit resize to the network's size with its own filter.
mindeye
    Floats, first to 256 x 256, then to the size that MindEye gives this network; bilinear without antialiasing.
brain-diffuser
    8-bit bilinear resize to 224 x 224 for every network, antialiased as Pillow does.

No protocol crops. Images are square where metrics ask; others are squeezed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import BadData
from ..weights import digest, entry_of, find, published_hash
from .features import BRAIN_DIFFUSER, MINDEYE, Encoder, as_rgb
from .resizing import bilinear, mindeye_resize, pil_resize
from .weights import fill, load_weights

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
LITE = (127 / 255,) * 3, (128 / 255,) * 3

DIFFUSER_SIDE = 224


@dataclass(frozen=True)
class Network:
    """How a network is built from a state dict, and what it reads.

    Attributes
    ----------
    build
        Makes the module without weights; its forward gives the features.
    rename
        Turns the keys of a published file into the module's.
    head
        Its last layer, which is left out: features are what it gets.
    ignore
        Pattern of other keys of a published file that the features do not need.
    side, mindeye
        Side of the input in pixels: its own, and MindEye's.
    colours
        Mean and standard deviation of the channels.
    own_filter
        Filter of its own resize.
    """

    build: Callable[[], nn.Module]
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict
    head: str = ""
    ignore: str = ""
    side: int = 224
    mindeye: int = 224
    colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    own_filter: Image.Resampling = Image.Resampling.BILINEAR


def _torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision import models

        made: nn.Module = getattr(models, name)(**options)
        return made

    return build


def _lite0() -> nn.Module:
    import timm

    made: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    return made


def _clip(model: str) -> nn.Module:
    import logging

    import open_clip

    logging.disable(logging.WARNING)  # it warns that there are no weights: they come next
    try:
        made: nn.Module = open_clip.create_model(model, pretrained=None, force_quick_gelu=True)
    finally:
        logging.disable(logging.NOTSET)
    return made


def _tiny(half: str) -> nn.Module:
    from . import tiny_autoencoder

    made: nn.Module = getattr(tiny_autoencoder, half)()
    return made


def _in_order(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file names its layers otherwise, but holds them in the order in which the network is built."""
    with torch.device("meta"):
        names = list(_lite0().state_dict())
    return dict(zip(names, state.values(), strict=True)) if len(names) == len(state) else dict(state)


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without the wrappers of a checkpoint: ``state_dict.``, ``model.``, ``module.``."""
    return {re.sub(r"^(?:(?:state_dict|model|module)\.)+", "", name): value for name, value in state.items()}


_BICUBIC = Image.Resampling.BICUBIC

_OPENAI = "input_resolution$|context_length$|vocab_size$"
"""Settings that OpenAI's own files hold beside the weights."""

NETWORKS: dict[str, Network] = {
    "alexnet": Network(_torchvision("alexnet"), head="classifier", mindeye=256),
    # Its weights were trained on inputs in (-1, 1): torchvision sets transform_input where it loads them.
    "inception-v3": Network(
        _torchvision("inception_v3", transform_input=True, init_weights=False), head="fc", side=299, mindeye=342
    ),
    "efficientnet-b1-v1": Network(_torchvision("efficientnet_b1"), head="classifier", side=240, mindeye=255),
    "efficientnet-b1-v2": Network(_torchvision("efficientnet_b1"), head="classifier", side=240, mindeye=255),
    "swav-resnet50": Network(
        _torchvision("resnet50"), _without_prefix, head="fc", ignore=r"projection_head\.|prototypes\."
    ),
    "clip-vit-l-14": Network(
        lambda: _clip("ViT-L-14"), _without_prefix, ignore=_OPENAI, colours=CLIP, own_filter=_BICUBIC
    ),
    "clip-vit-b-32": Network(
        lambda: _clip("ViT-B-32"), _without_prefix, ignore=_OPENAI, colours=CLIP, own_filter=_BICUBIC
    ),
    "efficientnet-lite0": Network(_lite0, _in_order, head="classifier", colours=LITE, own_filter=_BICUBIC),
    "vgg16": Network(_torchvision("vgg16"), head="classifier"),
    "squeezenet1.1": Network(_torchvision("squeezenet1_1"), head="classifier"),
    "taef2-encoder": Network(lambda: _tiny("encoder")),
    "taef2-decoder": Network(lambda: _tiny("decoder")),
}

LAYERS = {"alexnet-2": 5, "alexnet-5": 12}
"""How many modules of AlexNet's convolutional part run: up to the ReLU after conv2 and after conv5, before pooling."""

DIMS = {
    "alexnet-2": 192 * 31 * 31,
    "alexnet-5": 256 * 15 * 15,
    "inception-v3": 2048,
    "clip-vit-l-14": 768,
    "clip-vit-b-32": 512,
    "efficientnet-b1-v1": 1280,
    "efficientnet-b1-v2": 1280,
    "swav-resnet50": 2048,
    "efficientnet-lite0": 1280,
}
"""Length of a feature vector; of AlexNet at an input of 256 pixels."""

DIMS_224 = {"alexnet-2": 192 * 27 * 27, "alexnet-5": 256 * 13 * 13}


def _module(name: str) -> nn.Module:
    """The network without its head; its values are not yet those of any file."""
    made = NETWORKS[name].build()
    if NETWORKS[name].head:
        setattr(made, NETWORKS[name].head, nn.Identity())
    return made


def read_weights(name: str, path: Path) -> dict[str, Tensor]:
    """A file of weights with the keys of the network ``name``, without those of its head. Raises `BadData`."""
    network = NETWORKS[name]
    state = network.rename(load_weights(path)[0])
    patterns = [network.ignore] * bool(network.ignore) + [rf"{network.head}\."] * bool(network.head)
    ignored = re.compile("|".join(patterns) or r"(?!)")
    return {key: value for key, value in state.items() if not ignored.match(key)}


def check_weights(name: str, path: Path) -> None:
    """Raise `BadData` where a file does not hold the keys and shapes of the network ``name``."""
    state = {key: torch.empty_like(value, device="meta") for key, value in read_weights(name, path).items()}
    with torch.device("meta"):
        network = _module(name)
    _fill(network, state, name, path)


def _fill(network: nn.Module, state: Mapping[str, Tensor], name: str, path: Path) -> None:
    own = network.state_dict()
    # Buffers that a file of another version lacks count steps of training alone.
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked") and key not in state}
    try:
        fill(network, {**state, **counters}, path)
    except BadData as error:
        raise BadData(error.message, f"these are to be the weights {name!r}; see `brainbench weights list`") from None


def load_network(name: str, device: str = "cpu") -> nn.Module:
    """The network with its weights, in evaluation mode and without gradients. Raises `Unavailable`, `BadData`."""
    path = find(name)
    network = _module(name)
    _fill(network, read_weights(name, path), name, path)
    return network.to(torch.device(device)).eval().requires_grad_(False)


def source_of(name: str) -> str:
    """The weights of a name with the start of their hash, and whether they are others than those published."""
    found = digest(find(name))
    start = published_hash(entry_of(name))
    return f"{name} (sha256 {found[:12]}{'' if found.startswith(start) else ', not the published file'})"


class NetworkEncoder(Encoder):
    """A frozen network as an encoder.

    Parameters
    ----------
    name
        One of `features.NETWORKS`.
    device
        Torch device.
    protocol
        See the module.
    """

    def __init__(self, name: str, device: str = "cpu", protocol: str = "own") -> None:
        self.name, self.protocol = name, protocol
        self.weights = "alexnet" if name in LAYERS else name
        self.dim = DIMS[name] if protocol == MINDEYE else DIMS_224.get(name, DIMS[name])
        self._device = torch.device(device)
        self._settings = NETWORKS[self.weights]
        self._tokenise: Any = None
        self._source = source_of(self.weights)

    @cached_property
    def network(self) -> Any:
        """The module, read when the first image comes: features that are kept need no network."""
        return load_network(self.weights, str(self._device))

    def source(self) -> str:
        """Name of the weights and the start of their hash."""
        return self._source

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if not len(images):
            return np.empty((0, self.dim), np.float32)
        return self.layers(images, (self.name,))[0]

    def layers(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
        """Features (n, dim) of several layers of one network, from one pass."""
        batch = self.prepare(images)
        with torch.no_grad():
            found = [self._forward(batch)] if self.weights != "alexnet" else self._alexnet(batch, names)
        return [value.flatten(1).float().cpu().numpy() for value in found]

    def prepare(self, images: Sequence[np.ndarray]) -> Tensor:
        """The input of the network (n, 3, side, side). Raises `BadData` for other than (h, w, 3) uint8."""
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in self._settings.colours)
        batch = torch.cat([self._resize(as_rgb(image)) for image in images])
        return ((batch - mean) / deviation).to(self._device)

    def _resize(self, image: np.ndarray) -> Tensor:
        if self.protocol == MINDEYE:
            return bilinear(mindeye_resize(image), self._settings.mindeye)
        if self.protocol == BRAIN_DIFFUSER:
            small = pil_resize(image, DIFFUSER_SIDE, Image.Resampling.BILINEAR)
        else:
            small = pil_resize(image, self._settings.side, self._settings.own_filter)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255

    def _forward(self, batch: Tensor) -> Tensor:
        clip = self.weights.startswith("clip")
        found: Tensor = self.network.encode_image(batch) if clip else self.network(batch)
        return found

    def _alexnet(self, batch: Tensor, names: Sequence[str]) -> list[Tensor]:
        found, done = {}, 0
        for name in sorted(LAYERS, key=LAYERS.__getitem__):
            if done < max(LAYERS[wanted] for wanted in names):
                batch = self.network.features[done : LAYERS[name]](batch)
                found[name], done = batch, LAYERS[name]
        return [found[name] for name in names]

    def text(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (n, dim) float32 of texts, where the network is a CLIP. Raises `BadData` elsewhere."""
        if not self.weights.startswith("clip"):
            raise BadData(f"the encoder {self.name!r} reads no texts", "use clip-vit-l-14 or clip-vit-b-32")
        import open_clip

        if self._tokenise is None:
            self._tokenise = open_clip.get_tokenizer("ViT-L-14" if self.dim == 768 else "ViT-B-32")
        out = np.empty((len(texts), self.dim), np.float32)
        with torch.no_grad():
            for start in range(0, len(texts), 64):
                rows = slice(start, start + 64)
                tokens = self._tokenise(list(texts[rows])).to(self._device)
                out[rows] = self.network.encode_text(tokens).float().cpu().numpy()
        return out
