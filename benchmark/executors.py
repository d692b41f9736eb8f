"""Executors: where cells run. The local pool gives each a process of its own, with limits."""

from __future__ import annotations

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .worker import Outcome

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """Limits of one cell: wall seconds and bytes of resident memory."""

    seconds: float = 12 * 3600
    memory: int = 0

    @classmethod
    def default(cls) -> Limits:
        """Twelve hours, and nine tenths of the machine's memory."""
        return cls(memory=int(psutil.virtual_memory().total * 0.9))


@dataclass(frozen=True)
class Event:
    """Something that happened to a cell: started, progress, or ended."""

    key: str
    what: str
    label: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None


class Worker:
    """One worker process. What a method keeps in it must not outlive a cell: folds test what others train on."""

    def __init__(self, threads: int, log: Path) -> None:
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = str(threads)
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.worker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )

    def run(self, folder: Path, limits: Limits, progress: Callable[[str, int, int], None]) -> Outcome:
        """Run a staged cell; the process may be dead afterwards."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{folder}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return self._died()
        start = time.monotonic()
        pipe = self.process.stdout.fileno()
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                if selector.select(POLL_SECONDS):
                    got = os.read(pipe, 1 << 16)
                    if not got:
                        return self._died()
                    *lines, pending = (pending + got).split(b"\n")
                    for message in map(json.loads, lines):
                        if "done" in message:
                            return Outcome.model_validate_json((folder / "out" / "outcome.json").read_text())
                        progress(*message["progress"])
                elif not self.alive:  # a child that it left may keep the pipe open
                    return self._died()
                if broken := self._over(limits, time.monotonic() - start):
                    self.kill()
                    return broken

    def _over(self, limits: Limits, seconds: float) -> Outcome | None:
        if seconds > limits.seconds:
            return Outcome(status="timeout", reason=f"stopped after {limits.seconds:.0f} s (--time-limit)")
        used = self.memory()
        if limits.memory and used > limits.memory:
            return Outcome(
                status="out-of-memory",
                peak_memory=used,
                reason=f"used {used >> 20} MiB, the limit is {limits.memory >> 20} MiB (--memory-limit)",
            )
        return None

    def _died(self) -> Outcome:
        code = self.process.wait()
        if code == -signal.SIGKILL:
            return Outcome(
                status="out-of-memory",
                reason="the worker was killed by the system, most likely for memory;"
                " fewer --jobs or a smaller --preset need less",
            )
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Outcome(status="failed", reason=f"the worker process ended by itself ({name}); see the log")

    def memory(self) -> int:
        """Resident bytes of the process and its children."""
        try:
            process = psutil.Process(self.process.pid)
            return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))
        except psutil.Error:
            return 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process and all it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@dataclass(frozen=True)
class Work:
    """A cell for an executor: its key, and how to stage it when its turn comes."""

    key: str
    stage: Callable[[], Path]


class LocalPool:
    """Runs cells in ``jobs`` worker processes on this machine.

    Cells are staged when their turn comes, so that the disk holds only those in flight.
    """

    def __init__(self, jobs: int, threads: int, limits: Limits, log: Path) -> None:
        self._jobs, self._threads, self._limits, self._log = jobs, threads, limits, log
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._todo: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._workers: dict[int, Worker] = {}
        self._stop = threading.Event()

    def run(self, works: Iterable[Work]) -> Iterator[Event]:
        """Events of all cells, as they happen. Workers are killed when the caller leaves early."""
        count = 0
        for work in works:
            self._todo.put(work)
            count += 1
        slots = [
            threading.Thread(target=self._serve, args=(slot,), daemon=True) for slot in range(min(self._jobs, count))
        ]
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

    def _serve(self, slot: int) -> None:
        """One slot: take cells until none is left."""
        try:
            while not self._stop.is_set():
                try:
                    work = self._todo.get_nowait()
                except queue.Empty:
                    break
                self._run_one(slot, work)
        except BaseException as error:  # handed to the main thread, which raises it
            if not self._stop.is_set():
                self._events.put(error)
        finally:
            self._events.put(None)

    def _run_one(self, slot: int, work: Work) -> None:
        folder = work.stage()
        if self._stop.is_set():
            return
        worker = self._workers[slot] = Worker(self._threads, self._log)
        self._events.put(Event(work.key, "started"))

        def progress(label: Any, done: Any, total: Any) -> None:
            self._events.put(Event(work.key, "progress", str(label), int(done), int(total)))

        outcome = worker.run(folder, self._limits, progress)
        worker.kill()
        if not self._stop.is_set():
            self._events.put(Event(work.key, "ended", outcome=outcome))
