"""What the kinds of seeing share: brain responses in their voxels' places, and what was seen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadData
from ..items import ArrayRef, Items

BRAIN = "subject_space"
"""Column that tells whose brain responded; ``subject`` is the image, which several brains may have seen."""

SEEN = ("captions", "description", "boxes", "dialogue", "references", "image", "area")
"""Columns and arrays that tell what was seen: the truth of every kind of seeing."""


@dataclass(frozen=True)
class Space:
    """Where the voxels of a brain lie in its own grid.

    Attributes
    ----------
    shape, mm
        Size (x, y, z) of the grid, and the side of a voxel in millimetres.
    index
        (voxels,) positions in the flattened, C-ordered grid.
    rois
        Name -> (voxels,) bool; "nsdgeneral" is always there.
    """

    shape: tuple[int, int, int]
    mm: float
    index: np.ndarray
    rois: Mapping[str, np.ndarray]

    def volume(self, values: np.ndarray) -> np.ndarray:
        """Values (..., voxels) as float32 volumes (..., x, y, z), 0 where no voxel is held."""
        out = np.zeros((*values.shape[:-1], int(np.prod(self.shape))), np.float32)
        out[..., self.index] = values
        return out.reshape(*values.shape[:-1], *self.shape)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Space:
        """From the meta data of items. Raises `BadData` where positions lie outside of the grid."""
        shape = tuple(int(n) for n in told["shape"])
        index = _read(told["index"]).astype(np.int64)
        rois = {name: _read(ref).astype(bool) for name, ref in told["rois"].items()}
        if len(shape) != 3 or (len(index) and not 0 <= index.min() <= index.max() < np.prod(shape)):
            raise BadData(f"voxel positions outside of a grid of {shape}", "import the data again")
        if any(roi.shape != index.shape for roi in rois.values()):
            raise BadData("an ROI that is not one value a voxel", "import the data again")
        return cls((shape[0], shape[1], shape[2]), float(told["mm"]), index, rois)


def _read(reference: Sequence[Any]) -> np.ndarray:
    return ArrayRef.of(reference).read()


class Responses:
    """A sequence of brain responses: item k is the (voxels,) float32 mean over its repeats.

    Attributes
    ----------
    brains
        Whose brain, an item; ``spaces`` maps it to where its voxels lie.
    questions, concepts
        What is asked of each item; "" where the task asks nothing.
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        table, none = items.table, [""] * len(items)
        self.brains: list[str] = list(table[BRAIN]) if BRAIN in table else list(none)
        self.questions: list[str] = list(table["question"]) if "question" in table else list(none)
        self.concepts: list[str] = list(table["concept"]) if "concept" in table else list(none)

    @cached_property
    def spaces(self) -> dict[str, Space]:
        """Where the voxels of each brain lie."""
        return {name: Space.of(told) for name, told in self._items.meta.get("spaces", {}).items()}

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: int) -> np.ndarray:
        mean: np.ndarray = self.trials(row).mean(axis=0, dtype=np.float32)
        return mean

    def trials(self, row: int) -> np.ndarray:
        """The repeats (repeats, voxels) of an item, float32."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        values = self._items.read("response", row).astype(np.float32)
        return values if values.ndim > 1 else values[None]

    def rows(self, brain: str) -> np.ndarray:
        """Positions of the items of a brain."""
        return np.flatnonzero(np.array(self.brains, dtype=object) == brain)

    def matrix(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Items of one brain as (n, voxels) float32."""
        return np.stack([self[int(row)] for row in rows])


@dataclass(frozen=True)
class Stimulus:
    """What was seen, in pictures and words.

    Attributes
    ----------
    captions, description, dialogue
        Short texts, a long one, and (question, answer) pairs about the image.
    boxes
        Concept -> (k, 4) boxes x0, y0, x1, y1 in 0 .. 1 of the image.
    references
        The texts that an answer is compared with on this task.
    area
        (k, 4) boxes of the concept that the task asks for; None elsewhere.
    concept
        That concept; "" elsewhere.
    picture
        The image or where it lies; see `image`.
    """

    captions: tuple[str, ...] = ()
    description: str = ""
    boxes: Mapping[str, np.ndarray] = field(default_factory=dict)
    dialogue: tuple[tuple[str, str], ...] = ()
    references: tuple[str, ...] = ()
    area: np.ndarray | None = None
    concept: str = ""
    picture: ArrayRef | np.ndarray | None = None

    @property
    def has_image(self) -> bool:
        """Whether the image itself is at hand."""
        return self.picture is not None

    def image(self) -> np.ndarray:
        """The image (height, width, 3) uint8, read at each call. Raises `BadData` where there is none."""
        if self.picture is None:
            raise BadData("the image that was seen is not at hand", "these data hold references only")
        return self.picture.read() if isinstance(self.picture, ArrayRef) else self.picture


class Seeing(Kind):
    """What the kinds of seeing share: `Responses` in, and a `Stimulus` an item as target."""

    def view(self, items: Items, task: TaskInfo) -> Responses:
        """The responses, with what is asked of each."""
        return Responses(items)

    def targets(self, items: Items, task: TaskInfo) -> list[Stimulus]:
        """What was seen."""
        return stimuli(items)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        """All that tells what was seen."""
        return SEEN


def stimuli(items: Items) -> list[Stimulus]:
    """What was seen on each item, as far as the items tell it."""
    table, arrays = items.table, items.arrays
    rows = len(items)
    texts = {name: table[name] if name in table else [()] * rows for name in ("captions", "references")}
    plain = {name: table[name] if name in table else [""] * rows for name in ("description", "concept")}
    coded = {name: table[name] if name in table else [""] * rows for name in ("boxes", "dialogue")}
    pictures = arrays.get("image", [None] * rows)
    made = zip(
        texts["captions"], plain["description"], coded["boxes"], coded["dialogue"], texts["references"],
        plain["concept"], pictures, strict=True,
    )  # fmt: skip
    return [
        Stimulus(
            captions=tuple(map(str, captions)),
            description=str(description or ""),
            boxes=_boxes(boxes),
            dialogue=tuple((str(asked), str(said)) for asked, said in json.loads(dialogue or "[]")),
            references=tuple(map(str, references)),
            area=items.read("area", row).astype(np.float64) if "area" in arrays else None,
            concept=str(concept or ""),
            picture=picture,
        )
        for row, (captions, description, boxes, dialogue, references, concept, picture) in enumerate(made)
    ]


def _boxes(text: str) -> dict[str, np.ndarray]:
    """Concept -> (k, 4) float boxes, from JSON."""
    return {name: np.asarray(found, np.float64).reshape(-1, 4) for name, found in json.loads(text or "{}").items()}
