import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import zoom

from brainbench.benchmark.datasets.response_rows import (
    rows_of_concepts,
    rows_of_images,
    rows_of_localised,
    rows_of_questions,
)
from brainbench.benchmark.datasets.responses import ResponseCohort
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.kinds.seen import Responses, Stimulus, stimuli
from brainbench.benchmark.metrics.images import PixCorr
from brainbench.benchmark.simulate import nsd_twin
from brainbench.benchmark.simulate.brains import NAMES
from brainbench.benchmark.simulate.nsd_twin import SESSION, brains_of, simulate, size_of
from brainbench.benchmark.simulate.nsd_twin_ceilings import Found, Fresh, _correlations, found_ceilings
from brainbench.benchmark.simulate.scene_bank import enlarged, scene_bank
from brainbench.benchmark.simulate.scene_photos import read_photos
from brainbench.benchmark.simulate.versions import PICTURES

SHARED = Path(os.environ.get("BRAINBENCH_SHARED", "../shared"))
TRAIN = 140


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    return simulate(str(TRAIN), tmp_path_factory.mktemp("twin") / "nsd", 3)


@pytest.fixture(scope="module")
def items(twin):
    return twin.items()


@pytest.fixture(scope="module")
def seen(items):
    return Responses(items), stimuli(items)


@pytest.fixture
def no_ceilings(monkeypatch):
    asked = []

    def found(*args, **kwargs):
        asked.append(kwargs)
        return Found({}, {})

    monkeypatch.setattr(nsd_twin, "found_ceilings", found)
    return asked


def split(items, brain):
    table = items.table
    own = (table["subject_space"] == brain).to_numpy()
    return [np.flatnonzero(own & (table["set"] == name).to_numpy()) for name in ("train", "test")]


def ridge(known, wanted, new):
    """Ridge on z-scored responses, one unit of penalty a voxel."""
    mean, sd = known.mean(axis=0), known.std(axis=0) + 1e-9
    known, new = (known - mean) / sd, (new - mean) / sd
    dual = np.linalg.solve(known @ known.T + known.shape[1] * np.eye(len(known)), wanted - wanted.mean(axis=0))
    return wanted.mean(axis=0) + new @ (known.T @ dual)


def light(stimulus):
    """(16,) mean light of the parts of a picture."""
    return np.asarray(
        Image.fromarray(stimulus.image()).convert("L").resize((4, 4), Image.Resampling.BOX), float
    ).ravel()


def agreement(found, wanted):
    """Mean correlation over columns."""
    return np.mean([np.corrcoef(found[:, k], wanted[:, k])[0, 1] for k in range(wanted.shape[1])])


# -------------------------------------------------------------------------------------------------------- layout


def test_a_twin_holds_what_was_asked_for(twin, items):
    assert twin.manifest.origin == "twin"
    assert twin.manifest.twin["version"] == PICTURES
    assert twin.manifest.twin["seed"] == 3
    assert list(twin.manifest.spaces) == list(NAMES)
    assert len(items) == 4 * (TRAIN + 100)
    sizes = {space.voxels for space in twin.manifest.spaces.values()}
    assert len(sizes) == 4
    for space in twin.manifest.spaces.values():
        assert space.trials == 3 * (TRAIN + 100)
        assert {"nsdgeneral", "early", "ventral"} == set(space.rois)
    assert twin.changed() == []


def test_test_images_are_shared_and_training_images_are_not(items):
    table = items.table
    brains = table.groupby("subject")["subject_space"].nunique()
    sets = table.groupby("subject")["set"].first()
    assert (brains[sets == "test"] == 4).all()
    assert (brains[sets == "train"] == 1).all()
    assert ((sets == "test").sum(), (sets == "train").sum()) == (100, 4 * TRAIN)


def test_every_item_is_complete(items, seen):
    responses, known = seen
    for row in range(0, len(items), 37):
        assert responses.trials(row).shape[0] == 3
        assert np.isfinite(responses[row]).all()
        assert known[row].image().shape == (96, 96, 3)
        assert len(known[row].captions) == 5
        assert known[row].description
        assert len(known[row].dialogue) >= 3
        assert known[row].boxes
    assert len(rows_of_images(items)) == len(items)
    assert len(rows_of_questions(items)) > 4 * len(items)
    assert len(rows_of_concepts(items)) > 1.3 * len(items)


