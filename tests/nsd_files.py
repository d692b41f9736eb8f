"""Small copies of NSD's files: the real layout, shapes of a few voxels, responses that say where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pandas as pd
from scipy.io import savemat

SHAPE = (5, 4, 3)
VOXEL = (4, 1, 2)
"""The voxel that responds to nothing but the trial's number."""

TRIALS = 750
IMAGES = 40
PICTURE = 12

MASK = np.zeros(SHAPE, np.float32)
MASK[VOXEL] = MASK[0, 3, 1] = MASK[2, 0, 0] = MASK[1, 2, 2] = 1
MASK[3, 3, 0] = -1
"""Asymmetric in each axis: no order of axes but the right one fits."""

ORDER = np.concatenate([np.r_[1:31, 1:31, 1001:1011], np.resize(np.arange(1001, 1011), 1428), np.r_[31:33]])
"""Of two sessions: 30 shared images twice each, 10 others often; the 31st and 32nd at the very end."""


def design() -> tuple[np.ndarray, np.ndarray]:
    """masterordering (30000,) from 1, and subjectim (8, 10000), NSD ids from 1: shared ones are 1001, 1002, ..."""
    order = np.resize(np.arange(1001, 1011), 30000)
    order[: len(ORDER)] = ORDER
    order[len(ORDER) : len(ORDER) + 968] = np.arange(33, 1001)  # shown in later sessions
    images = np.zeros((8, 10000), int)
    images[:, :1000] = 1001 + np.arange(1000)
    images[:, 1000:] = 5001 + np.arange(9000)[None] + 9000 * (np.arange(8)[:, None] % 2)
    return order, images


def response(subject: int, session: int) -> np.ndarray:
    """(x, y, z, trial) int16: noise, but at `VOXEL` the number of the trial, and at (0, 3, 1) the session."""
    rng = np.random.default_rng([subject, session])
    values = rng.integers(-3000, 3000, (*SHAPE, TRIALS)).astype(np.int16)
    values[VOXEL] = 300 * (np.arange(TRIALS) % 100)
    values[0, 3, 1] = 300 * session
    return values


def write_tree(folder: Path, subjects: tuple[int, ...] = (1, 2), nifti: tuple[int, ...] = (2,)) -> Path:
    """NSD's tree with two sessions; the sessions of ``nifti`` subjects as NIfTI."""
    order, images = design()
    about = folder / "nsddata/experiments/nsd"
    about.mkdir(parents=True)
    savemat(about / "nsd_expdesign.mat", {"masterordering": order[None], "subjectim": images})
    for subject in subjects:
        name = f"subj{subject:02d}"
        betas = folder / f"nsddata_betas/ppdata/{name}/func1pt8mm/betas_fithrf_GLMdenoise_RR"
        rois = folder / f"nsddata/ppdata/{name}/func1pt8mm/roi"
        betas.mkdir(parents=True)
        rois.mkdir(parents=True)
        affine = np.diag([-1.8, 1.8, 1.8, 1])
        streams, areas = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
        streams[VOXEL], streams[1, 2, 2], areas[VOXEL], areas[2, 0, 0] = 1, 5, 2, 7
        for stem, values in (("nsdgeneral", MASK), ("streams", streams), ("prf-visualrois", areas)):
            nibabel.save(nibabel.Nifti1Image(values, affine), rois / f"{stem}.nii.gz")
        for session in (1, 2):
            values = response(subject, session)
            if subject in nifti:
                nibabel.save(nibabel.Nifti1Image(values, affine), betas / f"betas_session{session:02d}.nii.gz")
            else:
                with h5py.File(betas / f"betas_session{session:02d}.hdf5", "w") as file:
                    file.create_dataset("betas", data=values.T, chunks=(30, 3, 4, 5))
    return folder


def picture(number: int) -> np.ndarray:
    """(h, w, 3) uint8 with the number in the first pixel, and a gradient that no turn leaves as it is."""
    rows, columns = np.mgrid[:PICTURE, :PICTURE]
    pixels = np.stack([rows * 10, columns * 5, rows + columns], -1).astype(np.uint8)
    pixels[0, 0] = number % 256, number // 256, 7
    return pixels


def write_pictures(folder: Path, count: int = 15000) -> None:
    """nsd_stimuli.hdf5, of which only the pictures that are shown are filled."""
    place = folder / "nsddata_stimuli/stimuli/nsd"
    place.mkdir(parents=True)
    with h5py.File(place / "nsd_stimuli.hdf5", "w") as file:
        brick = file.create_dataset(
            "imgBrick", (count, PICTURE, PICTURE, 3), np.uint8, chunks=(1, PICTURE, PICTURE, 3), fillvalue=9
        )
        for number in [*range(1000, 1040), *range(5000, 5010), *range(14000, 14010)]:
            brick[number] = picture(number)


def write_coco(folder: Path, tree: Path) -> None:
    """The table of pictures, and COCO's annotations: picture n is COCO's n + 100000, cut by a fifth at the left."""
    numbers = [*range(1000, 1040), *range(5000, 5010), *range(14000, 14010)]
    split = ["train2017" if number % 2 else "val2017" for number in numbers]
    pd.DataFrame(
        {
            "cocoId": [number + 100000 for number in numbers],
            "cocoSplit": split,
            "cropBox": ["(0, 0, 0.2, 0.0)"] * len(numbers),
            "loss": 0.0,
            "nsdId": numbers,
            "shared1000": [number < 2000 for number in numbers],
        }
    ).to_csv(tree / "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
    (folder / "annotations").mkdir(parents=True)
    for name in ("train2017", "val2017"):
        ids = [number + 100000 for number, where in zip(numbers, split, strict=True) if where == name]
        annotations: list[dict[str, Any]] = []
        for image in [*ids, 7]:
            common = {"image_id": image, "iscrowd": 0, "segmentation": [[1, 2, 3, 4]]}
            annotations += [
                {**common, "id": 1, "category_id": 18, "bbox": [100, 40, 200, 200]},
                {**common, "id": 2, "category_id": 18, "bbox": [20, 40, 160, 200]},
                {**common, "id": 3, "category_id": 17, "bbox": [10, 10, 50, 50]},
            ]
        images = [{"id": image, "width": 500, "height": 400, "file_name": "x.jpg"} for image in [*ids, 7]]
        categories = [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]
        told = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"annotations/instances_{name}.json").write_text(json.dumps(told))
        said = [{"image_id": image, "id": 1, "caption": f" picture  {image}\n"} for image in [*ids[1:], 7]]
        told = {"images": images, "annotations": said}
        (folder / f"annotations/captions_{name}.json").write_text(json.dumps(told))
