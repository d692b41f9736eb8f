"""Reading a submission: its files as they say they are, and every reason why they are not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import BrainbenchError, StoreError
from ..files import digest_file
from ..migrations import is_read, migrated, unreadable
from ..record import Record
from ..registry import entries, find, load_metric, load_task
from ..store import SEAL, Finished, cell_folder, read_cell
from . import layout, licences
from .archive import few, shown
from .layout import CARD, CHECKSUMS, MANIFEST, NAME, RECORDS, Entry, Manifest
from .text import Unreadable, check, read_json, values, wrong_name

Parsed = TypeVar("Parsed", bound=BaseModel)

SOURCES = re.compile(r"real|references|simulated(:(small|full))?")
"""Sources of data that a board knows: a twin of any other size is one for a test."""

MOST_VALUES = 20_000_000
"""Values of all JSON files together: what is read of them stays in memory until the last is judged."""

LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
BUILT_IN = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
"""Names of the project's own methods. Anything else would be a file or a module of whoever runs it again."""
LARGEST_ARGUMENT = 100
"""The largest number that a regime may ask for, such as of repeats."""


class CardPart(BaseModel):
    """A method's card, with bounds."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=200)
    summary: str = Field(max_length=2000)
    paper: str = Field(default="", max_length=1000)
    licence: str = Field(default="", max_length=200)
    pretraining: tuple[str, ...] = Field(default=(), max_length=200)
    uses_covariates: tuple[str, ...] = Field(default=(), max_length=100)
    parameters: str = Field(default="", max_length=1000)
    notes: str = Field(default="", max_length=4000)


@dataclass
class Offered:
    """One record of a submission.

    Attributes
    ----------
    name, entry, folder
        Its id, what the manifest says of it, and where it lies.
    record, cells
        What was read; None and empty where that failed.
    reasons
        Why it cannot be taken.
    """

    name: str
    entry: Entry
    folder: Path
    record: Record | None = None
    cells: dict[tuple[str, int], Finished] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


@dataclass
class Offer:
    """A submission as it was read: ``manifest`` is None where there is none; reasons concern all of it."""

    folder: Path
    manifest: Manifest | None = None
    card: dict[str, Any] = field(default_factory=dict)
    records: list[Offered] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_offer(folder: Path) -> Offer:
    """Read a received folder. What is wrong is told in ``reasons``; nothing is raised, imported or run."""
    offer = Offer(folder)
    if values_in(folder) > MOST_VALUES:
        offer.reasons.append(f"more than {MOST_VALUES:,} values in its JSON files")
        return offer
    offer.reasons += wrong_checksums(folder)
    try:
        offer.manifest = parsed(folder / MANIFEST, Manifest)
        offer.card = parsed(folder / CARD, CardPart).model_dump(mode="json")
    except Unreadable as error:
        offer.reasons.append(str(error))
    if offer.manifest is None:
        return offer
    manifest = offer.manifest
    offer.reasons += wrong_manifest(manifest, folder)
    if not (licences.wrong(manifest.licence) or licences.is_open(manifest.licence)):
        offer.notes.append(f"the licence {manifest.licence} is none of the open ones that are known here")
    for name, entry in manifest.records.items():
        offered = Offered(name, entry, folder / RECORDS / name)
        if NAME.fullmatch(name):
            read_offered(offered, manifest)
        else:
            offered.reasons.append("its id is no plain name")
        offer.records.append(offered)
    return offer


def values_in(folder: Path) -> int:
    """At most how many values the JSON files of a folder hold together."""
    return sum(values(file.read_bytes()) for file in folder.rglob("*.json") if file.is_file())


def parsed(path: Path, model: type[Parsed]) -> Parsed:
    """A JSON file as a model. Raises `Unreadable` with what is wrong, and where."""
    try:
        return model.model_validate(read_json(path))
    except Unreadable as error:
        raise Unreadable(f"{path.name}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{path.name}: {shown(where)}: {shown(first['msg'])}") from None


def wrong_checksums(folder: Path) -> list[str]:
    """Files that ``checksums.sha256`` does not list, lists without their being there, or lists with another hash."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return [f"no {CHECKSUMS}"]
    told: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        hit = LINE.fullmatch(line)
        if hit is None or hit[2] in told:
            return [f"{CHECKSUMS}: {shown(line)!r} is no line of a hash and a path, or is there twice"]
        told[hit[2]] = hit[1]
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} - {CHECKSUMS}
    lacking = [f"{shown(name)}: listed in {CHECKSUMS}, but not there" for name in sorted(told.keys() - there)]
    unlisted = [f"{shown(name)}: not listed in {CHECKSUMS}" for name in sorted(there - told.keys())]
    both = sorted(there & told.keys())
    other = [
        f"{name}: not the file that {CHECKSUMS} lists" for name in both if digest_file(folder / name) != told[name]
    ]
    return few(lacking) + few(unlisted) + few(other)


