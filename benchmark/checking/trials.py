"""Running a method on planted data: the staging, the worker process and the checks of a run, and no record."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..cells import Cell, MethodSpec
from ..contracts import Fold, Progress, silent
from ..items import Items
from ..kinds import get_kind
from ..processes import Limits, Worker
from ..staging import Extras, Shown, stage
from ..worker import Outcome
from .bait import Bait
from .planted import Planted
from .watched import WATCH
from .watching import Seen, read_seen

LIMIT = 900.0
"""Seconds of one trial."""

LONGEST = 300
"""Characters of a reason."""


@dataclass(frozen=True)
class Trial:
    """One fit and one predict.

    Attributes
    ----------
    name
        What is tried, in a word or two.
    planted
        The data.
    seed
        Seed of the method.
    train, test
        Ids; None for all of the planted data's.
    order
        A text from which the order of the test items is drawn.
    bait
        Items whose truth lies in the bait; None for those of ``planted``.
    checkpoint
        Weights to start from.
    """

    name: str
    planted: Planted
    seed: int = 0
    train: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None
    order: str = ""
    bait: Items | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Answer:
    """How a trial ended.

    Attributes
    ----------
    trial, outcome
        What was tried, and how the cell ended.
    ids, prediction
        Test items in the order shown, and what was predicted of them; None where the cell failed.
    seen
        What the process opened, started and connected to.
    touched
        Bait that was read.
    where
        File and line of the method at which an error was raised; "" for none.
    saved
        Folder in which the method may have left weights.
    seconds
        Wall seconds, the start of the process included.
    """

    trial: Trial
    outcome: Outcome
    ids: tuple[str, ...]
    prediction: Any
    seen: tuple[Seen, ...]
    touched: tuple[Path, ...]
    where: str
    saved: Path
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is a prediction."""
        return self.outcome.status == "ok"

    @property
    def foreseen(self) -> bool:
        """Whether the method itself refused, with a reason of its own."""
        return bool(self.outcome.error) and not self.where and self.outcome.error != "BadPrediction"

    @property
    def told(self) -> str:
        """Why there is no prediction, and where."""
        first = self.outcome.reason.splitlines()[0][:LONGEST] if self.outcome.reason else "it ended without a word"
        return first + (f" ({self.where})" if self.where else "")


class WatchedWorker(Worker):
    """A worker process whose doings are written down. See `brainbench.benchmark.checking.watched`."""

    module = f"{__package__}.watched"


@dataclass
class Trials:
    """Runs trials of one method, each in a process of its own.

    Attributes
    ----------
    spec
        The method with its options.
    source
        File that defines it.
    folder
        Scratch space.
    jobs
        How many at once.
    progress
        ``progress(label, done, total)`` is called as trials end.
    """

    spec: MethodSpec
    source: Path
    folder: Path
    jobs: int = 1
    progress: Progress = silent
    _workers: list[Worker] = field(default_factory=list)
    _count: int = 0

    def run(self, trials: Sequence[Trial]) -> list[Answer]:
        """All trials, in their order. The processes end when this is interrupted."""
        places = [self._place(trial) for trial in trials]
        pool = ThreadPoolExecutor(self.jobs)
        try:
            found = [pool.submit(self._one, trial, place) for trial, place in zip(trials, places, strict=True)]
            out = []
            for number, (trial, future) in enumerate(zip(trials, found, strict=True)):
                self.progress(trial.name, number, len(trials))
                out.append(future.result())
            return out
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.kill()
            self._workers.clear()

    def _place(self, trial: Trial) -> Path:
        self._count += 1
        place = self.folder / f"{self._count:02d}-{re.sub(r'[^a-z0-9]+', '-', trial.name.lower())}"
        place.mkdir(parents=True)
        return place

    def _one(self, trial: Trial, place: Path) -> Answer:
        start = time.monotonic()
        planted = trial.planted
        bait = Bait.laid(place / "home", trial.bait or planted.items)
        cell, kind = _fresh(place / "cell"), get_kind(planted.task.kind)
        shown = self._stage(trial, cell, place / "saved")
        if trial.order:  # the training items stay as they are: of the other staging only the test set is taken
            shown = self._stage(trial, _fresh(place / "order"), place / "saved", trial.order)
            for name in ("test.parquet", "test.json", "test.bin"):
                shutil.copy(place / "order" / name, cell / name)
        # Sets must be walked in another order each time, also where the caller fixed that order for all processes.
        variables = {WATCH: str(place / "watch"), "PYTHONHASHSEED": place.name.partition("-")[0], **bait.environment}
        worker = WatchedWorker(1, place / "log", variables=variables)
        self._workers.append(worker)
        outcome = worker.run(cell, Limits(LIMIT, Limits.default().memory), silent)
        worker.kill()
        prediction = None
        if outcome.status == "ok":
            prediction = kind.restore(kind.load(cell / "out" / "prediction", planted.task.info), shown.key)
            prediction = in_memory(prediction)
        answer = Answer(
            trial, outcome, shown.ids, prediction, read_seen(place / "watch"), tuple(bait.touched()),
            where_it_failed(place / "log", self.source), place / "saved", time.monotonic() - start,
        )  # fmt: skip
        for done in (cell, bait.place, place / "order"):
            shutil.rmtree(done, ignore_errors=True)
        return answer

    def _stage(self, trial: Trial, folder: Path, saved: Path, order: str = "planted") -> Shown:
        """What a worker gets; ``order`` draws the order in which items stand."""
        planted = trial.planted
        cell = Cell(
            task=planted.task.name, version=planted.task.version, method=self.spec, data=order, split="planted",
            fold="planted", seed=trial.seed,
        )  # fmt: skip
        fold = Fold("planted", trial.train or planted.train, trial.test or planted.test)
        extras = Extras(1, "cpu", str(trial.checkpoint) if trial.checkpoint else None, str(saved))
        return stage(cell, planted.task, planted.items, fold, folder, extras)


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def in_memory(prediction: Any) -> Any:
    """A prediction that outlives its files."""
    from ..kinds.pictures import Pictures

    return Pictures(list(prediction)) if isinstance(prediction, Pictures) else prediction


def where_it_failed(log: Path, source: Path) -> str:
    """The last line of a method's own files in the last traceback of a log, as ``file.py:LINE in function``."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    _, found, last = text.rpartition("Traceback (most recent call last):")
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', last) if found else []
    own = [frame for frame in frames if Path(frame[0]).parent == source.parent] or frames
    if not own:
        return ""
    file, line, function = own[-1]
    return f"{Path(file).name}:{line} in {function}"
