"""Who was withdrawn: a list of salted hashes, so that no later import brings anybody back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ..errors import StoreError
from ..files import write_text
from ..home import home
from ..salt import salt, salted
from .rows import Plan


class Withdrawn(BaseModel):
    """The content of ``withdrawn.json`` in the data folder: hash of data set and subject -> day."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    people: dict[str, str] = {}


def place() -> Path:
    """Where the list lies."""
    return home() / "withdrawn.json"


def scope_of(dataset: str, cohort: str) -> str:
    """Within what a subject's id is one person: the data set, or a cohort of one's own."""
    return f"withdrawn from own:{cohort}" if dataset == "own" else f"withdrawn from {dataset}"


def read_withdrawn() -> Withdrawn:
    """The list. Raises `StoreError` where it is damaged: an import must not go past it."""
    if not place().is_file():
        return Withdrawn()
    try:
        return Withdrawn.model_validate_json(place().read_text())
    except (OSError, ValueError):
        raise StoreError(f"{place()}: not a list of withdrawn people", "bring it back from a copy") from None


def note_withdrawn(dataset: str, cohort: str, subject: str, day: str) -> None:
    """Put a subject on the list."""
    found = read_withdrawn()
    people = {salted(scope_of(dataset, cohort), subject, salt()): day} | found.people
    write_text(place(), json.dumps({"schema_version": found.schema_version, "people": people}, indent=1))


def among(dataset: str, cohort: str, subjects: Iterable[str]) -> set[str]:
    """Those of some subjects who were withdrawn."""
    people = read_withdrawn().people
    if not people:
        return set()
    key, scope = salt(), scope_of(dataset, cohort)
    return {subject for subject in set(subjects) if salted(scope, subject, key) in people}


def leave_withdrawn_out(plan: Plan, dataset: str, cohort: str) -> None:
    """Take withdrawn people out of an import; the plan's notes say how many scans."""
    gone = among(dataset, cohort, (str(row.get("subject", "")) for row in plan.rows))
    if not gone:
        return
    keep = [number for number, row in enumerate(plan.rows) if str(row.get("subject", "")) not in gone]
    plan.notes.append(f"{len(plan.rows) - len(keep)} scans of {len(gone)} withdrawn people are left out")
    plan.sources, plan.rows = [plan.sources[k] for k in keep], [plan.rows[k] for k in keep]
