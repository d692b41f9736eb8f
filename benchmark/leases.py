"""Leases: which of several runs on one store computes which cell.

::

    leases/KEY          the name of the run that computes the cell; touched every few seconds while it lives
    leases/runs/NAME    one file for each run: the shared folders that it uses; touched likewise

A lease is a saving, not a lock. Where two runs compute the same cell after all, no harm is done: cells are written
whole or not at all, and their predictions are equal. Clocks of different machines are never compared: a run counts as
gone when its file has stood still for `EXPIRY` seconds while another run looked on, by that one's own steady clock.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from .files import ended, write_error, writer

BEAT = 10.0
"""Seconds between two signs of life."""

EXPIRY = 120.0
"""Seconds without a sign of life after which others take over. Network file systems show one up to a minute late."""

GONE = (errno.ENOENT, errno.ESTALE)
"""What the system says of a file that another machine has removed."""


class Seen(NamedTuple):
    """What a lease says, its owner, and a stamp that changes with every sign of life, in ns as the disk dates."""

    text: str
    stamp: int


def lease_path(store: Path, key: str) -> Path:
    """The file that says who computes a cell."""
    return store / "leases" / key


def look(path: Path) -> Seen | None:
    """What a lease says, even damaged; None where there is none. Opened: a network file system then asks its server."""
    try:
        with open(path, errors="replace") as file:
            return Seen(file.read(), os.fstat(file.fileno()).st_mtime_ns)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


class Watcher:
    """Looks at the files of other runs again and again, and knows how long each has stood still meanwhile."""

    def __init__(self) -> None:
        self._since: dict[Path, tuple[Seen, float]] = {}

    def abandoned(self, path: Path, seen: Seen) -> bool:
        """Whether the run behind a file is gone: its process has ended here, or it gave no sign of life for long."""
        now = time.monotonic()
        last, since = self._since.get(path, (seen, now))
        if last != seen:
            since = now
        self._since[path] = (seen, since)
        return ended(seen.text) or now - since >= EXPIRY


class Holder:
    """The far end of a cell that was handed on: whether the run that holds its lease still wants it.

    Parameters
    ----------
    path
        As `lease_path` gives it, of a lease that is held now.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._watcher = path, Watcher()
        self._first = look(path)

    def wanted(self) -> bool:
        """False when the lease was given back, has another owner, or its owner is gone."""
        try:
            seen = look(self._path)
        except OSError:  # the store is out of reach for now: nothing tells that nobody wants the cell
            return True
        if seen is None or self._first is None or seen.text != self._first.text:
            return False
        return not self._watcher.abandoned(self._path, seen)


class Leases:
    """The leases of this run on a store. A context: at its end all are given back.

    Parameters
    ----------
    store
        Folder of the store.
    uses
        Names of shared folders that this run uses; others leave them alone.
    """

    def __init__(self, store: Path, uses: Iterable[str] = ()) -> None:
        self.owner = writer()
        self._store, self._uses = store, sorted(uses)
        self._runs = store / "leases" / "runs"
        self._held: dict[str, None] = {}
        self._watcher = Watcher()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            self._appear()
        except OSError as error:
            raise write_error(error, self._runs) from error
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._heart.join()
        for key in list(self._held):
            self.release(key)
        with suppress(OSError):
            (self._runs / self.owner).unlink()

    def take(self, key: str) -> bool:
        """Whether this run may compute a cell: nobody else does, or whoever did is gone. Raises `StoreError`."""
        path = lease_path(self._store, key)
        try:
            if not self._create(path):
                seen = look(path)
                if seen is not None and not self._watcher.abandoned(path, seen):
                    return False
                if not (self._clear(path, seen) and self._create(path)):
                    return False
        except OSError as error:
            raise write_error(error, path) from error
        self._held[key] = None
        if self._stop.is_set():  # asked by a thread that has not heard of the end
            self.release(key)
            return False
        return True

    def mine(self, key: str) -> bool:
        """Whether this run holds a lease: one that was suspended for long may have lost it. Raises `StoreError`."""
        try:
            return self._is_mine(key)
        except OSError as error:
            raise write_error(error, lease_path(self._store, key)) from error

    def _is_mine(self, key: str) -> bool:
        seen = look(lease_path(self._store, key))
        return seen is not None and seen.text == self.owner

    def release(self, key: str) -> None:
        """Give a lease back."""
        self._held.pop(key, None)
        with suppress(OSError):  # a store that is gone holds no lease
            if self._is_mine(key):
                lease_path(self._store, key).unlink()

    def sign(self) -> None:
        """Give a sign of life. Of a lease that was lost meanwhile none is given, and none while the disk is gone."""
        for key in list(self._held):
            with suppress(OSError):
                if self._is_mine(key):
                    os.utime(lease_path(self._store, key))
        with suppress(OSError):
            self._appear()

    def used_elsewhere(self) -> set[str]:
        """The shared folders that other living runs use; files of runs that are gone are removed.

        Raises `StoreError`.
        """
        try:
            return self._used_elsewhere()
        except OSError as error:
            raise write_error(error, self._runs) from error

    def _used_elsewhere(self) -> set[str]:
        own = self._appear()
        now = own.stat().st_mtime_ns  # by the file server's clock, as are the others
        used: set[str] = set()
        for path in self._runs.glob("[!.]*"):
            seen = look(path)
            if seen is None or path == own:
                continue
            if ended(path.name) or now - seen.stamp > EXPIRY * 1e9:
                path.unlink(missing_ok=True)
            else:
                used.update(seen.text.split())
        return used

    def _create(self, path: Path) -> bool:
        """Make a lease; False where there is one."""
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(self.owner)
        return True

    def _clear(self, path: Path, seen: Seen | None) -> bool:
        """Take an abandoned lease away; one that somebody else took meanwhile is put back, and the answer is False."""
        aside = self._runs / f".{path.name}.{self.owner}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return True
        now = look(aside)
        same = now is not None and seen is not None and now.text == seen.text
        if not same:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)
        return same

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            self.sign()

    def _appear(self) -> Path:
        """Give a sign of life of this run; its file."""
        own = self._runs / self.owner
        try:
            os.utime(own)
        except FileNotFoundError:  # the first sign, or others took this run for gone
            own.write_text("\n".join(self._uses))
        return own
