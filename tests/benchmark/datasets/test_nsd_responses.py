"""The folder of responses: what is written comes back, whole or not at all, and damage is seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.response_rows import (
    rows_of_concepts,
    rows_of_images,
    rows_of_localised,
    rows_of_questions,
)
from brainbench.benchmark.datasets.responses import ResponseCohort, ResponseWriter
from brainbench.benchmark.errors import BadData, DataMissing
from brainbench.benchmark.items import ArrayRef, Items

INDEX = {"subj01": np.array([3, 7, 20, 59]), "subj02": np.array([0, 5, 23])}
SHAPES = {"subj01": (3, 4, 5), "subj02": (2, 3, 4)}
RNG = np.random.default_rng(0)
PIXELS = {name: RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8) for name in ("a", "b", "c")}
TRIALS = {(brain, name): RNG.normal(size=(3, len(INDEX[brain]))) for brain in INDEX for name in ("a", "b")}
MAP = np.array([0, 1, 0, 0.5])


def fill(writer: ResponseWriter) -> None:
    """Two brains, two shared images of which one has a picture, and an image of one brain without responses."""
    for brain, index in INDEX.items():
        early = np.arange(len(index)) < 2
        writer.space(brain, SHAPES[brain], 1.8, index, {"early": early, "ventral": ~early})
    boxes = {"dog": [[0.1, 0.2, 0.5, 0.6]], "cat": [[0, 0, 1, 1], [0.5, 0.5, 1.005, 0.9]], "bus": []}
    writer.image("a", PIXELS["a"], ["a dog", "one dog"], "A dog and two cats.", boxes, [("what?", "a dog")], "train")
    writer.image("b", None, ["nothing"], boxes={"dog": [[0, 0, 0.1, 0.1]]}, set="test", blip2=["void"])
    writer.image("c", PIXELS["c"])
    for (brain, image), trials in TRIALS.items():
        maps = {"dog": MAP} if (brain, image) == ("subj01", "b") else None
        writer.responses(brain, image, trials, maps)
    writer.responses("subj02", "c", None)


def written(folder: Path) -> ResponseCohort:
    with ResponseWriter(folder, "nsd", "twin", {"version": 1}) as writer:
        fill(writer)
        writer.finish(meta={"salience": {"dog": ["S"]}})
    return ResponseCohort.open(folder)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> ResponseCohort:
    return written(tmp_path_factory.mktemp("responses") / "nsd")


def test_what_is_written_comes_back(cohort: ResponseCohort, tmp_path: Path) -> None:
    items = cohort.items()
    items.save(tmp_path / "items.parquet")  # as a worker gets them
    for found in (items, Items.load(tmp_path / "items.parquet")):
        assert list(found.table.index) == ["subj01/a", "subj01/b", "subj02/a", "subj02/b", "subj02/c"]
        assert list(found.table["subject"]) == list(found.table["group"]) == ["a", "b", "a", "b", "c"]
        assert list(found.table["subject_space"]) == ["subj01"] * 2 + ["subj02"] * 3
        assert list(found.table["set"]) == ["train", "test", "train", "test", "train"]
        assert list(found.table["captions"].iloc[2]) == ["a dog", "one dog"]
        for row, key in enumerate(TRIALS):
            np.testing.assert_array_equal(found.read("response", row), TRIALS[key].astype(np.float32))
        assert found.arrays["response"][4] is None
        assert found.arrays["image"][1] is None
        np.testing.assert_array_equal(found.read("image", 2), PIXELS["a"])
        np.testing.assert_array_equal(found.read("image", 4), PIXELS["c"])
        assert found.meta["subjects"] == 2
        assert found.meta["salience"] == {"dog": ["S"]}


def test_spaces_are_plain_json_that_leads_to_the_arrays(cohort: ResponseCohort) -> None:
    spaces = json.loads(json.dumps(cohort.items().meta["spaces"]))
    for brain, space in spaces.items():
        np.testing.assert_array_equal(ArrayRef.of(space["index"]).read(), INDEX[brain])
        assert tuple(space["shape"]) == SHAPES[brain]
        masks = {roi: ArrayRef.of(told).read() for roi, told in space["rois"].items()}
        assert masks["nsdgeneral"].all()
        assert masks["early"].tolist() == [True, True] + [False] * (len(INDEX[brain]) - 2)
        np.testing.assert_array_equal(masks["ventral"], ~masks["early"])


def test_rows_of_images_carry_what_a_text_is_compared_with(cohort: ResponseCohort) -> None:
    items = cohort.items()
    assert [list(texts) for texts in rows_of_images(items).table["references"]] == [
        ["a dog", "one dog"], ["nothing"], ["a dog", "one dog"], ["nothing"], [],
    ]  # fmt: skip
    assert list(rows_of_images(items, "description").table["references"])[:2] == [["A dog and two cats."], []]
    assert list(rows_of_images(items, "blip2").table["references"])[:2] == [[], ["void"]]
    assert not any(rows_of_images(items, None).table["references"])


def test_rows_of_questions(cohort: ResponseCohort) -> None:
    asked = rows_of_questions(cohort.items())
    assert list(asked.table.index) == ["subj01/a/q1", "subj02/a/q1"]
    assert list(asked.table["question"]) == ["what?"] * 2
    assert list(asked.table["references"]) == [["a dog"]] * 2
    np.testing.assert_array_equal(asked.read("response", 1), TRIALS["subj02", "a"].astype(np.float32))


def test_rows_of_concepts_hold_every_true_box(cohort: ResponseCohort) -> None:
    asked = rows_of_concepts(cohort.items())
    assert list(asked.table.index) == [
        "subj01/a/cat", "subj01/a/dog", "subj01/b/dog", "subj02/a/cat", "subj02/a/dog", "subj02/b/dog",
    ]  # fmt: skip
    np.testing.assert_array_equal(asked.read("area", 0), [[0, 0, 1, 1], [0.5, 0.5, 1, 0.9]])
    np.testing.assert_array_equal(asked.read("area", 2), [[0, 0, 0.1, 0.1]])


def test_localisation_asks_concepts_of_enough_training_images_the_largest_first(cohort: ResponseCohort) -> None:
    items = cohort.items()
    assert len(rows_of_localised(items)) == 0
    asked = rows_of_localised(items, least=1, most=1)
    assert list(asked.table.index) == ["subj01/a/cat", "subj01/b/dog", "subj02/a/cat", "subj02/b/dog"]
    np.testing.assert_array_equal(asked.read("relevance", 1), MAP)
    assert asked.arrays["relevance"][0] is None
    wide = rows_of_localised(items, least=1)
    assert list(wide.table.index)[:2] == ["subj01/a/cat", "subj01/a/dog"]


def test_reserved_places_are_filled_in_any_order(tmp_path: Path) -> None:
    with ResponseWriter(tmp_path / "nsd", "nsd", "real", dtype="float16") as writer:
        writer.space("subj01", (3, 4, 5), 1.8, INDEX["subj01"])
        for name in ("a", "b"):
            writer.image(name, None)
        writer.reserve("subj01", {"a": 2, "b": 1})
        for name, repeat, value in (("b", 0, 3), ("a", 1, 2), ("a", 0, 1)):
            writer.put("subj01", name, repeat, np.full(4, value))
        writer.finish()
    items = ResponseCohort.open(tmp_path / "nsd").items()
    assert items.read("response", 0).tolist() == [[1] * 4, [2] * 4]
    assert items.read("response", 1).tolist() == [[3] * 4]
    assert items.read("response", 0).dtype == np.float16


def test_a_reserved_place_that_stays_empty_is_an_error(tmp_path: Path) -> None:
    with ResponseWriter(tmp_path / "nsd", "nsd", "real") as writer:
        writer.space("subj01", (3, 4, 5), 1.8, INDEX["subj01"])
        writer.image("a", None)
        writer.reserve("subj01", {"a": 2})
        writer.put("subj01", "a", 1, np.ones(4))
        with pytest.raises(BadData, match="1 reserved responses did not come"):
            writer.finish()
    assert list(tmp_path.iterdir()) == []


def fail(folder: Path) -> None:
    with ResponseWriter(folder, "nsd", "twin") as writer:
        fill(writer)
        raise ZeroDivisionError


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    before = written(tmp_path / "nsd").manifest.fingerprint
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "nsd")
    assert ResponseCohort.open(tmp_path / "nsd").manifest.fingerprint == before
    assert [path.name for path in tmp_path.iterdir()] == ["nsd"]


def test_the_fingerprint_follows_the_content(tmp_path: Path, cohort: ResponseCohort) -> None:
    assert written(tmp_path / "again").manifest.fingerprint == cohort.manifest.fingerprint
    with ResponseWriter(tmp_path / "other", "nsd", "twin") as writer:
        fill(writer)
        writer.image("d", None, ["one more"])
        writer.responses("subj01", "d", np.ones((1, 4)))
        writer.finish(meta={"salience": {"dog": ["S"]}})
    assert ResponseCohort.open(tmp_path / "other").manifest.fingerprint != cohort.manifest.fingerprint


@pytest.mark.parametrize("name", ["subj01.responses.bin", "images.bin", "subj02.space.bin"])
def test_a_truncated_file_is_refused_and_a_changed_one_found(tmp_path: Path, name: str) -> None:
    file = written(tmp_path / "nsd").path / name
    raw = bytearray(file.read_bytes())
    raw[5] ^= 1
    file.write_bytes(raw)
    assert ResponseCohort.open(tmp_path / "nsd").changed() == [name]
    file.write_bytes(raw[:-1])
    with pytest.raises(BadData, match=name):
        ResponseCohort.open(tmp_path / "nsd")


@pytest.mark.parametrize(
    ("old", "new"),
    [('"subj01"', '"../../x"'), ('"trials": 6', '"trials": 9'), ('"<f4"', '"|O"'), ('"images.bin"', '"/etc/passwd"')],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, old: str, new: str) -> None:
    manifest = written(tmp_path / "nsd").path / "responses.json"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    with pytest.raises(BadData, match="not a manifest"):
        ResponseCohort.open(tmp_path / "nsd")


def test_rows_that_point_outside_are_refused(tmp_path: Path) -> None:
    import pandas as pd

    found = written(tmp_path / "nsd")
    table = pd.read_parquet(found.path / "rows.parquet")
    table.loc[0, "start"] = 1000
    table.to_parquet(found.path / "rows.parquet")
    with pytest.raises(BadData, match="outside of its responses"):
        found.items()
    assert found.changed() == ["tables"]


def test_voxels_outside_of_the_grid_are_refused(tmp_path: Path) -> None:
    found = written(tmp_path / "nsd")
    file = found.path / "subj01.space.bin"
    file.write_bytes(np.array([3, 7, 20, 60]).astype("<i8").tobytes() + file.read_bytes()[32:])
    with pytest.raises(BadData, match="outside of the grid"):
        found.items()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataMissing):
        ResponseCohort.open(tmp_path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: w.space("s", (2, 2, 2), 1.8, np.array([1, 8])), "outside"),
        (lambda w: w.space("s", (2, 2, 2), 1.8, np.array([2, 1])), "ascending"),
        (lambda w: w.space("s", (2, 2, 2), 1.8, np.array([1, 2]), {"early": np.ones(3)}), "ROI early"),
        (lambda w: w.image("a/b", None), "without '/'"),
        (lambda w: w.image("a", np.zeros((4, 4), np.uint8)), "expected uint8"),
        (lambda w: w.image("a", None, set="val"), "neither train nor test"),
        (lambda w: w.image("a", None, boxes={"dog": [[0, 0, 2, 1]]}), "outside of 0..1"),
        (lambda w: w.image("a", None, boxes={"dog": [[0, 0, float("nan"), 1]]}), "outside of 0..1"),
        (lambda w: w.image("a", None, boxes={"dog": [[0.5, 0, 0.2, 1]]}), "is not x0"),
        (lambda w: w.responses("s", "a", np.ones((1, 2))), "space before"),
        (lambda w: w.finish(), "no response"),
    ],
)
def test_wrong_input_is_refused(tmp_path: Path, call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadData, match=message), ResponseWriter(tmp_path / "nsd", "nsd", "real") as writer:
        call(writer)
    assert list(tmp_path.iterdir()) == []
