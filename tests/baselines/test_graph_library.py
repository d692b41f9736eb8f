"""What every search-based or network-based connectivity baseline must do: orientation, order of nodes, errors."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from brainbench.baselines.direct_lingam import DirectLiNGAM
from brainbench.baselines.ges import GES
from brainbench.baselines.graph_baseline import GraphBaseline
from brainbench.baselines.neural_granger import NeuralGranger
from brainbench.baselines.pc import PC
from brainbench.baselines.pcmci import PCMCIPlus
from brainbench.benchmark.contracts import Context
from brainbench.benchmark.errors import BadData, BadOption, ExtraMissing

PACKAGES = {PC: "causallearn", PCMCIPlus: "tigramite", NeuralGranger: "torch"}
ALL = (DirectLiNGAM, PC, GES, PCMCIPlus, NeuralGranger)
LAGGED = (PCMCIPlus, NeuralGranger)


def installed(method: type[GraphBaseline], **options: object) -> GraphBaseline:
    """The method, or a skip where its package is not installed."""
    if method in PACKAGES:
        pytest.importorskip(PACKAGES[method])
    return method(**options)


def sem(graph: np.ndarray, frames: int, seed: int, weight: float = 0.7) -> np.ndarray:
    """Rows of a linear acyclic model with Laplace noise; graph is boolean [source, target]."""
    noise = np.random.default_rng(seed).laplace(size=(frames, len(graph)))
    return noise @ np.linalg.inv(np.eye(len(graph)) - weight * graph)


def var(graph: np.ndarray, frames: int, seed: int, weight: float = 0.5) -> np.ndarray:
    """A first-order autoregressive process; graph is boolean [source, target]."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((frames, len(graph)))
    for t in range(1, frames):
        rows[t] = rows[t - 1] @ (0.3 * np.eye(len(graph)) + weight * graph) + rng.normal(size=len(graph))
    return rows


def edges(nodes: int, *pairs: tuple[int, int]) -> np.ndarray:
    graph = np.zeros((nodes, nodes), dtype=bool)
    graph[tuple(np.transpose(pairs))] = True
    return graph


def data_for(method: type[GraphBaseline], graph: np.ndarray, frames: int, seed: int, weight: float) -> np.ndarray:
    return (var if method in LAGGED else sem)(graph, frames, seed, weight)


@pytest.mark.parametrize("method", [DirectLiNGAM, PCMCIPlus, NeuralGranger])
@pytest.mark.parametrize("pair", [(0, 1), (1, 0)])
def test_two_nodes_are_oriented(method: type[GraphBaseline], pair: tuple[int, int], context: Context) -> None:
    series = data_for(method, edges(2, pair), 400, 1, 0.6)
    found = installed(method).graph(series, 2.0, context)
    assert found.scores[pair] > 1.5 * found.scores[pair[::-1]]
    if found.native is not None:
        assert found.native[pair]
        assert not found.native[pair[::-1]]


@pytest.mark.parametrize("method", [PC, GES])
@pytest.mark.parametrize("middle", [0, 1, 2])
def test_a_collider_is_oriented_and_a_chain_is_not(method: type[GraphBaseline], middle: int, context: Context) -> None:
    ends = [node for node in range(3) if node != middle]
    collider = edges(3, (ends[0], middle), (ends[1], middle))
    found = installed(method).graph(sem(collider, 500, 2), 2.0, context)
    np.testing.assert_array_equal(found.scores, collider)
    np.testing.assert_array_equal(found.native, collider)
    chain = edges(3, (ends[0], middle), (middle, ends[1]))
    found = installed(method).graph(sem(chain, 500, 3), 2.0, context)
    np.testing.assert_array_equal(found.scores, 0.5 * (chain | chain.T))
    np.testing.assert_array_equal(found.native, chain | chain.T)
    both = installed(method, undirected="both").graph(sem(chain, 500, 3), 2.0, context)
    np.testing.assert_array_equal(both.scores, chain | chain.T)


@pytest.mark.parametrize("method", [DirectLiNGAM, PC, GES, PCMCIPlus])
def test_the_order_of_nodes_does_not_matter(method: type[GraphBaseline], context: Context) -> None:
    rng = np.random.default_rng(5)
    for seed in range(4):
        graph = np.triu(rng.random((8, 8)) < 0.3, 1)
        series = data_for(method, graph, 150, seed, 0.4)
        order = rng.permutation(8)
        there = installed(method).graph(series, 2.0, context)
        shuffled = installed(method).graph(series[:, order], 2.0, context)
        np.testing.assert_allclose(shuffled.scores, there.scores[np.ix_(order, order)], atol=1e-8)
        if there.native is not None:
            np.testing.assert_array_equal(shuffled.native, there.native[np.ix_(order, order)])


