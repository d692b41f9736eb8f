"""Properties that every family has: what must not move a scan's measures does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brainbench.benchmark.describe.describer import FAMILIES, FAMILY
from brainbench.benchmark.describe.networks import Networks
from brainbench.benchmark.describe.scan import Frame, ScanData

ROIS = 60
NETWORKS = Networks(("a", "b", "c", "d"), np.arange(ROIS) % 5 - 1)


def draw(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(size=(120, 5)), axis=0)
    return slow @ rng.normal(size=(5, ROIS)) + 6 * rng.normal(size=(120, ROIS)) + 300


def tied(series: np.ndarray) -> bool:
    """Whether rounding decides which correlations are the strongest 10 %, of a row or of all."""
    r = np.corrcoef(series.T)
    rows = np.sort(r, axis=1)
    size = np.sort(np.abs(r[np.triu_indices(ROIS, 1)]))
    last = len(size) - round(0.1 * len(size))
    return min((rows[:, -6] - rows[:, -7]).min(), size[last] - size[last - 1]) < 1e-5


TEMPLATE = np.random.default_rng(99).normal(size=(ROIS, 3))


def measures(family: str, series: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Measures of a series whose columns stand in another order."""
    order = np.arange(ROIS) if order is None else order
    frame = Frame(Networks(NETWORKS.names, NETWORKS.codes[order]), TEMPLATE[order])
    return FAMILY[family].measure(ScanData(series.astype(np.float32), 2.0), frame)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000))
def test_the_order_of_rois_does_not_matter(family: str, seed: int) -> None:
    series, order = draw(seed), np.random.default_rng(seed).permutation(ROIS)
    assume(not tied(series))
    assert measures(family, series[:, order], order) == pytest.approx(measures(family, series), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 1000), offset=st.floats(-50, 50))
def test_a_common_scale_offset_and_sign_do_not_matter(family: str, seed: int, scale: float, offset: float) -> None:
    series = draw(seed) - 300
    assume(not tied(series))
    changed = -scale * (series + offset)
    assert measures(family, changed) == pytest.approx(measures(family, series), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("family", ["fc", "gradients", "graph"])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000))
def test_connectivity_does_not_depend_on_the_scale_of_single_rois(family: str, seed: int) -> None:
    series = draw(seed) - 300
    assume(not tied(series))
    scale = np.random.default_rng(seed).uniform(0.1, 10, ROIS)
    assert measures(family, series * scale) == pytest.approx(measures(family, series), rel=2e-3, abs=2e-3)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), flipped=st.sets(st.integers(0, ROIS - 1), max_size=20))
def test_the_graph_does_not_depend_on_signs(seed: int, flipped: set[int]) -> None:
    series = draw(seed) - 300
    assume(not tied(series))
    sign = np.ones(ROIS)
    sign[list(flipped)] = -1
    assert measures("graph", series * sign) == pytest.approx(measures("graph", series), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_another_scan_has_other_measures(family: str) -> None:
    assert not np.allclose(measures(family, draw(0)), measures(family, draw(1)), rtol=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_rois_without_signal_leave_the_other_networks_measures_known(family: str) -> None:
    series = draw(3)
    series[:, 7] = 5
    series[4, 8] = np.nan
    assert np.isfinite(measures(family, series)).all()
