"""Making a submission: the records of a method, with all that somebody else needs to check them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..errors import BadOption, PrivacyError, StoreError
from ..files import digest_file, whole_folder
from ..privacy import policy_of, write_shielded
from ..record import OWN, Record
from ..recording import id_of
from ..registry import entries
from ..store import SEAL, Finished, Store, cell_folder, read_cell, read_record, read_split, write_cell
from ..system import harness_version
from . import licences
from .archive import Refused
from .layout import CARD, CHECKSUMS, MANIFEST, NAME, README, RECORDS, Entry, Manifest
from .method import Source, source_of
from .offer import SOURCES, read_offer, wrong_task
from .readme import readme
from .text import wrong_name


@dataclass(frozen=True)
class Submission:
    """What was made: the folder, its manifest, and records of the store that stay out, each with the reason."""

    folder: Path
    manifest: Manifest
    left_out: dict[str, str]


def submit(names: Sequence[str], store: Store, folder: Path, licence: str | None = None) -> Submission:
    """Write the submission of a method's newest complete records, or of records by their ids.

    Raises `BadOption` for names that no submission can have, `StoreError` where there is no such record, and
    `Refused` where `verify` would not read what was written.
    """
    name = folder.resolve().name
    if not NAME.fullmatch(name):
        raise BadOption(
            f"--to {folder}: {name!r} cannot be the name of a submission", "letters, digits, _, - and . only"
        )
    if folder.exists():
        raise BadOption(f"{folder} is there already", "choose another folder, or remove it")
    found, left_out = chosen(names, store)
    methods = {record.method.name.partition("+")[0] for record, _ in found}
    if len(methods) > 1:
        raise BadOption(
            f"records of {', '.join(sorted(methods))}: a submission holds one method", "submit each by itself"
        )
    first = found[0][0]
    source = source_of(first.method)
    licence = licences.written(licence or str(first.card.get("licence", "")))
    if wrong := licences.wrong(licence):
        raise BadOption(f"the licence {wrong}", "say under which licence all of it may be used:  --licence Apache-2.0")
    with whole_folder(folder) as new:
        entries, records = {}, []
        for record, place in found:
            try:
                carried, entry = carry(record, place, source, new / RECORDS)
            except PrivacyError as error:
                left_out[record.id] = error.message
                continue
            entries[carried.id] = entry
            records.append(carried)
        if not entries:
            raise PrivacyError(next(iter(left_out.values())), "submit records of other cohorts")
        manifest = Manifest(
            name=name,
            method=methods.pop(),
            source=source.ref,
            licence=licence,
            harness=harness_version(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            records=entries,
        )
        for path, file in source.files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, new / path)
        (new / CARD).write_text(json.dumps(first.card, indent=1))
        (new / README).write_text(readme(manifest, records))
        (new / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        (new / CHECKSUMS).write_text(checksums(new))
        offer = read_offer(new)
        reasons = [*offer.reasons, *(f"{r.name}: {why}" for r in offer.records for why in r.reasons)]
        if reasons:
            raise Refused(reasons, "mend these, or leave the record out:  brainbench submit RECORD ... --to DIR")
    return Submission(folder, manifest, left_out)


def chosen(names: Sequence[str], store: Store) -> tuple[list[tuple[Record, Path]], dict[str, str]]:
    """The records that were asked for with their folders, and those of the method that stay out, with the reason."""
    every = list(store.records())
    if len(names) == 1 and (mine := [record for record in every if record.method.name.partition("+")[0] == names[0]]):
        left_out = {record.id: why for record in mine if (why := unfit(record))}
        fit = [record for record in mine if record.id not in left_out]
        if not fit:
            first = next(iter(left_out.values()))
            raise StoreError(f"no record of {names[0]} in {store.path} can be submitted: {first}", "run it to its end")
        newest = {key(record): record for record in sorted(fit, key=lambda record: record.environment.created)}
        return [store.find(record.id) for record in newest.values()], left_out
    known = sorted({record.method.name for record in every})
    refuse_several(names, {*known, *(name.partition("+")[0] for name in known), *entries("methods")})
    found = {}
    for name in names:
        try:
            record, place = store.find(name)
        except StoreError as error:
            listed = f"methods with records: {', '.join(known[:12]) or 'none'}"
            raise StoreError(error.message, error.hint if "begin with" in error.message else listed) from None
        if why := unfit(record):
            raise StoreError(f"{record.id} cannot be submitted: {why}", "run it to its end, or leave it out")
        found[record.id] = (record, place)
    return list(found.values()), {}


def refuse_several(names: Sequence[str], methods: set[str]) -> None:
    """Raise `BadOption` where several names are asked for and one of them is a method's."""
    mine = [name for name in names if name in methods]
    if mine and len(names) > 1:
        raise BadOption(
            f"{', '.join(names)}: one method a submission, or records by their ids",
            f"submit each by itself:  brainbench submit {mine[0]} --to DIR",
        )


