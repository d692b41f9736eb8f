"""Bytes from outside to arrays of numbers: NumPy, MATLAB and text files. Nothing is unpickled."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import BadData
from ...npy import NUMBERS, read_array
from .files import MAX_FILE
from .mat_layout import refuse_misplaced

HDF = b"\x89HDF"
"""Beginning of an HDF5 file, which MATLAB's version 7.3 is, after 512 bytes of its own."""


def read_npy(raw: bytes, name: str) -> np.ndarray:
    """An array of numbers from the bytes of a .npy file, as float64.

    Raises `BadData` for another format, arrays of Python objects, and sizes that do not fit the header.
    """
    try:
        return read_array(io.BytesIO(raw), len(raw)).astype(np.float64)
    except ValueError as error:
        raise BadData(f"{name}: {error}", "copy the file again, or save it as an array of numbers") from None


def read_mat(raw: bytes, name: str, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """The wanted arrays of a MATLAB file (version 5 to 7.2), as float64.

    Raises `BadData` when one is lacking, is no full numeric array, or is larger than any known file.
    """
    from scipy.io import loadmat, whosmat

    if HDF in (raw[:4], raw[512:516]):
        raise BadData(
            f"{name}: a MATLAB file of version 7.3 (HDF5), which is not read",
            "in MATLAB:  load it, then  save('FILE.mat', '-v7')",
        )

    def file() -> Any:  # scipy takes open files, which its types do not say
        return io.BytesIO(raw)

    try:
        refuse_misplaced(raw, wanted)
        shapes = {key: shape for key, shape, _ in whosmat(file())}
        large = [key for key in wanted if np.prod(shapes.get(key, ()), dtype=object) * 8 > MAX_FILE]
        found = {} if large else loadmat(file(), variable_names=list(wanted))
    except Exception as error:  # scipy raises a dozen types, and bare ones, on a damaged file
        raise BadData(f"{name}: cannot be read as a MATLAB file ({type(error).__name__}: {error})") from None
    if large:
        raise BadData(f"{name}: {large[0]} of shape {shapes[large[0]]} is larger than any known file's")
    for key in wanted:
        if key not in found:
            raise BadData(f"{name}: no variable {key!r} (there are: {', '.join(sorted(shapes))})")
        if not isinstance(found[key], np.ndarray) or found[key].dtype.kind not in NUMBERS:
            raise BadData(f"{name}: variable {key!r} is no array of numbers")
    return {key: found[key].astype(np.float64) for key in wanted}


def read_table(raw: bytes, name: str, header: bool | None = None) -> tuple[tuple[str, ...], np.ndarray]:
    """Column labels and values (rows, columns) of a text table with tabs, commas or spaces.

    Parameters
    ----------
    header
        Whether the first line holds labels; None tells it from whether that line is numbers. Without
        one the labels are empty.

    Raises
    ------
    BadData
        For text that is no table of numbers, with the line.
    """
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        raise BadData(f"{name}: not a text file") from None
    first = next((line for line in lines if line.strip()), "")
    delimiter = next((mark for mark in ("\t", ",") if mark in first), None)
    cells = [cell.strip().strip('"') for cell in first.strip().split(delimiter)]
    if header is None:
        header = not all(_is_number(cell) for cell in cells)
    body = lines[lines.index(first) + 1 :] if header and first else lines
    if not any(line.strip() for line in body):
        raise BadData(f"{name}: no values")
    try:
        values = np.loadtxt(body, dtype=np.float64, delimiter="," if delimiter == "," else None, ndmin=2)
    except ValueError as error:
        raise BadData(f"{name}: not a table of numbers ({error})") from None
    labels = tuple(cells) if header else ()
    if labels and (len(labels) != values.shape[1] or len(set(labels)) != len(labels)):
        raise BadData(f"{name}: {len(labels)} labels, {len(set(labels))} different, for {values.shape[1]} columns")
    return labels, values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
