"""The manifest and the tables of a folder of responses. See `brainbench.benchmark.datasets.responses`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from .manifest_file import File

if TYPE_CHECKING:
    import pandas as pd

MANIFEST, IMAGES, ROWS, PIXELS = "responses.json", "images.parquet", "rows.parquet", "images.bin"
INDEX_TYPE, MAP_TYPE = "<i8", "<f4"

IMAGE_COLUMNS = {
    "image": "unique id of the image (index)",
    "set": "train or test",
    "captions": "what people said of it, list of texts",
    "blip2": "machine captions of the picture as shown, list of texts",
    "description": "a longer text, or empty",
    "boxes": "JSON: concept -> [[x0, y0, x1, y1], ...] in 0..1 of the picture",
    "dialogue": "JSON: [[question, answer], ...]",
    "origin": "where the picture is from, such as coco:391895",
    "offset": "first byte in images.bin, -1 without a picture",
    "height": "rows of the picture",
    "width": "columns of the picture",
}
"""Columns of images.parquet."""

LISTS = ("captions", "blip2")
"""Columns of images.parquet that hold lists of texts."""

WHOLE = ("offset", "height", "width", "start", "repeats")
"""Columns of both tables that hold whole numbers; the others hold texts."""

ROW_COLUMNS = {
    "brain": "whose brain",
    "image": "which image",
    "start": "first row in BRAIN.responses.bin, -1 where only the texts are at hand",
    "repeats": "how often it was shown",
    "relevance": "JSON: concept -> row in BRAIN.relevance.bin",
}
"""Columns of rows.parquet."""

Brain = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
RoiName = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Count = Annotated[int, Field(ge=0)]


class Space(BaseModel):
    """Where the voxels of one brain lie."""

    model_config = ConfigDict(extra="forbid")

    shape: tuple[Count, Count, Count]
    mm: Annotated[float, Field(gt=0)]
    voxels: Annotated[int, Field(ge=1)]
    rois: list[RoiName]
    trials: Count = 0
    maps: Count = 0


class Manifest(BaseModel):
    """The content of responses.json."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    dataset: str
    origin: str
    dtype: Literal["<f2", "<f4"]
    spaces: dict[Brain, Space]
    brains: list[Brain]
    images: Count
    rows: Count
    files: dict[str, File]
    source: str
    left_out: dict[str, str]
    meta: dict[str, Any]
    twin: dict[str, Any] | None
    fingerprint: str

    @model_validator(mode="after")
    def _files_fit(self) -> Manifest:
        """The binary files are those that the spaces imply, of the sizes that they imply."""
        for name, size in self.expected().items():
            if name not in self.files or self.files[name].bytes != size:
                raise ValueError(f"{name} does not fit the spaces")
        if unknown := set(self.files) - set(self.expected()) - {PIXELS}:
            raise ValueError(f"unknown file {min(unknown)}")
        return self

    def expected(self) -> dict[str, int]:
        """Binary file of a brain -> bytes."""
        width = np.dtype(self.dtype).itemsize
        found = {}
        for brain, space in self.spaces.items():
            found[f"{brain}.space.bin"] = space.voxels * (np.dtype(INDEX_TYPE).itemsize + len(space.rois))
            found[f"{brain}.responses.bin"] = space.trials * space.voxels * width
            found[f"{brain}.relevance.bin"] = space.maps * space.voxels * np.dtype(MAP_TYPE).itemsize
        return found


def fingerprint(manifest: Manifest, images: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Hash of what a result depends on: tables, spaces and the bytes of the arrays."""
    facts = {
        "spaces": {brain: space.model_dump() for brain, space in sorted(manifest.spaces.items())},
        "files": {name: file.digest for name, file in sorted(manifest.files.items())},
        "dtype": manifest.dtype,
        "origin": manifest.origin,
        "meta": manifest.meta,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for table in (images, rows):
        digest.update(table.to_json(orient="split", double_precision=15).encode())
    return digest.hexdigest()[:32]
