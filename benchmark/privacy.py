"""What of a record may leave a lab, and how what may not is taken out.

Open data keep their ids. Where an agreement or a lab says so, ids are replaced by salted hashes, or aggregates alone
leave. Names of machines and folders never do.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .contracts import LEAVES, Kind, Leaves, TaskInfo
from .datasets.cohort import Cohort
from .errors import BrainbenchError, PrivacyError, StoreError
from .home import cohorts
from .kinds import get_kind
from .record import CellPart, Record, ScorePart
from .registry import load_dataset, load_task
from .salt import salt, salted
from .store import SEAL, Finished, Ids, digest_folder, read_cell, read_record, read_split

WITHHELD = "(withheld: it names people)"
"""Stands in the place of a text that holds the id of a person or scan."""

FEWEST = 10
"""Aggregates over fewer people are withheld: they come close to telling of each."""

LONGEST_LIST = 8
"""Longer lists of a method's report may hold one number a person, so they are withheld among aggregates."""

PLACE = re.compile(r"(?<![\w:/.~])~?(?:/[\w.+@=,-]+)+/([\w.+@=,-]+)|\b[A-Za-z]:(?:\\[\w.+@=, -]+)+\\([\w.+@=,-]+)")
"""An absolute path of two parts or more; its last part is kept."""

Content = bytes | Path


def strictest(policies: Iterable[Leaves]) -> Leaves:
    """The policy that lets out the least; "aggregates" where there is none."""
    return max(policies, key=LEAVES.index, default="aggregates")


def policy_of(record: Record) -> Leaves:
    """What the cohorts behind a record let out. Simulations are nobody's."""
    if record.data.origin != "real":
        return "ids"
    return strictest(policy_of_cohort(name, record.task.dataset) for name in record.data.name.split("+"))


def policy_of_cohort(name: str, dataset: str) -> Leaves:
    """What a cohort lets out: as its import said, else as its data set's card does.

    ``dataset`` is the one of a cohort that is not installed under this name. One that nobody knows lets out
    aggregates alone.
    """
    try:
        folder = cohorts() / name
        if folder.parent == cohorts() and (folder / "cohort.json").is_file():
            manifest = Cohort.open(folder).manifest
            if manifest.leaves is not None:
                return manifest.leaves
            dataset = manifest.dataset
        return load_dataset(dataset).card.leaves
    except BrainbenchError:
        return "aggregates"


def shielded(record_folder: Path, policy: Leaves) -> dict[str, Content]:
    """The files of a record's folder as they may leave.

    Parameters
    ----------
    policy
        "ids" takes out machines and folders only. "salted" replaces ids by salted ones, sorts every list by these,
        and withholds texts that name somebody; it leaves out the resamples of scores, whose order is that of the
        true ids. "aggregates" lets out the record alone, without what is about fewer than `FEWEST` people, and
        without resamples, from which the outcome of each person can be computed.

    Returns
    -------
    dict
        Path inside the folder -> content, or the file to copy. `write_shielded` writes it.

    Raises
    ------
    StoreError
        When the record cannot be read.
    PrivacyError
        When nothing may leave: too few people, or, of salted ids, a kind whose predictions tell their order.
    """
    record = read_record(record_folder / "record.json")
    veil = veil_of(record, record_folder, policy)
    if policy == "aggregates":
        return sealed(aggregates(record, veil))
    if policy == "salted":
        return sealed(veiled(record, veil)) | salted_cells(record, record_folder, veil)
    plain = {
        path.relative_to(record_folder).as_posix(): path for path in sorted(record_folder.rglob("*")) if path.is_file()
    }
    cells = {name: veil.cell_file(path) for name, path in plain.items() if path.name in ("cell.json", "outcome.json")}
    return plain | cells | sealed(veiled(record, veil))


def write_shielded(record_folder: Path, policy: Leaves, target: Path) -> None:
    """Write what may leave of a record into a folder. Raises as `shielded`."""
    import shutil

    for name, content in shielded(record_folder, policy).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)


def sealed(record: Record) -> dict[str, Content]:
    """A record's file and its hash."""
    content = record.model_dump_json(indent=1).encode()
    return {"record.json": content, SEAL: hashlib.sha256(content).hexdigest().encode()}


