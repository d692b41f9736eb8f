"""L1, L3: people who are in training and test under different ids, told by their connectivity.

Every test scan's FC is correlated with every training scan's, after the mean FC is taken out. Two
scans of one person agree far better than two people do, so the nearest training person of a test scan
whose owner is hidden there stands apart from the second nearest. Without a hidden person the gap
between the two largest of many similarities is exponential (Renyi's representation of order
statistics, for tails that fall as fast as a normal's), with a scale that its median over test scans
tells however few are hidden. A gap, or a similarity, that this null gives once in a hundred cohorts is
an outlier; it is called a leak where it also reaches the similarity of recordings of one person: that
of repeated scans where the cohort has them, else of the halves of single scans.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .detector import SCANS, Case, Detector, Result
from .look import has_series

FALSE_ALARM = 0.01
"""Chance that a cohort without a hidden person shows an outlier."""

FEWEST = 20
"""Test scans without which the spread of similarities is not known."""

BLOCK = 512
MIN_PAIRS = 10
WITHIN_LOW = 0.05

SAME_PERSON = Detector("L1", "fingerprint", "FC of every test scan against that of every training scan", covers=SCANS)


@dataclass(frozen=True)
class Nearest:
    """The most similar reference scan of each query scan.

    Attributes
    ----------
    query, match
        Positions of the query scans and of their nearest reference scans.
    similarity, gap
        Fisher z of the correlation of FC, and its distance to that of the nearest other person.
    """

    query: np.ndarray
    match: np.ndarray
    similarity: np.ndarray
    gap: np.ndarray

    def outliers(self) -> np.ndarray:
        """(n,) whether a gap, or a similarity, is one that people who are strangers do not show."""
        rare = np.log(len(self.gap) / FALSE_ALARM)
        gap = np.median(self.gap) / np.log(2) * rare
        low, middle, high = np.quantile(self.similarity, [0.25, 0.5, 0.75])
        scale = (high - low) / 1.5725  # of a Gumbel distribution, the limit of largest values
        level = middle - 0.3665 * scale + scale * rare
        found: np.ndarray = (self.gap > gap) | (self.similarity > level)
        return found


def unit(fc: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """FC vectors (n, edges) without the mean, centred and of length 1: products are correlations."""
    values = fc - mean
    values -= values.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    scaled: np.ndarray = values / np.where(norm > 0, norm, 1)
    return scaled


def similarities(
    left: np.ndarray, right: np.ndarray, means: tuple[np.ndarray, np.ndarray]
) -> Iterator[tuple[int, np.ndarray]]:
    """First row and correlations (block, len(right)) of FC on the left with all FC on the right."""
    for start in range(0, len(left), BLOCK):
        rows = unit(left[start : start + BLOCK], means[0])
        parts = [rows @ unit(right[k : k + BLOCK], means[1]).T for k in range(0, len(right), BLOCK)]
        yield start, np.concatenate(parts, axis=1)


def nearest(close: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of correlations (q, r) with scans of ``people`` (r,): position of the largest, its z, and the gap in z."""
    rows = np.arange(len(close))
    best = close.argmax(axis=1)
    others = np.where(people[None] == people[best][:, None], -1, close).max(axis=1)
    top, second = (np.arctanh(np.clip(values, -0.999, 0.999)) for values in (close[rows, best], others))
    return best, top, top - second


def same_person(case: Case) -> Result:
    """Test scans that look like another recording of somebody in the training set."""
    if case.task.kind not in SCANS or not has_series(case.items):
        return SAME_PERSON.not_covered("the items hold no ROI series")
    seen = case.look
    people = case.table["subject"].astype(str).to_numpy()
    mean = seen.fc.mean(axis=0, dtype=np.float64).astype(np.float32)
    parts: list[tuple[np.ndarray, ...]] = []
    for start, close in similarities(seen.fc, seen.fc, (mean, mean)):
        case.progress("fingerprint", start + len(close), len(seen.fc))
        for train, test in case.folds.values():
            rows = test[(test >= start) & (test < start + len(close))]
            if len(rows) and len(np.unique(people[train])) > 1:
                best, top, gap = nearest(close[np.ix_(rows - start, train)], people[train])
                parts.append((rows, train[best], top, gap))
    if not parts or sum(len(part[0]) for part in parts) < FEWEST:
        return SAME_PERSON.not_covered(f"fewer than {FEWEST} test scans: no spread to tell an outlier by")
    found = Nearest(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return judge(SAME_PERSON, found, within(case, mean), case.table.index.to_numpy(), case.table.index.to_numpy())


def within(case: Case, mean: np.ndarray) -> tuple[np.ndarray, str]:
    """Similarities of recordings of one person in Fisher z, and where they come from."""
    seen = case.look
    pairs = [
        (int(rows[0]), int(rows[k]))
        for rows in case.table.assign(row=np.arange(len(case.items))).groupby("subject")["row"].agg(list)
        for k in range(1, len(rows))
    ]
    if len(pairs) >= MIN_PAIRS:
        left, right = (unit(seen.fc[[pair[side] for pair in pairs]], mean) for side in (0, 1))
        where = f"{len(pairs)} pairs of scans of one person"
    elif len(seen.halved):
        left, right = (unit(half, half.mean(axis=0)) for half in seen.halves)
        where = f"halves of {len(seen.halved)} scans"
    else:
        return np.zeros(0), "nothing: scans are too short to halve"
    return np.arctanh(np.clip((left * right).sum(axis=1), -0.999, 0.999)), where


def judge(
    detector: Detector, found: Nearest, same: tuple[np.ndarray, str], ours: np.ndarray, theirs: np.ndarray
) -> Result:
    """Outliers near the similarity of one person's recordings are a leak, other outliers a note."""
    odd = found.outliers()
    low = float(np.quantile(same[0], WITHIN_LOW)) if len(same[0]) else np.inf
    leaks = odd & (found.similarity >= low)
    top = int((found.similarity + odd * 10).argmax())
    level = f"{np.tanh(low):.2f} (from {same[1]})" if len(same[0]) else f"unknown: {same[1]}"
    told = (
        f"most alike: {ours[found.query[top]]} and {theirs[found.match[top]]}, "
        f"r = {np.tanh(found.similarity[top]):.2f}; one person's recordings reach {level}"
    )
    figures = {"outliers": int(odd.sum()), "largest": float(np.tanh(found.similarity.max())), "within": np.tanh(low)}
    if leaks.any():
        return detector.leak(
            f"{leaks.sum()} test scans look like another recording of a training person; {told}", **figures
        )
    if odd.any():
        return detector.note(f"{odd.sum()} test scans are oddly close to one training person; {told}", **figures)
    return detector.ok(f"no test scan stands out; {told}", **figures)
