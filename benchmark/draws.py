"""The bootstrap resamples of a record's scores, kept beside it.

Rows of one board whose ``clusters`` are equal were resampled alike, so the difference of their draws is the paired
bootstrap: whoever holds two records can test their difference without the truth.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import StoreError
from .files import write_bytes
from .npy import read_header
from .stats import Resampling

VALUES = "draws.npy"
PART = "draws.json"
MOST_METRICS = 500
MOST_RESAMPLES = 100_000
MOST_BYTES = 1 << 26
"""Larger files are refused unread: 13 metrics of 2,000 resamples are 104 kB."""


class DrawsPart(BaseModel):
    """What the numbers are.

    Attributes
    ----------
    metrics
        Names of the rows, in the order of the task's.
    resamples, seed
        How many, and what the generator began with.
    clusters, units
        What was resampled, as in `stats.Resampling`.
    sha256
        Of the file of numbers.
    """

    model_config = ConfigDict(extra="forbid")

    metrics: tuple[str, ...] = Field(max_length=MOST_METRICS)
    resamples: int = Field(ge=1, le=MOST_RESAMPLES)
    seed: int
    clusters: str
    units: int = Field(ge=1)
    sha256: str


@dataclass(frozen=True, eq=False)
class Draws:
    """Resamples of each score.

    Attributes
    ----------
    metrics
        Names of the rows.
    values
        (metrics, resamples) float32; NaN where a resample, or a whole metric, has no value.
    of_what
        What was resampled.
    seed
        What the generator began with.
    """

    metrics: tuple[str, ...]
    values: np.ndarray
    of_what: Resampling
    seed: int = 0

    @property
    def resampled(self) -> tuple[str, int, int]:
        """Equal for records that were resampled alike, draw by draw."""
        return self.of_what.clusters, self.values.shape[1], self.seed

    def of(self, metric: str) -> np.ndarray | None:
        """The resamples (B,) of a metric; None where it is not among them, or has no value in any."""
        if metric not in self.metrics:
            return None
        row = self.values[self.metrics.index(metric)]
        return None if np.isnan(row).all() else row


def as_draws(rows: Mapping[str, np.ndarray | None], of_what: Resampling, seed: int = 0) -> Draws | None:
    """The draws of some metrics, a row of NaN for one without; None where none has any."""
    lengths = {len(row) for row in rows.values() if row is not None}
    if not lengths:
        return None
    (length,) = lengths
    values = np.full((len(rows), length), np.nan, dtype=np.float32)
    for number, row in enumerate(rows.values()):
        if row is not None:
            values[number] = row
    return Draws(tuple(rows), values, of_what, seed)


def write_draws(folder: Path, draws: Draws) -> None:
    """Write both files into a record's folder, each whole or not at all. Raises `StoreError`."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(draws.values, dtype=np.float32), allow_pickle=False)
    content = buffer.getvalue()
    part = DrawsPart(
        metrics=draws.metrics,
        resamples=draws.values.shape[1],
        seed=draws.seed,
        clusters=draws.of_what.clusters,
        units=draws.of_what.units,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    write_bytes(folder / VALUES, content)
    write_bytes(folder / PART, part.model_dump_json(indent=1).encode())


def read_draws(folder: Path) -> Draws | None:
    """The draws of a record's folder; None where there are none.

    Raises `StoreError` where a file is damaged, edited, larger than draws can be, or not of the shape that it says.
    """
    part_file, values_file = folder / PART, folder / VALUES
    if not part_file.exists() and not values_file.exists():
        return None
    try:
        part = DrawsPart.model_validate_json(_bounded(part_file))
        content = _bounded(values_file)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise _unfit(values_file, "edited: it is not the file that was written")
        values = _numbers(content, (len(part.metrics), part.resamples))
    except ValidationError as error:
        raise _unfit(part_file, f"not a description of draws ({error.errors()[0]['msg']})") from None
    except (OSError, ValueError) as error:
        raise _unfit(folder, str(error).splitlines()[0] if str(error) else "damaged") from None
    return Draws(part.metrics, values, Resampling(part.clusters, part.units), part.seed)


def same_draws(folder: Path, draws: Draws) -> bool:
    """Whether a record's folder holds these draws, up to rounding in the last places."""
    try:
        found = read_draws(folder)
    except StoreError:
        return False
    if found is None or (found.metrics, found.resampled) != (draws.metrics, draws.resampled):
        return False
    return np.allclose(found.values, draws.values, rtol=1e-5, atol=1e-6, equal_nan=True)


def _numbers(content: bytes, shape: tuple[int, int]) -> np.ndarray:
    """The array of a file, its header compared first: what it says costs no memory. Raises `ValueError`."""
    begin = 10 + int.from_bytes(content[8:10], "little")
    if _header(content[:begin]) != (shape, False, np.dtype(np.float32)) or len(content) - begin != 4 * math.prod(shape):
        raise ValueError(f"not {shape[0]} x {shape[1]} numbers of 32 bits")
    return np.frombuffer(content, np.float32, offset=begin).reshape(shape)


@lru_cache(maxsize=64)
def _header(begin: bytes) -> object:
    """Shape, order and type that the beginning of a file of NumPy's first format tells; None for another format."""
    header = read_header(io.BytesIO(begin))
    return header if begin[6:8] == b"\x01\x00" else None


def _bounded(path: Path) -> bytes:
    """The content of a file that is not larger than draws can be."""
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _unfit(path, f"larger than {MOST_BYTES:,} bytes")
    return content


def _unfit(path: Path, reason: str) -> StoreError:
    return StoreError(f"{path}: {reason}", "make the draws again:  brainbench rescore RECORD")
