"""Taking back a record, or a person: what is left is a tombstone that says so, not a hole."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from .errors import StoreError
from .record import Record

TOMBSTONE = "tombstone.json"
SCHEMA_VERSION = 1
LONGEST = 500


class Tombstone(BaseModel):
    """What stands in the place of a withdrawn record. It holds no score, no prediction and nobody's id.

    Attributes
    ----------
    id, task, version, method, data, origin, fingerprint, split, row
        As the record had them; ``split`` is the hash of its manifest.
    withdrawn
        Day, as YYYY-MM-DD.
    what
        What was asked to be withdrawn: this record, or a subject on whom it rests.
    reason
        In words; "" where none was given.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    id: str = Field(max_length=LONGEST)
    task: str = Field(max_length=LONGEST)
    version: int
    method: str = Field(max_length=LONGEST)
    data: str = Field(max_length=LONGEST)
    origin: str = Field(max_length=LONGEST)
    fingerprint: str
    split: str
    row: str
    withdrawn: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    what: str = Field(pattern=r"^(record|subject)$")
    reason: str = Field(default="", max_length=LONGEST)


def tombstone_of(record: Record, what: str, reason: str, day: str) -> Tombstone:
    """The tombstone of a record."""
    return Tombstone(
        id=record.id,
        task=record.task.name,
        version=record.task.version,
        method=record.method.name,
        data=record.data.name,
        origin=record.data.origin,
        fingerprint=record.data.fingerprint,
        split=record.split.hash,
        row=record.row,
        withdrawn=day,
        what=what,
        reason=reason,
    )


def read_tombstone(folder: Path) -> Tombstone | None:
    """The tombstone of a record's folder, or None where there is none. Raises `StoreError` for a damaged one."""
    path = folder / TOMBSTONE
    if not path.is_file():
        return None
    try:
        return Tombstone.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path}: not a tombstone ({str(error).splitlines()[0]})", "withdraw the record again"
        ) from None


def tombstones(place: Path) -> list[Tombstone]:
    """The tombstones of a store, or of a folder of submissions, by id; a damaged one is left out."""
    found = {}
    for path in sorted([*place.glob(f"records/*/{TOMBSTONE}"), *place.glob(f"*/records/*/{TOMBSTONE}")]):
        try:
            stone = read_tombstone(path.parent)
        except StoreError:
            continue
        if stone is not None:
            found.setdefault(stone.id, stone)
    return [found[name] for name in sorted(found)]