@dataclass(frozen=True)
class Veil:
    """What is hidden in the texts of one record.

    Attributes
    ----------
    policy
        What leaves.
    rename
        Id -> salted id.
    people
        Ids of people and scans, in lower case; empty where ids may leave.
    folds
        Name of a fold that names somebody -> the name it leaves under.
    """

    policy: Leaves
    rename: Callable[[str], str]
    people: frozenset[str]
    folds: Mapping[str, str]

    def text(self, text: str) -> str:
        """A text without folders, or nothing of it where it names somebody."""
        return WITHHELD if self.names(text) else PLACE.sub(lambda hit: hit[1] or hit[2], text)

    def names(self, text: str) -> bool:
        """Whether a text holds an id, whole or as a word of it."""
        low = text.lower()
        words = {*re.findall(r"[a-z0-9]+", low), *re.findall(r"[\w.-]+", low), *re.findall(r"\S+", low)}
        return bool(words & self.people) or any(name in low for name in self.people if len(name) > 3)

    def value(self, value: Any) -> Any:
        """A value of JSON with all its texts and keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(held) for key, held in value.items()}
        if isinstance(value, (list, tuple)):
            if self.policy == "aggregates" and len(value) > LONGEST_LIST:
                return f"(withheld: a list of {len(value)})"
            return [self.value(held) for held in value]
        return value

    def fold(self, name: str) -> str:
        """A fold's name as it leaves."""
        return self.folds.get(name, name)

    def reference(self, ref: str) -> str:
        """What finds a plugin: of a file its name alone."""
        place, colon, attribute = ref.rpartition(":")
        return f"{Path(place).name}:{attribute}" if colon and place.endswith(".py") else ref

    def cell_file(self, path: Path) -> bytes:
        """``cell.json`` or ``outcome.json`` of a cell."""
        found = read_cell(path.parent)
        if found is None:
            raise StoreError(f"{path.parent}: damaged or edited", "run the method again: finished cells are kept")
        if path.name == "outcome.json":
            outcome = found.outcome
            return (
                outcome.model_copy(update={"report": self.value(outcome.report), "host": ""}).model_dump_json().encode()
            )
        method = self.method(found.cell.method)
        told = found.cell.model_copy(update={"method": method, "fold": self.fold(found.cell.fold)})
        return told.model_dump_json().encode()

    def method(self, spec: Any) -> Any:
        """A method's configuration without folders."""
        return spec.model_copy(
            update={
                "name": self.text(spec.name),
                "ref": self.reference(spec.ref),
                "options": {name: self.value(value) for name, value in spec.options.items()},
            }
        )


def veil_of(record: Record, folder: Path, policy: Leaves) -> Veil:
    """What to hide of a record: the ids of its split, and of their people where the cohort is installed."""
    if policy == "ids":
        return Veil(policy, str, frozenset(), {})
    key = salt()
    names = [name for ids in read_split(folder).folds.values() for part in ids.values() for name in part]
    rename = partial(salted, record.data.name, key=key)
    people = frozenset(name.lower() for name in {*names, *people_of(record, set(names))} if name)
    veil = Veil(policy, rename, people, {})
    folds = {fold: f"fold-{rename(fold)[:8]}" for fold in record.split.folds if veil.names(fold)}
    return Veil(policy, rename, people, folds)


def people_of(record: Record, scans: set[str]) -> set[str]:
    """Ids of people, sessions and families behind scans, from the cohorts that are installed."""
    found: set[str] = set()
    for cohort in record.data.name.split("+"):
        folder = cohorts() / cohort
        if folder.parent != cohorts() or not (folder / "cohort.json").is_file():
            continue
        table = Cohort.open(folder).scans()
        mine = table[table.index.isin(scans) | (cohort + ":" + table.index.astype(str)).isin(scans)]
        for column in ("subject", "family"):
            found |= set(mine[column].dropna().astype(str))
        found |= set(mine.index.astype(str))
    return found


