"""Where a plan runs: the device, the part of the cells, the executor; with progress bars."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .options import errors

if TYPE_CHECKING:
    from ..cells import Cell
    from ..cluster.profile import Profile
    from ..executors import Event, Executor
    from ..plan import Plan, Request
    from ..record import Record
    from ..run import Watch
    from ..store import Store


@dataclass(frozen=True)
class Where:
    """Where cells run and within which limits, none of which may change a result: options of the command line."""

    executor: str = "local"
    jobs: int = 1
    threads: int | None = None
    scheduler: str | None = None
    profile: Path | None = None
    shard: str | None = None
    time_limit: float = 12 * 3600
    memory_limit: float | None = None
    isolated: bool = False

    @property
    def memory(self) -> int:
        """The limit of memory in bytes; 0 for none given."""
        return int((self.memory_limit or 0) * 2**30)


HERE = Where()
"""One process on this machine."""


def choose_device(device: str, where: Where = HERE) -> str:
    """``auto`` becomes cuda where torch finds a GPU here, or the jobs of a batch queue ask for one."""
    import re

    from ..errors import BadOption

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise BadOption(f"--device {device}: expected auto, cpu, cuda or cuda:N")
    profile = read_where(where)
    if where.executor != "local":
        if device.startswith("cuda:"):
            raise BadOption(f"--device {device}: on a cluster each cell sees one GPU", "use --device cuda")
        given = device == "auto" and profile is not None and profile.gpus > 0
        return "cuda" if device == "cuda" or given else "cpu"
    if device == "cpu":
        return device
    if has_gpu():
        return "cuda" if device == "auto" else device
    if device == "auto":
        return "cpu"
    raise BadOption(f"--device {device}: torch finds no GPU here", "use --device cpu; `brainbench doctor` says what is")


def has_gpu() -> bool:
    """Whether torch is installed and finds a GPU; torch is not imported where there can be none."""
    from importlib.util import find_spec

    if find_spec("torch") is None or not Path("/dev/nvidia0").exists():
        return False
    import torch

    return bool(torch.cuda.is_available())


def parse_shard(text: str | None) -> tuple[int, int]:
    """(part, parts) of ``I/N``, counted from 1."""
    from ..errors import BadOption

    if text is None:
        return 1, 1
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise BadOption(f"--shard {text}: expected I/N, such as 1/4")
    return int(part), int(parts)


@contextmanager
def opened(where: Where, store: Store, device: str) -> Iterator[Executor]:
    """The executor that is asked for; a cluster is let go at the end. Raises `BadOption` and `ClusterError`."""
    profile = read_where(where)
    if where.executor == "local":
        yield local_pool(where, store, device)
        return
    from ..cluster.opening import dask_pool, make_order, queue_pool

    threads = where.threads or (profile.threads if profile else 1)
    order = make_order(store, threads, where.time_limit, where.memory, where.isolated, device)
    if profile:
        pool = queue_pool(where.executor, profile, store, order, say)
    else:
        pool = dask_pool(str(where.scheduler), store, order, say)
    with pool as found:
        yield found


def read_where(where: Where) -> Profile | None:
    """The profile of a batch queue; None elsewhere. Raises `BadOption` for slips and what does not go together."""
    from ..errors import BadOption, near

    parse_shard(where.shard)
    queues = ("slurm", "pbs", "lsf", "sge")
    if where.executor not in ("local", "dask", *queues):
        known = ("local", "dask", *queues)
        raise BadOption(f"no executor {where.executor!r}", near(where.executor, known, f"known: {', '.join(known)}"))
    if (where.executor == "dask") != bool(where.scheduler):
        raise BadOption(
            "--executor dask and --scheduler ADDRESS go together",
            "start one with `dask scheduler`, and give the address that it prints",
        )
    if (where.executor in queues) != bool(where.profile):
        raise BadOption(
            "--executor slurm, pbs, lsf or sge and --profile FILE.toml go together",
            "docs/clusters.md shows a profile",
        )
    if where.executor != "local" and where.jobs != 1:
        raise BadOption(
            "--jobs is of --executor local", "elsewhere the workers, or the profile, say how many there are"
        )
    if where.profile is None:
        return None
    from ..cluster.profile import read_profile

    return read_profile(where.profile, where.threads)


def print_job(where: Where, store: Store) -> None:
    """The script that a batch queue would be given; nothing elsewhere."""
    profile = read_where(where)
    if profile is None:
        return
    from ..cluster.queues import job_script

    jobs, cells = profile.maximum, profile.slots
    print(f"\nup to {jobs} job{'s' * (jobs != 1)} of {cells} cell{'s' * (cells != 1)} each:\n")
    print(job_script(where.executor, profile, store.path / "jobs"), end="")


def say(text: str) -> None:
    """A line on standard error."""
    errors().print(text, markup=False, soft_wrap=True)


def threads_of(where: Where) -> int:
    """CPU threads of a cell: as asked for; else a share of this machine's cores, and one elsewhere."""
    share = max(1, (os.cpu_count() or 1) // where.jobs) if where.executor == "local" else 1
    return where.threads or share


def local_pool(where: Where, store: Store, device: str) -> Executor:
    """Worker processes on this machine. Raises `NoSandbox` where cells are to be isolated and cannot be."""
    from ..executors import LocalPool
    from ..processes import Limits
    from ..sandbox import need_sandbox

    threads = threads_of(where)
    limits = Limits(where.time_limit, where.memory or Limits.default().memory)
    sandbox = need_sandbox() if where.isolated else None
    return LocalPool(where.jobs, threads, limits, store.log, sandbox, warm=not device.startswith("cuda"))


def execute(plan: Plan, store: Store, request: Request, where: Where, also: Watch | None = None) -> list[Record]:
    """Run the plan with progress bars, told to ``also`` as well; Ctrl-C says what is kept."""
    from ..run import run as run_plan
    from ..settings import Settings
    from .progress import Bars

    shard = parse_shard(where.shard)
    store.prepare()
    records: list[Record] = []
    with opened(where, store, request.device) as pool, Bars(plan, store) as bars:
        settings = Settings(request.device, pool.threads, pool.name, request.checkpoint, request.save, where.isolated)

        def watch(cell: Cell, event: Event) -> None:
            bars.watch(cell, event)
            if also is not None:
                also(cell, event)

        try:
            records.extend(run_plan(plan, store, pool, settings, watch, shard, bars.waiting))
        except KeyboardInterrupt:
            bars.stop()
            say(
                f"\nstopped. {bars.finished} of {bars.total} cells are finished and kept in {store.path}; "
                "the same command continues."
            )
            raise typer.Exit(130) from None
    return records
