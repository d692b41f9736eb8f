"""Adding feature streams to a folder of movie responses: files of MedARC's layout, left where they are.

``ROOT/<model>/<series>/<group>/<run>.h5`` holds an array (time, dimension) or (time, part, dimension) for each layer,
and makes the stream ``model/layer``. Arrays that lie in their file as they are get indexed; chunked, compressed or
oddly typed ones are written anew, contiguous, into the folder of the responses. Both keep a digest.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Progress, silent
from ..errors import BadData, BadOption, DataMissing
from ..extraction.names import parse
from ..files import whole_file
from ..items import ArrayRef
from .hdf5 import BROKEN, arrays, damaged, fetched, in_place, open_hdf5
from .movie_index import COLUMNS, COPIES, read_index, write_index
from .movie_manifest import RESPONSES, STREAM
from .movies import MovieCohort

MAX_FRAMES = 20_000
"""Chunks of one run: more than 8 hours."""

AT_ONCE = 1 << 26
"""Bytes that are read at a time."""

ENDINGS = (".h5", ".hdf5")


@dataclass
class Added:
    """What `add_streams` did.

    Attributes
    ----------
    streams
        Stream -> number of stimuli that were added.
    copied
        Bytes that were written anew.
    left_out
        File (and layer) -> why it was not taken.
    """

    streams: dict[str, int] = field(default_factory=dict)
    copied: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


def add_streams(cohort: MovieCohort, folder: Path, progress: Progress = silent) -> Added:
    """Index all streams of a folder in MedARC's layout: the root, or the folder of one model.

    A stream that was added before is replaced where the folder has it; its other stimuli stay. Memory holds some
    rows. Raises `DataMissing` for a folder without features, `BadData` for a stream with rows of several shapes.
    """
    files = _files(folder)
    if not files:
        raise DataMissing(
            f"{folder}: no features; expected MODEL/SERIES/GROUP/RUN.h5, such as llm/friends/s1/s01e01a.h5",
            "make some:  brainbench features extract --model NAME --stimuli DIR --out DIR",
        )
    report = Added()
    try:
        rows = _read_files(cohort, folder, files, report, progress)
        if rows:
            _join(cohort, rows)
    finally:
        _clean(cohort.path)
    report.streams = dict(sorted(Counter(row["stream"] for row in rows).items()))
    return report


def streams_table(cohort: MovieCohort) -> list[dict[str, Any]]:
    """One row a stream: rows' shape, stimuli that have it, of how many, where it is from, and whether that is there."""
    runs = cohort.runs()
    stimuli = runs["stimulus"].nunique()
    parts = cohort.parts()
    found = []
    for name, shape in cohort.manifest.streams.items():
        have = parts.loc[parts["field"] == f"features/{name}", "run"]
        covered = runs.loc[runs.index.isin(have), "stimulus"].nunique()
        found.append(_told(name, shape, covered, stimuli, "of the twin", "ok"))
    index = read_index(cohort.path)
    for name in sorted(set(index["stream"])):
        rows = index[index["stream"] == name]
        shape = tuple(json.loads(rows["shape"].iloc[0])[1:])
        paths = [Path(path) for path in rows["path"].unique()]
        away = [path for path in paths if path.is_absolute()]
        gone = sum(not path.is_file() for path in away)
        state = f"{gone} of {len(paths)} files are gone" if gone else "ok"
        source = str(_common(away)) if away else f"copied into {cohort.manifest.name}"
        found.append(_told(name, shape, rows["stimulus"].nunique(), stimuli, source, state))
    return found


def remove_stream(cohort: MovieCohort, stream: str) -> int:
    """Take an added stream out of the index; returns of how many stimuli. Files that came from elsewhere stay.

    Raises `BadOption` for a name that is not among those added.
    """
    table = read_index(cohort.path)
    mine = table["stream"] == stream
    if not mine.any():
        have = sorted(table["stream"].unique())
        told = f"added are: {', '.join(have)}" if have else "none was added; a cohort's own streams stay"
        raise BadOption(f"no stream {stream!r} was added to {cohort.manifest.name}", told)
    write_index(cohort.path, table[~mine])
    _clean(cohort.path)
    return int(mine.sum())


