"""Feature streams that are added to responses: found where they lie, copied where they must be, checked always."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from algonauts_files import feature, write_features

from brainbench.benchmark.datasets.movie_streams import add_streams, remove_stream, stimulus_of, streams_table
from brainbench.benchmark.datasets.movies import MovieCohort, MovieWriter
from brainbench.benchmark.errors import BadData, BadOption, DataMissing

STIMULI = {
    "friends/s1/friends_s01e01a": 9,
    "movie10/figures/movie10_figures01": 8,
    "ood/chaplin/task-chaplin1_video": 7,
}
PLACES = dict(zip(("s01e01a", "figures01", "chaplin1"), STIMULI, strict=True))


@pytest.fixture
def cohort(tmp_path: Path) -> MovieCohort:
    rng = np.random.default_rng(0)
    with MovieWriter(tmp_path / "films", "films", "real", 1.49, ["sub-01"], ["a", "b"], ["", ""], {}) as writer:
        writer.run("s01e01a", "friends", "s1", "s01e01a", 1, {}, {"sub-01": rng.normal(size=(10, 2))})
        for showing in (1, 2):
            responses = {"sub-01": rng.normal(size=(9, 2))}
            writer.run(f"figures01_run-{showing}", "movie10", "figures", "figures01", showing, {}, responses)
        writer.run("chaplin1", "ood", "chaplin", "chaplin1", 1, {}, {}, {"sub-01": 8})
        return MovieCohort.open(writer.finish())


def raw(place: str, model: str, row: tuple[int, ...] = (4,)) -> np.ndarray:
    return feature(model, Path(place).name, (STIMULI[place], *row))


def test_values_are_read_where_they_lie(cohort, tmp_path):
    before = cohort.inputs
    done = add_streams(cohort, write_features(tmp_path / "f", "clip", STIMULI))
    assert (done.streams, done.copied, done.left_out) == ({"clip/last": 3}, 0, {})
    items = cohort.items()
    for row, stimulus in enumerate(items.table["stimulus"]):
        np.testing.assert_array_equal(items.read("features/clip/last", row), raw(PLACES[stimulus], "clip"))
        assert items.arrays["features/clip/last"][row].path.startswith(str(tmp_path / "f" / "clip"))
    assert before == ""
    assert cohort.inputs
    assert cohort.changed() == []


@pytest.mark.parametrize(
    "options",
    [{"chunks": (3, 4)}, {"compression": "gzip"}, {"dtype": "<f8", "compression": "lzf"}, {"fletcher32": True}],
)
def test_what_cannot_be_read_in_place_is_copied(cohort, tmp_path, options):
    done = add_streams(cohort, write_features(tmp_path / "f", "clip", STIMULI, **options))
    assert done.copied == 4 * 4 * sum(STIMULI.values())
    items = cohort.items()
    np.testing.assert_array_equal(items.read("features/clip/last", 0), raw(PLACES["s01e01a"], "clip"))
    assert items.arrays["features/clip/last"][0].path.startswith(str(cohort.path / "streams"))


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_types_and_user_blocks_are_read_as_they_are(cohort, tmp_path, dtype):
    path = tmp_path / "f" / "clip" / "friends" / "s1" / "s01e01a.h5"
    path.parent.mkdir(parents=True)
    values = feature("clip", "s01e01a", (9, 2, 3)).astype(dtype)
    with h5py.File(path, "w", userblock_size=1024) as file:
        file.create_dataset("blocks/7", data=values)
    assert add_streams(cohort, tmp_path / "f").streams == {"clip/blocks/7": 1}
    np.testing.assert_array_equal(cohort.items().read("features/clip/blocks/7", 0), values)
    assert cohort.items().arrays["features/clip/blocks/7"][1] is None


def test_small_arrays_in_the_header_are_copied(cohort, tmp_path):
    path = tmp_path / "f" / "clip" / "friends" / "s1" / "s01e01a.h5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.COMPACT)
        made = h5py.h5d.create(file.id, b"last", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 2)), plan)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones((3, 2), "f4"))
    assert add_streams(cohort, tmp_path / "f").copied == 24
    np.testing.assert_array_equal(cohort.items().read("features/clip/last", 0), np.ones((3, 2)))


def test_the_folder_of_one_model_is_enough(cohort, tmp_path):
    write_features(tmp_path / "f", "clip", STIMULI)
    assert add_streams(cohort, tmp_path / "f" / "clip").streams == {"clip/last": 3}


def test_same_values_elsewhere_have_the_same_hash_and_others_another(cohort, tmp_path):
    add_streams(cohort, write_features(tmp_path / "f", "clip", STIMULI))
    first = cohort.inputs
    add_streams(cohort, write_features(tmp_path / "g", "clip", STIMULI, chunks=True))
    assert cohort.inputs == first
    write_features(tmp_path / "g", "clip", {place: frames + 1 for place, frames in STIMULI.items()})
    add_streams(cohort, tmp_path / "g")
    assert cohort.inputs != first
    assert not list((cohort.path / "streams").glob("*"))


def test_streams_are_listed_and_removed(cohort, tmp_path):
    folder = write_features(tmp_path / "f", "clip", {PLACES["s01e01a"]: 9})
    add_streams(cohort, write_features(folder, "llm", STIMULI, (2, 3), compression="gzip"))
    table = {row["stream"]: row for row in streams_table(cohort)}
    assert table["clip/last"]["stimuli"] == "1/3"
    assert table["llm/last"] == {
        "stream": "llm/last",
        "dimensions": "2 x 3",
        "stimuli": "3/3",
        "source": "copied into films",
        "state": "ok",
    }
    assert len(list((cohort.path / "streams").iterdir())) == 3
    assert remove_stream(cohort, "llm/last") == 3
    assert not list((cohort.path / "streams").iterdir())
    assert list(cohort.items().arrays) == ["features/clip/last", "responses/sub-01"]
    with pytest.raises(BadOption, match="added are: clip/last"):
        remove_stream(cohort, "llm/last")


def test_a_file_that_changes_or_goes_is_noticed(cohort, tmp_path):
    folder = write_features(tmp_path / "f", "clip", STIMULI)
    add_streams(cohort, folder)
    file = folder / "clip" / f"{PLACES['s01e01a']}.h5"
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    with pytest.raises(BadData, match="has changed"):
        cohort.items()
    file.unlink()
    with pytest.raises(BadData, match="is gone"):
        cohort.items()
    assert streams_table(cohort)[0]["state"] == "1 of 3 files are gone"
    remove_stream(cohort, "clip/last")
    cohort.items()


def test_a_copy_that_goes_is_noticed(cohort, tmp_path):
    add_streams(cohort, write_features(tmp_path / "f", "clip", STIMULI, chunks=True))
    next((cohort.path / "streams").iterdir()).unlink()
    with pytest.raises(BadData, match="is gone"):
        cohort.items()
    add_streams(cohort, tmp_path / "f")
    cohort.items()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("path", "../sub-01.bin", "neither a copy here nor a full path"),
        ("path", "sub-01.bin", "neither a copy here nor a full path"),
        ("path", "streams/../sub-01.bin", "neither a copy here nor a full path"),
        ("path", "streams/..", "neither a copy here nor a full path"),
        ("dtype", "|O", "not floats"),
        ("dtype", "<i8", "not floats"),
        ("dtype", "no type", "not an index"),
        ("offset", -8, "ends at byte"),
        ("shape", "[1000000000000, 1000000]", "ends at byte"),
        ("shape", "[9, -4]", "not an index"),
        ("shape", "[" * 100_000, "not an index"),
    ],
)
def test_an_index_that_points_elsewhere_is_refused(cohort, tmp_path, column, value, reason):
    add_streams(cohort, write_features(tmp_path / "f", "clip", STIMULI))
    index = pd.read_parquet(cohort.path / "streams.parquet")
    index[column] = [value, *index[column].iloc[1:]]
    index.to_parquet(cohort.path / "streams.parquet")
    with pytest.raises(BadData, match=reason):
        cohort.items()


def test_a_copy_of_another_length_is_refused_before_it_is_read(cohort, tmp_path):
    add_streams(cohort, write_features(tmp_path / "f", "clip", STIMULI, chunks=True))
    index = pd.read_parquet(cohort.path / "streams.parquet")
    index["shape"] = "[1000000000000, 4]"
    index.to_parquet(cohort.path / "streams.parquet")
    with pytest.raises(BadData, match="bytes, not 16,000,000,000,000"):
        cohort.items()


def test_stimuli_that_nobody_saw_and_unfetched_files_are_left_out_with_the_reason(cohort, tmp_path):
    folder = write_features(tmp_path / "f", "clip", {**STIMULI, "friends/s2/s02e01a": 5})
    gone = folder / "clip" / "friends" / "s1" / "s01e01a.h5"
    gone.symlink_to(tmp_path / "nowhere")
    (folder / "clip" / "friends" / "s1" / "friends_s01e01a.h5").write_bytes(b"/annex/objects/SHA256E-s1--abc\n")
    done = add_streams(cohort, folder)
    assert done.streams == {"clip/last": 2}
    assert "no run of films shows 's02e01a'" in done.left_out["clip/friends/s2/s02e01a.h5"]
    assert "datalad get" in done.left_out["clip/friends/s1/s01e01a.h5"]
    assert "datalad get" in done.left_out["clip/friends/s1/friends_s01e01a.h5"]


def hostile(kind: str, file: h5py.File, folder: Path) -> None:
    values = np.ones((9, 4), "f4")
    if kind == "external link":
        with h5py.File(folder / "other.h5", "w") as other:
            other["x"] = values
        file["last"] = h5py.ExternalLink(str(folder / "other.h5"), "x")
    elif kind == "soft link":
        file["x"], file["last"] = values, h5py.SoftLink("/x")
    elif kind == "external storage":
        (folder / "raw.bin").write_bytes(values.tobytes())
        file.create_dataset("last", (9, 4), "f4", external=[(str(folder / "raw.bin"), 0, h5py.h5f.UNLIMITED)])
    elif kind == "virtual":
        layout = h5py.VirtualLayout((9, 4), "f4")
        layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (9, 4))
        file.create_virtual_dataset("last", layout)
    elif kind == "objects":
        file.create_dataset("last", (9, 4), h5py.string_dtype())
    elif kind == "whole numbers":
        file["last"] = values.astype(int)
    elif kind == "empty":
        file["last"] = values[:0]
    elif kind == "bomb":
        file.create_dataset("last", (10_000_000, 100_000), "f4", chunks=(1, 1000), compression="gzip")
    elif kind == "circle":
        file["a/b"] = values
        file["a/back"] = file["/"]
    elif kind == "too long":
        file["last"] = np.ones((30_000, 2), "f4")
    elif kind == "never written":
        file.create_dataset("last", (9, 4), "f4")
    elif kind == "one axis":
        file["last"] = values[0]
    elif kind == "NaN":
        file["last"] = values * np.nan
    elif kind == "no UTF-8":
        file.create_dataset(b"\xff\xfe", data=values)
    elif kind == "terminal codes":
        file["\x1b[2Jlast"] = values
    elif kind == "beyond float32":
        file.create_dataset("last", data=values.astype(float) * 1e300, chunks=True)


@pytest.mark.parametrize(
    ("kind", "reason"),
    {
        "external link": "a link to elsewhere",
        "soft link": "a link to elsewhere",
        "external storage": "no array of this file",
        "virtual": "no array of this file",
        "objects": "not floats",
        "whole numbers": "not floats",
        "empty": "empty",
        "bomb": "more than 4 GiB",
        "circle": "leads back to itself",
        "too long": "expected",
        "never written": "never written",
        "one axis": "expected",
        "NaN": "not finite",
        "beyond float32": "not finite",
        "no UTF-8": "no UTF-8",
        "terminal codes": "cannot be printed",
    }.items(),
)
def test_hostile_files_are_left_out_with_the_reason(cohort, tmp_path, kind, reason):
    path = tmp_path / "f" / "clip" / "friends" / "s1" / "s01e01a.h5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        hostile(kind, file, tmp_path)
    done = add_streams(cohort, tmp_path / "f")
    assert done.streams == {}
    assert [reason in why for why in done.left_out.values()] == [True], done.left_out
    assert not list((cohort.path / "streams").glob("*"))


def test_no_hdf5_is_left_out_and_no_features_are_an_error(cohort, tmp_path):
    path = tmp_path / "f" / "clip" / "friends" / "s1" / "s01e01a.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing of the kind")
    assert "not an HDF5 file" in add_streams(cohort, tmp_path / "f").left_out["clip/friends/s1/s01e01a.h5"]
    with pytest.raises(DataMissing, match="no features"):
        add_streams(cohort, tmp_path / "nowhere")


def test_one_stream_has_one_shape_and_one_file_a_run(cohort, tmp_path):
    folder = write_features(tmp_path / "f", "clip", {PLACES["s01e01a"]: 9}, chunks=True)
    write_features(folder, "clip", {PLACES["chaplin1"]: 9}, (5,))
    with pytest.raises(BadData, match=r"shapes \(4,\) and \(5,\)"):
        add_streams(cohort, folder)
    write_features(tmp_path / "g", "clip", {"friends/s1/s01e01a": 9, PLACES["s01e01a"]: 9})
    with pytest.raises(BadData, match="two files are of s01e01a"):
        add_streams(cohort, tmp_path / "g")
    assert cohort.inputs == ""
    assert not list((cohort.path / "streams").glob("*"))


def test_a_stream_of_the_twin_is_not_replaced(tmp_path):
    with MovieWriter(tmp_path / "t", "t", "twin", 1.49, ["sub-01"], ["a"], [""], {"clip/last": (4,)}) as writer:
        film = {"clip/last": np.ones((9, 4))}
        writer.run("s01e01a", "friends", "s1", "s01e01a", 1, film, {"sub-01": np.ones((9, 1))})
        twin = MovieCohort.open(writer.finish())
    done = add_streams(twin, write_features(tmp_path / "f", "clip", {"friends/s1/s01e01a": 9}))
    assert "the twin itself has" in done.left_out["s01e01a.h5: last"]
    assert streams_table(twin)[0]["source"] == "of the twin"


@pytest.mark.parametrize(
    ("stem", "stimulus"),
    [
        ("friends_s01e01a", "s01e01a"),
        ("s06e24d", "s06e24d"),
        ("task-chaplin1_video", "chaplin1"),
        ("movie10_figures01", "figures01"),
        ("clip_my-film", "my-film"),
    ],
)
def test_stimuli_are_told_from_names(stem, stimulus):
    assert stimulus_of(stem) == stimulus
