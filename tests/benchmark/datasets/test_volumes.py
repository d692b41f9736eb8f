"""Cohorts of 4-D images: import on a grid, reading some frames, checks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.check import check_cohort, regions
from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans

FRAMES = 55
SHAPE = (7, 9, 6)
GRID = (8, 8, 8)


def scans_of(cohort: Cohort) -> Scans:
    return Scans(cohort.items(), ())


def raw_volume(seed: int, frames: int = FRAMES) -> np.ndarray:
    """(x, y, z, time) with a background of zeros at one end of x."""
    rng = np.random.default_rng(seed)
    volume = 1000 + 50 * rng.standard_normal((*SHAPE, frames)).astype(np.float32)
    volume[0] = 0
    return volume


def save(folder: Path, subject: str, volume: np.ndarray, *, size: float = 2.0, flip: bool = False) -> None:
    nibabel = pytest.importorskip("nibabel", reason="the extra neuro is not installed")
    pytest.importorskip("nilearn", reason="the extra neuro is not installed")
    affine = np.diag([-size if flip else size, size, size, 1.0])
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((size, size, size, 0.72)[: volume.ndim])
    path = folder / f"sub-{subject}" / "func" / f"sub-{subject}_task-rest_space-MNI152NLin6Asym_bold.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def study(folder: Path, subjects: tuple[str, ...]) -> None:
    rows = "".join(f"sub-{name}\t{'FM'[k % 2]}\t3{k}\n" for k, name in enumerate(subjects))
    (folder / "participants.tsv").write_text("participant_id\tsex\tage\n" + rows)


def expected(volume: np.ndarray) -> np.ndarray:
    """By the rule's words: on the grid, z over all voxels that are not 0, background at the minimum."""
    full = np.zeros((*GRID, volume.shape[3]))
    full[0:7, :, 1:7] = volume[:, 0:8]
    inside = full != 0
    z = (full - full[inside].mean()) / full[inside].std()
    z[~inside] = z[inside].min()
    return np.moveaxis(z, -1, 0)


def test_images_are_put_on_the_grid_and_normalised(tmp_path):
    volumes = {name: raw_volume(k) for k, name in enumerate(("01", "02"))}
    for name, volume in volumes.items():
        save(tmp_path / "data", name, volume)
    study(tmp_path / "data", tuple(volumes))
    report = import_cohort("own", tmp_path / "data", name="lab", format="volumes", options=Options(grid=GRID))
    manifest = report.cohort.manifest
    assert (manifest.grid, manifest.rois, manifest.dtype, manifest.atlas["name"]) == (GRID, 512, "<f2", "voxels")
    assert report.left_out == {}
    scans, table = scans_of(report.cohort), report.cohort.scans()
    assert table["tr"].tolist() == pytest.approx([0.72, 0.72], abs=1e-6)
    assert table["sex"].tolist() == ["female", "male"]
    for row, volume in enumerate(volumes.values()):
        found = scans.volume(row, 0, FRAMES)
        np.testing.assert_allclose(found, expected(volume), atol=5e-3)


def test_tables_of_the_hcp_are_read(tmp_path):
    for subject in ("100307", "100408"):
        save(tmp_path / "data", subject, raw_volume(int(subject)))
    table = "Subject,Gender,Age_in_Yrs,Family_ID\n100307,F,27,51\n100408,M,33,52\n"
    (tmp_path / "data" / "behaviour.csv").write_text(table)
    report = import_cohort("hcp-volumes", tmp_path / "data", format="volumes", options=Options(grid=GRID))
    scans = report.cohort.scans()
    assert report.cohort.manifest.name == "hcp-volumes"
    assert scans["sex"].tolist() == ["female", "male"]
    assert scans["age"].tolist() == [27, 33]
    assert scans["family"].nunique() == 2


def test_images_of_both_orientations_give_the_same_scan(tmp_path):
    volume = raw_volume(0)
    save(tmp_path / "data", "01", volume)
    save(tmp_path / "data", "02", volume[::-1], flip=True)
    study(tmp_path / "data", ("01", "02"))
    report = import_cohort("own", tmp_path / "data", name="lab", options=Options(grid=GRID))
    assert report.format == "volumes"
    assert len(report.same_content) == 1