def stimulus_of(stem: str) -> str:
    """The stimulus that a file's name tells: the challenge's name in it, else what stands after the last ``_``.

    So ``friends_s01e01a``, ``task-chaplin1_video`` and ``my_film`` are of s01e01a, chaplin1 and film.
    """
    told = parse(stem)
    return told[2] if told else stem.rpartition("_")[2]


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Model and file of all features, by name; the folder is the root, or that of a model."""
    found = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        if path.suffix not in ENDINGS or any(part.startswith(".") for part in inner):
            continue
        if len(inner) == 4:
            found.append((inner[0], path))
        elif len(inner) == 3:
            found.append((folder.resolve().name, path))
    return found


def _read_files(
    cohort: MovieCohort, folder: Path, files: list[tuple[str, Path]], report: Added, progress: Progress
) -> list[dict[str, Any]]:
    """Index rows of all files of stimuli that the responses are to."""
    own, known = set(cohort.manifest.streams), set(cohort.runs()["stimulus"])
    rows: list[dict[str, Any]] = []
    for done, (model, file) in enumerate(files):
        progress("index features", done, len(files))
        name, stimulus = file.relative_to(folder).as_posix(), stimulus_of(file.stem)
        if stimulus not in known:
            report.left_out[name] = f"no run of {cohort.manifest.name} shows {stimulus!r}"
            continue
        try:
            rows += _read_file(cohort, model, stimulus, file, own, report)
        except BadData as error:
            report.left_out[name] = error.message
    progress("index features", len(files), len(files))
    return rows


def _read_file(
    cohort: MovieCohort, model: str, stimulus: str, file: Path, own: set[str], report: Added
) -> list[dict[str, Any]]:
    """Index rows of one file. Raises `BadData` for the whole file; a layer that cannot be taken is noted."""
    if not fetched(file):
        raise BadData(f"its content has not been fetched:  datalad get {file}")
    rows = []
    with open_hdf5(file) as opened:
        stat = file.stat()
        for layer, values in arrays(opened, file).items():
            stream = f"{model}/{layer}"
            try:
                _check(stream, values, own)
                row = _indexed(cohort, stream, values, file, report)
            except BadData as error:
                report.left_out[f"{file.name}: {layer}"] = error.message
                continue
            rows.append({**row, "stimulus": stimulus, "bytes": stat.st_size, "changed": stat.st_mtime_ns})
    return rows


def _check(stream: str, values: Any, own: set[str]) -> None:
    if not STREAM.fullmatch(stream) or stream.startswith(RESPONSES):
        raise BadData(f"{stream!r} cannot name a stream")
    if stream in own:
        raise BadData(f"the twin itself has a stream {stream!r}")
    if values.ndim not in (2, 3) or values.shape[0] > MAX_FRAMES:
        raise BadData(f"shape {values.shape}; expected (time, dimension) or (time, part, dimension)")


def _indexed(cohort: MovieCohort, stream: str, values: Any, file: Path, report: Added) -> dict[str, Any]:
    """Where an array lies, or where it was copied to, and its digest."""
    place = in_place(values)
    row = {"stream": stream, "shape": json.dumps(values.shape)}
    if place is not None:
        offset, dtype = place
        path = file.resolve()
        digest = _digest(_raw(ArrayRef(str(path), offset, values.shape, dtype)), stream)
        return {**row, "path": str(path), "offset": offset, "dtype": dtype, "digest": digest}
    dtype = "<f2" if values.dtype.itemsize == 2 else "<f4"
    name = f"{COPIES}/{uuid.uuid4().hex}.bin"
    with whole_file(cohort.path / name) as copy:
        digest = _digest(_blocks(values, dtype), stream, copy)
        report.copied += copy.tell()
    return {**row, "path": name, "offset": 0, "dtype": dtype, "digest": digest}


def _raw(ref: ArrayRef) -> Iterator[np.ndarray]:
    """The rows of an array on disk, some at a time."""
    step = max(1, AT_ONCE * ref.shape[0] // max(1, int(np.prod(ref.shape)) * np.dtype(ref.dtype).itemsize))
    for start in range(0, ref.shape[0], step):
        yield ref.rows(start, min(start + step, ref.shape[0])).read()


def _blocks(values: Any, dtype: str) -> Iterator[np.ndarray]:
    """The rows of an HDF5 array as another type, some at a time."""
    step = max(1, AT_ONCE // max(1, int(np.prod(values.shape[1:])) * values.dtype.itemsize))
    for start in range(0, values.shape[0], step):
        try:
            block = values[start : start + step]
        except BROKEN as error:
            raise damaged(Path(values.file.filename), error) from None
        with np.errstate(over="ignore"):
            yield np.ascontiguousarray(block.astype(dtype))


def _digest(blocks: Iterator[np.ndarray], stream: str, copy: Any = None) -> str:
    """SHA-256 of values, which are written on the way. Raises `BadData` where they are not all finite."""
    digest = hashlib.sha256()
    for block in blocks:
        if not np.isfinite(block).all():
            raise BadData(f"{stream} holds values that are not finite")
        digest.update(block.data)
        if copy is not None:
            copy.write(block.data)
    return digest.hexdigest()


def _join(cohort: MovieCohort, rows: list[dict[str, Any]]) -> None:
    """Put new rows into the index in the place of old ones."""
    new = pd.DataFrame(rows, columns=list(COLUMNS))
    twice = new[new.duplicated(["stream", "stimulus"])]
    if len(twice):
        stream, stimulus = twice.iloc[0][["stream", "stimulus"]]
        raise BadData(f"stream {stream}: two files are of {stimulus}", "leave one file a run")
    old = read_index(cohort.path)
    again = set(zip(new["stream"], new["stimulus"], strict=True))
    kept = old[[pair not in again for pair in zip(old["stream"], old["stimulus"], strict=True)]]
    table = pd.concat([kept, new]) if len(kept) else new
    for stream in sorted(set(table["stream"])):
        shapes = sorted({tuple(json.loads(text)[1:]) for text in table.loc[table["stream"] == stream, "shape"]})
        if len(shapes) > 1:
            raise BadData(
                f"stream {stream}: rows of shapes {shapes[0]} and {shapes[1]} in different runs",
                f"extract them with one model, or first:  brainbench features remove {stream}",
            )
    write_index(cohort.path, table)


def _clean(folder: Path) -> None:
    """Remove copies that the index does not name."""
    named = set(read_index(folder)["path"])
    for file in (folder / COPIES).glob("*"):
        if f"{COPIES}/{file.name}" not in named:
            file.unlink(missing_ok=True)


def _told(name: str, shape: tuple[int, ...], covered: int, stimuli: int, source: str, state: str) -> dict[str, Any]:
    rows = " x ".join(map(str, shape))
    return {"stream": name, "dimensions": rows, "stimuli": f"{covered}/{stimuli}", "source": source, "state": state}


def _common(paths: list[Path]) -> Path:
    """The deepest folder that holds all."""
    parents = [set(path.parents) for path in paths]
    return max(set.intersection(*parents), key=lambda path: len(path.parts))
