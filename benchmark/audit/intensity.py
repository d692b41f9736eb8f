"""L11: whether raw intensity, which scanners and pipelines set, tells the label."""

from __future__ import annotations

import numpy as np

from .detector import LABELLED, Case, Detector, Result
from .labels import Agreement
from .look import has_series
from .probe import gram, ridge

ROUNDING = 1e-6
"""Temporal means after z-scoring that are rounding errors of float64 and smaller than any float32 value keeps."""

RAW = Detector("L11", "raw-intensity", "the temporal mean of each ROI, raw and after z-scoring every series")


def raw_intensity(case: Case) -> Result:
    """A probe on temporal means alone; after z-scoring nothing may be left of them."""
    if case.task.kind not in LABELLED or not has_series(case.items):
        return RAW.not_covered("needs ROI series and one class or number a scan")
    raw = _probe(case, case.look.means)
    if np.isnan(raw.value):
        return RAW.not_covered("no fold holds two classes")
    left = case.look.leftover
    largest = float(np.abs(left).max())
    after = f"after z-scoring they are 0 (largest {largest:.0e})"
    figures = {"raw": raw.value, "error": raw.error, "largest_after": largest}
    if largest > ROUNDING and (again := _probe(case, left)).above:
        return RAW.leak(f"temporal means give {raw}, and still {again} after z-scoring", **figures)
    if raw.above:
        return RAW.note(f"temporal means alone give {raw}: a method must not read raw intensity; {after}", **figures)
    return RAW.ok(f"temporal means alone give {raw}; {after}", **figures)


def _probe(case: Case, means: np.ndarray) -> Agreement:
    """Ridge on standardised means under the task's own folds; a column that does not vary is left out."""
    spread = means.std(axis=0)
    kept = spread > 1e-6 * np.abs(means).max(axis=0, initial=1e-30)
    if not kept.any():
        return Agreement(case.labels.chance, 0.0, case.labels.chance, case.labels.metric)
    kernel = gram((means[:, kept] - means[:, kept].mean(axis=0)) / spread[kept])
    wanted = case.labels.columns
    return case.labels.over_folds(case.folds.values(), lambda train, test: ridge(kernel, wanted, train, test))
