"""A cohort on disk: participants, ROI series of varying length, atlas labels, and a manifest.

Layout of a cohort folder::

    cohort.json        manifest: name, data set, origin, atlas, counts, content fingerprint
    scans.parquet      one row a scan: see `COLUMNS`; further columns hold labels
    series.npy         all scans below each other, (total time, roi), in the precision of the source
    cohort.sha256      what `sha256sum` says of the first two; the digest of each scan stands in the table

Scan ``k`` is rows ``start`` to ``start + frames`` of ``series.npy``; readers seek there, so memory
does not grow with the cohort. A *volume cohort* holds 4-D images: its manifest has a ``grid`` (x, y, z), and a
row of ``series.npy`` is one frame's voxels in C order.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Leaves
from ..errors import BadData, DataMissing
from ..files import digest_file, seal, whole_folder
from ..items import ArrayRef, Items
from ..parquet import read_parquet, refuse_types

if TYPE_CHECKING:
    import pandas as pd

AGAIN = "import the cohort again"

COLUMNS = {
    "scan": "unique id of the scan (index)",
    "subject": "id of the person; all scans of a person share it",
    "session": "session label, or empty",
    "family": "id of the family; the subject's own id where none is known",
    "site": "acquisition site",
    "age": "years at the scan",
    "sex": "female or male",
    "motion": "mean framewise displacement, mm",
    "tr": "seconds a frame",
    "frames": "number of time points",
    "start": "first row of the scan in series.npy",
    "flags": "comma-separated findings of the importer, such as zero-variance-rois:12",
    "digest": "SHA-256 of the series, to find duplicates",
}
"""Columns of scans.parquet and what they mean. Unknown values are empty."""

SPAN = ("start", "frames", "digest")
"""Those that say where a scan lies, and what it must be."""

SEAL = "cohort.sha256"
SEALED = ("cohort.json", "scans.parquet")


class Manifest(BaseModel):
    """The content of cohort.json."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    name: str
    dataset: str
    origin: str
    atlas: dict[str, Any]
    dtype: str = Field(pattern=r"^<f[24]$")
    data_offset: int = Field(ge=0)
    total_frames: int = Field(ge=0)
    rois: int = Field(ge=1)
    scans: int
    subjects: int
    fingerprint: str
    source: str
    importer: dict[str, Any]
    left_out: dict[str, str]
    twin: dict[str, Any] | None = None
    grid: tuple[int, int, int] | None = None
    leaves: Leaves | None = None


@dataclass(frozen=True)
class Cohort:
    """An imported cohort or a simulated twin.

    Attributes
    ----------
    path
        Its folder.
    manifest
        See `Manifest`.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Cohort:
        """Open a cohort folder; sizes are checked against the manifest."""
        file = path / "cohort.json"
        if not file.exists():
            raise DataMissing(f"no cohort at {path}", "see `brainbench data list`")
        try:
            manifest = Manifest.model_validate_json(file.read_text())
        except (OSError, ValueError) as error:  # ValidationError and text that is no UTF-8 are ValueErrors
            raise BadData(f"{file}: not a cohort manifest ({type(error).__name__})", "import it again") from None
        expected = manifest.data_offset + manifest.total_frames * manifest.rois * np.dtype(manifest.dtype).itemsize
        series = path / "series.npy"
        size = series.stat().st_size if series.exists() else 0
        if size != expected:
            raise BadData(f"{series}: {size} bytes, the manifest says {expected}: truncated or replaced", AGAIN)
        if manifest.grid and (min(manifest.grid) < 1 or math.prod(manifest.grid) != manifest.rois):
            raise BadData(f"{file}: a grid of {manifest.grid} for {manifest.rois} voxels", AGAIN)
        return cls(path, manifest)

    def scans(self) -> pd.DataFrame:
        """The scan table, indexed by scan id."""
        file = self.path / "scans.parquet"
        table = read_parquet(file, AGAIN)
        refuse_types(table, file, AGAIN, whole=("start", "frames"), texts=("subject", "family", "digest"))
        ends = table["start"].astype(float) + table["frames"]
        outside = (table["start"] < 0).any() or (table["frames"] < 1).any() or (ends > self.manifest.total_frames).any()
        if len(table) != self.manifest.scans or not table.index.is_unique or outside:
            raise BadData(f"{file}: does not fit the manifest", AGAIN)
        return table

    def check_seal(self) -> None:
        """Raises `BadData` for a manifest or a table that is not what was written; older cohorts have no seal."""
        try:
            told = (self.path / SEAL).read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise BadData(f"{self.path / SEAL}: cannot be read ({type(error).__name__})", "import it again") from None
        for name in SEALED:
            if seal(self.path, [name]) not in told:
                raise BadData(
                    f"{self.path / name}: damaged or edited after it was written",
                    "import it again, or remove the folder of a twin: it is made anew",
                )

    @property
    def holds(self) -> str:
        """Name of the items' array: "volume" (frames, x, y, z) or "series" (frames, roi)."""
        return "volume" if self.manifest.grid else "series"

    def items(self) -> Items:
        """All scans as items; the series stay on disk."""
        table = self.scans()
        path = str((self.path / "series.npy").resolve())
        dtype = np.dtype(self.manifest.dtype)
        row_bytes = self.manifest.rois * dtype.itemsize
        width = self.manifest.grid or (self.manifest.rois,)
        refs = [
            ArrayRef(path, self.manifest.data_offset + int(start) * row_bytes, (int(frames), *width), dtype.str, digest)
            for start, frames, digest in zip(*(table[name].tolist() for name in SPAN), strict=True)
        ]
        group = table["family"].where(table["family"].astype(bool), table["subject"])
        return Items(table.assign(group=group), {self.holds: refs}, {"atlas": self.manifest.atlas})