def veiled(record: Record, veil: Veil) -> Record:
    """A record without machines and folders, and without ids where the veil hides them."""
    told = record.environment
    costs = {name: cost.model_copy(update={"host": ""}) for name, cost in told.cells.items()}
    environment = told.model_copy(update={"host": "", "processor": veil.text(told.processor), "cells": costs})
    data = record.data.model_copy(
        update={"left_out": {veil.text(reason): count for reason, count in record.data.left_out.items()}}
    )
    return record.model_copy(
        update={
            "task": record.task.model_copy(update={"ref": veil.reference(record.task.ref)}),
            "method": veil.method(record.method),
            "data": data,
            "split": record.split.model_copy(update={"folds": tuple(map(veil.fold, record.split.folds))}),
            "reason": veil.text(record.reason),
            "scores": {name: _score(score, veil) for name, score in record.scores.items()},
            "cells": tuple(_cell(cell, veil) for cell in record.cells),
            "audit": tuple(f.model_copy(update={"message": veil.text(f.message)}) for f in record.audit),
            "environment": environment,
        }
    )


def _score(score: ScorePart, veil: Veil) -> ScorePart:
    told = {"made_with": veil.text(score.made_with), "missing": veil.text(score.missing)}
    return score.model_copy(update=told)


def _cell(cell: CellPart, veil: Veil) -> CellPart:
    return cell.model_copy(
        update={"fold": veil.fold(cell.fold), "reason": veil.text(cell.reason), "report": veil.value(cell.report)}
    )


def aggregates(record: Record, veil: Veil) -> Record:
    """The record with nothing that is about fewer than `FEWEST` people. Raises `PrivacyError` where all of it is."""
    if record.data.subjects < FEWEST:
        raise PrivacyError(
            f"{record.id}: its scores are over {record.data.subjects} people; aggregates of fewer than {FEWEST} may "
            "not leave the lab",
            "test on more people",
        )
    found = veiled(record, veil)
    small = [
        cell if cell.items >= FEWEST else cell.model_copy(update={"scores": dict.fromkeys(cell.scores), "report": {}})
        for cell in found.cells
    ]
    scores = {name: score.model_copy(update={"parts": {}}) for name, score in found.scores.items()}
    data = found.data.model_copy(update={"truths": ()})
    return found.model_copy(update={"cells": tuple(small), "scores": scores, "data": data})


def salted_cells(record: Record, folder: Path, veil: Veil) -> dict[str, Content]:
    """The split and the predictions under salted ids, in their order: the true order would tell who is who."""
    kind = get_kind(record.task.kind)
    if type(kind).present is not Kind.present:
        raise PrivacyError(
            f"{record.id}: predictions of kind {kind.name!r} cannot leave under salted ids",
            "let aggregates leave",
        )
    split = read_split(folder)
    folds = {
        veil.fold(name): {part: tuple(sorted(map(veil.rename, names))) for part, names in ids.items()}
        for name, ids in split.folds.items()
    }
    files: dict[str, Content] = {
        "split.json": split.model_copy(update={"folds": folds}).model_dump_json().encode(),
    }
    info = load_task(record.task.ref)[0].info
    for place in sorted((folder / "cells").glob("*")):
        done = read_cell(place)
        if done is None:
            raise StoreError(f"{place}: damaged or edited", "run the method again: finished cells are kept")
        name = place.name
        for fold, told in veil.folds.items():
            name = name.replace(fold, told) if done.cell.fold == fold else name
        files |= {f"cells/{name}/{path}": content for path, content in salted_cell(done, kind, info, veil).items()}
    return files


def salted_cell(done: Finished, kind: Kind, info: TaskInfo, veil: Veil) -> dict[str, Content]:
    """The files of one cell under salted ids."""
    names = [veil.rename(name) for name in done.ids]
    order = np.argsort(names)
    prediction = kind.take(kind.load(done.folder / "prediction", info), order)
    with tempfile.TemporaryDirectory() as made:
        kind.save(prediction, Path(made), info)
        digest = digest_folder(Path(made))
        files: dict[str, Content] = {
            f"prediction/{path.relative_to(made).as_posix()}": path.read_bytes()
            for path in sorted(Path(made).rglob("*"))
            if path.is_file()
        }
    return files | {
        "cell.json": veil.cell_file(done.folder / "cell.json"),
        "outcome.json": veil.cell_file(done.folder / "outcome.json"),
        "ids.json": Ids(ids=tuple(sorted(names))).model_dump_json().encode(),
        "prediction.sha256": digest.encode(),
    }
