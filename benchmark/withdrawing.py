"""Taking back a record, or a person: what is left is a tombstone that says so, not a hole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from .audit.overlap import SEEN, read_manifest, scan_hash, subject_hash
from .cells import Cell
from .datasets.cohort import Cohort
from .datasets.erase import as_word, erase, mentions, scans_of
from .datasets.withdrawn import among, note_withdrawn
from .errors import BadOption, BrainbenchError, DataMissing, StoreError
from .files import digest_file, whole_folder
from .home import cohorts, home
from .home import weights as weights_home
from .index import record_names
from .plan import Plan, weights_hash
from .record import Record
from .salt import salt, salted
from .store import Ids, Store, read_record, read_split

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
    found: dict[str, Tombstone] = {}
    for folder in sorted(
        where / "records" / name
        for where in (place, *(place / name for name in record_names(place)))
        for name in record_names(where / "records")
        if os.path.exists(f"{where}/records/{name}/{TOMBSTONE}")  # noqa: PTH110 - of 100,000, paths take three times as long
    ):
        try:
            stone = read_tombstone(folder)
        except StoreError:
            continue
        if stone is not None:
            found.setdefault(stone.id, stone)
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Resting:
    """A record that is to be withdrawn: where it lies, and why."""

    record: Record
    folder: Path
    why: str


@dataclass(frozen=True)
class Person:
    """A subject of an installed cohort, and their scans with the digests of the series."""

    subject: str
    cohort: Cohort
    scans: tuple[str, ...]
    digests: tuple[str, ...]

    @property
    def name(self) -> str:
        """The cohort's name."""
        return self.cohort.manifest.name

    def ids(self, data: str) -> set[str]:
        """Under which ids their scans may stand in a record on this data: plain, of a second cohort, and salted."""
        plain = {*self.scans, *(f"{self.name}:{scan}" for scan in self.scans)}
        key = salt()
        return plain | {salted(data, scan, key) for scan in plain}


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal touches. `carry_out` does it.

    Attributes
    ----------
    what
        "record" or "subject".
    records
        Those that become tombstones.
    weights
        Folders of weights that have seen the subject; they become tombstones, too.
    caches
        Folders and files that are removed: finished cells, and what can be computed again.
    person
        Whose scans are erased; None of a record.
    notes
        What a person must do by hand.
    """

    what: str
    records: tuple[Resting, ...]
    weights: tuple[Path, ...] = ()
    caches: tuple[Path, ...] = ()
    person: Person | None = None
    notes: tuple[str, ...] = field(default=())


def plan_record(store: Store, name: str) -> Withdrawal:
    """What withdrawing one record touches: the record and its cells. Raises `StoreError`."""
    for stone in tombstones(store.path):
        if stone.id == name or Path(name).name == stone.id:
            raise StoreError(f"{stone.id} was withdrawn on {stone.withdrawn}", "see `brainbench leaderboard`")
    record, folder = store.find(name)
    keys = {cell.key for cell in record.cells}
    return Withdrawal(
        "record",
        (Resting(record, folder, "asked for"),),
        caches=tuple(path for path in sorted((store.path / "cells").glob("*")) if path.name in keys),
        notes=(ELSEWHERE,),
    )


def without_withdrawn(plan: Plan, store: Store) -> Plan:
    """A plan of runs without the rows whose record was withdrawn from a store; its notes name them."""
    from .recording import record_id

    stones = {stone.id: stone for stone in tombstones(store.path)}
    gone = [stones[name] for row in plan.rows if (name := record_id(row)) in stones]
    again = "and is not run again (remove its tombstone to do so)"
    notes = [f"{stone.id} was withdrawn on {stone.withdrawn} {again}" for stone in gone]
    rows = tuple(row for row in plan.rows if record_id(row) not in stones)
    return replace(plan, rows=rows, notes=(*plan.notes, *notes))


ELSEWHERE = (
    "boards, sites, exports and submissions that were made before still show what is withdrawn: make them again, and "
    "tell those who hold copies"
)


def find_person(cohort: str, subject: str) -> Person:
    """A subject of an installed cohort.

    Raises `DataMissing` where there is no such cohort or subject, `BadOption` for one that is kept in one piece.
    """
    folder = cohorts() / cohort
    if folder.parent != cohorts() or cohort == ".." or not folder.is_dir():
        raise DataMissing(f"no cohort {cohort!r} is installed", "see `brainbench data list`")
    if not (folder / "cohort.json").is_file():
        raise BadOption(
            f"{cohort} is kept in one piece: nobody can be taken out of it",
            f"remove {folder}, and import it again without this subject",
        )
    found = Cohort.open(folder)
    scans = scans_of(found, subject)
    if not scans and subject not in among(found.manifest.dataset, cohort, [subject]):
        raise DataMissing(f"no subject {subject!r} in {cohort}", f"subjects are ids of  brainbench data check {cohort}")
    digests = found.scans().loc[scans, "digest"].astype(str)
    return Person(subject, found, tuple(scans), tuple(digests))


def plan_subject(stores: Sequence[Path], person: Person, weights: Sequence[Path] = ()) -> Withdrawal:
    """What withdrawing a person touches.

    Parameters
    ----------
    stores
        Stores of records, and submissions, whose records lie in ``records`` as well.
    weights
        Folders to look for weights in, beside the one of the data folder.
    """
    seen = list(weights_of(person, [weights_home(), *weights]))
    hashes = {value for folder in seen for value in hashes_of(folder)}
    records: list[Resting] = []
    unknown = 0
    for path in (path for place in stores for path in sorted((place / "records").glob("*/record.json"))):
        try:
            record = read_record(path)
        except StoreError:
            unknown += 1
            continue
        if why := rests_on(record, path.parent, person, hashes):
            records.append(Resting(record, path.parent, why))
    notes = [
        ELSEWHERE,
        f"the lab's own files in {person.cohort.manifest.source} and backups are not touched; a later import leaves "
        "this subject out",
    ]
    if unknown:
        notes.append(f"{unknown} records cannot be read, so it is not known on whom they rest: see `brainbench doctor`")
    keys = {cell.key for resting in records for cell in resting.record.cells}
    caches = [path for place in stores for path in caches_of(place, person, keys, hashes)]
    caches += [path for path in [home() / "audit"] if path.exists()]
    return Withdrawal("subject", tuple(records), tuple(seen), tuple(caches), person, tuple(notes))


def rests_on(record: Record, folder: Path, person: Person, weights: set[str]) -> str:
    """Why a record rests on a person, or ""; where that cannot be told, it does.

    ``weights`` are hashes of weights that have seen the person.
    """
    if record.method.weights and record.method.weights in weights:
        return "starts from weights that have seen the subject"
    if record.data.origin != "real":
        return ""
    if person.name not in record.data.name.split("+"):
        return "was lent scans of the cohort" if lent(record, folder, person) else ""
    try:
        folds = read_split(folder).folds.values()
    except StoreError:
        return "aggregates over the cohort"
    ids = person.ids(record.data.name)
    for part, why in (("test", "tested on the subject"), ("train", "trained on the subject")):
        if any(ids.intersection(fold.get(part, ())) for fold in folds):
            return why
    known = {str(scan) for scan in person.cohort.scans().index}
    named = {name.rpartition(":")[2] for fold in folds for names in fold.values() for name in names}
    return "" if named & known or is_salted(named) else "made of all scans of the cohort"


def is_salted(names: Iterable[str]) -> bool:
    """Whether ids look like salted ones."""
    return all(len(name) == 24 and set(name) <= set("0123456789abcdef") for name in names)


def lent(record: Record, folder: Path, person: Person) -> bool:
    """Whether labelled scans of the cohort were lent to a record's method, as its cells' data tell."""
    for path in sorted((folder / "cells").glob("*/cell.json")):
        cell = read_coordinates(path)
        if cell is not None and person.cohort.manifest.fingerprint in cell.data:
            return True
    names = [finding.message for finding in record.audit if finding.detector == "sources"]
    return bool(names) and any(of_cohort(word, person) for name in names for word in name.split())


def of_cohort(name: str, person: Person) -> bool:
    """Whether a word is the name of a task on the cohort's data set."""
    from .registry import load_task

    try:
        dataset = load_task(name)[0].dataset
    except BrainbenchError:
        return False
    return dataset in (person.cohort.manifest.dataset, f"own:{person.name}")