def wrong_manifest(manifest: Manifest, folder: Path) -> Iterator[str]:
    """What is wrong with the manifest itself."""
    if manifest.schema_version != layout.SCHEMA_VERSION:
        yield f"{MANIFEST}: schema {manifest.schema_version}; this version reads {layout.SCHEMA_VERSION}"
    if not NAME.fullmatch(manifest.name) or layout.RESERVED.fullmatch(manifest.name):
        yield f"{MANIFEST}: the name {shown(manifest.name)!r} is no plain name (letters, digits, _, - and . only)"
    if wrong := wrong_name(manifest.method):
        yield f"{MANIFEST}: the method's name {wrong}"
    elif manifest.source != manifest.method and is_ours(manifest.method):
        yield f"{MANIFEST}: the name {shown(manifest.method)} is that of another method; choose one of your own"
    if wrong := licences.wrong(manifest.licence):
        yield f"{MANIFEST}: the licence {wrong}"
    if not known_date(manifest.created):
        yield f"{MANIFEST}: created {shown(manifest.created)!r} is no date, or one to come"
    if manifest.source.startswith(f"{layout.METHOD}/"):
        file, _, name = manifest.source.rpartition(":")
        if layout.wrong_path(file) or not (folder / file).is_file() or not name.isidentifier():
            yield f"{MANIFEST}: the source {shown(manifest.source)!r} is not in the folder"
    elif manifest.source and not BUILT_IN.fullmatch(manifest.source):
        yield f"{MANIFEST}: the source {shown(manifest.source)!r} is no method of the project, and not in the folder"
    there = {path.name for path in (folder / RECORDS).iterdir()} if (folder / RECORDS).is_dir() else set()
    if extra := sorted(there - manifest.records.keys()):
        yield f"{MANIFEST}: does not name the record {shown(extra[0])}" + (
            f" and {len(extra) - 1} more" if extra[1:] else ""
        )


def is_ours(method: str) -> bool:
    """Whether a name is that of one of the project's own methods."""
    known = entries("methods").get(method)
    return known is not None and known.origin == "built-in"


