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
