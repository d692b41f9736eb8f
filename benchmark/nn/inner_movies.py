"""Which films of the training set a method keeps apart to watch itself: whole films, both showings."""

from __future__ import annotations

import numpy as np

from ..errors import BadData
from ..kinds.encoding import Runs

FIRST = ("figures", "life", "wolf", "bourne")
"""Films that serve for inner validation, in this order; then the seasons from the last, then stimuli by name."""

SHARE = 0.1
"""Part of the stimuli that is held out where no film can be spared."""


def hold_out(runs: Runs, movies: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n,) of the runs to learn from and of those to watch: ``movies`` whole films.

    Where fewer than two films would be left to learn from, a tenth of the stimuli, the last by name, is held out,
    as ``movies`` groups that `film_of` tells apart. Raises `BadData` where there is one stimulus only.
    """
    held = watched(runs, movies)
    keep = np.array([name not in held for name in names_of(runs)])
    return np.flatnonzero(keep), np.flatnonzero(~keep)


def names_of(runs: Runs) -> list[str]:
    """The film of each run, or its stimulus where films cannot be told apart or spared."""
    films = [run.movie for run in runs]
    return films if _spare(films) else [run.stimulus or str(row) for row, run in enumerate(runs)]


def watched(runs: Runs, movies: int = 1) -> tuple[str, ...]:
    """Names, as in `names_of`, of what is held out."""
    names = sorted(set(names_of(runs)))
    if len(names) < 2:
        raise BadData("one film only: nothing can be held out to watch the training", "give more training runs")
    if _spare([run.movie for run in runs]):
        order = [name for name in FIRST if name in names]
        order += sorted((name for name in names if name not in FIRST), reverse=True)
        return tuple(order[: min(movies, len(names) - 1)])
    count = max(movies, round(SHARE * len(names)))
    return tuple(names[-min(count, len(names) - 1) :])


def _spare(films: list[str]) -> bool:
    """Whether there are named films enough to hold one out."""
    return "" not in films and len(set(films)) > 2
