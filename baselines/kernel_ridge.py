"""Kernel ridge regression on the correlation of connectivity vectors (He et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from .aims import Aim, ClassAim, LabelAim, aim_of
from .confounds import Nuisance
from .fc_linear import FcFeatures
from .kernel import GramFeatures, Ridge, Solver
from .linear import check_positive

NUISANCE = ("age", "sex", "motion")
LAMBDAS = (
    1e6, 1e5, 1e4, 1e3, 700, 500, 300, 200, 150, 100, 80, 70, 60, 50, 40, 30, 20, 15, 10, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1,
    0.7, 0.4, 0.1, 0.07, 0.04, 0.01, 0.007, 0.004, 0.001, 1e-4, 1e-5,
)  # fmt: skip


@dataclass
class KernelRidge(FcFeatures):
    """``(K + lambda I) a = y - mean(y)``, K the Pearson correlation between two scans' edges.

    Attributes
    ----------
    lam
        The lambda; None chooses it by inner folds that cut no subject.
    nuisance
        On regression, take what age, sex and motion explain linearly in the training targets out of them.
        Never done where the target is age or sex.
    """

    lam: float | None = None
    nuisance: bool = False

    card: ClassVar[Card] = Card(
        title="Kernel ridge regression",
        summary="Kernel ridge on the correlation between scans' Fisher-z connectivity, lambda by nested "
        "cross-validation.",
        paper="He et al., NeuroImage 206 (2020)",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="The lambdas of the released code but 0, which leaves the kernel singular. Inner score: Pearson r "
        "(numbers) or AUC (classes). Two classes: labels of -1 and 1 are regressed, the threshold has the best "
        "accuracy out of the inner folds, and the probability is 0.5 there. More classes: each against the rest. "
        "With nuisance=true the residual is predicted and the training mean added: what "
        "covariates explain is not put back, and the truth is judged as it is. Covariates of test scans are not read.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "nested": {"lam": None},
        "fixed": {"lam": 1.0},
        "residual": {"nuisance": True},
    }
    setting: ClassVar[str] = "lambda"
    grid: ClassVar[tuple[float, ...]] = LAMBDAS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("lam", self.lam)

    def skip(self, task: TaskInfo) -> str | None:
        """Nuisance regression needs its columns."""
        hidden = [name for name in NUISANCE if self._regresses(task) and name not in task.covariates]
        return f"nuisance=true, and the task does not show {', '.join(hidden)}" if hidden else None

    def _regresses(self, task: TaskInfo) -> bool:
        return self.nuisance and task.kind == "regression" and task.target not in ("age", "sex")

    def aim(self, context: Context) -> Aim:
        """Labels of -1 and 1, or numbers judged by r."""
        aim = aim_of(context.task, "r")
        return LabelAim(aim.classes) if isinstance(aim, ClassAim) else aim

    def targets(self, train: Train, context: Context) -> np.ndarray:
        """Class indices; numbers, less what covariates explain."""
        targets = super().targets(train, context)
        self._nuisance = self._regresses(context.task)
        return Nuisance(train.inputs, NUISANCE, targets).residual if self._nuisance else targets

    def learn_features(self, scans: Any, context: Context) -> np.ndarray:
        """Edges of unit norm and mean 0 over the edges, so that their product is a correlation."""
        features = super().learn_features(scans, context)
        for row in features:
            row[:] = unit(row)
        return features

    def features_of(self, scans: Any, row: int) -> np.ndarray:
        """The same of one scan."""
        return unit(super().features_of(scans, row))

    def prepare(self, features: np.ndarray) -> GramFeatures:
        """Not centred over scans."""
        return GramFeatures.plain(features)

    def solver_for(self, features: Any, aim: Aim) -> Solver:
        """Ridge on the kernel as it is; the target is centred."""
        return Ridge(features.gram, centre=False)

    def given(self) -> float | None:
        """The option lam."""
        return self.lam

    def fit(self, train: Train, context: Context) -> None:
        """Fit, and for two classes move the threshold to decision 0."""
        super().fit(train, context)
        self._threshold = 0.0
        if self._tuned.decisions is not None and len(context.task.classes) == 2:
            labels, decisions = np.asarray(train.targets, dtype=int), self._tuned.decisions
            self._threshold = best_threshold(labels, decisions[:, 0])
            self._tuned.slope = self._aim.slope(labels, decisions - self._threshold)
            self._offset = self._offset - self._threshold

    def report(self) -> dict[str, Any]:
        """Lambda, inner scores, threshold on the labels, whether covariates were regressed out."""
        return super().report() | {"threshold": self._threshold, "nuisance": self._nuisance}


def unit(edges: np.ndarray) -> np.ndarray:
    """Edges (p,) less their mean, of norm 1 (0 where all are equal)."""
    centred: np.ndarray = edges - edges.mean(dtype=np.float64).astype(edges.dtype)
    return centred / (np.linalg.norm(centred) or 1)


def best_threshold(labels: np.ndarray, decisions: np.ndarray) -> float:
    """The threshold between two decisions with the best accuracy; of equals, the closest to 0."""
    order = np.sort(np.unique(decisions))
    between = (order[1:] + order[:-1]) / 2
    if not len(between):
        return 0.0
    accuracy = np.array([np.mean((decisions > cut) == (labels == 1)) for cut in between])
    best = between[accuracy == accuracy.max()]
    return float(best[np.argmin(np.abs(best))])
