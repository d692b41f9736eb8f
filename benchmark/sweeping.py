"""Sweeps: random configurations of one method, ranked by its own inner validation and never by a test score.

The cells of all configurations are run and kept as those of ``brainbench run`` are. A record, and with it a test
score, is made of the chosen configuration and of the ensembles only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .cells import Cell
from .contracts import Progress
from .errors import BadOption
from .plan import Plan, Request, Row, make_plan, plain
from .space import draw, space_of
from .store import Finished
from .worker import Outcome

PREFIX = "validation_"
LOWER = ("loss", "error")
"""Ends of names of validation figures of which less is better."""

BY_FOLD = "by fold"
"""Stands for an option that was chosen differently in different folds."""


@dataclass(frozen=True)
class Sweep(Plan):
    """A plan whose trials are run without a record; its rows are the ensembles.

    Attributes
    ----------
    trials
        One row a configuration.
    configs
        What was drawn for each.
    """

    trials: tuple[Row, ...] = ()
    configs: tuple[dict[str, Any], ...] = ()

    @property
    def cells(self) -> list[tuple[Row, Cell]]:
        """Cells of the trials, then of the ensembles, which use what the trials have trained."""
        return [(row, cell) for row in (*self.trials, *self.rows) for cell in row.cells]


@dataclass(frozen=True)
class Trial:
    """How a configuration did.

    Attributes
    ----------
    number, config, row
        Its place in the draw from 1, what was drawn, and its cells.
    folds
        Fold -> validation figure, higher is better (a loss has its sign changed), mean over seeds.
    told
        Name of that figure in the method's report.
    seconds
        Fit and prediction of all cells.
    status, reason
        ok; else those of the first cell that is not.
    """

    number: int
    config: Mapping[str, Any]
    row: Row
    folds: Mapping[str, float]
    told: str
    seconds: float
    status: str
    reason: str

    @property
    def score(self) -> float | None:
        """Mean over folds; None unless all cells are ok and tell a figure."""
        return float(np.mean(list(self.folds.values()))) if self.status == "ok" else None

    @property
    def shown(self) -> float | None:
        """The figure as the method tells it."""
        return self.score if self.score is None or not lower_is_better(self.told) else -self.score


def make_sweep(request: Request, configs: int, seed: int, tops: Sequence[int], progress: Progress) -> Sweep:
    """Draw configurations of one method on one task.

    Parameters
    ----------
    request
        One task and one method without controls; its settings hold in every configuration, unless drawn.
    configs, seed
        How many, and the seed of the draw.
    tops
        Values of the option ``top`` of the ensembles, each a row; empty for the method's own.

    Raises
    ------
    BadOption
        For a method without a space or a space that is too small, and for ``tops`` of a method without ensembles.
    """
    plan = make_plan(request, progress)
    if len(plan.rows) != 1:
        raise BadOption(f"a sweep takes one task and one method, not {len(plan.rows)} rows", "sweep them in turn")
    row = plan.rows[0]
    options = row.spec.options
    space = space_of(row.method, options)
    drawn = draw(space, configs, seed)
    if "members" not in options and tops:
        raise BadOption(f"--top: {row.spec.name} has no ensemble", "leave out --top")
    single = {"members": 0} if "members" in options else {}
    trials = [
        with_options(row, {**options, **single, **config}, f"{row.spec.name}#{k + 1}") for k, config in enumerate(drawn)
    ]
    ensembles = []
    if "members" in options:
        fixed = {name: values[0] for name, values in space.items() if len(values) == 1}
        common = {**options, **fixed, "members": configs, "members_seed": seed}
        for top in dict.fromkeys(tops or [options["top"]]):
            ensembles.append(with_options(row, {**common, "top": top}, f"{row.spec.name}+ensemble"))
    return Sweep(tuple(ensembles), plan.notes, plan.missing, tuple(trials), tuple(drawn))


def with_options(row: Row, options: dict[str, Any], name: str) -> Row:
    """The row under other options."""
    spec = row.spec.model_copy(update={"options": plain(options), "name": name})
    return replace(row, spec=spec, cells=tuple(cell.model_copy(update={"method": spec}) for cell in row.cells))


def rank(sweep: Sweep, find: Callable[[str], Finished | Outcome | None]) -> list[Trial]:
    """Trials, best validation first, then those without a figure.

    Parameters
    ----------
    find
        What became of a cell, by its key; None where it has not run.
    """
    trials = [
        make_trial(number, config, row, find)
        for number, (config, row) in enumerate(zip(sweep.configs, sweep.trials, strict=True), 1)
    ]
    return sorted(trials, key=lambda trial: (trial.score is None, -(trial.score or 0.0), trial.number))


def make_trial(
    number: int, config: Mapping[str, Any], row: Row, find: Callable[[str], Finished | Outcome | None]
) -> Trial:
    """What the cells of a configuration tell of it: their validation, never a score."""
    folds: dict[str, list[float]] = {}
    told, seconds, status, reason = "", 0.0, "ok", ""
    for cell in row.cells:
        found = find(cell.key)
        outcome = found.outcome if isinstance(found, Finished) else found or Outcome(status="missing")
        seconds += outcome.fit_seconds + outcome.predict_seconds
        name, value = validation(outcome.report) if outcome.status == "ok" else ("", None)
        if outcome.status == "ok" and value is None:
            outcome = outcome.model_copy(update={"status": "failed", "reason": f"its report has no {PREFIX}... figure"})
        if value is not None:
            told = name
            folds.setdefault(cell.fold, []).append(-value if lower_is_better(name) else value)
        if status == "ok" and outcome.status != "ok":
            status, reason = outcome.status, outcome.reason
    means = {fold: float(np.mean(values)) for fold, values in folds.items()}
    return Trial(number, config, row, means, told, seconds, status, reason)


def validation(report: Mapping[str, Any]) -> tuple[str, float | None]:
    """Name and value of the first number in a report whose name begins with ``validation_``; NaN is none."""
    for name, value in report.items():
        if name.startswith(PREFIX) and isinstance(value, int | float) and np.isfinite(value):
            return name, float(value)
    return "", None


def lower_is_better(name: str) -> bool:
    """Whether less of a validation figure is better."""
    return name.endswith(LOWER)


def choose(trials: Sequence[Trial], name: str) -> Row:
    """The row of the best configuration, of each fold by that fold's own validation.

    The inner validation of one fold holds test items of others, so that one choice for all folds would have seen them.
    Raises `BadOption` where no configuration has ended well.
    """
    usable = [trial for trial in trials if trial.score is not None]
    if not usable:
        first = trials[0]
        raise BadOption(f"none of {len(trials)} configurations ended well; #{first.number}: {first.reason}")
    best = {fold: max(usable, key=lambda trial: trial.folds[fold]) for fold in usable[0].folds}
    first_row = next(iter(best.values())).row
    chosen = [trial.row.spec.options for trial in best.values()]
    options = {
        option: value if all(other[option] == value for other in chosen) else BY_FOLD
        for option, value in first_row.spec.options.items()
    }
    cells = [next(c for c in best[cell.fold].row.cells if same_place(c, cell)) for cell in first_row.cells]
    spec = first_row.spec.model_copy(update={"name": f"{name}+swept", "options": options})
    return replace(first_row, spec=spec, cells=tuple(cells))


def same_place(one: Cell, other: Cell) -> bool:
    """Whether two cells are of one fold and seed."""
    return (one.fold, one.seed) == (other.fold, other.seed)


def varied(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Options in which configurations differ."""
    return [name for name in configs[0] if any(config[name] != configs[0][name] for config in configs)]