class CohortWriter:
    """Appends scans to a cohort that is being written. Use through `write_cohort`."""

    def __init__(self, folder: Path, rois: int, dtype: np.dtype, grid: tuple[int, int, int] | None = None) -> None:
        self._folder = folder
        self._rois = rois
        self._grid = grid
        self._dtype = dtype
        self._rows: list[dict[str, Any]] = []
        self._frames = 0
        self._file = open(folder / "series.npy", "wb")  # noqa: SIM115 - `close` closes it
        self._offset = self._header(0)

    def _header(self, frames: int) -> int:
        """Write the .npy header; it is padded, so that the final one has the same length."""
        self._file.seek(0)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (frames, self._rois)}
        text = repr(header).ljust(117) + "\n"
        self._file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin1"))
        return self._file.tell()

    def add(self, scan: str, series: np.ndarray, row: Mapping[str, Any]) -> str:
        """Append one scan: (time, roi) series and its row (columns of `COLUMNS` and labels).

        Returns the digest of the series as stored.
        """
        values = np.ascontiguousarray(series, dtype=self._dtype)
        if values.ndim != 2 or values.shape[1] != self._rois:
            raise BadData(f"scan {scan}: series of shape {values.shape}; expected (time, {self._rois})")
        digest = hashlib.sha256(values.data).hexdigest()
        self._file.write(values.data)
        self._rows.append(
            {
                "session": "",
                "family": "",
                "site": "",
                "age": np.nan,
                "sex": "",
                "motion": np.nan,
                "tr": np.nan,
                "flags": "",
                **row,
                "scan": scan,
                "frames": len(values),
                "start": self._frames,
                "digest": digest,
            }
        )
        self._frames += len(values)
        return digest

    def flag(self, scan: str, finding: str) -> None:
        """Add a finding to a scan that was appended before."""
        row = next(row for row in reversed(self._rows) if row["scan"] == scan)
        row["flags"] = ",".join(part for part in (row["flags"], finding) if part)

    def flags(self) -> dict[str, str]:
        """Scan -> its findings, comma-separated."""
        return {row["scan"]: row["flags"] for row in self._rows}

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the table and the manifest."""
        import pandas as pd

        if not self._rows:
            raise BadData("no scan could be imported", "see the reasons above")
        self._header(self._frames)
        self._file.close()
        table = pd.DataFrame(self._rows).set_index("scan")
        if not table.index.is_unique:
            twice = table.index[table.index.duplicated()][0]
            raise BadData(f"scan id {twice!r} occurs twice", "rename one of them")
        table.to_parquet(self._folder / "scans.parquet")
        digest = digest_file(self._folder / "series.npy")
        full = Manifest(
            **manifest,
            grid=self._grid,
            dtype=self._dtype.str,
            data_offset=self._offset,
            total_frames=self._frames,
            rois=self._rois,
            scans=len(table),
            subjects=table["subject"].nunique(),
            fingerprint=content_fingerprint(digest, table, manifest["atlas"]),
        )
        (self._folder / "cohort.json").write_text(full.model_dump_json(indent=1))
        (self._folder / SEAL).write_text(seal(self._folder, SEALED))

    def close(self) -> None:
        """Close the series file."""
        self._file.close()


def content_fingerprint(series_digest: str, table: pd.DataFrame, atlas: Mapping[str, Any]) -> str:
    """Hash of what a result depends on: series, scan table and atlas, not the file formats' details."""
    digest = hashlib.sha256(series_digest.encode())
    digest.update(table.to_csv().encode())
    digest.update(json.dumps(atlas, sort_keys=True).encode())
    return digest.hexdigest()[:32]


@contextmanager
def write_cohort(
    path: Path, *, rois: int = 0, dtype: str = "float32", grid: tuple[int, int, int] | None = None
) -> Iterator[CohortWriter]:
    """Write a cohort folder whole or not at all.

    Parameters
    ----------
    path
        The cohort's folder; one that exists is replaced at the end.
    rois
        Number of columns of every series.
    dtype
        float16 or float32: keep the precision of the source; computation is in float32.
    grid
        Voxels along x, y and z of a cohort of 4-D images, whose frames are written as rows (x * y * z); it
        takes the place of ``rois``.
    """
    with whole_folder(path) as folder:
        width = math.prod(grid) if grid else rois
        writer = CohortWriter(folder, width, np.dtype(dtype).newbyteorder("<"), grid)
        try:
            yield writer
        finally:
            writer.close()


def installed(folder: Path) -> Iterable[Path]:
    """Cohort folders inside a folder, sorted by name; unfinished ones, which begin with a dot, are none."""
    return sorted(path.parent for path in folder.glob("[!.]*/cohort.json"))
