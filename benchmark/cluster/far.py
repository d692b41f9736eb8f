"""The far end: what a Dask worker does with a staged cell. Orders are text; answers are files of the store.

::

    work/HOST.PID-pool-RANDOM/      one pool; when it goes, nobody waits for its cells any more
        KEY~TRY/cell/               a staged cell
        KEY~TRY/claimed             made by the one worker that may run this try
        KEY~TRY/answer.json         how it ended; written last
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pydantic import BaseModel

from ..errors import ClusterError
from ..files import write_text
from ..leases import Holder
from ..processes import LOST, Limits, Worker, can_warm
from ..sandbox import Room, need_sandbox
from ..system import ROOT, git_state, harness_version, packages
from .cards import a_card

CELL, CLAIM, ANSWER = "cell", "claimed", "answer.json"

TELL_SECONDS = 1.0
"""The least time between two messages of progress with one label."""

SEE_SECONDS = 0.5
"""How often a folder is looked for that is not seen yet."""

_checked: set[Path] = set()
"""Pools whose store is seen from here."""

_warm: dict[tuple[int, Path, Path], SimpleQueue[Worker]] = {}
"""Workers that wait for a cell, by what they were started with."""


class Order(BaseModel):
    """What a worker is asked to do.

    Attributes
    ----------
    attempt
        The folder of this try: see above.
    topic
        Where progress is told.
    log, lease
        Files of the store: what methods print; and where there is one, whose sign of life says that the run lives.
    threads, seconds, memory
        Threads of the cell, its wall seconds, and bytes; 0 for nine tenths of the worker's machine.
    isolated, readable, writable
        Whether it runs in a sandbox, and what it may touch there beside its folder.
    gpu
        Whether it computes on a graphics card.
    home
        The folder of cohorts, from which cells read their scans, and weights.
    code
        Versions that must be the same where the cell runs.
    patience
        Seconds that a folder of the store may take to be seen: network file systems are late.
    """

    attempt: Path = Path()
    topic: str
    log: Path
    lease: Path | None = None
    threads: int
    seconds: float
    memory: int = 0
    isolated: bool = False
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    gpu: bool = False
    home: Path
    code: dict[str, str]
    patience: float


def code() -> dict[str, str]:
    """Versions that decide what a cell computes. Of a checkout where it lies, and which revision it is."""
    versions = {"brainbench": harness_version(), "python": platform.python_version(), **packages()}
    return {**versions, "checkout": str(ROOT), "revision": git_state()[0]}


def differing(own: dict[str, str], asked: dict[str, str]) -> list[str]:
    """What of the code asked for is another one here. One checkout that all share is the same at every revision."""
    names = [name for name in asked if name not in ("checkout", "revision")]
    if asked["checkout"] != own["checkout"] and asked["revision"] and own["revision"]:
        names.append("revision")
    return [f"{name} {own.get(name, 'missing')} (here {asked[name]})" for name in names if own.get(name) != asked[name]]


def serve(text: str) -> None:
    """Run a cell as an `Order` says, and leave its answer; none is left where it is to be run again.

    Raises `ClusterError` where this worker cannot run cells of that store.
    """
    from distributed import get_worker

    order = Order.model_validate_json(text)
    check(order)
    if not _claim(order.attempt):
        return
    tell = _teller(order, get_worker())
    tell("started")
    folder = order.attempt / CELL
    limits = Limits(order.seconds, order.memory or Limits.default().memory)
    with _worker(order, folder, limits) as worker:
        outcome = worker.run(folder, limits, partial(tell, "progress"), _wanted(order))
    if outcome.status == LOST:
        tell("lost", outcome.reason)
    elif (order.attempt / CLAIM).exists():
        write_text(order.attempt / ANSWER, outcome.model_dump_json())
        tell("answered")


def _wanted(order: Order) -> Callable[[], bool]:
    """Whether anybody still waits for a try: its folder is there, and the run that staged it gives signs of life."""
    holder = Holder(order.lease) if order.lease else None
    return lambda: (order.attempt / CLAIM).exists() and (holder is None or holder.wanted())


def check(order: Order) -> None:
    """Raise `ClusterError` where this process does not see the store, or runs other code."""
    pool = order.attempt.parent
    if pool in _checked:
        return
    until = time.monotonic() + order.patience
    while not pool.is_dir():
        if time.monotonic() > until:
            raise ClusterError(
                f"{platform.node()} does not see the store {pool.parent.parent}",
                "give --store a folder that all machines share under one path",
            )
        time.sleep(SEE_SECONDS)
    if not order.home.is_dir():
        raise ClusterError(
            f"{platform.node()} does not see the data in {order.home}",
            "set BRAINBENCH_HOME to a folder that all machines share under one path",
        )
    differ = differing(code(), order.code)
    if differ:
        raise ClusterError(
            f"{platform.node()} runs other code: {', '.join(differ)}", "start its workers from the same environment"
        )
    _checked.add(pool)


def _claim(attempt: Path) -> bool:
    """Whether this is the first worker that is given a try: Dask gives one again whose worker went away."""
    try:
        (attempt / CLAIM).touch(exist_ok=False)
    except (FileExistsError, FileNotFoundError):
        return False
    except OSError as error:
        raise ClusterError(
            f"{platform.node()} cannot write to {attempt}: {error.strerror}",
            "its workers need the rights and the room to write to the store",
        ) from error
    return True


def _teller(order: Order, worker: Any) -> Callable[..., None]:
    """A function that tells the pool of a cell, of one label at most once a second."""
    last, label = 0.0, ""

    def tell(what: str, told: str = "", done: int = 0, total: int = 0) -> None:
        nonlocal last, label
        now = time.monotonic()
        if what != "progress" or told != label or now - last > TELL_SECONDS:
            last, label = now, told
            message = {"attempt": order.attempt.name, "where": platform.node(), "what": what}
            worker.log_event(order.topic, message | {"told": [told, done, total]})

    return tell


@contextmanager
def _worker(order: Order, folder: Path, limits: Limits) -> Iterator[Worker]:
    """A process for the cell; a warm one is kept for the next cell of the kind."""
    variables = {"BRAINBENCH_HOME": str(order.home)}
    if order.isolated or order.gpu or not can_warm():
        with a_card(order.gpu) as card:
            sandbox = need_sandbox() if order.isolated else None
            room = Room(order.readable, (folder, *order.writable), order.gpu)
            worker = Worker(order.threads, order.log, sandbox, room, limits, variables | card)
            try:
                yield worker
            finally:
                worker.kill()
        return
    kept = _warm.setdefault((order.threads, order.log, order.home), SimpleQueue())
    try:
        worker = kept.get_nowait()
    except Empty:
        _end_idle()
        worker = Worker(order.threads, order.log, variables=variables, warm=True)
    try:
        yield worker
    finally:
        if worker.alive:
            kept.put(worker)


def _end_idle() -> None:
    """End the workers that wait: those of runs that are over would wait as long as this process lives."""
    for waiting in list(_warm.values()):
        with suppress(Empty):
            while True:
                waiting.get_nowait().kill()
