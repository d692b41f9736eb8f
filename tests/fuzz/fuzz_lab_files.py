"""Readers of what labs have: series, images, tables and side-cars, and the importers of known data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
from algonauts_files import bold, write_bold, write_features
from fuzz_reader import Reader, readers_of
from scipy.io import savemat

from brainbench.baselines.brainlm import read_places
from brainbench.baselines.gradients import read_gradients
from brainbench.benchmark.datasets import (
    brainhub_files,
    coco,
    from_npz,
    from_table,
    movie_atlas,
    nsd_own,
    nsd_texts,
    nsd_tree,
)
from brainbench.benchmark.datasets.atlas import describe
from brainbench.benchmark.datasets.bids_names import Tree, parse, quiet_motion
from brainbench.benchmark.datasets.from_nifti import extract, look, read_atlas
from brainbench.benchmark.datasets.from_volumes import read_volume
from brainbench.benchmark.datasets.hdf5 import arrays, open_hdf5
from brainbench.benchmark.datasets.layout import Layout, Options
from brainbench.benchmark.datasets.nsd_layout import Picture
from brainbench.benchmark.datasets.recordings.files import Files
from brainbench.benchmark.datasets.recordings.parse import read_mat, read_npy, read_table
from brainbench.benchmark.datasets.rows import join, scheme_of
from brainbench.benchmark.datasets.rules import LeftOut, clean
from brainbench.benchmark.describe.reference import read_series
from brainbench.benchmark.extraction import transcripts
from brainbench.benchmark.simulate.scene_photos import read_photos

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(60, 3)).astype(np.float32)
LABELS = ("r1", "r2", "r3")
NO_OPTIONS = Options()


def table(*lines: str) -> str:
    """Lines of a table, by tabs."""
    return "".join("\t".join(line.split()) + "\n" for line in lines)


PEOPLE = table("participant_id age sex site file", "a 20 m A a.npy", "b 30.5 f A b.npy", "c n/a male B c.npy")
ABIDE = (
    "FILE_ID,SUB_ID,SITE_ID,DX_GROUP,AGE_AT_SCAN,SEX,func_mean_fd\nPitt_1,1,PITT,1,20,1,0.1\nPitt_2,2,PITT,2,21,2,0.2\n"
)
NDA = (
    "subjectkey\tsrc_subject_id\tinterview_age\tsex\tsite_id_l\n"
    "The key of a subject\tThe id of a subject\tAge in months\tSex\tSite\n"
    "NDAR_a\ta\t120\tM\tsite01\nNDAR_b\tb\t130\tF\tsite02\n"
)


def write_scans(folder: Path) -> None:
    """Three series and a table of people."""
    for name in "abc":
        np.save(folder / f"{name}.npy", SERIES + ord(name))
    (folder / "participants.tsv").write_text(PEOPLE)


def join_scans(folder: Path, dataset: str = "own", options: Options = NO_OPTIONS) -> None:
    """What an import does before it writes: find the files, join the table, read and clean each series."""
    layout = from_table.find(folder, options)
    plan = join(layout, scheme_of(dataset), options)
    read_all(layout)
    assert plan.rows


def read_all(layout: Layout) -> None:
    """Every series of a layout, after the rules; what cannot be kept is left out."""
    for source in layout.sources:
        try:
            clean(source.read())
        except LeftOut:
            continue


def joined(text: str, dataset: str, *names: str) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    """Seed and reading of a data set's own table beside series of these names."""

    def seed(folder: Path) -> None:
        for name in names:
            np.save(folder / f"{name}.npy", SERIES)
        (folder / "people.csv").write_text(text)

    return seed, lambda folder: join_scans(folder, dataset, Options(participants=folder / "people.csv"))


def write_text(name: str, text: str) -> Callable[[Path], object]:
    """A folder with one file of text."""
    return lambda folder: (folder / name).write_text(text)


def lines_of(values: np.ndarray, mark: str) -> str:
    """Rows of numbers."""
    return "".join(mark.join(f"{value:.4g}" for value in row) + "\n" for row in values)


def write_npz(folder: Path) -> None:
    """A site's scans, and the labels of their columns."""
    np.savez_compressed(folder / "site.npz", s1=SERIES, s2=SERIES.astype(np.float16))
    (folder / "roi_ids.txt").write_text("\n".join(LABELS))


def read_npz(folder: Path) -> None:
    """As `brainbench data import` reads such a folder."""
    if from_npz.recognise(folder, Options()):
        read_all(from_npz.find(folder, Options()))


