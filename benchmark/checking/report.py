"""The verdicts as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from .verdict import Verdict, passed

STYLES = {"ok": "green", "note": "yellow", "fault": "bold red", "not covered": "dim"}
SIGNS = {"ok": "ok", "note": "note", "fault": "FAULT", "not covered": "-"}
WIDTH = 17
"""Columns of the name of a check."""


def show(verdict: Verdict, console: Console) -> None:
    """One verdict: its sign, the check, what was found, and what to do about it."""
    head = f"[{STYLES[verdict.level]}]{SIGNS[verdict.level]:>5}[/]  {verdict.check:{WIDTH}}"
    body = escape(verdict.message) + (f"\n[dim]→[/] {escape(verdict.hint)}" if verdict.hint else "")
    lines = Padding(body, (0, 0, 0, 0))
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, width=WIDTH + 7)
    table.add_column()
    table.add_row(head, lines)
    console.print(table)


def summary(verdicts: Sequence[Verdict], seconds: float) -> str:
    """The last line."""
    counts = {level: sum(verdict.level == level for verdict in verdicts) for level in STYLES}
    words = {"ok": "ok", "note": "to know", "fault": "to mend", "not covered": "not covered"}
    told = ", ".join(f"{count} {words[level]}" for level, count in counts.items() if count)
    return f"{'passed' if passed(verdicts) else 'not passed'}: {told}, in {seconds:.0f} s"


def as_json(method: str, verdicts: Sequence[Verdict], seconds: float) -> str:
    """The same for programs."""
    told = {
        "method": method,
        "passed": passed(verdicts),
        "seconds": round(seconds, 1),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    return json.dumps(told, indent=1)
