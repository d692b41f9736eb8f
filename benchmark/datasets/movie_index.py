"""The index of feature streams that were added to a folder of movie responses: where each stimulus's rows lie.

The values stay in the files they came in where these can be read as they are (see `movie_streams`). The index keeps
size and time of change of each file and a digest of the values, so that what changed since is noticed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadData
from ..files import write_bytes
from ..items import ArrayRef

if TYPE_CHECKING:
    import pandas as pd

INDEX = "streams.parquet"

COPIES = "streams"
"""Folder, beside the responses, of streams that could not stay as they were."""

COLUMNS = {
    "stream": "MODEL/LAYER",
    "stimulus": "what the features are of; all its showings share them",
    "path": "file that holds the raw values",
    "offset": "first byte",
    "shape": "JSON: [time, dimension] or [time, part, dimension]",
    "dtype": "numpy type with byte order",
    "bytes": "size of the file",
    "changed": "time of the file's last change, ns",
    "digest": "SHA-256 of the values",
}
"""Columns of streams.parquet."""


def read_index(folder: Path) -> pd.DataFrame:
    """The index of a folder, empty where no stream was added. Raises `BadData`."""
    import pandas as pd

    path = folder / INDEX
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        table = pd.read_parquet(path)[list(COLUMNS)]
        for row in table.to_dict("records"):
            _check_row(row)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadData(f"{path}: not an index of streams ({error})", "delete it and add the streams again") from None
    return table


def write_index(folder: Path, table: pd.DataFrame) -> None:
    """Put an index in place, whole or not at all."""
    buffer = io.BytesIO()
    table[list(COLUMNS)].sort_values(["stream", "stimulus"]).reset_index(drop=True).to_parquet(buffer)
    write_bytes(folder / INDEX, buffer.getvalue())


def stream_digest(table: pd.DataFrame) -> str:
    """Hash of what the added streams hold, wherever that lies; "" without any."""
    if table.empty:
        return ""
    facts = table.sort_values(["stream", "stimulus"])[["stream", "stimulus", "shape", "dtype", "digest"]]
    return hashlib.sha256(facts.to_json(orient="values").encode()).hexdigest()


def stream_refs(folder: Path, stimuli: Sequence[str]) -> dict[str, list[ArrayRef | None]]:
    """Stream -> where the rows of each of these stimuli lie, None where the stream lacks one.

    Raises `BadData` for a file that is gone or has changed since it was added.
    """
    table = read_index(folder)
    check_files(folder, table)
    held: dict[str, dict[str, ArrayRef]] = {}
    for row in table.to_dict("records"):
        place = str(folder / row["path"])
        ref = ArrayRef(place, int(row["offset"]), _shape(row["shape"]), row["dtype"], row["digest"])
        held.setdefault(row["stream"], {})[row["stimulus"]] = ref
    return {stream: [refs.get(stimulus) for stimulus in stimuli] for stream, refs in sorted(held.items())}


def check_files(folder: Path, table: pd.DataFrame) -> None:
    """Raises `BadData` for the first file of an index that is gone or has changed since it was added."""
    for row in table.drop_duplicates("path").to_dict("records"):
        stream, inside = row["stream"], not Path(row["path"]).is_absolute()
        file = folder / row["path"]
        if not file.is_file():
            raise BadData(
                f"stream {stream}: {file} is gone",
                f"{'add it again' if inside else 'put it back'}, or:  brainbench features remove {stream}",
            )
        stat = file.stat()
        if inside and stat.st_size != _end(row):
            raise BadData(f"stream {stream}: {file} has {stat.st_size:,} bytes, not {_end(row):,}", "add it again")
        if not inside and (stat.st_size, stat.st_mtime_ns) != (row["bytes"], row["changed"]):
            raise BadData(
                f"stream {stream}: {file} has changed since it was added", "brainbench features add DIR  adds it anew"
            )


def _check_row(row: Mapping[Any, Any]) -> None:
    """Raises `ValueError` or `TypeError` for values that do not lie in their file, or that are no floats."""
    dtype, path = np.dtype(str(row["dtype"])), Path(row["path"])
    if dtype.kind != "f":
        raise ValueError(f"{row['stream']} holds {dtype}, not floats")
    if not path.is_absolute() and (path.parent != Path(COPIES) or path.name in ("", "..")):
        raise ValueError(f"{row['stream']} lies at {row['path']!r}, which is neither a copy here nor a full path")
    if row["offset"] < 0 or (path.is_absolute() and _end(row) > row["bytes"]):
        raise ValueError(f"{row['stream']} ends at byte {_end(row):,} of a file of {row['bytes']:,}")


def _end(row: Mapping[Any, Any]) -> int:
    """The byte after the last one of an array."""
    size: int = math.prod(_shape(row["shape"])) * np.dtype(row["dtype"]).itemsize
    return int(row["offset"]) + size


def _shape(text: object) -> tuple[int, ...]:
    shape = tuple(int(size) for size in json.loads(str(text)))
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"shape {shape}")
    return shape