def write_image(folder: Path) -> None:
    """A small recording, and a label image on its grid."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    values = RNG.normal(100, 5, size=(4, 4, 3, 8)).astype(np.float32)
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((2, 2, 2, 1.5))
    nibabel.save(image, folder / "bold.nii.gz")
    nibabel.save(image, folder / "bold.nii")
    labels = np.arange(48).reshape(4, 4, 3) % 4
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.int16), affine), folder / "atlas.nii.gz")


def read_image(folder: Path, name: str) -> None:
    """Voxel by voxel, as ``--format volumes`` does."""
    look(nibabel, folder / name)
    read_volume(folder / name, (4, 4, 4))


def read_means(folder: Path) -> None:
    """By the means of an atlas."""
    image, labels = read_atlas(nibabel, str(folder / "atlas.nii.gz"))
    look(nibabel, folder / "bold.nii.gz")
    extract(folder / "bold.nii.gz", image, labels, None, ())


BOLD = "sub-01_ses-1_task-rest_bold.nii.gz"


def write_bids(folder: Path) -> None:
    """Side-cars, motion and sessions of one recording."""
    (folder / "sub-01").mkdir(exist_ok=True)
    (folder / "task-rest_bold.json").write_text(json.dumps({"RepetitionTime": 2.0, "SliceTiming": [0, 1]}))
    (folder / "sub-01_ses-1_task-rest_desc-confounds_timeseries.tsv").write_text(
        table("framewise_displacement csf", "n/a 0.1", "0.2 0.3")
    )
    (folder / "sub-01" / "sub-01_sessions.tsv").write_text(table("session_id age", "ses-1 20", "ses-2 21"))


def read_bids(folder: Path) -> None:
    """TR, motion and session of a recording."""
    tree, name = Tree.walk(folder), parse(BOLD)
    tree.repetition_time(folder / BOLD, name)
    quiet_motion(tree, name)
    tree.session(name)


def read_name(folder: Path) -> None:
    """A name of a file, from each line of a file."""
    for line in (folder / "names.txt").read_text(errors="replace").splitlines():
        parse(line)


def write_nsd_own(folder: Path) -> None:
    """A brain in the plain layout."""
    import h5py

    mask = np.zeros((3, 2, 2), np.float32)
    mask[:2] = 1
    values = {"betas": RNG.normal(size=(4, 8)).astype(np.float32), "mask": mask, "roi_V1": mask, "mm": np.float32(1.8),
              "image": np.array(["a", "b", "a", "b"], "S1")}  # fmt: skip
    np.savez(folder / "subj01.npz", **values)
    with h5py.File(folder / "subj02.hdf5", "w") as file:
        for name, value in values.items():
            file[name] = value
    pixels = RNG.integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    np.savez(folder / "images.npz", ids=np.array(["a", "b"]), pixels=pixels)
    told = {"set": "train", "captions": ["a cat"], "boxes": {"cat": [[0, 0, 1, 1]]}, "dialogue": [["what?", "a cat"]]}
    (folder / "images.json").write_text(json.dumps({"a": told, "b": {"set": "test", "description": "x"}}))


def read_nsd_own(folder: Path) -> None:
    """All that an import of this layout reads."""
    found = nsd_own.find(folder)
    for brain in found.brains:
        for _ in brain.blocks():
            pass
    list(found.pixels(found.pictures))


def read_nsd_texts(folder: Path) -> None:
    """Texts about images."""
    for name, told in nsd_texts.read_texts(folder / "images.json").items():
        nsd_texts.add_texts(Picture("train"), told, name)


def write_nsd_tree(folder: Path) -> None:
    """The order of trials, and the table of pictures."""
    (folder / nsd_tree.DESIGN).parent.mkdir(parents=True, exist_ok=True)
    order, images = np.arange(1, 21)[None], np.arange(1, 161).reshape(8, 20)
    savemat(folder / nsd_tree.DESIGN, {"masterordering": order, "subjectim": images}, do_compression=True)
    (folder / nsd_tree.STIMULI).write_text('nsdId,cocoId,cocoSplit,cropBox\n1,5,train2017,"(0, 0, 0.2, 0)"\n')


def read_nsd_pictures(folder: Path) -> None:
    """Which part of each picture was shown."""
    table = nsd_tree._stimuli(folder / nsd_tree.STIMULI)
    for name, crop in table["cropBox"].items():
        nsd_tree._crop(crop, str(name))


def write_coco(folder: Path) -> None:
    """Captions and boxes of two pictures."""
    from PIL import Image

    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "val2017").mkdir(exist_ok=True)
    images = [{"id": k, "width": 40, "height": 30, "file_name": f"{k}.png", "path": f"val2017/{k}.png"} for k in (1, 2)]
    for k in (1, 2):
        Image.new("RGB", (40, 30)).save(folder / f"val2017/{k}.png")
    common = {"iscrowd": 0, "segmentation": [[1, 2, 3]], "bbox": [1, 2, 20, 20], "category_id": 7}
    captions = [{"id": k, "image_id": k, "caption": "a  cat"} for k in (1, 2)]
    boxes = [{"id": k, "image_id": k, **common} for k in (1, 2)]
    kinds = [{"id": 7, "name": "cat", "supercategory": "animal"}]
    places = folder / "annotations"
    (places / "captions_val2017.json").write_text(json.dumps({"images": images, "annotations": captions}))
    told = {"images": images, "annotations": boxes, "categories": kinds}
    (places / "instances_val2017.json").write_text(json.dumps(told))


def read_coco(folder: Path) -> None:
    """Annotations of two pictures, and their boxes as they were shown."""
    found, _ = coco.read_annotations(folder / "annotations", ["val2017"], [1, 2])
    for image, boxes in found.boxes.items():
        if image in found.sizes:
            coco.cropped(boxes, found.sizes[image], (0, 0, 0.2, 0))


def write_archive(folder: Path) -> None:
    """Recordings in a tar."""
    import tarfile

    (folder / "in").mkdir(exist_ok=True)
    np.save(folder / "in" / "x.npy", SERIES)
    (folder / "in" / "x.csv").write_text("a,b,c\n" + lines_of(SERIES, ","))
    with tarfile.open(folder / "data.tar.gz", "w:gz") as archive:
        archive.add(folder / "in", "in")


def read_archive(folder: Path) -> None:
    """Every file of the archive."""
    with Files(folder / "data.tar.gz") as files:
        for name in files.names:
            raw = files.read(name)
            if name.endswith(".npy"):
                read_npy(raw, name)


def read_h5(path: Path) -> None:
    """All arrays of a file of features or responses, to their last value."""
    with open_hdf5(path) as file:
        for value in arrays(file, path).values():
            np.asarray(value[: min(len(value), 4)])


def write_features_of(folder: Path) -> None:
    """Features in MedARC's layout, and responses in the challenge's."""
    write_features(folder, "m", {"friends/s1/s01e01a": 6})
    write_bold(bold(folder, "sub-01", "friends"), "sub-01", {"s01e01a": 5})


FEATURE = "m/friends/s1/s01e01a.h5"
HUB = {str(number): "a cat" for number in range(3)}
HUB_BOXES = {"0": {"cat": [[0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]], "dog": []}, "1": {}, "2": {"cat": [[[0, 0, 1, 1]]]}}
SALIENCE = {"coco_cats": ["cat", "dog"], **{key: ["cat"] for key in brainhub_files.GROUPS}}
TRANSCRIPT = (
    "text_per_tr\twords_per_tr\tonsets_per_tr\tdurations_per_tr\n"
    "Hi there.\t['Hi', 'there.']\t[0.1, 0.5]\t[0.2, 0.2]\n\t[]\t[]\t[]\nyes\t[\"yes\"]\t[3.1]\t[0.1]\n"
)
ORDER = "1\t7Networks_LH_Vis_1\t1\t2\t3\t0\n2\t7Networks_RH_Default_1\t1\t2\t3\t0\n3\tHIP-rh\t1\t2\t3\t0\n"
ATLAS = table("index label network", "1 r1 Vis", "2 r2 Default", "3 r3 n/a")


def raw(read: Callable[[bytes], object], name: str) -> Callable[[Path], object]:
    """A reading of a file's bytes, which must not be empty: `Files` refuses such."""
    return lambda folder: read((folder / name).read_bytes() or b" ")


