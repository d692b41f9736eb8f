"""Transcripts of the challenge: one row per chunk of 1.49 s, with the words that end in it."""

from __future__ import annotations

import ast
import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadData

TR = 1.49
"""Seconds of a chunk."""

LARGEST_FILE = 1 << 24
LARGEST_CELL = 1 << 16
MOST_ROWS = 100_000
SLACK = 0.05
"""Seconds by which a word's end may lie outside its chunk without a remark."""

_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
_WORDS = re.compile(rf"\[(?:\s*(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*)?\s*\]")
_NUMBER = r"(?:-?[0-9.]+(?:e[+-]?[0-9]+)?|nan)"
_NUMBERS = re.compile(rf"\[(?:\s*{_NUMBER}(?:\s*,\s*{_NUMBER})*)?\s*\]", re.IGNORECASE)
_HEADER = re.compile(r"(text|word|onset|duration)s?(?:_per_\w+)?")
_SILENT = ("", "nan", "none", "[]")


@dataclass(frozen=True)
class Transcript:
    """What is said in every chunk.

    Attributes
    ----------
    texts
        One text a chunk, without space around it; "" where nothing is said.
    source
        The column the texts are from: "text" (with punctuation), or "word" where there is no such column.
    remarks
        What is odd in the file, in words. The rows say which chunk a word belongs to; times are only checked.
    """

    texts: tuple[str, ...]
    source: str
    remarks: tuple[str, ...]


def read(path: Path) -> Transcript:
    """The transcript of a run.

    Columns are known by ``text_per_tr``, ``words_per_tr``, ``onsets_per_tr`` and ``durations_per_tr``, or by the
    same words in the singular or without ``_per_tr``; a text or a words column must be there. Texts are from the
    script and words from the sound: where words stand in a row without a text, the script has them in a row
    beside it, and the row is silent.

    Raises `BadData` for a file that is no such table.
    """
    rows = _rows(path)
    spoken: list[str] = []
    columns = set(rows[0]) if rows else set()
    remarks = _Remarks()
    for k, row in enumerate(rows):
        words = _words(path, k, row.get("word", ""))
        remarks.look(path, k, row, len(words))
        text = _plain(row.get("text", ""))
        spoken.append(text if "text" in columns else " ".join(words))
        remarks.only_words += bool(words and not text and "text" in columns)
    return Transcript(tuple(spoken), "text" if "text" in columns else "word", remarks.said())


def _plain(cell: str) -> str:
    text = " ".join(cell.split())
    return "" if text.lower() in _SILENT else text


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of the file, each as text by the column's plain name."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise BadData(f"{path}: larger than {LARGEST_FILE >> 20} MiB, which no transcript is", _EXPECTED)
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter="\t", strict=True)
        table = list(reader)
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error})", _EXPECTED) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: is no table of text ({error})", _EXPECTED) from None
    if table and len(table[0]) == 1:  # an empty line is then an empty cell: a silent chunk
        table = [row or [""] for row in table]
    while table and not table[-1]:
        table.pop()
    if len(table) < 2:
        raise BadData(f"{path}: has no rows", _EXPECTED)
    if len(table) > MOST_ROWS:
        raise BadData(f"{path}: has {len(table)} rows; at most {MOST_ROWS} are read", _EXPECTED)
    columns = _columns(path, table[0])
    return [_row(path, line, row, table[0], columns) for line, row in enumerate(table[1:], 2)]


_EXPECTED = "expected the challenge's columns, separated by tabs: text_per_tr, words_per_tr, onsets_per_tr, ..."


def _columns(path: Path, header: list[str]) -> Mapping[str, int]:
    columns: dict[str, int] = {}
    for index, name in enumerate(header):
        if hit := _HEADER.fullmatch(name.strip().lower()):
            if hit[1] in columns:
                raise BadData(f"{path}: two columns for {hit[1]}s: {header[columns[hit[1]]]} and {name}", _EXPECTED)
            columns[hit[1]] = index
    if not {"text", "word"} & columns.keys():
        raise BadData(f"{path}: no column text_per_tr or words_per_tr among {', '.join(header)[:200]}", _EXPECTED)
    return columns


def _row(path: Path, line: int, row: list[str], header: list[str], columns: Mapping[str, int]) -> dict[str, str]:
    if len(row) != len(header):
        raise BadData(f"{path}: line {line} has {len(row)} cells, the header {len(header)}", _EXPECTED)
    if (longest := max(map(len, row))) > LARGEST_CELL:
        raise BadData(f"{path}: line {line} has a cell of {longest} characters", _EXPECTED)
    return {name: row[index].strip() for name, index in columns.items()}


def _words(path: Path, k: int, cell: str) -> list[str]:
    """The words of a cell such as ``['oh', "don't"]``; a cell that is no flat list of texts is refused unread."""
    if cell.lower() in _SILENT:
        return []
    if not _WORDS.fullmatch(cell):
        raise BadData(f"{path}: the words of chunk {k} are no list of texts: {cell[:60]!r}", _EXPECTED)
    try:
        words: list[str] = ast.literal_eval(cell)
    except (ValueError, SyntaxError):
        raise BadData(f"{path}: the words of chunk {k} cannot be read: {cell[:60]!r}", _EXPECTED) from None
    whole = [text.encode(errors="replace").decode() for text in words]  # half characters are no text
    return [word for word in (" ".join(text.split()) for text in whole) if word]


def _times(path: Path, k: int, what: str, cell: str) -> list[float]:
    if cell.lower() in _SILENT:
        return []
    if not _NUMBERS.fullmatch(cell):
        raise BadData(f"{path}: the {what}s of chunk {k} are no list of numbers: {cell[:60]!r}", _EXPECTED)
    try:
        return [float(part) for part in cell.strip("[] ").split(",") if part.strip()]
    except ValueError:
        raise BadData(f"{path}: the {what}s of chunk {k} are no numbers: {cell[:60]!r}", _EXPECTED) from None


class _Remarks:
    """Counts of what is odd in a transcript."""

    def __init__(self) -> None:
        self.only_words = self.uneven = self.outside = self.backwards = 0
        self._last = -math.inf

    def look(self, path: Path, k: int, row: Mapping[str, str], words: int) -> None:
        """Take in the times of a row, which must be lists of numbers where they are there."""
        onsets = _times(path, k, "onset", row.get("onset", ""))
        durations = _times(path, k, "duration", row.get("duration", ""))
        self.uneven += bool((onsets and len(onsets) != words) or (durations and len(durations) != len(onsets)))
        self.backwards += self._backwards(onsets)
        self.outside += sum(not _inside(k, on + long) for on, long in zip(onsets, durations, strict=False))

    def _backwards(self, onsets: Iterable[float]) -> int:
        count = 0
        for onset in onsets:
            count += onset < self._last
            self._last = onset
        return count

    def said(self) -> tuple[str, ...]:
        """The counts that are not zero, in words."""
        told = {
            f"{self.only_words} chunks have words but no text, and are taken as silent": self.only_words,
            f"{self.uneven} chunks have unequal numbers of words and times": self.uneven,
            f"{self.backwards} words begin before the word that stands before them": self.backwards,
            f"{self.outside} words end outside their chunk": self.outside,
        }
        return tuple(text for text, count in told.items() if count)


def _inside(k: int, end: float) -> bool:
    return TR * k - SLACK <= end <= TR * (k + 1) + SLACK
