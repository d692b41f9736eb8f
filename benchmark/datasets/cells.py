"""Cells of a participants table as cohort values: numbers, text, or coded labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import BadData, BadOption
from .scheme import NUMBERS, TEXTS
from .tables import is_missing

SHOWN = 8


def merged_codes(
    own: Mapping[str, Mapping[str, str]], given: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """A data set's codes with a person's added, by cohort column.

    Raises `BadOption` where a column's values are fixed and a code stands for another.
    """
    for name, codes in given.items():
        values = sorted(set(own.get(name, {}).values())) if name not in NUMBERS else []
        for code, value in codes.items():
            if values and value not in values and not is_missing(value):
                raise BadOption(
                    f"--code {name}:{code}={value}: {value!r} is no value of {name!r}",
                    f"values are: {', '.join(values)}, n/a",
                )
    return {name: {**own.get(name, {}), **given.get(name, {})} for name in {**own, **given}}


def convert(name: str, cells: list[str], codes: Mapping[str, str] | None, where: str) -> list[Any]:
    """Cells of one column as cohort values: numbers, text, or coded labels; unknown -> NaN, "" or None."""
    if codes and name not in NUMBERS:
        return _coded(name, cells, codes, where)
    if name in TEXTS:
        cleaned = ["" if is_missing(cell) else cell for cell in cells]
        return [plain_session(cell) for cell in cleaned] if name == "session" else cleaned
    cells = [(codes or {}).get(cell, cell) for cell in cells]
    numbers = [_number(cell) for cell in cells]
    bad = {cell for cell, number in zip(cells, numbers, strict=True) if number is None}
    if not bad:
        return numbers
    if name in NUMBERS:
        raise BadData(
            f"{where}: {some(sorted(bad))} cannot be read as a number",
            f"say what a cell stands for:  --code '{name}:{min(bad)}=NUMBER'",
        )
    return [None if is_missing(cell) else cell for cell in cells]


def check_limits(name: str, values: Iterable[float], limits: tuple[float, float], where: str) -> None:
    """Raise `BadData` for numbers that the column cannot hold; they are in another unit, or codes."""
    low, high = limits
    strange = sorted({value for value in values if not (np.isnan(value) or low <= value <= high)})
    if not strange:
        return
    hint = (
        "ages are in years, and a column interview_age is taken as months; name a column of years:  --column age=COLUMN"
        if name == "age"
        else f"name the right column:  --column {name}=COLUMN   or say what a cell stands for:  --code '{name}:...=n/a'"
    )
    shown = some(f"{value:g}" for value in strange)
    raise BadData(f"{where}: {name} of {shown}, which is not within {low:g} to {high:g}", hint)


def _coded(name: str, cells: list[str], codes: Mapping[str, str], where: str) -> list[Any]:
    lower = {code.lower(): value for code, value in codes.items()}
    unknown = sorted({cell for cell in cells if not is_missing(cell) and code_of(cell) not in lower})
    if unknown:
        listed = ",".join(f"{cell}=VALUE" for cell in unknown[:SHOWN])
        known = ", ".join(sorted({value for value in codes.values() if not is_missing(value)}))
        raise BadData(
            f"{where}: unknown codes {some(unknown)}; known are {some(sorted(codes))}",
            f"say what they stand for:  --code '{name}:{listed}'   (VALUE such as {known}; n/a for not known)",
        )
    empty = "" if name in TEXTS else None
    values = [empty if is_missing(cell) else lower[code_of(cell)] for cell in cells]
    return [empty if value is not None and is_missing(value) else value for value in values]


def code_of(cell: str) -> str:
    """A code as it is looked up: ``1.0`` (written by a spreadsheet) counts as ``1``."""
    return cell.strip().lower().removesuffix(".0")


def _number(cell: str) -> float | None:
    if is_missing(cell):
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def plain(name: str) -> str:
    """An id without ``sub-`` and blanks."""
    return name.strip().removeprefix("sub-")


def plain_session(name: str) -> str:
    """A session label without ``ses-``; empty where it is not known."""
    return "" if is_missing(name) else name.strip().removeprefix("ses-")


def person(name: str) -> str:
    """A subject's id without ``sub-``, and, where it is a number, without leading zeros."""
    short = plain(name)
    return short.lstrip("0") or "0" if short.isdecimal() else short


def some(names: Iterable[Any], shown: int = SHOWN) -> str:
    """The first few names of a list."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:shown]) + (f" and {len(listed) - shown} more" if len(listed) > shown else "")
