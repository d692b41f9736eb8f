"""Any folder of series files (.npz, .npy, .1D, .tsv, .csv, .txt) and a participants table.

The scan's id is the file's name without its ending; a table with a column ``file`` names the files
itself.
"""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from .bids_names import scan_of
from .from_npz import BROKEN, SERIES_KEYS, Header, read_header, read_member, read_values, readable, reason
from .layout import Layout, Options, Source, inside, numbered
from .participants import ScanId, find_participants
from .rules import LeftOut
from .scheme import OWN
from .tables import find_column, is_missing, read_columns, read_table
from .text import SUFFIXES, read_text, read_text_header

ARRAYS = (".npy", ".npz")
FILE_COLUMNS = ("file", "path", "filename")


def recognise(folder: Path, options: Options) -> str | None:
    """Why a folder is of this format; None where it is not."""
    files = _files(folder, _tables(folder, options))
    return f"{len(files)} files of series, such as {files[0].name}" if files else None


def find(folder: Path, options: Options) -> Layout:
    """All series files of a folder, or those that the participants table lists."""
    folder = folder.resolve()
    tables = _tables(folder, options)
    layout = Layout([], participants=tables[0] if tables else None)
    listed = listed_files(folder, tables[0], options) if tables else []
    unnamed = [(ScanId(path.stem), path) for path in _files(folder, tables)]
    for scan, path in listed or unnamed:
        _add(layout, folder, scan, path)
    return layout


def _tables(folder: Path, options: Options) -> list[Path]:
    """The participants table, and those that are joined to it."""
    table = options.participants or find_participants(folder, OWN)
    return [table, *options.more_tables] if table else []


def _files(folder: Path, tables: list[Path]) -> list[Path]:
    """Series files of a folder; tables of people and of ROIs are none."""
    skip = {folder / "roi_to_yeo.csv", folder / "participants.tsv", *(table.resolve() for table in tables)}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (*SUFFIXES, *ARRAYS)
        and not {path, path.resolve()} & skip
        and path.is_file()
        and not path.name.lower().startswith(("readme", "license"))
    ]


def listed_files(folder: Path, table: Path, options: Options) -> list[tuple[ScanId, Path]]:
    """Scans and files that a table lists in a column ``file``; empty where it has none.

    Raises `BadData` for a path that leads out of the folder.
    """
    wanted = options.columns.get("file")
    if not table.is_file() or find_column(read_columns(table), (wanted,) if wanted else FILE_COLUMNS) is None:
        return []
    rows = read_table(table)
    column = find_column(rows, (wanted,) if wanted else FILE_COLUMNS)
    assert column is not None
    key = find_column(rows, (options.columns.get("scan", "scan"), "scan_id", "file_id"))
    subject = find_column(rows, (options.columns.get("subject", "subject"), "participant_id", "subject_id", "sub_id"))
    found = []
    for row in rows.to_dict("records"):
        if is_missing(row[column]):
            continue
        path = inside(folder, row[column], f"{table.name}: column {column!r}")
        name = row[key] if key and not is_missing(row[key]) else path.name.partition(".")[0]
        found.append((ScanId(name, row[subject] if subject else ""), path))
    return found


def _add(layout: Layout, folder: Path, scan: ScanId, path: Path) -> None:
    """Add one file, looking at its beginning only."""
    name = str(path.relative_to(folder))
    scan = scan_of(scan.scan, path.name, scan.subject)
    try:
        if path.suffix in ARRAYS:
            header, read = array_file(path)
            layout.sources.append(Source(scan, name, numbered(header.rois), header.precision, read))
            layout.labelled = False
        else:
            text = read_text_header(path)
            layout.sources.append(Source(scan, name, text.labels, "float32", partial(read_text, path)))
            layout.labelled &= text.labelled
    except LeftOut as why:
        layout.left_out[name] = str(why)
    except BROKEN as error:
        layout.left_out[name] = f"cannot be read: {reason(error)}"


def array_file(path: Path) -> tuple[Header, partial[np.ndarray]]:
    """Header and reader of a .npy file, or of the one series in a .npz file. Raises `LeftOut` or one of `BROKEN`."""
    if path.suffix == ".npy":
        with open(path, "rb") as stream:
            return read_header(stream, path.stat().st_size), partial(_read_npy, path)
    with zipfile.ZipFile(path) as archive:
        member = _series_member(archive.namelist())
        with archive.open(member) as stream:
            return read_header(stream, archive.getinfo(member).file_size), partial(read_member, path, member)


def _series_member(names: list[str]) -> str:
    """The only member, or the one with a usual name. Raises `LeftOut`."""
    if len(names) == 1:
        return names[0]
    usual = [name for key in SERIES_KEYS for name in names if name.removesuffix(".npy") == key]
    if not usual:
        raise LeftOut(f"holds {len(names)} arrays ({', '.join(names[:4])}), none called {SERIES_KEYS[0]}")
    return usual[0]


def _read_npy(path: Path) -> np.ndarray:
    with readable(), open(path, "rb") as stream:
        return read_values(stream, path.stat().st_size)
