"""Grounding: truth a `Stimulus` with its ``area``, prediction (k, 4) boxes x0, y0, x1, y1 in 0 .. 1, best first.

``grounding-acc`` and ``grounding-iou`` ask whether the box that a method ranks first fits any box of the
concept. ``brainhub-acc`` and ``brainhub-iou`` repeat what BrainHub (Xia et al. 2024) computes: only the first
box of the truth counts, which of several persons an annotator drew first decides, and the two numbers differ
in which items they are means of. All take BrainHub's groups of COCO's classes as a part, as in
``brainhub-acc:SC``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np

from ..errors import BadPrediction, UnknownName
from ..kinds.seen import Stimulus
from .counts import ItemMetric, ratio

THRESHOLD = 0.5

CREATURES = "person|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe"
OBJECTS = (
    "bicycle|car|motorcycle|airplane|bus|train|truck|boat|bench|chair|couch|bed|dining table|toilet|sink|"
    "refrigerator|clock"
)
INCONSPICUOUS = (
    "traffic light|fire hydrant|stop sign|parking meter|backpack|umbrella|handbag|tie|suitcase|frisbee|skis|"
    "snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle|wine glass|"
    "cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|potted plant|"
    "tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|book|vase|scissors|teddy bear|hair drier|"
    "toothbrush"
)

GROUPS = {
    name: frozenset("|".join(lists).split("|"))
    for name, lists in {
        "all": (CREATURES, OBJECTS, INCONSPICUOUS),
        "S": (CREATURES, OBJECTS),
        "SC": (CREATURES,),
        "SO": (OBJECTS,),
        "I": (INCONSPICUOUS,),
    }.items()
}
"""COCO's 80 classes by how salient they are in images, as BrainHub groups them."""


class BoxMetric(ItemMetric):
    """What the metrics of boxes share: items by group, and checks of shape."""

    _group: str = ""

    def variant(self, part: str) -> Self:
        """The metric on the items of one group of classes. Raises `UnknownName`."""
        if part not in GROUPS or self._group:
            raise UnknownName(f"metric {self.name!r} has no part {part!r}", f"its parts are: {', '.join(GROUPS)}")
        chosen = type(self)()
        chosen.name, chosen._group = f"{self.name}:{part}", part
        return chosen

    def items(self, truth: Sequence[Stimulus], prediction: Sequence[np.ndarray]) -> np.ndarray:
        """Scores (n,); NaN for an item that does not count. Raises `BadPrediction` for other than (k, 4) boxes."""
        scores = np.full(len(truth), np.nan)
        for row, (seen, found) in enumerate(zip(truth, prediction, strict=True)):
            found = np.asarray(found)
            if found.ndim != 2 or found.shape[1] != 4:
                raise BadPrediction(f"item {row}: {self.name} compares (k, 4) boxes, not an array of {found.shape}")
            if not self._group or seen.concept in GROUPS[self._group]:
                area = np.zeros((0, 4)) if seen.area is None else np.asarray(seen.area)
                scores[row] = self.item(area, found)
        return scores

    @abstractmethod
    def item(self, truth: np.ndarray, found: np.ndarray) -> float:
        """Score of one item from boxes (k, 4) and (m, 4)."""


class GroundingIoU(BoxMetric):
    """Intersection over union of the box ranked first and the true box that it fits best.

    Every item that has a true box counts; one without a predicted box scores 0. Boxes after the first do
    not count: a method could else fill the image with them.
    """

    name, title = "grounding-iou", "IoU"

    def item(self, truth: np.ndarray, found: np.ndarray) -> float:
        """Best IoU of the first box."""
        if not len(truth):
            return float("nan")
        return float(iou(truth, found[:1]).max()) if len(found) else 0.0


class GroundingAccuracy(GroundingIoU):
    """Share of items whose box ranked first has an IoU of at least 0.5 with a true box."""

    name, title = "grounding-acc", "acc@0.5"

    def item(self, truth: np.ndarray, found: np.ndarray) -> float:
        """1 where it fits."""
        best = super().item(truth, found)
        return best if np.isnan(best) else float(best >= THRESHOLD)


class BrainHubIoU(BoxMetric):
    """Mean IoU of the first boxes, as BrainHub computes it: items without a true box are left out."""

    name, title = "brainhub-iou", "IoU (BrainHub)"

    def made_with(self, truth: Sequence[Stimulus]) -> str:
        """The protocol."""
        return "first box of truth and prediction, x 1000 in float32; no prediction is [0, 0, 0, 0]"

    def item(self, truth: np.ndarray, found: np.ndarray) -> float:
        """IoU of the first boxes."""
        if not len(truth):
            return float("nan")
        given = found[:1] if len(found) else np.zeros((1, 4))
        first, second = (1000 * boxes.astype(np.float32) for boxes in (truth[:1], given))
        return float(iou(first, second)[0, 0])


class BrainHubAccuracy(BrainHubIoU):
    """Share of items whose first boxes have an IoU above 0.5; those without a true box count as wrong."""

    name, title = "brainhub-acc", "acc@0.5 (BrainHub)"

    def item(self, truth: np.ndarray, found: np.ndarray) -> float:
        """1 where it fits."""
        return float(super().item(truth, found) > THRESHOLD)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (k, m) of boxes (k, 4) and (m, 4); 0 where both are empty."""
    a, b = first[:, None], second[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    return ratio(shared, _area(a) + _area(b) - shared, 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    area: np.ndarray = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1)
    return area
