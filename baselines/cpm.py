"""Connectome-based predictive modelling (Shen et al. 2017): select edges, sum them, fit a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from ..benchmark.errors import BadOption
from .aims import Aim, ClassAim
from .confounds import covariate_table
from .fc_linear import FcFeatures
from .kernel import Solver, logistic

THRESHOLDS = (0.001, 0.005, 0.01, 0.05)
CHUNK = 8192


@dataclass
class RawFeatures:
    """Training features as they are; coefficients of `CpmSolver` are weights on them."""

    values: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(p,) zeros: nothing is subtracted."""
        return np.zeros(self.values.shape[1])

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """The coefficients."""
        return coefficients


def correlations(edges: np.ndarray, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Pearson correlation (p,) of each edge (n, p) of some rows with targets (rows,); 0 where either does not vary."""
    centred = targets - targets.mean()
    norm = np.linalg.norm(centred)
    out = np.zeros(edges.shape[1])
    for start in range(0, len(out), CHUNK):
        block = edges[rows, start : start + CHUNK].astype(np.float64)
        scale = np.abs(block).max(axis=0)
        block -= block.mean(axis=0)
        length = np.linalg.norm(block, axis=0)
        product = length * norm
        varies = (product > 0) & (length > 1e-6 * scale)
        out[start : start + CHUNK] = np.where(varies, centred @ block, 0) / np.where(varies, product, 1)
    return out


def partial(r: np.ndarray, with_confound: np.ndarray, target_confound: float) -> np.ndarray:
    """Correlation (p,) of edges and target given a confound, from the three plain ones."""
    left = np.sqrt(np.maximum((1 - with_confound**2) * (1 - target_confound**2), 1e-12))
    found: np.ndarray = (r - with_confound * target_confound) / left
    return found


def critical_r(p: float, freedom: int) -> float:
    """The absolute correlation whose two-sided p value is ``p``."""
    from scipy import stats

    t = float(stats.t.isf(p / 2, freedom))
    return t / float(np.sqrt(freedom + t * t))


class CpmSolver:
    """CPM on some of the training scans; the latest subset's correlations serve all thresholds.

    Attributes
    ----------
    selected
        (positive, negative) numbers of edges of each fit on all scans.

    Parameters
    ----------
    edges
        (n, p) float32.
    classes
        Fit log-odds of 0/1 targets, where True; else a line.
    mean
        Average the selected edges instead of summing them.
    confound
        (n,) given which edges and target are correlated, or None.
    """

    def __init__(self, edges: np.ndarray, classes: bool, mean: bool, confound: np.ndarray | None) -> None:
        self.basis = edges
        self._classes, self._mean, self._confound = classes, mean, confound
        self._key: tuple[bytes, bytes] | None = None
        self.selected: list[tuple[int, int]] = []

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; the penalty is the threshold on p. No edge: the training mean (or share)."""
        r, freedom = self._correlate(rows, targets)
        limit = critical_r(penalty, freedom) if freedom > 0 else 1.0
        masks = np.stack([r > limit, r < -limit], axis=1)
        counts = masks.sum(axis=0)
        if len(rows) == len(self.basis):
            self.selected.append((int(counts[0]), int(counts[1])))
        shares = masks / (np.maximum(counts, 1) if self._mean else 1)
        sums = (self.basis @ shares.astype(np.float32))[rows].astype(np.float64)
        weights, level = self._line(sums, targets)
        return shares @ weights, level

    def _correlate(self, rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, int]:
        """(Partial) correlations (p,) with the target, and their degrees of freedom."""
        key = rows.tobytes(), targets.tobytes()
        if key != self._key:
            r = correlations(self.basis, rows, targets)
            if self._confound is not None:
                confound = self._confound[rows]
                alone = float(correlations(targets[:, None], np.arange(len(rows)), confound)[0])
                r = partial(r, correlations(self.basis, rows, confound), alone)
            self._key, self._r = key, r
        return self._r, len(rows) - 2 - (self._confound is not None)

    def _line(self, sums: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights (2,) and intercept of target ~ positive + negative sum; a sum without edges has weight 0."""
        mean, spread = sums.mean(axis=0), sums.std(axis=0)
        varies = spread > 1e-6 * (np.abs(mean) + 1e-12)
        share = float(targets.mean())
        if not varies.any():
            return np.zeros(2), float(np.log(share / (1 - share))) if self._classes else share
        scaled = np.where(varies, (sums - mean) / np.where(varies, spread, 1), 0)
        if self._classes:
            fitted, level = logistic(scaled, targets, 1.0)
        else:
            fitted, level = np.linalg.lstsq(scaled, targets - share, rcond=None)[0], share
        weights = np.where(varies, fitted / np.where(varies, spread, 1), 0)
        return weights, float(level - mean @ weights)


@dataclass
class CPM(FcFeatures):
    """Edges that correlate with the target in the training scans, summed by sign, and a linear fit.

    Attributes
    ----------
    p
        Threshold on the p value of an edge; None chooses 0.05, 0.01, 0.005 or 0.001 by inner folds.
    summary
        "sum" or "mean" of the selected edges.
    given_motion
        Select by the correlation given motion (mean framewise displacement).
    """

    p: float | None = None
    summary: Literal["sum", "mean"] = "sum"
    given_motion: bool = False

    card: ClassVar[Card] = Card(
        title="CPM",
        summary="Connectome-based predictive modelling: edges selected by their correlation with the target, summed "
        "by sign, then a linear (numbers) or logistic (classes) fit.",
        paper="Shen et al., Nature Protocols 12 (2017)",
        parameters="3 a column of decisions, and the selected edges",
        notes="Selection is repeated in every training and inner fold. Our own: the threshold by inner folds; classes "
        "by point-biserial correlation and logistic regression (C = 1 on the two standardised sums), more than two "
        "each against the rest; edges are Fisher-z. No edge below the threshold: the training mean or shares. With "
        "given_motion=true the motion of the training scans is read, that of test scans is not.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "nested": {"p": None},
        "fixed": {"p": 0.01},
        "given-motion": {"given_motion": True},
    }
    setting: ClassVar[str] = "p"
    grid: ClassVar[tuple[float, ...]] = THRESHOLDS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.p is not None and not 0 < self.p < 1:
            raise BadOption(f"p={self.p} is not between 0 and 1", "give a number such as 0.01")
        if self.summary not in ("sum", "mean"):
            raise BadOption(f"summary={self.summary!r} is not known", "choose one of: sum, mean")

    def skip(self, task: TaskInfo) -> str | None:
        """Selection given motion needs the column."""
        hidden = self.given_motion and "motion" not in task.covariates
        return "given_motion=true, and the task does not show motion" if hidden else None

    def prepare(self, features: np.ndarray) -> RawFeatures:
        """As they are."""
        return RawFeatures(features)

    def solver_for(self, features: Any, aim: Aim) -> Solver:
        """See `CpmSolver`."""
        self._solver = CpmSolver(features.values, isinstance(aim, ClassAim), self.summary == "mean", self._motion)
        return self._solver

    def given(self) -> float | None:
        """The option p."""
        return self.p

    def fallback(self, width: int) -> float:
        """0.01, the usual choice."""
        return 0.01

    def fit(self, train: Train, context: Context) -> None:
        """Select, sum and fit; an unknown motion counts as the median."""
        self._motion: np.ndarray | None = None
        if self.given_motion:
            motion = covariate_table(train.inputs, ("motion",))["motion"].to_numpy(float)
            self._motion = np.where(np.isnan(motion), np.nanmedian(motion), motion)
        super().fit(train, context)
        self._selected = self._solver.selected
        del self._solver

    def report(self) -> dict[str, Any]:
        """Threshold, inner scores, and how many edges were selected for each column of decisions."""
        return super().report() | {
            "parameters": 3 * len(self._selected),
            "positive_edges": [positive for positive, _ in self._selected],
            "negative_edges": [negative for _, negative in self._selected],
        }
