"""ROI series in text files: .1D, .tsv, .csv, .txt; one line a frame, one column an ROI."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .layout import numbered, one_copy
from .rules import LeftOut
from .scheme import MISSING

SUFFIXES = (".1D", ".1d", ".tsv", ".csv", ".txt")
MAX_TEXT_BYTES = 1 << 30
MAX_LINE = 1 << 22
MAX_COMMENTS = 64
FRAME_NAMES = ("time", "frame", "index", "volume", "tr")
AFNI_NAMES = ["file", "sub-brick"]
"""First columns of AFNI's 3dROIstats: the image, and the frame; the mean of each ROI follows as ``Mean_LABEL``."""


@dataclass(frozen=True)
class TextHeader:
    """What the first lines of a text file say.

    Attributes
    ----------
    labels
        One an ROI; numbers where the file names none.
    labelled
        Whether the file names them.
    separator
        Between cells; ``\\s+`` for blanks.
    skip
        Lines before the first frame.
    drop
        Leading columns that name or count frames and are no ROI.
    """

    labels: tuple[str, ...]
    labelled: bool
    separator: str
    skip: int
    drop: int


def read_text_header(path: Path) -> TextHeader:
    """Separator and ROI labels of a text file; only its first lines are read.

    Labels stand in a line that begins with ``#`` (.1D) or in a first line that is not all numbers.
    Raises `LeftOut` for what is no table of numbers.
    """
    lines = _first_lines(path)
    comments = [line for line in lines[:-1] if line.startswith("#")]
    first = lines[-1]
    separator = next((mark for mark in ("\t", ",", ";") if mark in first), r"\s+")
    cells = _cells(first, separator)
    if not all(_numeric(cell) for cell in cells):
        return _named([cell.strip('"') for cell in cells], separator, len(lines))
    names = [cell.lstrip("#").strip() for cell in _cells(comments[-1], separator)] if comments else []
    names = [name for name in names if name] if len(names) != len(cells) else names
    if len(names) == len(cells):
        return _named(names, separator, len(lines) - 1)
    return TextHeader(numbered(len(cells)), False, separator, len(lines) - 1, 0)


def _named(names: list[str], separator: str, skip: int) -> TextHeader:
    """A header with names; a first column without one, or called time, counts frames; so do AFNI's first two."""
    if [name.lower() for name in names[:2]] == AFNI_NAMES:
        drop, labels = 2, tuple(name.removeprefix("Mean_") for name in names[2:])
    else:
        drop = int(len(names) > 1 and (not names[0] or names[0].lower() in FRAME_NAMES))
        labels = tuple(names[drop:])
    if len(set(labels)) < len(labels):
        raise LeftOut("two columns have the same ROI label")
    return TextHeader(one_copy(labels), True, separator, skip, drop)


def _first_lines(path: Path) -> list[str]:
    """Comment lines and the first line that is none."""
    lines = []
    try:
        with open(path, encoding="utf-8-sig", errors="strict") as file:
            for _ in range(MAX_COMMENTS):
                line = file.readline(MAX_LINE)
                if not line:
                    break
                lines.append(line.rstrip("\r\n"))
                if line.strip() and not line.startswith("#"):
                    return lines
    except (OSError, UnicodeDecodeError) as error:
        raise LeftOut(f"cannot be read as text: {error}") from None
    raise LeftOut("holds no values")


def _cells(line: str, separator: str) -> list[str]:
    return line.split() if separator == r"\s+" else [cell.strip() for cell in line.split(separator)]


def _numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lower() in MISSING
    return True


def read_text(path: Path) -> np.ndarray:
    """The (time, roi) float32 series of a text file; ``n/a`` becomes NaN. Raises `LeftOut`."""
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise LeftOut(f"{size >> 20} MiB of text: too much for one scan")
    header = read_text_header(path)
    columns = len(header.labels) + header.drop
    _refuse_cut(path, header, columns)
    try:
        values = pd.read_csv(
            path,
            sep=header.separator,
            header=None,
            skiprows=header.skip,
            names=range(columns),
            index_col=False,
            usecols=range(header.drop, columns),
            dtype=np.float32,
            skip_blank_lines=True,
            quoting=csv.QUOTE_MINIMAL,
            encoding_errors="strict",
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise LeftOut(f"not a table of numbers: {str(error).splitlines()[0]}") from None
    return values.to_numpy()


def _refuse_cut(path: Path, header: TextHeader, columns: int) -> None:
    """Raise `LeftOut` when the last line is shorter than the others: the file was truncated."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - columns * 64 - 64))
        tail = file.read().decode("utf-8", errors="replace").rstrip()
    last = tail.rpartition("\n")[2]
    found = len(_cells(last, header.separator))
    if "\n" in tail and found != columns:
        raise LeftOut(f"truncated: the last line has {found} of {columns} columns")
