"""Verifying a submission: read, checked, scored again; accepted, or refused with every reason."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..contracts import Progress
from ..errors import BadOption
from ..files import whole_folder
from ..record import Record
from ..registry import load_task
from ..sandbox import Sandbox
from ..store import SEAL, Store
from ..system import harness_version
from ..withdrawing import tombstones
from . import licences
from .acceptance import Acceptance, Kept
from .archive import shown
from .collect import checksums
from .layout import ACCEPTED, CARD, CHECKSUMS, MANIFEST, METHOD, README, RECORDS
from .layout import Row as Sort
from .offer import Offer, Offered, read_offer
from .readme import readme
from .remake import NotHere, NotTaken, Remade, Shelf, kept, remake, save
from .reported import as_kept, as_reported
from .rerun import SECONDS, rerun

SCORED = "scored again from its predictions: every number is the same"
HIDDEN = "scored with the withheld truth"
BARE = "scored from its predictions: it came without numbers"
TOLD = "told by its lab: aggregates, which nobody outside can score again"

MOST_HIDDEN = 3
"""Records of one hidden task in a submission: the scores of many predictions that are nearly equal tell the labels."""
MOST_SEEDS = 10
"""Seeds of such a record, for the same reason: each has scores of its own."""


@dataclass
class Checked:
    """One record of a submission, as it was found.

    Attributes
    ----------
    offered
        What was offered.
    remade, reported
        What was made of it here; None where it is refused, or the other.
    row
        The sort of row that it becomes.
    checked
        How it was checked, in a sentence.
    reasons, notes
        Why it is refused, and what the keeper should know.
    absent
        Whether it is only that its data, or their truth, are not on this machine.
    """

    offered: Offered
    remade: Remade | None = None
    reported: Record | None = None
    row: Sort = "rescored"
    checked: str = ""
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: bool = False

    @property
    def found(self) -> Record | None:
        """The record as it was made here, or as its lab reports it; None where neither is."""
        return self.remade.record if self.remade else self.reported


@dataclass
class Verdict:
    """What was found of a submission: it is accepted whole or not at all."""

    offer: Offer
    records: list[Checked]

    @property
    def reasons(self) -> list[str]:
        """Every reason against it, those of a record under its id."""
        return [*self.offer.reasons, *(f"{shown(c.offered.name)}: {why}" for c in self.records for why in c.reasons)]

    @property
    def notes(self) -> list[str]:
        """What the keeper should know."""
        return [*self.offer.notes, *(f"{shown(c.offered.name)}: {note}" for c in self.records for note in c.notes)]

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons

    @property
    def open(self) -> bool:
        """Whether all that is missing are data that are not on this machine: another must judge."""
        return not self.offer.reasons and not self.accepted and all(c.absent for c in self.records if c.reasons)


def verify(
    folder: Path, truth: Path | None, progress: Progress, sandbox: Sandbox | None = None, seconds: float = SECONDS
) -> Verdict:
    """Check a received folder (see `brainbench.benchmark.submitting.archive.received`) and score it again.

    Nothing in it is imported or run by this process; with a ``sandbox`` its method is run again in there, each
    fold for at most ``seconds``. What is wrong with the folder as a whole is told before anything is scored.
    """
    offer = read_offer(folder)
    checked = [Checked(offered, reasons=list(offered.reasons)) for offered in offer.records]
    if offer.reasons or any(one.reasons for one in checked):
        return Verdict(offer, checked)
    if truth is not None:
        offer.reasons += too_many(offer)
    if offer.reasons:
        return Verdict(offer, checked)
    shelf = Shelf(truth, progress)
    for number, one in enumerate(sorted(checked, key=lambda one: order(one.offered))):
        progress("records", number, len(checked))
        try:
            if one.offered.entry.row == "reported":
                one.reported, one.row, one.checked = as_reported(one.offered), "reported", TOLD
                continue
            one.remade = remake(one.offered, shelf)
            one.notes += one.remade.notes
            one.checked = how_scored(one)
            if sandbox:
                run_again(one, offer, folder.parent / f"again-{number}", sandbox, progress, seconds)
        except NotTaken as error:
            one.reasons += (without_place(reason, folder) for reason in error.reasons)
            one.absent = isinstance(error, NotHere)
    return Verdict(offer, checked)


def without_place(text: str, folder: Path) -> str:
    """A text without the private folder in which a submission is read: nobody can look there afterwards."""
    for place in (folder.parent, folder.parent.resolve()):
        text = text.replace(f"{place}/{folder.name}/", "").replace(f"{place}/", "")
    return text


def too_many(offer: Offer) -> Iterator[str]:
    """Hidden tasks of which a submission asks for more scores than are told at once."""
    hidden: dict[str, list[Record]] = {}
    for record in (one.record for one in offer.records):
        assert record is not None
        if load_task(record.task.name)[0].withheld:
            hidden.setdefault(record.task.name.partition("@")[0], []).append(record)
    why = "the scores of many predictions that are nearly equal tell the labels"
    for task, records in hidden.items():
        if len(records) > MOST_HIDDEN:
            yield f"{len(records)} records of {task} with withheld truth; at most {MOST_HIDDEN} are scored: {why}"
        if (seeds := max(len(record.seeds) for record in records)) > MOST_SEEDS:
            yield f"{seeds} seeds on {task} with withheld truth; at most {MOST_SEEDS} are scored: {why}"


def how_scored(one: Checked) -> str:
    """How a record was checked, in a sentence: one that came without numbers has none that could be the same."""
    assert one.remade is not None
    assert one.offered.record is not None
    if any(not score.missing for score in one.offered.record.scores.values()):
        return SCORED
    return HIDDEN if one.remade.row.task.withheld else BARE


def run_again(one: Checked, offer: Offer, place: Path, sandbox: Sandbox, progress: Progress, seconds: float) -> None:
    """Run a record's method again. Raises `NotTaken` where it does not give the same."""
    assert one.remade is not None
    assert offer.manifest is not None
    place.mkdir()
    again = rerun(one.remade, offer.manifest, offer.folder, place, sandbox, progress, seconds)
    if again.remade is None:
        raise NotTaken(again.told)
    one.remade, one.row, one.checked = again.remade, "reproduced", again.told


