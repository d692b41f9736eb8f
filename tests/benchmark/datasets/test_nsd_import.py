"""NSD as labs have it: every voxel and trial comes back where it was, and nothing is dropped silently."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from nsd_files import (
    MASK,
    SHAPE,
    TRIALS,
    VOXEL,
    design,
    picture,
    response,
    write_coco,
    write_pictures,
    write_tree,
)

from brainbench.benchmark.datasets.coco import cropped, read_annotations
from brainbench.benchmark.datasets.nsd import NSD
from brainbench.benchmark.datasets.nsd_import import NsdReport, import_nsd, smaller
from brainbench.benchmark.datasets.nsd_layout import Options
from brainbench.benchmark.datasets.nsd_texts import read_texts
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.seen import Responses

OPTIONS = Options(sessions=2, pixels=8)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tree(tmp_path_factory.mktemp("nsd"))
    write_pictures(folder)
    write_coco(folder / "coco", folder)
    return folder


@pytest.fixture(scope="module")
def report(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> NsdReport:
    return import_nsd(tree, OPTIONS, target=tmp_path_factory.mktemp("home") / "nsd")


@pytest.fixture(scope="module")
def items(report: NsdReport) -> Items:
    return report.cohort.items()


def row_of(items: Items, name: str) -> int:
    return list(items.table.index).index(name)


@pytest.mark.parametrize("subject", [1, 2])
def test_a_voxel_comes_back_where_nifti_has_it(items: Items, subject: int) -> None:
    """Subject 1 is stored as HDF5 with turned axes, subject 2 as NIfTI."""
    brain = f"subj{subject:02d}"
    view = Responses(items)
    space = view.spaces[brain]
    assert space.shape == SHAPE
    assert space.mm == 1.8
    order, images = design()
    betas = np.concatenate([response(subject, session) for session in (1, 2)], axis=-1) / 300
    for image in ("nsd01004", "nsd05003" if subject == 1 else "nsd14003"):
        trials = np.flatnonzero(images[subject - 1, order[: 2 * TRIALS] - 1] == int(image[3:]) + 1)
        assert len(trials) >= 2
        stored = space.volume(view.trials(row_of(items, f"{brain}/{image}")))
        for repeat, trial in enumerate(trials):
            wanted = np.where(MASK > 0, betas[..., trial], 0)
            np.testing.assert_allclose(stored[repeat], wanted, rtol=1e-3, atol=1e-6)
        assert stored[0][VOXEL] == trials[0] % 100
        assert stored[0][0, 3, 1] == 1 + trials[0] // TRIALS


def test_rois_are_named_by_their_files_values(items: Items) -> None:
    space = Responses(items).spaces["subj01"]
    inside = {name: {tuple(int(k) for k in np.unravel_index(i, SHAPE)) for i in space.index[mask]}
              for name, mask in space.rois.items()}  # fmt: skip
    assert len(inside["nsdgeneral"]) == 4
    assert inside["early"] == inside["V1"] == {VOXEL}
    assert inside["ventral"] == {(1, 2, 2)}
    assert inside["hV4"] == {(2, 0, 0)}
    assert inside["V2"] == inside["lateral"] == set()


def test_shared_images_that_were_shown_are_the_test_set(report: NsdReport, items: Items) -> None:
    table = items.table
    test = table[table["set"] == "test"]
    assert sorted(test["subject"].unique()) == [f"nsd{1000 + k:05d}" for k in range(32)]
    train = table[(table["set"] == "train") & (table["subject_space"] == "subj02")]
    assert sorted(train["subject"]) == [f"nsd{14000 + k:05d}" for k in range(10)]
    assert report.left_out["subj01: test images"] == "968 shared images were not shown in these sessions"
    assert report.brains[0] == {
        "brain": "subj01", "sessions": 2, "trials": 1500, "voxels": 4, "training images": 10, "test images": 32,
        "seen 3 / 2 / 1 times": "0 / 30 / 2",
    }  # fmt: skip
    assert len(items.arrays["response"]) == 2 * 42


def test_pictures_of_the_test_set_are_kept_as_they_are(items: Items) -> None:
    np.testing.assert_array_equal(items.read("image", row_of(items, "subj02/nsd01004")), picture(1004))
    small = items.read("image", row_of(items, "subj01/nsd05003"))
    np.testing.assert_array_equal(small, smaller(picture(5003), 8))
    assert small.shape == (8, 8, 3)


def test_captions_and_boxes_are_those_of_the_part_that_was_shown(report: NsdReport, items: Items) -> None:
    row = items.table.loc["subj01/nsd01004"]
    assert list(row["captions"]) == ["picture 101004"]
    boxes = json.loads(row["boxes"])
    # 500 x 400 pixels, of which the left 100 are cut away: the cat is not seen, the second dog in part.
    np.testing.assert_allclose(boxes["dog"], [[0, 0.1, 0.5, 0.6], [0, 0.1, 0.2, 0.6]])
    assert list(boxes) == ["dog"]
    images = len({*items.table["subject"]})
    assert images == 52
    assert report.left_out["boxes"] == "52 lie outside of the part of a picture that was shown"
    assert report.left_out["captions"] == "2 of 52 images have none in COCO's files"
    assert items.table.loc["subj01/nsd01000", "captions"] == []


def test_crop_boxes_cut_from_all_sides() -> None:
    boxes = {"dog": [[0, 0, 100, 200], [50, 100, 1, 1], [10, 20, 20, 40]]}
    seen, unseen = cropped(boxes, (100, 200), (0.1, 0.4, 0.2, 0.3))
    np.testing.assert_allclose(seen["dog"], [[0, 0, 1, 1], [0.6, 0.8, 0.62, 0.81], [0, 0, 0.2, 0.4]])
    assert unseen == 0
    assert cropped({"dog": [[0, 0, 20, 200]]}, (100, 200), (0.1, 0.4, 0.2, 0.3)) == ({}, 1)


def test_cocos_own_files_are_read(shared: Path) -> None:
    folder = shared / "coco-mini/annotations"
    wanted = sorted(int(path.stem) for path in (shared / "coco-mini/train2017").glob("*.jpg"))[:5]
    found, lacking = read_annotations(folder, ["train2017", "val2014"], wanted)
    assert lacking == ["captions_val2014.json", "instances_val2014.json"]
    said = json.loads((folder / "captions_train2017.json").read_text())["annotations"]
    drawn = json.loads((folder / "instances_train2017.json").read_text())
    names = {entry["id"]: entry["name"] for entry in drawn["categories"]}
    assert sorted(found.captions) == wanted
    for image in wanted:
        texts = [" ".join(entry["caption"].split()) for entry in said if entry["image_id"] == image]
        assert found.captions[image] == texts
        assert len(texts) >= 5
        boxes = [(names[e["category_id"]], e["bbox"]) for e in drawn["annotations"] if e["image_id"] == image]
        assert sorted((name, box) for name, listed in found.boxes[image].items() for box in listed) == sorted(boxes)


def test_nsd_loads_what_was_imported(tree: Path) -> None:
    assert not NSD().installed()
    import_nsd(tree, OPTIONS)
    data = NSD().load("real")
    assert NSD().installed()
    assert (data.name, data.origin, len(data.items)) == ("nsd", "real", 84)
    assert data.items.meta["subjects"] == 2


def test_texts_of_the_lab_are_joined(tree: Path, tmp_path: Path) -> None:
    texts = {
        "1004": ["a dog", "one dog"],
        "nsd01005": {"description": "A long text.", "dialogue": [["what?", "a dog"]], "captions": ["mine"]},
        "72000": ["never shown"],
    }
    (tmp_path / "blip2.json").write_text(json.dumps(texts))
    options = Options(sessions=1, pixels=8, texts=tmp_path / "blip2.json")
    report = import_nsd(tree, options, target=tmp_path / "nsd")
    table = report.cohort.items().table
    assert list(table.loc["subj01/nsd01004", "blip2"]) == ["a dog", "one dog"]
    assert list(table.loc["subj01/nsd01004", "captions"]) == ["picture 101004"]
    assert list(table.loc["subj02/nsd01005", "captions"]) == ["mine"]
    assert table.loc["subj01/nsd01005", "description"] == "A long text."
    assert table.loc["subj01/nsd01005", "dialogue"] == '[["what?", "a dog"]]'
    assert report.left_out["blip2.json"] == "1 of its 3 ids are not among the images"
    assert report.notes == ["blip2.json: texts of 2 images"]


def test_what_is_lacking_is_told(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "in", subjects=(1,), nifti=(1,))
    (folder / "nsddata/ppdata/subj01/func1pt8mm/roi/streams.nii.gz").unlink()
    report = import_nsd(folder, Options(), target=tmp_path / "nsd")
    told = report.left_out
    assert told["subj01: sessions"] == f"{', '.join(map(str, range(3, 38)))} are not there"
    assert set(told) == {
        "subj01: sessions", "subj01: test images", "subj01: streams.nii.gz", "subj02", "subj05", "subj07",
        "captions and boxes", "pictures",
    }  # fmt: skip
    assert "--coco DIR" in told["captions and boxes"]
    assert list(report.cohort.manifest.spaces["subj01"].rois) == ["nsdgeneral", "V1", "V2", "V3", "hV4"]
    assert report.cohort.manifest.left_out == told


def betas(folder: Path, subject: int, name: str) -> Path:
    return folder / f"nsddata_betas/ppdata/subj{subject:02d}/func1pt8mm/betas_fithrf_GLMdenoise_RR" / name


def turned(folder: Path) -> None:
    with h5py.File(betas(folder, 1, "betas_session01.hdf5"), "w") as file:
        file["betas"] = np.zeros((TRIALS, *SHAPE), np.int16)


def elsewhere(folder: Path) -> None:
    path = betas(folder, 1, "betas_session01.hdf5")
    shutil.copy(path, folder / "other.hdf5")
    with h5py.File(path, "w") as file:
        file["betas"] = h5py.ExternalLink(str(folder / "other.hdf5"), "betas")


def short(folder: Path) -> None:
    values = response(2, 2)[..., :700]
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), betas(folder, 2, "betas_session02.nii.gz"))


def truncated(folder: Path) -> None:
    path = betas(folder, 2, "betas_session02.nii.gz")
    path.write_bytes(path.read_bytes()[:20000])


def no_row(folder: Path) -> None:
    path = folder / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))


def bad_crop(folder: Path) -> None:
    path = folder / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    path.write_text(path.read_text().replace("(0, 0, 0.2, 0.0)", "__import__('os')"))


def text_instead(folder: Path) -> None:
    betas(folder, 1, "betas_session02.hdf5").write_text("not here")


def other_mask(folder: Path) -> None:
    path = folder / "nsddata/ppdata/subj01/func1pt8mm/roi/streams.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 4, 4), np.float32), np.eye(4)), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (turned, r"betas of shape \(750, 5, 4, 3\); the mask wants \(750, 3, 4, 5\), that is trial, z, y, x"),
        (elsewhere, "'betas' is no array of this file"),
        (short, r"betas of shape \(5, 4, 3, 700\); the mask wants \(5, 4, 3, 750\)"),
        (truncated, "betas_session02.nii.gz: cannot be read"),
        (no_row, "no row of NSD id 14009"),
        (bad_crop, "is not .top, bottom, left, right. shares"),
        (text_instead, "betas_session02.hdf5: not an HDF5 file"),
        (other_mask, r"streams.nii.gz: shape \(5, 4, 4\); nsdgeneral has \(5, 4, 3\)"),
    ],
)
def test_files_that_do_not_fit_are_refused(tree: Path, tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    shutil.copytree(tree, tmp_path / "in")
    damage(tmp_path / "in")
    with pytest.raises(BadData, match=message):
        import_nsd(tmp_path / "in", OPTIONS, target=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="neither NSD's own tree nor"):
        import_nsd(tmp_path)
    (tmp_path / "nsddata_betas").mkdir()
    with pytest.raises(BadData, match=r"no nsddata/experiments/nsd/nsd_expdesign\.mat"):
        import_nsd(tmp_path)
    with pytest.raises(BadData, match="captions_"):
        import_nsd(write_tree(tmp_path / "in"), Options(sessions=2, coco=tmp_path))


def write_own(folder: Path, ending: str = ".hdf5") -> Path:
    """The plain layout: the voxels of `MASK`, three trials of two images."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"betas": np.arange(12).reshape(3, 4).astype(np.float32), "image": np.array([b"b", b"a", b"b"]),
              "mask": MASK, "roi_early": MASK * (np.arange(5)[:, None, None] > 1)}  # fmt: skip
    pictures = {"ids": np.array([b"a"]), "pixels": picture(3)[None]}
    for name, held in (("subj01", arrays), ("images", pictures)):
        if ending == ".npz":
            np.savez(folder / f"{name}.npz", **held)
        else:
            with h5py.File(folder / f"{name}{ending}", "w") as file:
                for key, value in held.items():
                    file[key] = value
    texts = {"a": {"set": "train", "captions": ["a"], "boxes": {"dog": [[0, 0, 1, 1]]}}, "b": {"set": "test"}}
    (folder / "images.json").write_text(json.dumps(texts))
    return folder


