"""Connectivity gradients: the diffusion map against a plain eigenproblem, tables of the user."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.baselines.gradients import diffusion_map, leading_eigenvectors, mean_fc, read_gradients
from brainbench.benchmark.contracts import silent
from brainbench.benchmark.errors import BadData, BadOption


def blocks(rois: int = 30) -> np.ndarray:
    """Two groups of ROIs that go together, and noise."""
    rng = np.random.default_rng(0)
    side = np.repeat([0, 1], rois // 2)
    noise = rng.normal(0, 0.05, (rois, rois))
    matrix = 0.6 * (side[:, None] == side) + (noise + noise.T) / 2
    np.fill_diagonal(matrix, 1)
    return matrix


def test_first_gradient_separates_two_blocks():
    first = diffusion_map(blocks(), 5)[:, 0]
    assert (np.sign(first[:15]) == np.sign(first[0])).all()
    assert (np.sign(first[15:]) == -np.sign(first[0])).all()


def test_gradients_are_eigenvectors_of_the_random_walk():
    rng = np.random.default_rng(1)
    matrix = np.corrcoef(rng.normal(size=(25, 8)) @ rng.normal(size=(8, 60)))
    found = diffusion_map(matrix, 4)
    kept = np.where(matrix >= np.quantile(matrix, 0.9, axis=1, keepdims=True), matrix, 0)
    unit = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    affinity = np.clip(unit @ unit.T, 0, None) + 1e-6
    degree = affinity.sum(1)
    affinity = affinity / np.sqrt(degree[:, None] * degree)
    walk = affinity / affinity.sum(1, keepdims=True)
    values = np.sort(np.linalg.eigvals(walk).real)[::-1]
    for k in range(4):
        np.testing.assert_allclose(walk @ found[:, k], values[k + 1] * found[:, k], atol=1e-6 * np.abs(found).max())


def test_few_rois_have_few_gradients_and_dead_ones_do_no_harm():
    matrix = blocks(6)
    matrix[0] = matrix[:, 0] = 0
    found = diffusion_map(matrix, 30)
    assert found.shape == (6, 30)
    assert np.isfinite(found).all()
    assert not found[:, 5:].any()


def test_mean_connectivity_is_the_mean_fisher_z(cohort):
    scans, _, _ = cohort(5)
    each = np.stack([np.corrcoef(scans.series(k).T) for k in range(5)])
    off = ~np.eye(10, dtype=bool)
    with np.errstate(divide="ignore"):
        expected = np.tanh(np.arctanh(each).mean(0))
    np.testing.assert_allclose(mean_fc(scans, silent)[off], expected[off], atol=1e-5)


def test_leading_eigenvectors_are_directions_of_mean_connectivity(cohort):
    scans = cohort(30, effect=2.0)[0]
    table = leading_eigenvectors(scans, 3)
    assert table.shape == (10, 3)
    np.testing.assert_allclose(table.T @ table / 10, np.eye(3), atol=1e-5)
    # The first four ROIs share a signal.
    assert np.abs(table[:4, 0]).min() > 3 * np.abs(table[4:, 0]).max()


def test_tables_are_checked(tmp_path):
    file = tmp_path / "gradients.csv"
    table = np.random.default_rng(0).normal(size=(7, 30))
    np.savetxt(file, table, delimiter=",")
    np.testing.assert_allclose(read_gradients(file, 7), table)
    with pytest.raises(BadData, match="7 rows of gradients for 8 ROIs"):
        read_gradients(file, 8)
    file.write_text("roi,x\n1,2\n")
    with pytest.raises(BadData, match="not a table"):
        read_gradients(file, 1)
    with pytest.raises(BadOption, match="no such table"):
        read_gradients(tmp_path / "none.csv", 7)
