"""The image side of vision baselines: training images as a library, and from what was decoded to an answer.

Whatever a baseline decodes is a vector of image features, and where it draws, a latent of an image
codec. `answer` makes the prediction of every vision kind of them: words and boxes are those of the
nearest training image, pictures are decoded latents (or that image itself).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np

from ..benchmark.contracts import Context, Train
from ..benchmark.errors import BadData
from .brain_rows import image_numbers
from .wording import central, likeness

BLOCK = 512

Find = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(test rows, positions to choose from) -> the chosen position of each row, or -1."""


class Neighbours:
    """Cosine between vectors that are centred on the training images'.

    Parameters
    ----------
    vectors
        (images, d) of the training images.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self.mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.units = self.unit(vectors)

    def unit(self, vectors: np.ndarray) -> np.ndarray:
        """Centred vectors (n, d) float32 of length 1; of length 0 where nothing is left."""
        centred = np.asarray(vectors, np.float32) - self.mean
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        unit: np.ndarray = centred / np.where(length > 0, length, 1)
        return unit

    def nearest(self, vectors: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """(n,) position of the training image with the largest cosine, of those at ``among`` or of all."""
        places = np.arange(len(self.units)) if among is None else np.asarray(among)
        units, found = self.units[places].T, np.empty(len(vectors), int)
        for start in range(0, len(vectors), BLOCK):
            found[start : start + BLOCK] = np.argmax(self.unit(vectors[start : start + BLOCK]) @ units, axis=1)
        return places[found]


class SeenImages(Sequence[np.ndarray]):
    """What was seen on some items, read from disk one image at a time.

    Parameters
    ----------
    stimuli
        What holds them.
    """

    def __init__(self, stimuli: Sequence[Any]) -> None:
        self._stimuli = stimuli

    def __len__(self) -> int:
        return len(self._stimuli)

    @overload
    def __getitem__(self, row: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, row: slice) -> SeenImages: ...
    def __getitem__(self, row: int | slice) -> np.ndarray | SeenImages:
        if isinstance(row, slice):
            return SeenImages(self._stimuli[row])
        image: np.ndarray = self._stimuli[row].image()
        return image


class Library:
    """The training images of all brains, each once, with what was said of them.

    Features and latents are computed when they are first asked for.

    Parameters
    ----------
    train
        Training rows; rows of one group are one image.
    encoder, codec
        Names for `load_encoder` and `load_codec`.

    Raises `BadData` where an image is needed that the data set has not.
    """

    def __init__(self, train: Train, encoder: str, codec: str, context: Context) -> None:
        first = image_numbers(train.groups)[1]
        self.stimuli: list[Any] = [train.targets[int(row)] for row in first]
        self._encoder, self._codec, self._context = encoder, codec, context

    def __len__(self) -> int:
        return len(self.stimuli)

    @property
    def images(self) -> SeenImages:
        """The images, read from disk at each access."""
        self.need_images()
        return SeenImages(self.stimuli)

    def need_images(self) -> None:
        """Raise `BadData` unless the pixels of all images are at hand."""
        if not all(stimulus.has_image for stimulus in self.stimuli):
            raise BadData("a training image has no pixels", "this method needs the images of the data set")

    @cached_property
    def features(self) -> np.ndarray:
        """(images, d) float32 by the chosen encoder."""
        from ..benchmark.nn.features import features_of, load_encoder

        encoder = load_encoder(self._encoder, self._context.device)
        self.sources["features"] = encoder.source()
        found: np.ndarray = features_of(encoder, self.images, self._context.progress)
        return found

    @cached_property
    def neighbours(self) -> Neighbours:
        """Search by features."""
        return Neighbours(self.features)

    @cached_property
    def codec(self) -> Any:
        """The chosen codec, fitted on the training images where it is one that is fitted."""
        from ..benchmark.nn.latents import load_codec

        codec = load_codec(self._codec, self._context.device)
        codec.fit(self.images)
        self.sources["codec"] = codec.source()
        return codec

    @cached_property
    def latents(self) -> np.ndarray:
        """(images, d) float32 by the chosen codec."""
        found: np.ndarray = self.codec.encode(self.images)
        return found

    @cached_property
    def sources(self) -> dict[str, str]:
        """Which weights made features and latents, of those that were asked for."""
        return {}

    @cached_property
    def captions(self) -> list[str]:
        """The most central caption of each image; "" where it has none."""
        return [central(stimulus.captions) for stimulus in self.stimuli]

    def having(self, concept: str) -> np.ndarray:
        """Positions of the images with a box of a concept."""
        return np.flatnonzero([len(stimulus.boxes.get(concept, ())) > 0 for stimulus in self.stimuli])


def answer(
    kind: str,
    library: Library,
    test: Any,
    vectors: np.ndarray,
    latents: np.ndarray | None = None,
    neighbours: Neighbours | None = None,
) -> Any:
    """The prediction of a vision kind, from what was decoded.

    Parameters
    ----------
    kind
        "captioning", "description", "reasoning", "reconstruction" or "grounding".
    test
        The view that is predicted.
    vectors
        (n, d) decoded image features, or vectors of what ``neighbours`` searches.
    latents
        (n, d) decoded latents; a picture is the nearest training image without them.
    neighbours
        What is searched; the library's features when None.
    """
    if kind == "reconstruction" and latents is not None:
        return library.codec.decode(latents)
    search = neighbours or library.neighbours
    return retold(kind, library, test, lambda rows, among: search.nearest(vectors[rows], among))


def retold(kind: str, library: Library, test: Any, find: Find) -> Any:
    """The prediction of a vision kind: what was said or shown of one training image for each row.

    Parameters
    ----------
    find
        Chooses it. Where it finds none (-1), the answer is empty; only "reasoning" and "grounding" may have none.
    """
    if kind == "reasoning":
        return _answers(library, test, find)
    if kind == "grounding":
        return _boxes(library, test, find)
    places = find(np.arange(len(test)), np.arange(len(library)))
    if kind == "captioning":
        return [library.captions[place] for place in places]
    if kind == "description":
        return [library.stimuli[place].description for place in places]
    library.need_images()
    return SeenImages([library.stimuli[place] for place in places])


def _answers(library: Library, test: Any, find: Find) -> list[str]:
    """The answer to the same question about a training image that it was asked of.

    A question that was never asked is taken for the known one that shares most words with it.
    """
    asked: dict[str, dict[int, str]] = {}
    for place, stimulus in enumerate(library.stimuli):
        for question, reply in stimulus.dialogue:
            asked.setdefault(question, {}).setdefault(place, reply)
    if not asked:
        raise BadData("no training image has a question", "check the dialogues of the data set")
    out = [""] * len(test)
    for question, rows in _alike(test.questions):
        known = asked.get(question) or asked[max(asked, key=lambda other: likeness(question, other))]
        for row, place in zip(rows, find(rows, np.array(list(known))), strict=True):
            out[row] = known.get(int(place), "")
    return out


def _boxes(library: Library, test: Any, find: Find) -> list[np.ndarray]:
    """The boxes of the concept in a training image that has it, the largest first; none where no image has it."""
    out = [np.empty((0, 4))] * len(test)
    for concept, rows in _alike(test.concepts):
        if not len(among := library.having(concept)):
            continue
        for row, place in zip(rows, find(rows, among), strict=True):
            if place >= 0:
                out[row] = largest_first(library.stimuli[place].boxes[concept])
    return out


def _alike(asked: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Each different text, and the rows that have it."""
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(asked):
        rows.setdefault(text, []).append(row)
    return ((text, np.array(found)) for text, found in rows.items())


def largest_first(boxes: np.ndarray) -> np.ndarray:
    """Boxes (k, 4) as x0, y0, x1, y1, by falling area."""
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[np.argsort(-area, kind="stable")]
