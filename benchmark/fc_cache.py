"""Correlations of a cohort's scans, computed once and kept on disk for every process that asks.

A cohort has a folder ``$BRAINBENCH_HOME/cache/fc/FINGERPRINT-STAMP-NUMERICS`` with::

    cohort.txt     where the cohort lies
    edges.bin      a row a scan that was asked for: products of z-scored ROIs above the diagonal, float32
    index.bin      a record a row: place of the scan in the cohort's file, and checksums

Nothing in it comes from labels. The name changes with the content, and with what decides the last bit of a product
(numpy, its BLAS, the processor), so a row holds the bits that would be computed. Rows are appended under a lock and
may be read at the same time: what is not whole does not match its checksum, and is computed again. Nothing here may
fail a cell: where the cache cannot be read or written, it is done without.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from .home import home
from .items import ArrayRef

try:
    import fcntl
except ImportError:  # Windows: nothing is kept
    fcntl = None  # type: ignore[assignment]

LIMIT = 8 << 30
"""Bytes that all cohorts may take; the least recently used one goes first."""

SPARED = 2 << 30
"""Bytes of the disk that are left free."""

TRIES, WAIT = 500, 0.002
"""How often the lock is asked for, and seconds between: a row takes a tenth of a millisecond to write."""

ROWS_A_LOOK = 64
"""Rows after which the room is looked at again."""

RECORD = np.dtype([("offset", "<i8"), ("frames", "<i8"), ("row", "<u4"), ("self", "<u4")])
"""A record of the index: place and length of the series, checksums of the row and of the three numbers before."""


class Kept:
    """The rows of one cohort's file.

    Parameters
    ----------
    folder
        Made when the first row is kept.
    cohort
        The cohort's folder.
    width
        Numbers in a row.
    """

    def __init__(self, folder: Path, cohort: Path, width: int) -> None:
        self._folder, self._cohort, self._width = folder, cohort, width
        self._slots: dict[tuple[int, int], tuple[int, int]] = {}
        self._known = 0
        self._closed = fcntl is None

    def read(self, place: ArrayRef) -> np.ndarray | None:
        """A scan's row (p,) float32; None where there is none that is whole."""
        try:
            key = place.offset, place.shape[0]
            if key not in self._slots:
                self._look()
            if (found := self._slots.get(key)) is None:
                return None
            slot, checksum = found
            with open(self._folder / "edges.bin", "rb", buffering=0) as file:
                content = os.pread(file.fileno(), 4 * self._width, 4 * self._width * slot)
        except OSError:
            self._forget()
            return None
        whole = len(content) == 4 * self._width and zlib.crc32(content) == checksum
        return np.frombuffer(content, np.float32) if whole else None

    def keep(self, place: ArrayRef, row: np.ndarray) -> None:
        """Append a scan's row (p,), or write it over a damaged one; nothing where there is no room."""
        if self._closed:
            return
        try:
            with self._alone():
                self._look()
                key = place.offset, place.shape[0]
                slot, _ = self._slots.get(key, (self._known, 0))
                if slot % ROWS_A_LOOK == 0 and not self._room():
                    self._closed = True
                    return
                self._write(slot, key, row)
        except OSError:
            self._closed = True

    def _write(self, slot: int, key: tuple[int, int], row: np.ndarray) -> None:
        """The row first, then the record that tells of it."""
        values, record = row.tobytes(), np.zeros(1, RECORD)
        record["offset"], record["frames"], record["row"] = *key, zlib.crc32(values)
        record["self"] = zlib.crc32(record.tobytes()[:-4])
        for name, content in (("edges.bin", values), ("index.bin", record.tobytes())):
            descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if os.pwrite(descriptor, content, slot * len(content)) < len(content):
                    raise OSError("no space left")
            finally:
                os.close(descriptor)
        self._slots[key] = slot, int(record["row"][0])
        self._known = max(self._known, slot + 1)

    def _look(self) -> None:
        """Read the records that others have added."""
        file = self._folder / "index.bin"
        count = file.stat().st_size // RECORD.itemsize if file.is_file() else 0
        if count < self._known:
            self._forget()
        if count > self._known:
            with open(file, "rb") as opened:
                opened.seek(self._known * RECORD.itemsize)
                content = opened.read((count - self._known) * RECORD.itemsize)
            for slot, record in enumerate(np.frombuffer(content, RECORD), self._known):
                if zlib.crc32(record.tobytes()[:-4]) == record["self"]:
                    self._slots[int(record["offset"]), int(record["frames"])] = slot, int(record["row"])
            self._known = count

    def _forget(self) -> None:
        self._slots, self._known = {}, 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A block in which no other process adds rows, in a folder that is there. Raises `TimeoutError`."""
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "cohort.txt").write_text(str(self._cohort))
            _remove_stale()
        with open(self._folder / "lock", "w") as lock:
            for _ in range(TRIES):
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(WAIT)
            else:  # whoever holds it has been stopped: that must not stop others
                raise TimeoutError
            yield

    def _room(self) -> bool:
        """Whether more rows may be written, after other cohorts have made room for them."""
        wanted = ROWS_A_LOOK * self._width * 4
        others = sorted((one for one in _all() if one != self._folder), key=lambda one: one.stat().st_mtime)
        while _bytes([*others, self._folder]) + wanted > LIMIT and others:
            shutil.rmtree(others.pop(0), ignore_errors=True)
        return _bytes([self._folder]) + wanted <= LIMIT and shutil.disk_usage(self._folder).free > SPARED + wanted


def kept_rows(place: ArrayRef) -> Kept | None:
    """The rows of the cohort whose file holds a series; None where it lies in no cohort's file."""
    try:
        stat = Path(place.path).stat()
        return _opened(place.path, stat.st_size, stat.st_mtime_ns, place.shape[1], str(root()))
    except OSError:
        return None