def known_date(text: str) -> bool:
    """Whether a text is an ISO date and time, and not one of the future."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return False
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when < datetime.now(UTC) + timedelta(days=1)


def read_offered(offered: Offered, manifest: Manifest) -> None:
    """Read a record and its cells, and note what is wrong with them by themselves."""
    try:
        record = read_whole(offered)
    except Unreadable as error:
        offered.reasons.append(str(error))
        return
    offered.record = record
    offered.reasons += [*wrong_record(record, offered, manifest)]
    if not offered.reasons:
        offered.reasons += [*wrong_task(record)]
    if not offered.reasons and offered.entry.row == "rescored":
        offered.reasons += read_cells(record, offered)


def read_whole(offered: Offered) -> Record:
    """The record of a folder, with its seal. Raises `Unreadable`."""
    path = offered.folder / "record.json"
    if not path.is_file():
        raise Unreadable("there is no record.json")
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    if content != offered.entry.sha256:
        raise Unreadable(f"record.json is not the file that {MANIFEST} names")
    seal = offered.folder / SEAL
    if not seal.is_file() or seal.read_text(errors="replace").strip() != content:
        raise Unreadable("record.json was edited: it is not the file that was written")
    tree = read_json(path)
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if not is_read(version):
        raise Unreadable(f"record.json: {unreadable(shown(str(version)))}")
    try:
        record = Record.model_validate(migrated(tree))
        CardPart.model_validate(record.card)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"record.json: {shown(where)}: {shown(first['msg'])}") from None
    except ValueError as error:
        raise Unreadable(f"record.json: {shown(str(error))}") from None
    return record


def wrong_record(record: Record, offered: Offered, manifest: Manifest) -> Iterator[str]:
    """What is wrong with a record by itself."""
    if record.id != offered.name:
        yield f"the record says that it is {shown(record.id)}"
    if record.task.name != offered.entry.task:
        yield f"the record is of the task {shown(record.task.name)}, the manifest says {shown(offered.entry.task)}"
    if wrong := wrong_name(record.method.name):
        yield f"the method's name {wrong}"
    elif record.method.name.partition("+")[0] != manifest.method:
        yield f"the record is of the method {shown(record.method.name)}, the manifest says {shown(manifest.method)}"
    if record.method.preset and (wrong := wrong_name(record.method.preset)):
        yield f"the preset {wrong}"
    if record.row not in ("reproduced", "rescored", "reported"):
        yield f"the row {shown(record.row)!r} is none that a board knows"
    if record.status != "ok" or any(part.status != "ok" for part in record.cells):
        yield f"the run is not complete: {shown(record.status)}, {shown(record.reason)}"
    if not SOURCES.fullmatch(record.data.source):
        yield f"data {shown(record.data.source)!r}: a board holds real data, references, and small and full twins"
    if record.seeds != tuple(range(len(record.seeds))) or not record.seeds:
        yield f"the seeds are {shown(str(record.seeds))}, not 0, 1, 2 ..."
    if not known_date(record.environment.created):
        yield f"created {shown(record.environment.created)!r} is no date, or one to come"
    if any(not 0 <= number < 1e9 for cost in record.environment.cells.values()
           for number in (cost.fit_seconds, cost.predict_seconds)):  # fmt: skip
        yield "seconds that no run takes"


def wrong_task(record: Record) -> Iterator[str]:
    """Whether the record's task and metrics are known here in the same version. Files of tasks are never imported."""
    base, _, regime = record.task.name.partition("@")
    argument = regime.partition(":")[2]
    if argument.isdecimal() and int(argument[:9]) > LARGEST_ARGUMENT:
        yield f"the task {shown(record.task.name)} asks for more than {LARGEST_ARGUMENT} of something"
        return
    try:
        names = [find("tasks", base), *(find("metrics", name.partition(":")[0]) for name in record.task.metrics)]
        if record.task.ref != record.task.name or any(entry.origin == "path" for entry in names):
            raise StoreError("a task or metric from a file, which a board does not know")
        task, _ = load_task(record.task.name)
        for name in record.task.metrics:
            load_metric(name)
    except BrainbenchError as error:
        yield f"{shown(record.task.name)}: {shown(error.message)}"
    except Exception as error:  # what a regime makes of an argument that nobody would type
        yield f"{shown(record.task.name)}: no such task ({type(error).__name__})"
    else:
        if task.version != record.task.version:
            yield f"of version {record.task.version} of {task.name}; this is {task.version}: run it again"
        if record.task.metrics[: len(task.metrics)] != task.metrics or set(record.scores) != set(record.task.metrics):
            yield f"its metrics are not those of {task.name}: {', '.join(task.metrics)}"


def read_cells(record: Record, offered: Offered) -> list[str]:
    """Read the cells of a record, and say what is wrong with them."""
    names = {cell_folder(part.fold, part.seed): (part.fold, part.seed) for part in record.cells}
    if len(names) != len(record.cells):
        return ["two of its cells are one"]
    folder = offered.folder / "cells"
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if there != names.keys():
        odd = sorted(there ^ names.keys())
        return [f"its cells are not those of the record, such as {shown(odd[0])}"]
    parts = {(part.fold, part.seed): part for part in record.cells}
    reasons = []
    for name, key in names.items():
        try:
            offered.cells[key] = done = whole_cell(folder / name)
        except Unreadable as error:
            reasons.append(f"{shown(name)}: {error}")
            continue
        cell, part = done.cell, parts[key]
        if (cell.fold, cell.seed) != key or cell.method != record.method or cell.key != part.key:
            reasons.append(f"{shown(name)}: the cell is not that of the record")
        if done.outcome.status != "ok" or done.prediction != part.prediction:
            reasons.append(f"{shown(name)}: the predictions are not those that the record was made from")
        if len(set(done.ids)) != len(done.ids):
            reasons.append(f"{shown(name)}: an id is there twice")
    return few(reasons)


def whole_cell(folder: Path) -> Finished:
    """A cell whose files are plain JSON. Raises `Unreadable`."""
    for name in ("cell.json", "outcome.json", "ids.json"):
        if not (folder / name).is_file():
            raise Unreadable(f"no {name}")
        read_json(folder / name)
    found = read_cell(folder)
    if found is None:
        raise Unreadable("its predictions are not those that were written, or a file is damaged")
    check(list(found.ids))
    return found
