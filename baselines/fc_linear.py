"""Linear models on Fisher-z functional connectivity: logistic regression and SVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .kernel import SVM, Logistic
from .linear import KernelLinear, KernelModel


@dataclass
class FcFeatures(KernelModel):
    """A model on the upper triangle of the Fisher-z correlation matrix.

    Attributes
    ----------
    clip
        Correlations are clipped to +- this before arctanh.
    """

    clip: float = fc.CLIP

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.clip < 1:
            raise BadOption(f"clip={self.clip} is not between 0 and 1", "give a number such as 0.999")

    def learn_features(self, scans: Any, context: Context) -> np.ndarray:
        """Edges of the training scans; nothing is learned."""
        return fc.edges(scans, clip=self.clip, progress=lambda done, total: context.progress("FC", done, total))

    def features_of(self, scans: Any, row: int) -> np.ndarray:
        """Edges of one scan."""
        edges: np.ndarray = fc.edges(scans, [row], clip=self.clip)[0]
        return edges


@dataclass
class FcLinear(FcFeatures, KernelLinear):
    """A linear classifier on Fisher-z edges."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {"nested": {"C": None}, "fixed": {"C": 1.0, "clip": 0.999}}


@dataclass
class FcLogistic(FcLinear):
    """L2 logistic regression."""

    card: ClassVar[Card] = Card(
        title="FC + logistic regression",
        summary="L2 logistic regression on Fisher-z connectivity, C by nested cross-validation.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Solved in the n-dimensional span of the training scans, which is exact for an L2 penalty. With nested "
        "cross-validation the log-odds are scaled to fit decisions out of the inner folds.",
    )
    grid = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
    solver = Logistic


@dataclass
class FcSvm(FcLinear):
    """Linear support vector machine."""

    card: ClassVar[Card] = Card(
        title="FC + linear SVM",
        summary="Linear SVM on Fisher-z connectivity, C by nested cross-validation.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Probabilities are the logistic function of slope * decision, so 0.5 at decision 0; the slope "
        "is fitted on decisions out of the inner folds, and 1 when C is given.",
    )
    grid = (0.01, 0.1, 1.0, 10.0, 100.0)
    solver = SVM
