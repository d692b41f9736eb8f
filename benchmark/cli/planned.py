"""What a plan will compute, printed before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import errors, out

if TYPE_CHECKING:
    from ..cells import Cell
    from ..costs import Cost
    from ..plan import Plan
    from ..store import Store
    from .executing import Where

CACHED, ELSEWHERE = "cached", "another shard's"


def print_plan(plan: Plan, store: Store, as_json: bool, where: Where) -> None:
    """The cells of a plan: cached, or why not, and what they will take; isolated ones only where that is asked for."""
    rows = plan_rows(plan, store, where)
    if as_json:
        import json

        print(json.dumps(rows, indent=1))
        return
    from rich.table import Table

    columns = ("task", "method", "preset", "fold", "seed", "state", "time", "memory")
    table = Table(*columns)
    for row in without_draws(rows):
        told = {**row, "time": short_time(row["seconds"]), "memory": short_bytes(row["memory"])}
        table.add_row(*(str(told[name]) for name in columns))
    out().print(table)
    todo = [row for row in rows if row["state"] not in (CACHED, ELSEWHERE)]
    cached = sum(row["state"] == CACHED for row in rows)
    others = f", {len(rows) - cached - len(todo)} of other shards" if where.shard else ""
    print(f"{len(rows)} cells: {cached} cached, {len(todo)} to compute{others}")
    if todo:
        print(total_cost(todo, where))


def plan_rows(plan: Plan, store: Store, where: Where) -> list[dict[str, Any]]:
    """A row for each cell of a plan; what it takes is None where it is cached or nothing is known."""
    from ..costs import estimate
    from ..plan import known_cells, why_not_cached
    from ..run import shard_keys
    from .executing import parse_shard

    known = known_cells(store)
    mine = shard_keys(plan, parse_shard(where.shard))
    costs: dict[int, Cost | None] = {}
    rows: list[dict[str, Any]] = []
    for row, cell in plan.cells:  # of a sweep more than those of its rows
        found = store.finished(cell.key)
        if found is not None and (found.outcome.isolated or not where.isolated):
            state = CACHED
        elif cell.key not in mine:
            state = ELSEWHERE
        else:
            state = "ran outside a sandbox" if found else why_not_cached(cell, known)
        if state not in (CACHED, ELSEWHERE) and id(row) not in costs:
            costs[id(row)] = estimate(row, store)
        rows.append(_told(cell, state, costs.get(id(row))))
    return rows


def _told(cell: Cell, state: str, cost: Cost | None) -> dict[str, Any]:
    known = cost is not None and state not in (CACHED, ELSEWHERE)
    return {
        "task": cell.task,
        "method": cell.method.name,
        "preset": cell.method.preset,
        "fold": cell.fold,
        "seed": cell.seed,
        "state": state,
        "key": cell.key,
        "seconds": round(cost.seconds, 3) if cost and known else None,
        "memory": cost.memory if cost and known else None,
        "records": cost.records if cost and known else 0,
        "alike": cost.likeness if cost and known else "",
    }


def total_cost(rows: list[dict[str, Any]], where: Where) -> str:
    """What the cells of some rows take together, and what that rests on."""
    from ..costs import wall
    from .executing import threads_of

    known = [row for row in rows if row["seconds"] is not None]
    unknown = len(rows) - len(known)
    if not known:
        return "cost unknown: no record of these methods and presets is in the store"
    threads = threads_of(where)
    seconds = [row["seconds"] for row in known]
    hours = f"{sum(seconds) * threads / 3600:.1f} core-hours"
    jobs = f"{where.jobs} job{'s' * (where.jobs != 1)} of {threads} thread{'s' * (threads != 1)}"
    here = f"about {short_time(wall(seconds, where.jobs))} with {jobs} ({hours})"
    most = short_bytes(max(row["memory"] for row in known))
    told = f"{here if where.executor == 'local' else f'about {hours}'}; at most {most} a cell"
    far = sum(row["alike"] in ("options", "kind") for row in known)
    rests = sum({(row["task"], row["method"], row["preset"]): row["records"] for row in known}.values())
    notes = [
        f"by {rests} past record{'s' * (rests != 1)}",
        f"{far} cells are scaled from other tasks by items" if far else "",
        f"{unknown} cells are unknown" if unknown else "",
    ]
    return "; ".join([told, *filter(None, notes)])


def print_shard(plan: Plan, store: Store, where: Where, records: int, bad: int) -> None:
    """Where a shard has ended: what is there, what is not, and how the parts come together."""
    keys = {cell.key for _, cell in plan.cells}
    finished = sum(store.finished(key) is not None for key in keys)
    told = f"shard {where.shard}: {finished} of {len(keys)} cells are finished in {store.path}; "
    failed = f"; {bad} cell{'s' * (bad != 1)} failed" if bad else ""
    told += f"{records} of {len(plan.rows)} records are made{failed}"
    if records < len(plan.rows):
        told += (
            f".\nA record needs all of its cells: copy what the other shards leave in their store's cells/ into "
            f"{store.path / 'cells'}, and repeat the command without --shard"
        )
    errors().print(told, markup=False, soft_wrap=True)


def short_time(seconds: float | None) -> str:
    """Seconds as a person says them: ``0.2 s``, ``12 min``, ``3 h 5 min``; "" for none."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def short_bytes(count: int | None) -> str:
    """Bytes as MiB or GiB; "" for none."""
    if count is None:
        return ""
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"


def without_draws(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a plan, those that differ in the draw of labelled items alone as one: ``draw01 ... draw20``."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
        alone = "" if row["fold"].startswith("draw") else number
        same = (row["task"], row["method"], row["preset"], row["seed"], row["state"], row["seconds"], alone)
        groups.setdefault(same, []).append(row)
    return [
        group[0] | {"fold": f"{group[0]['fold']} ... {group[-1]['fold']} ({len(group)})"}
        if len(group) > 1
        else group[0]
        for group in groups.values()
    ]
