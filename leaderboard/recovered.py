"""What records of one network recovered, beside the truth: the content of a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..benchmark.contracts import Progress
from ..benchmark.errors import BadOption
from ..benchmark.record import Record
from ..benchmark.rescoring import rejudge
from ..benchmark.splits import HALVES
from .board import options_told

KIND = "connectivity"

TOGETHER = "all"
"""Whose the one item is where subjects are taken together."""

TRACKS = {"concatenated": "subjects concatenated", "multi-group": "all subjects as one group"}
"""How a task takes subjects together, by its track, in words."""


@dataclass(frozen=True)
class Recovered:
    """What one record says of a network.

    Attributes
    ----------
    label
        The method, and how its subjects and seeds were joined.
    scores
        (N, N) [source, target].
    mean
        Whether ``scores`` are the mean of several matrices. What is measured on them is then not
        the mean of what was measured on each, which is what a table of subjects holds.
    """

    label: str
    scores: np.ndarray
    mean: bool = False


@dataclass(frozen=True)
class Comparison:
    """A true graph (N, N) [source, target], and what methods made of it."""

    title: str
    truth: np.ndarray
    methods: tuple[Recovered, ...]


class Outcome(NamedTuple):
    """Cells (N, N) by what became of them; their counts but the hits add up to the SHD.

    Attributes
    ----------
    hit, missed, extra
        True and found, true and not found, found and not true.
    turned
        Found against the direction of a true edge, which then is not among the missed.
    """

    hit: np.ndarray
    missed: np.ndarray
    extra: np.ndarray
    turned: np.ndarray


def outcome(truth: np.ndarray, found: np.ndarray) -> Outcome:
    """What became of each cell of boolean graphs (N, N)."""
    missing, extra = truth & ~found, found & ~truth
    turned = extra & missing.T
    return Outcome(truth & found, missing & ~turned.T, extra & ~turned, turned)


class Seen(NamedTuple):
    """One predicted item: whose it is, its true graph and the scores."""

    subject: str
    truth: np.ndarray
    scores: np.ndarray


def compare(found: Sequence[tuple[Record, Path]], subject: str | None, progress: Progress) -> Comparison:
    """The truth and the scores of records: the mean over subjects and seeds, or one subject's over seeds.

    Raises `BadOption` when a record is of another kind or another network, when the subject is not
    there, and when subjects have graphs of their own and none was chosen.
    """
    records = [record for record, _ in found]
    several = len({record.task.name for record in records}) > 1
    truth: np.ndarray | None = None
    methods = []
    for record, folder in found:
        seen = _chosen(record, list(_seen(record, folder, progress)), subject)
        own = _common(record, seen)
        if truth is not None and not np.array_equal(truth, own):
            raise BadOption(
                f"{record.id} and {records[0].id} are records of different true graphs",
                "give records of one network, or one subject",
            )
        truth = own
        told = options_told(record, records) + ([record.task.name] if several else [])
        lines = [record.method.name, *([f"({', '.join(told)})"] if told else []), _joined(record, seen)]
        methods.append(Recovered("\n".join(lines), np.mean([one.scores for one in seen], axis=0), len(seen) > 1))
    assert truth is not None
    return Comparison(_title(records), truth, tuple(methods))


def _title(records: Sequence[Record]) -> str:
    """What all records share: the task and the data."""
    first = records[0]
    lines = [f"{first.data.name}, {first.data.origin}"]
    if len({record.task.name for record in records}) == 1:
        lines.insert(0, f"{first.task.name}: {first.task.title}")
    return "\n".join(lines)


def _seen(record: Record, folder: Path, progress: Progress) -> Iterator[Seen]:
    """All items of a record but its half-samples."""
    if record.task.kind != KIND:
        raise BadOption(
            f"{record.id} is a record of {record.task.kind}, which has no graph",
            "for those that have:  brainbench leaderboard --family connectivity --ids",
        )
    if not any(part.status == "ok" for part in record.cells):
        raise BadOption(f"{record.id} holds no graph: {record.status}: {record.reason}", "give another record")
    for cell in rejudge(record, folder, progress)[1]:
        if cell.fold != HALVES:
            yield from map(Seen, cell.clusters, cell.truth.graphs, cell.prediction.scores)


def _chosen(record: Record, seen: list[Seen], subject: str | None) -> list[Seen]:
    """Those of a subject; all when None."""
    mine = [one for one in seen if subject in (None, one.subject)]
    if not mine:
        known = sorted({one.subject for one in seen})
        names = ", ".join(known[:5]) + (f" ... {known[-1]}" if len(known) > 5 else "")
        raise BadOption(f"{record.id} has no subject {subject!r}", f"it has {len(known)}: {names}")
    return mine


def _common(record: Record, seen: Sequence[Seen]) -> np.ndarray:
    """The true graph (N, N) that all share."""
    first = seen[0].truth
    if not all(np.array_equal(first, one.truth) for one in seen):
        raise BadOption(f"{record.id}: its subjects have graphs of their own", "choose one:  --subject ID")
    return first


def _joined(record: Record, seen: Sequence[Seen]) -> str:
    """In words, how the recordings of subjects, or their scores, became one matrix."""
    subjects = sorted({one.subject for one in seen})
    seeds = len(seen) // len(subjects)
    if subjects == [TOGETHER]:
        text = TRACKS.get(record.task.track, "all subjects together")
    else:
        text = f"mean of {len(subjects)} subjects' scores" if len(subjects) > 1 else f"subject {subjects[0]}"
    return text if seeds == 1 else f"{text}, mean of {seeds} seeds"
