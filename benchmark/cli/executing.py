"""Where a plan runs: the device, the part of the cells, the executor; with progress bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .options import errors

if TYPE_CHECKING:
    from ..cells import Cell
    from ..executors import Event
    from ..plan import Plan, Request
    from ..record import Record
    from ..run import Watch
    from ..store import Store


def choose_device(device: str) -> str:
    """``auto`` becomes cuda where torch finds a GPU."""
    import re

    from ..errors import BadOption

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise BadOption(f"--device {device}: expected auto, cpu, cuda or cuda:N")
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


def execute(
    plan: Plan,
    store: Store,
    request: Request,
    jobs: int,
    shard: str | None,
    time_limit: float,
    memory_limit: float | None,
    also: Watch | None = None,
    isolated: bool = False,
) -> list[Record]:
    """Run the plan with progress bars, told to ``also`` as well; Ctrl-C says what is kept.

    Raises `NoSandbox` where cells are to be isolated and cannot be.
    """
    import os

    from ..executors import LocalPool
    from ..processes import Limits
    from ..run import Settings
    from ..run import run as run_plan
    from ..sandbox import need_sandbox
    from .progress import Bars

    threads = max(1, (os.cpu_count() or 1) // jobs)
    memory = int(memory_limit * 2**30) if memory_limit else Limits.default().memory
    store.prepare()
    pool = LocalPool(jobs, threads, Limits(time_limit, memory), store.log, need_sandbox() if isolated else None)
    settings = Settings(request.device, threads, "local", request.checkpoint, request.save, isolated)
    part, parts = parse_shard(shard)
    records: list[Record] = []
    with Bars(plan, store) as bars:

        def watch(cell: Cell, event: Event) -> None:
            bars.watch(cell, event)
            if also is not None:
                also(cell, event)

        try:
            records.extend(run_plan(plan, store, pool, settings, watch, shard=(part, parts)))
        except KeyboardInterrupt:
            bars.stop()
            errors().print(
                f"\nstopped. {bars.finished} of {bars.total} cells are finished and kept in {store.path}; "
                "the same command continues.",
                markup=False,
                soft_wrap=True,
            )
            raise typer.Exit(130) from None
    return records
