"""NSD's own tree of files: betas in HDF5 or NIfTI, masks, the order of the trials, and the pictures.

NSD writes from MATLAB: in ``betas_sessionNN.hdf5`` Python sees (trial, z, y, x), in ``.nii.gz`` (x, y, z, trial).
Here a voxel is where NIfTI has it, at (x, y, z), whichever file it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import BadData, needing
from .coco import Crop, annotation_folder, cropped, read_annotations
from .hdf5 import BROKEN, damaged
from .nsd_layout import BLOCK, Brain, Found, Options, Picture, dataset, flat_pixels, mask_index, open_hdf5
from .recordings.parse import read_mat

DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
STIMULI = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
PICTURES = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
BETAS = "nsddata_betas/ppdata/{brain}/func1pt8mm/betas_fithrf_GLMdenoise_RR"
ROIS = "nsddata/ppdata/{brain}/func1pt8mm/roi"

SUBJECTS = (1, 2, 5, 7)
"""Those who came to all sessions."""

TRIALS = 750
"""Of a session."""

SHARED = 1000
"""Images that all were shown come first in a subject's list."""

SCALE = 300
"""Integers in the files are percent signal change times this."""

STREAMS = ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal")
"""Values 1 to 7 of streams.nii.gz."""

AREAS = {"V1": (1, 2), "V2": (3, 4), "V3": (5, 6), "hV4": (7,)}
"""Values of prf-visualrois.nii.gz: ventral and dorsal halves together."""

CROP = re.compile(r"\(\s*([\d.eE+-]+)\s*,\s*([\d.eE+-]+)\s*,\s*([\d.eE+-]+)\s*,\s*([\d.eE+-]+)\s*\)")


@dataclass(frozen=True)
class Design:
    """Which image each trial showed: ``images`` (subject, trial) NSD ids from 0, ``shared`` (trial,) bool."""

    images: np.ndarray
    shared: np.ndarray


def recognises(path: Path) -> bool:
    """Whether the folder is NSD's tree."""
    return (path / "nsddata_betas").is_dir() or (path / DESIGN).is_file()


def find(path: Path, options: Options) -> Found:
    """Look through the tree; nothing but masks, the order of trials and texts is read yet. Raises `BadData`."""
    design = _design(path)
    left_out: dict[str, str] = {}
    brains = [brain for number in SUBJECTS if (brain := _brain(path, number, design, options, left_out))]
    if not brains:
        raise BadData(f"{path}: no responses of subjects 1, 2, 5, 7: {'; '.join(left_out.values())}", "see above")
    shared = set(design.images[:, design.shared].ravel().tolist())
    ids = sorted({image for brain in brains for image in brain.shown})
    pictures = {name: Picture("test" if _number(name) in shared else "train") for name in ids}
    found = Found("NSD's tree", brains, pictures, partial(_pixels, path), "float16", left_out)
    _describe(path, options, found)
    if not (path / PICTURES).is_file():
        found.left_out["pictures"] = f"no {PICTURES}"
    return found


def image_id(number: int) -> str:
    """Id of an image by its place, from 0, among NSD's 73,000."""
    return f"nsd{number:05d}"


def _number(image: str) -> int:
    return int(image.removeprefix("nsd"))


def _design(path: Path) -> Design:
    file = path / DESIGN
    if not file.is_file():
        raise BadData(f"{path}: no {DESIGN}", "give the folder that holds nsddata and nsddata_betas")
    raw = read_mat(file.read_bytes(), str(file), ("masterordering", "subjectim"))
    order, images = raw["masterordering"].ravel().astype(int), raw["subjectim"].astype(int)
    if images.ndim != 2 or len(images) != 8 or not len(order) or order.min() < 1 or order.max() > images.shape[1]:
        raise BadData(f"{file}: masterordering {order.shape}, subjectim {images.shape} do not fit", "copy it again")
    return Design(images[:, order - 1] - 1, order <= SHARED)


