"""What image metrics share, and PixCorr: truth a `Stimulus` with its image, prediction square uint8 images.

Two protocols bring images to a common size; ``NAME`` follows MindEye and ``NAME:brain-diffuser`` the other
(MedARC-AI/MindEyeV2, src/final_evaluations.ipynb; ozcelikfu/brain-diffuser, scripts/evaluate_reconstruction.py):

mindeye
    Floats, to 256 x 256 and from there to 425 x 425, bilinear without antialiasing.
brain-diffuser
    8-bit images by Pillow's default resize (bicubic) to 425 x 425.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..contracts import Metric
from ..errors import BadData, BadPrediction, UnknownName, needing
from ..kinds.pictures import wrong
from ..kinds.seen import Stimulus
from ..nn.features import BRAIN_DIFFUSER, MINDEYE
from .counts import KEPT, ItemMetric

SIDE = 425
"""Side in pixels of NSD's images, at which pixels are compared."""

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue in scikit-image's ``rgb2gray``."""

Value = TypeVar("Value")
Images = Sequence[np.ndarray]


class ImageMetric(ItemMetric):
    """A metric of images under a protocol.

    Class attributes
    ----------------
    choices
        What a part may choose, each with its values; the first is the default. ``NAME:VALUE,VALUE``.
    """

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"protocol": (MINDEYE, BRAIN_DIFFUSER)}

    def __init__(self) -> None:
        self.chosen = {key: values[0] for key, values in self.choices.items()}
        self.flat = 0

    @property
    def protocol(self) -> str:
        """How images are brought to a common size."""
        return self.chosen["protocol"]

    def variant(self, part: str) -> Metric:
        """The metric under another protocol or in another direction; its name holds what is not the default."""
        made = copy.copy(self)
        made._memory, made.chosen, made.flat = (), dict(self.chosen), 0
        for word in part.split(","):
            key = next((key for key, values in self.choices.items() if word in values), None)
            if key is None:
                known = ", ".join(value for values in self.choices.values() for value in values)
                raise UnknownName(f"metric {self.name!r} has no part {word!r}", f"its parts are: {known}")
            made.chosen[key] = word
        others = [made.chosen[key] for key, values in self.choices.items() if made.chosen[key] != values[0]]
        made.name = ":".join([type(self).name, ",".join(others)]) if others else type(self).name
        return made

    def made_with(self, truth: Any) -> str:
        """Protocol, number of images, and how many correlations with something flat were counted as 0."""
        others = [value for key, value in self.chosen.items() if key != "protocol"]
        told = [*self.rests_on(), f"{self.protocol} protocol", *others, f"{len(truth)} images"]
        if self.flat:
            told.append(f"{self.flat} flat (taken as r = 0)")
        return "; ".join(told)

    def rests_on(self) -> list[str]:
        """What made the number beside protocol and images, such as weights."""
        return []


class Seen(Sequence[np.ndarray]):
    """The images that were seen, read one at a time. Raises `BadData` for one that is not square."""

    def __init__(self, truth: Sequence[Stimulus]) -> None:
        self._truth = truth

    def __len__(self) -> int:
        return len(self._truth)

    def __getitem__(self, row: Any) -> Any:
        image = self._truth[row].image()
        if problem := wrong(image):
            raise BadData(f"the image that was seen on item {row}: {problem}", "image metrics need square images")
        return image


class Found(Sequence[np.ndarray]):
    """The predicted images, read one at a time. Raises `BadPrediction` for one that is not square uint8 RGB."""

    def __init__(self, prediction: Images, items: int) -> None:
        if len(prediction) != items:
            raise BadPrediction(f"{len(prediction)} images for {items} items")
        self._prediction = prediction

    def __len__(self) -> int:
        return len(self._prediction)

    def __getitem__(self, row: Any) -> Any:
        image = np.asarray(self._prediction[row])
        if problem := wrong(image):
            raise BadPrediction(f"item {row}: {problem}")
        return image


def pairs(truth: Sequence[Stimulus], prediction: Images) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What was seen and what was predicted (h, w, 3) uint8, one pair at a time; sizes may differ."""
    seen, found = Seen(truth), Found(prediction, len(truth))
    for row in range(len(truth)):
        yield seen[row], found[row]


def at_side(image: np.ndarray, protocol: str) -> np.ndarray:
    """(425, 425, 3) in 0..1: float32 under MindEye's protocol, float64 under Brain-Diffuser's."""
    with needing("vision", "torch", "PIL"):
        from PIL import Image

        from ..nn.resizing import bilinear, mindeye_resize, pil_resize
    if protocol == MINDEYE:
        found: np.ndarray = bilinear(mindeye_resize(image), SIDE)[0].permute(1, 2, 0).numpy()
        return found
    return pil_resize(image, SIDE, Image.Resampling.BICUBIC) / 255


def grey(image: np.ndarray) -> np.ndarray:
    """Luminance (h, w) float64 of an image in 0..1."""
    found: np.ndarray = image.astype(np.float64) @ LUMINANCE
    return found


def remembered(
    memory: list[tuple[Any, Any, str, Value]], truth: Any, prediction: Any, key: str, make: Callable[[], Value]
) -> Value:
    """What ``make`` gives for these very objects, made once: several metrics ask for it, one after the other."""
    for known, given, name, value in memory:
        if known is truth and given is prediction and name == key:
            return value
    value = make()
    memory.insert(0, (truth, prediction, key, value))
    del memory[KEPT:]
    return value


_pixels: list[tuple[Any, Any, str, np.ndarray]] = []


def pixel_scores(truth: Sequence[Stimulus], prediction: Images, protocol: str) -> np.ndarray:
    """Scores (n, 4) of every pair, from one reading: PixCorr (NaN where flat), SSIM, SSIM by columns, and flatness."""
    from .ssim import ssim_both

    def make() -> np.ndarray:
        out = np.empty((len(truth), 4))
        for row, (seen, found) in enumerate(pairs(truth, prediction)):
            first, second = at_side(seen, protocol), at_side(found, protocol)
            flat = is_flat(seen) or is_flat(found)
            out[row] = 0 if flat else correlation(first, second), *ssim_both(grey(first), grey(second)), flat
        return out

    return remembered(_pixels, truth, prediction, protocol, make)


def is_flat(values: np.ndarray) -> bool:
    """Whether all values are one, so that nothing correlates with them."""
    return bool(values.min() == values.max())


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of all values of two arrays, in float64; 0 where one is flat."""
    x, y = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    x -= x.mean()
    y -= y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else 0.0


class PixCorr(ImageMetric):
    """Pearson correlation of the pixel values of the two images, all channels as one vector; 0 for a flat one."""

    name = "pixcorr"
    title = "PixCorr"
    chance = 0.0

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Correlation of each pair."""
        scores = pixel_scores(truth, prediction, self.protocol)
        self.flat += int(scores[:, 3].sum())
        return scores[:, 0]
