"""Gradients against BrainSpace's numbers, against a plain eigendecomposition, and their properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.describe import gradients as g
from brainbench.benchmark.describe.networks import Networks
from brainbench.benchmark.describe.scan import Frame, ScanData

GOLDEN = json.loads((Path(__file__).parent / "brainspace.json").read_text())


def matrix(seed: int, rois: int) -> np.ndarray:
    """Correlations of noisy signals along a ring."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(rois) / rois
    ways = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.linspace(-1, 1, rois)])
    series = rng.normal(size=(200, 4)) @ ways + 0.6 * rng.normal(size=(200, rois))
    return np.corrcoef(series.T)


def ring(rois: int) -> np.ndarray:
    """An affinity whose rows have equal sums, so that its diffusion operator is symmetric."""
    steps = np.arange(rois)
    row = np.exp(-(np.minimum(steps, rois - steps) ** 2) / 30.0)
    return np.stack([np.roll(row, k) for k in range(rois)])


# BrainSpace


def test_affinity_is_brainspaces() -> None:
    assert g.cosine_affinity(matrix(0, 95)).sum(axis=0) == pytest.approx(GOLDEN["affinity_row_sums"], abs=1e-9)


def test_scales_are_brainspaces_where_its_solver_is_exact() -> None:
    gradients, second = g.diffusion_map(ring(95))
    # The largest values are equal along a ring, so the eigenvalues are compared through the vectors' lengths.
    assert np.linalg.norm(gradients, axis=0) / np.sqrt(95) == pytest.approx(GOLDEN["ring_values"], rel=1e-6)
    assert second / (1 - second) == pytest.approx(GOLDEN["ring_values"][0], rel=1e-6)


def test_gradients_are_near_brainspaces_whose_solver_takes_the_operator_for_symmetric() -> None:
    ours, theirs = g.diffusion_map(g.cosine_affinity(matrix(0, 95)))[0], np.array(GOLDEN["gradients"])
    near = [abs(np.corrcoef(ours[:, k], theirs[:, k])[0, 1]) for k in range(3)]
    assert min(near) > 0.99
    assert min(near) < 0.9999


def test_procrustes_is_brainspaces() -> None:
    k = np.arange(12.0)
    source = np.stack([np.sin(k), np.cos(2 * k), k / 12], 1)
    target = np.stack([-np.cos(2 * k) + k / 20, k / 10, np.sin(k) - 0.1 * k], 1)
    assert np.allclose(g.align(source, target), GOLDEN["aligned"], atol=1e-9)


# Mathematics


def test_gradients_are_eigenvectors_of_the_diffusion_operator() -> None:
    affinity = g.cosine_affinity(matrix(1, 60))
    gradients, second = g.diffusion_map(affinity)
    degree = affinity.sum(axis=1) ** -0.5
    operator = affinity * degree * degree[:, None]
    stationary = operator.sum(axis=1) / operator.sum()
    operator /= operator.sum(axis=1, keepdims=True)
    values = np.sort(np.linalg.eigvals(operator).real)[::-1][1:4]
    assert second == pytest.approx(values[0])
    assert np.allclose(operator @ gradients, gradients * values, atol=1e-6)
    # Orthonormal under the stationary distribution, then scaled over all diffusion times (Coifman & Lafon 2006).
    gram = gradients.T @ (stationary[:, None] * gradients)
    assert np.allclose(gram, np.diag((values / (1 - values)) ** 2), rtol=1e-6, atol=1e-4)


def test_alignment_undoes_turns_and_mirrors() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(40, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag([1, 1, -1])
    turned = target @ turn
    assert np.allclose(g.align(turned, target), target, atol=1e-9)
    turned[4] = np.nan
    found = g.align(turned, target)
    assert np.isnan(found[4]).all()
    assert np.allclose(np.delete(found, 4, 0), np.delete(target, 4, 0), atol=1e-9)


def test_measures_are_range_variance_and_network_means() -> None:
    r = matrix(2, 60).astype(np.float32)
    networks = Networks(("a", "b"), np.arange(60) % 2)
    alive = np.ones(60, bool)
    template = g.embed(r, alive)

    class Given(ScanData):
        correlation = r

    varying = np.arange(540, dtype=np.float32).reshape(9, 60)
    values = dict(zip(g.names(networks), g.measure(Given(varying), Frame(networks, template)), strict=True))
    assert values["range of gradient 2"] == pytest.approx(np.ptp(template[:, 1]), rel=1e-5)
    assert values["variance of gradient 3"] == pytest.approx(template[:, 2].var(), rel=1e-5)
    assert values["b on gradient 1"] == pytest.approx(template[1::2, 0].mean(), rel=1e-4)
    told = [name for aspect in g.aspects(networks) for name in np.array(g.names(networks))[list(aspect.columns)]]
    assert sorted(told) == sorted(g.names(networks))


# Faults


def test_a_graph_in_parts_keeps_the_largest() -> None:
    r = np.eye(60)
    r[:40, :40], r[40:, 40:] = matrix(0, 40), matrix(1, 20)
    gradients = g.embed(r, np.ones(60, bool))
    assert np.isfinite(gradients[:40]).all()
    assert np.isnan(gradients[40:]).all()
    assert np.abs(gradients[:40]).max() < 1e4


def test_rois_without_signal_have_no_gradient() -> None:
    r = matrix(0, 60)
    r[5], r[:, 5] = 0, 0
    alive = np.arange(60) != 5
    gradients = g.embed(r, alive)
    assert np.isnan(gradients[5]).all()
    assert np.allclose(gradients[alive], g.embed(r[np.ix_(alive, alive)], alive[alive]))
    assert np.isnan(g.embed(r[:4, :4], np.ones(4, bool))).all()
