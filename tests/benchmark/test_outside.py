"""Predictions from outside: ids are matched, hostile files are refused, the rest is a record like any other."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainbench.benchmark.contracts import TaskInfo
from brainbench.benchmark.datasets.responses import ResponseWriter
from brainbench.benchmark.errors import (
    BadData,
    BadIds,
    BadOption,
    BadPrediction,
    BrainbenchError,
    DataMissing,
    StoreError,
)
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.kinds.outside_files import read_pictures, read_texts
from brainbench.benchmark.outside import Offer, parse_files, score_outside
from brainbench.benchmark.rescoring import rescore
from brainbench.benchmark.store import Store
from brainbench.leaderboard.board import boards
from brainbench.leaderboard.markdown import to_markdown
from brainbench.leaderboard.tables import board_sheet

IMAGES = [str(k) for k in range(12)]


def silent(*_):
    pass


@pytest.fixture
def references(tmp_path, monkeypatch) -> Path:
    """Installed references of twelve images for two brains: two captions and a box each."""
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "cohorts" / "brainhub"
    with ResponseWriter(folder, "brainhub", "real", dataset="brainhub") as writer:
        for name in IMAGES:
            texts = [f"a dog number {name} runs", f"one dog {name}"]
            writer.image(name, None, texts, boxes={"dog": [[0.1, 0.1, 0.5, 0.5]]}, set="test")
        for brain in ("subj01", "subj02"):
            for name in IMAGES:
                writer.responses(brain, name, None)
        writer.finish(source="test", meta={})
    return folder


@pytest.fixture
def captions(tmp_path) -> Path:
    file = tmp_path / "captions.json"
    file.write_text(json.dumps({name: f"a dog number {name} runs" for name in reversed(IMAGES)}))
    return file


def offer(files, task="nsd-caption@subjects:1", **more) -> Offer:
    return Offer(task, "their-system", files if isinstance(files, dict) else {"": files}, **more)


def test_captions_become_a_rescored_record(references, captions, tmp_path):
    store = Store(tmp_path / "runs")
    record, folder = score_outside(offer(captions, notes=("known fact",)), store, silent)
    assert (record.row, record.status, record.ranked) == ("rescored", "ok", True)
    assert record.data.source == "references"
    assert record.scores["bleu-1"].value == pytest.approx(1)
    assert record.scores["bleu-1"].parts == {"subj01": pytest.approx(1)}
    assert record.scores["clip-s"].value is None
    assert record.scores["clip-s"].missing
    again = rescore(record, folder, silent)
    assert again.differences == ()
    (board,) = boards(store.records())
    assert (len(board.lines), len(board.rescored)) == (0, 1)
    text = to_markdown(board_sheet(board))
    assert "Rescored" in text
    assert "known fact" in text
    assert "clip-s |" not in text


def test_order_in_the_file_does_not_matter_but_ids_do(references, captions, tmp_path):
    store = Store(tmp_path / "runs")
    told = json.loads(captions.read_text())
    shifted = tmp_path / "shifted.json"
    shifted.write_text(json.dumps(dict(zip(told, [*list(told.values())[1:], "x"], strict=True))))
    right, _ = score_outside(offer(captions), store, silent)
    wrong, _ = score_outside(offer(shifted), store, silent)
    assert wrong.scores["cider-d"].value < right.scores["cider-d"].value
    assert wrong.id != right.id


def test_a_file_of_one_brain_may_name_it_in_its_ids(references, captions, tmp_path):
    store = Store(tmp_path / "runs")
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps({f"subj01/{name}": text for name, text in json.loads(captions.read_text()).items()}))
    assert score_outside(offer(whole), store, silent)[0].scores["bleu-1"].value == pytest.approx(1)
    with pytest.raises(BadData, match="missing"):
        score_outside(offer(whole, "nsd-caption@subjects:2"), store, silent)


def test_empty_captions_and_older_records_are_told(references, captions, tmp_path):
    store = Store(tmp_path / "runs")
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(dict.fromkeys(IMAGES, " ")))
    score_outside(offer(captions), store, silent)
    record, _ = score_outside(offer(empty), store, silent)
    assert "12 of 12 texts are empty" in [finding.message for finding in record.audit]
    (board,) = boards(store.records())
    assert (len(board.rescored), board.superseded) == (1, 1)
    assert "left out: 1" in to_markdown(board_sheet(board))


def test_two_brains_are_scored_apart_and_averaged(references, captions, tmp_path):
    store = Store(tmp_path / "runs")
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(dict.fromkeys(IMAGES, "")))
    files = {"subj02": empty, "subj01": captions}
    record, _ = score_outside(offer(files, "nsd-caption@subjects:1,2"), store, silent)
    assert record.scores["bleu-1"].parts["subj01"] == pytest.approx(1)
    assert record.scores["bleu-1"].parts["subj02"] == pytest.approx(0, abs=1e-6)
    assert record.scores["bleu-1"].value == pytest.approx(0.5)
    swapped, _ = score_outside(offer({"subj02": captions, "subj01": empty}, "nsd-caption@subjects:1,2"), store, silent)
    assert swapped.id != record.id
    with pytest.raises(BadOption, match="no predictions for subj02"):
        score_outside(offer({"subj01": captions}, "nsd-caption@subjects:1,2"), store, silent)
    with pytest.raises(BadOption, match="no part 'subj09'"):
        score_outside(offer({"subj01": captions, "subj09": captions}, "nsd-caption@subjects:1,2"), store, silent)


def test_own_references_are_scored_and_not_ranked(captions, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "nothing"))
    store = Store(tmp_path / "runs")
    with pytest.raises(DataMissing, match="brainhub"):
        score_outside(offer(captions), store, silent)
    own = tmp_path / "own.json"
    own.write_text(json.dumps({name: [f"a dog number {name} runs"] for name in IMAGES}))
    record, folder = score_outside(offer({"": captions}, "nsd-caption", references=own), store, silent)
    assert not record.ranked
    assert record.scores["rouge-l"].value == pytest.approx(1)
    with pytest.raises(StoreError, match="from a file"):
        rescore(record, folder, silent)


def test_boxes_that_a_file_leaves_out_were_not_found(references, tmp_path):
    boxes = {name: {"dog": [[0.1, 0.1, 0.5, 0.5]]} if int(name) % 2 else {} for name in IMAGES}
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(boxes))
    record, _ = score_outside(offer(file, "nsd-grounding@subjects:1"), Store(tmp_path / "runs"), silent)
    assert record.scores["grounding-acc"].value == pytest.approx(0.5)


def test_one_file_of_boxes_may_name_brain_and_image(references, tmp_path):
    boxes = {f"{brain}/{name}": {"dog": [[0.1, 0.1, 0.5, 0.5]]} for brain in ("subj01", "subj02") for name in IMAGES}
    for name in IMAGES[::2]:
        boxes[f"subj02/{name}"] = {}
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(boxes))
    record, _ = score_outside(offer(file, "nsd-grounding@subjects:1,2"), Store(tmp_path / "runs"), silent)
    assert record.scores["grounding-acc"].parts == {"subj01": pytest.approx(1), "subj02": pytest.approx(0.5)}


def test_a_full_disk_is_told(references, captions, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(get_kind("captioning")), "save", full)
    with pytest.raises(StoreError, match="no space left"):
        score_outside(offer(captions), Store(tmp_path / "runs"), silent)
    assert not list((tmp_path / "runs" / "work").glob("*"))


def test_a_name_of_a_page_is_refused(references, captions, tmp_path):
    with pytest.raises(BadOption, match="5,000 characters; at most 80"):
        score_outside(Offer("nsd-caption@subjects:1", "x" * 5000, {"": captions}), Store(tmp_path / "runs"), silent)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb"])
def test_names_and_notes_are_one_line_of_text(name, references, captions, tmp_path):
    store = Store(tmp_path / "runs")
    for wrong in (Offer("nsd-caption@subjects:1", name, {"": captions}), offer(captions, notes=(name,))):
        with pytest.raises(BadOption, match="control character"):
            score_outside(wrong, store, silent)


def test_half_a_surrogate_pair_is_refused(references, tmp_path):
    file = tmp_path / "half.json"
    told = {**dict.fromkeys(IMAGES, "x"), "3": "a \ud800 dog"}
    file.write_text(json.dumps(told))
    with pytest.raises(BadData, match="surrogate"):
        score_outside(offer(file), Store(tmp_path / "runs"), silent)
    file.write_text(json.dumps([{"image_id": name, "caption": text} for name, text in told.items()]))
    with pytest.raises(BadPrediction, match="surrogate"):
        score_outside(offer(file), Store(tmp_path / "runs"), silent)
    file.write_text(json.dumps({**told, "3": "a \U0001f415"}))
    assert read_texts(file)["3"] == "a \U0001f415"


def test_millions_of_lists_are_not_read(tensor, tmp_path):
    many = "[" + ",".join(["[]"] * 2_000_001) + "]"
    (tmp_path / "many.json").write_text(many)
    with pytest.raises(BadData, match="not read"):
        read_texts(tmp_path / "many.json")
    (tmp_path / "all.ids.json").write_text(many)
    with pytest.raises(BadData, match="not read"):
        read_pictures(tensor[0], ["a"])


BAD_TEXTS = {
    "missing": (json.dumps({name: "x" for name in IMAGES[1:]}), "1 ids are missing ('0')"),
    "unknown": (json.dumps({name: "x" for name in [*IMAGES, "99"]}), "1 ids are unknown ('99')"),
    "twice": ('{"0": "a", "0": "b"}', "occurs twice"),
    "number": (json.dumps({**dict.fromkeys(IMAGES, "x"), "3": 5}), "'3'"),
    "list": ("[1, 2]", "image_id and caption"),
    "not json": ("{", "not a JSON file"),
    "deep": ('{"0": ' + "[" * 100_000, "JSON"),
    "nothing": ("", "JSON"),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_bad_captions_are_one_clear_error_and_leave_no_record(case, references, tmp_path):
    text, message = BAD_TEXTS[case]
    file = tmp_path / "bad.json"
    file.write_text(text)
    store = Store(tmp_path / "runs")
    with pytest.raises(BadData) as error:
        score_outside(offer(file), store, silent)
    assert message in str(error.value)
    assert not list((tmp_path / "runs" / "records").glob("*"))
    assert not list((tmp_path / "runs" / "work").glob("*"))


def test_one_file_for_several_brains_is_told_how_to_say_whose_it_is(references, captions, tmp_path):
    with pytest.raises(BadIds, match="24 ids are missing") as error:
        score_outside(offer(captions, "nsd-caption@subjects:1,2"), Store(tmp_path / "runs"), silent)
    assert "--predictions subj01=FILE" in error.value.hint
    assert "@subjects:1" in error.value.hint
    with pytest.raises(BadData, match="a folder, not a file"):
        score_outside(offer(tmp_path), Store(tmp_path / "runs"), silent)


def folder_named(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_caption_file_of_2_gb_is_not_read(references, tmp_path):
    for name in ("huge.json", "huge.csv"):
        file = tmp_path / name
        file.touch()
        os.truncate(file, 2 << 30)
        with pytest.raises(BadData, match="not read"):
            score_outside(offer(file), Store(tmp_path / "runs"), silent)


def test_texts_come_as_coco_results_and_as_csv(tmp_path):
    coco = tmp_path / "coco.json"
    coco.write_text(json.dumps([{"image_id": 3, "caption": "x, y"}, {"image_id": 4, "caption": ""}]))
    table = tmp_path / "table.csv"
    table.write_text('id,text\n3,"x, y"\n4,\n')
    assert read_texts(coco) == read_texts(table) == {"3": "x, y", "4": ""}
    shouted = tmp_path / "SHOUTED.CSV"
    shouted.write_bytes(table.read_bytes())
    assert read_texts(shouted) == {"3": "x, y", "4": ""}
    table.write_text("id,text\n3,a\n3,b\n")
    with pytest.raises(BadData, match="twice"):
        read_texts(table)
    with pytest.raises(BadData, match="not a file"):
        read_texts(folder_named(tmp_path / "folder.csv"))
    for line in ("3,a dog, running\n", "3\n"):
        table.write_text("id,text\n2,fine\n" + line)
        with pytest.raises(BadData, match=r"row 2 \('3'\) has not the 2 cells") as error:
            read_texts(table)
        assert "double quotes" in error.value.hint
    table.write_text("a,b\n1,2\n")
    with pytest.raises(BadData, match="columns id and text"):
        read_texts(table)


@pytest.fixture
def tensor(tmp_path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(0).random((3, 3, 20, 20)).astype(np.float32)
    file = tmp_path / "all.npy"
    np.save(file, values)
    (tmp_path / "all.ids.json").write_text(json.dumps(["b", "a", 7]))
    return file, values


def test_pictures_come_as_tensors_with_their_ids(tensor, tmp_path):
    torch = pytest.importorskip("torch")
    file, values = tensor
    expected = (np.moveaxis(values, 1, -1) * 255).round().astype(np.uint8)
    saved = tmp_path / "again.pt"
    torch.save(torch.from_numpy(values), saved)
    (tmp_path / "again.ids.json").write_text(json.dumps(["b", "a", "7"]))
    for path in (file, saved):
        found = read_pictures(path, ["a", "7", "b"])
        np.testing.assert_array_equal(np.stack(list(found)), expected[[1, 2, 0]])
        np.testing.assert_array_equal(found.take([2])[0], expected[0])


def test_tensors_of_two_brains_are_joined_and_stored(tensor, tmp_path):
    """As `gather` does: pieces of several files are put together and brought into the shown order."""
    file, values = tensor
    expected = (np.moveaxis(values, 1, -1) * 255).round().astype(np.uint8)
    kind, info = get_kind("reconstruction"), TaskInfo("t", "reconstruction", "image")
    pieces = [kind.outside(file, ["a", "7", "b"], info), kind.outside(file, ["b", "a", "7"], info)]
    joined = kind.check(kind.take(kind.concat(pieces), [5, 0, 3, 1, 2, 4]), [None] * 6, info)
    np.testing.assert_array_equal(np.stack(list(joined)), expected[[2, 1, 0, 2, 0, 1]])
    place = tmp_path / "kept"
    place.mkdir()
    kind.save(joined, place, info)
    np.testing.assert_array_equal(np.stack(list(kind.load(place, info))), expected[[2, 1, 0, 2, 0, 1]])


def _npy_header(file: Path) -> None:
    """A file whose header promises pictures of 300,000 pixels a side, with nothing but a hole behind it."""
    with file.open("wb") as out:
        shape = (3, 3, 300_000, 300_000)
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
        out.truncate(out.tell() + 9 * 300_000**2)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.npy", lambda file, torch: np.save(file, np.float32(3)), "shape ()"),
        ("a.npy", lambda file, torch: np.savez(file.open("wb"), a=np.zeros(3)), "an archive"),
        ("a.npy", lambda file, torch: file.write_bytes(b"PK\x03\x04" + bytes(40)), "not a plain .npy"),
        ("a.npy", lambda file, torch: _npy_header(file), "at most 1024"),
        ("a.pt", lambda file, torch: torch.save(torch.tensor(3.0), file), "shape ()"),
        ("a.pt", lambda file, torch: torch.save(torch.zeros(1).expand(3, 3, 90_000, 90_000), file), "at most 1024"),
        ("a.pt", lambda file, torch: torch.save(torch.zeros(3, 3, 20, 20).to_sparse(), file), "not a plain tensor"),
    ],
)
def test_tensors_that_are_no_pictures_are_refused(name, make, message, tmp_path):
    torch = pytest.importorskip("torch")
    make(tmp_path / name, torch)
    (tmp_path / "a.ids.json").write_text(json.dumps(["1", "2", "3"]))
    with pytest.raises(BadData) as error:
        read_pictures(tmp_path / name, ["1", "2", "3"])
    assert message in str(error.value)


def test_a_tensor_that_was_trained_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.full((1, 3, 20, 20), 0.5, requires_grad=True), tmp_path / "a.pt")
    (tmp_path / "a.ids.json").write_text('["1"]')
    assert (read_pictures(tmp_path / "a.pt", ["1"])[0] == 128).all()


def test_pictures_come_as_a_folder_of_png(tmp_path):
    for name in ("x", "y"):
        Image.fromarray(np.full((16, 16, 3), ord(name), np.uint8)).save(tmp_path / f"{name}.png")
    found = read_pictures(tmp_path, ["y", "x"])
    assert [int(image[0, 0, 0]) for image in found] == [ord("y"), ord("x")]
    with pytest.raises(BadData, match="missing"):
        read_pictures(tmp_path, ["x", "y", "z"])


class Evil:
    def __reduce__(self):
        return (os.system, ("touch owned",))


def test_pickles_are_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npy", "a.pt", "a.pth"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
        with pytest.raises(BadData, match="pickles"):
            read_pictures(tmp_path / name, ["1"])
    np.save(tmp_path / "o.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(BadData, match="pickles"):
        read_pictures(tmp_path / "o.npy", ["1"])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadData, match="expected a folder"):
        read_pictures(tmp_path / "a.pkl", ["1"])
    assert not (tmp_path / "owned").exists()


def test_a_tensor_needs_ids_that_fit(tensor, tmp_path):
    file, _ = tensor
    beside = tmp_path / "all.ids.json"
    for text, message in (
        (json.dumps(["a", "b"]), "2 ids for the 3 rows"),
        (json.dumps(["a", "b", "a"]), "twice"),
        ("{}", "not a JSON list"),
    ):
        beside.write_text(text)
        with pytest.raises(BadData, match=message):
            read_pictures(file, ["a", "b", "7"])
    beside.unlink()
    with pytest.raises(BadData, match="which image a row is"):
        read_pictures(file, ["a", "b", "7"])


def test_values_that_are_no_picture_are_named(tensor, tmp_path):
    file, values = tensor
    for change, message in ((np.nan, "NaN"), (7.0, "0 .. 1"), (-3.0, "0 .. 1")):
        wrong = values.copy()
        wrong[1, 0, 0, 0] = change
        np.save(file, wrong)
        with pytest.raises(BadPrediction, match=message) as error:
            list(read_pictures(file, ["a", "b", "7"]))
        assert "'a'" in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: Image.new("L", (32, 32)).save(file), "mode L"),
        (lambda file: Image.new("RGB", (32, 20)).save(file), "square"),
        (lambda file: Image.new("RGB", (8, 8)).save(file), "16 to 1024"),
        (lambda file: Image.new("RGB", (1500, 1500)).save(file), "at most 1024"),
        (lambda file: Image.new("RGB", (32, 32)).save(file, format="JPEG"), "not a PNG"),
        (lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n"), "not a PNG"),
    ],
)
def test_a_wrong_png_is_named(make, message, tmp_path):
    file = tmp_path / "1.png"
    make(file)
    kind = get_kind("reconstruction")
    info = TaskInfo("t", "reconstruction", "image")
    with pytest.raises(BrainbenchError, match=message):
        kind.check(kind.outside(tmp_path, ["1"], info), [None], info)


def test_files_of_parts_are_parsed(tmp_path):
    odd = tmp_path / "a=b.json"
    odd.write_text("{}")
    assert parse_files(["subj01=x.json", "subj02=y"]) == {"subj01": Path("x.json"), "subj02": Path("y")}
    assert parse_files([str(odd)]) == {"": odd}
    for wrong in (["subj01=a", "subj01=b"], ["subj01="]):
        with pytest.raises(BadOption):
            parse_files(wrong)


def test_kinds_without_a_file_format_say_so(tmp_path, monkeypatch):
    file = tmp_path / "p.json"
    file.write_text("{}")
    with pytest.raises(BrainbenchError):
        score_outside(offer(file, "abide1-asd", data="simulated:60"), Store(tmp_path / "runs"), silent)
