"""Options that several commands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of records [default: $BRAINBENCH_STORE, else ./runs].",
        show_default=False,
    ),
]
JobsOption = Annotated[int, typer.Option(min=1, help="Worker processes on this machine; they share the cores.")]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="CPU threads of a cell [default: cores / jobs; elsewhere 1].")
]
ExecutorOption = Annotated[str, typer.Option(help="Where cells run: local | dask | slurm | pbs | lsf | sge.")]
SchedulerOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of --executor dask: tcp://HOST:8786, or tls://...")
]
ProfileOption = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Of a batch queue: what its jobs ask for (docs/clusters.md).")
]
TimeOption = Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Wall time of one cell.")]
MemoryOption = Annotated[
    float | None,
    typer.Option(min=0.1, metavar="GB", show_default="nine tenths of the machine", help="Memory of one cell."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def store_path(store: Path | None) -> Path:
    """The folder of records: the option, the environment, or ./runs."""
    return store or Path(os.environ.get("BRAINBENCH_STORE") or "runs")


def errors() -> Console:
    """A console on standard error, for messages and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def out() -> Console:
    """A console on standard output, for results; wide where it is not a terminal."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)
