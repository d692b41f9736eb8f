"""Joining scans with the rows of a participants table, and turning cells into cohort values."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import BadData, BadOption
from .scheme import NUMBERS, TEXTS, Scheme
from .tables import find_column, is_missing, read_columns, read_table

SHOWN = 8
KEYS = ("scan", "subject", "file")
"""Names that say where ids and files stand; they are no columns of the cohort by themselves."""


@dataclass(frozen=True)
class ScanId:
    """How a file names its scan.

    Attributes
    ----------
    scan
        Unique id of the scan.
    subject, session
        As far as the file's name tells; else empty.
    extra
        Cells by column that files beside the scan hold, such as its session's row; they come before
        the participants table.
    """

    scan: str
    subject: str = ""
    session: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Participants:
    """A participants table and what its columns mean.

    Attributes
    ----------
    path
        The file it came from.
    table
        All cells as text.
    scheme
        Names and codes of the data set, with the person's own added.
    columns
        Cohort column -> column of the table.
    """

    path: Path
    table: pd.DataFrame
    scheme: Scheme
    columns: dict[str, str]
    scan_key: str | None = None
    subject_key: str | None = None
    used: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path, scheme: Scheme, columns: Mapping[str, str], extra: Iterable[str] = ()) -> Participants:
        """Read a table; ``columns`` (cohort column -> table column) come before the scheme's.

        ``extra`` are columns that `ScanId.extra` may hold beside the table's.

        Raises `BadData`, listing the columns there are, where one that was named is missing.
        """
        table = read_table(path)
        for beside in dict.fromkeys(extra):
            if find_column(table, (beside,)) is None:
                table[beside] = ""
        found = {}
        for name in {**scheme.columns, **columns}:
            wanted = (columns[name],) if name in columns else scheme.columns[name]
            column = find_column(table, wanted)
            if column is not None:
                found[name] = column
            elif name in columns or name in scheme.required:
                raise BadData(
                    f"{path.name}: no column {' or '.join(wanted)} for {name!r}; it has: {_some(table.columns, 40)}",
                    f"say which column it is:  --column {name}=COLUMN",
                )
        scan_keys = (columns["scan"],) if "scan" in columns else scheme.scan_keys
        subject_keys = (columns["subject"],) if "subject" in columns else scheme.subject_keys
        result = cls(
            path,
            table,
            scheme,
            {k: v for k, v in found.items() if k not in KEYS},
            find_column(table, scan_keys),
            find_column(table, subject_keys),
        )
        if result.scan_key is None and result.subject_key is None:
            raise BadData(
                f"{path.name}: no column with ids; it has: {_some(table.columns, 40)}",
                "say which column holds the subject's id:  --column subject=COLUMN",
            )
        return result

    def match(self, scans: Sequence[ScanId]) -> list[list[int]]:
        """For each scan the rows of the table that are about it: by scan id, else by subject."""
        by_scan = _index(self.table, self.scan_key, plain)
        by_subject = _index(self.table, self.subject_key, person)
        session = self.columns.get("session")
        rows = []
        for scan in scans:
            hits = by_scan.get(plain(scan.scan)) or by_subject.get(self.subject_of(scan)) or []
            if session and scan.session and len(hits) > 1:
                hits = [row for row in hits if plain_session(self.table[session].iloc[row]) == scan.session] or hits
            rows.append(hits)
            self.used.update(hits)
        return rows

    def subject_of(self, scan: ScanId) -> str:
        """The subject that a scan's name speaks of, written like the table's subjects."""
        pattern = self.scheme.subject_pattern
        hit = re.search(pattern, scan.subject or scan.scan) if pattern else None
        return person(hit[1] if hit else scan.subject or scan.scan)

    def unused(self) -> list[str]:
        """Ids of the rows that no scan matched."""
        key = self.scan_key or self.subject_key
        other = self.subject_key or key
        assert key is not None
        assert other is not None
        ids = [self.table[other if is_missing(cell) else key].iloc[row] for row, cell in enumerate(self.table[key])]
        return [name for row, name in enumerate(ids) if row not in self.used]

    def agree(self, rows: Sequence[int]) -> bool:
        """Whether several rows about one scan say the same in every column that is used."""
        names = [*self.columns.values(), *([self.subject_key] if self.subject_key else [])]
        return len(self.table.iloc[list(rows)][names].drop_duplicates()) <= 1

    def values(
        self, scans: Sequence[ScanId], rows: Sequence[int], codes: Mapping[str, Mapping[str, str]]
    ) -> list[dict[str, Any]]:
        """The cohort values of scans, each with its row of the table.

        Raises `BadData` that names the column and the cells which it cannot read, and `BadOption` for
        codes of a column that the cohort does not have, or with a value that the data set does not have.
        """
        strange = [name for name in codes if name not in self.columns]
        if strange:
            raise BadOption(
                f"--code {strange[0]}: the cohort has no such column; it has: {', '.join(self.columns)}",
                f"use one of these names, or add  --column {strange[0]}=COLUMN",
            )
        known = merged_codes(self.scheme.codes, codes)
        columns = {
            name: convert(
                name, self._cells(column, scans, rows), known.get(name), f"{self.path.name}: column {column!r}"
            )
            for name, column in self.columns.items()
        }
        subjects = [self._subject(scan, row) for scan, row in zip(scans, rows, strict=True)]
        return [
            {"subject": subject, **{name: cells[k] for name, cells in columns.items()}}
            for k, subject in enumerate(subjects)
        ]

    def _cells(self, column: str, scans: Sequence[ScanId], rows: Sequence[int]) -> list[str]:
        """Cells of one column for these scans, what stands beside a scan first."""
        return [
            scan.extra.get(column, cell) for scan, cell in zip(scans, self.table[column].iloc[list(rows)], strict=True)
        ]

    def _subject(self, scan: ScanId, row: int) -> str:
        """The table's name of a person, else the file's."""
        cell = self.table[self.subject_key].iloc[row] if self.subject_key else ""
        return person(cell) if not is_missing(cell) else self.subject_of(scan)


def merged_codes(
    own: Mapping[str, Mapping[str, str]], given: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """A data set's codes with a person's added, by cohort column.

    Raises `BadOption` where a column's values are fixed and a code stands for another.
    """
    for name, codes in given.items():
        values = sorted(set(own.get(name, {}).values()))
        for code, value in codes.items():
            if values and value not in values and not is_missing(value):
                raise BadOption(
                    f"--code {name}:{code}={value}: {value!r} is no value of {name!r}",
                    f"values are: {', '.join(values)}, n/a",
                )
    return {name: {**own.get(name, {}), **given.get(name, {})} for name in {**own, **given}}


def convert(name: str, cells: list[str], codes: Mapping[str, str] | None, where: str) -> list[Any]:
    """Cells of one column as cohort values: numbers, text, or coded labels; unknown -> NaN, "" or None."""
    if codes and name not in NUMBERS:
        return _coded(name, cells, codes, where)
    if name in TEXTS:
        cleaned = ["" if is_missing(cell) else cell for cell in cells]
        return [plain_session(cell) for cell in cleaned] if name == "session" else cleaned
    cells = [(codes or {}).get(cell, cell) for cell in cells]
    numbers = [_number(cell) for cell in cells]
    bad = {cell for cell, number in zip(cells, numbers, strict=True) if number is None}
    if not bad:
        return numbers
    if name in NUMBERS:
        raise BadData(
            f"{where}: {_some(sorted(bad))} cannot be read as a number",
            f"say what a cell stands for:  --code '{name}:{min(bad)}=NUMBER'",
        )
    return [None if is_missing(cell) else cell for cell in cells]


def _coded(name: str, cells: list[str], codes: Mapping[str, str], where: str) -> list[Any]:
    lower = {code.lower(): value for code, value in codes.items()}
    unknown = sorted({cell for cell in cells if not is_missing(cell) and _code(cell) not in lower})
    if unknown:
        listed = ",".join(f"{cell}=VALUE" for cell in unknown[:SHOWN])
        known = ", ".join(sorted({value for value in codes.values() if not is_missing(value)}))
        raise BadData(
            f"{where}: unknown codes {_some(unknown)}; known are {_some(sorted(codes))}",
            f"say what they stand for:  --code '{name}:{listed}'   (VALUE such as {known}; n/a for not known)",
        )
    empty = "" if name in TEXTS else None
    values = [empty if is_missing(cell) else lower[_code(cell)] for cell in cells]
    return [empty if value is not None and is_missing(value) else value for value in values]


def _code(cell: str) -> str:
    """A code as it is looked up: ``1.0`` (written by a spreadsheet) counts as ``1``."""
    return cell.lower().removesuffix(".0")


def _number(cell: str) -> float | None:
    if is_missing(cell):
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def plain(name: str) -> str:
    """An id without ``sub-`` and blanks."""
    return name.strip().removeprefix("sub-")


def plain_session(name: str) -> str:
    """A session label without ``ses-``; empty where it is not known."""
    return "" if is_missing(name) else name.strip().removeprefix("ses-")


def person(name: str) -> str:
    """A subject's id without ``sub-``, and, where it is a number, without leading zeros."""
    short = plain(name)
    return short.lstrip("0") or "0" if short.isdecimal() else short


def _index(table: pd.DataFrame, key: str | None, form: Any) -> dict[str, list[int]]:
    """Id -> rows."""
    index: dict[str, list[int]] = {}
    if key is not None:
        for row, cell in enumerate(table[key]):
            if not is_missing(cell):
                index.setdefault(form(cell), []).append(row)
    return index


def _some(names: Any, shown: int = SHOWN) -> str:
    """The first few names of a list."""
    names = [str(name) for name in names]
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def find_participants(folder: Path, scheme: Scheme) -> Path | None:
    """The table in a folder that holds the most of the scheme's columns; None where none has any."""
    best: tuple[int, Path] | None = None
    for path in sorted([*folder.glob("*.tsv"), *folder.glob("*.csv")]):
        try:
            header = read_columns(path)
        except (OSError, csv.Error):
            continue
        if not (find_column(header, scheme.scan_keys) or find_column(header, scheme.subject_keys)):
            continue
        score = sum(find_column(header, names) is not None for names in scheme.columns.values())
        score += 100 * (path.name == "participants.tsv")
        if score and (best is None or score > best[0]):
            best = (score, path)
    return best[1] if best else None
