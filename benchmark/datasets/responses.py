"""Responses to images on disk: pictures, what is said of them, and several brains' voxels, read lazily.

Layout of a folder::

    responses.json           manifest: name, origin, spaces of the brains, sizes and digests of the files, fingerprint
    images.parquet           one row an image: see `response_manifest.IMAGE_COLUMNS`
    rows.parquet             one row a (brain, image): see `response_manifest.ROW_COLUMNS`
    images.bin               pictures (height, width, 3) uint8, one after the other
    BRAIN.space.bin          flat C-order voxel positions (int64), then one byte a voxel for each ROI
    BRAIN.responses.bin      trials (trial, voxels); the repeats of an image stand together
    BRAIN.relevance.bin      maps (concept of an image, voxels) float32; twins only

Memory does not grow with the arrays: they are written as they come, and read one by one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadData
from ..files import digest_file
from ..items import ArrayRef, Items
from ..parquet import read_parquet, refuse_types
from .manifest_file import AGAIN, read_manifest, refuse_sizes
from .response_manifest import (
    IMAGE_COLUMNS,
    IMAGES,
    INDEX_TYPE,
    LISTS,
    MANIFEST,
    MAP_TYPE,
    PIXELS,
    ROW_COLUMNS,
    ROWS,
    WHOLE,
    Manifest,
    fingerprint,
)
from .response_rows import parsed
from .response_writer import ResponseWriter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ResponseCohort", "ResponseWriter", "installed"]


@dataclass(frozen=True)
class ResponseCohort:
    """An imported or simulated folder of responses. `open` trusts sizes only; `changed` compares every byte."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> ResponseCohort:
        """Open a folder. Raises `DataMissing`, or `BadData` when its files do not fit the manifest."""
        manifest = read_manifest(path / MANIFEST, Manifest, "responses")
        refuse_sizes(path, {name: told.bytes for name, told in manifest.files.items()})
        return cls(path, manifest)

    def images(self) -> pd.DataFrame:
        """The table of images, indexed by image id. Raises `BadData`."""
        table = self._table(IMAGES, IMAGE_COLUMNS, self.manifest.images).set_index("image")
        if not table.index.is_unique:
            raise BadData(f"{self.path / IMAGES}: an image occurs twice", AGAIN)
        size = self.manifest.files[PIXELS].bytes if PIXELS in self.manifest.files else 0
        height, width = table["height"].astype(float), table["width"].astype(float)
        area = height.clip(lower=0) * width * 3
        if ((table["offset"] >= 0) & ((area <= 0) | (table["offset"] + area > size))).any():
            raise BadData(f"{self.path / IMAGES}: a picture lies outside of {PIXELS}", AGAIN)
        return table

    def rows(self) -> pd.DataFrame:
        """The table of (brain, image) rows. Raises `BadData` for one that points outside of its file."""
        table = self._table(ROWS, ROW_COLUMNS, self.manifest.rows)
        if table.duplicated(["brain", "image"]).any():
            raise BadData(f"{self.path / ROWS}: an image of a brain occurs twice", AGAIN)
        trials = table["brain"].map({brain: space.trials for brain, space in self.manifest.spaces.items()}).fillna(0)
        held = table["start"] >= 0
        ends = table["start"].astype(float) + table["repeats"]
        if (held & ((table["repeats"] < 1) | (ends > trials))).any():
            raise BadData(f"{self.path / ROWS}: a row lies outside of its responses", AGAIN)
        return table

    def _table(self, name: str, columns: Mapping[str, str], rows: int) -> pd.DataFrame:
        file = self.path / name
        table = read_parquet(file, AGAIN)
        if len(table) != rows or list(table.columns) != list(columns):
            raise BadData(f"{file}: does not fit the manifest", AGAIN)
        texts = [column for column in columns if column not in (*WHOLE, *LISTS)]
        refuse_types(table, file, AGAIN, whole=[column for column in columns if column in WHOLE], texts=texts)
        for column in set(columns).intersection(LISTS):
            if not all(isinstance(listed, np.ndarray) for listed in table[column]):
                raise BadData(f"{file}: column {column!r} does not hold lists of texts", AGAIN)
            table[column] = [[str(text) for text in listed] for listed in table[column]]
        return table

    def _ref(self, name: str, offset: int, shape: tuple[int, ...], dtype: str) -> ArrayRef:
        return ArrayRef(str((self.path / name).resolve()), offset, shape, dtype)

    def space(self, brain: str) -> dict[str, Any]:
        """Shape, mm, and where index and ROIs of a brain lie, as plain JSON. See `ResponseCohort.items`."""
        space = self.manifest.spaces[brain]
        name = f"{brain}.space.bin"
        start = space.voxels * np.dtype(INDEX_TYPE).itemsize
        rois = {
            roi: list(self._ref(name, start + k * space.voxels, (space.voxels,), "|b1"))
            for k, roi in enumerate(space.rois)
        }
        index = list(self._ref(name, 0, (space.voxels,), INDEX_TYPE))
        return {"shape": list(space.shape), "mm": space.mm, "index": index, "rois": rois}

    def index(self, brain: str) -> np.ndarray:
        """(voxels,) flat C-order positions of a brain's voxels. Raises `BadData` for one outside of the grid."""
        space = self.manifest.spaces[brain]
        index = self._ref(f"{brain}.space.bin", 0, (space.voxels,), INDEX_TYPE).read()
        if index.min() < 0 or index.max() >= np.prod(space.shape, dtype=np.int64) or (np.diff(index) <= 0).any():
            raise BadData(
                f"{self.path / f'{brain}.space.bin'}: voxels lie outside of the grid {space.shape}",
                AGAIN,
            )
        return index

    def relevance(self, brain: str, row: int) -> ArrayRef:
        """Map ``row`` of a brain, (voxels,). Raises `BadData` when there is none such."""
        space = self.manifest.spaces[brain]
        maps = self._ref(f"{brain}.relevance.bin", 0, (space.maps, space.voxels), MAP_TYPE)
        return maps.rows(row, row + 1)._replace(shape=(space.voxels,))

    def items(self) -> Items:
        """One row a (brain, image), as `brainbench.benchmark.datasets.response_rows` take them.

        Columns: those of `IMAGE_COLUMNS` that say something, ``subject`` = ``group`` = the image's id,
        ``subject_space`` = the brain, and ``maps``, JSON of concept -> reference. Arrays: ``response``
        (repeats, voxels) and ``image`` (h, w, 3), or None. Meta: ``spaces``, ``subjects`` (number of brains) and
        what the manifest's meta holds. Raises `BadData`.
        """
        import pandas as pd

        images, rows = self.images(), self.rows()
        if not rows["image"].isin(images.index).all():
            raise BadData(f"{self.path / ROWS}: names an unknown image", AGAIN)
        for brain in self.manifest.spaces:
            self.index(brain)
        said = images.loc[rows["image"], ["set", "captions", "blip2", "description", "boxes", "dialogue"]]
        table = said.set_axis(pd.Index(rows["brain"] + "/" + rows["image"], name="item"))
        ids = rows["image"].to_numpy()
        table = table.assign(subject=ids, group=ids, subject_space=rows["brain"].to_numpy(), maps=self._maps(rows))
        pictures = self.pictures(images)
        arrays = {"response": self._responses(rows), "image": [pictures[image] for image in ids]}
        spaces = {brain: self.space(brain) for brain in self.manifest.spaces}
        meta = {**self.manifest.meta, "spaces": spaces, "subjects": len(self.manifest.brains)}
        return Items(table, arrays, meta)

    def _maps(self, rows: pd.DataFrame) -> list[str]:
        found = []
        for brain, text in zip(rows["brain"], rows["relevance"], strict=True):
            told = parsed(f"{self.path / ROWS}: {brain}", text, dict)
            if not all(type(row) is int for row in told.values()):
                raise BadData(f"{self.path / ROWS}: {brain}: rows of maps that are no numbers", AGAIN)
            found.append(json.dumps({name: self.relevance(brain, row) for name, row in told.items()}) if told else "")
        return found

    def _responses(self, rows: pd.DataFrame) -> list[ArrayRef | None]:
        trials = {brain: self.trials(brain) for brain in self.manifest.spaces}
        return [
            trials[brain].rows(start, start + repeats) if start >= 0 else None
            for brain, start, repeats in zip(
                rows["brain"], rows["start"].tolist(), rows["repeats"].tolist(), strict=True
            )
        ]

    def pictures(self, images: pd.DataFrame) -> dict[str, ArrayRef | None]:
        """Image -> where its picture (height, width, 3) lies, None where there is none; ``images`` is `images`."""
        return {
            str(image): self._ref(PIXELS, int(offset), (int(height), int(width), 3), "|u1") if offset >= 0 else None
            for image, offset, height, width in zip(
                images.index, images["offset"], images["height"], images["width"], strict=True
            )
        }

    def trials(self, brain: str) -> ArrayRef:
        """All trials (trial, voxels) of a brain."""
        space = self.manifest.spaces[brain]
        return self._ref(f"{brain}.responses.bin", 0, (space.trials, space.voxels), self.manifest.dtype)

    def changed(self) -> list[str]:
        """Files, or "tables", that are not what was written."""
        found = [name for name, told in self.manifest.files.items() if digest_file(self.path / name) != told.digest]
        images = self._table(IMAGES, IMAGE_COLUMNS, self.manifest.images)
        rows = self._table(ROWS, ROW_COLUMNS, self.manifest.rows)
        same = fingerprint(self.manifest, images, rows) == self.manifest.fingerprint
        return found if same else [*found, "tables"]


def installed(folder: Path) -> list[Path]:
    """Folders of responses inside a folder, sorted by name; unfinished ones begin with a dot."""
    return sorted(path.parent for path in folder.glob(f"[!.]*/{MANIFEST}"))
