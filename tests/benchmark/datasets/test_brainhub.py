"""BrainHub: its files are read with care, fetched by checksum, and become references without responses."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainbench.benchmark.datasets import brainhub
from brainbench.benchmark.datasets.brainhub import BrainHub, import_brainhub, pinned
from brainbench.benchmark.datasets.brainhub_files import (
    IDS,
    MAX_BYTES,
    read_boxes,
    read_captions,
    read_references,
    read_salience,
)
from brainbench.benchmark.datasets.fetch import get
from brainbench.benchmark.datasets.nsd import NSD
from brainbench.benchmark.datasets.response_rows import rows_of_concepts
from brainbench.benchmark.errors import BadData, BadOption, DataMissing

LABELS = {
    "coco_cats": ["dog", "cup", "sofa"], "salient": ["dog", "sofa"], "salient_creatures": ["dog"],
    "salient_objects": ["sofa"], "inconspicuous_objects": ["cup"],
}  # fmt: skip
FILES: dict[str, Any] = {
    "caption/fmri_cococap.json": {name: [f"picture {name}", "a dog"] for name in IDS},
    "bbox/coco_bbox_categorized.json": {name: {"dog": [[0, 0.1, 0.5, 1.0]], "cup": []} for name in IDS},
    "processing/coco/coco_categorized_labels.json": LABELS,
}


def write(folder: Path, files: dict[str, Any] = FILES) -> Path:
    for name, value in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


def test_the_real_files_become_references_of_four_brains(shared: Path) -> None:
    report = import_brainhub(shared / "brainhub")
    assert (report.captions, report.boxes, report.notes) == (4913, 5829, [])
    for data in (BrainHub().load("real"), NSD().load("references")):
        assert (data.name, data.origin) == ("brainhub", "real")
        assert len(data.items) == 4 * 982
        table = data.items.table
        assert set(table["subject_space"]) == {"subj01", "subj02", "subj05", "subj07"}
        assert set(table["set"]) == {"test"}
        assert table["subject"].nunique() == 982
        assert sorted(map(len, table["captions"][:982])) == [5] * 979 + [6] * 3
        assert data.items.arrays["response"] == [None] * len(table)
        assert data.items.meta["salience"]["person"] == ["S", "SC"]
        truth = json.loads((shared / "brainhub/bbox/coco_bbox_categorized.json").read_text())
        asked = rows_of_concepts(data.items)
        assert len(asked) == 4 * sum(map(len, truth.values())) == 4 * 2419
        assert asked.read("area", 0).tolist() == truth["0"]["carrot"]


def test_the_real_files_are_those_that_are_pinned(shared: Path) -> None:
    known = set(pinned().values())
    for path in (shared / "brainhub").rglob("*.json"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in known, path


def test_the_real_predictions_are_read(shared: Path) -> None:
    for path in (shared / "brainhub/caption").glob("*/*.json"):
        assert list(read_captions(path)) == list(IDS)
    boxes = read_boxes(shared / "brainhub/bbox/umbrae-v-1-4/sub01.json")
    assert sum(len(found) for classes in boxes.values() for found in classes.values()) == 2411
    np.testing.assert_array_equal(
        read_boxes(shared / "brainhub/bbox/umbrae/sub01.json")["0"]["umbrella"], [[0.0, 0.15, 0.295, 0.386]]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"0": "a", "1": "b", "0": "c"}', "'0' occurs twice"),
        ('{"0": "a"}', r"1 ids are missing \('1'\) of 2"),
        ('{"0": "a", "1": "b", "x": "c"}', r"1 ids are unknown \('x'\)"),
        ('{"0": "a", "1": 7}', "caption of '1' is a number"),
        ('{"0": "a", "1": null}', "caption of '1' is null"),
        ('["a", "b"]', "a list; expected an object"),
        ('{"0": "a", "1": NaN}', "holds NaN"),
        ('{"0": "a"', "not a JSON file"),
        ("[" * 100_000 + "]" * 100_000, "not a JSON file"),
        ("[]," * 2_000_001, "more than 2,000,000 lists"),
        (b"\xff\xfe{}", "not a text in UTF-8"),
        (b"\x80\x04\x95", "not a text in UTF-8"),
    ],
)
def test_a_bad_file_of_captions_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "captions.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadData, match=message) as caught:
        read_captions(path, ("0", "1"))
    assert str(path) in caught.value.message


def test_a_caption_may_be_empty_and_ids_are_put_in_order(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text('{"1": "", "0": "a"}')
    assert list(read_captions(path, ("0", "1")).items()) == [("0", "a"), ("1", "")]
    assert list(read_captions(path, None)) == ["1", "0"]


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "captions.json"
    with open(path, "wb") as file:
        file.truncate(2 * 2**30)
    assert path.stat().st_size > MAX_BYTES
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("was read"))
    with pytest.raises(BadData, match="2,048 MB, more than 64 MB: not read"):
        read_captions(path)
    with pytest.raises(BadData, match="no such file"):
        read_captions(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("boxes", "wanted"),
    [
        ([], []),
        ([[]], []),
        ([[0, 0.5, 1, 1]], [[0, 0.5, 1, 1]]),
        ([[[0, 0, 1, 1]], [[0, 0, 0.5, 1], [0, 0, 1, 0.5]]], [[0, 0, 1, 1], [0, 0, 0.5, 1], [0, 0, 1, 0.5]]),
    ],
)
def test_boxes_are_put_in_a_row(tmp_path: Path, boxes: Any, wanted: Any) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps({"0": {"dog": boxes}}))
    found = read_boxes(tmp_path / "boxes.json", ("0",))["0"]["dog"]
    assert found.shape == (len(wanted), 4)
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ("[[0, 0, 640, 480]]", "outside of 0..1"),
        ("[[0, 0, 1e999, 1]]", "outside of 0..1"),
        (f"[[0, 0, 1{'0' * 400}, 1]]", "outside of 0..1"),
        ("[[0, 0, 1]]", "four numbers"),
        ('[[0, 0, "1", 1]]', "four numbers"),
        ("[[0, 0, true, 1]]", "four numbers"),
        ("[[[0, 0, 1, 1]], [0, 0, 1, 1]]", "four numbers"),
        ("[[[[0, 0, 1, 1]]]]", "four numbers"),
        ('"dog"', "four numbers"),
        ("[[0, 0, NaN, 1]]", "holds NaN"),
    ],
)
def test_bad_boxes_are_refused(tmp_path: Path, boxes: str, message: str) -> None:
    (tmp_path / "boxes.json").write_text('{"0": {"dog": BOXES}}'.replace("BOXES", boxes))
    with pytest.raises(BadData, match=message):
        read_boxes(tmp_path / "boxes.json", ("0",))
    (tmp_path / "boxes.json").write_text('{"0": []}')
    with pytest.raises(BadData, match="not an object of classes"):
        read_boxes(tmp_path / "boxes.json", ("0",))


def test_references_are_texts(tmp_path: Path) -> None:
    for value in ([], ["a", 1], "a", [""]):
        (tmp_path / "references.json").write_text(json.dumps({"0": value}))
        with pytest.raises(BadData, match="not a list of texts"):
            read_references(tmp_path / "references.json", ("0",))


def test_salience(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(LABELS))
    assert read_salience(path) == {"dog": ["S", "SC"], "cup": ["I"], "sofa": ["S", "SO"]}
    path.write_text(json.dumps({**LABELS, "salient": "dog"}))
    with pytest.raises(BadData, match="expected lists of classes"):
        read_salience(path)


def test_an_import_without_labels_says_so(tmp_path: Path) -> None:
    files = {name: value for name, value in FILES.items() if "labels" not in name}
    report = import_brainhub(write(tmp_path, files))
    assert report.notes == ["no coco_categorized_labels.json: the salience of a class is not known"]
    assert report.boxes == 982


def test_an_import_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no caption/fmri_cococap\.json"):
        import_brainhub(tmp_path)
    write(tmp_path)
    write(tmp_path, {"bbox/coco_bbox_categorized.json": {name: {"cow": [[0, 0, 1, 1]]} for name in IDS}})
    with pytest.raises(BadData, match="lacks 'cow'"):
        import_brainhub(tmp_path)
    assert not BrainHub().installed()
    with pytest.raises(DataMissing, match="brainhub is not installed"):
        NSD().load("references")
    with pytest.raises(BadOption, match="references only"):
        BrainHub().load("simulated")


class Server(http.server.BaseHTTPRequestHandler):
    """Serves the files, parts of them too, and breaks lines after ``stop`` bytes."""

    files: dict[str, bytes] = {}
    asked: list[tuple[str, str]] = []
    stop: list[int] = []

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.asked.append((self.path, asked))
        raw = self.files.get(self.path)
        if raw is None:
            self.send_error(404)
            return
        hit = re.fullmatch(r"bytes=(\d+)-", asked)
        start = int(hit[1]) if hit else 0
        self.send_response(206 if hit else 200)
        self.send_header("Content-Length", str(len(raw) - start))
        self.end_headers()
        self.wfile.write(raw[start : start + (self.stop.pop(0) if self.stop else len(raw))])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("pooch", reason="the extra neuro is not installed")
    Server.files = {f"/{name}": json.dumps(value).encode() for name, value in FILES.items()}
    digests = {name[1:]: hashlib.sha256(raw).hexdigest() for name, raw in Server.files.items()}
    monkeypatch.setattr(brainhub, "pinned", lambda: digests)
    Server.asked, Server.stop = [], []
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_download_then_import(tmp_path: Path, server: str) -> None:
    folder = get("brainhub", tmp_path / "brainhub", url=server)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json")) == sorted(FILES)
    get("brainhub", folder, url=server)
    assert len(Server.asked) == 3
    assert import_brainhub(folder).captions == 2 * 982
    with pytest.raises(BadOption, match="brainhub has no atlas"):
        get("brainhub", folder, "cc400", url=server)


def test_a_broken_line_is_continued(tmp_path: Path, server: str) -> None:
    Server.stop = [1000, 0, 0]
    with pytest.raises(DataMissing, match=r"1000 of \d+ bytes arrived") as caught:
        get("brainhub", tmp_path, url=server)
    assert "brainbench data import brainhub PATH" in caught.value.hint
    get("brainhub", tmp_path, url=server)
    assert Server.asked[3][1] == "bytes=1000-"
    assert import_brainhub(tmp_path).boxes == 982


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path, server: str) -> None:
    Server.files["/caption/fmri_cococap.json"] += b" "
    with pytest.raises(BadData, match="not the file that was pinned"):
        get("brainhub", tmp_path, url=server)
    assert not (tmp_path / "caption/fmri_cococap.json").exists()
