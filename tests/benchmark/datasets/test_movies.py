"""Folders of movie responses: what is written comes back, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.movies import MovieCohort, MovieWriter, ceiling_of, installed
from brainbench.benchmark.errors import BadData, DataMissing
from brainbench.benchmark.kinds.encoding import Measured, Runs

PARCELS = ["LH_Vis_1", "LH_Vis_2", "RH_Default_1"]
NETWORKS = ["Vis", "Vis", "Default"]
STREAMS = {"clip/last": (4,), "llm/layers": (2, 3)}
RNG = np.random.default_rng(0)
FILM, TEXT = RNG.normal(size=(10, 4)), RNG.normal(size=(10, 2, 3))
ONE, TWO = RNG.normal(size=(12, 3)), RNG.normal(size=(11, 3))


def writer(folder: Path, **more) -> MovieWriter:
    return MovieWriter(
        folder, "films", "twin", 1.49, ["sub-01", "sub-02"], PARCELS, NETWORKS, STREAMS, **{"dtype": "<f4", **more}
    )


def write(folder: Path, **more) -> MovieCohort:
    with writer(folder, **more) as made:
        made.run("s01e01a", "friends", "s1", "s01e01a", 1, {"clip/last": FILM, "llm/layers": TEXT}, {"sub-01": ONE})
        for showing in (1, 2):
            name = f"figures01_run-{showing}"
            brains = {"sub-01": ONE * showing, "sub-02": TWO}
            made.run(name, "movie10", "figures", "figures01", showing, {"clip/last": FILM * 2}, brains)
        made.run("chaplin1", "ood", "chaplin", "chaplin1", 1, {"clip/last": FILM}, {"sub-01": None}, {"sub-01": 7})
        made.ceiling("sub-01", "figures", np.array([0.1, 0.2, 0.6]))
        made.ceiling("sub-02", "figures", np.array([0.5, 0.5, 0.5]))
        made.finish(source="here", left_out={"x": "why"}, notes=["n"])
    return MovieCohort.open(folder)


def test_items_hold_what_was_written(tmp_path):
    items = write(tmp_path / "films").items()
    assert list(items.table.index) == ["s01e01a", "figures01_run-1", "figures01_run-2", "chaplin1"]
    assert items.table["subject"].tolist() == list(items.table.index)
    assert items.table["group"].tolist() == ["s01e01a", "figures01", "figures01", "chaplin1"]
    assert items.table["showing"].tolist() == [1, 1, 2, 1]
    assert items.table["frames:sub-01"].tolist() == [12, 12, 12, 7]
    assert items.table["frames:sub-02"].tolist() == [0, 11, 11, 0]
    assert items.arrays["features/llm/layers"][3] is None
    assert items.arrays["responses/sub-01"][3] is None
    assert items.arrays["responses/sub-02"][0] is None
    np.testing.assert_array_equal(items.read("features/llm/layers", 0), TEXT.astype("f4"))
    np.testing.assert_array_equal(items.read("responses/sub-01", 2), (ONE * 2).astype("f4"))
    np.testing.assert_array_equal(items.read("features/clip/last", 1, (3, 5)), (FILM * 2)[3:5].astype("f4"))
    assert items.meta == {"tr": 1.49, "subjects": ["sub-01", "sub-02"], "parcels": PARCELS, "networks": NETWORKS}


def test_copies_of_a_run_have_one_digest(tmp_path):
    with writer(tmp_path / "films") as made:
        for name, values in {"a": ONE, "b": ONE, "c": ONE[:-1], "d": ONE + 1, "e": None, "f": None}.items():
            made.run(
                name, "friends", "s1", name, 1, {}, {"sub-01": values}, None if values is not None else {"sub-01": 3}
            )
        made.finish()
    digest = MovieCohort.open(tmp_path / "films").items().table["digest"]
    assert digest["a"] == digest["b"]
    assert digest.nunique() == 5


def test_views_of_the_kind_read_them(tmp_path):
    items = write(tmp_path / "films").items()
    runs, measured = Runs(items), Measured(items, "responses")
    assert (runs.streams, runs.subjects, runs.parcels) == (STREAMS, ("sub-01", "sub-02"), 3)
    assert (runs[3].streams, runs[3].frames) == (("clip/last",), {"sub-01": 7})
    assert (runs[1].stimulus, runs[2].showing) == ("figures01", 2)
    assert (measured.subjects(0), measured.subjects(3)) == (("sub-01",), ())
    np.testing.assert_array_equal(measured.read(1, "sub-02", 2, 4), TWO[2:4].astype("f4"))


def test_half_precision_is_kept_as_asked(tmp_path):
    cohort = write(tmp_path / "films", dtype="<f2")
    ref = cohort.responses("sub-02")["figures01_run-1"]
    assert ref.dtype == "<f2"
    assert list(cohort.responses("sub-02")) == ["figures01_run-1", "figures01_run-2"]
    np.testing.assert_array_equal(ref.read(), TWO.astype("<f2"))


def test_ceilings_are_means_over_parcels_then_subjects(tmp_path):
    ceilings = write(tmp_path / "films").ceilings()
    assert ceiling_of(ceilings, "figures") == pytest.approx((0.3 + 0.5) / 2)
    assert np.isnan(ceiling_of(ceilings, "life"))


def test_same_content_has_one_fingerprint_and_another_has_another(tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert first.manifest.fingerprint == second.manifest.fingerprint
    with writer(tmp_path / "c") as made:
        made.run("s01e01a", "friends", "s1", "s01e01a", 1, {"clip/last": FILM}, {"sub-01": ONE})
        made.finish()
    assert MovieCohort.open(tmp_path / "c").manifest.fingerprint != first.manifest.fingerprint
    assert [path.name for path in installed(tmp_path)] == ["a", "b", "c"]


def test_an_error_leaves_what_was_there(tmp_path):
    before = write(tmp_path / "films").manifest.fingerprint
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "films") as made:  # noqa: PT012 - what is written is left
        made.run("s01e01a", "friends", "s1", "s01e01a", 1, {}, {"sub-01": ONE})
        raise KeyboardInterrupt
    assert MovieCohort.open(tmp_path / "films").manifest.fingerprint == before
    assert [path.name for path in tmp_path.iterdir()] == ["films"]


def test_unfinished_leaves_nothing(tmp_path):
    with writer(tmp_path / "films") as made:
        made.run("s01e01a", "friends", "s1", "s01e01a", 1, {}, {"sub-01": ONE})
    assert list(tmp_path.iterdir()) == []


BROKEN = {
    "id with a slash": (("a/b", "friends", "s1", "x", 1, {}, {}), "an id is"),
    "no movie": (("a", "friends", "", "x", 1, {}, {}), "movie ''"),
    "showing 0": (("a", "friends", "s1", "x", 0, {}, {}), "showing 0"),
    "unknown stream": (("a", "friends", "s1", "x", 1, {"dino/last": FILM}, {}), "unknown features/dino/last"),
    "unknown subject": (("a", "friends", "s1", "x", 1, {}, {"sub-09": ONE}), "unknown responses/sub-09"),
    "another dimension": (("a", "friends", "s1", "x", 1, {"clip/last": FILM[:, :3]}, {}), r"expected \(time, 4\)"),
    "no time": (("a", "friends", "s1", "x", 1, {"clip/last": FILM[:0]}, {}), "clip/last"),
    "NaN": (("a", "friends", "s1", "x", 1, {}, {"sub-01": ONE * np.nan}), "not finite"),
    "frames and responses": (("a", "friends", "s1", "x", 1, {}, {"sub-01": ONE}, {"sub-01": 3}), "3 TRs"),
    "frames of nobody": (("a", "friends", "s1", "x", 1, {}, {}, {"sub-09": 3}), "sub-09"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_runs_are_refused_with_the_reason(tmp_path, name):
    told, reason = BROKEN[name]
    with pytest.raises(BadData, match=reason), writer(tmp_path / "films") as made:
        made.run(*told)


def test_values_beyond_half_precision_are_refused(tmp_path):
    with pytest.raises(BadData, match="float16"), writer(tmp_path / "films", dtype="<f2") as made:
        made.run("a", "friends", "s1", "x", 1, {"clip/last": FILM * 1e6}, {})


def test_an_id_twice_a_ceiling_twice_and_nothing_at_all_are_refused(tmp_path):
    with writer(tmp_path / "films") as made:
        with pytest.raises(BadData, match="no run"):
            made.finish()
        made.run("a", "friends", "s1", "x", 1, {}, {"sub-01": ONE})
        with pytest.raises(BadData, match="once"):
            made.run("a", "friends", "s1", "x", 1, {}, {"sub-01": ONE})
        made.ceiling("sub-01", "s1", np.zeros(3))
        for r in (np.zeros(3), np.full(3, np.nan)):
            with pytest.raises(BadData, match="ceiling of sub-01"):
                made.ceiling("sub-01", "s1", r)


@pytest.mark.parametrize("stream", ["/a", "a:b", "", "responses/sub-01"])
def test_names_of_streams_that_would_be_misread_are_refused(tmp_path, stream):
    with pytest.raises(BadData, match="stream"):
        MovieWriter(tmp_path / "films", "films", "twin", 1.49, ["sub-01"], PARCELS, NETWORKS, {stream: (3,)})


def test_files_are_kept_beside_the_responses(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"volume")
    with writer(tmp_path / "films") as made:
        made.run("a", "friends", "s1", "x", 1, {}, {"sub-01": ONE})
        made.attach("atlas-sub-01.nii.gz", tmp_path / "a.nii.gz")
        for name in ("atlas-sub-01.nii.gz", "sub-01.bin"):
            with pytest.raises(BadData, match="already"):
                made.attach(name, tmp_path / "a.nii.gz")
        made.finish()
    cohort = MovieCohort.open(tmp_path / "films")
    assert cohort.attached("atlas-sub-01.nii.gz").read_bytes() == b"volume"
    assert cohort.attached("atlas-sub-02.nii.gz") is None
    assert cohort.inputs == ""


def test_damage_is_noticed(tmp_path):
    cohort = write(tmp_path / "films")
    assert cohort.changed() == []
    file = cohort.path / "sub-01.bin"
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    assert MovieCohort.open(cohort.path).changed() == ["sub-01.bin"]
    file.write_bytes(content[:-4])
    with pytest.raises(BadData, match="truncated"):
        MovieCohort.open(cohort.path)
    with pytest.raises(DataMissing):
        MovieCohort.open(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [
        {"networks": ["Vis"]},
        {"subjects": ["sub-01"]},
        {"subjects": ["../x", "sub-02"]},
        {"dtype": "|O"},
        {"files": {}},
        {"extra": 1},
    ],
)
def test_manifests_that_do_not_fit_are_refused(tmp_path, change):
    cohort = write(tmp_path / "films")
    manifest = cohort.path / "movies.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(BadData, match="not a manifest"):
        MovieCohort.open(cohort.path)


def test_tables_that_point_outside_of_the_files_are_refused(tmp_path):
    cohort = write(tmp_path / "films")
    parts = cohort.parts()
    parts.loc[0, "rows"] = 10_000
    parts.to_parquet(cohort.path / "parts.parquet")
    with pytest.raises(BadData, match="outside"):
        cohort.items()
    assert cohort.changed() == ["tables"]
