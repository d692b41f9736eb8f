"""4-D images and a label atlas."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.errors import BadData, BadOption, ExtraMissing

nibabel = pytest.importorskip("nibabel", reason="the extra neuro is not installed")
pytest.importorskip("nilearn", reason="the extra neuro is not installed")

FRAMES = 60
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    """Three boxes with labels 3, 7 and 20."""
    volume = np.zeros((6, 6, 6), np.int16)
    volume[:2], volume[2:4], volume[5:] = 3, 7, 20
    path = tmp_path / "boxes.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume, AFFINE), path)
    return path


def write(path: Path, seed: int, tr: float = 2.5) -> np.ndarray:
    """An image whose boxes carry known series; returns (time, 3)."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(FRAMES, 3)).astype(np.float32)
    volume = np.zeros((6, 6, 6, FRAMES), np.float32)
    volume[:2], volume[2:4], volume[5:] = series[:, 0], series[:, 1], series[:, 2]
    image = nibabel.Nifti1Image(volume, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((4, 4, 4, tr))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return series


def study(folder: Path, count: int = 3) -> list[np.ndarray]:
    truth = [
        write(folder / f"sub-0{k}" / "func" / f"sub-0{k}_task-rest_space-MNI_desc-preproc_bold.nii.gz", k)
        for k in range(1, count + 1)
    ]
    rows = "".join(f"sub-0{k}\tA\n" for k in range(1, count + 1))
    (folder / "participants.tsv").write_text("participant_id\tsite\n" + rows)
    return truth


def test_bids_like_images(tmp_path, atlas):
    truth = study(tmp_path / "data")
    report = import_cohort("own", tmp_path / "data", name="lab", options=Options(atlas=str(atlas)))
    assert report.format == "nifti"
    manifest = report.cohort.manifest
    assert (manifest.atlas["name"], manifest.atlas["labels"]) == ("boxes", ["3", "7", "20"])
    items = report.cohort.items()
    assert set(items.table["tr"]) == {2.5}
    for row, series in enumerate(truth):
        np.testing.assert_allclose(items.read("series", row), series, atol=1e-4)


def test_names_from_an_atlas_table(tmp_path, atlas):
    study(tmp_path / "data")
    table = tmp_path / "boxes.tsv"
    table.write_text("index\tname\tnetwork\n20\tthree\tC\n3\tone\tA\n7\ttwo\tB\n")
    options = Options(atlas=str(atlas), atlas_table=table)
    found = import_cohort("own", tmp_path / "data", name="lab", options=options).cohort.manifest.atlas
    assert (found["labels"], found["networks"]) == (["one", "two", "three"], ["A", "B", "C"])


def test_confounds_are_regressed_out(tmp_path, atlas):
    truth = study(tmp_path / "data", count=2)
    for k, series in enumerate(truth, 1):
        lines = "\n".join(f"{'n/a' if t == 0 else value}\t0" for t, value in enumerate(series[:, 0]))
        (tmp_path / "data" / f"sub-0{k}" / "func" / f"sub-0{k}_task-rest_desc-confounds_timeseries.tsv").write_text(
            f"csf\tframewise_displacement\n{lines}\n"
        )
    options = Options(atlas=str(atlas), confounds=("cs*",))
    report = import_cohort("own", tmp_path / "data", name="lab", options=options)
    cleaned = report.cohort.items().read("series", 0)
    assert cleaned[1:, 0].std() < 0.1 * truth[0][1:, 0].std()
    assert np.corrcoef(cleaned[:, 1], truth[0][:, 1])[0, 1] > 0.9
    missing = Options(atlas=str(atlas), confounds=("nothing",))
    with pytest.raises(BadData, match="no scan could be imported"):
        import_cohort("own", tmp_path / "data", name="lab", options=missing)


def test_damaged_images_are_left_out(tmp_path, atlas):
    study(tmp_path / "data", count=5)
    func = {k: tmp_path / "data" / f"sub-0{k}" / "func" for k in range(1, 6)}
    name = "sub-0{}_task-rest_space-MNI_desc-preproc_bold.nii.gz"
    cut = func[1] / name.format(1)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (func[2] / name.format(2)).write_bytes(b"not an image")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3)), AFFINE), func[3] / name.format(3))
    report = import_cohort("own", tmp_path / "data", name="lab", options=Options(atlas=str(atlas)))
    assert report.cohort.manifest.scans == 2
    assert "cannot be read" in report.left_out["sub-01_task-rest"]
    assert "cannot be read" in report.left_out[str((func[2] / name.format(2)).relative_to(tmp_path / "data"))]
    assert "3 dimensions" in report.left_out[str((func[3] / name.format(3)).relative_to(tmp_path / "data"))]


def test_an_image_that_unpacks_a_thousandfold_is_not_read(tmp_path, atlas):
    study(tmp_path / "data")
    bomb = nibabel.Nifti1Image(np.zeros((40, 40, 40, 100), np.int16), AFFINE)
    name = "sub-01/func/sub-01_task-rest_space-MNI_desc-preproc_bold.nii.gz"
    nibabel.save(bomb, tmp_path / "data" / name)
    report = import_cohort("own", tmp_path / "data", name="lab", options=Options(atlas=str(atlas)))
    assert report.left_out == {name: "claims the shape (40, 40, 40, 100): too much for one image"}


def test_table_that_lists_images(tmp_path, atlas):
    folder = tmp_path / "data"
    truth = write(folder / "x" / "scan.nii", 4, tr=0)
    (folder / "list.csv").write_text("scan,subject,file,site\nS1,p1,x/scan.nii,A\n")
    options = Options(participants=folder / "list.csv", atlas=str(atlas), tr=1.5)
    items = import_cohort("own", folder, name="lab", options=options).cohort.items()
    assert list(items.table.index) == ["S1"]
    assert items.table["tr"].tolist() == [1.5]
    np.testing.assert_allclose(items.read("series", 0), truth, atol=1e-4)
    (folder / "list.csv").write_text("scan,subject,file\nS1,p1,../boxes.nii.gz\n")
    with pytest.raises(BadData, match="leads out of"):
        import_cohort("own", folder, name="lab", options=options)


def test_an_atlas_is_needed(tmp_path, atlas):
    study(tmp_path / "data")
    with pytest.raises(BadOption, match="images need a label image"):
        import_cohort("own", tmp_path / "data", name="lab")
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"x")
    with pytest.raises(BadData, match="cannot be read as a label image"):
        import_cohort("own", tmp_path / "data", name="lab", options=Options(atlas=str(bad)))


def test_missing_extra_is_named(tmp_path, atlas, monkeypatch):
    study(tmp_path / "data")
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(ExtraMissing, match="'nilearn' is not installed") as caught:
        import_cohort("own", tmp_path / "data", name="lab", options=Options(atlas=str(atlas)))
    assert "brainbench[neuro]" in caught.value.hint
