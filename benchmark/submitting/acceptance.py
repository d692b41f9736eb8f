"""What the board's keeper accepted: read for the board, and nothing else of a submission's folder is believed.

``accepted.json`` names the records with the hash of the file that `verify` wrote. A record that is not named, or whose
file is another, is not on the board.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from ..errors import StoreError
from ..record import Record, Strict
from ..store import read_record
from .layout import ACCEPTED, LONGEST_NAME, MEBIBYTE, NAME, RECORDS, Row

SCHEMA_VERSION = 1


class Kept(Strict):
    """An accepted record: the sort of row it is, the hash of its file, and how it was checked, in a sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: Row
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    checked: str = Field(max_length=1000)


class Acceptance(Strict):
    """What was accepted of a submission.

    Attributes
    ----------
    name, method, licence
        As in its manifest.
    open_licence
        Whether the licence is one of the open ones that are known here.
    accepted, harness
        ISO date, and the version of brainbench that verified it.
    manifest
        SHA-256 of the ``submission.json`` that was offered.
    records
        Id -> `Kept`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str = Field(max_length=LONGEST_NAME)
    method: str = Field(max_length=LONGEST_NAME)
    licence: str = Field(max_length=200)
    open_licence: bool
    accepted: str = Field(max_length=40)
    harness: str = Field(max_length=40)
    manifest: str
    records: dict[str, Kept]


def accepted(folder: Path) -> Iterator[tuple[Record, Path, Acceptance]]:
    """The accepted records of all submissions in a folder, each with its own folder and what was accepted.

    What cannot be read, is not named by ``accepted.json`` or was edited since is left out: see `damaged`.
    """
    for place in places(folder):
        try:
            acceptance = read_acceptance(place)
        except StoreError:
            continue
        for name in acceptance.records:
            try:
                yield read_kept(place, name, acceptance), place / RECORDS / name, acceptance
            except StoreError:
                continue


def damaged(folder: Path) -> Iterator[str]:
    """What of the accepted submissions in a folder is not shown, and why."""
    for place in places(folder):
        try:
            acceptance = read_acceptance(place)
        except StoreError as error:
            yield error.message
            continue
        for name in acceptance.records:
            if withdrawn(place / RECORDS / name):
                continue
            try:
                read_kept(place, name, acceptance)
            except StoreError as error:
                yield error.message


def places(folder: Path) -> list[Path]:
    """The folders of accepted submissions, in order of their names."""
    return sorted(file.parent for file in folder.glob(f"*/{ACCEPTED}") if NAME.fullmatch(file.parent.name))


def withdrawn(folder: Path) -> bool:
    """Whether a record was taken back: its folder then holds a tombstone and no record."""
    return (folder / "tombstone.json").is_file() and not (folder / "record.json").exists()


def read_acceptance(place: Path) -> Acceptance:
    """What was accepted of one submission. Raises `StoreError` where the file is damaged or another's."""
    path = place / ACCEPTED
    try:
        if path.stat().st_size > 8 * MEBIBYTE:
            raise StoreError(f"{path}: larger than any list of accepted records")
        found = Acceptance.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{path}: not a list of accepted records ({reason})", "verify the submission again") from None
    if found.schema_version != SCHEMA_VERSION or found.name != place.name:
        raise StoreError(
            f"{path}: of another submission or version ({found.name!r}, {found.schema_version})",
            "verify the submission again",
        )
    return found


def read_kept(place: Path, name: str, acceptance: Acceptance) -> Record:
    """An accepted record. Raises `StoreError` where its file is not the one that was accepted."""
    if not NAME.fullmatch(name):
        raise StoreError(f"{place / ACCEPTED}: {name!r} is no record's name")
    path = place / RECORDS / name / "record.json"
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise StoreError(f"{path}: not there", "verify the submission again") from None
    kept = acceptance.records[name]
    if content != kept.sha256:
        raise StoreError(f"{path}: edited: it is not the file that was accepted", "verify the submission again")
    record = read_record(path)
    if (record.id, record.row) != (name, kept.row):
        raise StoreError(f"{path}: not the {kept.row} record {name!r} that was accepted", "verify the submission again")
    return record
