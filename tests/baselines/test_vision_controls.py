"""Controls of the vision tables say nothing of a brain, and nearest neighbours say what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vision_toy import VOXELS, changed, make_toy

from brainbench.baselines.brain_rows import lessons
from brainbench.baselines.vision_controls import (
    MeanImage,
    NearestNeighbour,
    RandomTrainingImage,
    RandomVoxels,
    ShuffledVoxels,
)
from brainbench.baselines.voxel_ridge import VoxelRidge
from brainbench.benchmark.nn.ceilings import codec_ceiling, retrieval_oracle


def predicted(method: Any, toy: Any) -> Any:
    method.fit(toy.train, toy.context)
    return method.predict(toy.test, toy.context)


def right(toy: Any, said: list[str]) -> float:
    return float(np.mean([a in text and b in text for text, (a, b) in zip(said, toy.shown, strict=True)]))


def test_shuffled_voxels_learn_nothing_where_voxel_ridge_does(tmp_path: Path) -> None:
    pytest.importorskip("himalaya")
    toy = make_toy(tmp_path, "captioning", test=40)
    assert right(toy, predicted(VoxelRidge(features="pixels"), toy)) > 0.9
    assert right(toy, predicted(ShuffledVoxels(features="pixels"), toy)) < 0.25  # chance 1/16


def test_shuffling_keeps_the_images_and_parts_them_from_responses(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning")
    for lesson in lessons(toy.train):
        paired = ShuffledVoxels().pairing(lesson, toy.context)
        assert sorted(paired) == sorted(lesson.images)
        assert (paired == lesson.images).mean() < 0.1


@pytest.mark.parametrize("kind", ["captioning", "description", "reasoning", "reconstruction", "grounding"])
def test_a_random_image_is_one_of_the_training_set(kind: str, tmp_path: Path) -> None:
    toy = make_toy(tmp_path, kind, train=20)
    found = predicted(RandomTrainingImage(), toy)
    assert len(found) == len(toy.test)
    if kind == "captioning":
        assert set(found) <= {text for one in toy.train.targets for text in one.captions}
        assert len(set(found)) > 3
    if kind == "reconstruction":
        known = {one.image().tobytes() for one in toy.train.targets}
        assert all(image.tobytes() in known for image in found)
    if kind == "grounding":
        assert all(boxes.shape == (1, 4) for boxes in found)


def test_a_random_image_does_not_depend_on_responses_but_on_the_seed(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning", train=20)
    made = RandomTrainingImage()
    made.fit(toy.train, toy.context)
    assert made.predict(toy.test, toy.context) == made.predict(changed(toy, 2), toy.context)
    from dataclasses import replace

    assert made.predict(toy.test, toy.context) != made.predict(toy.test, replace(toy.context, seed=1))


def test_the_mean_image(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reconstruction", train=12)
    found = predicted(MeanImage(), toy)
    wanted = np.mean([one.image().astype(float) for one in toy.train.targets], axis=0)
    assert found[0].dtype == np.uint8
    assert np.abs(found[0] - wanted).max() <= 0.5
    assert len(found) == len(toy.test)


@pytest.mark.parametrize("kind", ["captioning", "reconstruction", "grounding"])
def test_the_nearest_response_finds_the_planted_signal(kind: str, tmp_path: Path) -> None:
    toy = make_toy(tmp_path, kind)
    found = predicted(NearestNeighbour(), toy)
    if kind == "captioning":
        assert right(toy, found) > 0.9
    elif kind == "grounding":
        assert np.mean([np.allclose(a[0], b.area[0]) for a, b in zip(found, toy.truth, strict=True)]) > 0.9
    else:
        fits = [np.corrcoef(a.ravel(), b.image().ravel())[0, 1] for a, b in zip(found, toy.truth, strict=True)]
        assert np.mean(fits) > 0.9


def test_the_nearest_response_is_of_the_same_brain_and_reads_no_other_item(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "grounding", train=20)
    own = NearestNeighbour()
    own.fit(toy.train, toy.context)
    first, second = own.predict(toy.test, toy.context), own.predict(changed(toy, 3), toy.context)
    assert all(np.array_equal(a, b) for row, (a, b) in enumerate(zip(first, second, strict=True)) if row != 3)
    assert own._best("subj01", np.ones(20), own._known["subj02"][0]) == -1
    toy.test.concepts[0] = "zebra"
    assert own.predict(toy.test, toy.context)[0].shape == (0, 4)


def test_random_voxels(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "localisation", train=10)
    maps = predicted(RandomVoxels(), toy)
    assert all(one.shape == (VOXELS,) and 0 <= one.min() < one.max() <= 1 for one in maps)
    assert abs(np.corrcoef(maps[0], maps[1])[0, 1]) < 0.5


def test_ceilings_from_the_truth(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reconstruction")
    known, seen = ([one.image() for one in part] for part in (toy.train.targets, toy.truth))
    through = codec_ceiling(seen, known)
    assert all(image.shape == (48, 48, 3) for image in through)
    coarse = [image.reshape(16, 3, 16, 3, 3).mean(axis=(1, 3)).ravel() for image in through]
    wanted = [image.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3)).ravel() for image in seen]
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(coarse, wanted, strict=True)]) > 0.98
    places = retrieval_oracle(seen, known, "pixels")
    shown = [(next(iter(one.boxes)), one.dialogue[1][1]) for one in toy.train.targets]
    assert [shown[place] for place in places] == toy.shown
    assert retrieval_oracle(known, known, "pixels").tolist() == list(range(len(known)))
