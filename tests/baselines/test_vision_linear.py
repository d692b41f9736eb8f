"""Linear vision baselines find a planted linear signal, from training statistics alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vision_toy import COLOURS, VOXELS, Toy, changed, make_toy, relevance

from brainbench.baselines.brain_diffuser import BrainDiffuser, rescaled
from brainbench.baselines.brain_rows import Standard, lessons
from brainbench.baselines.braincap import BrainCap
from brainbench.baselines.caption_space import CaptionSpace
from brainbench.baselines.decoding import Library, Neighbours, answer, largest_first
from brainbench.baselines.ridge_baseline import RidgeBaseline
from brainbench.baselines.ridge_map import fit_ridge, folds_of
from brainbench.baselines.sdrecon import SDRecon
from brainbench.baselines.unibrain import UniBrain
from brainbench.baselines.voxel_ridge import VoxelRidge
from brainbench.baselines.wording import central, likeness
from brainbench.benchmark.errors import BadData, Skipped

pytest.importorskip("himalaya")
LINEAR = (VoxelRidge, SDRecon, BrainDiffuser, UniBrain)


def fitted(method: type[RidgeBaseline], toy: Toy, **options: Any) -> RidgeBaseline:
    made = method(features="pixels", **options)
    made.fit(toy.train, toy.context)
    return made


def share_right(toy: Toy, kind: str, found: Any) -> float:
    """Share of rows whose colour and place (or what was asked) were told."""
    rows = zip(toy.test.questions, toy.shown, toy.truth, found, strict=True)
    if kind == "grounding":
        return float(np.mean([len(said) > 0 and np.allclose(said[0], true.area[0]) for _, _, true, said in rows]))
    if kind == "reasoning":
        return float(np.mean([said == shown["where" in asked] for asked, shown, _, said in rows]))
    return float(np.mean([shown[0] in said and shown[1] in said for _, shown, _, said in rows]))


def picture_fit(toy: Toy, found: Any) -> float:
    """Mean correlation of the pictures with what was seen, both as 16 x 16 means."""

    def coarse(image: np.ndarray) -> np.ndarray:
        step = len(image) // 16
        return image.reshape(16, step, 16, step, 3).mean(axis=(1, 3)).ravel()

    return float(
        np.mean([np.corrcoef(coarse(a), coarse(b.image()))[0, 1] for a, b in zip(found, toy.truth, strict=True)])
    )


@pytest.mark.parametrize("kind", ["captioning", "description", "reasoning", "grounding"])
@pytest.mark.parametrize("method", LINEAR)
def test_words_and_boxes_of_a_planted_signal(method: type[RidgeBaseline], kind: str, tmp_path: Path) -> None:
    toy = make_toy(tmp_path, kind)
    found = fitted(method, toy).predict(toy.test, toy.context)
    assert share_right(toy, kind, found) > (0.5 if method is UniBrain and kind == "captioning" else 0.9)  # chance 1/16


@pytest.mark.parametrize("method", LINEAR)
def test_pictures_of_a_planted_signal(method: type[RidgeBaseline], tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reconstruction")
    assert picture_fit(toy, fitted(method, toy).predict(toy.test, toy.context)) > 0.9


def test_maps_of_a_planted_signal_and_of_an_unknown_concept(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "localisation")
    toy.test.concepts[0] = "zebra"
    maps = fitted(VoxelRidge, toy).predict(toy.test, toy.context)
    assert all(one.shape == (VOXELS,) and (one >= 0).all() and one.any() for one in maps)
    inside = [
        one[relevance(name) > 0].mean() / one.mean()
        for name, one in list(zip(toy.test.concepts, maps, strict=True))[1:]
    ]
    assert np.mean(inside) > 2


def test_captions_of_a_trained_decoder(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning")
    found = fitted(BrainCap, toy, epochs=30).predict(toy.test, toy.context)
    assert np.mean([shown[0] in said for said, shown in zip(found, toy.shown, strict=True)]) > 0.8  # chance 1/4


@pytest.mark.parametrize("method", LINEAR)
def test_one_test_item_never_changes_another(method: type[RidgeBaseline], tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reconstruction", noise=2)
    made = fitted(method, toy)
    before, after = made.predict(toy.test, toy.context), made.predict(changed(toy, 3), toy.context)
    same = [np.array_equal(one, other) for one, other in zip(before, after, strict=True)]
    assert [row for row, equal in enumerate(same) if not equal] == [3]


def test_rescaling_reads_the_whole_test_set_and_is_off_by_default(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reconstruction", noise=2)
    made = fitted(BrainDiffuser, toy, rescale_on_test=True)
    before, after = made.predict(toy.test, toy.context), made.predict(changed(toy, 3), toy.context)
    brain = [row for row, name in enumerate(toy.test.brains) if name == toy.test.brains[3]]
    others = [row for row in brain if row != 3]
    assert any(not np.array_equal(before[row], after[row]) for row in others)
    assert all(np.array_equal(before[row], after[row]) for row in range(len(before)) if row not in brain)
    assert not BrainDiffuser().rescale_on_test
    assert BrainDiffuser.controls == {"rescaled-on-test": {"rescale_on_test": True}}
    assert "leak" in BrainDiffuser.card.notes


def test_rescaled_columns_have_the_targets_statistics() -> None:
    rng = np.random.default_rng(0)
    decoded, targets = rng.normal(size=(30, 4)), 5 + 3 * rng.normal(size=(50, 4))
    decoded[:, 3] = 1
    found = rescaled(decoded, targets)
    np.testing.assert_allclose(found.mean(axis=0), targets.mean(axis=0))
    np.testing.assert_allclose(found.std(axis=0)[:3], targets.std(axis=0)[:3])
    assert found.std(axis=0)[3] < 1e-12


def test_predictions_follow_the_order_of_rows(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning", noise=2)
    made = fitted(VoxelRidge, toy)
    order = np.random.default_rng(1).permutation(len(toy.test))
    mixed = type(toy.test)(toy.items.take(order))
    straight = made.predict(toy.test, toy.context)
    assert made.predict(mixed, toy.context) == [straight[row] for row in order]
    assert len(set(straight)) > 5


def test_swapped_rois_read_the_other_voxels(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reconstruction", noise=0.3)
    straight, swapped = fitted(SDRecon, toy), fitted(SDRecon, toy, **SDRecon.controls["swapped-rois"])
    (early, _), (ventral, _) = straight._maps["subj01"]["latents"], straight._maps["subj01"]["features"]
    assert not (early & ventral).any()
    np.testing.assert_array_equal(swapped._maps["subj01"]["latents"][0], ventral)
    np.testing.assert_array_equal(swapped._maps["subj01"]["features"][0], early)


def test_sdrecon_learns_from_trials_and_skips_brains_without_rois(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning", train=20)
    assert [len(lesson.images) for lesson in lessons(toy.train, trials=True)] == [60, 60]
    assert SDRecon.trials
    assert not VoxelRidge.trials
    bare = make_toy(tmp_path, "captioning", train=20, rois=False)
    with pytest.raises(Skipped, match=r"subj01 has no voxel of the ROI 'ventral'"):
        fitted(SDRecon, bare)


def test_a_brain_without_training_data_is_refused(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning", train=20)
    made = fitted(VoxelRidge, toy)
    toy.test.brains[0] = "subj99"
    with pytest.raises(BadData, match="subj99"):
        made.predict(toy.test, toy.context)


def test_an_image_counts_once_however_often_it_is_asked_about(tmp_path: Path) -> None:
    asked, seen = make_toy(tmp_path, "reasoning", train=20), make_toy(tmp_path, "captioning", train=20)
    assert len(asked.train.inputs) == 2 * len(seen.train.inputs)
    for one, other in zip(lessons(asked.train), lessons(seen.train), strict=True):
        np.testing.assert_array_equal(one.responses, other.responses)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_allclose(one.responses.std(axis=0, ddof=1), 1, rtol=1e-3)


def test_voxels_that_never_vary_become_zero() -> None:
    values = np.array([[1e6, 1.0], [1e6, 3.0]], np.float32)
    np.testing.assert_allclose(Standard.of(values)(values), [[0, -np.sqrt(0.5)], [0, np.sqrt(0.5)]], rtol=1e-6)


@pytest.mark.parametrize(("rows", "inputs"), [(40, 12), (12, 40)])
def test_ridge_is_the_closed_form(rows: int, inputs: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, inputs)) + 2, rng.normal(size=(rows, 3)) + 5
    found = fit_ridge(x, y, [7.0], np.arange(rows), 0)
    centred, level = x - x.mean(axis=0), y - y.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + 7 * np.eye(inputs), centred.T @ level)
    np.testing.assert_allclose(found.weights, weights, atol=1e-5)
    np.testing.assert_allclose(found(x), centred @ weights + y.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("inputs", [20, 400])
def test_each_target_gets_its_own_penalty_from_folds_that_cut_no_image(inputs: int) -> None:
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(60), 3)
    x = rng.normal(size=(60, inputs))[images] + 0.1 * rng.normal(size=(180, inputs))
    clear, noise = x[:, :10] @ rng.normal(size=(10, 2)), rng.normal(size=(60, 30))[images]
    grid = np.logspace(-2, 6, 9)
    found = fit_ridge(x, np.hstack([clear, noise]), grid, images, 0)
    assert (found.alphas[:2] < 100).all()
    # noise that is one value an image: only folds that cut images see anything to learn
    assert np.median(found.alphas[2:]) >= 1e3
    assert np.median(fit_ridge(x, noise, grid, np.arange(180), 0).alphas) <= 10


def test_folds_keep_images_together_and_need_enough_of_them() -> None:
    images = np.repeat(np.arange(23), 3)
    folds = folds_of(images, 5)
    assert folds is not None
    assert all(len(np.unique(folds[images == image])) == 1 for image in range(23))
    assert np.bincount(folds).tolist() == [15, 15, 15, 12, 12]
    assert folds_of(np.arange(9), 5) is None


def test_the_nearest_image_is_of_those_allowed() -> None:
    search = Neighbours(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
    wanted = np.array([[0.9, 0.5, 0], [0, 0.1, 3]])
    assert search.nearest(wanted).tolist() == [0, 2]
    assert search.nearest(wanted, np.array([1, 2])).tolist() == [1, 2]
    assert search.nearest(wanted[:0]).tolist() == []


def test_the_library_holds_training_images_once(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reasoning", train=10)
    library = Library(toy.train, "pixels", "pca", toy.context)
    assert len(library) == 20
    assert library.features.shape[0] == library.latents.shape[0] == 20
    assert set(library.sources) == {"features", "codec"}
    assert {len(library.having(colour)) > 0 for colour in COLOURS} == {True}


def test_a_new_question_is_taken_for_the_most_similar_one(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "reasoning", train=10)
    library = Library(toy.train, "pixels", "pca", toy.context)
    toy.test.questions[:2] = ["where is the big square", "what colour is a square"]
    said = answer("reasoning", library, toy.test, np.repeat(library.features[:1], len(toy.test), axis=0))
    assert said[:2] == [library.stimuli[0].dialogue[1][1], library.stimuli[0].dialogue[0][1]]


def test_images_without_pixels_are_told(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning", train=10)
    bare = replace(toy.train, targets=[replace(one, picture=None) for one in toy.train.targets])
    with pytest.raises(BadData, match="no pixels"):
        VoxelRidge(features="pixels").fit(bare, toy.context)


def test_words() -> None:
    assert likeness("A red dog.", "a red dog") == 1
    assert likeness("a red dog", "a blue cat sat") == pytest.approx(2 / 7)
    assert likeness("", "") == 0
    assert central(("a cat", "a red dog runs", "the red dog runs")) == "a red dog runs"
    assert central(()) == ""
    boxes = largest_first(np.array([[0, 0, 0.1, 0.1], [0, 0, 1, 1]]))
    np.testing.assert_array_equal(boxes[0], [0, 0, 1, 1])


def test_the_space_of_captions() -> None:
    space = CaptionSpace([["a red dog", "the red dog runs"], ["a blue boat"], []])
    red, runs, boat = (space.of([text]) for text in ("a red dog", "the red dog runs", "a blue boat"))
    assert red @ runs > red @ boat
    np.testing.assert_allclose(space.of(["a red dog", "a blue boat"]), (red + boat) / 2)
    assert not space.of([]).any()
    with pytest.raises(BadData, match="captions"):
        CaptionSpace([["?!"], []])


def test_the_same_seed_gives_the_same_captions(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, "captioning", train=16)
    first, second = (fitted(BrainCap, toy, epochs=2, width=16).predict(toy.test, toy.context) for _ in range(2))
    assert first == second
