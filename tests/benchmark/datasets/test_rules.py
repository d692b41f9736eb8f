"""Stated rules for what is wrong inside a series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.datasets.rules import LeftOut, clean, constant
from brainbench.benchmark.fc import correlation


def series(frames: int = 100, rois: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, rois)).astype(np.float32)


def test_sound_series_is_untouched():
    values = series()
    cleaned, flags = clean(values)
    assert flags == []
    np.testing.assert_array_equal(cleaned, values)


def test_short_scan_is_left_out_with_its_length():
    with pytest.raises(LeftOut, match="49 frames, fewer than 50"):
        clean(series(49))
    assert clean(series(50))[1] == []
    assert clean(series(20), min_frames=20)[1] == []


def test_zero_variance_roi_is_kept_and_flagged():
    values = series()
    values[:, 2] = 7.5
    cleaned, flags = clean(values)
    assert flags == ["zero-variance-rois:1"]
    np.testing.assert_array_equal(cleaned, values)
    matrix = correlation(cleaned)
    assert np.isfinite(matrix).all()
    assert not matrix[2, [0, 1, 3, 4, 5]].any()


def test_empty_roi_becomes_zero_and_is_not_counted_twice():
    values = series()
    values[:, 1] = np.nan
    values[:, 4] = 3
    cleaned, flags = clean(values)
    assert flags == ["nan-rois:1", "zero-variance-rois:1"]
    assert not cleaned[:, 1].any()


def test_scattered_nan_is_interpolated_over_time():
    values = np.arange(100, dtype=np.float32)[:, None] * np.array([1, -2], np.float32)
    holed = values.copy()
    holed[[10, 11, 50], 0] = np.nan
    holed[0, 1] = np.inf
    cleaned, flags = clean(holed)
    assert flags == ["interpolated-frames:4"]
    np.testing.assert_allclose(cleaned[1:], values[1:], atol=1e-4)
    assert cleaned[0, 1] == values[1, 1]


def test_more_missing_frames_than_allowed():
    values = series()
    values[:5, 0] = np.nan
    assert clean(values)[1] == ["interpolated-frames:5"]
    values[5, 0] = np.nan
    with pytest.raises(LeftOut, match="6 of 100 frames, more than 5%"):
        clean(values)


def test_nothing_varies():
    with pytest.raises(LeftOut, match="no ROI varies"):
        clean(np.ones((100, 4)))
    with pytest.raises(LeftOut, match="shape"):
        clean(np.ones(100))


def test_half_precision_survives_a_round_trip():
    values = series().astype(np.float16)
    np.testing.assert_array_equal(clean(values)[0].astype(np.float16), values)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.2), st.integers(0, 5))
def test_what_is_kept_is_finite(seed, share, dead):
    rng = np.random.default_rng(seed)
    values = series(80, 6, seed)
    values[rng.random(values.shape) < share / 6] = np.nan
    values[:, :dead] = rng.choice([0, np.nan, np.inf])
    try:
        cleaned, _ = clean(values)
    except LeftOut:
        return
    assert np.isfinite(cleaned).all()
    assert constant(cleaned)[:dead].all()
