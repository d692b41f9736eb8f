"""Polynomial systems: the meaning of truth, its orientation, trimming, and varsortability."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.benchmark.simulate import quad
from brainbench.benchmark.simulate.forward import BadSimulation
from brainbench.benchmark.simulate.quad import Equation, cdrl_quad_like, varsortability


def test_only_terms_that_count_make_a_parent() -> None:
    terms = ((0,), (1,), (10,), (0, 0), (0, 1), (1, 10))
    equation = Equation(terms, np.array([0.0, 0.3, 0.0, 0.31, 0.0, 0.2]))
    assert equation.parents() == {0}
    assert Equation(terms, np.array([0.0, 0.0, 0.0, 0.0, 0.0, -0.4])).parents() == {1, 10}


def test_value_is_the_polynomial() -> None:
    rows = np.array([[2.0, 3.0], [-1.0, 4.0]])
    equation = Equation(((0,), (1, 1), (0, 1)), np.array([0.5, -1.0, 2.0]))
    np.testing.assert_allclose(equation.value(rows), [1 - 9 + 12, -0.5 - 16 - 8])


def test_monomials_and_coefficients_follow_the_recipe() -> None:
    found = [quad._equation(np.array([0, 2]), np.random.default_rng(seed)) for seed in range(400)]
    assert found[0].terms == ((0,), (2,), (0, 0), (0, 2), (2, 2))
    coefficients = np.array([equation.coefficients for equation in found])
    used = np.abs(coefficients[coefficients != 0])
    assert (coefficients == 0).mean() == pytest.approx(0.5, abs=0.05)
    assert (used.min(), used.max()) == (0.5, 1.5)
    np.testing.assert_allclose(used * 10, np.round(used * 10))
    assert (coefficients[coefficients != 0] > 0).mean() == pytest.approx(0.5, abs=0.06)


def test_edges_weights_and_orientation() -> None:
    equations = [
        Equation((), np.array([])),
        Equation(((0,), (0, 0)), np.array([0.5, -1.2])),
        Equation(((0,), (1,), (0, 1)), np.array([0.0, 0.7, 0.0])),
    ]
    expected = np.zeros((3, 3))
    expected[0, 1], expected[1, 2] = -1.2, 0.7
    np.testing.assert_array_equal(quad._weights(equations), expected)


def residual(series: np.ndarray, target: int, parents: np.ndarray) -> float:
    """Variance of a variable that linear and quadratic terms of its parents leave."""
    columns = [np.ones(len(series)), *(series[:, p] for p in parents)]
    columns += [series[:, a] * series[:, b] for a in parents for b in parents if a <= b]
    design = np.stack(columns, axis=1)
    fit = design @ np.linalg.lstsq(design, series[:, target], rcond=None)[0]
    return float((series[:, target] - fit).var())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sources_explain_their_targets_but_for_noise_of_unit_variance(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quad, "KEPT", 1.0)
    made = cdrl_quad_like(5, 1, 4000, seed)
    series, graph = made.series[0], made.graphs[0]
    forward = [residual(series, node, np.flatnonzero(graph[:, node])) for node in range(5)]
    backward = [residual(series, node, np.flatnonzero(graph[node])) for node in range(5)]
    np.testing.assert_allclose(forward, 1, atol=0.02)
    assert max(abs(value - 1) for value in backward) > 0.3


@pytest.mark.parametrize(("nodes", "seed"), [(5, 42), (7, 42), (7, 3)])
def test_shapes_truth_and_order(nodes: int, seed: int) -> None:
    made = cdrl_quad_like(nodes, 3, 1000, seed)
    assert made.series.shape == (3, 600, nodes)
    assert np.isfinite(made.series).all()
    assert np.isnan(made.tr)
    assert np.array_equal(made.graphs, made.weights != 0)
    assert (made.graphs == made.graphs[0]).all()
    assert not np.linalg.matrix_power(made.graphs[0].astype(int), nodes).any()


def test_variables_are_permuted_together() -> None:
    graphs = [cdrl_quad_like(5, 1, 10, seed).graphs[0] for seed in range(40)]
    assert any(np.triu(graph).any() for graph in graphs)
    assert any(np.tril(graph).any() for graph in graphs)


def test_the_rows_of_smallest_norm_are_kept_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = cdrl_quad_like(5, 1, 1000, 7).series[0]
    monkeypatch.setattr(quad, "KEPT", 1.0)
    whole = cdrl_quad_like(5, 1, 1000, 7).series[0]
    norms = np.linalg.norm(whole, axis=1)
    assert np.array_equal(kept, whole[norms <= np.sort(norms)[599]])


def test_few_subjects_are_the_first_of_many_and_seeds_differ() -> None:
    many, few, other = (cdrl_quad_like(5, n, 500, seed) for n, seed in ((4, 0), (2, 0), (2, 1)))
    assert np.array_equal(many.series[:2], few.series)
    assert not np.array_equal(few.series, other.series)
    assert not np.array_equal(few.series[0], few.series[1])


def test_noise_has_unit_variance_and_is_not_gaussian() -> None:
    noise = np.stack([quad._noise(20_000, np.random.default_rng(seed)) for seed in range(30)])
    np.testing.assert_allclose(noise.std(axis=1), 1)
    kurtosis = (noise**4).mean(axis=1)
    assert (np.abs(kurtosis - 3) > 0.3).all()
    assert (kurtosis < 3).any()


def test_bad_sizes_are_refused() -> None:
    for nodes, subjects, samples in ((1, 1, 100), (5, 0, 100), (5, 1, 5)):
        with pytest.raises(BadSimulation, match="cannot draw"):
            cdrl_quad_like(nodes, subjects, samples, 0)


# --------------------------------------------------------------------------------------- varsortability


def columns(*deviations: float) -> np.ndarray:
    """Series whose columns have exactly these SDs."""
    wave = np.array([-1.0, 1.0] * 10)
    return wave[:, None] * np.array(deviations)


CHAIN = np.eye(3, k=1, dtype=bool)


@pytest.mark.parametrize(
    ("deviations", "expected"),
    [((1.0, 2.0, 3.0), 1.0), ((3.0, 2.0, 1.0), 0.0), ((1.0, 1.0, 1.0), 0.5), ((1.0, 3.0, 2.0), 2 / 3)],
)
def test_varsortability_of_a_chain(deviations: tuple[float, ...], expected: float) -> None:
    assert varsortability(columns(*deviations), CHAIN) == pytest.approx(expected)


def test_varsortability_follows_the_nodes_and_the_direction() -> None:
    series, order = columns(1.0, 2.0, 3.0), [2, 0, 1]
    assert varsortability(series[:, order], CHAIN[np.ix_(order, order)]) == 1.0
    assert varsortability(series, CHAIN.T) == 0.0


def test_varsortability_without_edges_and_with_cycles() -> None:
    assert np.isnan(varsortability(columns(1.0, 2.0), np.zeros((2, 2), dtype=bool)))
    with pytest.raises(BadSimulation, match="cycles"):
        varsortability(columns(1.0, 2.0), np.array([[False, True], [True, False]]))
