"""L1: what the score would have been, had the split ignored who was scanned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..splits import KFold, SplitManifest
from .detector import LABELLED, Case, Detector, Result
from .labels import Agreement
from .look import has_series
from .probe import gram, ridge

FOLDS = 5
REPEATS = 10
MATTERS = 0.05

UNGROUPED = Detector(
    "L1", "ungrouped-split", "a linear probe on FC, scored with a subject's scans kept together and torn apart"
)


def ungrouped_split(case: Case) -> Result:
    """Score of a probe under folds that keep subjects together, and under folds that ignore them."""
    if case.task.kind not in LABELLED or not has_series(case.items):
        return UNGROUPED.not_covered("needs ROI series and one class or number a scan")
    scans = case.table.groupby("subject").size()
    if scans.max() == 1:
        return UNGROUPED.ok("every subject was scanned once: there is nothing to tear apart")
    folds = min(FOLDS, len(scans) // 2)
    if folds < 2:
        return UNGROUPED.not_covered(f"{len(scans)} subjects are too few for two folds")
    kernel = gram(case.look.fc)
    together = _score(case, kernel, case.table["group"], folds)
    apart = _score(case, kernel, pd.Series(case.table.index, index=case.table.index), folds)
    if np.isnan(together.value) or np.isnan(apart.value):
        return UNGROUPED.not_covered("no fold of the probe holds two classes")
    difference = apart.value - together.value
    told = (
        f"{together.metric} {together.value:.3f} with subjects kept together (as in this split), "
        f"{apart.value:.3f} had they been ignored: {explanation(case, difference)}"
    )
    figures = {"grouped": together.value, "ungrouped": apart.value}
    return UNGROUPED.found("note" if abs(difference) > MATTERS else "ok", told, **figures)


def explanation(case: Case, difference: float) -> str:
    """Why the two scores differ as they do."""
    truth = case.table.groupby("subject")[case.task.target].nunique()
    repeated = case.table.groupby("subject").size() > 1
    varies = float((truth[repeated] > 1).mean())
    if abs(difference) <= MATTERS:
        return "no difference that matters"
    if difference > 0:
        return (
            f"a person's scans share the label ({1 - varies:.0%} of those scanned more than once), "
            "so recognising the person scores"
        )
    return (
        f"a person's scans differ in the label ({varies:.0%} of those scanned more than once), so the nearest "
        "training scan, another of the same person, tends to have the wrong one"
    )


def _score(case: Case, kernel: np.ndarray, groups: pd.Series, folds: int) -> Agreement:
    """Mean score of the probe over repeated stratified folds that keep ``groups`` together."""
    table = case.table.assign(group=groups)
    rule = KFold(folds, repeats=REPEATS)
    cut = {
        fold.name: {"train": fold.train, "test": fold.test} for fold in rule.folds(table, case.task.target, case.seed)
    }
    split = SplitManifest(rule=rule.name, seed=case.seed, data=case.split.data, folds=cut)
    wanted = case.labels.columns
    return case.labels.over_folds(
        replace(case, split=split).folds.values(), lambda train, test: ridge(kernel, wanted, train, test)
    )
