"""Cases of a benchmark in processes of their own, in turn, each beside its own reference of the same round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np

PEERS = "BRAINBENCH_PEERS"
"""Names the folder with clones of the reference implementations."""

MEASURES = ("wall", "processor", "gb")
HEADS = ("seconds", "processor s", "GB", "times ours: seconds", "processor s", "GB")


def apart(script: str, case: str, *options: str) -> dict[str, float]:
    """What ``script --case CASE`` prints in its last line, with some more options."""
    # Threads that wait do not spin, so that processor seconds count work, on a busy machine too.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, script, "--case", case, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{case}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_turn(script: str, beside: Mapping[str, str], rounds: int) -> list[list[str | float]]:
    """Rows of a table: case, medians over rounds, and medians of the ratio to the case that stands beside it."""
    runs: dict[str, list[dict[str, float]]] = {case: [] for case in beside}
    for _ in range(rounds):
        for case in beside:
            runs[case].append(apart(script, case))
    return [
        [
            case,
            *(float(np.median([run[key] for run in runs[case]])) for key in MEASURES),
            *(
                float(np.median([run[key] / base[key] for run, base in zip(runs[case], runs[other], strict=True)]))
                for key in MEASURES
            ),
        ]
        for case, other in beside.items()
    ]
