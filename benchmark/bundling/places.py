"""Where the weights and data of a bundle lie on this machine, and which data may be copied."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contracts import Data, Progress, Task
from ..errors import BrainbenchError, DataMissing, Unavailable
from ..home import cohorts, twins
from ..registry import load_dataset
from ..sandbox import hub_cache
from ..weights import ENTRIES, Entry, find, folder_of, locate
from .wanted import Wanted

HOME, HUB, TORCH = "home", "hub", "torch"
"""Folders of a bundle: what `home` is there, models of the hub, and torch's checkpoints."""

HUB_NAME = re.compile(r"(?:\w+:)?([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:/[\w.-]+)*")
"""A model of the hub, as an option names it: ``gpt/name``, or with a prefix and a folder in it."""

PACKAGED = ("smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct")
"""Names of the language model that the package of the extra ``smollm2`` ships."""

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".msgpack")

MANIFESTS = ("cohort.json", "recordings.json", "responses.json", "movies.json")


@dataclass(frozen=True)
class Piece:
    """A file or folder to copy, and its place in the bundle."""

    source: Path
    target: str

    def files(self) -> Iterator[tuple[Path, str]]:
        """Each file with its place in the bundle; links are followed, unfinished files left out."""
        if self.source.is_file():
            yield self.source, self.target
            return
        for file in sorted(self.source.rglob("*")):
            if file.is_file() and not file.name.endswith(".lock"):
                yield file, f"{self.target}/{file.relative_to(self.source).as_posix()}"


@dataclass
class Found:
    """What to copy, which extras bring the rest, and what is left out with the reason."""

    pieces: list[Piece] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def weights_of(need: Wanted, without: Sequence[str] = ()) -> Found:
    """The weights that methods and metrics name, fetched first where they are not here and their server answers.

    Raises `Unavailable` for those of a method that are not to be had. A metric without its weights is not computed
    on the other machine, where other metrics are: such weights are left out.
    """
    found = Found()
    for method, options in need.options.items():
        for option, value in texts(options):
            names = [name for name, entry in ENTRIES.items() if value == name or f"{option} {value}" in uses(entry)]
            for name in names:
                _add(found, name, without, f"{method} ({option}={value})")
            if not names:
                _add_model(found, value, without, f"{method} ({option}={value})")
    for name, entry in ENTRIES.items():
        if need.metrics & uses(entry):
            try:
                _add(found, name, without, "")
            except Unavailable as error:
                found.left_out[name] = f"weights of {', '.join(sorted(need.metrics & uses(entry)))}: {error.message}"
    found.pieces = list(dict.fromkeys(found.pieces))
    return found


def uses(entry: Entry) -> set[str]:
    """What needs the weights of an entry, one by one."""
    return set(entry.purpose.split(", "))


def texts(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text among option values, with its option; of lists each."""
    for option, value in options.items():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(text, str):
                yield option, text


def _add(found: Found, name: str, without: Sequence[str], user: str) -> None:
    """Weights with a name in the table. Raises `Unavailable` where they are not to be had."""
    if name in without:
        found.left_out[name] = "as --without says"
        return
    try:
        find(name)
    except Unavailable as error:
        raise Unavailable(
            f"{user}: {error.message}" if user else error.message, _or_without(error.hint, name)
        ) from None
    place, entry = locate(name), ENTRIES[name]
    assert place is not None
    if place.state == "package":
        found.extras.append(entry.extra)
    elif place.path.is_relative_to(folder_of(name)):
        found.pieces.append(Piece(folder_of(name), f"{HOME}/weights/networks/{name}"))
    elif entry.hub[0]:
        found.pieces += _of_hub(entry.hub[0])
    else:
        found.pieces.append(Piece(place.path, f"{TORCH}/hub/checkpoints/{entry.file}"))


def _add_model(found: Found, value: str, without: Sequence[str], user: str) -> None:
    """A model of the hub that an option names. Raises `Unavailable` where it is not in the hub's cache."""
    hit = HUB_NAME.fullmatch(value)
    if not hit and value not in PACKAGED:
        return
    name = PACKAGED[1] if value in PACKAGED else hit[1] if hit else ""
    if name in without or value in without:
        found.left_out[value] = "as --without says"
    elif pieces := _of_hub(name):
        found.pieces += pieces
    elif value in PACKAGED:
        found.extras.append("smollm2")
    else:
        fetch = f"fetch it where there is a network:  hf download {name}"
        raise Unavailable(f"{user}: the model {name} is not on this machine", _or_without(fetch, value))


def _of_hub(repository: str) -> list[Piece]:
    """A model in the hub's cache: its snapshots, whose links are followed, and their names; none without weights."""
    folder = f"models--{repository.replace('/', '--')}"
    place = hub_cache() / folder
    if not any(file.suffix in WEIGHTS for file in place.glob("snapshots/**/*")):
        return []
    return [Piece(place / part, f"{HUB}/{folder}/{part}") for part in ("snapshots", "refs")]


def _or_without(hint: str, name: str) -> str:
    return f"{hint}\n  or, where the run does not use it:  --without {name}"


def data_of(tasks: Iterable[Task], source: str, progress: Progress) -> Found:
    """The cohorts or twins of tasks; data whose agreement lets nobody copy them are left out.

    Raises `DataMissing` for open data that are not here.
    """
    found = Found()
    for task in tasks:
        if source.partition(":")[0] == "simulated":
            made = load_dataset(task.dataset).load(source, progress)
            found.pieces.append(Piece(twins() / made.name, f"{HOME}/twins/{made.name}"))
            continue
        for name in _cohorts_of(task, source, progress):
            reason = why_closed(name, task.dataset)
            if reason:
                found.left_out[name] = reason
            else:
                found.pieces.append(Piece(cohorts() / name, f"{HOME}/cohorts/{name}"))
    found.pieces = list(dict.fromkeys(found.pieces))
    return found


def _cohorts_of(task: Task, source: str, progress: Progress) -> Iterator[str]:
    """Names of a task's cohorts. Data that may not be copied need not be here."""
    dataset = load_dataset(task.dataset)
    try:
        data: Data = dataset.load(source, progress)
        yield from data.name.split("+")
    except DataMissing:
        if dataset.card.open:
            raise
        yield dataset.name.replace(":", "-")
    if task.test_dataset:
        yield task.test_dataset


def why_closed(cohort: str, dataset: str) -> str:
    """Why a cohort may not be copied; "" where it may: an open data set, and no stricter word of the lab's own."""
    told = _told(cohorts() / cohort)
    name = str(told.get("dataset") or dataset)
    bring = f"bring the lab's own copy there:  brainbench data import {name.partition(':')[0]} PATH"
    try:
        card = load_dataset(name).card
    except BrainbenchError:
        return f"nobody knows its data set {name!r}; {bring}"
    if not card.open:
        return f"its data set is not open ({card.licence}); {bring}"
    if not told:
        return f"its manifest cannot be read; see `brainbench data check {cohort}`"
    if told.get("leaves") not in (None, "ids"):
        return f"its import says that no more than {told['leaves']} may leave the lab; {bring}"
    return ""


def _told(folder: Path) -> dict[str, Any]:
    """The manifest of an installed cohort; empty where none can be read."""
    for name in MANIFESTS:
        with suppress(OSError, ValueError):
            told = json.loads((folder / name).read_text())
            if isinstance(told, dict):
                return told
    return {}
