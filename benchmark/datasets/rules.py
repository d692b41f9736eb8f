"""Stated rules for what is wrong inside a series. Nothing is changed or left out without a word."""

from __future__ import annotations

import numpy as np

MIN_FRAMES = 50
"""Shorter scans are left out."""

MAX_MISSING = 0.05
"""Scans with a larger share of frames that hold a NaN are left out."""

RULES = (
    f"scans of fewer than N frames (default {MIN_FRAMES}) are left out",
    "an ROI whose values are all NaN or infinite becomes zero: flag nan-rois:COUNT",
    f"scattered NaN: interpolated linearly over time, up to {MAX_MISSING:.0%} of the frames "
    "(flag interpolated-frames:COUNT); scans with more are left out",
    "an ROI that never varies stays as it is: flag zero-variance-rois:COUNT; it correlates 0 with all others",
    "a scan in which no ROI varies is left out",
)
"""The rules in words, for cards and reports."""


class LeftOut(Exception):
    """Why one scan does not enter a cohort."""


def constant(series: np.ndarray) -> np.ndarray:
    """(roi,) True where a finite (time, roi) series does not vary: what `fc.correlation` treats as dead."""
    centred = series - series.mean(axis=0, keepdims=True)
    norm = np.linalg.norm(centred, axis=0)
    still: np.ndarray = ~(norm > 1e-6 * max(float(norm.max(initial=0)), 1e-12))
    return still


def clean(series: np.ndarray, min_frames: int = MIN_FRAMES) -> tuple[np.ndarray, list[str]]:
    """A series after the rules above, as float32 (time, roi), and its flags.

    Raises `LeftOut` with the reason when the scan cannot be kept.
    """
    if series.ndim != 2:
        raise LeftOut(f"an array of shape {series.shape}; expected (time, roi)")
    if len(series) < min_frames:
        raise LeftOut(f"{len(series)} frames, fewer than {min_frames}")
    with np.errstate(over="ignore"):
        values = np.array(series, dtype=np.float32)
    values, flags = _finite(values)
    dead = int(constant(values).sum())
    if dead == values.shape[1]:
        raise LeftOut("no ROI varies over time")
    empty = int(flags[0].partition(":")[2]) if flags and flags[0].startswith("nan-rois") else 0
    if dead > empty:
        flags.append(f"zero-variance-rois:{dead - empty}")
    return values, flags


def _finite(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Fill what is not finite, in place."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return values, []
    flags = []
    empty = bad.all(axis=0)
    if empty.any():
        values[:, empty] = 0
        bad[:, empty] = False
        flags.append(f"nan-rois:{int(empty.sum())}")
    frames = int(bad.any(axis=1).sum())
    if frames > MAX_MISSING * len(values):
        raise LeftOut(f"NaN or infinity in {frames} of {len(values)} frames, more than {MAX_MISSING:.0%}")
    if frames:
        time = np.arange(len(values))
        for roi in np.flatnonzero(bad.any(axis=0)):
            good = ~bad[:, roi]
            values[:, roi] = np.interp(time, time[good], values[good, roi])
        flags.append(f"interpolated-frames:{frames}")
    return values, flags
