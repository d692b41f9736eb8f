"""Processes that end when nobody expects it: workers, the run itself, by signal and by kill -9."""

from __future__ import annotations

import os
import signal

import pytest
from fault_rig import CELLS, family, gone, sweep, until


def cells_of(process):
    """Processes that hold a cell: those which have no child of their own."""
    return [each for each in family(process) if not each.children()]


def test_workers_that_are_killed_cost_their_cells_and_nothing_else(rig, calm, tell):
    process = rig.start(*sweep())
    kills = 0
    for _ in range(3):
        begun = rig.fits()
        until(lambda begun=begun: rig.fits() > begun or process.poll() is not None)
        for victim in cells_of(process)[:1]:
            os.kill(victim.pid, signal.SIGKILL)
            kills += 1
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert kills == 3
    assert rig.hashes() == calm
    assert len(rig.finished()) == CELLS
    assert rig.fits() <= CELLS + kills
    lost = next(line for line in said.splitlines() if line.startswith("lost"))
    tell("kill -9 of a worker, 3 times", f"the cells ran again, {CELLS} of {CELLS} finished, same records", "nothing",
         lost.partition(": ")[2])  # fmt: skip


def test_a_run_that_is_killed_leaves_no_process_and_goes_on(rig, calm, tell):
    process = rig.start(*sweep())
    until(lambda: len(rig.finished()) >= 2)
    left = family(process)
    process.kill()
    process.communicate()
    until(lambda: gone(left))
    kept, begun = len(rig.finished()), rig.fits()
    again = rig.run(*sweep())
    assert again.returncode == 0, again.stderr
    assert rig.fits() - begun == CELLS - kept
    assert rig.hashes() == calm
    said = next(line for line in again.stderr.splitlines() if "finished already" in line)
    happened = f"its workers ended; the same command computed the other {CELLS - kept} cells"
    tell("kill -9 of the run", happened, "nothing", said)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_what_is_kept(rig, calm, tell, sign):
    process = rig.start(*sweep())
    until(lambda: len(rig.finished()) >= 1)
    left = family(process)
    process.send_signal(sign)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "the same command continues" in said
    until(lambda: gone(left))
    begun, kept = rig.fits(), len(rig.finished())
    assert rig.run(*sweep()).returncode == 0
    assert rig.fits() - begun == CELLS - kept
    assert rig.hashes() == calm
    told = next(line for line in said.splitlines() if "stopped" in line)
    tell(f"{sign.name}", "stopped at once; the same command continued", "nothing", told)