def test_networks_differ_by_their_random_start_alone(context: Context) -> None:
    graph = edges(4, (0, 1), (1, 2), (3, 2))
    series, order = var(graph, 400, 4), np.array([2, 0, 3, 1])
    there = installed(NeuralGranger).graph(series, 2.0, context).scores
    np.testing.assert_array_equal(there, installed(NeuralGranger).graph(series, 2.0, context).scores)
    other = installed(NeuralGranger).graph(series, 2.0, replace(context, seed=1)).scores
    shuffled = installed(NeuralGranger).graph(series[:, order], 2.0, context).scores
    assert 0 < np.abs(other - there).max() < 0.1 * there.max()
    np.testing.assert_allclose(shuffled, there[np.ix_(order, order)], atol=0.1 * there.max())


@pytest.mark.parametrize("method", ALL)
def test_units_do_not_matter(method: type[GraphBaseline], context: Context) -> None:
    series = data_for(method, edges(4, (0, 1), (2, 1), (1, 3)), 200, 8, 0.5)
    scaled = 100 + series * np.array([1e-3, 5.0, 1.0, 200.0])
    there = installed(method).graph(series, 2.0, context).scores
    np.testing.assert_allclose(installed(method).graph(scaled, 2.0, context).scores, there, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", [DirectLiNGAM, GES, PCMCIPlus, NeuralGranger])
def test_recordings_with_their_own_weights_give_their_common_graph(
    method: type[GraphBaseline], context: Context
) -> None:
    graph = edges(5, (0, 2), (1, 2), (2, 3), (4, 3))
    # Networks and pooled tests share their weights among recordings: those must agree in sign.
    weights = (0.35, 0.5, 0.4 if method in LAGGED else -0.4, 0.6)
    recordings = [data_for(method, graph, 150 + 20 * k, k, weight) for k, weight in enumerate(weights)]
    found = installed(method).together(recordings, 2.0, context)
    others = ~graph & ~np.eye(5, dtype=bool)
    assert found.scores[graph].min() > found.scores[others].max()


def test_rows_without_an_order_in_time_get_no_lag(context: Context) -> None:
    rows = sem(edges(3, (0, 2), (1, 2)), 300, 6)
    there = installed(PCMCIPlus).graph(rows, float("nan"), context)
    np.testing.assert_array_equal(there.native, edges(3, (0, 2), (1, 2)))
    shuffled = np.random.default_rng(0).permutation(rows)
    np.testing.assert_allclose(installed(PCMCIPlus).graph(shuffled, float("nan"), context).scores, there.scores)


@pytest.mark.parametrize("method", ALL)
def test_too_few_frames_are_refused_by_number(method: type[GraphBaseline], context: Context) -> None:
    with pytest.raises(BadData, match=r"^9 frames are too few for .* on 12 nodes"):
        installed(method).graph(np.random.default_rng(0).normal(size=(9, 12)), 2.0, context)


@pytest.mark.parametrize("method", [DirectLiNGAM, PC, GES])
def test_dependent_nodes_are_refused(method: type[GraphBaseline], context: Context) -> None:
    series = np.random.default_rng(0).laplace(size=(100, 5))
    series[:, 3] = series[:, 0] - 2 * series[:, 1]
    with pytest.raises(BadData, match="depend linearly"):
        installed(method).graph(series, 2.0, context)


@pytest.mark.parametrize("method", [DirectLiNGAM, PC, GES, PCMCIPlus])
def test_scores_are_finite_at_the_fewest_frames(method: type[GraphBaseline], context: Context) -> None:
    rows = np.random.default_rng(0).laplace(size=(40, 12))
    least = {DirectLiNGAM: 13, PC: 15, GES: 13, PCMCIPlus: 17}[method]
    with pytest.raises(BadData):
        installed(method).graph(rows[: least - 1], 2.0, context)
    assert np.isfinite(installed(method).graph(rows[:least], 2.0, context).scores).all()


@pytest.mark.parametrize(
    ("method", "modules", "hint"),
    [
        (PC, ["causallearn.search.ConstraintBased.PC"], "brainbench[connectivity]"),
        (PCMCIPlus, ["brainbench.baselines.pcmci_search", "tigramite.data_processing"], "brainbench[connectivity]"),
        (NeuralGranger, ["torch"], "brainbench[torch]"),
    ],
)
def test_a_missing_package_names_its_extra(
    method: type[GraphBaseline], modules: list[str], hint: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing) as caught:
        method().graph(sem(edges(3, (0, 1)), 100, 0), 2.0, context)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (PC, {"alpha": 0.0}),
        (PC, {"undirected": "never"}),
        (GES, {"penalty": 0.0}),
        (GES, {"undirected": "never"}),
        (PCMCIPlus, {"lag": -1}),
        (PCMCIPlus, {"alpha": 2.0}),
        (NeuralGranger, {"lag": 0}),
        (NeuralGranger, {"steps": 0}),
    ],
)
def test_options_out_of_range_are_refused(method: type[GraphBaseline], options: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        method(**options)


@pytest.mark.parametrize("method", [PC, PCMCIPlus])
def test_libraries_are_silent(
    method: type[GraphBaseline], context: Context, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    installed(method).graph(sem(edges(4, (0, 1), (2, 1)), 100, 0), 2.0, context)
    assert capfd.readouterr() == ("", "")
    assert not [warning for warning in recwarn if "DeprecationWarning" not in str(warning.category)]
