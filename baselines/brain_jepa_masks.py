"""The masks of Brain-JEPA's pretraining: which tokens are seen, and which are to be predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OBSERVED = (0.84, 1.0)
CROSS_ROI = (0.45, 0.6)
CROSS_ROI_TIME = (0.2, 0.6)
CROSS_TIME_ROI = (0.15, 0.3)
CROSS_TIME = (0.0, 0.4)
EDGE = 0.3


@dataclass(frozen=True)
class Mask:
    """Boolean (roi, step) maps of one scan; no token is in both."""

    seen: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class Sizes:
    """What the scans of a batch share: ROIs and steps of the observation and of the cross-ROI target."""

    observed: tuple[int, int]
    crossed: tuple[int, int]

    @classmethod
    def draw(cls, rois: int, steps: int, rng: np.random.Generator) -> Sizes:
        """Sizes of one batch. The observation leaves out a ROI and a step at least, where there are several."""
        crossed = _size(rois, CROSS_ROI, rng), _size(steps, CROSS_ROI_TIME, rng)
        observed = min(_size(rois, OBSERVED, rng), rois - 1), min(_size(steps, OBSERVED, rng), max(steps - 1, 1))
        return cls(observed, (crossed[0], min(crossed[1], observed[1])))


def _size(count: int, scale: tuple[float, float], rng: np.random.Generator) -> int:
    return max(int(count * rng.uniform(*scale)), 1)


def draw_mask(rois: int, steps: int, sizes: Sizes, rng: np.random.Generator) -> Mask:
    """One scan's mask.

    The observation is a block of ROIs and of neighbouring steps. Targets are (a) other ROIs inside its
    time, and (b, c) some of the last and of the first steps, for observed and for unobserved ROIs. Seen is
    what the observation keeps: not the ROIs of (a), nor the steps of (b, c).
    """
    seen, hidden = np.zeros((rois, steps), bool), np.zeros((rois, steps), bool)
    inside = rng.permutation(rois)[: sizes.observed[0]]
    start = int(rng.integers(steps - sizes.observed[1] + 1))
    seen[inside, start : start + sizes.observed[1]] = True
    crossed = rng.permutation(rois)[: sizes.crossed[0]]
    first = start + int(rng.integers(sizes.observed[1] - sizes.crossed[1] + 1))
    hidden[crossed, first : first + sizes.crossed[1]] = True
    seen[crossed] = False
    observed = seen.any(axis=1)
    edge = round(EDGE * steps)
    for side in (np.arange(steps - edge, steps), np.arange(edge)):
        chosen = side[rng.permutation(edge)[: int(steps * rng.uniform(*CROSS_TIME))]]
        share = rng.uniform(*CROSS_TIME_ROI)
        for kind in (np.flatnonzero(observed), np.flatnonzero(~observed)):
            some = rng.permutation(kind)[: int(len(kind) * share)]
            hidden[np.ix_(some, chosen)] = True
        seen[:, chosen] = False
    return Mask(seen, hidden)


def draw_batch(count: int, rois: int, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Token indices (count, seen) and (count, hidden) of a batch, ROI-major.

    Scans of a batch have as many tokens as the one with the fewest; which of the others' tokens are left
    out is drawn (the reference always leaves out the last ROIs).
    """
    sizes = Sizes.draw(rois, steps, rng)
    masks = [draw_mask(rois, steps, sizes, rng) for _ in range(count)]
    return _indices([mask.seen for mask in masks], rng), _indices([mask.hidden for mask in masks], rng)


def _indices(maps: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    least = min(int(chosen.sum()) for chosen in maps)
    return np.stack([np.sort(rng.permutation(np.flatnonzero(chosen))[:least]) for chosen in maps])
