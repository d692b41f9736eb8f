"""Tests of all pairs of rows at once give what each difference gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.stats import two_sided_rows
from brainbench.leaderboard.pairs import counted, pairs_p


def one_by_one(scores: np.ndarray, units: int) -> np.ndarray:
    scores = scores.astype(np.float64)  # so that the reference does not round
    return np.concatenate([two_sided_rows(scores[k] - scores[k + 1 :], units) for k in range(len(scores) - 1)])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 12), draws=st.integers(1, 40), units=st.integers(1, 50), seed=st.integers(0, 10**6),
    apart=st.sampled_from([0.0, 0.1, 5.0]), places=st.sampled_from([1, 8]), holes=st.booleans(),
)  # fmt: skip
def test_all_at_once_is_one_by_one(rows, draws, units, seed, apart, places, holes):
    """With ties (few places), rows that lie clearly apart, equal rows, and resamples without a value."""
    rng = np.random.default_rng(seed)
    scores = (rng.normal(size=(rows, draws)) + apart * rng.integers(0, 4, (rows, 1))).round(places).astype(np.float32)
    scores[-1] = scores[0]
    if holes:
        scores[rng.integers(rows), rng.integers(draws)] = np.nan
    np.testing.assert_allclose(pairs_p(scores, units), one_by_one(scores, units), rtol=1e-6)


@pytest.mark.parametrize("rows", [300, 255, 256])
def test_many_rows_and_resamples(rows):
    rng = np.random.default_rng(0)
    scores = (rng.normal(0, 0.02, (1, 2100)) + rng.normal(0, 0.1, (rows, 1))).astype(np.float32)
    scores += rng.normal(0, 0.02, scores.shape).astype(np.float32)
    np.testing.assert_allclose(pairs_p(scores, 100), one_by_one(scores, 100), rtol=1e-6)


def test_a_difference_that_hardly_varies_keeps_its_digits():
    """Two rows that vary much, and alike: a matrix product alone would lose the deviation of their difference."""
    rng = np.random.default_rng(0)
    row = rng.normal(0, 1, 500)
    scores = np.array([row, row + 1e-4 + rng.normal(0, 1e-5, 500), row + 1])
    np.testing.assert_allclose(pairs_p(scores, 4), one_by_one(scores, 4), rtol=1e-9)
    assert pairs_p(scores, 4)[1] == pytest.approx(2 / 501)  # a difference without spread is no evidence of its own


def test_none_and_one_row_have_no_pair():
    assert pairs_p(np.zeros((1, 8)), 5).shape == (0,)


def test_counts_go_past_what_a_byte_holds():
    mask = np.random.default_rng(0).random((3, 8 * 700)) < 0.9
    assert counted(mask).tolist() == np.count_nonzero(mask, axis=1).tolist()
