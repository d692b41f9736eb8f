"""Graph measures against networkx, and Louvain's communities on planted ones."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.benchmark.describe import graph as g
from brainbench.benchmark.describe.louvain import communities, modularity
from brainbench.benchmark.describe.networks import Networks
from brainbench.benchmark.describe.scan import Frame, ScanData

networkx = pytest.importorskip("networkx")


def weights_of(seed: int, rois: int = 40, density: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(60, 6)) @ rng.normal(size=(6, rois)) + rng.normal(size=(60, rois))
    return g.strongest(np.corrcoef(series.T).astype(np.float32), density)


@pytest.mark.parametrize("rois", [10, 41, 100])
def test_a_tenth_of_the_pairs_are_edges_the_strongest_in_magnitude(rois: int) -> None:
    r = np.corrcoef(np.random.default_rng(0).normal(size=(30, rois)).T)
    weights = g.strongest(r)
    upper = weights[np.triu_indices(rois, 1)]
    size = np.abs(r[np.triu_indices(rois, 1)])
    assert (upper > 0).sum() == max(round(0.1 * rois * (rois - 1) / 2), 1)
    assert upper[upper > 0].min() >= size[upper == 0].max()
    assert np.array_equal(weights, weights.T)
    assert np.abs(r).max() == pytest.approx(1)  # the caller's matrix keeps its diagonal


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("density", [0.05, 0.1, 0.4])
def test_measures_are_networkxs(seed: int, density: float) -> None:
    weights = weights_of(seed, density=density)
    graph = networkx.from_numpy_array(weights.astype(float))
    size = len(weights)
    assert g.mean_inverse(g.hops(weights > 0)) == pytest.approx(networkx.global_efficiency(graph), abs=1e-6)
    for _, _, edge in graph.edges(data=True):
        edge["length"] = 1 / edge["weight"]
    ways = dict(networkx.all_pairs_dijkstra_path_length(graph, weight="length"))
    inverse = sum(1 / way for source in ways for target, way in ways[source].items() if source != target)
    assert g.mean_inverse(g.distances(weights)) == pytest.approx(inverse / (size * (size - 1)), abs=1e-6)
    assert g.clustering(weights) == pytest.approx(networkx.average_clustering(graph, weight="weight"), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("resolution", [0.7, 1.0, 1.5])
def test_modularity_is_networkxs(seed: int, resolution: float) -> None:
    weights = weights_of(seed)
    groups = np.random.default_rng(seed).integers(0, 5, len(weights))
    graph = networkx.from_numpy_array(weights.astype(float))
    sets = [set(np.flatnonzero(groups == k)) for k in range(5)]
    expected = networkx.community.modularity(graph, sets, resolution=resolution)
    assert modularity(weights, groups, resolution) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_louvain_reaches_what_networkx_reaches(seed: int) -> None:
    weights = weights_of(seed, 80)
    graph = networkx.from_numpy_array(weights.astype(float))
    theirs = [
        networkx.community.modularity(graph, networkx.community.louvain_communities(graph, seed=k)) for k in range(5)
    ]
    ours = modularity(weights, communities(weights))
    assert ours >= np.mean(theirs) - 0.01
    one_by_one = modularity(weights, np.arange(len(weights)))
    assert ours > one_by_one + 0.1


def test_louvain_finds_planted_communities() -> None:
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(60) % 4)
    weights = np.where(truth[:, None] == truth, 1.0, 0.1) * rng.uniform(0.5, 1, (60, 60))
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    found = communities(weights)
    assert len(set(zip(truth, found, strict=True))) == 4
    assert len(set(found)) == 4


def test_louvain_merges_in_a_second_level() -> None:
    """A ring of thirty cliques of five: the best partition joins neighbouring cliques (Fortunato & Barthélemy 2007)."""
    ring = networkx.to_numpy_array(networkx.ring_of_cliques(30, 5))
    found = communities(ring)
    cliques = [set(found[5 * k : 5 * k + 5]) for k in range(30)]
    assert all(len(clique) == 1 for clique in cliques)
    assert len(set(found)) < 30
    assert modularity(ring, found) > modularity(ring, np.arange(150) // 5)


def test_communities_do_not_depend_on_the_order_of_nodes() -> None:
    weights = weights_of(3, 60)
    order = np.random.default_rng(1).permutation(60)
    first, second = communities(weights)[order], communities(weights[np.ix_(order, order)])
    assert len(set(zip(first, second, strict=True))) == len(set(first)) == len(set(second))


def test_graphs_without_edges_and_in_parts() -> None:
    networks = Networks(("a", "b"), np.arange(12) % 2)
    assert np.isnan(g.measure(ScanData(np.ones((30, 12), np.float32)), Frame(networks))).all()
    assert list(communities(np.zeros((3, 3)))) == [0, 1, 2]
    assert modularity(np.zeros((3, 3)), np.arange(3)) == 0
    parts = np.zeros((4, 4), np.float32)
    parts[0, 1] = parts[1, 0] = 0.5
    assert g.mean_inverse(g.hops(parts > 0)) == pytest.approx(2 / 12)
    assert g.mean_inverse(g.distances(parts)) == pytest.approx(0.5 * 2 / 12)


def test_strength_is_the_networks_mean() -> None:
    rng = np.random.default_rng(5)
    series = (rng.normal(size=(80, 3)) @ rng.normal(size=(3, 30)) + rng.normal(size=(80, 30))).astype(np.float32)
    networks = Networks(("a", "b", "c"), np.arange(30) % 3)
    values = dict(zip(g.names(networks), g.measure(ScanData(series), Frame(networks)), strict=True))
    weights = g.strongest(np.corrcoef(series.T))
    assert values["strength of b"] == pytest.approx(weights[1::3].sum(axis=1).mean(), rel=1e-4)
    assert values["modularity"] == pytest.approx(modularity(weights, communities(weights)), abs=1e-5)
