"""Brainbench as a person runs it, in processes of its own, and what a fault may not change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from brainbench.benchmark.store import Store
from support import MOCKS, ROGUES

CALL = "from brainbench.benchmark.cli import main; main()"
SEEDS = 3
CELLS = 2 * SEEDS
"""Cells of the sweep: two folds."""


def sweep(method: str = "Slow", *options: str) -> list[str]:
    """``run`` of a rogue method on the mock task: `CELLS` cells of a second each."""
    told = ["run", "--task", f"{MOCKS}:CLASSIFICATION", "--method", f"{ROGUES}:{method}", "--seeds", str(SEEDS)]
    return [*told, "--threads", "1", *options]


@dataclass
class Rig:
    """A place with a data folder, a store and a list of the fits that were begun."""

    place: Path

    @property
    def store(self) -> Store:
        """The store of the rig."""
        return Store(self.place / "runs")

    @property
    def environment(self) -> dict[str, str]:
        """What every process gets."""
        own = {"ROGUE_LOG": str(self.place / "fits"), "BRAINBENCH_STORE": str(self.store.path)}
        return {**os.environ, "BRAINBENCH_HOME": str(self.place / "home"), **own}

    def command(self, *arguments: str) -> list[str]:
        """``brainbench ARGUMENTS``."""
        return [sys.executable, "-P", "-c", CALL, *arguments]

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start it; its words are read with ``communicate``."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # The shell that runs the tests in the background may have told its children to ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*arguments), env=self.environment | more, capture_output=True, text=True, timeout=300
        )

    def finished(self) -> set[str]:
        """Keys of the finished cells."""
        return {path.parent.name for path in (self.store.path / "cells").glob("[0-9a-f]*/cell.json")}

    def fits(self) -> int:
        """How many fits of the rogue were begun."""
        log = self.place / "fits"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def hashes(self) -> dict[str, str]:
        """Record -> hash of all but its environment, of those that can be read."""
        return {record.id: record.content_hash for record in self.store.records()}


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something; an error after so many seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that a run started, those of them as well."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them have ended."""
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)
