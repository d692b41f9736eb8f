"""A real Dask scheduler and its workers, each a process that was started by command line, as people start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil


def until(holds: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Machines:
    """Starts a scheduler and workers in a folder, and ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen] = []
        file = folder / f"scheduler{time.monotonic_ns()}.json"
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                     "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file))  # fmt: skip
        until(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def worker(self, *options: str, **variables: str) -> subprocess.Popen:
        """A worker of one slot, unless the options say otherwise; a process by itself with ``--no-nanny``."""
        return self._start("dask_worker", self.address, "--no-dashboard", "--dashboard-address", "127.0.0.1:0",
                           "--local-directory", str(self.folder), "--nthreads", "1", *options, **variables)  # fmt: skip

    def _start(self, module: str, *options: str, **variables: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *options]
        with open(self.folder / "dask.log", "ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **variables}
            )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Kill what was started and all its children."""
        for process in self.processes:
            try:
                family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
            except psutil.NoSuchProcess:
                family = []
            for member in family:
                try:
                    os.kill(member.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()
