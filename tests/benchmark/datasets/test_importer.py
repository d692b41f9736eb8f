"""Imports of arrays and text files: what is read, what is left out, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark import home
from brainbench.benchmark.datasets.atlas import craddock_networks, describe
from brainbench.benchmark.datasets.cohort import Cohort, installed
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.datasets.networks import NetworkFit
from brainbench.benchmark.datasets.tables import read_table
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.files import whole_folder

ROIS = 5


def series(seed: int, frames: int = 60, rois: int = ROIS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, rois)).astype(np.float16)


def phenotypes(folder: Path, ids: list[str], **changes: list[str]) -> Path:
    table = pd.DataFrame(
        {
            "SITE_ID": ["NYU"] * len(ids),
            "SUB_ID": [str(50000 + k) for k in range(len(ids))],
            "FILE_ID": ids,
            "DX_GROUP": [str(1 + k % 2) for k in range(len(ids))],
            "SEX": ["1"] * len(ids),
            "AGE_AT_SCAN": ["10.5"] * len(ids),
            "func_mean_fd": ["0.1"] * len(ids),
            **changes,
        }
    )
    path = folder / "pheno.csv"
    table.to_csv(path, index=False)
    return path


def sites(folder: Path, count: int = 20, **changed: np.ndarray) -> list[str]:
    """Two .npz files with ``count`` scans and their table."""
    ids = [f"NYU_{51000 + k:07d}" for k in range(count)]
    arrays = {name: series(k) for k, name in enumerate(ids)} | changed
    half = count // 2
    np.savez_compressed(folder / "A.npz", **{name: arrays[name] for name in ids[:half]})
    np.savez_compressed(folder / "B.npz", **{name: arrays[name] for name in [*ids[half:], *(set(changed) - set(ids))]})
    phenotypes(folder, ids)
    return ids


def test_npz_per_site(tmp_path):
    ids = sites(tmp_path)
    report = import_cohort("abide1", tmp_path)
    assert (report.format, report.left_out, report.flags) == ("abide-npz", {}, {})
    cohort = Cohort.open(home.cohorts() / "abide1")
    assert cohort.manifest.dtype == "<f2"
    items = cohort.items()
    assert list(items.table.index) == ids
    for row in (0, 7, 19):
        np.testing.assert_array_equal(items.read("series", row), series(row))
    first = items.table.iloc[0]
    assert (first["subject"], first["diagnosis"], first["sex"], first["site"]) == ("50000", "autism", "male", "NYU")
    assert (first["age"], first["motion"], first["tr"], first["frames"]) == (10.5, 0.1, 2.0, 60)
    assert any("TR of 20 scans from a table by site" in note for note in report.notes)


def test_column_order_and_integers(tmp_path):
    values = np.asfortranarray(series(3).astype(np.float64))
    sites(tmp_path, NYU_0051000=values, NYU_0051001=np.arange(60 * ROIS).reshape(60, ROIS))
    items = import_cohort("abide1", tmp_path).cohort.items()
    assert items.read("series", 0).dtype == np.float32
    np.testing.assert_allclose(items.read("series", 0), values, rtol=1e-6)
    assert items.read("series", 1)[2].tolist() == [10, 11, 12, 13, 14]


def yeo(folder: Path, numbers: list[int], names: str) -> Path:
    path = folder / "roi_to_yeo.csv"
    path.write_text("ROI_number,Yeo7_name\n" + "".join(f"{k},{name}\n" for k, name in zip(numbers, names, strict=True)))
    return path


def test_networks_of_craddock_labels(tmp_path):
    sites(tmp_path)
    (tmp_path / "roi_ids.txt").write_text("1\n2\n3\n4\n400\n")
    yeo(tmp_path, [1, 2, 3, 4, 5], "ABCDE")
    report = import_cohort("abide1", tmp_path, options=Options(atlas="cc400"))
    atlas = report.cohort.manifest.atlas
    assert atlas["labels"] == ["1", "2", "3", "4", "400"]
    assert atlas["networks"][:4] == ["Vis", "Cont", "SomMot", "Subcortex"]
    assert any(note.startswith("networks of cc400 by label") for note in report.notes)
    assert any(note.startswith("roi_to_yeo.csv is not used by itself") for note in report.notes)


def test_craddock_networks():
    assert craddock_networks("cc200", ["#2", "1"]) == ["Default", "Vis"]
    assert craddock_networks("cc400", ["1", "33"]) == []
    assert {len(craddock_networks("cc200", [str(k + 1) for k in range(200)]))} == {200}


def test_a_table_asked_for_is_joined_by_number(tmp_path):
    sites(tmp_path)
    (tmp_path / "roi_ids.txt").write_text("1\n2\n4\n7\n9\n")
    options = Options(atlas="cc400", atlas_table=yeo(tmp_path, [9, 7, 4, 2, 1, 3], "EDCBAX"))
    report = import_cohort("abide1", tmp_path, options=options)
    assert report.cohort.manifest.atlas["networks"] == list("ABCDE")
    assert "networks from roi_to_yeo.csv by its column 'ROI_number'" in report.notes
    assert not any("not used" in note for note in report.notes)


def test_a_table_of_columns_is_joined_in_order(tmp_path):
    sites(tmp_path)
    (tmp_path / "roi_ids.txt").write_text("1\n2\n4\n7\n9\n")
    options = Options(atlas_table=yeo(tmp_path, [1, 2, 3, 4, 5], "ABCDE"))
    report = import_cohort("abide1", tmp_path, options=options)
    assert report.cohort.manifest.atlas["networks"] == list("ABCDE")
    assert "networks from roi_to_yeo.csv, its rows in the order of the columns" in report.notes


def test_labels_that_a_table_lacks():
    labels = [str(k) for k in range(1, 21)]
    with tempfile.TemporaryDirectory() as folder:
        path = yeo(Path(folder), list(range(1, 20)), "A" * 19)
        atlas, how = describe("mine", labels, path, labelled=True)
    assert atlas["networks"] == ["A"] * 19 + ["Unknown"]
    assert how.endswith("1 ROIs are not in it")


@pytest.mark.parametrize(("order", "warned"), [("A" * 10 + "B" * 10, False), ("AB" * 10, True)])
def test_networks_that_do_not_fit_are_noted(tmp_path, order, warned):
    rng = np.random.default_rng(0)
    for k in range(6):
        shared = rng.normal(size=(60, 2)).repeat(10, axis=1)
        np.save(tmp_path / f"s{k}.npy", (shared + rng.normal(size=(60, 20))).astype(np.float32))
    table = yeo(tmp_path, list(range(1, 21)), order)
    report = import_cohort("own", tmp_path, name="mine", options=Options(atlas="mine", atlas_table=table))
    assert any("networks do not fit the series" in note for note in report.notes) == warned
    assert report.cohort.manifest.importer["notes"] == report.notes


def test_every_scan_left_out_has_its_reason(tmp_path):
    flat, holed, empty = series(1), series(2), series(3)
    flat[:, 0] = 2
    holed[:10] = np.nan
    empty[:, 1] = np.nan
    ids = sites(
        tmp_path,
        count=40,
        NYU_0051000=series(0, 30),
        NYU_0051001=flat,
        NYU_0051002=holed,
        NYU_0051003=empty,
        NYU_0051004=series(4, rois=4),
        NYU_0099999=series(9),
    )
    report = import_cohort("abide1", tmp_path)
    assert report.left_out == {
        "NYU_0051000": "A.npz:NYU_0051000: 30 frames, fewer than 50",
        "NYU_0051002": "A.npz:NYU_0051002: NaN or infinity in 10 of 60 frames, more than 5%",
        "NYU_0051004": "4 ROIs, the other scans have 5",
        "NYU_0099999": "no row in pheno.csv",
    }
    assert report.flags == {"NYU_0051001": "zero-variance-rois:1", "NYU_0051003": "nan-rois:1"}
    manifest = json.loads((report.cohort.path / "cohort.json").read_text())
    assert manifest["left_out"] == report.left_out
    assert manifest["scans"] == len(ids) - 3
    assert report.cohort.scans()["flags"]["NYU_0051001"] == "zero-variance-rois:1"


def test_rows_without_scan_are_listed(tmp_path):
    ids = sites(tmp_path)
    phenotypes(tmp_path, [*ids, "NYU_0059998"])
    report = import_cohort("abide1", tmp_path)
    assert report.rows_without_scan == ["NYU_0059998"]
    assert report.cohort.manifest.importer["rows_without_scan"] == ["NYU_0059998"]


def test_memory_does_not_grow_with_the_cohort(tmp_path):
    import tracemalloc

    peaks = []
    for count in (60, 60, 180):
        folder = tmp_path / f"{len(peaks)}"
        folder.mkdir()
        values = {f"NYU_{51000 + k:07d}": series(k, frames=500, rois=100) for k in range(count)}
        np.savez(folder / "A.npz", **values)
        phenotypes(folder, list(values))
        tracemalloc.start()
        import_cohort("abide1", folder, name=f"c{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 120 further scans are 12 MB on disk; the first 60 are more than the 4 MiB that a checksum reads at once.
    assert peaks[2] - peaks[1] < 2e6


def test_same_content_under_two_ids(tmp_path):
    ids = sites(tmp_path, NYU_0051003=series(1))
    report = import_cohort("abide1", tmp_path)
    assert report.same_content == [(ids[1], ids[3])]
    flags = report.cohort.scans()["flags"]
    assert flags[ids[1]] == f"same-content-as:{ids[3]}"
    assert flags[ids[3]] == f"same-content-as:{ids[1]}"


def test_many_odd_scans_are_an_error(tmp_path):
    sites(tmp_path, **{f"NYU_005100{k}": series(k, rois=4) for k in range(3)})
    with pytest.raises(BadData, match=r"NYU_0051000 \(4\), NYU_0051001 \(4\)"):
        import_cohort("abide1", tmp_path)
    assert not (home.cohorts() / "abide1").exists()


def test_when_nothing_is_left_the_reasons_are_said(tmp_path):
    sites(tmp_path)
    with pytest.raises(BadData, match=r"no scan could be imported: NYU_0051000: A\.npz:NYU_0051000: 60 frames"):
        import_cohort("abide1", tmp_path, options=Options(min_frames=100))
    assert not list(home.cohorts().glob("*/cohort.json"))


def test_unfinished_cohorts_are_not_listed(tmp_path):
    for name in ("a", ".b.1234.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cohort.json").write_text("{}")
    assert [path.name for path in installed(tmp_path)] == ["a"]


def test_one_id_in_two_files(tmp_path):
    ids = sites(tmp_path)
    np.savez(tmp_path / "C.npz", **{ids[0]: series(77)})
    with pytest.raises(BadData, match=rf"'{ids[0]}' in A.npz:{ids[0]}, C.npz:{ids[0]}"):
        import_cohort("abide1", tmp_path)


def test_rows_that_disagree_leave_the_scan_out(tmp_path):
    ids = sites(tmp_path)
    phenotypes(tmp_path, [*ids, ids[0]], DX_GROUP=["1"] * 20 + ["2"])
    report = import_cohort("abide1", tmp_path)
    assert report.left_out == {ids[0]: "2 rows in pheno.csv that disagree"}


def test_truncated_archive_is_left_out_by_name(tmp_path):
    sites(tmp_path)
    whole = (tmp_path / "B.npz").read_bytes()
    (tmp_path / "B.npz").write_bytes(whole[: len(whole) // 2])
    report = import_cohort("abide1", tmp_path)
    assert report.left_out == {"B.npz": "cannot be read: File is not a zip file"}
    assert report.cohort.manifest.scans == 10


def test_nothing_but_truncated_archives(tmp_path):
    sites(tmp_path)
    for name in ("A.npz", "B.npz"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:500])
    with pytest.raises(BadData, match=r"no series of format abide-npz: A\.npz: cannot be read"):
        import_cohort("abide1", tmp_path)


def test_damaged_member_is_left_out(tmp_path):
    ids = sites(tmp_path)
    path = tmp_path / "A.npz"
    with zipfile.ZipFile(path) as archive:
        offset = archive.infolist()[4].header_offset
    raw = bytearray(path.read_bytes())
    raw[offset + 300 : offset + 340] = bytes(40)
    path.write_bytes(raw)
    report = import_cohort("abide1", tmp_path)
    ((name, why),) = report.left_out.items()
    assert name.endswith(ids[4])
    assert "cannot be read" in why
    assert report.cohort.manifest.scans == 19


def test_zip_bomb_is_not_unpacked(tmp_path):
    ids = sites(tmp_path)
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + repr({"descr": "<f4", "fortran_order": False, "shape": (1_000_000, ROIS)}).ljust(117).encode()
        + b"\n"
    )
    with zipfile.ZipFile(tmp_path / "C.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", header + bytes(20_000_000))
        archive.writestr("liar.npy", header.replace(b"1000000", b"9000000"))
    start = time.perf_counter()
    report = import_cohort("abide1", tmp_path)
    assert time.perf_counter() - start < 5
    assert "not a recording" in report.left_out["C.npz:bomb"]
    assert "the header promises 180000000" in report.left_out["C.npz:liar"]
    assert report.cohort.manifest.scans == len(ids)


def test_pickled_objects_are_not_loaded(tmp_path):
    sites(tmp_path)
    np.savez(tmp_path / "C.npz", evil=np.array([[{"a": 1}]], dtype=object), words=np.array([["a"]]))
    report = import_cohort("abide1", tmp_path)
    assert report.left_out["C.npz:evil"] == "holds object, not numbers"
    assert report.left_out["C.npz:words"] == "holds <U1, not numbers"


def test_impossible_requests(tmp_path):
    sites(tmp_path)
    with pytest.raises(BadOption, match="needs a name"):
        import_cohort("own", tmp_path)
    with pytest.raises(BadOption, match="cannot name a cohort"):
        import_cohort("own", tmp_path, name="../x")
    with pytest.raises(BadOption, match="no format 'x'"):
        import_cohort("abide1", tmp_path, format="x")
    with pytest.raises(BadData, match="no such folder"):
        import_cohort("abide1", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no known format"):
        import_cohort("abide1", tmp_path / "empty")
    (tmp_path / "pheno.csv").unlink()
    with pytest.raises(BadData, match="no participants table, so no diagnosis"):
        import_cohort("abide1", tmp_path)


def test_table_of_other_people(tmp_path):
    sites(tmp_path)
    phenotypes(tmp_path, ["x1", "x2"])
    with pytest.raises(BadData, match=r"no scan has a row in pheno\.csv: scan ids such as 'NYU_0051000'"):
        import_cohort("abide1", tmp_path)


def one_d(folder: Path, name: str, values: np.ndarray, labels: list[str]) -> Path:
    path = folder / f"{name}.1D"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "\t".join(f"#{label}" for label in labels)
    np.savetxt(path, values, fmt="%.6f", delimiter="\t", header=header, comments="")
    return path


def connectomes(folder: Path, count: int = 12) -> list[str]:
    ids = [f"Pitt_{50003 + k:07d}" for k in range(count)]
    for k, name in enumerate(ids):
        one_d(folder / "cpac", f"{name}_rois_cc400", series(k).astype(float), ["1", "2", "4", "5", "8"])
    phenotypes(folder, ids, SITE_ID=["PITT"] * count)
    return ids


def test_preprocessed_connectomes(tmp_path):
    ids = connectomes(tmp_path)
    report = import_cohort("abide1", tmp_path, name="text")
    assert report.format == "abide-1d"
    manifest = report.cohort.manifest
    assert (manifest.atlas["name"], manifest.atlas["labels"]) == ("cc400", ["1", "2", "4", "5", "8"])
    items = report.cohort.items()
    assert list(items.table.index) == ids
    np.testing.assert_allclose(items.read("series", 3), series(3), atol=1e-5)
    assert set(items.table["tr"]) == {1.5}


def test_keys_that_name_subject_and_session(tmp_path):
    names = ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1"]
    np.savez(tmp_path / "all.npz", **{name: series(k) for k, name in enumerate(names)})
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\nsub-01\tA\nsub-02\tB\n")
    table = import_cohort("own", tmp_path, name="lab").cohort.scans()
    assert list(zip(table["subject"], table["session"], table["site"], strict=True)) == [
        ("1", "1", "A"),
        ("1", "2", "A"),
        ("2", "1", "B"),
    ]


def test_sites_of_the_twins_have_the_same_tr():
    from brainbench.benchmark.datasets.scheme import ABIDE

    path = Path(home.__file__).parent / "simulate" / "abide1_scans.csv"
    sites = pd.read_csv(path, comment="#").set_index("site")
    sure = sites[sites["tr_source"] != "assumed"]["tr"]
    assert sure.to_dict() == dict(ABIDE.site_tr)


def test_text_and_arrays_of_one_cohort_share_their_atlas(tmp_path):
    ids = connectomes(tmp_path / "text")
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "Pitt.npz", **{name: series(k) for k, name in enumerate(ids)})
    (tmp_path / "npz" / "roi_ids.txt").write_text("1 2 4 5 8")
    phenotypes(tmp_path / "npz", ids)
    first = import_cohort("abide1", tmp_path / "text", name="a").cohort.manifest.atlas
    second = import_cohort("abide1", tmp_path / "npz", name="b", options=Options(atlas="cc400")).cohort.manifest.atlas
    assert first == second


def test_several_atlases_must_be_chosen(tmp_path):
    ids = connectomes(tmp_path)
    one_d(tmp_path, f"{ids[0]}_rois_cc200", series(0).astype(float), list("abcde"))
    with pytest.raises(BadOption, match="several atlases: cc200, cc400"):
        import_cohort("abide1", tmp_path)
    with pytest.raises(BadOption, match="no files of atlas 'aal'"):
        import_cohort("abide1", tmp_path, options=Options(atlas="aal"))
    assert import_cohort("abide1", tmp_path, options=Options(atlas="CC400")).cohort.manifest.scans == len(ids)


def test_damaged_text_files_are_left_out(tmp_path):
    ids = connectomes(tmp_path)
    folder = tmp_path / "cpac"
    cut = folder / f"{ids[0]}_rois_cc400.1D"
    cut.write_text(cut.read_text()[:-30])
    (folder / f"{ids[1]}_rois_cc400.1D").write_bytes(b"")
    (folder / f"{ids[2]}_rois_cc400.1D").write_bytes(b"\xff\xfe\x00\x01" * 40)
    words = folder / f"{ids[3]}_rois_cc400.1D"
    lines = words.read_text().split("\n")
    words.write_text("\n".join([*lines[:5], lines[5].replace(".", "x"), *lines[6:]]))
    options = Options(min_frames=10)
    report = import_cohort("abide1", tmp_path, options=options)
    assert report.cohort.manifest.scans == 8
    assert "truncated: the last line has" in report.left_out[ids[0]]
    assert report.left_out[f"cpac/{ids[1]}_rois_cc400.1D"] == "holds no values"
    assert "cannot be read as text" in report.left_out[f"cpac/{ids[2]}_rois_cc400.1D"]
    assert "not a table of numbers" in report.left_out[ids[3]]


def plain(folder: Path) -> Path:
    """One scan in each kind of file, and a table."""
    labels = ["7Networks_LH_Vis_1", "7Networks_LH_Vis_2", "7Networks_RH_Default_1", "HIP-rh", "Brainstem"]
    frame = pd.DataFrame(series(0).astype(float), columns=labels)
    np.save(folder / "p1.npy", series(1))
    np.savez(folder / "p2.npz", timeseries=series(2), extra=np.zeros(3))
    frame.to_csv(folder / "p3.csv", index=False, header=False)
    frame.to_csv(folder / "p4.tsv", sep="\t", index=False, header=False)
    np.savetxt(folder / "p5.1D", series(5).astype(float))
    path = folder / "people.csv"
    path.write_text("id,dx\n" + "".join(f"p{k},{k % 2}\n" for k in range(1, 6)))
    return path


def test_folder_of_plain_series(tmp_path):
    plain(tmp_path)
    options = Options(
        participants=tmp_path / "people.csv",
        columns={"diagnosis": "dx"},
        codes={"diagnosis": {"0": "no", "1": "yes"}},
        tr=0.72,
        atlas="mine",
    )
    report = import_cohort("own", tmp_path, name="mine", options=options)
    assert report.format == "table"
    items = report.cohort.items()
    assert list(items.table["diagnosis"]) == ["yes", "no", "yes", "no", "yes"]
    assert set(items.table["tr"]) == {0.72}
    np.testing.assert_allclose(items.read("series", 1), series(2), atol=1e-6)
    np.testing.assert_allclose(items.read("series", 2), series(0), atol=1e-6)
    np.testing.assert_allclose(items.read("series", 4), series(5), atol=1e-5)
    assert report.cohort.manifest.atlas["labels"] == ["1", "2", "3", "4", "5"]


def test_named_columns_give_networks(tmp_path):
    labels = ["7Networks_LH_Vis_1", "7Networks_LH_SomMot_2", "7Networks_RH_Default_PFC_1", "HIP-rh", "Brainstem"]
    for k in range(3):
        frame = pd.DataFrame(series(k).astype(float), columns=labels)
        frame.to_csv(tmp_path / f"s{k}.csv", index_label="frame")
    report = import_cohort("own", tmp_path, name="mine")
    atlas = report.cohort.manifest.atlas
    assert atlas["labels"] == labels
    assert atlas["networks"] == ["Vis", "SomMot", "Default", "Subcortex", "Other"]
    assert "no participants table: the scans have no labels" in report.notes


def test_table_that_lists_files(tmp_path):
    (tmp_path / "deep").mkdir()
    np.save(tmp_path / "deep" / "one.npy", series(1))
    np.save(tmp_path / "two.npy", series(2))
    (tmp_path / "p.csv").write_text("scan,subject,file,site\nA,s1,deep/one.npy,X\nB,s1,two.npy,X\nC,s2,gone.npy,X\n")
    report = import_cohort("own", tmp_path, name="mine", options=Options(participants=tmp_path / "p.csv"))
    table = report.cohort.scans()
    assert list(table.index) == ["A", "B"]
    assert set(table["subject"]) == {"s1"}
    assert "No such file" in report.left_out["gone.npy"]


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/hostname", "link/outside.npy", "a/../../outside.npy"])
def test_table_may_not_lead_out_of_the_folder(tmp_path, name):
    np.save(tmp_path / "outside.npy", series(1))
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "x.npy", series(2))
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    (folder / "p.csv").write_text(f"subject,file,site\na,{name},X\n")
    with pytest.raises(BadData, match="leads out of"):
        import_cohort("own", folder, name="mine", options=Options(participants=folder / "p.csv"))


def test_what_a_killed_import_left_is_removed(tmp_path):
    sites(tmp_path)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom brainbench.benchmark.files import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as folder:\n    os._exit(9)"
    )
    target = home.cohorts() / "abide1"
    for place in (target, target.with_name("abide1.b")):
        subprocess.run([sys.executable, "-c", code, str(place)], check=False)
    with whole_folder(target) as living:
        assert sorted(path.name.partition(".part")[1] for path in home.cohorts().iterdir()) == [".part", ".part"]
        import_cohort("abide1", tmp_path)
        assert living.is_dir()
    left = sorted(path.name for path in home.cohorts().iterdir())
    assert left[1:] == ["abide1"]
    assert left[0].startswith(".abide1.b.")


def test_a_failed_import_leaves_the_old_cohort(tmp_path):
    sites(tmp_path)
    before = import_cohort("abide1", tmp_path).cohort.manifest.fingerprint
    phenotypes(tmp_path, [f"NYU_{51000 + k:07d}" for k in range(20)], DX_GROUP=["7"] * 20)
    with pytest.raises(BadData, match="unknown codes 7"):
        import_cohort("abide1", tmp_path)
    assert Cohort.open(home.cohorts() / "abide1").manifest.fingerprint == before
    assert [path.name for path in home.cohorts().iterdir()] == ["abide1"]


def test_real_abide(shared):
    folder = shared / "abide1_cc400_timeseries"
    if not folder.is_dir():
        pytest.skip("no ABIDE I series among the real data")
    report = import_cohort("abide1", folder)
    table = report.cohort.scans()
    assert table["diagnosis"].value_counts().to_dict() == {"control": 376, "autism": 323}
    assert table["sex"].value_counts().to_dict() == {"male": 579, "female": 120}
    assert (table["frames"].min(), table["frames"].max()) == (78, 316)
    assert len(report.rows_without_scan) == 1112 - 699
    assert report.left_out == {}
    atlas = report.cohort.manifest.atlas
    assert (atlas["name"], len(atlas["labels"]), len(atlas["networks"])) == ("cc400", 392, 392)
    assert not any("networks do not fit" in note for note in report.notes)
    fit, given = NetworkFit(atlas["networks"]), describe("cc400", atlas["labels"], folder / "roi_to_yeo.csv", True)[0]
    by_number, by_column = (
        NetworkFit(given["networks"]),
        NetworkFit(list(read_table(folder / "roi_to_yeo.csv").Yeo7_name)),
    )
    items = report.cohort.items()
    for row in range(0, len(table), 20):
        for each in (fit, by_number, by_column):
            each.add(items.read("series", row))
    assert (fit.problem(), by_number.problem()) == ("", "")
    assert by_column.problem()
    with np.load(folder / "Pitt.npz", allow_pickle=False) as pitt:
        row = table.index.get_loc("Pitt_0050004")
        np.testing.assert_array_equal(report.cohort.items().read("series", row), pitt["Pitt_0050004"])
