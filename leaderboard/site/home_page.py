"""The first page and those of methods and suites."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from ...benchmark.record import Record
from ..table import Cell, Row, Table
from .inputs import ORIGINS, BoardSheet, Result, Site
from .names import address
from .plot import drawn_column
from .views import columns, number_cell, pairs, table_view, table_views


def home_page(site: Site) -> dict[str, Any]:
    """What the template of the first page draws."""
    dates = [result.record.environment.created for result in site.records.values()]
    return {
        "families": [
            {"name": family, "table": table_view(tasks_table(site, tasks), site.href, name=f"f{number}"), "more": more}
            for number, (family, tasks, more) in enumerate(listed_families(site))
        ],
        "methods": table_view(methods_table(site), site.href, name="methods-table"),
        "withdrawn": table_view(site.withdrawn, site.href, name="withdrawn") if site.withdrawn else None,
        "suites": [(name, address("suite", name), len(sheets)) for name, sheets in site.suites.items()],
        "counts": {"tasks": len(site.tasks), "methods": len(site.methods), "records": len(site.records)},
        "newest": max(dates, default="")[:10],
    }


def listed_families(site: Site) -> Iterator[tuple[str, list[str], list[list[tuple[str, str]]]]]:
    """Each family, its tasks without their regimes, and of each task the other regimes with their addresses.

    A task that has records under regimes only is listed under the first of them.
    """
    for family, names in site.families.items():
        bases = list(dict.fromkeys(name.partition("@")[0] for name in names))
        under = [[name for name in names if name.partition("@")[0] == base] for base in bases]
        more = [[(f"@{name.partition('@')[2]}", site.href(f"task:{name}")) for name in group[1:]] for group in under]
        yield family, [group[0] for group in under], more


def tasks_table(site: Site, tasks: Sequence[str]) -> Table:
    """A row a task: what it asks, on what, how many rows, and the best of them."""
    heads = columns(
        ("task", "task"),
        ("title", "asks"),
        ("data", "data"),
        ("rows", "rows", "number"),
        ("best", "first"),
        ("metric", "by"),
        ("score", "score", "number"),
    )
    rows = []
    for name in tasks:
        boards = site.tasks[name]
        origins = dict.fromkeys(ORIGINS.get(board.first.data.origin, board.first.data.origin) for board in boards)
        cells = [
            Cell(name, link=f"task:{name}"),
            Cell(boards[0].first.task.title),
            Cell(", ".join(origins)),
            number_cell(sum(len(board.records) for board in boards), "d"),
            *best_row(boards[0]),
        ]
        rows.append(Row(tuple(cells)))
    return Table("tasks", "", heads, tuple(rows))


def best_row(board: BoardSheet) -> tuple[Cell, Cell, Cell]:
    """The first row's method, metric and headline, as its board prints them; dashes where nothing ranks."""
    for table in board.sheet.tables:
        names = [column.name for column in table.columns]
        first = next((row for row in table.rows if row.rank == 1), None)
        if first is None or "method" not in names:
            continue
        method = Cell(first.cells[names.index("method")].text, link=f"record:{first.record}")
        drawn = drawn_column(table)
        if drawn is None:
            return method, Cell(""), Cell("")
        return method, Cell(names[drawn]), Cell(first.cells[drawn].text)
    return Cell("–"), Cell(""), Cell("")


def methods_table(site: Site) -> Table:
    """A row a method: what it is and how much stands of it."""
    heads = columns(
        ("method", "method"),
        ("title", "what it is"),
        ("pretraining", "pretrained on"),
        ("tasks", "tasks", "number"),
        ("records", "records", "number"),
    )
    rows = []
    for name, results in site.methods.items():
        card = told_by(results).card
        cells = (
            Cell(name, link=f"method:{name}"),
            Cell(str(card.get("title") or "")),
            Cell(listed(card.get("pretraining"))),
            number_cell(len({result.record.task.name for result in results}), "d"),
            number_cell(len(results), "d"),
        )
        rows.append(Row(cells))
    return Table("methods", "", heads, tuple(rows))


