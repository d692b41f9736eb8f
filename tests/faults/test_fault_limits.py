"""Cells that take too long or too much, and clocks that jump."""

from __future__ import annotations

import os
import time

from fault_rig import CELLS, sweep

from support import MOCKS, ROGUES

JUMPS = """
import itertools
import time

real, calls = time.time, itertools.count()


def jumping() -> float:
    return real() + 86400.0 * (next(calls) % 3 - 1)


time.time = jumping
time.time_ns = lambda: int(jumping() * 1e9)
"""


def test_what_takes_too_long_or_too_much_never_stops_the_rest(rig, tell):
    methods = [f"--method={ROGUES}:{name}" for name in ("Sleeps", "Eats", "Coin")]
    told = ["run", "--task", f"{MOCKS}:CLASSIFICATION", *methods, "--threads", "1"]
    ended = rig.run(*told, "--jobs", "4", "--time-limit", "15", "--memory-limit", "0.5")
    assert ended.returncode == 1
    found = {record.method.name.rpartition(":")[2]: record for record in rig.store.records()}
    assert found["Sleeps"].status == "timeout"
    assert found["Eats"].status in ("out-of-memory", "timeout")  # a busy machine may be slow to fill
    assert found["Coin"].status == "ok"
    tell("a cell that never ends", "ended at its limit; the others went on", "the cell", found["Sleeps"].reason)
    tell("a cell that takes all memory", "ended at its limit; the others went on", "the cell", found["Eats"].reason)


def test_a_clock_that_jumps_by_a_day_changes_nothing(rig, calm, tell):
    (rig.place / "clock").mkdir()
    (rig.place / "clock" / "sitecustomize.py").write_text(JUMPS)
    ended = rig.run(*sweep(), PYTHONPATH=str(rig.place / "clock"))
    assert ended.returncode == 0, ended.stderr
    assert rig.hashes() == calm
    assert rig.fits() == CELLS
    tell("the clock jumps by a day, back and forth", "same records, each cell once", "nothing")


def test_files_from_the_future_and_from_long_ago_are_read_as_others(rig, calm, tell):
    assert rig.run(*sweep()).returncode == 0
    for number, file in enumerate(sorted(path for path in rig.store.path.rglob("*") if path.is_file())):
        stamp = time.time() + 1e8 if number % 2 else 0
        os.utime(file, (stamp, stamp))
    assert rig.run(*sweep()).returncode == 0
    assert rig.run("leaderboard").returncode == 0
    assert rig.hashes() == calm
    assert rig.fits() == CELLS
    tell("files dated 1970 and three years ahead", "read as others; nothing was computed again", "nothing")
