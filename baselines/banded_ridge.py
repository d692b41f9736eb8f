"""Banded ridge regression: a penalty of its own for each feature stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import needing
from .delayed_ridge import GRID, DelayedRidge, splitter
from .gram_ridge import LinearMap, Moments, solve, validate

CONCENTRATIONS = (0.1, 1.0)
"""Of the Dirichlet distributions that draw streams' weights in turn: mostly one stream, and any mixture."""


@dataclass
class BandedRidge(DelayedRidge):
    """Delayed ridge where each parcel also chooses how much each stream weighs, by random search.

    Attributes
    ----------
    draws
        Number of weightings tried; the first weighs all streams alike.
    """

    draws: int = 20

    card: ClassVar[Card] = Card(
        title="Banded ridge",
        summary="As delayed ridge, with a penalty for each parcel and stream: weights of the streams are drawn at "
        "random, and each parcel takes the best with its best penalty.",
        paper="Dupre la Tour et al., Feature-space selection with banded ridge regression. NeuroImage 2022",
        parameters="(streams x components x delays + 1) x parcels for each subject",
        notes="Random search as in himalaya, 20 weightings from Dirichlet distributions of concentration 0.1 and 1, on "
        "our own moments: scaling them replaces a decomposition of the whole design for each weighting. The option "
        "solver=himalaya uses the library itself, for small data. The preset small tries 10 weightings in three folds. "
        "The inner correlation of the report is that of what was chosen on it.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"small": {"draws": 10, "folds": 3}, "full": {}}

    def weightings(self, context: Context) -> np.ndarray:
        """(draws, streams) weights of the streams, each row of sum 1."""
        rng, streams = np.random.default_rng(context.seed), len(self._delays.widths)
        drawn = [
            rng.dirichlet(np.full(streams, CONCENTRATIONS[number % len(CONCENTRATIONS)]))
            for number in range(1, self.draws)
        ]
        return np.array([np.full(streams, 1 / streams), *drawn])

    def solve(self, folds: Sequence[Moments], context: Context) -> tuple[LinearMap, np.ndarray]:
        """See `DelayedRidge.solve`. With fewer than two folds the streams weigh alike."""
        there = [fold for fold in folds if fold.count]
        if len(there) < 2:
            return super().solve(folds, context)
        whole = Moments.joined(there)
        scales = np.sqrt(self.weightings(context))[:, self._delays.groups]
        grid, targets = GRID * whole.count, len(whole.y)
        error, r, alphas = np.full(targets, np.inf), np.zeros(targets), np.zeros(targets)
        chosen = np.zeros(targets, int)
        for number, scale in enumerate(scales):
            context.progress("streams' weights", number, len(scales))
            scores = validate([fold.scaled(scale) for fold in there], grid)
            best, row = scores.best(grid)
            least, fits = (np.take_along_axis(values, row[None], 0)[0] for values in (scores.error, scores.r))
            better = least < error
            for kept, found in ((error, least), (r, fits), (alphas, best), (chosen, number)):
                np.copyto(kept, found, where=better)
        return _solve(whole, scales, chosen, alphas), r

    def solve_rows(
        self, x: np.ndarray, y: np.ndarray, fold: np.ndarray, context: Context
    ) -> tuple[LinearMap, np.ndarray]:
        """See `DelayedRidge.solve_rows`."""
        with needing("encoding", "himalaya"):
            from himalaya.ridge import GroupRidgeCV
        search = {
            "n_iter": self.weightings(context).astype(x.dtype),
            "alphas": GRID * len(x),
            "n_alphas_batch": 1,
            "progress_bar": False,
        }
        model = GroupRidgeCV(self._delays.groups, solver_params=search, fit_intercept=True, cv=splitter(fold)).fit(x, y)
        alphas = 1 / np.exp(model.deltas_).sum(axis=0)  # the weights of the streams have sum 1
        return LinearMap(model.coef_, model.intercept_, alphas), np.full(y.shape[1], np.nan)


def _solve(whole: Moments, scales: np.ndarray, chosen: np.ndarray, alphas: np.ndarray) -> LinearMap:
    """The model whose targets take a row of scales (draws, p) each, (v,), and a penalty each, (v,)."""
    weights, offset = np.empty(whole.xy.shape, np.float32), np.empty(len(whole.y), np.float32)
    for number in np.unique(chosen):
        columns = chosen == number
        found = solve(whole.scaled(scales[number]).of(columns), alphas[columns])
        weights[:, columns] = found.weights * scales[number][:, None]
        offset[columns] = found.offset
    return LinearMap(weights, offset, alphas)
