"""PCMCI+: lagged and contemporaneous links by momentary conditional independence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption, need
from .graph_baseline import Graph, GraphBaseline
from .graph_library import by_correlation, check_frames, quiet
from .graph_numerics import standardise


@dataclass
class PCMCIPlus(GraphBaseline):
    """PCMCI+ with partial correlation.

    Attributes
    ----------
    lag
        Longest lag in frames; lag 0 is always looked at. Data whose rows are exchangeable get lag 0 alone.
    alpha
        Level of the tests.
    """

    lag: int = 1
    alpha: float = 0.01

    card: ClassVar[Card] = Card(
        title="PCMCI+",
        summary="Tests lagged and contemporaneous links conditional on the pasts of both nodes. The score is the size "
        "of the partial correlation of the link's test, the largest over lags.",
        paper="Runge, UAI 2020; tigramite",
        notes="Where the direction is open (no link found, an undirected or a conflicting one) the score is half the "
        "partial correlation both ways; against a directed contemporaneous link it is 0. Several recordings are "
        "standardised and pooled in every test, without crossing their seams (tigramite's multiple data sets). The "
        "tests are tigramite's ParCorr computed from one lagged correlation matrix; nodes are handed to it by the "
        "strength of their correlations, so the order of the file cannot matter.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    multi_group: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (isinstance(self.lag, int) and self.lag >= 0):
            raise BadOption(f"lag={self.lag} is not a number of frames", "give a whole number, 0 or above")
        if not 0 < self.alpha < 1:
            raise BadOption(f"alpha={self.alpha} is not a level of a test", "give a number between 0 and 1")

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The links of one recording."""
        return self.together((series,), tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """One set of links for all recordings, by tests on their pooled frames."""
        try:
            with quiet():
                from .pcmci_search import links
        except ModuleNotFoundError:
            raise need("connectivity", "tigramite") from None
        lag = 0 if math.isnan(tr) else self.lag
        check_frames(recordings, recordings[0].shape[1] + 2 * lag + 3, f"partial correlations at lag {lag}")
        order = by_correlation(recordings)
        back = np.argsort(order)
        found = links([standardise(series[:, order]) for series in recordings], lag, self.alpha)
        return _graph(*(values[np.ix_(back, back)] for values in found))


def _graph(links: np.ndarray, values: np.ndarray) -> Graph:
    """Scores and native edges from tigramite's links and test values, both (node, node, lag) [source, target, lag]."""
    share = np.select([links == "-->", links == "<--"], [1.0, 0.0], 0.5)
    native = ((links != "") & (links != "<--")).any(axis=2)
    np.fill_diagonal(native, False)
    return Graph((np.abs(values) * share).max(axis=2), native)
