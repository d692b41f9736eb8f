"""Groups of the people of a cohort: by site, sex, bands of age, thirds of motion, or any of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from .contracts import Task
from .errors import BadOption, near

USUAL = ("site", "sex", "age", "motion")
"""Columns by which people are grouped where nobody says otherwise, as far as a cohort has them."""

AGES = (12.0, 18.0, 30.0, 50.0, 65.0)
"""Years at which bands of age begin: children, adolescents, and adults in four."""

MOST_GROUPS = 60
MANY_VALUES = 8
"""A column of numbers with more different values than this is cut into thirds."""


def usual_columns(task: Task, table: pd.DataFrame) -> list[str]:
    """The usual columns that split these items into at least two groups, without what is to be predicted."""
    asked = {task.target, getattr(task.label, "source", task.target), *task.fields}
    here = [column for column in USUAL if column in table and column not in asked]
    return [column for column in here if groups_of(table, column).nunique() > 1]


def groups_of(table: pd.DataFrame, column: str) -> pd.Series:
    """The group of each item as ordered categories, missing where it is not known. Raises `BadOption`.

    Ages stand in bands, other numbers of many values in thirds, and everything else as it is.
    """
    if column not in table:
        known = sorted(map(str, table.columns))
        hint = near(column, known, f"its columns: {', '.join(known)}")
        raise BadOption(f"--by {column}: the data have no such column", hint)
    values = table[column]
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if column == "age" and number:
        return _bands(values)
    if number and values.nunique() > MANY_VALUES:
        return _thirds(values)
    named = values.map(lambda value: f"{value:g}" if number else str(value), na_action="ignore")
    named = named.where(named.notna() & (named != ""))
    if (count := named.nunique()) > MOST_GROUPS:
        raise BadOption(
            f"--by {column}: {count} different values are too many to compare within", "choose a coarser column"
        )
    order = sorted(set(named.dropna()), key=float if number else str)
    return named.astype(pd.CategoricalDtype(order, ordered=True))


def _bands(values: pd.Series) -> pd.Series:
    """Bands of age, which hold their lower edge."""
    edges = [f"{start:g}" for start in AGES]
    names = [f"under {edges[0]}", *(f"{low} to under {high}" for low, high in pairwise(edges)), f"from {edges[-1]}"]
    return _cut(values, AGES, names)


def _thirds(values: pd.Series) -> pd.Series:
    """Low, middle and high third of these items, with the values that part them."""
    low, high = (float(values.quantile(share)) for share in (1 / 3, 2 / 3))
    names = [f"low (below {low:.3g})", "middle", f"high (from {high:.3g})"]
    return _cut(values, (low, high), names)


def _cut(values: pd.Series, starts: Sequence[float], names: Sequence[str]) -> pd.Series:
    """The name of the interval of each value; one starts at each of ``starts``, the first below them."""
    places = np.searchsorted(starts, values.to_numpy(dtype=float, na_value=np.nan), side="right")
    codes = [
        -1 if unknown else min(place, len(names) - 1)
        for place, unknown in zip(places.tolist(), values.isna(), strict=True)
    ]
    cut = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(list(names), ordered=True))
    return pd.Series(cut, index=values.index, name=values.name)