@pytest.mark.parametrize("ending", [".hdf5", ".npz"])
def test_the_plain_layout(tmp_path: Path, ending: str) -> None:
    report = import_nsd(write_own(tmp_path / "in", ending), target=tmp_path / "nsd")
    items = report.cohort.items()
    assert list(items.table.index) == ["subj01/a", "subj01/b"]
    assert items.read("response", 0).tolist() == [[4, 5, 6, 7]]
    assert items.read("response", 1).tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    space = Responses(items).spaces["subj01"]
    volume = space.volume(items.read("response", 0)[0])
    np.testing.assert_array_equal(volume[MASK > 0], [4, 5, 6, 7])
    assert space.rois["early"].tolist() == [False, False, True, True]
    np.testing.assert_array_equal(items.read("image", 0), picture(3))
    assert items.arrays["image"][1] is None
    assert report.left_out == {"pictures": "1 of 2 images have none"}
    assert list(items.table["set"]) == ["train", "test"]


def test_the_example_of_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[3] / "docs/vision_data.md").read_text()
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"^```python\n(.*?)^```", document, re.M | re.S)[0], {})
    items = import_nsd(tmp_path / "plain", target=tmp_path / "nsd").cohort.items()
    assert list(items.table.index) == ["subj01/cat", "subj01/dog"]
    space = Responses(items).spaces["subj01"]
    first = items.read("response", 1)[0]
    assert space.volume(first)[0, 3, 1] == first[0] == np.float32(0.1)
    assert space.rois["early"].tolist() == [False, True]
    (tmp_path / "texts.json").write_text(re.findall(r"^```json\n(.*?)^```", document, re.M | re.S)[0])
    assert set(read_texts(tmp_path / "texts.json")) == {"nsd46002", "nsd02950"}


def test_the_plain_layout_refuses_what_does_not_fit(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "in")
    (folder / "images.json").write_text('{"a": {"set": "train"}}')
    with pytest.raises(BadData, match="lacks 1 images that were shown, such as 'b'"):
        import_nsd(folder)
    (folder / "images.json").write_text('{"a": {"set": "train"}, "b": {}}')
    with pytest.raises(BadData, match="'b' has no set"):
        import_nsd(folder)
    (folder / "images.json").write_text('{"a": {"set": "train"}, "b": {"sett": "test"}}')
    with pytest.raises(BadData, match="unknown key 'sett'"):
        import_nsd(folder)
    write_own(folder)
    with h5py.File(folder / "subj01.hdf5", "a") as file:
        del file["betas"]
        file["betas"] = np.zeros((3, 5), np.float32)
    with pytest.raises(BadData, match="with 4 voxels"):
        import_nsd(folder)
    (folder / "subj01.hdf5").unlink()
    np.savez(folder / "subj02.npz", betas=np.array([object()], dtype=object))
    with pytest.raises(BadData, match=r"subj02\.npz"):
        import_nsd(folder)
