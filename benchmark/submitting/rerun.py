"""Running a submitted method again: in a closed room, and only when the keeper asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..cells import MethodSpec
from ..contracts import Progress
from ..draws import read_draws
from ..executors import Event, LocalPool, Work
from ..plan import Plan
from ..processes import Limits
from ..record import Record
from ..registry import entries
from ..run import run
from ..sandbox import Sandbox
from ..settings import Settings
from ..store import Store
from .archive import few, shown
from .layout import METHOD, Manifest
from .remake import Remade, differences

SHIM = """import sys

sys.path.insert(0, {folder!r})
from {module} import {name}  # noqa: E402, F401
"""
"""What imports a method out of a package, so that its relative imports work."""


SECONDS = 7200.0
"""Wall time of a fold that is run again."""

LONGEST_REASON = 600
"""Characters that are told of how a method ended: the error itself stands at the end."""


@dataclass(frozen=True)
class Again:
    """What running again gave: the ``same`` scores, others (``differs``), or nothing (``failed``), and why.

    ``remade`` is the record as it was run here, where it is the same.
    """

    what: Literal["same", "differs", "failed"]
    told: str
    remade: Remade | None = None


class OpenedPool(LocalPool):
    """A pool whose cells may read more folders: those of the submitted method."""

    opened: tuple[Path, ...] = ()

    def run(self, works: Iterable[Work]) -> Iterator[Event]:
        """As `LocalPool.run`."""
        return super().run(map(self._open, works))

    def _open(self, work: Work) -> Work:
        return replace(work, room=replace(work.room, readable=(*work.room.readable, *self.opened)))


def rerun(
    remade: Remade,
    manifest: Manifest,
    folder: Path,
    place: Path,
    sandbox: Sandbox,
    progress: Progress,
    seconds: float = SECONDS,
) -> Again:
    """Run the cells of a record again, each in the sandbox, and compare.

    Parameters
    ----------
    folder
        The received submission.
    place
        A new folder for what is run, which is read again when the record is accepted.
    seconds
        Wall time of each fold. What a method prints is thrown away: it could fill the disk.
    """
    spec = remade.row.spec
    if spec.weights:
        return Again("failed", "it starts from weights, which a submission does not hold")
    try:
        method, opened = spec_here(spec, manifest, folder, place)
    except LookupError as error:
        return Again("failed", str(error))
    method = method.model_copy(update={"source": ""})  # what its files do is seen by running them, whatever it claims
    cells = tuple(cell.model_copy(update={"method": method}) for cell in remade.row.cells)
    row = replace(remade.row, spec=method, cells=cells)
    first = remade.row.cells[0]
    threads = max(1, min(remade.record.environment.threads, os.cpu_count() or 1))
    store = Store(place / "runs")
    store.prepare()
    pool = OpenedPool(1, threads, replace(Limits.default(), seconds=seconds), Path(os.devnull), sandbox)
    pool.opened = opened
    done = 0

    def watch(_cell: object, event: Event) -> None:
        nonlocal done
        done += event.outcome is not None
        progress("run again", done, len(cells))

    settings = Settings(first.device, threads, isolated=True)
    (record,) = run(Plan((row,)), store, pool, settings, watch)
    if record.status != "ok":
        reason = record.reason.replace(f"{folder.resolve()}{os.sep}", "").removesuffix("; see the log")
        return Again("failed", f"run again, it ended: {record.status}, {shown(reason, LONGEST_REASON)}")
    if lines := [*differences(remade.record, record)]:
        return Again("differs", "run again, it gives other numbers: " + "; ".join(few(lines)[:3]))
    return Again("same", told_same(remade, record), as_remade(remade, record, store))


def told_same(remade: Remade, record: Record) -> str:
    """How much was the same."""
    mine = [part.prediction for part in record.cells]
    if mine == [part.prediction for part in remade.record.cells]:
        return "run again in a sandbox: the same predictions, to the byte"
    return "run again in a sandbox: the same scores"


def spec_here(spec: MethodSpec, manifest: Manifest, folder: Path, place: Path) -> tuple[MethodSpec, tuple[Path, ...]]:
    """The method with what finds it here, and the folders that it lies in; nothing of it is imported by this process.

    Raises `LookupError` with a sentence where it is not here.
    """
    if not manifest.source:
        raise LookupError("it was run elsewhere: there is no source to run")
    if not manifest.source.startswith(f"{METHOD}/"):
        found = entries("methods").get(manifest.source)
        if found is None or found.origin != "built-in":
            raise LookupError(f"there is no method {shown(manifest.source)!r} here")
        return spec.model_copy(update={"ref": manifest.source}), ()
    method = (folder / METHOD).resolve()
    file, _, name = manifest.source.removeprefix(f"{METHOD}/").rpartition(":")
    if "/" not in file:
        return spec.model_copy(update={"ref": f"{method / file}:{name}"}), (method,)
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    shim = place.resolve() / "shim" / "submitted.py"
    shim.parent.mkdir(parents=True)
    shim.write_text(SHIM.format(folder=str(method), module=module, name=name))
    return spec.model_copy(update={"ref": f"{shim}:{name}"}), (method, shim.parent)


def as_remade(remade: Remade, record: Record, store: Store) -> Remade:
    """The record that was run here, with the cells under the names that the submission gave them."""
    place = store.path / "records" / record.id
    mine = {(part.fold, part.seed): part for part in remade.record.cells}
    parts = tuple(part.model_copy(update={"key": mine[part.fold, part.seed].key}) for part in record.cells)
    cells = []
    for was in remade.cells:
        own = next(cell for cell in record.cells if (cell.fold, cell.seed) == (was.cell.fold, was.cell.seed))
        found = store.finished(own.key)
        assert found is not None
        cells.append(found.model_copy(update={"cell": was.cell}))
    named = record.model_copy(update={"id": remade.record.id, "method": remade.record.method, "cells": parts})
    return replace(remade, record=named, cells=tuple(cells), draws=read_draws(place))
