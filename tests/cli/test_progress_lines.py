"""What a run says where standard error is no terminal: a log with one event a line."""

from __future__ import annotations

from brainbench.benchmark.cli.progress import Bars
from brainbench.benchmark.executors import Event
from brainbench.benchmark.worker import Outcome
from support import plan_of


def test_each_event_is_one_line_however_long(store, capsys):
    plan = plan_of("CLASSIFICATION", "FirstRoi", folds=2)
    (_, cell), (_, other) = plan.cells
    reason = "the connection to its worker on a machine with a long name broke " * 3
    with Bars(plan, store) as bars:
        bars.watch(cell, Event(cell.key, "started"))
        bars.watch(cell, Event(cell.key, "lost", reason))
        bars.watch(cell, Event(cell.key, "ended", outcome=Outcome(status="failed", reason="ValueError: a\nb\x1b[31m")))
        bars.watch(other, Event(other.key, "elsewhere", outcome=Outcome(status="ok")))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"lost     {cell.label}: {reason}; it is run again",
        f"failed   {cell.label} (0.0 s): ValueError: a b[31m",
        f"ok       {other.label} (0.0 s, by another run)",
    ]
