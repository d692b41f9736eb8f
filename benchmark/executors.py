"""Executors: where cells run. The local pool gives each a process of its own, with limits, and a sandbox if asked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from .processes import LOST, Limits, Worker, can_warm
from .sandbox import NOTHING, Room, Sandbox
from .worker import Outcome

TRIES = 5
"""How often a cell is run whose workers are killed. A failure, a timeout or lack of memory is never tried again."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a cell: started, progress, lost (it is run again; ``label`` says why), or ended."""

    key: str
    what: str
    label: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Work:
    """A cell for an executor: its key, how to stage it when its turn comes, and what it may touch in a sandbox."""

    key: str
    stage: Callable[[], Path]
    room: Room = NOTHING


class Executor(Protocol):
    """Where cells run.

    Attributes
    ----------
    name
        What a record's environment says: local, dask, slurm ...
    threads
        CPU threads of a cell.
    """

    name: str
    threads: int

    def run(self, works: Iterable[Work]) -> Iterator[Event]:
        """Events of all cells, as they happen.

        A work is taken when there is room for it. Workers are ended when the caller leaves early.
        """
        ...


class LocalPool:
    """Runs cells in ``jobs`` worker processes on this machine.

    Cells are staged when their turn comes, so that the disk holds only those in flight. With a ``sandbox`` each runs
    in a closed room, in which its staged folder may be written beside what its `Work.room` names. Else workers are
    kept ``warm`` where the system can; cells that use a graphics card need cold ones.
    """

    def __init__(
        self,
        jobs: int,
        threads: int,
        limits: Limits,
        log: Path,
        sandbox: Sandbox | None = None,
        warm: bool = True,
    ) -> None:
        self.name, self.threads = "local", threads
        self._jobs, self._limits, self._log = jobs, limits, log
        self._sandbox, self._warm = sandbox, warm and sandbox is None and can_warm()
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._turn = threading.Lock()
        self._workers: dict[int, Worker] = {}
        self._stop = threading.Event()

    def run(self, works: Iterable[Work]) -> Iterator[Event]:
        """As `Executor.run`."""
        turns = iter(works)
        slots = [threading.Thread(target=self._serve, args=(slot, turns), daemon=True) for slot in range(self._jobs)]
        for thread in slots:
            thread.start()
        running = len(slots)
        try:
            while running:
                event = self._events.get()
                if event is None:
                    running -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    yield event
        finally:
            self._stop.set()
            for worker in list(self._workers.values()):
                worker.kill()

    def _serve(self, slot: int, turns: Iterator[Work]) -> None:
        """One slot: take cells until none is left."""
        try:
            while not self._stop.is_set():
                with self._turn:
                    work = next(turns, None)
                if work is None:
                    break
                self._run_one(slot, work)
        except BaseException as error:  # handed to the main thread, which raises it
            if not self._stop.is_set():
                self._events.put(error)
        finally:
            if worker := self._workers.pop(slot, None):
                worker.kill()
            self._events.put(None)

    def _run_one(self, slot: int, work: Work) -> None:
        """A cell to its end, staged anew for each worker that it is given."""
        for left in reversed(range(TRIES)):
            outcome = self._try(slot, work)
            if outcome is None or self._stop.is_set():
                return
            if outcome.status != LOST or not left:
                self._events.put(Event(work.key, "ended", outcome=given_up(outcome)))
                return
            self._events.put(Event(work.key, "lost", outcome.reason))

    def _try(self, slot: int, work: Work) -> Outcome | None:
        """How a cell ended in one worker; None where the pool was stopped before."""
        worker = self._warm_worker(slot) if self._warm else None  # it imports while the cell is staged
        folder = work.stage()
        if self._stop.is_set():
            return None
        if worker is None:
            room = replace(work.room, writable=(folder, *work.room.writable))
            worker = self._workers[slot] = Worker(self.threads, self._log, self._sandbox, room, self._limits)
        self._events.put(Event(work.key, "started"))

        def progress(label: Any, done: Any, total: Any) -> None:
            self._events.put(Event(work.key, "progress", str(label), int(done), int(total)))

        outcome = worker.run(folder, self._limits, progress)
        if not self._warm:
            worker.kill()
        return outcome

    def _warm_worker(self, slot: int) -> Worker:
        """The worker of a slot, or a new one where that is dead."""
        if (worker := self._workers.get(slot)) is None or not worker.alive:
            worker = self._workers[slot] = Worker(self.threads, self._log, warm=True)
        return worker


def given_up(outcome: Outcome) -> Outcome:
    """What is said of a cell whose last worker was lost, too; any other outcome as it is."""
    if outcome.status != LOST:
        return outcome
    reason = f"tried {TRIES} times: {outcome.reason}; if nobody kills workers here, the method does it itself"
    return outcome.model_copy(update={"status": "failed", "reason": reason})
