"""The challenge's tree: every run comes back where it was, and nothing is dropped silently."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from algonauts_files import (
    COUNTS,
    FRIENDS,
    MOVIE10,
    bold,
    response,
    write_bold,
    write_challenge,
    write_counts,
    write_features,
)

from brainbench.benchmark.datasets.algonauts import Algonauts
from brainbench.benchmark.datasets.algonauts_import import import_algonauts
from brainbench.benchmark.datasets.movie_streams import add_streams
from brainbench.benchmark.datasets.movies import MovieCohort
from brainbench.benchmark.errors import BadData, BadOption, DataMissing
from brainbench.benchmark.items import Items

SUBJECTS = ["sub-01", "sub-02", "sub-03", "sub-05"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_challenge(tmp_path_factory.mktemp("challenge"))


@pytest.fixture(scope="module")
def cohort(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> MovieCohort:
    return import_algonauts(tree, target=tmp_path_factory.mktemp("home") / "algonauts2025").cohort


@pytest.fixture(scope="module")
def items(cohort: MovieCohort) -> Items:
    return cohort.items()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The tree of one subject, to be broken."""
    return write_challenge(tmp_path / "tree", (1,))


def test_runs_stand_in_the_order_of_the_films(items):
    runs = [*FRIENDS, *COUNTS["friends-s7"], *MOVIE10, *COUNTS["ood"]]
    assert list(items.table.index) == runs
    assert items.table["movie"].tolist() == [
        *("s1", "s1", "s6", "s7", "s7", "bourne", "figures", "figures", "life", "life", "chaplin", "chaplin")
    ]
    assert items.table["series"].tolist() == ["friends"] * 5 + ["movie10"] * 5 + ["ood"] * 2
    assert items.table.loc["figures01_run-2", ["stimulus", "group", "showing"]].tolist() == [
        "figures01",
        "figures01",
        2,
    ]
    assert items.table.loc["bourne01", ["stimulus", "group", "showing"]].tolist() == ["bourne01", "bourne01", 1]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_response_comes_back(items, subject):
    for row, run in enumerate(items.table.index):
        expected = {**FRIENDS, **MOVIE10}.get(run)
        if expected is None or (subject, run) == ("sub-05", "s06e24d"):
            assert items.arrays[f"responses/{subject}"][row] is None
            continue
        values = items.read(f"responses/{subject}", row)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, response(subject, run, expected))


def test_frames_to_predict_are_those_of_the_files(items):
    frames = items.table[[f"frames:{subject}" for subject in SUBJECTS]]
    assert frames.loc["s01e01a"].tolist() == [40, 40, 40, 40]
    assert frames.loc["s06e24d"].tolist() == [30, 30, 30, 0]
    assert frames.loc["s07e01b"].tolist() == [34, 35, 34, 34]
    assert frames.loc["chaplin2"].tolist() == [21, 21, 21, 21]


def test_a_thousand_columns_are_schaefers_parcels(cohort, items):
    networks = np.array(items.meta["networks"])
    assert len(items.meta["parcels"]) == len(networks) == 1000
    assert (items.meta["parcels"][0], items.meta["parcels"][500]) == ("LH_Vis_1", "RH_Vis_1")
    assert {name: int((networks == name).sum()) for name in ("Vis", "SomMot", "Limbic", "Default")} == {
        "Vis": 162,
        "SomMot": 194,
        "Limbic": 60,
        "Default": 212,
    }
    assert networks[998:].tolist() == ["Cont", "Cont"]  # so in the atlas: two parcels stand out of order
    assert any("taken for Schaefer's" in note for note in cohort.manifest.notes)


def test_what_is_there_is_told_by_subject(tree, tmp_path):
    report = import_algonauts(tree, target=tmp_path / "a")
    assert report.subjects[3] == {
        "subject": "sub-05",
        "friends": 2,
        "movie10": 5,
        "ood": 0,
        "TRs": 40 + 38 + 25 + 2 * 31 + 2 * 22,
        "hours": 0.1,
        "to predict": "2 of s7, 2 of chaplin",
    }
    assert any("mononoke" in note and "cannot be predicted" in note for note in report.notes)
    assert import_algonauts(tree / "fmri", target=tmp_path / "b").cohort.manifest.fingerprint == (
        report.cohort.manifest.fingerprint
    )


def test_atlases_are_kept(small, tmp_path):
    volume = small / "fmri" / "sub-01" / "atlas" / "sub-01_space-MNI152NLin2009cAsym_atlas-Schaefer18_dseg.nii.gz"
    volume.parent.mkdir()
    volume.write_bytes(b"volume")
    cohort = import_algonauts(small, target=tmp_path / "a").cohort
    assert cohort.attached("atlas-sub-01.nii.gz").read_bytes() == b"volume"


