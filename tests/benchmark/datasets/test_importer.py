"""Imports of arrays and text files: what is read, and what is left out."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from abide_folders import ROIS, connectomes, phenotypes, series, sites

from brainbench.benchmark import home
from brainbench.benchmark.datasets.atlas import describe
from brainbench.benchmark.datasets.cohort import Cohort, installed
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.datasets.networks import NetworkFit
from brainbench.benchmark.datasets.tables import read_table


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


def test_unfinished_cohorts_are_not_listed(tmp_path):
    for name in ("a", ".b.1234.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cohort.json").write_text("{}")
    assert [path.name for path in installed(tmp_path)] == ["a"]


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
    assert report.left_out == {"B.npz": "cannot be read: truncated, or no .npz file at all"}
    assert report.cohort.manifest.scans == 10


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
    from brainbench.benchmark.datasets.abide import SCHEME as ABIDE

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
