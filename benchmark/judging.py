"""Scoring a record's answers by a language model, beside the matcher and never in its place.

The verdicts are a sealed file of their own in the store; they name the judge and enter no ranking.

::

    judged/RECORD/JUDGE.json, JUDGE.sha256      one judge on one record
    judged/RECORD/JUDGE.part                    verdicts of a run that was interrupted
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .contracts import Progress, Task
from .errors import BadOption, StoreError
from .files import write_text
from .judges import LOCAL, Case, Judge, JudgeError, Verdict
from .kinds.questions import Answers, Fields
from .metrics.answers import right
from .metrics.counts import ItemMetric, ratio
from .metrics.matching import split_parts
from .prompts import attribute_for
from .record import Record, ScorePart, Strict
from .rescoring import rejudge
from .score import Judged, score_metric
from .store import Store

SCHEMA_VERSION = 1


class JudgePart(Strict):
    """Who judged: model, version, host, and a hash of what it was told."""

    name: str
    version: str
    where: str
    instructions: str


class Opinion(Strict):
    """A judge's verdicts on a record.

    Attributes
    ----------
    record, content
        Id of the record and its content hash: verdicts on other content are not shown.
    scores
        ``judged-field-accuracy`` and ``judged-all-fields-accuracy``, with intervals as in records.
    verdicts
        Cell -> for each item field -> verdict, in the order of the cell's predictions.
    cases
        Number of different (field, truth, answer) that were judged.
    agreement
        Share of the verdicts that could be read that are those of the matcher.
    void, unread
        Number of fields whose verdict is void, which counts as wrong, or could not be read, which is left out.
    """

    schema_version: int = SCHEMA_VERSION
    record: str
    content: str
    task: str
    method: str
    judge: JudgePart
    created: str
    scores: dict[str, ScorePart]
    verdicts: dict[str, list[dict[str, Verdict]]]
    cases: int
    agreement: float
    void: int
    unread: int


class JudgedFieldAccuracy(ItemMetric):
    """Share of an item's known fields that the judge calls right."""

    name = "judged-field-accuracy"
    title = "Field accuracy, judged"

    def items(self, truth: Fields, prediction: np.ndarray) -> np.ndarray:
        """Mean of each row (n, fields), without what is not known."""
        known = ~np.isnan(prediction)
        return ratio(np.where(known, prediction, 0).sum(axis=1), known.sum(axis=1))


class JudgedAllFields(ItemMetric):
    """Share of items all of whose known fields the judge calls right."""

    name = "judged-all-fields-accuracy"
    title = "All fields right, judged"

    def items(self, truth: Fields, prediction: np.ndarray) -> np.ndarray:
        """1 where no known field is wrong."""
        known = ~np.isnan(prediction)
        return np.where(known.any(axis=1), (np.where(known, prediction, 1) == 1).all(axis=1), np.nan)


METRICS = (JudgedFieldAccuracy, JudgedAllFields)
"""Not in the registry: no task can name them, and no board can rank by them."""


@dataclass(frozen=True)
class Asked:
    """What a judge would see of a record: its cells with the truth and the answers."""

    record: Record
    task: Task
    cells: list[Judged]

    @cached_property
    def cases(self) -> list[list[dict[str, Case]]]:
        """The case of each cell, item and field."""
        return [[_cases(truth, said, cell.truth) for truth, said in _pairs(cell)] for cell in self.cells]

    @property
    def unique(self) -> list[Case]:
        """The different cases, in the order in which they come up."""
        return list(dict.fromkeys(case for cell in self.cases for row in cell for case in row.values()))


def prepare(record: Record, folder: Path, progress: Progress) -> Asked:
    """Bring answers and truth of a record together. Raises `BadOption` where it holds no answers to fields."""
    task, cells, _ = rejudge(record, folder, progress)
    if record.task.kind != "questions" or not task.fields:
        raise BadOption(f"{record.id} holds no answers to fields", "judge a record of a task such as abide1-open")
    return Asked(record, task, cells)


def _pairs(cell: Judged) -> Iterator[tuple[dict[str, str], str]]:
    answers: Answers = cell.prediction
    return zip(cell.truth, answers.texts, strict=True)


def _cases(truth: dict[str, str], said: str, fields: Fields) -> dict[str, Case]:
    """The cases of an item: each field with its own part of the answer, where the parts are as many as the fields."""
    parts = split_parts(said) if fields.paradigm == "multi" else []
    own = dict(zip(fields.schema, parts, strict=True)) if len(parts) == len(fields.schema) else {}
    return {
        name: Case(title_of(name, fields.schema[name]), fields.schema[name], label, own.get(name, said))
        for name, label in truth.items()
    }


def title_of(name: str, labels: tuple[str, ...]) -> str:
    """A field as people call it."""
    found = attribute_for(name, labels)
    plain = name.replace("_", " ")
    return found.title if found and " or " not in found.title else plain


