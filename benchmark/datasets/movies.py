"""Responses to movies on disk: feature streams and several subjects' parcels, run by run, read lazily.

Layout of a folder::

    movies.json              manifest: name, origin, TR, subjects, parcels, sizes and digests of the files, fingerprint
    runs.parquet             one row a run: see `movie_manifest.RUN_COLUMNS`
    parts.parquet            one row a (run, stream) and a (run, subject): see `movie_manifest.PART_COLUMNS`
    stream-NNN.bin           a stream (time, dimension) or (time, part, dimension), run after run
    SUBJECT.bin              a subject's responses (time, parcel), run after run
    ceilings.parquet         what can be attained by subject, movie and parcel; twins only
    streams.parquet          streams that were added later and mostly lie elsewhere: see `movie_streams`

Memory does not grow with the arrays: they are written as they come, and read run by run or in crops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadData
from ..files import digest_file
from ..items import ArrayRef, Items
from ..parquet import read_parquet, refuse_types
from .manifest_file import AGAIN, read_manifest, refuse_sizes
from .movie_index import read_index, stream_digest, stream_refs
from .movie_manifest import (
    CEILING_COLUMNS,
    CEILINGS,
    FEATURES,
    FRAMES,
    MANIFEST,
    PART_COLUMNS,
    PARTS,
    RESPONSES,
    RUN_COLUMNS,
    RUNS,
    Manifest,
    fingerprint,
)
from .movie_writer import MovieWriter

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("showing", "start", "rows")
"""Columns that hold whole numbers, beside ``frames:SUBJECT``; the others hold texts, but for the list ``r``."""

__all__ = ["MovieCohort", "MovieWriter", "installed"]


@dataclass(frozen=True)
class MovieCohort:
    """An imported or simulated folder of movie responses. `open` trusts sizes; `changed` compares every byte."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> MovieCohort:
        """Open a folder. Raises `DataMissing`, or `BadData` when its files do not fit the manifest."""
        manifest = read_manifest(path / MANIFEST, Manifest, "responses to movies")
        refuse_sizes(path, {name: told.bytes for name, told in manifest.files.items()})
        return cls(path, manifest)

    @property
    def inputs(self) -> str:
        """Hash of the streams that were added, "" without any. See `Data.inputs`."""
        return stream_digest(read_index(self.path))

    @property
    def added(self) -> int:
        """Number of streams that were added."""
        return int(read_index(self.path)["stream"].nunique())

    def attached(self, name: str) -> Path | None:
        """A file that was put beside the responses, such as ``atlas-sub-01.nii.gz``; None where there is none."""
        return self.path / name if name in self.manifest.files else None

    def runs(self) -> pd.DataFrame:
        """One row a run, indexed by its id: `RUN_COLUMNS` and ``frames:SUBJECT``. Raises `BadData`."""
        frames = [f"{FRAMES}{subject}" for subject in self.manifest.subjects]
        table = self._table(RUNS, [*RUN_COLUMNS, *frames])
        if len(table) != self.manifest.runs or not table["run"].is_unique:
            raise BadData(f"{self.path / RUNS}: {len(table)} runs, the manifest says {self.manifest.runs}", AGAIN)
        return table.set_index("run")

    def parts(self) -> pd.DataFrame:
        """One row a (run, field) that there is: `PART_COLUMNS`. Raises `BadData`."""
        table = self._table(PARTS, list(PART_COLUMNS))
        rows = {field: block.rows for field, block in self.manifest.blocks.items()}
        held = table["field"].map(rows).astype(float)
        ends = table["start"].astype(float) + table["rows"]
        if held.isna().any() or (table["start"] < 0).any() or (table["rows"] < 0).any() or (ends > held).any():
            raise BadData(f"{self.path / PARTS}: rows outside of the files", AGAIN)
        return table

    def ceilings(self) -> pd.DataFrame:
        """Columns `CEILING_COLUMNS`, one row a (subject, movie); empty where none is known."""
        import pandas as pd

        if CEILINGS not in self.manifest.files:
            return pd.DataFrame(columns=list(CEILING_COLUMNS))
        return self._table(CEILINGS, list(CEILING_COLUMNS))

    def items(self) -> Items:
        """One row a run, in the order in which they were written.

        Columns: ``subject`` = the run's id, ``group`` = ``stimulus``, ``series``, ``movie``, ``showing``,
        ``frames:SUBJECT`` and ``digest`` (of the first and last TR of each subject's response). Arrays, None where a
        run lacks one: ``features/STREAM`` and ``responses/SUBJECT``. Meta: ``tr``, ``subjects``, ``parcels``,
        ``networks``. Raises `BadData`, also where an added stream has changed.
        """
        table = self.runs().rename_axis("item")
        table.insert(0, "subject", table.index.astype(str))
        table.insert(1, "group", table["stimulus"])
        arrays = {field: self._refs(field, parts, table.index) for field, parts in self._by_field().items()}
        measured = [values for field, values in arrays.items() if field.startswith(RESPONSES)]
        table["digest"] = [_sample(str(run), refs) for run, *refs in zip(table.index, *measured, strict=True)]
        stimuli = table["stimulus"].tolist()
        arrays |= {f"{FEATURES}{name}": refs for name, refs in stream_refs(self.path, stimuli).items()}
        manifest = self.manifest
        meta = {
            "tr": manifest.tr,
            "subjects": manifest.subjects,
            "parcels": manifest.parcels,
            "networks": manifest.networks,
        }
        return Items(table, {name: arrays[name] for name in sorted(arrays)}, meta)

    def responses(self, subject: str) -> dict[str, ArrayRef]:
        """Run -> where a subject's responses (time, parcel) lie, of those that there are."""
        import pandas as pd

        parts = self._by_field()[f"{RESPONSES}{subject}"]
        refs = self._refs(f"{RESPONSES}{subject}", parts, pd.Index(parts["run"]))
        return {str(run): ref for run, ref in zip(parts["run"], refs, strict=True) if ref is not None}

    def changed(self) -> list[str]:
        """Files, or "tables", that are not what was written."""
        found = [name for name, told in self.manifest.files.items() if digest_file(self.path / name) != told.digest]
        frames = [f"{FRAMES}{subject}" for subject in self.manifest.subjects]
        runs, parts = self._table(RUNS, [*RUN_COLUMNS, *frames]), self._table(PARTS, list(PART_COLUMNS))
        same = fingerprint(self.manifest, runs, parts) == self.manifest.fingerprint
        return found if same else [*found, "tables"]

    def _by_field(self) -> dict[str, pd.DataFrame]:
        parts = self.parts()
        return {field: parts[parts["field"] == field] for field in self.manifest.blocks}

    def _refs(self, field: str, parts: pd.DataFrame, runs: pd.Index) -> Sequence[ArrayRef | None]:
        """Where a field of each run lies."""
        block = self.manifest.blocks[field]
        whole = ArrayRef(str(self.path / block.file), 0, (block.rows, *block.shape), self.manifest.dtype)
        held = {
            run: whole.rows(int(start), int(start + rows))
            for run, start, rows in zip(parts["run"], parts["start"], parts["rows"], strict=True)
        }
        return [held.get(run) for run in runs]

    def _table(self, name: str, columns: list[str]) -> pd.DataFrame:
        path = self.path / name
        table = read_parquet(path, AGAIN, columns)
        whole = [name for name in columns if name in WHOLE or name.startswith(FRAMES)]
        refuse_types(table, path, AGAIN, whole=whole, texts=[name for name in columns if name not in (*whole, "r")])
        return table


def _sample(run: str, responses: Sequence[ArrayRef | None]) -> str:
    """A hash by which copies of a run are known: of its length and its first and last TR in every subject."""
    held = [ref for ref in responses if ref is not None]
    digest = hashlib.sha256("".join(str(ref.shape[0]) for ref in held).encode() or run.encode())
    for ref in held:
        digest.update(ref.rows(0, 1).read().tobytes() + ref.rows(ref.shape[0] - 1, ref.shape[0]).read().tobytes())
    return digest.hexdigest()[:32]


def installed(folder: Path) -> list[Path]:
    """Folders of movie responses inside a folder, sorted by name; unfinished ones begin with a dot."""
    return sorted(path.parent for path in folder.glob(f"[!.]*/{MANIFEST}"))


def ceiling_of(ceilings: pd.DataFrame, movie: str) -> float:
    """The ceiling of a movie: mean over parcels, then over subjects; NaN where it is not known."""
    rows = ceilings.loc[ceilings["movie"] == movie, "r"]
    return float(np.mean([np.mean(r) for r in rows])) if len(rows) else float("nan")
