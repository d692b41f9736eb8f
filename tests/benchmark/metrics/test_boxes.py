"""Grounding metrics: by hand, BrainHub's way on its own boxes, and what changes a score."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.errors import BadPrediction, UnknownName
from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.metrics.boxes import (
    GROUPS,
    BrainHubAccuracy,
    BrainHubIoU,
    GroundingAccuracy,
    GroundingIoU,
)

BRAINHUB = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data" / "brainhub"
WHOLE, LEFT, CORNER = [0, 0, 1, 1], [0, 0, 0.5, 1], [0.5, 0.5, 1, 1]


def seen(*boxes, concept="cat"):
    return Stimulus(area=np.array(boxes, dtype=float).reshape(-1, 4), concept=concept)


def found(*boxes):
    return np.array(boxes, dtype=float).reshape(-1, 4)


def test_grounding_takes_the_first_box_and_the_true_box_that_it_fits_best():
    truth = [seen(CORNER, WHOLE), seen(WHOLE), seen(WHOLE), seen()]
    given_boxes = [found(LEFT, CORNER), found(), found(CORNER, WHOLE), found(WHOLE)]
    np.testing.assert_allclose(GroundingIoU().items(truth, given_boxes), [0.5, 0, 0.25, np.nan])
    np.testing.assert_allclose(GroundingAccuracy().items(truth, given_boxes), [1, 0, 0, np.nan])
    assert GroundingIoU().score(truth, given_boxes) == pytest.approx(0.25)


def test_brainhub_takes_the_first_true_box_and_counts_differently_in_its_two_numbers():
    truth = [seen(CORNER, WHOLE), seen(WHOLE, CORNER), seen(), seen(WHOLE)]
    given_boxes = [found(LEFT), found(WHOLE), found(WHOLE), found()]
    np.testing.assert_allclose(BrainHubIoU().items(truth, given_boxes), [0, 1, np.nan, 0], atol=1e-7)
    np.testing.assert_allclose(BrainHubAccuracy().items(truth, given_boxes), [0, 1, 0, 0])
    assert BrainHubIoU().score(truth, given_boxes) == pytest.approx(1 / 3)
    assert BrainHubAccuracy().score(truth, given_boxes) == pytest.approx(1 / 4)
    # Half is above BrainHub's threshold for nobody, and enough for ours.
    assert BrainHubAccuracy().score([seen(WHOLE)], [found(LEFT)]) == 0
    assert GroundingAccuracy().score([seen(WHOLE)], [found(LEFT)]) == 1


def test_groups_part_the_items_by_their_concept():
    truth = [seen(WHOLE, concept=name) for name in ("cat", "bus", "fork", "gate")]
    given_boxes = [found(WHOLE), found(CORNER), found(), found(WHOLE)]
    scores = {part: GroundingAccuracy().variant(part).score(truth, given_boxes) for part in GROUPS}
    assert scores == pytest.approx({"all": 1 / 3, "S": 1 / 2, "SC": 1, "SO": 0, "I": 0})
    assert GroundingAccuracy().score(truth, given_boxes) == pytest.approx(1 / 2)
    assert BrainHubAccuracy().variant("SC").name == "brainhub-acc:SC"
    for metric in (BrainHubIoU(), BrainHubIoU().variant("S")):
        with pytest.raises(UnknownName, match="S"):
            metric.variant("X")


def test_boxes_of_another_shape_are_refused():
    for metric in (GroundingIoU(), BrainHubAccuracy()):
        with pytest.raises(BadPrediction, match="item 0"):
            metric.score([seen(WHOLE)], [np.ones((8, 8))])
        # Inverted and empty boxes fit nothing.
        assert metric.score([seen(WHOLE)], [found([1, 1, 0, 0])]) == 0
        assert metric.score([seen([0, 0, 0, 0])], [found([0, 0, 0, 0])]) == 0


def ordered(numbers):
    a, b, c, d = numbers
    return [min(a, c), min(b, d), max(a, c), max(b, d)]


boxes = st.tuples(*[st.floats(0, 1)] * 4).map(ordered)


@settings(max_examples=100, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=4), st.lists(boxes, min_size=1, max_size=4))
def test_more_true_boxes_never_hurt_and_more_predicted_ones_never_help(truth, given_boxes):
    score = GroundingIoU().score([seen(*truth)], [found(*given_boxes)])
    assert 0 <= score <= 1 + 1e-9
    assert GroundingIoU().score([seen(*truth)], [found(given_boxes[0], *truth)]) == score
    assert GroundingIoU().score([seen(*truth, given_boxes[0])], [found(*given_boxes)]) >= score
    assert BrainHubIoU().score([seen(*truth)], [found(*given_boxes)]) <= score + 1e-5


PUBLISHED = {
    "": {"brainhub-acc": 18.93, "brainhub-iou": 21.28, "grounding-acc": 21.17, "grounding-iou": 24.13},
    "all": {"brainhub-acc": 18.93, "brainhub-iou": 21.28},
    "S": {"brainhub-acc": 30.23, "brainhub-iou": 30.18},
    "SC": {"brainhub-acc": 39.57, "brainhub-iou": 36.64},
    "SO": {"brainhub-acc": 20.06, "brainhub-iou": 23.14},
    "I": {"brainhub-acc": 4.83, "brainhub-iou": 10.18},
}
"""Of UMBRAE v1.4, subject 1. All, S and I are in BrainHub's README; the rest was computed with its script's rules."""


@pytest.mark.skipif(not BRAINHUB.is_dir(), reason="needs BrainHub's files in BRAINBENCH_SHARED")
@pytest.mark.parametrize("part", list(PUBLISHED))
def test_brainhub_numbers_of_umbrae(part):
    told = json.loads((BRAINHUB / "bbox/coco_bbox_categorized.json").read_text())
    given_boxes = json.loads((BRAINHUB / "bbox/umbrae-v-1-4/sub01.json").read_text())
    rows = [(image, concept) for image, concepts in told.items() for concept in concepts]
    truth = [seen(*told[image][concept], concept=concept) for image, concept in rows]
    prediction = [found(*(box for call in given_boxes[i][c] for box in call)) for i, c in rows]
    assert len(rows) == 2419
    for metric in (BrainHubAccuracy(), BrainHubIoU(), GroundingAccuracy(), GroundingIoU()):
        if metric.name in PUBLISHED[part]:
            asked = metric.variant(part) if part else metric
            assert 100 * asked.score(truth, prediction) == pytest.approx(PUBLISHED[part][metric.name], abs=0.006)