def unfit(record: Record) -> str:
    """Why a record is not for a board; "" where it is."""
    if record.status != "ok":
        return f"it is not complete ({record.status})"
    if record.data.source == OWN:
        return "it was scored against references of your own"
    if record.task.ref != record.task.name:
        return "its task is in a file of yours"
    if not SOURCES.fullmatch(record.data.source):
        return f"a board does not hold twins of this size ({record.data.source})"
    return next(wrong_task(record), wrong_name(record.method.name))


def key(record: Record) -> tuple[object, ...]:
    """What is equal for records of which the newest is taken."""
    method = record.method
    options = json.dumps(method.options, sort_keys=True)
    return record.task.name, record.data.origin, method.name, method.preset, options, method.weights, record.seeds


def carry(record: Record, place: Path, source: Source, to: Path) -> tuple[Record, Entry]:
    """Write what may leave of a record into a submission, without a path or name of this machine.

    Raises `PrivacyError` where nothing may.
    """
    policy = policy_of(record)
    with tempfile.TemporaryDirectory() as scratch:
        write_shielded(place, policy, Path(scratch))
        moved, cells = relocated(read_record(Path(scratch) / "record.json"), Path(scratch), source)
        folder = to / moved.id
        folder.mkdir(parents=True)
        for done in cells:
            into = folder / "cells" / cell_folder(done.cell.fold, done.cell.seed)
            into.mkdir(parents=True)
            write_cell(into, done.cell, done.outcome, done.ids, done.folder / "prediction")
        if cells:
            (folder / "split.json").write_text(read_split(Path(scratch)).model_dump_json())
    content = moved.model_dump_json(indent=1).encode()
    seal = hashlib.sha256(content).hexdigest()
    (folder / "record.json").write_bytes(content)
    (folder / SEAL).write_text(seal)
    row: Literal["rescored", "reported"] = "rescored" if policy == "ids" else "reported"
    return moved, Entry(task=moved.task.name, row=row, leaves=policy, sha256=seal)


def relocated(record: Record, place: Path, source: Source) -> tuple[Record, list[Finished]]:
    """A record and its cells with the method where the submission holds it; keys and ids follow from that.

    Without cells, where aggregates alone leave, the record keeps its id. Raises `StoreError` where a cell is missing
    or edited.
    """
    method = record.method
    if ".py:" in method.ref:
        method = method.model_copy(update={"ref": source.ref})
    if not (place / "cells").is_dir():
        return record.model_copy(update={"method": method}), []
    cells = []
    for part in record.cells:
        done = read_cell(place / "cells" / cell_folder(part.fold, part.seed))
        if done is None:
            raise StoreError(f"{record.id}: predictions of {part.fold} are missing or edited", "run the method again")
        cells.append(done.model_copy(update={"cell": done.cell.model_copy(update={"method": method})}))
    parts = tuple(
        part.model_copy(update={"key": done.cell.key, "prediction": done.prediction})
        for part, done in zip(record.cells, cells, strict=True)
    )
    name = id_of(record.task.name, method.name, [part.key for part in parts])
    return record.model_copy(update={"method": method, "cells": parts, "id": name}), cells


def checksums(folder: Path) -> str:
    """The lines of ``sha256sum`` for every file of a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return "".join(f"{digest_file(file)}  {file.relative_to(folder).as_posix()}\n" for file in files)
