"""Aggregates from a lab whose data may not leave it: read with care, and shown apart from what was scored here."""

from __future__ import annotations

from collections.abc import Iterator

from ..privacy import FEWEST, policy_of
from ..record import Finding, Record, TaskPart
from ..registry import load_metric, load_task
from .archive import shown
from .offer import Offered
from .remake import UNSEEN, NotTaken, own_id


def as_reported(offered: Offered) -> Record:
    """The record of a lab as a board may show it. Raises `NotTaken` with every reason against it.

    What the task is, is said by the task here; nothing in it is ranked, and no ceiling or control is believed.
    """
    told = offered.record
    assert told is not None
    task, _ = load_task(told.task.name)
    same = {name: getattr(task, name) for name in TaskPart.model_fields if name not in ("ref", "metrics")}
    part = TaskPart(**same, ref=told.task.ref, metrics=told.task.metrics)
    record = told.model_copy(update={"task": part, "ceiling": None, "controls": {}, "ranked": False})
    if reasons := [*wrong(record, offered)]:
        raise NotTaken(*reasons)
    return record


def as_kept(record: Record, name: str) -> Record:
    """The record of a submission under the id that it has on a board."""
    finding = Finding(detector="origin", level="unknown", message=UNSEEN["reported"])
    return record.model_copy(
        update={
            "id": own_id(record, name),
            "row": "reported",
            "method": record.method.model_copy(update={"ref": f"submission:{name}"}),
            "audit": (*record.audit, finding),
            "isolated": False,
        }
    )


def wrong(told: Record, offered: Offered) -> Iterator[str]:
    """What cannot be in aggregates."""
    if offered.entry.leaves == "ids":
        yield "records whose ids may leave are scored again, not reported"
    elif told.data.origin == "real" and policy_of(told) == "ids":  # the keeper's rule, not what was told
        yield f"open data ({shown(told.data.name)}): submit its predictions"
    if told.data.origin != "real":
        yield f"data of the origin {shown(told.data.origin)!r} are nobody's: they are scored again, not reported"
    if offered.entry.leaves == "aggregates" and (offered.folder / "cells").exists():
        yield "aggregates alone may leave, but predictions are in the folder"
    if told.data.subjects < FEWEST:
        yield f"aggregates over {told.data.subjects} people; at least {FEWEST} are asked for"
    for name, score in told.scores.items():
        metric = load_metric(name)
        numbers = (score.low, score.value, score.high)
        known = [number for number in numbers if number is not None]
        if known != sorted(known):
            yield f"{name}: {score.value} is not within its interval, {score.low} .. {score.high}"
        if score.higher_is_better != metric.higher_is_better or score.chance != metric.chance:
            yield f"{name}: not the metric that is known here"
