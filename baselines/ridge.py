"""Ridge regression on standardised functional connectivity; classes as regression on labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context, Train
from .aims import Aim, ClassAim, LabelAim, aim_of
from .fc_linear import FcFeatures
from .kernel import GramFeatures, Solver
from .kernel import Ridge as RidgeSolver
from .linear import check_positive
from .moments import StreamedRidge

GRID = tuple(float(alpha) for alpha in np.logspace(6, -2, 17))


def edges_of(rois: int) -> int:
    """Edges of a network."""
    return rois * (rois - 1) // 2


@dataclass
class Ridge(FcFeatures):
    """Ridge on Fisher-z edges that are standardised on the training scans.

    With fewer scans than edges through the n x n Gram matrix; with more through sums over scans that
    are read block by block, three times (p x p matrices only). Both give the same numbers.

    Attributes
    ----------
    alpha
        Penalty on standardised edges; None chooses it by inner folds that cut no subject.
    """

    alpha: float | None = None

    card: ClassVar[Card] = Card(
        title="FC + ridge",
        summary="Ridge regression on standardised Fisher-z connectivity, alpha by nested cross-validation.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Alpha 1e-2 to 1e6 in 17 logarithmic steps, chosen by squared error (numbers) or AUC (classes). Classes "
        "are fitted as labels of -1 and 1; probabilities are the logistic function of slope * decision, the slope "
        "fitted on decisions out of the inner folds. Features are standardised on the whole training set, labels "
        "unread, before the inner folds.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict[str, dict[str, Any]]] = {"nested": {"alpha": None}, "fixed": {"alpha": 1000.0}}
    setting: ClassVar[str] = "alpha"
    grid: ClassVar[tuple[float, ...]] = GRID

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("alpha", self.alpha)

    def aim(self, context: Context) -> Aim:
        """Labels of -1 and 1, or numbers."""
        aim = aim_of(context.task)
        return LabelAim(aim.classes) if isinstance(aim, ClassAim) else aim

    def prepare(self, features: np.ndarray) -> GramFeatures:
        """Standardised."""
        return GramFeatures.centre(features, standardise=True)

    def solver_for(self, features: Any, aim: Aim) -> Solver:
        """Ridge with alpha on the unscaled features."""
        return RidgeSolver(features.gram, features.scale)

    def given(self) -> float | None:
        """The option alpha."""
        return self.alpha

    def fallback(self, width: int) -> float:
        """Of the grid, the closest to the number of edges, which is the mean diagonal of the kernel."""
        return min(self.grid, key=lambda alpha: abs(np.log(alpha / width)))

    def fit(self, train: Train, context: Context) -> None:
        """Fit the way that needs less memory."""
        if len(train.inputs) > edges_of(train.inputs.series(0).shape[1]):
            self._fit_streamed(train, context)
        else:
            super().fit(train, context)

    def _fit_streamed(self, train: Train, context: Context) -> None:
        """Choose alpha and fit without holding the features of all scans."""
        self._aim = self.aim(context)
        targets = self.targets(train, context)

        def read(rows: np.ndarray) -> np.ndarray:
            return fc.edges(train.inputs, rows.tolist(), clip=self.clip)

        def step(done: int, total: int) -> None:
            context.progress("ridge", done, total)

        model = StreamedRidge(read, self._aim.wanted(targets), self.grid, step)
        self._tuned = self.choose(model.decide, targets, train.groups, model.width, context)
        self._weights, self._offset = model.fit(self._tuned.setting)
