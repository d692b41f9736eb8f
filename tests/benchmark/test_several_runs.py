"""Several runs on one store at once: real processes, killed and suspended, also as if on two machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import MOCKS, ROGUES

CODE = """
import socket, sys
from brainbench.benchmark import leases
from brainbench.benchmark.cli import main
host, leases.EXPIRY, leases.BEAT = sys.argv.pop(1), float(sys.argv.pop(1)), 0.2
socket.gethostname = lambda: host
main()
"""
CELLS = 4


class Runs:
    """Starts ``brainbench run`` on one store, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, host: str = "here", expiry: float = 120, seeds: int = CELLS // 2) -> subprocess.Popen[str]:
        told = {"ROGUE_LOG": str(self.folder / "fits"), "BRAINBENCH_STORE": str(self.folder / "runs")}
        command = [sys.executable, "-c", CODE, host, str(expiry), "run", "--task", f"{MOCKS}:CLASSIFICATION",
                   "--method", f"{ROGUES}:Slow", "--seeds", str(seeds)]  # fmt: skip
        pipe = subprocess.PIPE
        started = subprocess.Popen(
            command,
            env={**os.environ, **told},
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        self.processes.append(started)
        return started

    @property
    def fits(self) -> int:
        return len((self.folder / "fits").read_text().splitlines())

    def leases(self) -> list[str]:
        return [path.name for path in (self.folder / "runs" / "leases").glob("[0-9a-f]*")]


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process printed: results and messages."""
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return out, errors


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()


def test_each_cell_is_computed_once_and_all_print_the_same_table_though_one_is_killed(runs):
    victim = runs.start()
    until(runs.leases)
    others = [runs.start(), runs.start()]
    until(lambda: len(runs.leases()) > 1)
    victim.kill()
    victim.communicate()
    (first, told), (second, said) = map(end, others)
    assert runs.fits in (CELLS, CELLS + 1)  # what the killed one had begun is run again, without a wait
    assert first == second
    assert "rogues:Slow" in first
    assert ", by another run)" in told + said or "are finished already" in told + said
    assert runs.leases() == []


def test_a_run_suspended_for_long_loses_its_cell_and_ends_well_when_it_goes_on(runs):
    sleeper = runs.start("one", expiry=3, seeds=1)
    until(runs.leases)
    (taken,) = runs.leases()
    sleeper.send_signal(signal.SIGSTOP)
    table, _ = end(runs.start("two", expiry=3, seeds=1))
    assert (runs.folder / "runs" / "cells" / taken / "cell.json").is_file()
    sleeper.send_signal(signal.SIGCONT)
    assert end(sleeper)[0] == table
    assert runs.leases() == []
    assert list((runs.folder / "runs" / "leases" / "runs").iterdir()) == []
