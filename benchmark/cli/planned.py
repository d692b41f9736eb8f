"""What a plan will compute, printed before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import out

if TYPE_CHECKING:
    from ..plan import Plan
    from ..store import Store


def print_plan(plan: Plan, store: Store, as_json: bool, isolated: bool = False) -> None:
    """The cells of a plan: cached, or why not; isolated ones only where that is asked for."""
    import json

    from ..plan import known_cells, why_not_cached

    known = known_cells(store)
    rows: list[dict[str, Any]] = []
    for _, cell in plan.cells:
        found = store.finished(cell.key)
        cached = found is not None and (found.outcome.isolated or not isolated)
        why = "ran outside a sandbox" if found else why_not_cached(cell, known)
        rows.append(
            {
                "task": cell.task,
                "method": cell.method.name,
                "preset": cell.method.preset,
                "fold": cell.fold,
                "seed": cell.seed,
                "state": "cached" if cached else why,
                "key": cell.key,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from rich.table import Table

    columns = ("task", "method", "preset", "fold", "seed", "state")
    table = Table(*columns)
    for row in without_draws(rows):
        table.add_row(*(str(row[name]) for name in columns))
    out().print(table)
    todo = sum(row["state"] != "cached" for row in rows)
    print(f"{len(rows)} cells: {len(rows) - todo} cached, {todo} to compute")


def without_draws(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a plan, those that differ in the draw of labelled items alone as one: ``draw01 ... draw20``."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
        alone = "" if row["fold"].startswith("draw") else number
        same = (row["task"], row["method"], row["preset"], row["seed"], row["state"], alone)
        groups.setdefault(same, []).append(row)
    return [
        group[0] | {"fold": f"{group[0]['fold']} ... {group[-1]['fold']} ({len(group)})"}
        if len(group) > 1
        else group[0]
        for group in groups.values()
    ]
