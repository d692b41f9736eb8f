"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import psutil

from .errors import BrainbenchError, StoreError

try:
    import fcntl
except ImportError:  # Windows: two processes may then do the same work, and one result is kept
    fcntl = None  # type: ignore[assignment]

Made = TypeVar("Made")

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk without room. Where a folder is copied, it stands in the text for each file."""


@contextmanager
def whole_folder(path: Path, lasting: bool = True) -> Iterator[Path]:
    """A new folder beside ``path`` that takes its place when the block ends without an error.

    Where it is not ``lasting``, a loss of power may take files of it: for many that can be made again.

    Raises `StoreError` when the disk is full or the place cannot be written; what was there before
    stays. What a killed process left of an earlier attempt is removed.
    """
    beside = path.parent / f".{path.name}.{_writer()}.part"
    try:
        beside.mkdir(parents=True)
        _remove_stale(path)
        yield beside
        for file in sorted(beside.rglob("*")) if lasting else ():
            if file.is_file():
                _sync(file)
        _replace(beside, path)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def made_once(
    folder: Path, read: Callable[[Path], Made], make: Callable[[], Made], write: Callable[[Path, Made], None]
) -> Made:
    """What lies in the folder, or else what ``make`` gives, left there by ``write``; who asks meanwhile waits for it.

    What ``read`` refuses as damaged is made again.
    """

    def found() -> Made | None:
        if folder.is_dir():
            with suppress(BrainbenchError):
                return read(folder)
        return None

    if (there := found()) is not None:
        return there
    with _alone(folder):
        if (there := found()) is None:
            there = make()
            with whole_folder(folder) as new:
                write(new, there)
    return there


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A block in which no other process makes this folder.

    The lock is held by the process, so that one which is killed leaves none behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stamps(place: Path) -> list[tuple[str, int, int]]:
    """Name, bytes and time of change of a file, or of every file of a folder; nothing where there is neither."""
    found = sorted(place.rglob("*")) if place.is_dir() else [place]
    told = [(str(file.relative_to(place)), file.stat()) for file in found if file.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in told]


def _writer() -> str:
    """A name of this attempt that tells machine and process: ``HOST.PID-RANDOM``."""
    return f"{host()}.{os.getpid()}-{uuid.uuid4().hex[:8]}"


def host() -> str:
    """A short name of this machine, for what several may leave on one disk."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _remove_stale(path: Path) -> None:
    """Remove unfinished folders for ``path`` whose process has ended on this machine.

    Those of other machines, which may share the disk, stay: nothing here tells whether they are still written.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.{host()}\.(\d+)-[0-9a-f]{{8}}\.part")
    for other in path.parent.iterdir():
        if (hit := pattern.fullmatch(other.name)) and not psutil.pid_exists(int(hit[1])):
            shutil.rmtree(other, ignore_errors=True)


def _replace(new: Path, path: Path) -> None:
    old = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.old"
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its place when the block ends without an error; what was there before stays else.

    Raises `StoreError` when the disk is full or the place cannot be written.
    """
    beside = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            yield file
        _sync(beside)
        beside.replace(path)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def write_error(error: OSError, path: Path) -> StoreError:
    """What to tell a person when a file cannot be written."""
    copying = isinstance(error, shutil.Error)
    if error.errno in FULL or (copying and any(f"[Errno {code}]" in str(error) for code in FULL)):
        return StoreError(
            f"no space left while writing {path}", "free some space and repeat the command: finished work is kept"
        )
    reason = error.args[0][0][2] if copying else error.strerror or error
    return StoreError(f"cannot write {path}: {reason}", "check the permissions, or choose another folder")


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_file(path: Path, chunk: int = 1 << 22) -> str:
    """SHA-256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(chunk):
            digest.update(block)
    return digest.hexdigest()
