"""Files of the long table: JSON lines, CSV and Parquet.

Every file is written whole or not at all, row by row, so that memory does not grow with the board.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..benchmark.files import whole_file
from .longform import FIELDS, SCHEMA

Rows = Iterable[Mapping[str, Any]]

BATCH = 5_000
"""Rows that are written to Parquet at once."""

FORMULA = re.compile(r"\s*[=+\-@]|[\t\r]")
"""A text that a spreadsheet would take for a formula (OWASP, "CSV injection")."""


def write_jsonl(rows: Rows, target: Path) -> int:
    """A JSON object a line, with every column; returns the number of rows. Raises `StoreError`."""
    count = 0
    with whole_file(target) as file:
        for row in rows:
            ordered = {name: row.get(name) for name in FIELDS}
            file.write(json.dumps(ordered, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            count += 1
    return count


def write_csv(rows: Rows, target: Path) -> int:
    """CSV in UTF-8 with a header; returns the number of rows. Raises `StoreError`.

    Nothing is an empty cell, and flags are ``true`` and ``false``. Texts that a spreadsheet would run as a formula
    begin with an apostrophe; every other text is as it was.
    """
    count = 0
    with whole_file(target) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(FIELDS)
        for row in rows:
            writer.writerow([csv_cell(row.get(name)) for name in FIELDS])
            count += 1
        text.flush()
        text.detach()
    return count


def csv_cell(value: Any) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        clean = value.replace("\x00", "\ufffd")
        return f"'{clean}" if FORMULA.match(clean) else clean
    return repr(value)


def write_parquet(rows: Rows, target: Path) -> int:
    """One Parquet file with the columns' meanings in its schema; returns the number of rows. Raises `StoreError`."""
    with whole_file(target) as file, ParquetRows(file) as sink:
        for row in rows:
            sink.add(row)
    return sink.count


class ParquetRows:
    """A Parquet file that is written in batches."""

    def __init__(self, file: IO[bytes]) -> None:
        self.writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self.waiting: list[Mapping[str, Any]] = []
        self.count = 0

    def __enter__(self) -> ParquetRows:
        return self

    def __exit__(self, *error: object) -> None:
        self._write()
        self.writer.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """One row more."""
        self.waiting.append(row)
        self.count += 1
        if len(self.waiting) == BATCH:
            self._write()

    def _write(self) -> None:
        if self.waiting:
            self.writer.write_table(pa.Table.from_pylist([dict(row) for row in self.waiting], schema=SCHEMA))
            self.waiting = []
