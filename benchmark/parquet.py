"""Parquet tables that may be damaged or of another hand: read, and held against the columns that they must have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import BadData

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(path: Path, hint: str, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """A table. Raises `BadData` whatever is wrong with the file, or where a column is lacking."""
    import pandas as pd

    try:
        wanted = None if columns is None else list(columns)
        return pd.read_parquet(path, columns=wanted, page_checksum_verification=True)
    except Exception as error:  # pyarrow, and pandas on the note that it keeps in a file, raise errors of many kinds
        told = (str(error).splitlines() or [""])[0][:120]
        raise BadData(f"{path}: cannot be read ({type(error).__name__}: {told})", hint) from None


def refuse_types(
    table: pd.DataFrame, path: Path, hint: str, *, whole: Iterable[str] = (), texts: Iterable[str] = ()
) -> None:
    """Raise `BadData` where a column is lacking, or does not hold whole numbers or texts throughout."""
    import pandas as pd

    checks = [(name, pd.api.types.is_integer_dtype, "whole numbers") for name in whole]
    checks += [(name, pd.api.types.is_string_dtype, "texts") for name in texts]
    for name, holds, what in checks:
        if name not in table:
            raise BadData(f"{path}: no column {name!r}", hint)
        if not holds(table[name]) or table[name].isna().any():
            raise BadData(f"{path}: column {name!r} does not hold {what} throughout", hint)


def numbers(table: pd.DataFrame, path: Path, hint: str) -> np.ndarray:
    """A table of numbers as float64 (rows, columns). Raises `BadData` for other values."""
    import pandas as pd

    if not all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes):
        raise BadData(f"{path}: values that are no numbers", hint)
    return table.to_numpy(np.float64, na_value=np.nan)


def texts(column: pd.Series) -> list[str]:
    """A column as texts."""
    return [str(value) for value in column]