def test_maps_are_those_of_the_brain_and_of_test_items_only(items):
    rows = rows_of_localised(items)
    size = size_of(str(TRAIN))
    brains = {brain.name: brain for brain in brains_of(size)}
    checked = 0
    for row, (brain, concept, where) in enumerate(
        zip(rows.table["subject_space"], rows.table["concept"], rows.table["set"], strict=True)
    ):
        if where == "train":
            assert rows.arrays["relevance"][row] is None
        elif row % 11 == 0:
            assert np.allclose(rows.read("relevance", row), brains[brain].relevance(concept), atol=1e-6)
            checked += 1
    assert checked > 10


def test_the_same_seed_gives_the_same_twin(tmp_path, no_ceilings):
    first, again, other = (simulate("30", tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert first.manifest.fingerprint == again.manifest.fingerprint != other.manifest.fingerprint
    assert np.array_equal(first.index("subj01"), other.index("subj01")), "another seed keeps the brains"


def test_sizes():
    assert (size_of("small").train, size_of("small").test) == (300, 100)
    assert (size_of("full").train, size_of("full").test) == (2000, 982)
    full = [len(brain.index) for brain in brains_of(size_of("full"))]
    assert 2300 < np.mean(full) < 3300, full
    for wrong in ("29", "20001", "large", "-5", ""):
        with pytest.raises(BadOption, match="no twin of size"):
            size_of(wrong)


# -------------------------------------------------------------------------------------------------------- signal


def test_ridge_reads_the_picture_and_shuffled_voxels_do_not(items, seen):
    responses, known = seen
    for brain in ("subj01", "subj07"):
        train, test = split(items, brain)
        wanted = {part: np.stack([light(known[row]) for row in rows]) for part, rows in (("a", train), ("b", test))}
        past, now = responses.matrix(train), responses.matrix(test)
        good = agreement(ridge(past, wanted["a"], now), wanted["b"])
        rng = np.random.default_rng(0)
        mixed = np.stack([row[rng.permutation(len(row))] for row in now])
        assert good > 0.5
        assert abs(agreement(ridge(past, wanted["a"], mixed), wanted["b"])) < 0.15
        single = np.stack([responses.trials(int(row))[0] for row in test])
        assert 0.2 < agreement(ridge(past, wanted["a"], single), wanted["b"]) < good - 0.05


def test_early_voxels_hold_the_picture_and_ventral_ones_the_things(items, seen):
    responses, known = seen
    train, test = split(items, "subj02")
    rois = responses.spaces["subj02"].rois
    past, now = responses.matrix(train), responses.matrix(test)
    lights = [np.stack([light(known[row]) for row in rows]) for rows in (train, test)]
    often = ("person", "dog", "bird", "tree")
    things = [np.array([[name in known[row].boxes for name in often] for row in rows], float) for rows in (train, test)]
    found = {
        (roi, what): agreement(ridge(past[:, rois[roi]], a, now[:, rois[roi]]), b)
        for roi in ("early", "ventral")
        for what, (a, b) in (("light", lights), ("things", things))
    }
    assert found["early", "light"] > found["ventral", "light"] + 0.05, found
    assert found["ventral", "things"] > found["early", "things"] + 0.05, found


def test_a_reader_of_one_brain_reads_another_in_common_coordinates(items, seen):
    """After a plain resize of the grids, as brains differ in grid and warp; less well than within the brain."""
    responses, known = seen

    def common(brain, rows):
        values = responses.matrix(rows)
        mean, sd = values.mean(axis=0), values.std(axis=0)
        volumes = responses.spaces[brain].volume((values - mean) / sd)
        return np.stack([zoom(one, [12 / side for side in one.shape], order=1).ravel() for one in volumes])

    train, test = split(items, "subj01")
    other = split(items, "subj05")[1]
    wanted, truth = (np.stack([light(known[row]) for row in rows]) for rows in (train, test))
    again = np.stack([light(known[row]) for row in other])
    assert np.array_equal(truth, again), "both saw the same test images"
    past = common("subj01", train)
    within = agreement(ridge(past, wanted, common("subj01", test)), truth)
    across = agreement(ridge(past, wanted, common("subj05", other)), again)
    assert 0.15 < across < within - 0.03, (across, within)


def test_drift_is_shared_by_the_trials_of_a_session(items, seen):
    """The means over voxels of one repeat vary slowly: more than independent noise of so many voxels would."""
    drift = nsd_twin._drift_of_trials(500, np.random.default_rng(0))
    assert drift.shape == (500, 3, 3)
    for repeat in range(3):
        _, counts = np.unique(drift[:, repeat, 0], return_counts=True)
        assert len(counts) == round(500 / SESSION)
        assert counts.min() > 100
    assert not set(drift[:, 0, 0]) & set(drift[:, 1, 0]), "repeats lie in different thirds"


# ------------------------------------------------------------------------------------------------------ ceilings


def test_ceilings_are_above_what_ridge_reaches(twin, items, seen):
    responses, known = seen
    ceilings = twin.manifest.twin["ceilings"]
    targets = ("relevance", "image", "references")
    assert set(ceilings) == {*targets, *(f"{target}@single-trial" for target in targets)}
    for target in targets[1:]:
        assert ceilings[f"{target}@single-trial"]["value"] < ceilings[target]["value"] - 0.02
    picture = ceilings["image"]
    assert picture["metric"] == "pixcorr"
    assert 0.5 < picture["at_training_size"] < picture["value"] - 0.03 < 0.9
    assert picture["error"] < 0.02
    scores = []
    for brain in NAMES[:2]:
        train, test = split(items, brain)
        small = [
            np.stack(
                [np.asarray(Image.fromarray(known[row].image()).resize((32, 32), Image.Resampling.BOX)) for row in rows]
            )
            for rows in (train, test)
        ]
        found = ridge(responses.matrix(train), small[0].reshape(len(train), -1).astype(float), responses.matrix(test))
        scores += [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found, small[1], strict=True)]
    assert abs(np.mean(scores) - picture["at_training_size"]) < 0.06, "what was promised for ridge"
    said = ceilings["references"]
    assert said["metric"] == "cider-d"
    true = twin.manifest.twin["reached"]["cider-d:true-scene"]
    assert 1.5 < said["value"] < true, "captions of the right scene are close to the references"


def test_with_photographs_only_the_ceiling_of_maps_holds():
    found = found_ceilings(brains_of(size_of("30"))[3:], 30, 100, drawn_only=False).ceilings
    assert set(found) == {"relevance", "relevance@single-trial"}
    assert found["relevance"].value == 1
    assert found["relevance"].at_training_size is None, "no concept is there often enough"


def test_what_the_true_model_reaches_is_told(twin):
    reached = twin.manifest.twin["reached"]
    assert 0.99 < reached["two-way@single-trial"] <= reached["two-way"] <= 1
    assert 0.9 < reached["top-1-of-300@single-trial"] <= reached["top-1-of-300"] <= 1
    assert 0.9 < reached["concept-auc@single-trial"] < reached["concept-auc"] < 1
    for brain, space in twin.manifest.spaces.items():
        ceilings = np.array(twin.manifest.twin["noise_ceiling"][brain])
        assert ceilings.shape == (space.voxels,)
        assert 0.2 < np.median(ceilings[ceilings > 0]) < 0.4


def test_pictures_are_compared_as_the_metric_compares_them():
    pytest.importorskip("torch")
    fresh, bank = Fresh.draw(4), scene_bank()
    guesses = bank.pictures(bank.features[:4])
    truth = [Stimulus(picture=pixels) for pixels in fresh.pictures]
    assert np.allclose(_correlations(guesses, fresh), PixCorr().items(truth, list(enlarged(guesses))), atol=1e-5)


# -------------------------------------------------------------------------------------------------------- photos


def coco(folder, sizes):
    """A folder in COCO's layout with pictures of these (width, height)."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    images = []
    for number, (width, height) in enumerate(sizes, start=1):
        pixels = np.full((height, width, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / "val2017" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
    captions = [{"image_id": k, "caption": f"photo  {k} by {n}"} for k in range(1, len(sizes) + 1) for n in range(5)]
    boxes = [
        {"image_id": 1, "category_id": 3, "bbox": [60, 10, 20, 40], "iscrowd": 0},
        {"image_id": 1, "category_id": 3, "bbox": [0, 10, 55, 40], "iscrowd": 0},
        {"image_id": 1, "category_id": 9, "bbox": [100, 0, 50, 100], "iscrowd": 1},
        {"image_id": 1, "category_id": 9, "bbox": [100, 0, 50, 100], "iscrowd": 0},
    ]
    names = [
        {"id": 3, "name": "dog", "supercategory": "animal"},
        {"id": 9, "name": "oven", "supercategory": "appliance"},
    ]
    told = {"captions": {"annotations": captions}, "instances": {"annotations": boxes, "categories": names}}
    for name, extra in told.items():
        (folder / "annotations" / f"{name}_val2017.json").write_text(json.dumps({"images": images, **extra}))
    return folder


def test_photographs_take_the_place_of_scenes(tmp_path, no_ceilings):
    folder = coco(tmp_path / "coco", [(200, 100), (50, 80), (64, 64), (64, 64), (90, 64), (64, 64)])
    photos = read_photos(folder, 96)
    assert [photo.origin for photo in photos] == [f"coco:{k}" for k in range(1, 7)]
    assert photos[0].captions == tuple(f"photo 1 by {n}" for n in range(5))
    # The square is columns 50 to 150: all of the first dog is in it, a tenth of the second; the crowd does not count.
    assert {name: boxes.round(3).tolist() for name, boxes in photos[0].boxes.items()} == {
        "dog": [[0.1, 0.1, 0.3, 0.5]],
        "oven": [[0.5, 0, 1, 1]],
    }
    made = simulate("30", tmp_path / "twin", photos=folder)
    assert no_ceilings == [{"drawn_only": False}]
    table = made.images()
    shown = table[table["origin"] != ""]
    assert sorted(shown["origin"]) == [f"coco:{k}" for k in range(1, 7)]
    assert list(shown["set"]).count("test") == 2
    first = shown[shown["origin"] == "coco:1"].iloc[0]
    assert list(first["captions"]) == [f"photo 1 by {n}" for n in range(5)]
    assert "dog" in first["description"]
    assert json.loads(first["dialogue"])


@pytest.mark.skipif(not (SHARED / "data" / "coco-mini").exists(), reason="no photographs in BRAINBENCH_SHARED")
def test_real_photographs_are_read():
    photos = read_photos(SHARED / "data" / "coco-mini", 64)
    assert len(photos) == 76
    assert all(photo.pixels.shape == (64, 64, 3) and len(photo.captions) >= 5 for photo in photos)
    assert sum(bool(photo.boxes) for photo in photos) > 45


def test_bad_photographs_are_named(tmp_path, no_ceilings):
    with pytest.raises(BadData, match="no annotated photographs"):
        simulate("30", tmp_path / "twin", photos=tmp_path)
    folder = coco(tmp_path / "coco", [(64, 64)])
    (folder / "val2017" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(BadData, match=r"1\.png: not a picture"):
        simulate("30", tmp_path / "twin", photos=folder)
    assert not (tmp_path / "twin").exists()
    (folder / "annotations" / "captions_val2017.json").write_text("[]")
    with pytest.raises(BadData, match="not annotations of COCO"):
        read_photos(folder, 96)


def test_a_twin_that_fails_leaves_nothing(tmp_path, monkeypatch, no_ceilings):
    def fail(*args):
        raise BadData("the disk is full")

    monkeypatch.setattr(nsd_twin, "_write_responses", fail)
    with pytest.raises(BadData):
        simulate("30", tmp_path / "twin")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exception, match="no responses"):
        ResponseCohort.open(tmp_path / "twin")
