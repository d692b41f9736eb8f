"""Start of the commands that people type most: processor seconds and wall seconds, least of a few calls each.

Bytecode is cached, as users have it. Peers are named by ``$BRAINBENCH_START_PEERS``: commands parted by ``;``, such as
``/env/bin/moabb --help;/env/bin/benchopt --help``, from environments of their own. Run:
``python tests/perf/bench_start.py``.
"""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import time

from tabulate import tabulate

CALL = "from brainbench.benchmark.cli import main; main()"
OURS = ("--help", "tasks", "tasks abide2-asd", "methods", "methods fc-svm", "data list")
CALLS = 3


def once(command: list[str]) -> tuple[float, float]:
    """Processor and wall seconds of a command."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Print the table."""
    commands = {f"brainbench {words}": [sys.executable, "-c", CALL, *words.split()] for words in OURS}
    peers = filter(None, os.environ.get("BRAINBENCH_START_PEERS", "").split(";"))
    commands |= {words: shlex.split(words) for words in peers}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(CALLS + 1):  # the first writes bytecode
        for name, command in commands.items():
            found[name].append(once(command))
    rows = [(name, min(cpu for cpu, _ in times), min(wall for _, wall in times)) for name, times in found.items()]
    print(tabulate(rows, ["command", "processor s", "seconds"], floatfmt=".2f"))


if __name__ == "__main__":
    main()
