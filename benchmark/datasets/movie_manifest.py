"""The manifest and the tables of a folder of movie responses. See `brainbench.benchmark.datasets.movies`."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from .manifest_file import File

if TYPE_CHECKING:
    import pandas as pd

MANIFEST, RUNS, PARTS, CEILINGS = "movies.json", "runs.parquet", "parts.parquet", "ceilings.parquet"
FEATURES, RESPONSES, FRAMES = "features/", "responses/", "frames:"

RUN_COLUMNS = {
    "run": "unique id of the run (index), such as s01e01a or figures01_run-2",
    "series": "friends, movie10 or ood",
    "movie": "such as s1, bourne or chaplin",
    "stimulus": "what was shown; two showings share it",
    "showing": "which showing of the stimulus, from 1",
}
"""Columns of runs.parquet; one ``frames:SUBJECT`` for each subject (TRs to predict, 0 for none) stands beside them."""

PART_COLUMNS = {
    "run": "which run",
    "field": "features/STREAM or responses/SUBJECT",
    "start": "first row in the field's file",
    "rows": "number of rows (TRs)",
}
"""Columns of parts.parquet; a run that lacks a field has no row for it."""

CEILING_COLUMNS = {
    "subject": "whose responses",
    "movie": "which movie",
    "r": "highest expected Pearson r of each parcel, a list",
}
"""Columns of ceilings.parquet, of a twin."""

STREAM = re.compile(r"[^\s/:](?:[^\x00-\x1f:]{0,198}[^\s/:])?")
"""Names of streams: MODEL/LAYER."""

Subject = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,60}$")]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]


class Block(BaseModel):
    """The rows of one stream, or of one subject's responses, of all runs, in one file."""

    model_config = ConfigDict(extra="forbid")

    file: FileName
    shape: tuple[Size, ...]
    rows: Count = 0


class Manifest(BaseModel):
    """The content of movies.json."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    dataset: str
    origin: str
    dtype: Literal["<f2", "<f4"]
    tr: Annotated[float, Field(gt=0)]
    subjects: list[Subject]
    parcels: list[str]
    networks: list[str]
    blocks: dict[str, Block]
    runs: Size
    files: dict[FileName, File]
    source: str
    left_out: dict[str, str]
    notes: list[str]
    twin: dict[str, Any] | None
    fingerprint: str

    @property
    def streams(self) -> dict[str, tuple[int, ...]]:
        """Stream -> shape of a row, of the streams that the folder itself holds."""
        return {
            field.removeprefix(FEATURES): block.shape
            for field, block in self.blocks.items()
            if field.startswith(FEATURES)
        }

    @model_validator(mode="after")
    def _fits(self) -> Manifest:
        """Parcels, blocks and files agree with each other."""
        if not self.parcels or len(self.networks) != len(self.parcels):
            raise ValueError(f"{len(self.networks)} networks of {len(self.parcels)} parcels")
        wanted = {f"{RESPONSES}{subject}" for subject in self.subjects}
        if wanted != {field for field in self.blocks if not field.startswith(FEATURES)}:
            raise ValueError("the blocks of responses are not those of the subjects")
        if any(self.blocks[field].shape != (len(self.parcels),) for field in wanted):
            raise ValueError("responses of another number of parcels")
        for block in self.blocks.values():
            size = block.rows * math.prod(block.shape) * np.dtype(self.dtype).itemsize
            if block.file not in self.files or self.files[block.file].bytes != size:
                raise ValueError(f"{block.file} does not fit its block")
        return self


def fingerprint(manifest: Manifest, runs: pd.DataFrame, parts: pd.DataFrame) -> str:
    """Hash of what a result depends on: tables, parcels and the bytes of the arrays."""
    facts = {
        "blocks": {
            field: (block.shape, block.rows, manifest.files[block.file].digest)
            for field, block in sorted(manifest.blocks.items())
        },
        "dtype": manifest.dtype,
        "origin": manifest.origin,
        "tr": manifest.tr,
        "subjects": manifest.subjects,
        "parcels": manifest.parcels,
        "networks": manifest.networks,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for table in (runs, parts):
        digest.update(table.to_json(orient="split", double_precision=15).encode())
    return digest.hexdigest()[:32]