@lru_cache(maxsize=16)
def _opened(path: str, size: int, changed: int, rois: int, place: str) -> Kept | None:
    """The rows of a file as it is now; its folder counts as used."""
    cohort = Path(path).parent
    if (name := _name(cohort, size, changed)) is None:
        return None
    folder = Path(place) / f"{name}-{numerics()}"
    with suppress(OSError):
        os.utime(folder)
    return Kept(folder, cohort, rois * (rois - 1) // 2)


def root() -> Path:
    """Where the rows of all cohorts lie."""
    return home() / "cache" / "fc"


def forget(fingerprint: str) -> None:
    """Remove what is kept of a cohort, as when a person is erased from it."""
    for folder in _all():
        if folder.name.startswith(f"{fingerprint}-"):
            shutil.rmtree(folder, ignore_errors=True)


def _all() -> list[Path]:
    return [folder for folder in root().glob("*-*-*") if folder.is_dir()]


def _bytes(folders: list[Path]) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.glob("*.bin"))


def _remove_stale() -> None:
    """Remove what is kept of cohorts that are gone, or are no longer what they were."""
    for folder in _all():
        with suppress(OSError, ValueError):  # ValueError: the file is damaged
            cohort = Path((folder / "cohort.txt").read_text())
            stat = (cohort / "series.npy").stat() if (cohort / "series.npy").is_file() else None
            if stat is None or _name(cohort, stat.st_size, stat.st_mtime_ns) != folder.name.rpartition("-")[0]:
                shutil.rmtree(folder, ignore_errors=True)


def _name(cohort: Path, size: int, changed: int) -> str | None:
    """Fingerprint of a cohort's content and stamp of its file; None where it has no manifest."""
    try:
        fingerprint = json.loads((cohort / "cohort.json").read_text())["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    stamp = hashlib.sha256(f"{size} {changed}".encode()).hexdigest()[:8]
    return f"{fingerprint}-{stamp}" if str(fingerprint).isalnum() else None


@cache
def numerics() -> str:
    """A short name of all that decides the last bit of a product here."""
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    own = [one for one in found if "numpy" in one["filepath"]] or found
    libraries = [[one.get(key) for key in ("internal_api", "version", "architecture")] for one in own]
    return hashlib.sha256(json.dumps([np.__version__, libraries]).encode()).hexdigest()[:8]
