"""Writing a folder of movie responses. See `brainbench.benchmark.datasets.movies` for its layout."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from ..errors import BadData
from ..files import digest_file, whole_folder
from .manifest_file import File
from .movie_manifest import (
    CEILING_COLUMNS,
    CEILINGS,
    FEATURES,
    FRAMES,
    MANIFEST,
    PART_COLUMNS,
    PARTS,
    RESPONSES,
    RUNS,
    STREAM,
    Block,
    Manifest,
    fingerprint,
)

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class MovieWriter:
    """Writes a folder of movie responses whole or not at all, run by run: memory does not grow.

    Use as a context manager, so that an error leaves what was there before::

        with MovieWriter(folder, "films", "twin", 1.49, ["sub-01"], parcels, networks, {"clip/last": (512,)}) as writer:
            writer.run("s01e01a", "friends", "s1", "s01e01a", 1, {"clip/last": features}, {"sub-01": responses})
            writer.finish()

    Parameters
    ----------
    folder
        Where it goes; what lies there is replaced by `finish`.
    name, origin, dataset
        Name of the cohort; "real", "public simulation" or "twin"; the data set it belongs to.
    tr
        Seconds a volume.
    subjects, parcels, networks
        Names of the subjects and of the parcels, and the network of each parcel ("" where unknown).
    streams
        Stream -> shape of a row, (dimension,) or (part, dimension).
    dtype
        "<f2" or "<f4": what features and responses are kept in.
    twin
        Of a twin: its generator's ``version`` and settings, as JSON.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        origin: str,
        tr: float,
        subjects: Sequence[str],
        parcels: Sequence[str],
        networks: Sequence[str],
        streams: Mapping[str, Sequence[int]],
        dtype: str = "<f2",
        twin: Mapping[str, Any] | None = None,
        *,
        dataset: str = "algonauts2025",
    ) -> None:
        for stream, shape in streams.items():
            if not STREAM.fullmatch(stream) or stream.startswith(RESPONSES) or len(shape) not in (1, 2):
                raise BadData(f"stream {stream!r} of rows {tuple(shape)}: expected MODEL/LAYER and one or two axes")
        if len(networks) != len(parcels) or not len(parcels) or not len(subjects):
            raise BadData(f"{len(subjects)} subjects, {len(parcels)} parcels, {len(networks)} networks")
        self._folder = folder
        self._dtype = np.dtype(dtype)
        self._about: dict[str, Any] = {
            "name": name,
            "origin": origin,
            "dataset": dataset,
            "dtype": self._dtype.str,
            "tr": tr,
            "subjects": list(subjects),
            "parcels": list(parcels),
            "networks": list(networks),
            "twin": dict(twin) if twin is not None else None,
        }
        self._blocks = {
            f"{FEATURES}{stream}": Block(file=f"stream-{number:03}.bin", shape=tuple(map(int, shape)))
            for number, (stream, shape) in enumerate(streams.items())
        }
        self._blocks |= {f"{RESPONSES}{one}": Block(file=f"{one}.bin", shape=(len(parcels),)) for one in subjects}
        self._runs: dict[str, dict[str, Any]] = {}
        self._parts: list[dict[str, Any]] = []
        self._ceilings: dict[tuple[str, str], np.ndarray] = {}
        self._attached: list[str] = []
        self._stack = ExitStack()
        self._new = self._stack.enter_context(whole_folder(folder))
        self._files: dict[str, IO[bytes]] = {
            field: open(self._new / block.file, "wb")  # noqa: SIM115 - `finish` and `__exit__` close it
            for field, block in self._blocks.items()
        }
        self._digests = {field: hashlib.sha256() for field in self._blocks}

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was written, unless `finish` has put it in place."""
        self._close()
        self._stack.__exit__(kind or GeneratorExit, error or GeneratorExit(), trace)

    def run(
        self,
        id: str,
        series: str,
        movie: str,
        stimulus: str,
        showing: int,
        features: Mapping[str, np.ndarray | None],
        responses: Mapping[str, np.ndarray | None],
        frames: Mapping[str, int] | None = None,
    ) -> None:
        """One stimulus that was shown once.

        Parameters
        ----------
        id
            Unique, such as ``figures01_run-2``.
        features
            Stream -> (time, ...) of the stream's shape; None or absent where the run lacks it.
        responses
            Subject -> (time, parcel); None or absent where the subject lacks the run, or its truth is withheld.
        frames
            Subject -> number of TRs to predict, for truth that is withheld; else the responses' lengths.

        Raises `BadData` for a wrong name, shape or length, and for values that are not finite as they are kept.
        """
        if not RUN_ID.fullmatch(id) or id in self._runs:
            raise BadData(f"run {id!r}: an id is letters, digits, '.', '_' and '-', once")
        if not (series and movie and stimulus) or showing < 1:
            raise BadData(f"run {id}: series {series!r}, movie {movie!r}, stimulus {stimulus!r}, showing {showing}")
        given = {f"{FEATURES}{stream}": values for stream, values in features.items()}
        given |= {f"{RESPONSES}{subject}": values for subject, values in responses.items()}
        if unknown := sorted({*given, *(f"{RESPONSES}{subject}" for subject in frames or {})} - set(self._blocks)):
            raise BadData(f"run {id}: unknown {unknown[0]}")
        kept = {field: self._kept(id, field, values) for field, values in given.items() if values is not None}
        told = self._frames(id, kept, frames or {})
        self._runs[id] = {"series": series, "movie": movie, "stimulus": stimulus, "showing": showing, **told}
        for field, values in kept.items():
            self._append(id, field, values)

    def ceiling(self, subject: str, movie: str, r: np.ndarray) -> None:
        """Of a twin: the highest expected r of each parcel, (parcels,), for a subject and a movie."""
        if subject not in self._about["subjects"] or (subject, movie) in self._ceilings:
            raise BadData(f"ceiling of {subject}, {movie}: an unknown subject, or given before")
        if np.shape(r) != (len(self._about["parcels"]),) or not (np.abs(r) <= 1).all():
            raise BadData(f"ceiling of {subject}, {movie}: expected one r in -1..1 a parcel, got {np.shape(r)}")
        self._ceilings[subject, movie] = np.asarray(r, dtype=np.float64)

    def attach(self, name: str, file: Path) -> None:
        """Keep a copy of a file, such as a subject's atlas, under this name."""
        if name in self._attached or any(block.file == name for block in self._blocks.values()):
            raise BadData(f"{file}: there is a file {name} already")
        shutil.copyfile(file, self._new / name)
        self._attached.append(name)

    def finish(self, *, source: str = "", left_out: Mapping[str, str] | None = None, notes: Sequence[str] = ()) -> Path:
        """Write tables and manifest, put the folder in place, and return it.

        ``source`` says where the data came from, ``left_out`` what was not taken and why, ``notes`` what else counts.
        """
        import pandas as pd

        if not self._runs:
            raise BadData(f"{self._about['name']}: there is no run")
        self._close()
        runs = pd.DataFrame.from_dict(self._runs, orient="index").rename_axis("run").reset_index()
        parts = pd.DataFrame(self._parts, columns=list(PART_COLUMNS))
        runs.to_parquet(self._new / RUNS)
        parts.to_parquet(self._new / PARTS)
        manifest = Manifest(
            **self._about,
            blocks=self._blocks,
            runs=len(runs),
            files={**self._measured(), **self._write_ceilings(), **{name: self._file(name) for name in self._attached}},
            source=source,
            left_out=dict(left_out or {}),
            notes=list(notes),
            fingerprint="",
        )
        manifest.fingerprint = fingerprint(manifest, runs, parts)
        (self._new / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        self._stack.close()
        return self._folder

    def _kept(self, run: str, field: str, values: np.ndarray) -> np.ndarray:
        """Values as they are written."""
        shape = self._blocks[field].shape
        if np.ndim(values) != 1 + len(shape) or np.shape(values)[1:] != shape or not len(values):
            expected = ", ".join(map(str, ("time", *shape)))
            raise BadData(f"run {run}: {field} is {np.shape(values)}; expected ({expected})")
        with np.errstate(over="ignore"):
            kept = np.ascontiguousarray(values, dtype=self._dtype)
        if not np.isfinite(kept).all():
            raise BadData(f"run {run}: {field} holds values that are not finite as {self._dtype.name}")
        return kept

    def _frames(self, run: str, kept: Mapping[str, np.ndarray], told: Mapping[str, int]) -> dict[str, int]:
        found = {}
        for subject in self._about["subjects"]:
            values = kept.get(f"{RESPONSES}{subject}")
            held = 0 if values is None else len(values)
            frames = int(told.get(subject, held))
            if frames < 0 or (held and frames != held):
                raise BadData(f"run {run}, {subject}: {frames} TRs to predict, but responses of {held}")
            found[f"{FRAMES}{subject}"] = frames
        return found

    def _append(self, run: str, field: str, values: np.ndarray) -> None:
        block = self._blocks[field]
        self._parts.append({"run": run, "field": field, "start": block.rows, "rows": len(values)})
        self._files[field].write(values.data)
        self._digests[field].update(values.data)
        block.rows += len(values)

    def _measured(self) -> dict[str, File]:
        return {
            block.file: File(bytes=(self._new / block.file).stat().st_size, digest=self._digests[field].hexdigest())
            for field, block in self._blocks.items()
        }

    def _write_ceilings(self) -> dict[str, File]:
        import pandas as pd

        if not self._ceilings:
            return {}
        rows = [(subject, movie, r.tolist()) for (subject, movie), r in self._ceilings.items()]
        pd.DataFrame(rows, columns=list(CEILING_COLUMNS)).to_parquet(self._new / CEILINGS)
        return {CEILINGS: self._file(CEILINGS)}

    def _file(self, name: str) -> File:
        return File(bytes=(self._new / name).stat().st_size, digest=digest_file(self._new / name))

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
