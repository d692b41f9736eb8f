"""Targets that are made from a cohort's own columns: bands of a number, codes of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..benchmark.errors import BadData

if TYPE_CHECKING:
    import pandas as pd


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column of the cohort. Raises `BadData` that lists those there are."""
    if name not in table:
        raise BadData(
            f"the cohort has no column {name!r} (it has: {', '.join(map(str, table.columns))})",
            f"import it again with a participants table that holds it:  --column {name}=COLUMN",
        )
    return table[name]


def numbers(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers; NaN where it is not known. Raises `BadData`."""
    import pandas as pd

    values = column(table, name)
    found = pd.to_numeric(values, errors="coerce")
    odd = values[found.isna() & values.notna() & (values.astype(str) != "")]
    if len(odd):
        raise BadData(f"column {name!r} holds {odd.iloc[0]!r}, which is not a number", "import it again")
    return found


@dataclass(frozen=True)
class Bands:
    """Bands of a number: class k holds values from ``edges[k - 1]`` up to, but without, ``edges[k]``.

    Attributes
    ----------
    source
        Column of the cohort.
    edges, names
        Rising inner edges, and one name more than edges.
    """

    source: str
    edges: tuple[float, ...]
    names: tuple[str, ...]

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        """Class of each row; missing where the number is."""
        import pandas as pd

        values = numbers(table, self.source)
        chosen = np.array(self.names, dtype=object)[np.searchsorted(self.edges, values.fillna(0), side="right")]
        return pd.Series(chosen, index=table.index).where(values.notna())


@dataclass(frozen=True)
class Status:
    """Lower, middle or higher than a norm by more than ``z`` of its standard deviations.

    Attributes
    ----------
    source
        Column of the cohort.
    mean, sd
        The norm: a published constant, never taken from the cohort, so that no test scan moves a label.
    """

    source: str
    mean: float
    sd: float
    z: float = 1.5

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        """Class of each row; missing where the number is."""
        import pandas as pd

        values = (numbers(table, self.source) - self.mean) / self.sd
        chosen = np.select([values < -self.z, values > self.z], STATUS[::2], STATUS[1])
        return pd.Series(chosen, index=table.index, dtype=object).where(values.notna())


STATUS = ("lower", "middle", "higher")


@dataclass(frozen=True)
class Codes:
    """Classes by the codes of a column; rows with another code have no class.

    Attributes
    ----------
    sources
        Columns of the cohort; the first that it has counts.
    classes
        Code -> class.
    """

    sources: tuple[str, ...]
    classes: Mapping[str, str]

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        """Class of each row; missing where its code stands for none."""
        name = next((name for name in self.sources if name in table), self.sources[-1])
        return column(table, name).map(self.classes)


@dataclass(frozen=True)
class AtLeast:
    """Negative or positive: whether a number reaches a threshold."""

    source: str
    threshold: float
    names: tuple[str, str] = ("negative", "positive")

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        """Class of each row; missing where the number is."""
        import pandas as pd

        values = numbers(table, self.source)
        chosen = np.where(values >= self.threshold, self.names[1], self.names[0])
        return pd.Series(chosen, index=table.index, dtype=object).where(values.notna())