def read_coordinates(path: Path) -> Cell | None:
    """A cell's coordinates, or None where they cannot be read."""
    try:
        return Cell.model_validate_json(path.read_text())
    except (OSError, ValueError):
        return None


def weights_of(person: Person, places: Iterable[Path]) -> Iterator[Path]:
    """Folders of weights whose manifest lists the person, the outermost of those that lie in each other."""
    hashed, scans = subject_hash(person.subject), set(map(scan_hash, person.digests))
    found: list[Path] = []
    for path in sorted({path for place in places for path in place.rglob(SEEN)}):
        try:
            seen = read_manifest(path.parent)
        except BrainbenchError:
            continue
        named = seen is not None and hashed in seen.subjects and person.name in seen.data.split("+")
        if seen is not None and (named or scans & seen.scans) and not any(path.is_relative_to(up) for up in found):
            found.append(path.parent)
            yield path.parent


def hashes_of(folder: Path) -> Iterator[str]:
    """The hashes under which records may know weights: of the folder, of folders in it, and of each file."""
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        yield weights_hash(place)
    for file in folder.rglob("*"):
        if file.is_file():
            yield digest_file(file)[:12]


def caches_of(place: Path, person: Person, keys: set[str], weights: set[str]) -> Iterator[Path]:
    """What of a store is removed with a person: all cells on the cohort, and what cells share."""
    known = {str(scan) for scan in person.cohort.scans().index}
    fingerprint = person.cohort.manifest.fingerprint
    for folder in sorted((place / "cells").glob("*")):
        cell = read_coordinates(folder / "cell.json")
        ours = cell is None or folder.name in keys or fingerprint in cell.data or cell.method.weights in weights - {""}
        if ours or known.intersection(_ids(folder)):
            yield folder
    for name in ("shared", "audit"):
        if (place / name).exists():
            yield place / name


