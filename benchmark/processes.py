"""Worker processes: one runs a staged cell under limits, in a sandbox if asked, and tells how it ended."""

from __future__ import annotations

import json
import math
import os
import platform
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
from pydantic import ValidationError

from .leftovers import tidy
from .logs import bound
from .sandbox import NOTHING, Room, Sandbox
from .worker import STATUSES, Outcome

POLL_SECONDS = 0.2

LINE_BYTES = 1 << 20
"""The longest message of a worker."""

OUTCOME_BYTES = 16 << 20
"""The largest ``outcome.json``."""

LABEL, REASON = 200, 2000
"""The longest label of a progress message, and the longest reason of an outcome, in characters."""

RESERVE_BYTES = 1 << 30
"""Disk that a cell leaves free, or half of what was free where that is less."""

ASK_SECONDS = 1.0
"""How often a worker asks whether its cell is still wanted."""

LOST = "lost"
"""Status of a cell whose worker went away: of no fault of the cell's. An executor runs it again; it is never stored."""


def always() -> bool:
    """A cell that is wanted to its end."""
    return True


@dataclass(frozen=True)
class Limits:
    """Limits of one cell: wall seconds, bytes of resident memory, and in a sandbox the number of its processes."""

    seconds: float = 12 * 3600
    memory: int = 0
    processes: int = 256

    @classmethod
    def default(cls) -> Limits:
        """Twelve hours, and nine tenths of the machine's memory."""
        return cls(memory=int(psutil.virtual_memory().total * 0.9))


class Worker:
    """One worker process. What a method keeps in it must not outlive a cell: folds test what others train on.

    A cold one runs one cell. A warm one forks a child for each, which ends with all that it started
    (see `brainbench.benchmark.template`); after a timeout and the like it is dead, and a new one takes its place.

    Parameters
    ----------
    threads
        CPU threads.
    log
        File that keeps what methods print.
    sandbox, room
        The closed room that it runs in, and what it may touch there; without a sandbox it sees what the parent sees.
    limits
        What the kernel keeps in the sandbox, beside what `run` looks after.
    variables
        Environment variables beside the parent's.
    warm
        Whether it runs one cell after another; only where `can_warm`, and neither in a sandbox nor on a graphics card.
    """

    module: ClassVar[str] = f"{__package__}.worker"

    def __init__(
        self,
        threads: int,
        log: Path,
        sandbox: Sandbox | None = None,
        room: Room = NOTHING,
        limits: Limits | None = None,
        variables: Mapping[str, str] = {},
        warm: bool = False,
    ) -> None:
        environment = {**os.environ, **variables}
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = str(threads)
        # In a process namespace the parent is its first process.
        module = f"{__package__}.template" if warm else self.module
        command = [sys.executable, "-P", "-m", module, "1" if sandbox else str(os.getpid())]
        if sandbox:
            command = sandbox.command(command, room.writable, room.readable, limits, room.gpu)
            environment = sandbox.environment(environment)
        self.sandbox, self.warm, self._log = sandbox, warm, log
        self._child = 0
        self._seen: list[psutil.Process] = []
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )

    def run(
        self,
        folder: Path,
        limits: Limits,
        progress: Callable[[str, int, int], None],
        wanted: Callable[[], bool] = always,
    ) -> Outcome:
        """Run a staged cell; the process may be dead afterwards (`alive`), and is where it ran in a sandbox.

        It is ended when ``wanted``, which is asked every second, says no. The status may be `LOST` then, and where
        somebody else killed it: not the kernel for memory, as far as its counters tell.
        """
        self._kills = memory_kills()
        outcome = self._wait(folder, limits, progress, wanted)
        if self.sandbox or not self.alive:  # what it started may live on
            self.kill()
        if self.sandbox and (odd := tidy(folder, folder / "out")):
            outcome = Outcome(status="failed", reason=f"it left {odd}")
        if outcome is None:
            outcome = read_outcome(folder / "out" / "outcome.json")
        return outcome.model_copy(update={"isolated": self.sandbox is not None, "host": platform.node()})

    def _wait(
        self,
        folder: Path,
        limits: Limits,
        progress: Callable[[str, int, int], None],
        wanted: Callable[[], bool],
    ) -> Outcome | None:
        """Why a cell was ended, or None where it says that it has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{folder}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return self._died(self.process.wait())
        reserve = min(RESERVE_BYTES, shutil.disk_usage(folder).free // 2)
        start = looked = asked = time.monotonic()
        finished = False
        with closing(Ears(self.process.stdout.fileno(), progress)) as ears:
            while True:
                try:
                    told = ears.listen(POLL_SECONDS)
                except EOFError:
                    return self._died(self.process.wait())
                except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                    self.kill()
                    return Outcome(status="failed", reason=f"the worker's messages cannot be read: {error}"[:300])
                if told is None and not self.alive:  # a child that it left may keep the pipe open
                    return self._died(self.process.wait())
                told = told or {}
                finished = finished or "done" in told
                if finished and not self.warm:
                    return None
                if self.warm:  # of a cold one it would be the method who says it
                    self._child = self._child or told.get("child", 0)
                if self.warm and "ended" in told:
                    self._child = 0
                    return None if finished else self._died(told["ended"])
                now = time.monotonic()
                if now - looked < POLL_SECONDS:
                    continue
                looked = now
                bound(self._log)
                broken = self._over(limits, now - start) or self._spreads(limits, folder, reserve)
                if now - asked > ASK_SECONDS:
                    asked = now
                    if not broken and not wanted():
                        broken = Outcome(status=LOST, reason="nobody waits for it any more")
                if broken:
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

    def _spreads(self, limits: Limits, folder: Path, reserve: int) -> Outcome | None:
        """Why a cell in a sandbox is ended before it fills the machine with processes or files."""
        if not self.sandbox:
            return None
        if (count := len(self._processes())) > limits.processes:
            return Outcome(status="failed", reason=f"it started {count} processes, the limit is {limits.processes}")
        if shutil.disk_usage(folder).free < reserve:
            return Outcome(status="failed", reason="it filled the disk")
        return None

    def _died(self, code: int) -> Outcome:
        """What is said of a process that ended with this exit code, or minus this signal."""
        if self.sandbox and code > 128:  # so the sandbox says that a signal ended what it held
            code = 128 - code
        if code == -signal.SIGKILL and self._kills and memory_kills() == self._kills:
            return Outcome(status=LOST, reason="its worker was killed (SIGKILL), by no lack of memory")
        if code == -signal.SIGKILL:
            return Outcome(
                status="out-of-memory",
                reason="the worker was killed by the system, most likely for memory;"
                " fewer --jobs or a smaller --preset need less",
            )
        known = -code in set(signal.Signals)
        name = signal.Signals(-code).name if known else f"exit code {code}"
        return Outcome(status="failed", reason=f"the worker process ended by itself ({name}); see the log")

    def memory(self) -> int:
        """Resident bytes of the process and its children."""
        total = 0
        for process in self._processes():
            with suppress(psutil.Error):  # it may have ended meanwhile
                total += process.memory_info().rss
        return total

    def _processes(self) -> list[psutil.Process]:
        """What a cell has: the process and its children, of a warm one the children alone."""
        try:
            process = psutil.Process(self.process.pid)
            children = process.children(recursive=True)
        except psutil.Error:
            return []
        self._seen = children if self.warm else [process, *children]
        return self._seen

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process and all it started, also what a warm one's child, or who came of it, led away from it."""
        if self._child:
            self._processes()
        for group in {self.process.pid, self._child or self.process.pid}:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self._seen if self.warm else ():
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