def readers() -> list[Reader]:
    """Every reader of labs' files."""
    abide, nda = joined(ABIDE, "abide1", "Pitt_1", "Pitt_2"), joined(NDA, "abcd", "a", "b")
    numbers = lines_of(SERIES, "\t")
    return [
        Reader("participants.tsv of a lab", "participants.tsv", write_scans, join_scans),
        Reader("ABIDE's phenotypes", "people.csv", *abide),
        Reader("table of the NIMH Data Archive", "people.csv", *nda),
        Reader("series .npy", "a.npy", write_scans, join_scans),
        Reader("series .npz, one a scan", "site.npz", write_npz, read_npz),
        Reader("series .npz, one file", "x.npz", lambda f: np.savez_compressed(f / "x.npz", data=SERIES),
               lambda f: read_series(f / "x.npz")),
        Reader("series .tsv", "x.tsv", write_text("x.tsv", "r1\tr2\tr3\n" + numbers),
               lambda f: read_series(f / "x.tsv")),
        Reader("series .csv", "x.csv", write_text("x.csv", "time,r1,r2\n" + lines_of(SERIES, ",")),
               lambda f: read_series(f / "x.csv")),
        Reader("series .1D", "x.1D", write_text("x.1D", "# 1\t2\t3\n" + numbers), lambda f: read_series(f / "x.1D")),
        Reader("series .txt", "x.txt", write_text("x.txt", lines_of(SERIES, " ")), lambda f: read_series(f / "x.txt")),
        Reader("labels of columns", "roi_ids.txt", write_npz, read_npz),
        Reader("image .nii.gz", "bold.nii.gz", write_image, partial(read_image, name="bold.nii.gz")),
        Reader("image .nii", "bold.nii", write_image, partial(read_image, name="bold.nii")),
        *readers_of("image by atlas", write_image, ("atlas.nii.gz", "bold.nii.gz"), read_means),
        Reader("names of BIDS", "names.txt", write_text("names.txt", f"{BOLD}\nsub-1_x.tsv\n__-_.\n"), read_name),
        *readers_of("BIDS", write_bids, ("task-rest_bold.json", "sub-01/sub-01_sessions.tsv",
                    "sub-01_ses-1_task-rest_desc-confounds_timeseries.tsv"), read_bids),
        Reader("table of an atlas", "atlas.tsv", write_text("atlas.tsv", ATLAS),
               lambda f: describe("x", LABELS, f / "atlas.tsv", True)),
        Reader("order of parcels", "order.txt", write_text("order.txt", ORDER),
               lambda f: movie_atlas.name_parcels(3, f / "order.txt")),
        Reader("gradients", "g.csv", write_text("g.csv", lines_of(SERIES[:5], ",")),
               lambda f: read_gradients(f / "g.csv", 5)),
        Reader("coordinates", "xyz.txt", write_text("xyz.txt", "roi x y z\n1 2 3 4\n2 3 4 5\n"),
               lambda f: read_places(str(f / "xyz.txt"), 2)),
        Reader("recordings .npy", "x.npy", lambda f: np.save(f / "x.npy", SERIES),
               raw(lambda b: read_npy(b, "x.npy"), "x.npy")),
        Reader("recordings .mat", "x.mat", lambda f: savemat(f / "x.mat", {"ts": SERIES, "net": np.eye(3)}),
               raw(lambda b: read_mat(b, "x.mat", ("ts", "net")), "x.mat")),
        Reader("recordings .mat, packed", "x.mat",
               lambda f: savemat(f / "x.mat", {"ts": SERIES, "net": np.eye(3)}, do_compression=True),
               raw(lambda b: read_mat(b, "x.mat", ("ts", "net")), "x.mat")),
        Reader("recordings .csv", "x.csv", write_text("x.csv", "a,b,c\n" + lines_of(SERIES[:9], ",")),
               raw(lambda b: read_table(b, "x.csv"), "x.csv")),
        Reader("recordings .tar.gz", "data.tar.gz", write_archive, read_archive),
        Reader("features .h5", FEATURE, write_features_of, lambda f: read_h5(f / FEATURE)),
        *readers_of("NSD, plain layout", write_nsd_own, ("subj01.npz", "subj02.hdf5", "images.npz", "images.json"),
                    read_nsd_own),
        Reader("NSD, texts", "images.json", write_nsd_own, read_nsd_texts),
        Reader("NSD, design", nsd_tree.DESIGN, write_nsd_tree, nsd_tree._design),
        Reader("NSD, pictures", nsd_tree.STIMULI, write_nsd_tree, read_nsd_pictures),
        *readers_of("COCO", write_coco, ("annotations/captions_val2017.json", "annotations/instances_val2017.json"),
                    read_coco),
        *readers_of("photographs", write_coco, ("annotations/captions_val2017.json", "val2017/1.png",
                    "annotations/instances_val2017.json"), lambda f: read_photos(f, 16)),
        Reader("BrainHub, captions", "x.json", write_text("x.json", json.dumps(HUB)),
               lambda f: brainhub_files.read_captions(f / "x.json", tuple(HUB))),
        Reader("BrainHub, references", "x.json", write_text("x.json", json.dumps({k: [v] for k, v in HUB.items()})),
               lambda f: brainhub_files.read_references(f / "x.json", tuple(HUB))),
        Reader("BrainHub, boxes", "x.json", write_text("x.json", json.dumps(HUB_BOXES)),
               lambda f: brainhub_files.read_boxes(f / "x.json", tuple(HUB))),
        Reader("BrainHub, salience", "x.json", write_text("x.json", json.dumps(SALIENCE)),
               lambda f: brainhub_files.read_salience(f / "x.json")),
        Reader("transcript", "x.tsv", write_text("x.tsv", TRANSCRIPT), lambda f: transcripts.read(f / "x.tsv")),
    ]  # fmt: skip
