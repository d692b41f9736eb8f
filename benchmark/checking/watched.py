"""A worker process that also writes down what it opens, starts and connects to.

Python reports opened files, started programs and connections to audit hooks (PEP 578). Files that compiled code
opens by itself are not reported: for those see `brainbench.benchmark.checking.bait`. This is a light to see by, no
wall: code that wants to hide can. The wall is ``brainbench run --isolated``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

WATCH = "BRAINBENCH_WATCH"
"""Variable that holds the path of the file to write to."""

LISTS = ("os.listdir", "os.scandir")
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
CONNECTS = ("socket.connect", "socket.getaddrinfo")


class Watch:
    """An audit hook that writes each different event as a line ``[what, told]`` of JSON.

    Parameters
    ----------
    descriptor
        An open file descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen: set[tuple[str, str]] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by the interpreter."""
        if event != "open" and event not in LISTS + STARTS + CONNECTS:
            return
        for found in _told(event, arguments):
            if found not in self._seen:
                self._seen.add(found)
                os.write(self._descriptor, (json.dumps(found) + "\n").encode())


def _told(event: str, arguments: tuple[Any, ...]) -> list[tuple[str, str]]:
    """What an event says: ("open" | "start" | "connect", path or name)."""
    first = arguments[0] if arguments else None
    if event == "open" or event in LISTS:
        path = os.fsdecode(first) if isinstance(first, (str, bytes, os.PathLike)) else ""
        return [("open", str(Path.cwd() / path))] if path else []
    if event == "socket.connect":
        address = arguments[1]
        return [("connect", str(address[0]))] if isinstance(address, tuple) else []
    if event == "socket.getaddrinfo":
        return [("connect", str(first))]
    return [("start", os.fsdecode(first) if isinstance(first, (str, bytes)) else str(first))]


def main() -> None:
    """Serve cells as `brainbench.benchmark.worker.main` does, watched."""
    sys.addaudithook(Watch(os.open(os.environ[WATCH], os.O_WRONLY | os.O_APPEND | os.O_CREAT)))
    from ..worker import main as serve

    serve()


if __name__ == "__main__":
    main()