def can_warm() -> bool:
    """Whether workers can be warm here: on Linux with process handles (5.3)."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def memory_kills() -> tuple[int, ...]:
    """How many processes the kernel has ended for memory, on this machine and in this group; () where it counts none.

    The counters move before the process is killed, so that whoever sees it dead sees them moved.
    """
    found = []
    for path in (Path("/proc/vmstat"), *_group_counters()):
        with suppress(OSError, ValueError):
            found += [int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("oom_kill ")]
    return tuple(found)


def _group_counters() -> Iterator[Path]:
    """The files that count for the control group of this process: a container may hide the machine's counter."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                yield Path(f"/sys/fs/cgroup{group}/memory.events")
            elif "memory" in controllers.split(","):
                yield Path(f"/sys/fs/cgroup/memory{group}/memory.oom_control")


class Ears:
    """What a worker says down its pipe; progress is passed on."""

    def __init__(self, pipe: int, progress: Callable[[str, int, int], None]) -> None:
        self._pipe, self._progress = pipe, progress
        self._pending = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)

    def listen(self, seconds: float) -> dict[str, Any] | None:
        """As `hear`, or None after so many seconds of silence. Raises `EOFError` at the end, and what `hear` raises."""
        if not self._selector.select(seconds):
            return None
        if not (got := os.read(self._pipe, 1 << 16)):
            raise EOFError
        *lines, self._pending = (self._pending + got).split(b"\n")
        if len(self._pending) > LINE_BYTES:
            raise ValueError("a line without an end")
        return hear(lines, self._progress)

    def close(self) -> None:
        """Listen no more."""
        self._selector.close()


def hear(lines: Iterable[bytes], progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Pass on progress; what else a worker's messages say: ``done``, and of a warm one ``child`` and ``ended``.

    Raises `ValueError`, `TypeError`, `KeyError`, `OverflowError` or `RecursionError` for what is no message: a method
    may write there, too.
    """
    told: dict[str, Any] = {}
    for line in lines:
        message = json.loads(line)
        if isinstance(message, dict) and (said := message.keys() & {"done", "child", "ended"}):
            told |= {name: message[name] if name == "done" else int(message[name]) for name in said}
            continue
        label, done, total = message["progress"]
        progress("".join(c for c in str(label)[:LABEL] if c.isprintable()), int(done), int(total))
    return told


def read_outcome(path: Path) -> Outcome:
    """How a cell says that it ended; a failed one where that cannot be read."""
    try:
        if path.stat().st_size > OUTCOME_BYTES:
            raise ValueError(f"larger than {OUTCOME_BYTES >> 20} MiB")
        outcome = Outcome.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        told = f"{error.error_count()} fields" if isinstance(error, ValidationError) else str(error)
        return Outcome(status="failed", reason=f"its outcome cannot be read: {told}"[:300])
    sound = all(0 <= seconds < math.inf for seconds in (outcome.fit_seconds, outcome.predict_seconds))
    if outcome.status not in STATUSES or not sound:
        return Outcome(status="failed", reason="its outcome has no known status, or no number of seconds")
    items = {row: reason[:REASON] for row, reason in outcome.items.items()}
    return outcome.model_copy(update={"reason": outcome.reason[:REASON], "items": items})
