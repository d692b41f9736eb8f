"""The rig, the records of a calm run, and the table of faults."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_rig import Rig, sweep

TABLE = "BRAINBENCH_FAULT_TABLE"
"""Names a file that gets one line a fault: fault | what happened | what was lost | message. See run.py."""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hashes of the records of the sweep when nothing happens."""
    place = Rig(tmp_path_factory.mktemp("calm"))
    ended = place.run(*sweep())
    assert ended.returncode == 0, ended.stderr
    return place.hashes()


@pytest.fixture
def tell() -> Callable[..., None]:
    """Keep a line of the table of faults, where one is asked for."""

    def keep(fault: str, happened: str, lost: str, message: str = "") -> None:
        if place := os.environ.get(TABLE):
            message = " ".join(message.split()).replace("|", "/")
            with open(place, "a") as file:
                file.write(f"| {fault} | {happened} | {lost} | {message or '-'} |\n")

    return keep
