"""LPIPS: perceptual distance of image patches (Zhang et al., CVPR 2018, version 0.1 of their weights).

The linear layers are those of the package `lpips`; the backbone's weights are torchvision's, by name.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import ExtraMissing, Unavailable, needing
from ..kinds.seen import Stimulus
from ..nn.features import BATCH, BRAIN_DIFFUSER, MINDEYE
from .images import ImageMetric, Images, pairs

BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1.1"}


class LPIPS(ImageMetric):
    """Learned perceptual distance; lower is better.

    At 256 x 256 under MindEye's protocol and 224 x 224 under Brain-Diffuser's, neither of which reports it. The
    backbone is AlexNet, or ``lpips:vgg`` and ``lpips:squeeze``.
    """

    name = "lpips"
    title = "LPIPS"
    higher_is_better = False
    choices = {"protocol": (MINDEYE, BRAIN_DIFFUSER), "network": tuple(BACKBONES)}

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Distance of each pair. Raises `Unavailable` where the backbone's weights are not to be had."""
        with needing("vision", "torch", "torchvision", "lpips", "PIL"):
            import torch
        network = _network(self.chosen["network"], _source(self.chosen["network"]))
        out = np.empty(len(truth))
        batch: list[tuple[Any, Any]] = []
        for row, pair in enumerate(pairs(truth, prediction)):
            batch.append((_tensor(pair[0], self.protocol), _tensor(pair[1], self.protocol)))
            if len(batch) == BATCH or row + 1 == len(truth):
                seen, found = (torch.cat(side) * 2 - 1 for side in zip(*batch, strict=True))
                with torch.no_grad():
                    out[row + 1 - len(batch) : row + 1] = network(seen, found).flatten().numpy()
                batch.clear()
        return out

    def rests_on(self) -> list[str]:
        with suppress(Unavailable, ExtraMissing):
            return [f"lpips 0.1, {_source(self.chosen['network'])}"]
        return []


def _source(backbone: str) -> str:
    with needing("vision", "torch", "torchvision", "timm", "PIL"):
        from ..nn.encoders import source_of
    return source_of(BACKBONES[backbone])


def _tensor(image: np.ndarray, protocol: str) -> Any:
    """(1, 3, side, side) in 0..1."""
    import torch
    from PIL import Image

    from ..nn.encoders import DIFFUSER_SIDE
    from ..nn.resizing import mindeye_resize, pil_resize

    if protocol == MINDEYE:
        return mindeye_resize(image)
    small = pil_resize(image, DIFFUSER_SIDE, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255


_held: dict[tuple[str, str], Any] = {}


def _network(backbone: str, source: str) -> Any:
    """The distance as a module; one is held, and loaded anew when the weights of ``source`` change."""
    if (backbone, source) not in _held:
        _held.clear()
        _held[backbone, source] = _load(backbone)
    return _held[backbone, source]


def _load(backbone: str) -> Any:
    import lpips

    from ..nn.encoders import read_weights
    from ..weights import find

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision by a name that is going away
        module = lpips.LPIPS(net=backbone, version="0.1", pnet_rand=True, verbose=False)
    weights = read_weights(BACKBONES[backbone], find(BACKBONES[backbone]))
    state = {name: weights[re.sub(r"^slice\d+\.", "features.", name)] for name in module.net.state_dict()}
    module.net.load_state_dict(state)
    return module.eval().requires_grad_(False)
