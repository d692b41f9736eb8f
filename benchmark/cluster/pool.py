"""Cells in the workers of a Dask scheduler."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BrainbenchError, ClusterError
from ..executors import TRIES, Event, Work, given_up
from ..files import host
from ..leases import lease_path
from ..processes import LOST, read_outcome
from ..store import Store
from ..worker import Outcome
from .far import ANSWER, CELL, CLAIM, Order, serve
from .workers import LOOK_SECONDS, Workers

if TYPE_CHECKING:
    from distributed import Future

AHEAD = 2
"""Cells on their way for each slot of the workers: one that runs and one that waits."""


@dataclass
class Flight:
    """A cell on its way.

    Attributes
    ----------
    work, place
        The cell, and where it was staged and is looked for when it has ended.
    number, attempt
        Which try it is, counted from 1, and the folder of that.
    future
        What Dask knows of it.
    where, answered, reason
        What the worker told: its machine, whether there is an answer, and why there is none.
    """

    work: Work
    place: Path
    number: int
    attempt: Path
    future: Future | None = None
    where: str = ""
    answered: bool = False
    reason: str = ""


class DaskPool:
    """Runs cells in the workers of a Dask scheduler, which see the store under the same path.

    Dask runs a function again whose worker went away. Here each try has a folder of its own, which one worker may
    claim once: a second one leaves it alone, and the cell is staged anew.

    Parameters
    ----------
    name, threads
        As in `executors.Executor`.
    workers
        Those of the scheduler.
    store
        Where cells are staged.
    order
        What is asked for all cells alike.
    resources
        What a worker must offer for a cell, in Dask's words: ``{"GPU": 1}``.
    least
        Slots that are reckoned with at the least: those of jobs that still wait in a queue.
    """

    def __init__(
        self, name: str, workers: Workers, store: Store, order: Order, resources: dict[str, float], least: int = 1
    ) -> None:
        self.name, self.threads = name, order.threads
        self._workers, self._order, self._resources, self._least = workers, order, resources, least
        self._client, self._store = workers.client, store
        self._folder = store.path / "work" / f"{host()}.{os.getpid()}-pool-{uuid.uuid4().hex[:8]}"
        self._heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._flights: dict[str, Flight] = {}
        self._stop = False

    def run(self, works: Iterable[Work]) -> Iterator[Event]:
        """As `executors.Executor.run`. Raises `ClusterError` when the scheduler or all workers are gone for good."""
        self._folder.mkdir(parents=True)
        self._subscribe()
        self._workers.start()
        threading.Thread(target=self._take, args=(iter(works),), daemon=True).start()
        taking = True
        try:
            while taking or self._flights:
                what, heard = self._hear()
                if what == "told":
                    yield from self._told(heard)
                elif what == "over":
                    yield from self._over(heard)
                elif what == "error":
                    raise heard
                else:
                    taking = False
        except Exception:
            self._workers.check()  # nothing can be asked of a scheduler that is gone: then that is what is told
            raise
        finally:
            self._leave()

    def _subscribe(self) -> None:
        self._client.subscribe_topic(self._order.topic, lambda event: self._heard.put(("told", event[1])))

    def _take(self, turns: Iterator[Work]) -> None:
        """Take works while there is room for them, in a thread: for some the iterator may wait."""
        try:
            while self._wait_for_room() and (work := next(turns, None)) is not None and not self._stop:
                self._send(work, 1)
            self._heard.put(("taken", None))
        except BaseException as error:  # handed to the main thread, which raises it
            self._heard.put(("error", error))

    def _wait_for_room(self) -> bool:
        """Wait until another cell may be sent; False when the pool stops before."""
        workers = self._workers
        with workers.changed:
            while not self._stop and len(self._flights) >= AHEAD * max(self._least, workers.slots):
                workers.changed.wait(LOOK_SECONDS)
        return not self._stop

    def _send(self, work: Work, number: int) -> None:
        """Stage a cell in a folder of this try, and ask for it."""
        attempt = self._folder / f"{work.key}~{number}"
        place = work.stage()
        attempt.mkdir()
        place.rename(attempt / CELL)
        flight = self._flights[work.key] = Flight(work, place, number, attempt)
        lease = lease_path(self._store.path, work.key)
        order = self._order.model_copy(
            update={
                "attempt": attempt,
                "lease": lease if lease.exists() else None,
                "readable": work.room.readable,
                "writable": work.room.writable,
            }
        )
        flight.future = self._client.submit(
            serve,
            order.model_dump_json(),
            key=f"brainbench-{self._folder.name}-{attempt.name}",
            pure=False,
            resources=self._resources,
        )
        flight.future.add_done_callback(lambda _: self._heard.put(("over", flight)))

    def _hear(self) -> tuple[str, Any]:
        """What happened next. Raises `ClusterError` when nothing can happen any more."""
        while True:
            with suppress(queue.Empty):
                return self._heard.get(timeout=LOOK_SECONDS)
            self._workers.check()

    def _told(self, message: dict[str, Any]) -> Iterator[Event]:
        """What a worker tells of a try."""
        key, _, number = message["attempt"].rpartition("~")
        flight = self._flights.get(key)
        if flight is None or flight.number != int(number):
            return
        yield from self._started(flight, message["where"])
        if message["what"] == "progress":
            yield Event(key, "progress", *message["told"])
        flight.answered |= message["what"] == "answered"
        flight.reason = message["told"][0] if message["what"] == "lost" else flight.reason

    def _started(self, flight: Flight, where: str) -> Iterator[Event]:
        if not flight.where:
            flight.where = where
            yield Event(flight.work.key, "started")

    def _over(self, flight: Flight) -> Iterator[Event]:
        """The end of a try: an answer; or none, and then the cell is sent again."""
        key = flight.work.key
        outcome = self._outcome(flight)
        if flight.where or (flight.attempt / CLAIM).exists():
            yield from self._started(flight, "an unknown machine")
        if outcome.status == LOST and flight.number < TRIES:
            if flight.where:
                yield Event(key, "lost", outcome.reason)
            shutil.rmtree(flight.attempt, ignore_errors=True)
            self._send(flight.work, flight.number + 1)
            return
        yield from self._started(flight, "an unknown machine")
        (flight.attempt / CELL).rename(flight.place)
        shutil.rmtree(flight.attempt, ignore_errors=True)
        with self._workers.changed:
            del self._flights[key]
            self._workers.changed.notify_all()
        yield Event(key, "ended", outcome=given_up(outcome))

    def _outcome(self, flight: Flight) -> Outcome:
        """What a try became; lost where there is no answer. Raises `ClusterError` where no worker can answer."""
        assert flight.future is not None
        answer = flight.attempt / ANSWER
        until = time.monotonic() + self._order.patience * flight.answered
        while not answer.exists() and time.monotonic() < until:  # a network file system shows it late
            time.sleep(LOOK_SECONDS)
        if answer.exists():
            return read_outcome(answer)
        if flight.future.status == "error":
            return failure(flight.future.exception(), flight.where)
        if flight.future.status == "cancelled":  # the scheduler went away, and has forgotten who listens
            self._subscribe()
            return Outcome(status=LOST, reason="the connection to the scheduler broke")
        return Outcome(status=LOST, reason=flight.reason or f"its worker on {flight.where} went away")

    def _leave(self) -> None:
        """Ask for nothing any more. Workers end what nobody waits for within a second of the folder's end."""
        self._stop = True
        self._workers.stop()
        with suppress(Exception):  # a scheduler that is gone; whatever ended this is told, not that
            self._client.cancel([flight.future for flight in list(self._flights.values()) if flight.future])
        shutil.rmtree(self._folder, ignore_errors=True)


def failure(error: BaseException | None, where: str) -> Outcome:
    """What an error at the far end says of a cell. Raises `ClusterError` where it says that no cell can run there."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return Outcome(status=LOST, reason="the workers that had it went away, one after another")
    if isinstance(error, ClusterError):
        raise error
    if isinstance(error, ImportError) or "deserializ" in str(error):
        raise ClusterError(
            f"the scheduler or a worker cannot load brainbench: {error}",
            "start both from an environment that has it:  uv pip install 'brainbench[cluster]'",
        )
    reason = error.message if isinstance(error, BrainbenchError) else f"{type(error).__name__}: {error}"
    return Outcome(status="failed", reason=f"its worker{' on ' * bool(where)}{where}: {reason}"[:500])
