"""4-D images and a label atlas, through nilearn's NiftiLabelsMasker; one image in memory at a time."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, BadOption, need
from .bids_names import Name, Tree, one_each, parse, quiet_motion, scan_of, selected
from .from_bids import scan_id
from .from_table import listed_files
from .layout import Layout, Options, Source
from .participants import ScanId, find_participants
from .rules import LeftOut
from .scheme import OWN
from .tables import is_missing, read_table

ENDINGS = (".nii", ".nii.gz")
MAX_IMAGE_BYTES = 1 << 34
MAX_RATIO = 300
"""An image that unpacks to more than this times its size is no recording."""

SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
MAX_TR = 20.0


def recognise(folder: Path, _options: Options) -> str | None:
    """Why a folder is of this format; None where it is not."""
    for pattern in ("*_bold.nii*", "*.nii", "*.nii.gz"):
        if found := next(folder.rglob(pattern), None):
            return f"images such as {found.name}"
    return None


def find(folder: Path, options: Options) -> Layout:
    """All ``*_bold`` images below a folder, or those that the participants table lists."""
    nibabel = import_nibabel()
    image, labels = read_atlas(nibabel, options.atlas)
    folder = folder.resolve()
    tree = Tree.walk(folder)
    table = options.participants or find_participants(folder, OWN)
    layout = Layout([], atlas=Path(str(options.atlas)).name.partition(".")[0], participants=table)
    for scan, path, name in find_images(tree, table, options):
        confounds = tree.confounds(name) if options.confounds else None
        file = str(path.relative_to(folder))
        if options.confounds and confounds is None:
            layout.left_out[file] = "no confounds table beside it"
            continue
        try:
            tr = look(nibabel, path)
        except LeftOut as reason:
            layout.left_out[file] = str(reason)
            continue
        side_car = tree.repetition_time(path, name)
        read = partial(extract, path, image, labels, confounds, options.confounds)
        layout.sources.append(
            Source(
                scan,
                file,
                labels,
                "float32",
                read,
                tr=tr if np.isnan(side_car) else side_car,
                motion=quiet_motion(tree, name),
            )
        )
    regressed = f"after regression on {', '.join(options.confounds)}" if options.confounds else "without confounds"
    layout.notes.append(f"means over the labels of {options.atlas}, {regressed}; no filter, no scaling")
    return layout


def find_images(tree: Tree, table: Path | None, options: Options) -> list[tuple[ScanId, Path, Name]]:
    """The images to read, each with its scan's id."""
    listed = listed_files(tree.root, table, options) if table else []
    if listed:
        images = [(scan, path) for scan, path in listed if path.name.endswith(ENDINGS)]
        return [(scan_of(scan.scan, path.name, scan.subject), path, parse(path.name)) for scan, path in images]
    files = [(path, name) for path, name in tree.files if name.extension in ENDINGS and name.suffix == "bold"]
    files = selected(files, options.select)
    one_each(files)
    return [(scan_id(tree, name), path, name) for path, name in files]


def import_nibabel() -> Any:
    """nibabel, when nilearn is there as well. Raises `ExtraMissing`."""
    try:
        import nibabel
        import nilearn  # noqa: F401
    except ImportError:
        raise need("neuro", "nilearn") from None
    return nibabel


def read_atlas(nibabel: Any, file: str | None) -> tuple[Any, tuple[str, ...]]:
    """The label image and its labels, numbers as text. Raises `BadOption` or `BadData`."""
    if not file or not file.endswith(ENDINGS):
        raise BadOption("images need a label image", "name it with  --atlas atlas.nii.gz")
    try:
        image = nibabel.load(file)
        values = np.unique(np.asanyarray(image.dataobj))
    except Exception as error:  # nibabel and zlib raise errors of many kinds on a damaged file
        raise BadData(f"{file}: cannot be read as a label image: {told(error)}") from None
    if image.ndim != 3 or not np.allclose(values, np.round(values)):
        raise BadData(f"{file}: not a 3-D image of whole numbers, one an ROI")
    if values.min() < 0:
        raise BadData(f"{file}: holds labels below 0", "number the ROIs from 1; 0 is the background")
    labels = tuple(str(int(value)) for value in values if value > 0)
    if not labels:
        raise BadData(f"{file}: holds no label above 0")
    return image, labels


def told(error: Exception) -> str:
    """The first line of an error, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def look(nibabel: Any, path: Path) -> float:
    """TR of an image from its header, NaN where it says none. Raises `LeftOut`."""
    if not path.is_file():
        raise LeftOut("no such file")
    try:
        image = nibabel.load(path)
        tr = float(image.header.get_zooms()[3]) if image.ndim == 4 else np.nan
        tr *= SECONDS.get(image.header.get_xyzt_units()[1], np.nan)
    except Exception as error:  # errors of many kinds, on the header alone
        raise LeftOut(f"cannot be read: {told(error)}") from None
    if image.ndim != 4:
        raise LeftOut(f"an image of {image.ndim} dimensions; expected 4")
    size = math.prod(image.shape) * 4
    if size > MAX_IMAGE_BYTES or size > MAX_RATIO * path.stat().st_size:
        raise LeftOut(f"claims the shape {image.shape}: too much for one image")
    return tr if 0 < tr <= MAX_TR else float("nan")


def extract(
    path: Path, atlas: Any, labels: Sequence[str], confounds: Path | None, columns: Sequence[str]
) -> np.ndarray:
    """Mean series (time, roi) of an image within each label; NaN for labels that it does not cover.

    Raises `LeftOut` when the image or its confounds cannot be read.
    """
    from nilearn.maskers import NiftiLabelsMasker

    regressors = _confounds(confounds, columns) if confounds else None
    masker = NiftiLabelsMasker(labels_img=atlas, standardize=None, strategy="mean", reports=False, verbose=0)
    try:
        values = masker.fit_transform(str(path), confounds=regressors)
    except Exception as error:  # of nibabel, nilearn and zlib, on a damaged file or an impossible affine
        raise LeftOut(f"cannot be read: {told(error)}") from None
    covered = [str(int(value)) for key, value in masker.region_ids_.items() if key != "background"]
    full = np.full((len(values), len(labels)), np.nan, np.float32)
    where = {label: column for column, label in enumerate(labels)}
    full[:, [where[label] for label in covered]] = values
    return full


def _confounds(path: Path, wanted: Sequence[str]) -> np.ndarray:
    """(time, confound) values of some columns; a missing cell (the first frame of a difference) becomes 0."""
    table = read_table(path)
    names = [name for name in table.columns if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)]
    if not names:
        raise LeftOut(f"{path.name} has no column {', '.join(wanted)}")
    try:
        return np.array([[0.0 if is_missing(cell) else float(cell) for cell in row] for row in table[names].to_numpy()])
    except ValueError as error:
        raise LeftOut(f"{path.name}: {error}") from None