def test_names_of_parcels_come_from_schaefers_own_file(small, tmp_path):
    table = tmp_path / "order.txt"
    table.write_text(
        "".join(f"{k}\t7Networks_LH_{'Vis' if k < 400 else 'Default_Par'}_{k}\t1\t2\t3\t0\n" for k in range(1, 1001))
    )
    meta = import_algonauts(small, table, target=tmp_path / "a").cohort.items().meta
    assert meta["parcels"][999] == "7Networks_LH_Default_Par_1000"
    assert (meta["networks"][398], meta["networks"][399]) == ("Vis", "Default")
    table.write_text("1\t7Networks_LH_Vis_1\n2\t7Networks_LH_Vis_2\n")
    with pytest.raises(BadData, match="2 parcels; the responses have 1000"):
        import_algonauts(small, table, target=tmp_path / "a")
    table.write_text("2\t7Networks_LH_Vis_1\n1\t7Networks_LH_Vis_2\n")
    with pytest.raises(BadData, match="numbered"):
        import_algonauts(small, table, target=tmp_path / "a")


def test_names_of_parcels_come_from_a_table(small, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("name,network\n" + "".join(f"roi{k},{'A' if k < 6 else 'B'}\n" for k in range(1000)))
    meta = import_algonauts(small, table, target=tmp_path / "a").cohort.items().meta
    assert (meta["parcels"][6], meta["networks"][6], meta["networks"][5]) == ("roi6", "B", "A")


def test_other_parcels_have_no_networks(tmp_path):
    path = bold(tmp_path, "sub-01", "friends")
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["ses-001_task-s01e01a"] = response("sub-01", "s01e01a", 10, 17)
    meta = import_algonauts(tmp_path, target=tmp_path / "a").cohort.items().meta
    assert meta["parcels"][16] == "parcel-17"
    assert set(meta["networks"]) == {""}


def test_runs_that_are_not_finite_are_left_out_with_their_number(small, tmp_path):
    with h5py.File(bold(small, "sub-01", "friends"), "a") as file:
        file["ses-001_task-s01e01a"][3:5, 7] = np.nan
    report = import_algonauts(small, target=tmp_path / "a")
    assert report.left_out["sub-01, s01e01a"] == "2 of 40000 values are not finite, in 1 parcels"
    assert "s01e01a" not in report.cohort.runs().index
    assert report.cohort.manifest.left_out == report.left_out


def test_names_that_tell_no_run_are_left_out(small, tmp_path):
    with h5py.File(bold(small, "sub-01", "friends"), "a") as file:
        file["ses-009_task-rest"] = np.ones((5, 1000), "f4")
        file["ses-009_task-s11e01a"] = file["ses-009_task-s01e02a-cut"] = file["ses-009_task-rest"]
        file["note"] = np.ones(3, "f4")
    write_counts(small, "sub-01", "friends-s7", {"s07e01a": 10, "s07e01": 10})
    left_out = import_algonauts(small, target=tmp_path / "a").left_out
    names = ("ses-009_task-rest", "ses-009_task-s11e01a", "ses-009_task-s01e02a-cut", "note", "s07e01")
    assert set(left_out) == {f"sub-01, {name}" for name in names}


def test_entities_are_read_by_name_not_by_place(small, tmp_path):
    path = bold(small, "sub-01", "movie10")
    values = response("sub-01", "x", 12)
    with h5py.File(path, "w") as file:
        file["run-2_task-life01_ses-0012"] = values
        file["ses-1_task-life01_run-1"] = values + 1
    items = import_algonauts(small, target=tmp_path / "a").cohort.items()
    row = list(items.table.index).index("life01_run-2")
    np.testing.assert_array_equal(items.read("responses/sub-01", row), values)


def test_counts_of_a_run_that_is_given_are_compared(small, tmp_path):
    write_counts(small, "sub-01", "friends-s7", {"s01e01a": 41, "s07e01a": 10})
    report = import_algonauts(small, target=tmp_path / "a")
    assert "sub-01, s01e01a: 40 samples; the file of sample numbers says 41" in report.notes
    assert report.cohort.runs().loc["s01e01a", "frames:sub-01"] == 40


def test_what_has_not_been_fetched_is_told(small, tmp_path):
    path = bold(small, "sub-01", "movie10")
    path.unlink()
    path.symlink_to(tmp_path / "annex")
    report = import_algonauts(small, target=tmp_path / "a")
    assert [why.startswith("not fetched:  datalad get") for why in report.left_out.values()] == [True]
    bold(small, "sub-01", "friends").write_bytes(b"/annex/objects/MD5E-s12--0.h5\n")
    with pytest.raises(DataMissing, match="no responses have been fetched") as caught:
        import_algonauts(small, target=tmp_path / "a")
    assert "datalad get" in caught.value.hint
    with pytest.raises(BadData, match="not the challenge's tree"):
        import_algonauts(tmp_path / "annex")


class Harm:
    def __reduce__(self):
        return (print, ("harm",))


def broken_counts(root: Path) -> None:
    file = next(root.rglob("*_ood_fmri_samples.npy"))
    np.save(file, {"chaplin1": Harm()}, allow_pickle=True)


def twice(root: Path) -> None:
    with h5py.File(bold(root, "sub-01", "friends"), "a") as file:
        file["ses-077_task-s01e01a"] = np.ones((40, 1000), "f4")


def twice_in_files(root: Path) -> None:
    path = bold(root, "sub-01", "movie10")
    shutil.copyfile(path, path.with_name(path.name.replace("_bold", "_desc-cropped_bold")))


def linked(root: Path) -> None:
    with h5py.File(bold(root, "sub-01", "friends"), "a") as file:
        file["ses-003_task-s01e02a"] = h5py.ExternalLink(str(bold(root, "sub-01", "movie10")), "ses-001_task-bourne01")


def other_parcels(root: Path) -> None:
    with h5py.File(bold(root, "sub-01", "friends"), "a") as file:
        file["ses-003_task-s01e02a"] = np.ones((5, 999), "f4")


def three_axes(root: Path) -> None:
    with h5py.File(bold(root, "sub-01", "friends"), "a") as file:
        file["ses-003_task-s01e02a"] = np.ones((5, 10, 100), "f4")


def endless(root: Path) -> None:
    with h5py.File(bold(root, "sub-01", "friends"), "a") as file:
        made = file.create_dataset("ses-003_task-s01e02a", (100_000, 1000), "f4", chunks=(100, 100))
        made[:100, :100] = 1


def strange_showing(root: Path) -> None:
    with h5py.File(bold(root, "sub-01", "friends"), "a") as file:
        file["ses-003_task-s01e02a_run-x"] = np.ones((5, 1000), "f4")


def cut_short(root: Path) -> None:
    path = bold(root, "sub-01", "movie10")
    path.write_bytes(path.read_bytes()[:-2000])


def damaged(root: Path) -> None:
    path = bold(root, "sub-01", "movie10")
    with h5py.File(path) as file:
        offset = file["ses-001_task-bourne01"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 50] = bytes(50)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("breaking", "reason"),
    [
        (broken_counts, "samples.npy"),
        (twice, "are the same run"),
        (twice_in_files, "are the same run"),
        (linked, "a link to elsewhere"),
        (other_parcels, "999 parcels, others have 1000"),
        (three_axes, r"expected \(time, parcel\)"),
        (endless, r"expected \(time, parcel\)"),
        (strange_showing, "no number from 1 to 9"),
        (cut_short, "not an HDF5 file"),
        (damaged, "cannot be read"),
    ],
)
def test_files_that_are_not_the_challenges_are_refused(small, tmp_path, breaking, reason, capsys):
    breaking(small)
    with pytest.raises(BadData, match=reason):
        import_algonauts(small, target=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert "harm" not in capsys.readouterr().out


def test_the_data_set_loads_what_was_imported(tree):
    found = Algonauts()
    assert not found.installed()
    with pytest.raises(DataMissing, match="not installed"):
        found.load("real")
    cohort = import_algonauts(tree).cohort
    assert found.installed()
    data = found.load("real")
    assert (data.origin, data.name, data.inputs) == ("real", "algonauts2025", "")
    assert data.fingerprint == cohort.manifest.fingerprint
    assert data.ceilings == {}
    for source in ("real:small", "references", "simulated:huge"):
        with pytest.raises(BadOption):
            found.load(source)
    with pytest.raises(DataMissing, match="given features"):
        found.load("simulated:features")


def test_import_again_says_that_streams_are_to_be_added_again(small, tmp_path):
    cohort = import_algonauts(small, target=tmp_path / "a").cohort
    add_streams(cohort, write_features(tmp_path / "f", "clip", {"friends/s1/s01e01a": 39}))
    again = import_algonauts(small, target=tmp_path / "a")
    assert any("to be added again" in note for note in again.notes)
    assert again.cohort.inputs == ""


def test_one_file_of_one_subject_is_enough(tmp_path):
    write_bold(bold(tmp_path, "sub-01", "friends"), "sub-01", {"s01e01a": 10})
    cohort = import_algonauts(tmp_path, target=tmp_path / "a").cohort
    assert list(cohort.runs().index) == ["s01e01a"]
    assert any("sub-02: no folder" in note for note in cohort.manifest.notes)