def test_each_image_left_out_has_its_reason(tmp_path):
    flat, infinite = np.full((*SHAPE, FRAMES), 7, np.float32), raw_volume(5)
    infinite[3, 3, 3, 9] = np.inf
    good = {"01": raw_volume(1), "02": raw_volume(2)}
    for name, volume in {**good, "03": raw_volume(3, 20), "04": flat, "05": infinite, "06": flat[..., 0]}.items():
        save(tmp_path / "data", name, volume)
    save(tmp_path / "data", "07", raw_volume(7), size=3.0)
    study(tmp_path / "data", tuple(f"0{k}" for k in range(1, 8)))
    report = import_cohort("own", tmp_path / "data", name="lab", format="volumes", options=Options(grid=GRID))
    assert len(scans_of(report.cohort)) == 2
    reasons = "\n".join(f"{name} {why}" for name, why in sorted(report.left_out.items()))
    for text in ("20 frames, fewer than 50", "no contrast", "infinite", "3 dimensions", "3 x 3 x 3 mm"):
        assert text in reasons
    assert len(report.left_out) == 5


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Three scans of 4 x 4 x 4 voxels, written directly."""
    rng = np.random.default_rng(0)
    with write_cohort(tmp_path / "c", dtype="float16", grid=(4, 4, 4)) as writer:
        for k in range(3):
            volume = rng.standard_normal((60, 64))
            volume[:, :16] = -3.0
            writer.add(f"s{k}", volume, {"subject": f"p{k}", "sex": "male", "tr": 1.0})
        writer.finish(
            {
                "name": "c",
                "dataset": "own",
                "origin": "real",
                "atlas": {"name": "voxels", "labels": []},
                "source": "",
                "importer": {},
                "left_out": {},
            }
        )
    return Cohort.open(tmp_path / "c")


def test_some_frames_are_read_alone(cohort):
    scans = scans_of(cohort)
    whole = scans.volume(1, 0, 60)
    assert whole.shape == (60, 4, 4, 4)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(scans.volume(1, 17, 21), whole[17:21])
    assert scans.grid == (4, 4, 4)
    ref = cohort.items().arrays["volume"][1]
    assert len(ref.rows(17, 21).read().tobytes()) == 4 * 64 * 2
    with pytest.raises(BadData, match="no rows 50 to 61"):
        scans.volume(1, 50, 61)


def test_images_survive_staging(cohort, tmp_path):
    items = cohort.items()
    items.save(tmp_path / "items.parquet")
    again = Scans(Items.load(tmp_path / "items.parquet"), ())
    np.testing.assert_array_equal(again.volume(2, 3, 5), scans_of(cohort).volume(2, 3, 5))


def test_who_reads_the_wrong_thing_is_told(cohort):
    with pytest.raises(BadData, match="4-D images, not ROI series"):
        scans_of(cohort).series(0)
    roi = Items(cohort.scans(), {"series": [np.zeros((60, 3))] * 3}, {"atlas": {"name": "x", "labels": []}})
    with pytest.raises(BadData, match="ROI series, not 4-D images"):
        Scans(roi, ()).volume(0, 0, 2)
    assert Scans(roi, ()).grid is None


def test_check_reads_images(cohort):
    report = check_cohort(cohort.path)
    assert report.errors == 0
    assert not [finding for finding in report.findings if "variance" in finding.text]


def test_check_finds_changed_images(cohort):
    path = cohort.path / "series.npy"
    content = bytearray(path.read_bytes())
    content[-100] ^= 0x40
    path.write_bytes(bytes(content))
    texts = [finding.text for finding in check_cohort(cohort.path).findings if finding.level == "error"]
    assert any("not the one that was imported" in text for text in texts)
    assert any("fingerprint" in text for text in texts)


def test_regions_are_means_of_boxes():
    volumes = np.arange(2 * 16 * 9 * 4, dtype=float).reshape(2, 16, 9, 4)
    found = regions(volumes).reshape(2, 8, 8, 4)
    assert found[1, 3, 0, 2] == pytest.approx(volumes[1, 6:8, 0:1, 2].mean())
    assert found[0, 0, 7, 0] == pytest.approx(volumes[0, 0:2, 7:9, 0].mean())


def test_a_manifest_without_a_grid_is_one_of_series(cohort):
    file = cohort.path / "cohort.json"
    content = json.loads(file.read_text())
    del content["grid"]
    file.write_text(json.dumps(content))
    assert Cohort.open(cohort.path).items().arrays.keys() == {"series"}
