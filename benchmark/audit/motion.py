"""L9: what a method's score owes to head motion."""

from __future__ import annotations

import numpy as np

from .detector import LABELLED, Case, Detector, Result
from .labels import correlation
from .said import Said

CALIPER = 0.1
"""Largest difference of matched scans in log10 of mean FD: a quarter more or less."""

FEWEST = 10

FOLLOWS = Detector("L9", "score-and-motion", "rank correlation of the method's score with mean FD, given the label")
MATCHED = Detector(
    "L9", "motion-matched", "the method's AUC on pairs of scans with about the same mean FD", covers=("classification",)
)


def score_and_motion(case: Case, said: Said) -> Result:
    """Whether the method's score follows mean FD."""
    motion = case.column("motion")
    if case.task.kind not in LABELLED or motion is None or case.labels.columns.shape[1] > 1:
        return FOLLOWS.not_covered("needs mean FD, and two classes or a number")
    values = motion.to_numpy(float)[said.rows]
    known = ~np.isnan(values)
    if known.sum() < FEWEST or np.ptp(values[known]) == 0:
        return FOLLOWS.not_covered("mean FD is unknown, or the same for all")
    score, moved, truth = (
        _ranks(column, said.fold)[known] for column in (said.score[:, 0], values, case.labels.columns[said.rows, 0])
    )
    mine, theirs = correlation(_without(truth, score), _without(truth, moved)), correlation(truth, moved)
    if np.isnan(mine):
        return FOLLOWS.ok("the method says the same of all scans")
    error = float(1 / np.sqrt(known.sum() - 1))
    told = (
        f"given the label, score and mean FD correlate with {mine:.2f} ± {error:.2f} (label and mean FD: {theirs:.2f})"
    )
    figures = {"score": mine, "label": 0.0 if np.isnan(theirs) else theirs, "error": error}
    follows = abs(mine) > max(3 * error, 0.15)
    return FOLLOWS.note(told, **figures) if follows else FOLLOWS.ok(told, **figures)


def _without(truth: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Ranks less what the label explains of them in a straight line; all are centred."""
    truth, ranks = truth - truth.mean(), ranks - ranks.mean()
    explained = float(truth @ ranks) / (float(truth @ truth) or 1.0)
    rest: np.ndarray = ranks - explained * truth
    return rest


def _ranks(values: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Ranks within each fold in -0.5 .. 0.5; NaN stays out of the way as the largest."""
    from scipy.stats import rankdata

    out = np.empty(len(values))
    for name in np.unique(fold):
        mine = fold == name
        out[mine] = (rankdata(np.nan_to_num(values[mine], nan=np.inf)) - 0.5) / mine.sum() - 0.5
    return out


def motion_matched(case: Case, said: Said) -> Result:
    """AUC where every positive scan has a negative one of the same fold with about the same mean FD."""
    motion = case.column("motion")
    if case.task.kind != "classification" or case.labels.classes != 2 or motion is None:
        return MATCHED.not_covered("needs mean FD and two classes")
    values = np.log10(np.maximum(motion.to_numpy(float)[said.rows], 1e-4))
    truth = case.labels.columns[said.rows, 0] == 1
    kept = np.sort(np.concatenate([_matched(values, truth, said.fold == k) for k in np.unique(said.fold)]))
    if len(kept) < 2 * FEWEST:
        return MATCHED.not_covered(f"{len(kept) // 2} pairs have about the same mean FD")
    everyone = case.labels.agreement(said.rows, said.ranks)
    matched = case.labels.agreement(said.rows[kept], said.ranks[kept])
    error = case.labels.error(said.rows[kept])
    told = f"AUC {everyone:.3f} over all, {matched:.3f} on {len(kept) // 2} pairs with about the same mean FD"
    figures = {"all": everyone, "matched": matched, "pairs": len(kept) // 2}
    fallen = everyone - matched > max(2 * error, 0.05)
    return MATCHED.found(
        "note" if fallen else "ok", told + (": the score leans on motion" if fallen else ""), **figures
    )


def _matched(values: np.ndarray, truth: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """Positions of pairs, one positive and one negative each, matched greedily in the order of motion."""
    known = mine & ~np.isnan(values)
    one, other = (
        sorted(map(int, np.flatnonzero(known & side)), key=lambda row: float(values[row])) for side in (truth, ~truth)
    )
    kept: list[int] = []
    while one and other:
        if abs(values[one[0]] - values[other[0]]) <= CALIPER:
            kept += [one.pop(0), other.pop(0)]
        elif values[one[0]] < values[other[0]]:
            one.pop(0)
        else:
            other.pop(0)
    return np.array(kept, int)
