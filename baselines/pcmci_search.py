"""tigramite's PCMCI+ with partial correlations that are read from one lagged correlation matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtr
from tigramite.data_processing import DataFrame
from tigramite.independence_tests.parcorr import ParCorr
from tigramite.pcmci import PCMCI

from .graph_library import quiet

Lagged = list[tuple[int, int]]
"""Variables as (node, minus the lag)."""


class LaggedCorrelations(ParCorr):  # type: ignore[misc]
    """ParCorr on the same frames, but with all lagged correlations computed once.

    A test then costs a small matrix inverse, however long the recordings are. ParCorr fits two
    regressions on all frames in each test.

    Parameters
    ----------
    recordings
        Standardised (time, node) each; frames before the longest lag of any test are left out of
        each, as ParCorr does.
    lag
        Longest lag of a link; conditions reach back twice as far.
    """

    def __init__(self, recordings: Sequence[np.ndarray], lag: int) -> None:
        super().__init__()
        self._reach = 2 * lag
        lagged = [_with_pasts(series, self._reach) for series in recordings]
        self._frames = sum(map(len, lagged))
        # Lagged copies differ in mean and variance by a few frames: ParCorr standardises the pooled ones.
        means = sum(part.sum(axis=0) for part in lagged) / self._frames
        products = sum((part - means).T @ (part - means) for part in lagged)
        spread = np.sqrt(np.diag(products))
        self._correlations = products / np.outer(spread, spread)

    def run_test(
        self, X: Lagged, Y: Lagged, Z: Lagged | None = None, tau_max: int = 0,
        cut_off: str = "2xtau_max", alpha_or_thres: float | None = None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Partial correlation of two variables given Z, its two-sided p-value, and whether p <= the level."""
        pair = [*X, *Y]
        rows = [self._row(variable) for variable in pair + [v for v in dict.fromkeys(Z or ()) if v not in pair]]
        value, freedom = self._partial(rows), self._frames - len(rows)
        odds = abs(value) * math.sqrt(max(freedom, 0) / max(1 - value**2, np.finfo(float).eps))
        p = 2 * float(stdtr(freedom, -odds)) if freedom > 0 else 1.0
        return (value, p) if alpha_or_thres is None else (value, p, p <= alpha_or_thres)

    def _partial(self, rows: list[int]) -> float:
        """Partial correlation of the first two rows given the others."""
        inverse = np.linalg.pinv(self._correlations[np.ix_(rows, rows)], hermitian=True)
        scale = max(inverse[0, 0] * inverse[1, 1], np.finfo(float).tiny)
        return float(np.clip(-inverse[0, 1] / np.sqrt(scale), -1, 1))

    def _row(self, variable: tuple[int, int]) -> int:
        node, past = variable
        return node * (self._reach + 1) - past


def _with_pasts(series: np.ndarray, reach: int) -> np.ndarray:
    """(time - reach, node * (reach + 1)): each node now, one frame ago, ..., ``reach`` frames ago."""
    frames = len(series) - reach
    return np.stack([series[reach - back : reach - back + frames] for back in range(reach + 1)], axis=2).reshape(
        frames, -1
    )


def links(recordings: Sequence[np.ndarray], lag: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Links of PCMCI+ as strings such as ``-->``, and test values, both (node, node, lag + 1) [source, target, lag].

    Parameters
    ----------
    recordings
        Standardised (time, node) each; one graph for all.
    lag
        Longest lag of a link, in frames.
    alpha
        Level of the tests.
    """
    with quiet():
        frame = DataFrame(dict(enumerate(recordings)), analysis_mode="multiple")
        search = PCMCI(dataframe=frame, cond_ind_test=LaggedCorrelations(recordings, lag), verbosity=0)
        found = search.run_pcmciplus(tau_min=0, tau_max=lag, pc_alpha=alpha)
    return found["graph"], found["val_matrix"]
