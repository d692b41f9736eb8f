"""Splits with few labels: one half of the people is tested, a few of the other half are labelled.

The halves are the same for every number of labels, so that the points of a learning curve stand on the
same test people; a draw of four labelled people holds the two that the same draw of two does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .contracts import Fold
from .errors import BadSplit
from .splits import deal, one_row_a_group, stratum

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 20
MOST_CLASSES = 10


@dataclass(frozen=True)
class Shots:
    """So many labelled items in all, the same number of each class; None for all of the half.

    Attributes
    ----------
    count
        Labelled items in all: 0 for zero-shot, None for the whole half.
    draws
        How often they are drawn, each draw a fold; where nothing is left to chance there is one.
    """

    count: int | None
    draws: int = DRAWS
    min_per_class: int = 0

    @property
    def name(self) -> str:
        """``zero-shot``, ``4-shot`` or ``all-shot``."""
        return {None: "all-shot", 0: "zero-shot"}.get(self.count, f"{self.count}-shot")

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """One fold a draw. Raises `BadSplit` when the half has too few people of a class."""
        groups = one_row_a_group(table)
        if len(groups) < 4:
            raise BadSplit(f"{len(groups)} subjects are too few for a half to test on")
        part = deal(stratum(groups, target, 2), 2, np.random.default_rng((seed, 0)))
        test = tuple(table.index[table["group"].isin(groups.index[part == 1])])
        pool = table[table["group"].isin(groups.index[part == 0])]
        if self.count is None:
            return [Fold("all", tuple(pool.index), test)]
        if self.count == 0:
            return [Fold("zero", (), test)]
        names = sorted(table[target].unique()) if balanced(table, target) else []
        return [
            Fold(f"draw{draw + 1:02d}", self._draw(pool, target, names, np.random.default_rng((seed, 1, draw))), test)
            for draw in range(self.draws)
        ]

    def _draw(self, pool: pd.DataFrame, target: str, names: list[str], rng: np.random.Generator) -> tuple[str, ...]:
        """Ids of the labelled items: no two of one group, as many of each of the named classes."""
        assert self.count is not None
        shuffled = pool.iloc[rng.permutation(len(pool))]
        single = shuffled[~shuffled["group"].duplicated()]
        each = self.count
        classes = [single]
        if names:
            classes = [single[single[target] == name] for name in names]
            each, rest = divmod(self.count, len(classes))
            if rest:
                raise BadSplit(
                    f"{self.count} labelled items cannot be shared by {len(classes)} classes",
                    f"take a multiple of {len(classes)}",
                )
        few = min(len(rows) for rows in classes)
        if few < each:
            raise BadSplit(f"{self.name}: a class has {few} people who are not tested, {each} are asked for")
        return tuple(str(item) for rows in classes for item in rows.index[:each])


def balanced(table: pd.DataFrame, target: str) -> bool:
    """Whether the target is a class, of which each draw takes the same number: a class is a word, never a number."""
    import pandas as pd

    if target not in table or not table[target].map(pd.api.types.is_scalar).all():
        return False
    return not (pd.api.types.is_numeric_dtype(table[target]) or table[target].nunique() > MOST_CLASSES)
