"""Disks that are full, closed or gone, in a room whose store is a small file system in memory."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from fault_rig import CELLS, sweep

from brainbench.benchmark.sandbox import find_sandbox

WHOLE = ["bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]


@pytest.fixture(autouse=True)
def needs_rooms():
    if find_sandbox() is None:
        pytest.skip("no bubblewrap: a small file system cannot be made here")


def test_a_full_disk_is_one_message_and_the_same_command_continues(rig, calm, tell):
    """Room for the first cells only; then the disk gets room, and the rest is computed."""
    rig.store.path.mkdir()
    kept = rig.place / "kept"
    script = f"""
        cd {rig.place}
        head -c 4120000 /dev/zero > runs/filler
        "$@" 2> first.err > first.out; echo $? > first.code
        ls runs/cells 2>/dev/null | grep -c '^[0-9a-f]' > first.cells
        rm runs/filler
        "$@" 2> second.err > second.out; echo $? > second.code
        cp -r runs {kept}
    """
    room = [*WHOLE, "--size", str(4 << 20), "--tmpfs", str(rig.store.path)]
    command = rig.command(*sweep("Coin"))
    subprocess.run([*room, "bash", "-c", script, "bash", *command], env=rig.environment, check=True, timeout=300)
    told = {name: (rig.place / name).read_text().strip() for name in ("first.code", "first.err", "second.code")}
    assert told["first.code"] == "2", told
    assert "no space left" in told["first.err"]
    assert "finished work is kept" in told["first.err"]
    assert "Traceback" not in told["first.err"]
    assert told["second.code"] == "0", (rig.place / "second.err").read_text()
    assert len(list((kept / "cells").glob("[0-9a-f]*"))) == CELLS
    shutil.copytree(kept, rig.store.path, dirs_exist_ok=True)
    (found,) = rig.store.records()
    assert found.status == "ok"
    message = next(line for line in told["first.err"].splitlines() if "no space" in line)
    cells = (rig.place / "first.cells").read_text().strip() or "0"
    happened = f"{cells} cells were kept; with room made the same command finished"
    tell("disk full (a store of 4 MiB)", happened, "nothing",
         message.replace(str(rig.place), ""))  # fmt: skip


def test_a_store_that_may_not_be_written_is_read_all_the_same(rig, tell):
    assert rig.run(*sweep("Coin")).returncode == 0
    before = rig.hashes()
    closed = [*WHOLE, "--ro-bind", str(rig.store.path), str(rig.store.path)]
    board = subprocess.run(
        [*closed, *rig.command("leaderboard")], env=rig.environment, capture_output=True, text=True, timeout=120
    )
    assert board.returncode == 0, board.stderr
    assert "Coin" in board.stdout
    run = subprocess.run(
        [*closed, *rig.command(*sweep("Prints"))], env=rig.environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    assert "cannot write" in run.stderr
    assert rig.hashes() == before
    message = next(line for line in run.stderr.splitlines() if "cannot write" in line)
    tell("read-only store", "boards are shown; a run refuses before it computes", "nothing",
         message.replace(str(rig.place), ""))  # fmt: skip


def test_a_store_that_goes_away_in_the_middle_is_one_message(rig, tell):
    from fault_rig import until

    process = rig.start(*sweep())
    until(lambda: len(rig.finished()) >= 1)
    rig.store.path.rename(rig.place / "moved")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "Traceback" not in said
    (rig.place / "runs").exists() and shutil.rmtree(rig.place / "runs")
    (rig.place / "moved").rename(rig.store.path)
    kept, begun = len(rig.finished()), rig.fits()
    assert rig.run(*sweep()).returncode == 0
    assert rig.fits() - begun == CELLS - kept
    message = next(line for line in said.splitlines() if line.startswith("error"))
    tell("the store's folder goes away", f"stopped; put back, the other {CELLS - kept} cells were computed", "nothing",
         message.replace(str(rig.place), ""))  # fmt: skip
