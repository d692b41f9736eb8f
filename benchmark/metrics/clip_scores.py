"""CLIP-S and RefCLIP-S (Hessel et al. 2021): a text beside the image that was seen, by CLIP ViT-B/32.

Texts are read as they are, after "A photo depicts ", and cut where CLIP's window ends. Numbers of the field
were made in half precision on a GPU; in single precision the second decimal of a per cent may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, overload

import numpy as np

from ..errors import BadData, Unavailable
from ..kinds.seen import Stimulus
from ..nn.features import Encoder, features_of, load_encoder
from .captions_corpus import references_told
from .counts import ItemMetric, ratio
from .tokens import cut

ENCODER = "clip-vit-b-32"
PREFIX = "A photo depicts "
SCALE = 2.5
KEPT_TEXTS = 50_000


class ImageTextEncoder(Protocol):
    """An `Encoder` that also reads texts."""

    def text(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n, dim) of texts."""


class ClipSpace:
    """Unit vectors of images and texts; those of texts are remembered."""

    def __init__(self, encoder: Any) -> None:
        self.encoder: Encoder = encoder
        self._reader: ImageTextEncoder = encoder
        self._known: dict[str, np.ndarray] = {}

    def images(self, truth: Sequence[Stimulus]) -> np.ndarray:
        """(n, dim) of what was seen. Raises `Unavailable` where an image is not at hand."""
        missing = sum(not seen.has_image for seen in truth)
        if missing:
            raise Unavailable(
                f"{missing} of {len(truth)} images are not at hand: these data hold references only",
                "use data with the images that were seen",
            )
        return unit(features_of(self.encoder, Pictures(truth)))

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) of texts, each after the prefix."""
        lines = [PREFIX + cut(text) for text in texts]
        new = [line for line in dict.fromkeys(lines) if line not in self._known]
        if len(self._known) + len(new) > KEPT_TEXTS:
            self._known, new = {}, list(dict.fromkeys(lines))
        if new:
            self._known.update(zip(new, unit(self._reader.text(new)), strict=True))
        return np.stack([self._known[line] for line in lines])


class Pictures(Sequence[np.ndarray]):
    """The images that were seen, each read when it is asked for."""

    def __init__(self, truth: Sequence[Stimulus]) -> None:
        self._truth = truth

    def __len__(self) -> int:
        return len(self._truth)

    @overload
    def __getitem__(self, row: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[np.ndarray]: ...

    def __getitem__(self, row: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        """An image (h, w, 3) uint8, or a part of them."""
        return Pictures(self._truth[row]) if isinstance(row, slice) else self._truth[row].image()


@lru_cache(maxsize=1)
def default_space() -> ClipSpace:
    """CLIP ViT-B/32 with OpenAI's weights. Raises `Unavailable` without them."""
    return ClipSpace(load_encoder(ENCODER))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, dim) of length 1 in double precision; those of length 0 stay."""
    values = np.asarray(vectors, dtype=np.float64)
    return ratio(values, np.linalg.norm(values, axis=1, keepdims=True), 0)


class ClipScore(ItemMetric):
    """Mean of 2.5 max(cos, 0) of a text and the image that was seen; ``space`` other than CLIP's is for tests."""

    name, title = "clip-s", "CLIP-S"

    def __init__(self, space: ClipSpace | None = None) -> None:
        self._given = space

    @property
    def space(self) -> ClipSpace:
        """Where images and texts are compared. Raises `Unavailable` without CLIP's weights."""
        return self._given or default_space()

    def made_with(self, truth: Sequence[Stimulus]) -> str:
        """The weights."""
        return self.space.encoder.source()

    def items(self, truth: Sequence[Stimulus], prediction: Sequence[str]) -> np.ndarray:
        """CLIP-S (n,)."""
        cosine = (self.space.images(truth) * self.space.texts(prediction)).sum(axis=1)
        found: np.ndarray = SCALE * np.maximum(cosine, 0)
        return found


class RefClipScore(ClipScore):
    """Mean of the harmonic mean of CLIP-S and the largest cosine of the text with a reference.

    The cosine is neither scaled nor clipped, as in the authors' code; where one of the two is not positive,
    the mean is 0.
    """

    name, title = "ref-clip-s", "RefCLIP-S"

    def made_with(self, truth: Sequence[Stimulus]) -> str:
        """The weights, and number of references."""
        return f"{super().made_with(truth)}; {references_told(truth)}"

    def items(self, truth: Sequence[Stimulus], prediction: Sequence[str]) -> np.ndarray:
        """RefCLIP-S (n,). Raises `BadData` for an item without references."""
        counts = [len(seen.references) for seen in truth]
        if not all(counts):
            raise BadData(f"item {counts.index(0)} has no reference text", "leave it out, or give it references")
        image = super().items(truth, prediction)
        texts = self.space.texts([text for seen in truth for text in seen.references])
        cosine = (np.repeat(self.space.texts(prediction), counts, axis=0) * texts).sum(axis=1)
        best = np.maximum.reduceat(cosine, np.cumsum([0, *counts[:-1]])) if counts else cosine
        return np.where((image > 0) & (best > 0), ratio(2 * image * best, image + best, 0), 0)