def judge_record(asked: Asked, judge: Judge, place: Path, progress: Progress) -> Opinion:
    """All verdicts of a judge, scored and written. What an earlier run had read is not asked again.

    Raises `JudgeError` where not one reply could be read: nothing is written then, and earlier verdicts stay.
    """
    path = opinion_path(place, asked.record.id, judge.name, judge.where)
    found = _collect(asked.unique, judge, path.with_suffix(".part"), progress)
    if found and set(found.values()) == {"none"}:
        raise JudgeError(f"{judge.where}: no reply of {judge.name} can be read", "take another --model")
    opinion = _scored(asked, judge, found)
    text = opinion.model_dump_json(indent=1)
    write_text(path, text)
    write_text(path.with_suffix(".sha256"), hashlib.sha256(text.encode()).hexdigest())
    if not opinion.unread:
        path.with_suffix(".part").unlink(missing_ok=True)
    return opinion


def _collect(cases: Sequence[Case], judge: Judge, part: Path, progress: Progress) -> dict[str, Verdict]:
    """Verdicts by the case's digest; each is written down as it comes."""
    told = instructions_hash(judge)
    known = {digest: verdict for by, digest, verdict in _kept(part) if by == told}
    waiting = [case for case in cases if case.digest not in known]
    done = len(cases) - len(waiting)
    if not waiting:
        return known
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("a") as file:
        for case, verdict in zip(waiting, judge.verdicts(waiting), strict=True):
            known[case.digest] = verdict
            if verdict != "none":
                print(json.dumps([told, case.digest, verdict]), file=file, flush=True)
            done += 1
            progress("judging", done, len(cases))
    return known


def _kept(part: Path) -> Iterator[tuple[str, str, Verdict]]:
    """Lines of an interrupted run; one that was cut short is left out."""
    for line in part.read_text(errors="replace").splitlines() if part.is_file() else []:
        try:
            by, digest, verdict = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue
        yield by, digest, verdict


def instructions_hash(judge: Judge) -> str:
    """Hash of what a judge is told, and of which judge it is."""
    return hashlib.sha256(f"{judge.name}\0{judge.where}\0{judge.instructions}".encode()).hexdigest()[:12]


def _scored(asked: Asked, judge: Judge, found: dict[str, Verdict]) -> Opinion:
    verdicts = [[{name: found[case.digest] for name, case in row.items()} for row in cell] for cell in asked.cases]
    judged, agree = [], []
    for cell, rows in zip(asked.cells, verdicts, strict=True):
        ours = as_matrix(rows, tuple(cell.truth.schema))
        judged.append(Judged(cell.fold, cell.seed, cell.truth, ours, cell.clusters, cell.scorable))
        known = ~np.isnan(ours)
        agree.append((ours == right(cell.truth, cell.prediction))[known])
    scores = {}
    for metric in (make() for make in METRICS):
        values = [metric.score(cell.truth, cell.prediction) for cell in judged]
        scores[metric.name], _ = score_metric(asked.task, metric, judged, values)
    every = [verdict for cell in verdicts for row in cell for verdict in row.values()]
    part = JudgePart(name=judge.name, version=judge.version, where=judge.where, instructions=instructions_hash(judge))
    return Opinion(
        record=asked.record.id,
        content=asked.record.content_hash,
        task=asked.record.task.name,
        method=asked.record.method.name,
        judge=part,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        scores=scores,
        verdicts={f"{cell.fold} seed {cell.seed}": rows for cell, rows in zip(asked.cells, verdicts, strict=True)},
        cases=len(asked.unique),
        agreement=float(np.concatenate(agree).mean()),
        void=every.count("void"),
        unread=every.count("none"),
    )


def as_matrix(rows: Sequence[dict[str, Verdict]], fields: Sequence[str]) -> np.ndarray:
    """(n, fields) 1 where right, 0 where not, NaN where truth or verdict is not known."""
    values = [
        [np.nan if row.get(name, "none") == "none" else float(row[name] == "right") for name in fields] for row in rows
    ]
    return np.array(values, dtype=float).reshape(len(rows), len(fields))


def opinion_path(store: Path, record: str, judge: str, where: str = LOCAL) -> Path:
    """Where a judge's verdicts on a record lie; models of one name at other places are other judges."""
    told = judge if where == LOCAL else f"{judge}-{where}"
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "_", told).strip("._") or "judge"
    return store / "judged" / record / f"{slug}.json"


def opinions(store: Store, record: Record) -> list[Opinion]:
    """All judges' verdicts on a record as it is now; edited files and those on other content are left out."""
    found = []
    for path in sorted((store.path / "judged" / record.id).glob("*.json")):
        try:
            opinion = read_opinion(path)
        except StoreError:
            continue
        if opinion.content == record.content_hash:
            found.append(opinion)
    return found


def read_opinion(path: Path) -> Opinion:
    """Verdicts from their file. Raises `StoreError` when it is damaged or edited."""
    try:
        raw = path.read_bytes()
        seal = path.with_suffix(".sha256").read_text().strip()
        if seal != hashlib.sha256(raw).hexdigest():
            raise StoreError(f"{path}: edited: it is not the file that was written", "judge the record again")
        content: Any = json.loads(raw)
        return Opinion.model_validate(content)
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{path}: not a judge's file ({reason})", "judge the record again") from None
