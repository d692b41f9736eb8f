"""Running cells for the audit: the same staging, the same worker process, no record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..cells import Cell, MethodSpec
from ..contracts import Method, Progress, Task, silent
from ..executors import LocalPool, Work
from ..items import Items
from ..kinds import get_kind
from ..processes import Limits
from ..splits import SplitManifest
from ..staging import Extras, Shown, stage
from ..store import Store
from ..worker import Outcome


@dataclass(frozen=True)
class Ask:
    """One cell of the audit: items under a split, one fold, and where to leave weights."""

    name: str
    task: Task
    items: Items
    split: SplitManifest
    fold: str
    save: Path | None = None


@dataclass(frozen=True)
class Answer:
    """How a cell ended: its prediction in the order of ``ids``; None where it failed."""

    ask: Ask
    outcome: Outcome
    ids: tuple[str, ...]
    prediction: Any


@dataclass(frozen=True)
class Bench:
    """A method with its options, and how its cells are run.

    Attributes
    ----------
    method, spec
        The class and its configuration.
    store
        Staged cells lie in its work folder, and finished shuffles in its folder ``audit``.
    jobs, threads, device, limits, checkpoint, seed, progress
        As of a run.
    """

    method: type[Method]
    spec: MethodSpec
    store: Store
    jobs: int = 1
    threads: int = 1
    device: str = "cpu"
    limits: Limits = field(default_factory=Limits.default)
    checkpoint: Path | None = None
    seed: int = 0
    progress: Progress = silent

    def run(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Run cells in worker processes and yield each as it ends; leaving early ends the processes."""
        by_key = {self._cell(ask).key + f"-audit-{number}": ask for number, ask in enumerate(asks)}
        shown: dict[str, Shown] = {}
        works = [Work(key, lambda key=key: self._stage(key, by_key[key], shown)) for key in by_key]  # type: ignore[misc]
        warm = not self.device.startswith("cuda")
        pool = LocalPool(self.jobs, self.threads, self.limits, self.store.log, warm=warm)
        try:
            for event in pool.run(works):
                if event.what == "progress":
                    self.progress(f"{by_key[event.key].name}: {event.label}", event.done, event.total)
                elif event.outcome is not None:
                    yield self._answer(event.key, by_key[event.key], event.outcome, shown[event.key])
        finally:
            for key in by_key:
                shutil.rmtree(self.store.work_path(key), ignore_errors=True)

    def _cell(self, ask: Ask) -> Cell:
        return Cell(
            task=ask.task.name,
            version=ask.task.version,
            method=self.spec,
            data=ask.split.data,
            split=ask.split.hash,
            fold=ask.fold,
            seed=self.seed,
            device=self.device.partition(":")[0],
        )

    def _stage(self, key: str, ask: Ask, shown: dict[str, Shown]) -> Path:
        folder = self.store.work_folder(key)
        shown[key] = stage(
            self._cell(ask),
            ask.task,
            ask.items,
            ask.split.fold(ask.fold),
            folder,
            Extras(
                threads=self.threads,
                device=self.device,
                checkpoint=str(self.checkpoint.resolve()) if self.checkpoint else None,
                save=str(ask.save) if ask.save else None,
            ),
        )
        return folder

    def _answer(self, key: str, ask: Ask, outcome: Outcome, shown: Shown) -> Answer:
        folder = self.store.work_path(key)
        prediction = None
        if outcome.status == "ok":
            kind = get_kind(ask.task.kind)
            prediction = kind.restore(kind.load(folder / "out" / "prediction", ask.task.info), shown.key)
        shutil.rmtree(folder, ignore_errors=True)
        return Answer(ask, outcome, shown.ids, prediction)
