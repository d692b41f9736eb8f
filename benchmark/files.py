"""Writing files whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TypeVar

import psutil

from .errors import BrainbenchError, StoreError

try:
    import fcntl
except ImportError:  # Windows: two processes may then do the same work, and one result is kept
    fcntl = None  # type: ignore[assignment]

try:
    _renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
except (OSError, TypeError, AttributeError):  # no Linux: a folder is then absent for a moment while it is replaced
    _renameat2 = None  # type: ignore[assignment]

Made = TypeVar("Made")

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk without room. Where a folder is copied, it stands in the text for each file."""

TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
"""What the system says where a folder is to be renamed to one that another process has just put there."""

ATTEMPTS = 100
"""How often a folder is put in its place before somebody else's is let win."""

UNFINISHED = re.compile(r"\..+\.([0-9a-f]{8}\.\d+-[0-9a-f]{8})\.part")
"""Name of a folder that is being written, with its `writer`."""

SYNCS = 16
"""Files that are forced to the disk at once."""


@contextmanager
def whole_folder(path: Path, lasting: bool = True) -> Iterator[Path]:
    """A new folder beside ``path`` that takes its place when the block ends without an error.

    Where it is not ``lasting``, a loss of power may take files of it: for many that can be made again.

    Raises `StoreError` when the disk is full or the place cannot be written; what was there before
    stays. What a killed process left of an earlier attempt is removed.
    """
    beside = path.parent / f".{path.name}.{writer()}.part"
    try:
        beside.mkdir(parents=True)
        _remove_stale(path.parent)
        yield beside
        if lasting:
            _sync_all(beside)
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


def writer() -> str:
    """A name of this attempt that tells machine and process: ``HOST.PID-RANDOM``."""
    return f"{host()}.{os.getpid()}-{uuid.uuid4().hex[:8]}"


def ended(name: str) -> bool:
    """Whether the process that begins a name, ``HOST.PID-...``, has ended on this machine.

    False for one of another machine, which may share the disk: nothing here tells whether it still runs.
    """
    hit = re.match(r"([0-9a-f]{8})\.([0-9]{1,10})-", name)
    if hit is None or hit[1] != host():
        return False
    try:
        return psutil.Process(int(hit[2])).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def host() -> str:
    """A short name of this machine, for what several may leave on one disk.

    Containers of one name that number their processes apart are machines apart.
    """
    numbers = Path("/proc/self/ns/pid")
    space = str(numbers.readlink()) if numbers.is_symlink() else ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


@lru_cache(maxsize=64)
def _remove_stale(parent: Path) -> None:
    """Remove unfinished folders whose process has ended on this machine.

    Of each parent once a process, since a store holds many thousands of folders, and each cell writes one.
    """
    for other in os.scandir(parent):
        if other.name.endswith(".part") and (hit := UNFINISHED.fullmatch(other.name)) and ended(hit[1]):
            shutil.rmtree(other.path, ignore_errors=True)


def _replace(new: Path, path: Path) -> None:
    """Put a folder in the place of another, or of none; ``new`` may hold the other afterwards.

    Somebody else may do the same at the same time: the last one stays, whole.
    """
    for _ in range(ATTEMPTS):
        if exchange(new, path):
            return
        old = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.old"
        with suppress(FileNotFoundError):
            path.rename(old)
        try:
            new.rename(path)
            return
        except OSError as error:
            if error.errno not in TAKEN:
                with suppress(OSError):
                    old.rename(path)
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
    raise OSError(errno.EBUSY, "others write it again and again")


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change places at once, so that a reader finds the one or the other; False where that cannot be."""
    if _renameat2 is None:
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(_renameat2(here, os.fsencode(one), here, os.fsencode(other), swap) == 0)


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


def _sync_all(folder: Path) -> None:
    """Force the files of a folder to the disk, several at once: the system writes its journal once for these."""
    with ThreadPoolExecutor(SYNCS) as pool:
        list(pool.map(_sync, (file for file in sorted(folder.rglob("*")) if file.is_file())))


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(folder: Path, names: Sequence[str]) -> str:
    """What ``sha256sum`` prints of files of a folder, one a line."""
    return "".join(f"{digest_file(folder / name)}  {name}\n" for name in names)


def digest_file(path: Path, chunk: int = 1 << 22) -> str:
    """SHA-256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(chunk):
            digest.update(block)
    return digest.hexdigest()
