"""Which run each file of a folder is, and features on disk."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from brainbench.benchmark.errors import BadData, BadOption, DataMissing
from brainbench.benchmark.extraction.layout import (
    fingerprint,
    is_done,
    model_folder,
    path_of,
    settle,
    write,
)
from brainbench.benchmark.extraction.names import Stimulus, find, parse


@pytest.mark.parametrize(
    ("stem", "told"),
    [
        ("friends_s01e01a_aligned-text", ("friends", "s1", "s01e01a")),
        ("friends_s07e24d", ("friends", "s7", "s07e24d")),
        ("movie10_bourne01", ("movie10", "bourne", "bourne01")),
        ("life05", ("movie10", "life", "life05")),
        ("task-chaplin1_video", ("ood", "chaplin", "chaplin1")),
        ("ood_wot2", ("ood", "wot", "wot2")),
        ("S02E03B", ("friends", "s2", "s02e03b")),
        ("holiday", None),
        ("s01e01a_s01e01b", None),
        ("s01e01", None),
    ],
)
def test_names_tell_runs(stem: str, told: tuple[str, str, str] | None) -> None:
    assert parse(stem) == told


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def test_both_layouts_are_found_and_strange_files_are_said(tmp_path: Path) -> None:
    for name in (
        "movies/friends/s1/friends_s01e02a.mkv",
        "movies/ood/wot/task-wot1_video.mkv",
        "movies/new/one/my_film7.mkv",
    ):
        touch(tmp_path / name)
    touch(tmp_path / "transcripts/friends/s1/friends_s01e01a.tsv")
    touch(tmp_path / "flat_figures03.mp4")
    strange = touch(tmp_path / "holiday.mkv")
    gone = tmp_path / "movies/friends/s1/friends_s01e02b.mkv"
    gone.symlink_to(tmp_path / "annex" / "nothing")
    found = find(tmp_path, "video")
    assert [(s.series, s.group, s.run) for s in found.stimuli] == [
        ("friends", "s1", "s01e02a"),
        ("movie10", "figures", "figures03"),
        ("new", "one", "film7"),
        ("ood", "wot", "wot1"),
    ]
    assert set(found.passed_over) == {strange, gone}
    assert "datalad get" in found.passed_over[gone]
    assert [s.run for s in find(tmp_path, "text").stimuli] == ["s01e01a"]


def test_two_files_of_a_run_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no such folder"):
        find(tmp_path / "no", "text")
    touch(tmp_path / "holiday.tsv")
    with pytest.raises(DataMissing, match=r"no stimuli for text.*holiday.tsv"):
        find(tmp_path, "text")
    touch(tmp_path / "a" / "s01e01a.tsv")
    touch(tmp_path / "b" / "friends_s01e01a.tsv")
    with pytest.raises(BadData, match="s01e01a is also in"):
        find(tmp_path, "text")


def test_features_are_contiguous_half_floats_that_can_be_read_in_place(tmp_path: Path) -> None:
    small, large = np.random.default_rng(0).normal(size=(7, 5)).astype("f4"), np.full((7, 3), 7e4, dtype="f4")
    path = path_of(tmp_path, Stimulus("friends", "s1", "s01e01a", tmp_path))
    write(path, {"model.layers.1": small, "big": large}, "stamp")
    assert path == tmp_path / "friends" / "s1" / "s01e01a.h5"
    with h5py.File(path) as file:
        assert file["model.layers.1"].dtype == np.float16
        assert file["big"].dtype == np.float32  # 16 bits end at 65,504
        assert file["big"][0, 0] == np.float32(7e4)
        assert file["model.layers.1"].chunks is None
        offset = file["model.layers.1"].id.get_offset()
    raw = np.memmap(path, dtype="<f2", mode="r", offset=offset, shape=(7, 5))
    np.testing.assert_array_equal(raw, small.astype("f2"))
    assert is_done(path, ("model.layers.1", "big"), "stamp")
    assert not is_done(path, ("model.layers.1",), "stamp")
    assert not is_done(path, ("model.layers.1", "big"), "another film")
    path.write_bytes(path.read_bytes()[:100])
    assert not is_done(path, ("model.layers.1", "big"), "stamp")
    with pytest.raises(BadData, match="layer a gave values that are not finite"):
        write(path, {"a": np.array([[np.inf]], dtype="f4")}, "stamp")


def test_the_stamp_of_a_film_tells_its_length_beginning_and_end(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(5 << 20))
    stamps = [fingerprint(film)]
    for change in (0, (5 << 20) - 1, 5 << 20):
        content = bytearray(5 << 20)
        content[change : change + 1] = b"x"
        film.write_bytes(content)
        stamps.append(fingerprint(film))
    assert len(set(stamps)) == 4


def test_settings_hold_a_folder_together(tmp_path: Path) -> None:
    settle(tmp_path, {"context": 512, "layers": ("a",)})
    settle(tmp_path, {"context": 512, "layers": ["a"]})
    with pytest.raises(BadOption, match=r"context 512 \(now 128\)"):
        settle(tmp_path, {"context": 128, "layers": ["a"]})
    assert json.loads((tmp_path / "settings.json").read_text())["context"] == 512
    (tmp_path / "settings.json").write_text("[")
    with pytest.raises(BadData, match="cannot be read"):
        settle(tmp_path, {"context": 512})


def test_folders_of_models_take_the_last_part_of_the_name(tmp_path: Path) -> None:
    assert model_folder(tmp_path, "meta-llama/Llama-3.2-3B").name == "Llama-3.2-3B"
    assert model_folder(tmp_path, "/somewhere/my model/").name == "my-model"
    assert model_folder(tmp_path, "..").parent == tmp_path
    assert model_folder(tmp_path, "..").name == "model"
