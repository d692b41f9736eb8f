"""Principal components of functional connectivity, then logistic regression (classes) or ridge (numbers)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card
from ..benchmark.errors import BadOption
from .aims import Aim, ClassAim
from .fc_linear import FcFeatures
from .kernel import Solver, Spectrum, logistic
from .linear import check_positive

COMPONENTS = (50, 100, 200)
C_GRID = (0.01, 0.1, 1.0, 10.0, 100.0)


class ComponentSolver:
    """A linear model on the scores of the first components of each subset of scans.

    The eigenvectors of the subset's centred Gram matrix are the components seen from the scans: the
    scores are the same as those of `sklearn.decomposition.PCA`, without a matrix of features.

    Parameters
    ----------
    gram
        (n, n) products of the features.
    classes
        Logistic regression where True, else ridge with alpha 1 / C.
    """

    def __init__(self, gram: np.ndarray, classes: bool) -> None:
        self.basis = gram
        self._classes = classes
        self._spectrum = Spectrum(gram)

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: tuple[int, float]) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; the penalty is (components, C). Components without variance are left out."""
        components, C = penalty
        values, vectors = self._spectrum.of(rows)
        kept = slice(max(len(rows) - components, int(np.sum(values <= 1e-7 * values[-1]))), None)
        root = np.sqrt(values[kept])
        if self._classes:
            weights, level = logistic(vectors[:, kept] * root, targets, C)
        else:
            level = float(targets.mean())
            weights = root * (vectors[:, kept].T @ (targets - level)) / (values[kept] + 1 / C)
        return self._spectrum.dual(rows, vectors[:, kept] @ (weights / root), level)


@dataclass
class PcaLogistic(FcFeatures):
    """PCA of Fisher-z edges, fitted on the training scans of each inner fold, then an L2 model.

    Attributes
    ----------
    components
        Number of components; None chooses 50, 100 or 200. Never more than the training scans allow.
    C
        Inverse penalty on scores of scans of unit mean square norm; None tunes it.
    """

    components: int | None = None
    C: float | None = None

    card: ClassVar[Card] = Card(
        title="FC + PCA + logistic regression",
        summary="Principal components of Fisher-z connectivity, then L2 logistic regression; ridge where the "
        "target is a number. Components and C by nested cross-validation.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Components are learned inside each inner fold. The number of parameters is that of the weights on edges "
        "which components and model come to.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "nested": {"components": None, "C": None},
        "fixed": {"components": 50, "C": 1.0},
    }
    setting: ClassVar[str] = "components x C"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("C", self.C)
        if self.components is not None and self.components < 1:
            raise BadOption(f"components={self.components} is not positive", "give a number such as 50")

    def settings(self) -> list[tuple[int, float]]:
        """Pairs (components, C) that the options leave open."""
        counts = COMPONENTS if self.components is None else (self.components,)
        return list(product(counts, C_GRID if self.C is None else (self.C,)))

    def solver_for(self, features: Any, aim: Aim) -> Solver:
        """See `ComponentSolver`."""
        return ComponentSolver(features.gram, isinstance(aim, ClassAim))

    def given(self) -> tuple[int, float] | None:
        """Both options, where both are given."""
        return (self.components, self.C) if self.components is not None and self.C is not None else None

    def fallback(self, width: int) -> tuple[int, float]:
        """The fewest components, and the C closest to 1."""
        return min(self.settings(), key=lambda pair: (pair[0], abs(np.log(pair[1]))))