def _ids(folder: Path) -> tuple[str, ...]:
    try:
        return Ids.model_validate_json((folder / "ids.json").read_text()).ids
    except (OSError, ValueError):
        return ()


def carry_out(plan: Withdrawal, reason: str, day: str, told: Callable[[str], None]) -> None:
    """Do what a plan says; repeated after an interruption, it goes on.

    Tombstones come first and the cohort last, because it tells which records rest on the person.
    """
    if plan.person:
        note_withdrawn(plan.person.cohort.manifest.dataset, plan.person.name, plan.person.subject, day)
    for resting in plan.records:
        stone = tombstone_of(resting.record, plan.what, reason, day)
        with whole_folder(resting.folder) as new:
            (new / TOMBSTONE).write_text(stone.model_dump_json(indent=1))
        told(f"withdrawn: {resting.record.id}")
    for folder in plan.weights:
        with whole_folder(folder) as new:
            (new / "withdrawn.txt").write_text(f"These weights were withdrawn on {day}. {reason}\n")
        told(f"withdrawn: weights in {folder}")
    for path in plan.caches:
        shutil.rmtree(path, ignore_errors=True)
    if plan.person and plan.person.scans:
        erase(plan.person.cohort, plan.person.subject)
        told(f"erased: {len(plan.person.scans)} scans of one subject of {plan.person.name}")


def check_reason(reason: str, subject: str = "") -> str:
    """A reason on one line. Raises `BadOption` for one that is too long, or names the person who is withdrawn."""
    reason = " ".join(reason.split())
    if len(reason) > LONGEST or not reason.isprintable():
        raise BadOption(f"--reason: more than {LONGEST} characters, or unprintable ones", "say it in one sentence")
    if subject and mentions(reason, {as_word(subject)}):
        raise BadOption(f"--reason names {subject}: boards and sites show it", "say why without saying who")
    return reason
