"""The sheet of a comparison: differences to one method, and the same within groups of people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..benchmark.comparing import Compared
from ..benchmark.record import DRAWN, Record
from ..benchmark.subgroups import LEAST, LEAST_CLASS, Breakdown, Group
from .board import options_told
from .table import Cell, Column, Row, Sheet, Table
from .wording import counted, number, origin

DIFFERENCE = "difference [95 % interval]"
GIVEN = ", given the trained models"


def compared_sheet(first: Record, rows: Sequence[Compared], groups: Sequence[Breakdown]) -> Sheet:
    """Differences of methods to ``first``, then a table for each method and column of the cohort."""
    names = labels([first, *(row.record for row in rows)])
    return Sheet(
        name=f"compare:{first.id}",
        title=f"{first.task.name} on {first.data.name}, {origin(first.data.origin)}: difference to {names[first.id]}",
        tables=(
            differences(rows, names),
            *(by_group(names[first.id], names[one.record.id], one, len(groups)) for one in groups if one.groups),
        ),
        notes=tuple(notes(first, rows, groups)),
    )


def labels(records: Sequence[Record]) -> dict[str, str]:
    """Record id -> method, preset and the options in which these records differ; the id where nothing else tells."""
    made = {}
    for record in records:
        told = options_told(record, records)
        made[record.id] = f"{record.method.name} ({', '.join(told)})" if told else record.method.name
    seen = Counter(made.values())
    return {name: label if seen[label] == 1 else f"{label} {name}" for name, label in made.items()}


def differences(rows: Sequence[Compared], names: Mapping[str, str]) -> Table:
    """A row for each method and metric."""
    columns = (
        Column("method", "method"),
        Column("metric", "metric"),
        Column("difference", DIFFERENCE, "above 0: more than the first", "number"),
        Column("p", "p", "two-sided, by the paired bootstrap", "number", leaves=1),
        Column("holm", "p (Holm)", "adjusted over all rows of this table", "number"),
        Column("folds", "p over folds", "corrected resampled t-test", "number", leaves=2),
    )
    made = [
        Row(
            (
                Cell(names[row.record.id], link=f"record:{row.record.id}"),
                Cell(row.metric),
                change(row.difference.value, row.difference.low, row.difference.high),
                p_cell(row.difference.p),
                p_cell(row.holm),
                p_cell(row.over_folds.p),
            ),
            record=row.record.id,
        )
        for row in rows
    ]
    return Table("differences", "", columns, tuple(made))


def by_group(first: str, other: str, found: Breakdown, families: int) -> Table:
    """A row for each group, and below what the test over the groups says."""
    columns = (
        Column("group", found.column),
        Column("subjects", "subjects", sort="number"),
        Column("first", first, sort="number", leaves=2),
        Column("other", other, sort="number", leaves=2),
        Column("difference", DIFFERENCE, sort="number"),
        Column("p", "p", sort="number", leaves=1),
        Column("holm", "p (Holm)", "adjusted over all groups of all tables", "number"),
    )
    return Table(
        name=f"by-{found.column}",
        title=f"{other} minus {first} by {found.column}: {found.metric}",
        columns=columns,
        rows=tuple(_group_row(group) for group in found.groups),
        notes=tuple(_group_notes(found, families)),
    )


def _group_row(group: Group) -> Row:
    return Row(
        (
            Cell(group.name),
            Cell(str(group.subjects), group.subjects),
            Cell(number(group.first), group.first),
            Cell(number(group.other), group.other),
            change(group.value, group.low, group.high),
            p_cell(group.p),
            p_cell(group.holm),
        )
    )


def _group_notes(found: Breakdown, families: int) -> Iterator[str]:
    if not math.isnan(found.p):
        verdict = "differ" if found.holm < 0.05 else "are not shown to differ"
        yield (
            f"The differences {verdict} between groups: Cochran's Q {found.q:.2f} on {found.df} degrees of freedom, "
            f"p {found.p:.3g}, by Holm over {counted(families, 'table')} {found.holm:.3g}."
        )
    if found.small:
        listed = ", ".join(f"{name} ({count})" for name, count in found.small)
        yield (
            f"Too small to show, fewer than {LEAST} subjects or {LEAST_CLASS} of a class in folds that score them: "
            f"{listed}."
        )
    if found.unknown:
        yield f"Without a known {found.column}: {counted(found.unknown, 'subject')}."


def change(value: float, low: float, high: float) -> Cell:
    """A difference with its sign and interval."""
    if math.isnan(value):
        return Cell("-")
    if math.isnan(low):
        return Cell(f"{value:+.3f}", value)
    return Cell(f"{value:+.3f} [{low:+.3f}, {high:+.3f}]", value, low, high)


def p_cell(p: float) -> Cell:
    """A p-value, or a dash where there is none."""
    return Cell("-") if math.isnan(p) else Cell(f"{p:.4f}" if p >= 0.0001 else f"{p:.1e}", p)


def notes(first: Record, rows: Sequence[Compared], groups: Sequence[Breakdown]) -> Iterator[str]:
    """What was compared, and what the numbers are over."""
    records = list({record.id: record for record in (first, *(row.record for row in rows))}.values())
    yield f"difference: {basis(first)}."
    lower = sorted({row.metric for row in rows if not row.record.scores[row.metric].higher_is_better})
    if lower:
        yield f"Lower is better: {', '.join(lower)}."
    if any(not math.isnan(row.over_folds.p) for row in rows):
        yield "p over folds: corrected resampled t-test, which counts the training as well."
    for one in groups:
        if not one.groups:
            yield f"By {one.column} no group can be shown. {' '.join(_group_notes(one, len(groups)))}".rstrip()
    if any(one.groups for one in groups):
        yield (
            "Within groups: mean over folds weighted by the group's members; intervals of few people are rough. Groups "
            "were not drawn at random: a difference between two of them may come from what else differs there."
        )
    for record in records:
        if not record.ranked:
            yield f"{record.id} is not ranked: {record.reason or 'its checkpoint was trained on test subjects'}"
    yield f"Records: {', '.join(record.id for record in records)}."


def basis(record: Record) -> str:
    """What a difference averages, and what its interval and p are over."""
    if any(score.spread for score in record.scores.values()):
        return "all subjects together, one item, so that nothing can be tested"
    if record.task.kind == "encoding":
        people = record.data.subjects
        return f"mean over films; interval and p over segments of film in {people} people and no others{GIVEN}"
    if record.task.parts:
        return f"mean over parts; interval and p over test images{GIVEN}"
    if any(score.aggregate == DRAWN for score in record.scores.values()):
        return "mean over draws of the labelled items; interval and p over test subjects and draws, which train anew"
    return (
        f"{'all folds pooled' if record.task.pooled else 'mean over folds'}; interval and p over test subjects{GIVEN}"
    )
