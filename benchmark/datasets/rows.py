"""Which rows of the participants table the scans of an import get, and what becomes of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadData
from ..registry import load_dataset
from .dataset import CohortDataset
from .layout import Layout, Options, Source
from .participants import Participants, session_of
from .scheme import OWN, Scheme

MAX_TR = 20.0
"""Seconds; no scanner is slower, so a larger TR is in milliseconds."""

RULED_OUT = (
    "name the right table (--participants FILE); the column qc=COLUMN says what passed, and a code keeps a scan that a "
    "rule leaves out, such as  --code qc:0=kept"
)


@dataclass
class Plan:
    """Scans that go into the cohort, with their rows."""

    sources: list[Source]
    rows: list[dict[str, Any]]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows_without_scan: list[str] = field(default_factory=list)
    participants: str = ""


def scheme_of(dataset: str) -> Scheme:
    """How the table of a data set is read; the generic scheme for a lab's own cohort. Raises `UnknownName`."""
    found = None if dataset == "own" else load_dataset(dataset)
    return found.scheme if isinstance(found, CohortDataset) else OWN


def join(layout: Layout, known: Scheme, options: Options) -> Plan:
    """Find each scan's row of the participants table."""
    table = options.participants or layout.participants
    plan = Plan([], [], dict(layout.left_out), list(layout.notes))
    sources = sorted(layout.sources, key=lambda source: source.id.scan)
    if table is None:
        if known.required:
            raise BadData(
                f"no participants table, so no {', '.join(known.required)}",
                "name it with  --participants FILE",
            )
        plan.notes.append("no participants table: the scans have no labels")
        people = None
        plan.sources = sources
        plan.rows = [{"subject": source.id.subject or source.id.scan} for source in sources]
    else:
        extra = (column for source in sources for column in source.id.extra)
        people = Participants.read(table, known, options.columns, extra, options.more_tables)
        plan.participants = ", ".join(map(str, (table, *options.more_tables)))
        kept = _matched(plan, people, sources, options)
        plan.sources = [source for source, _ in kept]
        plan.rows = people.values([source.id for source in plan.sources], [row for _, row in kept], options.codes)
        plan.rows_without_scan = people.unused()
        plan.notes += people.notes
    _fill(plan, known, options)
    return plan


def _matched(plan: Plan, people: Participants, sources: list[Source], options: Options) -> list[tuple[Source, int]]:
    """Scans with exactly one row, or several that agree, which no rule of the data set leaves out."""
    kept = []
    by_rule: Counter[str] = Counter()
    for source, rows in zip(sources, people.match([source.id for source in sources]), strict=True):
        if not rows:
            plan.left_out[source.id.scan] = people.why_none(source.id)
        elif not people.agree(rows):
            plan.left_out[source.id.scan] = f"{len(rows)} rows in {people.path.name} that disagree"
        elif why := people.excluded(rows[0], options.codes):
            plan.left_out[source.id.scan] = why
            by_rule[why] += 1
        else:
            kept.append((source, rows[0]))
    plan.notes += [f"{count} scans left out by rule: {why}" for why, count in sorted(by_rule.items())]
    if not kept and not any("no row in" in why for why in plan.left_out.values()):
        raise BadData(f"no scan is left to import: {first(plan.left_out)}", RULED_OUT)
    if not kept:
        keys = " or ".join(repr(key) for key in (people.scan_key, people.subject_key) if key)
        raise BadData(
            f"no scan has a row in {people.path.name}: scan ids such as {sources[0].id.scan!r}, column {keys} holds "
            f"ids such as {people.unused()[0] if len(people.table) else 'none'!r}",
            "name the right table (--participants FILE) or column (--column subject=COLUMN)",
        )
    return kept


def _fill(plan: Plan, known: Scheme, options: Options) -> None:
    """Values that files beside the series know, and the repetition time."""
    by_site = by_study = 0
    for source, row in zip(plan.sources, plan.rows, strict=True):
        row["session"] = session_of(source.id, known) or row.get("session", "")
        for name, value in (("tr", source.tr), ("motion", source.motion)):
            if not math.isnan(value):
                row[name] = value
        site_tr = known.site_tr.get(row.get("site", ""))
        if math.isnan(row.get("tr", math.nan)) and options.tr is not None:
            row["tr"] = options.tr
        elif math.isnan(row.get("tr", math.nan)) and site_tr is not None:
            row["tr"] = site_tr
            by_site += 1
        elif math.isnan(row.get("tr", math.nan)) and known.tr is not None:
            row["tr"] = known.tr
            by_study += 1
    _refuse_milliseconds(plan)
    if by_site:
        plan.notes.append(f"TR of {by_site} scans from a table by site: {known.tr_source}")
    if by_study:
        plan.notes.append(f"TR of {by_study} scans taken to be {known.tr:g} s: {known.tr_source}")
    unknown = sum(math.isnan(row.get("tr", math.nan)) for row in plan.rows)
    if unknown:
        plan.notes.append(f"TR of {unknown} scans is not known; a constant one can be given with --tr SECONDS")


def _refuse_milliseconds(plan: Plan) -> None:
    """A TR of many seconds is one in milliseconds. Raises `BadData`."""
    for source, row in zip(plan.sources, plan.rows, strict=True):
        tr = row.get("tr", math.nan)
        if not (math.isnan(tr) or 0 < tr <= MAX_TR):
            raise BadData(f"{source.id.scan}: a TR of {tr:g} s", "give it in seconds, such as 2.0")


def first(reasons: Mapping[str, str], shown: int = 3) -> str:
    """The first few reasons why something was left out."""
    return "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:shown])
