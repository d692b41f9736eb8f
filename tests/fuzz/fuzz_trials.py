"""One trial: a spoilt file is read, and anything but a named error, a hang or much memory is a crash."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fuzz_reader import REFUSES, Reader

SECONDS = 30
"""A reading that takes longer hangs: sound files take some milliseconds."""

ROOM = 2 << 30
"""Bytes of address space that a reading may take beside what is taken already; files are some kilobytes."""

MOST = 400 << 20
"""Bytes of memory that a reading may use."""


class Hang(BaseException):
    """A reading that does not end. No ``except Exception`` of a reader catches it."""


class Swollen(BaseException):
    """A reading that used far more memory than its file has bytes."""


def try_on(reader: Reader, folder: Path, content: bytes) -> bool:
    """Read a folder with these bytes in the place of the reader's file; whether it was refused.

    Raises what is no way of saying no: any other error, `Hang`, or `Swollen`.
    """
    (folder / reader.file).write_bytes(content)
    with bounded():
        try:
            reader.read(folder)
        except REFUSES:
            return True
    return False


@contextmanager
def bounded() -> Iterator[None]:
    """A block with limits on seconds and memory, where the system can."""
    before = signal.signal(signal.SIGALRM, _stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    start = peak(reset=True)
    resource.setrlimit(resource.RLIMIT_AS, (size() + ROOM, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)
    if (used := peak() - start) > MOST:
        raise Swollen(f"{used >> 20} MiB")


def _stop(number: int, frame: FrameType | None) -> None:
    raise Hang(f"after {SECONDS} s")


def size() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def peak(reset: bool = False) -> int:
    """The most bytes of memory that this process used, since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
