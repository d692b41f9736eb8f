"""Readers of what runs leave for each other and for themselves: leases, index, kept connectivity, and profiles."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from fuzz_reader import Reader, readers_of
from fuzz_store_files import record, sealed

from brainbench.benchmark import fc_cache, files, index
from brainbench.benchmark.cluster.profile import Profile, read_profile
from brainbench.benchmark.cluster.queues import QUEUES, job_options
from brainbench.benchmark.fc_cache import Kept
from brainbench.benchmark.items import ArrayRef
from brainbench.benchmark.leases import Holder, Leases, lease_path
from brainbench.benchmark.store import SEAL, Store

OTHER = "00000000.1-aaaaaaaa"
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)
PROFILE = """
queue = "short"
walltime = "02:30:00"
cores = 8
memory = "32GB"
gpus = 2
threads = 4
directives = ["--mail-type=END"]
tls = true
"""


def write_leases(folder: Path) -> None:
    """The leases of another run, and of one on this machine that has ended."""
    runs = folder / "leases" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    (runs / OTHER).write_text("shared1\nshared2")
    lease_path(folder, "a1").write_text(OTHER)
    lease_path(folder, "b2").write_text(f"{files.host()}.{2**22 + 1}-aaaaaaaa")


def read_leases(folder: Path) -> None:
    """What another run makes of them, and the far end of a cell."""
    holder = Holder(lease_path(folder, "a1"))
    holder.wanted()
    with Leases(folder) as own:
        own.take("a1")
        own.take("b2")
        own.sign()
        own.used_elsewhere()


def write_index(folder: Path) -> None:
    """A store of one record, and what is remembered of it."""
    told = record()
    place = folder / "records" / told.id
    place.mkdir(parents=True, exist_ok=True)
    (place / "record.json").write_text(told.model_dump_json())
    sealed(place / "record.json", place / SEAL)
    stamp = index.stamp_of(str(place), SEAL)
    index.save(folder / index.INDEX, {told.id: (index.place_of(told), stamp)})
    (folder / "body.json").write_bytes((folder / index.INDEX).read_bytes().partition(b"\n")[2])


def read_index(folder: Path) -> None:
    """The records by a remembered content that has the hash of what it holds now."""
    body = (folder / "body.json").read_bytes()
    (folder / index.INDEX).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert list(Store(folder).places()) == [record().id]
    list(Store(folder).records(lambda place: True))


def kept(folder: Path) -> Kept:
    """The kept connectivity of a cohort of three regions."""
    cohort = folder / "toy"
    stat = (cohort / "series.npy").stat()
    name = fc_cache._name(cohort, stat.st_size, stat.st_mtime_ns)
    return Kept(folder / "fc" / f"{name}-00000000", cohort, ROWS.shape[1])


def scan(folder: Path, row: int) -> ArrayRef:
    """Where a scan of it lies."""
    return ArrayRef(str(folder / "toy" / "series.npy"), 120 * row, (10, 3), "<f4")


def write_kept(folder: Path) -> None:
    """Two rows, in a folder of a fixed name."""
    (folder / "toy").mkdir(exist_ok=True)
    (folder / "toy" / "cohort.json").write_text('{"fingerprint": "abc"}')
    (folder / "toy" / "series.npy").write_bytes(b"x")
    os.utime(folder / "toy" / "series.npy", ns=(0, 0))
    for row, values in enumerate(ROWS):
        kept(folder).keep(scan(folder, row), values)


def read_kept(folder: Path) -> None:
    """Every row is the one that was kept, or none; and one more is kept."""
    with patch.object(fc_cache, "root", lambda: folder / "fc"):
        for row, values in enumerate(ROWS):
            found = kept(folder).read(scan(folder, row))
            assert found is None or np.array_equal(found, values)
        fc_cache._remove_stale()
        kept(folder).keep(scan(folder, 2), ROWS[0])
        write_kept(folder)


def within(act: Callable[[Path], object]) -> Callable[[Path], object]:
    """The same, with what is kept of connectivity inside the folder."""

    def go(folder: Path) -> None:
        with patch.object(fc_cache, "root", lambda: folder / "fc"):
            act(folder)

    return go


def read_jobs(folder: Path) -> None:
    """A profile, and what each queue is asked for by it."""
    profile: Profile = read_profile(folder / "p.toml")
    for name in QUEUES:
        job_options(name, profile, folder)


def readers() -> list[Reader]:
    """Every reader of files between runs."""
    stamp = hashlib.sha256(b"1 0").hexdigest()[:8]
    rows = f"fc/abc-{stamp}-00000000"
    return [
        *readers_of("leases", write_leases, ("leases/a1", f"leases/runs/{OTHER}"), read_leases),
        Reader("leases: of this machine", "leases/b2", write_leases, read_leases),
        Reader("index of a store", "body.json", write_index, read_index),
        *readers_of("kept connectivity", within(write_kept), (f"{rows}/index.bin", f"{rows}/edges.bin",
                    f"{rows}/cohort.txt"), read_kept),
        Reader("profile of a queue", "p.toml", lambda folder: (folder / "p.toml").write_text(PROFILE), read_jobs),
    ]  # fmt: skip
