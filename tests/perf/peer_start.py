"""Start of a command in this environment, in JSON: least processor and wall seconds of a few calls.

Run:  python peer_start.py MODULE [ARGUMENT ...]   (as of: python -m)
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

CALLS = 3


def once(command: list[str]) -> tuple[float, float]:
    """Processor and wall seconds of a command; bytecode is cached."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def least(command: list[str]) -> tuple[float, float]:
    """The least of `CALLS` calls, after one that writes bytecode."""
    once(command)
    cpu, wall = zip(*(once(command) for _ in range(CALLS)), strict=True)
    return min(cpu), min(wall)


def main() -> None:
    print(json.dumps(least([sys.executable, "-m", *sys.argv[1:]])))


if __name__ == "__main__":
    main()
