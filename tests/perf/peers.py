"""Peers in environments of their own: a script of theirs is run by uv beside a pinned package, and tells in JSON.

What cannot be had, for want of uv, of a network or of a wheel, is said to be so and never guessed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PYTHON = "3.11"


class NotToBeHad(Exception):
    """A peer that cannot be run here, and why."""


def ask(script: Path, packages: Sequence[str], *options: str, seconds: float = 1200.0, threads: int = 1) -> Any:
    """What a script prints as JSON in its last line, run beside ``packages`` (``name==version``) alone.

    Raises `NotToBeHad` with the last line of what was said, where the environment cannot be made or the script fails.
    """
    if (uv := shutil.which("uv")) is None:
        raise NotToBeHad("there is no uv here")
    beside = [part for package in packages for part in ("--with", package)]
    command = [uv, "run", "--no-project", "--python", PYTHON, *beside, "python", str(script), *options]
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    threading = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=kept | threading, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"not ready after {seconds:.0f} s") from None
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotToBeHad(told[-1])
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise NotToBeHad("it printed no JSON") from None
