"""Choosing a setting by inner folds that cut no subject, for any aim and any family of linear models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .aims import Aim

Decide = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(train rows, test rows) -> decisions (settings, test rows, columns) of a model fitted on the train rows."""


@dataclass
class Tuned:
    """What inner folds found.

    Attributes
    ----------
    setting
        The chosen value of the grid.
    slope
        Factor that makes out-of-fold decisions fit the labels best as log-odds; 1 without inner folds.
    curve
        Setting -> mean inner score.
    decisions
        (n, columns) out-of-fold decisions of the chosen setting; None without inner folds.
    note
        Why nothing was tuned, else "".
    """

    setting: Any
    slope: float = 1.0
    curve: dict[Any, float] = field(default_factory=dict)
    decisions: np.ndarray | None = None
    note: str = ""

    def facts(self, name: str, measure: str) -> dict[str, Any]:
        """For a record: the setting under its name, the slope, the inner scores and the note."""
        found: dict[str, Any] = {name: self.setting, "slope": self.slope}
        if self.curve:
            found[f"inner_{measure}"] = {shown(setting): score for setting, score in self.curve.items()}
        if self.note:
            found["note"] = self.note
        return found


def shown(setting: Any) -> str:
    """A setting in a few characters."""
    return " x ".join(f"{part:g}" for part in (setting if isinstance(setting, tuple) else (setting,)))


def tune(
    decide: Decide,
    aim: Aim,
    targets: np.ndarray,
    groups: np.ndarray,
    grid: Sequence[Any],
    fallback: Any,
    seed: int,
    step: Callable[[int, int], None],
    name: str = "C",
) -> Tuned:
    """The setting with the best mean inner score, the first of equals.

    Where there are too few scans for inner folds ``fallback`` is used, and a note says so.
    """
    folds = aim.folds(targets, groups, seed)
    if not folds:
        return Tuned(fallback, note=f"too few scans for inner folds: {name} fixed at {shown(fallback)}")
    decisions = np.zeros((len(grid), len(targets), aim.columns))
    scores = np.empty((len(grid), len(folds)))
    covered = np.zeros(len(targets), dtype=bool)
    for f, (train, test) in enumerate(folds):
        decisions[:, test] = decide(train, test)
        scores[:, f] = [aim.score(targets[test], mine) for mine in decisions[:, test]]
        covered[test] = True
        step(f + 1, len(folds))
    mean = np.array([row[~np.isnan(row)].mean() if not np.isnan(row).all() else -np.inf for row in scores])
    best = int(np.argmax(mean))
    curve = {setting: round(float(score), 4) for setting, score in zip(grid, mean, strict=True)}
    slope = aim.slope(targets[covered], decisions[best, covered])
    return Tuned(grid[best], slope, curve if len(grid) > 1 else {}, decisions[best])