def _brain(path: Path, number: int, design: Design, options: Options, left_out: dict[str, str]) -> Brain | None:
    """The sessions of a subject; None, with the reason, where there is none."""
    name = f"subj{number:02d}"
    folder = path / BETAS.format(brain=name)
    files = {session: _session(folder, session) for session in range(1, options.sessions + 1)}
    there = {session: file for session, file in files.items() if file}
    general = path / ROIS.format(brain=name) / "nsdgeneral.nii.gz"
    if not there or not general.is_file():
        lacking = (
            f"no {general.name} in {general.parent}" if there else f"no betas_sessionNN.hdf5 or .nii.gz in {folder}"
        )
        left_out[name] = lacking
        return None
    if lost := [str(session) for session, file in files.items() if not file]:
        left_out[f"{name}: sessions"] = f"{', '.join(lost)} are not there"
    mask, mm = _volume(general)
    index = mask_index(mask)
    if not len(index):
        raise BadData(f"{general}: no voxel above 0", "copy it again")
    trials = np.concatenate([np.arange((session - 1) * TRIALS, session * TRIALS) for session in there])
    if trials[-1] >= len(design.shared):
        raise BadData(f"{path / DESIGN}: {len(design.shared)} trials; session {max(there)} has none of them")
    unseen = len(set(design.images[number - 1, design.shared]) - set(design.images[number - 1, trials]))
    if unseen:
        left_out[f"{name}: test images"] = f"{unseen} shared images were not shown in these sessions"
    shown = [image_id(image) for image in design.images[number - 1, trials]]
    read = partial(_blocks, there, mask.shape, index)
    return Brain(
        name, mask.shape, mm, index, _rois(name, general.parent, mask, index, left_out), shown, read, len(there)
    )


