"""Joining scans with the rows of a participants table."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadData, BadOption
from .cells import check_limits, code_of, convert, merged_codes, person, plain, plain_session, some
from .merge import read_joined
from .scheme import LIMITS, Scheme
from .tables import find_column, is_missing, read_columns

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("scan", "subject", "file")
"""Names that say where ids and files stand; they are no columns of the cohort by themselves."""

QUALITY = "qc"
"""The column that says which scans passed quality control; it decides what is left out and is no label."""

MONTHS_A_YEAR = 12


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


def session_of(scan: ScanId, scheme: Scheme) -> str:
    """The session label that a scan's name tells; empty where it tells none."""
    if scan.session or not scheme.session_pattern:
        return scan.session
    hit = re.search(scheme.session_pattern, scan.scan)
    return "_".join(hit.groups()).upper() if hit else ""


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
    scan_key, subject_key
        The columns with ids.
    quality
        The column that says which scans passed quality control.
    used
        Rows that a scan matched.
    notes
        What a person should know of how the table was read.
    """

    path: Path
    table: pd.DataFrame
    scheme: Scheme
    columns: dict[str, str]
    scan_key: str | None = None
    subject_key: str | None = None
    quality: str | None = None
    used: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(
        cls,
        path: Path,
        scheme: Scheme,
        columns: Mapping[str, str],
        extra: Iterable[str] = (),
        more: Sequence[Path] = (),
    ) -> Participants:
        """Read a table; ``columns`` (cohort column -> table column) come before the scheme's.

        ``extra`` are columns that `ScanId.extra` may hold beside the table's; ``more`` are further tables
        about the same people.

        Raises `BadData`, listing the columns there are, where one that was named is missing.
        """
        table = read_joined((path, *more), scheme, columns)
        table, notes = scheme.prepare(table) if scheme.prepare else (table, [])
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
                    f"{path.name}: no column {' or '.join(wanted[:4])} for {name!r}; it has: {some(table.columns, 40)}",
                    f"say which column it is:  --column {name}=COLUMN   or name the right table:  --participants FILE",
                )
        scan_keys = (columns["scan"],) if "scan" in columns else scheme.scan_keys
        subject_keys = (columns["subject"],) if "subject" in columns else scheme.subject_keys
        result = cls(
            path,
            table,
            scheme,
            {k: v for k, v in found.items() if k not in (*KEYS, QUALITY)},
            find_column(table, scan_keys),
            find_column(table, subject_keys),
            found.get(QUALITY),
            notes=[*notes, *(text for name, text in scheme.advised.items() if name not in found)],
        )
        if result.scan_key is None and result.subject_key is None:
            raise BadData(
                f"{path.name}: no column with ids; it has: {some(table.columns, 40)}",
                "say which column holds the subject's id:  --column subject=COLUMN",
            )
        return result

    def match(self, scans: Sequence[ScanId]) -> list[list[int]]:
        """For each scan the rows of the table that are about it: by scan id, else by subject."""
        by_scan, by_subject = _index(self.table, self.scan_key, plain), self._by_subject
        visit = self._visits(scans)
        rows = []
        for scan in scans:
            hits = visit(scan, by_scan.get(plain(scan.scan)) or by_subject.get(self.subject_of(scan)) or [])
            rows.append(hits)
            self.used.update(hits)
        return rows

    @cached_property
    def _by_subject(self) -> dict[str, list[int]]:
        """Subject -> rows."""
        return _index(self.table, self.subject_key, person)

    def _visits(self, scans: Sequence[ScanId]) -> Callable[[ScanId, list[int]], list[int]]:
        """Chooses, among the rows of a subject, those of a scan's session."""
        column, compare = self.columns.get("session"), self.scheme.sessions
        labels = [session_of(scan, self.scheme) for scan in scans]
        if column is None:
            return lambda scan, hits: hits
        of_rows = [plain_session(cell) for cell in self.table[column]]
        if compare is None:

            def same(scan: ScanId, hits: list[int]) -> list[int]:
                label = session_of(scan, self.scheme)
                chosen = [row for row in hits if of_rows[row] == label] if label and len(hits) > 1 else []
                return chosen or hits

            return same
        in_table, in_files = compare(set(of_rows)), compare({label for label in labels if label})
        unnamed = sum(not label for label in labels)
        if unnamed and len(set(of_rows)) > 1:
            self.notes.append(
                f"{unnamed} scans name no session: taken for {self.scheme.first_session!r} where {self.path.name} "
                "has several rows of a subject"
            )

        def strict(scan: ScanId, hits: list[int]) -> list[int]:
            label = session_of(scan, self.scheme)
            if not label and len(hits) <= 1:
                return hits
            wanted = in_files[label] if label else self.scheme.first_session
            return [row for row in hits if in_table[of_rows[row]] == wanted]

        return strict

    def why_none(self, scan: ScanId) -> str:
        """Why `match` found no row of a scan."""
        label, column = session_of(scan, self.scheme), self.columns.get("session")
        own = self._by_subject.get(self.subject_of(scan))
        if column and self.scheme.sessions and own:
            have = some(dict.fromkeys(self.table[column].iloc[own]))
            return f"no row of session {label or self.scheme.first_session!r} in {self.path.name}; it has: {have}"
        return f"no row in {self.path.name}"

    def excluded(self, row: int, codes: Mapping[str, Mapping[str, str]]) -> str:
        """Why the data set's rules leave a row's scan out, unless a person's code says what its cell means; or ""."""
        for name, reasons in self.scheme.left_out.items():
            column = self.quality if name == QUALITY else self.columns.get(name)
            cell = code_of(self.table[column].iloc[row]) if column else ""
            if cell in reasons and cell not in codes.get(name, {}):
                return f"{reasons[cell]}: column {column!r} is {cell}"
        return ""

    def subject_of(self, scan: ScanId) -> str:
        """The subject that a scan's name speaks of, written like the table's subjects."""
        pattern = self.scheme.subject_pattern
        hit = re.search(pattern, scan.subject or scan.scan) if pattern else None
        return person("".join(hit.groups()) if hit else scan.subject or scan.scan)

    def unused(self) -> list[str]:
        """Ids of the rows that no scan matched, with the session where the table has a row a visit."""
        key = self.scan_key or self.subject_key
        other = self.subject_key or key
        assert key is not None
        assert other is not None
        ids = [
            mine if not is_missing(mine) else its for mine, its in zip(self.table[key], self.table[other], strict=True)
        ]
        session = self.columns.get("session") if self.scheme.sessions else None
        if session:
            ids = [f"{name} (session {visit})" for name, visit in zip(ids, self.table[session], strict=True)]
        return [name for row, name in enumerate(ids) if row not in self.used]

    def agree(self, rows: Sequence[int]) -> bool:
        """Whether several rows about one scan say the same in every column that is used."""
        if len(rows) < 2:
            return True
        names = [*self.columns.values(), *(name for name in (self.subject_key, self.quality) if name)]
        return len(self.table.iloc[list(rows)][names].drop_duplicates()) <= 1

    def values(
        self, scans: Sequence[ScanId], rows: Sequence[int], codes: Mapping[str, Mapping[str, str]]
    ) -> list[dict[str, Any]]:
        """The cohort values of scans, each with its row of the table.

        Raises `BadData` that names the column and the cells which it cannot read, and `BadOption` for
        codes of a column that the cohort does not have, or with a value that the data set does not have.
        """
        strange = [name for name in codes if name not in self.columns and not (name == QUALITY and self.quality)]
        if strange:
            raise BadOption(
                f"--code {strange[0]}: the cohort has no such column; it has: {', '.join(self.columns)}",
                f"use one of these names, or add  --column {strange[0]}=COLUMN",
            )
        known = merged_codes(self.scheme.codes, codes)
        columns = {
            name: self._values(name, column, self._cells(column, scans, rows), known.get(name))
            for name, column in self.columns.items()
        }
        subjects = [self._subject(scan, row) for scan, row in zip(scans, rows, strict=True)]
        return [
            {"subject": subject, **{name: cells[k] for name, cells in columns.items()}}
            for k, subject in enumerate(subjects)
        ]

    def _values(self, name: str, column: str, cells: list[str], codes: Mapping[str, str] | None) -> list[Any]:
        """One column of the cohort, in its unit and within its limits."""
        where = f"{self.path.name}: column {column!r}"
        values = convert(name, cells, codes, where)
        if name == "age" and column.lower() in self.scheme.months:
            values = [months / MONTHS_A_YEAR for months in values]
            self.notes.append(f"age in years from the months of column {column!r}")
        limits = {**LIMITS, **self.scheme.limits}.get(name)
        if limits:
            check_limits(name, values, limits, where)
        return values

    def _cells(self, column: str, scans: Sequence[ScanId], rows: Sequence[int]) -> list[str]:
        """Cells of one column for these scans, what stands beside a scan first."""
        return [
            scan.extra.get(column, cell) for scan, cell in zip(scans, self.table[column].iloc[list(rows)], strict=True)
        ]

    def _subject(self, scan: ScanId, row: int) -> str:
        """The table's name of a person, else the file's."""
        cell = self.table[self.subject_key].iloc[row] if self.subject_key else ""
        return person(cell) if not is_missing(cell) else self.subject_of(scan)


def _index(table: pd.DataFrame, key: str | None, form: Callable[[str], str]) -> dict[str, list[int]]:
    """Id -> rows."""
    index: dict[str, list[int]] = {}
    if key is not None:
        for row, cell in enumerate(table[key]):
            if not is_missing(cell):
                index.setdefault(form(cell), []).append(row)
    return index


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
