"""Family ``components``: how the signals of the networks behave in time.

fMRI-LM measures the NeuroMark components of an ICA, in seven domains. The importers bring ROI series, not component
maps, so the stated substitute stands here: an atlas's network takes the place of a domain and its ROIs that of the
domain's components, and every measure is the mean over them. Connectivity between domains (FNC) is that between the
networks' mean signals.

Amplitudes are relative to the root mean square of the whole scan, because scanners' units differ. Bands in Hz need
the TR: without one the slow/fast ratio and fALFF are not known. Everything else is in frames or has no unit.
"""

from __future__ import annotations

import math

import numpy as np

from ..fc import correlation, fisher_z
from .networks import Networks
from .scan import Frame, ScanData
from .words import Aspect

MEASURES = ("amplitude", "spread", "slow to fast power", "lag-1 autocorrelation", "share of extremes", "fALFF")
"""By network: mean |x| and SD (both over the scan's root mean square), log10 of the power ratio, Pearson r of
frames with the next, share of frames with |z| > 3, and the fraction of amplitude at low frequencies."""

IN_HERTZ = ("slow to fast power", "fALFF")
"""Those that need the TR."""

SLOW, FAST = (0.01, 0.1), (0.1, 0.25)
"""Bands of the power ratio, Hz."""

LOW, UP_TO = (0.01, 0.08), 0.25
"""fALFF: the band, and the highest frequency of the whole (Zou et al. 2008, who had a TR of 2 s), Hz."""

WINDOW = 128.0
"""Seconds of a window of Welch's method: it resolves 0.01 Hz. Shorter scans are one window."""

EXTREME = 3.0


def names(networks: Networks) -> list[str]:
    """Names of the measures."""
    coupled = [f"coupling of {pair}" for pair in _pairs(networks)]
    return [*(f"{what} of {name}" for what in MEASURES for name in networks.names), *coupled]


def _pairs(networks: Networks) -> list[str]:
    first, second = np.triu_indices(len(networks.names), 1)
    return [f"{networks.names[i]} and {networks.names[j]}" for i, j in zip(first, second, strict=True)]


def aspects(networks: Networks) -> list[Aspect]:
    """How the measures are told: of each kind, the networks or pairs that stand out."""
    width = len(networks.names)
    found = [
        Aspect(what, tuple(range(k * width, (k + 1) * width)), networks.names, "notable")
        for k, what in enumerate(MEASURES)
    ]
    pairs, start = _pairs(networks), len(MEASURES) * width
    return [*found, Aspect("coupling", tuple(range(start, start + len(pairs))), tuple(pairs), "notable")]


def measure(scan: ScanData, frame: Frame) -> np.ndarray:
    """The measures of one scan; NaN for a network without signal, and for bands where the TR is not known."""
    networks, alive = frame.networks, scan.alive
    out = np.full((len(scan.alive), len(MEASURES)), np.nan)
    values = np.where(alive, scan.series, 0).astype(np.float64)
    values -= values.mean(axis=0)
    if alive.any() and len(values) > 2:
        out[alive] = by_roi(values[:, alive], scan.tr)
    spread = values.std(axis=0)
    signals = networks.means((values / np.where(spread > 0, spread, 1)).T, alive).T
    coupling = fisher_z(correlation(signals))
    first, second = np.triu_indices(len(networks.names), 1)
    known = np.isfinite(signals).all(axis=0)
    pairs = np.where(known[first] & known[second], coupling[first, second], np.nan)
    return np.concatenate([networks.means(out, alive).T.ravel(), pairs])


def by_roi(values: np.ndarray, tr: float) -> np.ndarray:
    """`MEASURES` (roi, 6) of (time, roi) signals with mean 0, none of them constant."""
    spread = values.std(axis=0)
    scale = np.sqrt((values**2).mean())
    return np.stack(
        [
            np.abs(values).mean(axis=0) / scale,
            spread / scale,
            slow_to_fast(values, tr),
            autocorrelation(values),
            (np.abs(values) > EXTREME * spread).mean(axis=0),
            falff(values, tr),
        ],
        axis=1,
    )


def autocorrelation(values: np.ndarray) -> np.ndarray:
    """Pearson r (roi,) between (time, roi) signals and themselves one frame later."""
    before, after = values[:-1] - values[:-1].mean(axis=0), values[1:] - values[1:].mean(axis=0)
    norm = np.sqrt((before**2).sum(axis=0) * (after**2).sum(axis=0))
    out: np.ndarray = (before * after).sum(axis=0) / np.where(norm > 0, norm, 1)
    return out


def slow_to_fast(values: np.ndarray, tr: float) -> np.ndarray:
    """log10 (roi,) of power in `SLOW` over that in `FAST`, by Welch's method.

    The fast band ends at the Nyquist frequency where that is lower. NaN where the TR is not known, or too
    long for any fast band, or the scan too short for the slow one.
    """
    from scipy.signal import detrend, welch

    unknown = np.full(values.shape[1], np.nan)
    if not tr > 0 or not math.isfinite(tr):
        return unknown
    window = min(len(values), math.ceil(WINDOW / tr))
    frequency, power = welch(detrend(values, axis=0), 1 / tr, nperseg=window, axis=0)
    slow = power[(frequency >= SLOW[0]) & (frequency < SLOW[1])].sum(axis=0)
    fast = power[(frequency >= FAST[0]) & (frequency <= FAST[1])].sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log10(slow / fast)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def falff(values: np.ndarray, tr: float) -> np.ndarray:
    """Fractional amplitude of low-frequency fluctuations (roi,); NaN where the TR is not known."""
    from scipy.signal import detrend

    if not tr > 0 or not math.isfinite(tr):
        return np.full(values.shape[1], np.nan)
    frequency = np.fft.rfftfreq(len(values), tr)
    amplitude = np.abs(np.fft.rfft(detrend(values, axis=0), axis=0))
    whole = amplitude[(frequency > 0) & (frequency <= UP_TO)].sum(axis=0)
    low = amplitude[(frequency >= LOW[0]) & (frequency <= LOW[1])].sum(axis=0)
    out: np.ndarray = np.where(whole > 0, low / np.where(whole > 0, whole, 1), np.nan)
    return out