def order(offered: Offered) -> tuple[str, str, str]:
    """Records of one task and source together: their data are loaded once."""
    assert offered.record is not None
    return offered.record.task.name, offered.record.data.source, offered.name


def accept(verdict: Verdict, to: Path) -> Path:
    """Put an accepted submission where the board reads it; returns its folder.

    Only what was checked is written: records made here, predictions written from the numbers that were scored, the
    card, and the method's source files as they are. Raises `BadOption` where it was not accepted, or one of this
    name is there.
    """
    manifest = verdict.offer.manifest
    if manifest is None or not verdict.accepted:
        raise BadOption("what is refused cannot be accepted", "see the reasons")
    refuse_withdrawn(verdict, to)
    folder = to / manifest.name
    like = [path for path in to.glob("*") if path.name.lower() == manifest.name.lower()]
    if any(path != folder or not same_submission(folder, verdict.offer.folder) for path in like):
        raise BadOption(f"{like[0]} is there already", "accept it under another name, or remove that folder first")
    manifest = manifest.model_copy(update={"licence": licences.written(manifest.licence)})
    with whole_folder(folder) as new:
        store = Store(new)
        rows, records = {}, []
        for one in verdict.records:
            record = shelve(one, manifest.name, store)
            content = (new / "records" / record.id / "record.json").read_bytes()
            rows[record.id] = Kept(row=one.row, sha256=hashlib.sha256(content).hexdigest(), checked=one.checked)
            records.append(record)
        if (verdict.offer.folder / METHOD).is_dir():
            shutil.copytree(verdict.offer.folder / METHOD, new / METHOD)
        (new / CARD).write_text(json.dumps(verdict.offer.card, indent=1))
        (new / README).write_text(readme(manifest, records))
        offered = (verdict.offer.folder / MANIFEST).read_bytes()
        (new / MANIFEST).write_bytes(offered)
        (new / CHECKSUMS).write_text(checksums(new))
        acceptance = Acceptance(
            name=manifest.name,
            method=manifest.method,
            licence=manifest.licence,
            open_licence=licences.is_open(manifest.licence),
            accepted=datetime.now(UTC).date().isoformat(),
            harness=harness_version(),
            manifest=hashlib.sha256(offered).hexdigest(),
            records=rows,
        )
        (new / ACCEPTED).write_text(acceptance.model_dump_json(indent=1))
    return folder


def refuse_withdrawn(verdict: Verdict, to: Path) -> None:
    """Raise `BadOption` where a record was taken back from this board: the same method on the same people."""
    gone = {(s.task, s.method, s.fingerprint, s.split): s for s in tombstones(to)}
    for record in (one.found for one in verdict.records):
        assert record is not None
        stone = gone.get((record.task.name, record.method.name, record.data.fingerprint, record.split.hash))
        if stone is not None:
            raise BadOption(
                f"{record.id}: withdrawn on {stone.withdrawn} ({stone.what}) as {stone.id}",
                "take the record out of the submission; on data without who was withdrawn it can be run again",
            )


def shelve(one: Checked, name: str, store: Store) -> Record:
    """Write one accepted record."""
    told = one.offered.record
    assert told is not None
    if one.remade is not None:
        record = kept(one.remade, told, name, one.row)
        save(record, one.remade, store)
        return record
    assert one.reported is not None
    record = as_kept(one.reported, name)
    folder = store.path / RECORDS / record.id
    folder.mkdir(parents=True)
    content = record.model_dump_json(indent=1).encode()
    (folder / "record.json").write_bytes(content)
    (folder / SEAL).write_text(hashlib.sha256(content).hexdigest())
    return record


def same_submission(folder: Path, offered: Path) -> bool:
    """Whether a folder on the board's side is the very submission that was verified, not yet accepted."""
    mine, theirs = folder / CHECKSUMS, offered / CHECKSUMS
    return not (folder / ACCEPTED).exists() and mine.is_file() and mine.read_bytes() == theirs.read_bytes()


def told(verdict: Verdict) -> Iterator[dict[str, object]]:
    """The records of a verdict as plain values, for programs."""
    for one in verdict.records:
        record = one.found
        name = record.task.metrics[0] if record else ""
        score = record.scores[name] if record else None
        yield {
            "record": one.offered.name,
            "task": one.offered.entry.task,
            "row": one.row if record else None,
            "metric": name,
            "value": score.value if score else None,
            "low": score.low if score else None,
            "high": score.high if score else None,
            "reasons": one.reasons,
            "notes": one.notes,
        }