def _session(folder: Path, session: int) -> Path | None:
    names = (f"betas_session{session:02d}{ending}" for ending in (".hdf5", ".nii.gz", ".nii"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _nifti(path: Path) -> Any:
    with needing("neuro", "nibabel"):
        import nibabel
    try:
        return nibabel.load(path)
    except Exception as error:  # nibabel raises several types on a damaged file
        raise BadData(f"{path}: not a NIfTI image ({str(error)[:120]})", "copy it again") from None


def _volume(path: Path) -> tuple[np.ndarray, float]:
    """A 3-D image (x, y, z), and the side of its voxels in mm."""
    image = _nifti(path)
    try:
        values = np.asarray(image.dataobj)
    except Exception as error:  # zlib, EOF and value errors of truncated files
        raise BadData(f"{path}: cannot be read ({type(error).__name__})", "copy it again") from None
    if values.ndim != 3:
        raise BadData(f"{path}: an image of shape {values.shape}; expected three dimensions")
    return values, round(float(image.header.get_zooms()[0]), 3)


def _rois(
    brain: str, folder: Path, mask: np.ndarray, index: np.ndarray, left_out: dict[str, str]
) -> dict[str, np.ndarray]:
    """ROI -> (voxels,) bool, from streams.nii.gz and prf-visualrois.nii.gz where they are there."""
    found: dict[str, np.ndarray] = {}
    streams = {name: (value,) for value, name in enumerate(STREAMS, 1)}
    for file, values in (("streams.nii.gz", streams), ("prf-visualrois.nii.gz", AREAS)):
        if not (folder / file).is_file():
            left_out[f"{brain}: {file}"] = f"not there: no {', '.join(values)}"
            continue
        labels, _ = _volume(folder / file)
        if labels.shape != mask.shape:
            raise BadData(f"{folder / file}: shape {labels.shape}; nsdgeneral has {mask.shape}", "copy it again")
        found |= {name: np.isin(labels.ravel()[index], wanted) for name, wanted in values.items()}
    return found


def _blocks(files: dict[int, Path], shape: tuple[int, ...], index: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first trial, (trials, voxels) float32) of all sessions, one after the other."""
    for place, file in enumerate(files.values()):
        read = _from_hdf5 if file.suffix == ".hdf5" else _from_nifti
        for first, values in read(file, shape, index):
            yield place * TRIALS + first, values


def _from_hdf5(path: Path, shape: tuple[int, ...], index: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    x, y, z = np.unravel_index(index, shape)
    turned = np.ravel_multi_index((z, y, x), shape[::-1])
    with open_hdf5(path) as file:
        betas = dataset(file, "betas", path)
        if betas.shape != (TRIALS, *shape[::-1]):
            raise BadData(
                f"{path}: betas of shape {betas.shape}; the mask wants {(TRIALS, *shape[::-1])}, that is trial, z, y, x"
            )
        step = max(BLOCK, betas.chunks[0] if betas.chunks else 0)
        for first in range(0, TRIALS, step):
            try:
                raw = betas[first : first + step]
            except BROKEN as error:
                raise damaged(path, error) from None
            yield first, _percent(raw.reshape(len(raw), -1)[:, turned])


def _from_nifti(path: Path, shape: tuple[int, ...], index: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """A session is read at once: a compressed file cannot be read in parts without reading it again and again."""
    image = _nifti(path)
    if image.shape != (*shape, TRIALS):
        raise BadData(f"{path}: betas of shape {image.shape}; the mask wants {(*shape, TRIALS)}")
    try:
        raw = np.asanyarray(image.dataobj)
    except Exception as error:  # zlib, EOF and value errors of truncated files
        raise BadData(f"{path}: cannot be read ({type(error).__name__})", "copy it again") from None
    where = np.unravel_index(index, shape)
    for first in range(0, TRIALS, BLOCK):
        yield first, _percent(raw[..., first : first + BLOCK][where].T)


def _percent(raw: np.ndarray) -> np.ndarray:
    """Percent signal change, float32; numbers with a fraction are taken as they are."""
    values = raw.astype(np.float32)
    return values / SCALE if raw.dtype.kind in "iu" else values


def _pixels(path: Path, images: Iterable[str]) -> Iterator[tuple[str, np.ndarray | None]]:
    file = path / PICTURES
    if not file.is_file():
        for image in images:
            yield image, None
        return
    with open_hdf5(file) as stored:
        brick = dataset(stored, "imgBrick", file)
        for image in images:
            if _number(image) >= len(brick):
                raise BadData(f"{file}: {len(brick)} pictures; {image} is not among them", "copy it again")
            try:
                pixels = brick[_number(image)]
            except BROKEN as error:
                raise damaged(file, error) from None
            yield image, flat_pixels(pixels, str(file))


def _describe(path: Path, options: Options, found: Found) -> None:
    """Captions and boxes of COCO."""
    folder = annotation_folder(options.coco, path)
    if folder is None or not (path / STIMULI).is_file():
        reason = f"no {STIMULI}" if folder else "COCO's annotations are not there: name their folder with --coco DIR"
        found.left_out["captions and boxes"] = reason
        return
    table = _stimuli(path / STIMULI)
    numbers = [_number(image) for image in found.pictures]
    if lost := set(numbers) - set(table.index):
        raise BadData(f"{path / STIMULI}: no row of NSD id {min(lost)}", "copy it again")
    table = table.loc[numbers]
    told, lacking = read_annotations(folder, set(table["cocoSplit"]), set(table["cocoId"].tolist()))
    found.left_out |= {name: f"not in {folder}" for name in lacking}
    unseen, bare = 0, 0
    rows = zip(found.pictures.items(), table["cocoId"], table["cocoSplit"], table["cropBox"], strict=True)
    for (image, picture), number, split, crop in rows:
        picture.origin = f"coco:{split}:{number}"
        picture.captions = told.captions.get(int(number), [])
        bare += not picture.captions
        if int(number) in told.sizes and int(number) in told.boxes:
            cut = _crop(str(crop), image)
            picture.boxes, hidden = cropped(told.boxes[int(number)], told.sizes[int(number)], cut)
            unseen += hidden
    if bare:
        found.left_out["captions"] = f"{bare} of {len(numbers)} images have none in COCO's files"
    if unseen:
        found.left_out["boxes"] = f"{unseen} lie outside of the part of a picture that was shown"


def _stimuli(path: Path) -> pd.DataFrame:
    columns = ["nsdId", "cocoId", "cocoSplit", "cropBox"]
    try:
        kinds = {"nsdId": np.int64, "cocoId": np.int64, "cocoSplit": str, "cropBox": str}
        table = pd.read_csv(path, usecols=columns, dtype=kinds, keep_default_na=False).set_index("nsdId")
    except (OSError, ValueError, OverflowError) as error:
        raise BadData(f"{path}: cannot be read ({str(error)[:120]})", "copy it again") from None
    if not table.index.is_unique:
        raise BadData(f"{path}: NSD id {table.index[table.index.duplicated()][0]} occurs twice", "copy it again")
    return table


def _crop(text: str, image: str) -> Crop:
    """(top, bottom, left, right) shares that were cut away."""
    hit = CROP.fullmatch(text.strip())
    top, bottom, left, right = (float(part) for part in hit.groups()) if hit else (1.0, 1.0, 1.0, 1.0)
    if not (top + bottom < 1 and left + right < 1 and min(top, bottom, left, right) >= 0):
        raise BadData(f"{image}: cropBox {text!r} is not (top, bottom, left, right) shares", "copy the table again")
    return top, bottom, left, right