def listed(value: object) -> str:
    """A card's list as text; whatever else stands there, as JSON."""
    if not value:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def method_page(name: str, results: Sequence[Result], site: Site) -> dict[str, Any]:
    """What the template of a method draws: its card, and all its results."""
    card = told_by(results).card
    return {
        "name": name,
        "title": str(card.get("title") or name),
        "summary": str(card.get("summary") or ""),
        "notes": str(card.get("notes") or ""),
        "about": list(card_facts(card)),
        "paper": paper_parts(str(card.get("paper") or "")),
        "tables": [
            table_view(table, site.href, name=f"r{number}") for number, table in enumerate(result_tables(results))
        ],
    }


def told_by(results: Sequence[Result]) -> Record:
    """The record whose card stands for a method: the newest of the keeper's own, else the newest of all.

    A submission may bear the name of a method that is known here; it does not get to say what that method is.
    """
    records = [result.record for result in results]
    return max(records, key=lambda one: (not one.method.ref.startswith("submission:"), one.environment.created))


def card_facts(card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A card's fields that say something, known ones first."""
    known = {"title", "summary", "paper", "notes"}
    order = ["licence", "pretraining", "uses_covariates", "parameters"]
    names = [name for name in order if name in card] + [name for name in card if name not in known | set(order)]
    titles = {"pretraining": "pretrained on", "uses_covariates": "covariates"}
    return pairs(*((titles.get(name, name), listed(card[name])) for name in names))


def paper_parts(text: str) -> list[tuple[str, str]]:
    """Words of a citation, each with the address that it leads to, "" for most."""
    return [(word, web_address(word)) for word in text.split()]


def web_address(word: str) -> str:
    """The address that a word is, where it is one of the web; never another scheme."""
    bare = word.strip("()[]<>,;.")
    try:
        parts = urlsplit(bare)
    except ValueError:
        return ""
    plain = parts.hostname and not parts.username and not parts.password
    return bare if parts.scheme in ("https", "http") and plain else ""


def result_tables(results: Sequence[Result]) -> Iterator[Table]:
    """A method's results, a table for each source of data."""
    heads = columns(
        ("task", "task"),
        ("preset", "preset"),
        ("metric", "metric"),
        ("score", "score [95 % interval]"),
        ("standing", "standing"),
        ("seconds", "fit + predict s", "number"),
        ("status", "status"),
        ("record", "record"),
    )
    for origin in sorted({result.record.data.origin for result in results}, key=_by_origin):
        rows = tuple(_result_row(result) for result in results if result.record.data.origin == origin)
        yield Table(origin, f"Results on {ORIGINS.get(origin, origin)}", heads, rows)


def _by_origin(origin: str) -> int:
    known = list(ORIGINS)
    return known.index(origin) if origin in known else len(known)


def _result_row(result: Result) -> Row:
    record = result.record
    metric = record.task.metrics[0]
    score = record.scores.get(metric)
    seconds = sum(cost.fit_seconds + cost.predict_seconds for cost in record.environment.cells.values())
    text = "–" if score is None or score.value is None else score.told
    cells = (
        Cell(record.task.name, link=f"task:{record.task.name}"),
        Cell(record.method.preset),
        Cell(metric),
        Cell(text, low=score.low if score else None),
        Cell(result.standing),
        number_cell(seconds, ".1f"),
        Cell(record.status, note=record.reason),
        Cell(record.id, link=f"record:{record.id}"),
    )
    return Row(cells)


def suite_page(name: str, site: Site) -> dict[str, Any]:
    """What the template of a suite draws."""
    parts = [
        {
            "title": part.sheet.title,
            "tables": table_views(part.sheet, site.href, None, f"s{number}"),
            "notes": part.sheet.notes,
            "figure": Markup(part.figure),  # made by our own code, which escapes what is in it
        }
        for number, part in enumerate(site.suites[name])
    ]
    return {"name": name, "parts": parts}
