"""Graph metrics: against scikit-learn, cdt and gcastle, by hand, and as properties."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score

from brainbench.benchmark.contracts import Metric
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.kinds.connectivity import Graphs, Truths
from brainbench.benchmark.metrics import METRICS
from brainbench.benchmark.metrics import graph_measures as measures
from brainbench.benchmark.metrics.binarise import strongest
from brainbench.benchmark.metrics.graph import (
    SHD,
    GraphAccuracy,
    GraphAUPRC,
    GraphAUROC,
    GraphF1,
    GraphPrecision,
    GraphRecall,
    NativeF1,
    NativeSHD,
    OracleF1,
    OrientationAccuracy,
    SHDDouble,
    SkeletonF1,
)

NAMES = [name for name, home in METRICS.items() if home.startswith("graph:")]
FROM_SCORES = [name for name in NAMES if not name.startswith("native")]
RANKED = ["graph-auroc", "graph-auprc", "orientation-accuracy", "graph-oracle-f1"]


def metric(name: str) -> Metric:
    module, _, attribute = METRICS[name].partition(":")
    found: Metric = getattr(import_module(f"brainbench.benchmark.metrics.{module}"), attribute)()
    return found


def graph(nodes: int, *edges: tuple[int, int]) -> np.ndarray:
    found = np.zeros((nodes, nodes), bool)
    for source, target in edges:
        found[source, target] = True
    return found


def off(nodes: int) -> np.ndarray:
    cells: np.ndarray = ~np.eye(nodes, dtype=bool)
    return cells


def draw(seed: int, sizes: tuple[int, ...], digits: int = 1) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Random graphs and scores with many ties."""
    rng = np.random.default_rng(seed)
    truth = [(rng.random((n, n)) < 0.3) & off(n) for n in sizes]
    scores = [np.round(rng.random(true.shape) + 0.4 * true, digits) for true in truth]
    return truth, scores


# -- The rule ---------------------------------------------------------------------------------------


def test_rule_keeps_as_many_edges_as_nodes():
    rng = np.random.default_rng(0)
    scores = rng.random((20, 7, 7))
    found = strongest(scores)
    for matrix, edges in zip(scores, found, strict=True):
        cells = np.where(off(7), matrix, -1)
        limit = np.sort(cells.ravel())[-7]
        np.testing.assert_array_equal(edges, cells >= limit)
    assert (found.sum(axis=(1, 2)) == 7).all()


def test_rule_keeps_all_ties_and_nothing_without_evidence():
    scores = np.zeros((4, 4))
    scores[0, 1], scores[1, 2], scores[2, 3] = 3, 2, 1
    # Three positive cells of four nodes: the fourth strongest is 0 and is no edge.
    np.testing.assert_array_equal(strongest(scores[None])[0], scores > 0)
    scores[3, 0] = scores[0, 3] = scores[2, 0] = 1
    # Four cells tie for the third and fourth place.
    assert strongest(scores[None])[0].sum() == 6
    assert strongest(np.ones((1, 4, 4)))[0].sum() == 12
    assert not strongest(np.zeros((1, 4, 4))).any()


def test_rule_ignores_the_diagonal_and_rounding():
    scores = np.random.default_rng(1).random((1, 5, 5))
    symmetric = scores + scores.swapaxes(1, 2)
    noisy = symmetric * (1 + 1e-15 * np.random.default_rng(2).normal(size=symmetric.shape))
    noisy[0, range(5), range(5)] = 1e6
    found = strongest(noisy)
    np.testing.assert_array_equal(found, strongest(symmetric))
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    assert OrientationAccuracy().score(Truths([graph(5, (0, 1), (1, 2))]), Graphs([noisy[0]])) == 0.5


def test_ties_are_relative_to_the_two_scores():
    truth = graph(6, (0, 1))
    # Cells of 100 orders of magnitude: each below the one before, none a tie, and 0 is the only 0.
    scores = np.zeros((6, 6))
    scores[0, 1:] = [1e-90, 1, 1e-100, 3e-100, 1e-30]
    assert strongest(scores[None])[0].sum() == 5
    scores[1, 2], scores[1, 3] = 2e-100, 1.5e-100
    kept = strongest(scores[None])[0]
    assert kept.sum() == 6
    assert not kept[0, 3]
    assert GraphAUROC().score(Truths([truth]), Graphs([scores])) == pytest.approx(27 / 29)
    np.testing.assert_array_equal(strongest(scores[None] * 1e-150), kept[None])


def test_run_of_close_scores_is_one_tie():
    truth, scores = graph(4, (0, 1), (1, 2)), np.zeros((4, 4))
    scores[off(4)] = 1 + 0.9e-9 * np.random.default_rng(0).permutation(12)
    assert strongest(scores[None]).sum() == 12
    assert GraphAUROC().score(Truths([truth]), Graphs([scores])) == 0.5


def test_last_bits_of_a_symmetric_score_orient_nothing():
    series = np.random.default_rng(3).normal(size=(4000, 30))
    found = np.abs(series.T @ series / 4000)
    found *= 1 + 1e-15 * np.random.default_rng(4).normal(size=found.shape)
    truth = np.triu(np.random.default_rng(5).random((30, 30)) < 0.2, 1)
    for bent in (found, np.exp(200 * found), found**9, 1 / (1.2 - found)):
        assert OrientationAccuracy().score(Truths([truth]), Graphs([bent])) == 0.5
        edges = strongest(bent[None])[0]
        np.testing.assert_array_equal(edges, edges.T)
        assert edges.sum() == 30


# -- Against other code -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(seed):
    sizes = (5, 8, 12, 5, 30)
    truth, scores = draw(seed, sizes)
    given_, prediction = Truths(truth), Graphs([matrix + 9 * np.eye(len(matrix)) for matrix in scores])
    cells = [off(n) for n in sizes]
    flat = [(a[m], b[m]) for a, b, m in zip(truth, scores, cells, strict=True)]
    np.testing.assert_allclose(GraphAUROC().items(given_, prediction), [roc_auc_score(a, b) for a, b in flat])
    np.testing.assert_allclose(GraphAUPRC().items(given_, prediction), [average_precision_score(a, b) for a, b in flat])
    found = [strongest(matrix[None])[0] for matrix in scores]
    expected = [f1_score(a[m], b[m]) for a, b, m in zip(truth, found, cells, strict=True)]
    np.testing.assert_allclose(GraphF1().items(given_, prediction), expected)
    skeletons = [
        f1_score((a | a.T)[np.triu_indices(n, 1)], (b | b.T)[np.triu_indices(n, 1)])
        for a, b, n in zip(truth, found, sizes, strict=True)
    ]
    np.testing.assert_allclose(SkeletonF1().items(given_, prediction), skeletons)
    np.testing.assert_allclose(
        GraphAccuracy().items(given_, prediction),
        [(a[m] == b[m]).mean() for a, b, m in zip(truth, found, cells, strict=True)],
    )
    oracle = []
    for a, b in flat:
        precision, recall, _ = precision_recall_curve(a, b)
        oracle.append((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())
    np.testing.assert_allclose(OracleF1().items(given_, prediction), oracle)


def pair(seed: int, nodes: int, cyclic: bool) -> tuple[np.ndarray, np.ndarray]:
    """A true graph, and one with missing, extra and reversed edges."""
    rng = np.random.default_rng(seed)
    graphs = []
    for density in (0.3, 0.4):
        drawn = rng.random((nodes, nodes)) < density
        order = rng.permutation(nodes)
        graphs.append(drawn & off(nodes) if cyclic else np.triu(drawn, 1)[np.ix_(order, order)])
    truth, other = graphs
    kept = rng.random((nodes, nodes)) < 0.5
    turned = truth & (rng.random((nodes, nodes)) < 0.3)
    found = (other & ~kept) | (truth & kept & ~turned) | turned.T
    if not cyclic:
        found &= ~(found.T & np.tri(nodes, dtype=bool))
    return truth, found


# What other programs say of `pair`: cdt 0.6.0 ``SHD(truth, found)`` and ``SHD(..., double_for_anticausal=False)``,
# gcastle 1.0.4 ``MetricsDAG(found, truth).metrics`` (shd, and precision, recall and F1 rounded to four digits),
# both with numpy 2.2.6. Truth of one direction a pair: all three distances mean the same there.
GOLDEN_ONE_WAY = [
    # seed, nodes, edges, cdt, cdt single, gcastle shd, precision, recall, F1
    (0, 4, (4, 4), 4, 2, 2, 0.5, 0.5, 0.5),
    (1, 5, (3, 4), 5, 3, 3, 0.25, 0.3333, 0.2857),
    (2, 8, (10, 9), 17, 11, 11, 0.1111, 0.1, 0.1053),
    (3, 10, (15, 16), 21, 16, 16, 0.3125, 0.3333, 0.3226),
    (4, 15, (22, 35), 35, 28, 28, 0.3143, 0.5, 0.386),
    (5, 20, (66, 79), 91, 62, 62, 0.3418, 0.4091, 0.3724),
    (6, 30, (125, 148), 169, 124, 124, 0.3514, 0.416, 0.381),
    (7, 50, (372, 456), 518, 396, 396, 0.3399, 0.4167, 0.3744),
]
# The same with edges in both directions between a pair (cdt, cdt single, precision, recall).
GOLDEN_TWO_WAY = [
    (2, 8, (16, 25), 19, 15, 0.44, 0.6875),
    (3, 10, (27, 31), 32, 23, 0.4194, 0.4815),
    (4, 15, (50, 62), 56, 48, 0.4516, 0.56),
    (5, 20, (122, 150), 116, 90, 0.52, 0.6393),
    (6, 30, (251, 301), 270, 206, 0.4684, 0.5618),
    (7, 50, (744, 951), 787, 605, 0.4774, 0.6102),
]


@pytest.mark.parametrize("row", GOLDEN_ONE_WAY, ids=lambda row: f"{row[1]} nodes")
def test_distances_equal_cdt_and_gcastle(row):
    seed, nodes, edges, double, single, castle, precision, recall, f1 = row
    truth, found = (each[None] for each in pair(seed, nodes, cyclic=False))
    assert (truth.sum(), found.sum()) == edges
    assert measures.shd_double(truth, found)[0] == double
    assert measures.shd(truth, found)[0] == single == castle
    assert measures.precision(truth, found)[0] == pytest.approx(precision, abs=5e-5)
    assert measures.recall(truth, found)[0] == pytest.approx(recall, abs=5e-5)
    assert measures.f1(truth, found)[0] == pytest.approx(f1, abs=5e-5)


@pytest.mark.parametrize("row", GOLDEN_TWO_WAY, ids=lambda row: f"{row[1]} nodes")
def test_distances_on_graphs_with_two_way_edges(row):
    seed, nodes, edges, double, single, precision, recall = row
    truth, found = pair(seed, nodes, cyclic=True)
    assert (truth.sum(), found.sum()) == edges
    assert measures.shd_double(truth[None], found[None])[0] == double
    assert measures.precision(truth[None], found[None])[0] == pytest.approx(precision, abs=5e-5)
    assert measures.recall(truth[None], found[None])[0] == pytest.approx(recall, abs=5e-5)
    # cdt's single distance counts a pair once even where two edges must be added or removed.
    two = sum(np.count_nonzero(np.triu(gone & gone.T)) for gone in (truth & ~found, found & ~truth))
    assert measures.shd(truth[None], found[None])[0] == single + two


@pytest.mark.parametrize(
    ("truth", "found", "distance"),
    [
        ([(0, 1), (1, 2)], [(0, 1), (1, 2)], 0),
        ([(0, 1), (1, 2)], [(1, 0), (1, 2)], 1),
        ([(0, 1)], [], 1),
        ([], [(0, 1), (1, 0)], 2),
        ([(0, 1), (1, 0)], [(0, 1)], 1),
        ([(0, 1)], [(1, 2), (1, 0)], 2),
    ],
)
def test_shd_counts_a_reversal_once(truth, found, distance):
    given_ = Truths([graph(3, *truth)])
    matrix = graph(3, *found).astype(float)
    assert SHD().score(given_, Graphs([matrix])) == distance
    assert SHDDouble().score(given_, Graphs([matrix])) == (given_.graphs[0] != (matrix > 0)).sum()
    # A method's own graph may hold self-loops.
    assert NativeSHD().score(given_, Graphs([np.zeros((3, 3))], [graph(3, *found) | np.eye(3, dtype=bool)])) == distance


def test_native_graph_is_scored_apart():
    truth = Truths([graph(2, (0, 1))])
    both = Graphs([np.ones((2, 2))], truth.graphs)
    assert GraphF1().score(truth, both) == pytest.approx(2 / 3)
    assert NativeF1().score(truth, both) == 1
    assert np.isnan(NativeF1().score(truth, Graphs(both.scores)))


def test_orientation_by_hand():
    # 0 -> 1 right, 1 -> 2 wrong, 2 -> 3 tied; 3 <-> 4 has no orientation.
    truth = graph(5, (0, 1), (1, 2), (2, 3), (3, 4), (4, 3))
    scores = np.zeros((5, 5))
    scores[0, 1], scores[1, 2], scores[2, 1], scores[4, 3] = 0.2, 0.1, 0.3, 1
    assert OrientationAccuracy().score(Truths([truth]), Graphs([scores])) == 0.5
    scores[3, 2] = 1e-3
    assert OrientationAccuracy().score(Truths([truth]), Graphs([scores])) == pytest.approx(1 / 3)
    assert np.isnan(OrientationAccuracy().score(Truths([graph(2, (0, 1), (1, 0))]), Graphs([np.ones((2, 2))])))


def test_empty_graphs():
    nothing, zero = Truths([graph(3)]), Graphs([np.zeros((3, 3))])
    for name in ("graph-f1", "graph-precision", "graph-recall", "skeleton-f1", "graph-oracle-f1", "capped-f1"):
        assert metric(name).score(nothing, zero) == 1, name
    some = Truths([graph(3, (0, 1))])
    for each in (GraphF1(), GraphPrecision(), GraphRecall()):
        assert each.score(some, zero) == 0
        assert each.score(nothing, Graphs([graph(3, (0, 1)).astype(float)])) == 0
    assert np.isnan(GraphAUROC().score(nothing, zero))
    assert np.isnan(GraphAUPRC().score(nothing, zero))
    assert GraphAUROC().score(some, zero) == 0.5
    assert GraphAUPRC().score(some, zero) == pytest.approx(1 / 6)  # the density of the graph
    # A network without a score of its own is left out of the mean.
    assert GraphAUROC().score(Truths([graph(3), graph(3, (0, 1))]), Graphs([np.ones((3, 3)), np.ones((3, 3))])) == 0.5


def test_a_reversed_graph_fails_where_direction_counts():
    truth = graph(5, (0, 1), (1, 2), (2, 3), (3, 4), (0, 4))
    turned = Graphs([truth.T.astype(float)])
    assert OrientationAccuracy().score(Truths([truth]), turned) == 0
    assert GraphF1().score(Truths([truth]), turned) == 0
    assert SkeletonF1().score(Truths([truth]), turned) == 1
    assert SHD().score(Truths([truth]), turned) == 5
    assert SHDDouble().score(Truths([truth]), turned) == 10


# -- Joining networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_counts_equal_repeated_items(name):
    truth, scores = draw(3, (5, 8, 5, 3))
    truth[3][:] = False
    native = [matrix > 0.6 for matrix in scores]
    counts = np.array([[2, 0, 1, 1], [1, 1, 1, 1], [0, 3, 0, 0]])
    found = metric(name).resample(Truths(truth), Graphs(scores, native), counts)
    for row, value in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(4), row)
        repeated = Graphs([scores[k] for k in rows], [native[k] for k in rows])
        assert value == pytest.approx(metric(name).score(Truths([truth[k] for k in rows]), repeated), nan_ok=True)


@pytest.mark.parametrize("name", FROM_SCORES)
def test_average_of_one_item_is_its_own_score(name):
    truth, scores = draw(4, (6,))[0][0], draw(5, (6,) * 5)[1]
    prediction = Graphs(scores)
    alone = metric(name).items(Truths([truth] * 5), prediction)
    found = metric(name).resample(Truths([truth] * 5, averaged=True), prediction, np.eye(5))
    np.testing.assert_allclose(found, alone)


@pytest.mark.parametrize("name", FROM_SCORES)
def test_average_is_the_score_of_the_weighted_mean_matrix(name):
    truth, scores = draw(4, (9,))[0][0], draw(6, (9,) * 5, digits=9)[1]
    counts = np.random.default_rng(0).integers(0, 4, (300, 5))
    found = metric(name).resample(Truths([truth] * 5, averaged=True), Graphs(scores), counts)
    for row in range(0, 300, 37):
        mean = np.average(scores, axis=0, weights=counts[row])
        assert found[row] == pytest.approx(metric(name).score(Truths([truth]), Graphs([mean])))
    assert np.isnan(metric(name).resample(Truths([truth] * 5, averaged=True), Graphs(scores), np.zeros((1, 5)))[0])


def test_average_of_many_resamples_in_blocks_is_the_same(monkeypatch):
    truth, scores = draw(4, (6,))[0][0], draw(6, (6,) * 5)[1]
    counts = np.random.default_rng(0).integers(0, 4, (200, 5))
    given_ = Truths([truth] * 5, averaged=True)
    whole = GraphAUROC().resample(given_, Graphs(scores), counts)
    monkeypatch.setattr("brainbench.benchmark.metrics.counts.BLOCK_BYTES", 20_000)
    np.testing.assert_array_equal(GraphAUROC().resample(given_, Graphs(scores), counts), whole)


def test_average_needs_one_truth_and_has_no_native_graph():
    scores = Graphs([np.ones((3, 3))] * 2, [graph(3)] * 2)
    with pytest.raises(BadData, match="true graphs differ"):
        GraphF1().score(Truths([graph(3, (0, 1)), graph(3, (1, 2))], averaged=True), scores)
    with pytest.raises(BadData, match="true graphs differ"):
        GraphF1().score(Truths([graph(3, (0, 1)), graph(4, (0, 1))], averaged=True), scores)
    same = Truths([graph(3, (0, 1))] * 2, averaged=True)
    assert np.isnan(NativeF1().score(same, scores))
    assert np.isnan(NativeSHD().resample(same, scores, np.ones((4, 2)))).all()


# -- Properties -------------------------------------------------------------------------------------

cases = st.tuples(st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([1, 9]))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "capped-f1"])
@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_order_of_nodes_changes_nothing(name, case):
    seed, nodes, digits = case
    (truth,), (scores,) = draw(seed, (nodes,), digits)
    order = np.ix_(*[np.random.default_rng(seed).permutation(nodes)] * 2)
    native = scores > 0.7
    first = metric(name).score(Truths([truth]), Graphs([scores], [native]))
    second = metric(name).score(Truths([truth[order]]), Graphs([scores[order]], [native[order]]))
    assert first == pytest.approx(second, nan_ok=True)


@pytest.mark.parametrize("name", RANKED)
@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_monotone_transform_changes_no_ranking(name, case):
    seed, nodes, digits = case
    truth, scores = draw(seed, (nodes, nodes), min(digits, 4))
    plain = metric(name).score(Truths(truth), Graphs(scores))
    bent = metric(name).score(Truths(truth), Graphs([np.expm1(3 * matrix) for matrix in scores]))
    assert plain == pytest.approx(bent, nan_ok=True)


INCREASING = {
    "exp(200 x)": lambda x: np.exp(200 * x),
    "exp(-30 / x)": lambda x: np.exp(-30 / np.maximum(x, 0.05)),
    "x ** 40": lambda x: x**40,
    "log(1 + x)": np.log1p,
    "1 / (2 - x)": lambda x: 1 / (2 - x),
}


@pytest.mark.parametrize("name", INCREASING)
@settings(max_examples=25, deadline=None)
@given(case=cases)
def test_increasing_function_leaves_what_scikit_learn_says(name, case):
    seed, nodes, digits = case
    (truth,), (plain,) = draw(seed, (nodes,), min(digits, 4))
    truth[0, 1], truth[1, 0] = True, False
    plain = np.maximum(plain, 0.1)
    scores, cells = INCREASING[name](plain), off(nodes)
    given_, found = Truths([truth]), Graphs([scores])
    np.testing.assert_array_equal(strongest(scores[None]), strongest(plain[None]))
    assert GraphAUROC().score(given_, found) == pytest.approx(roc_auc_score(truth[cells], scores[cells]))
    assert GraphAUPRC().score(given_, found) == pytest.approx(average_precision_score(truth[cells], scores[cells]))
    limit = np.sort(scores[cells])[-nodes:][0]
    f1 = f1_score(truth[cells], scores[cells] >= limit)
    assert GraphF1().score(given_, found) == pytest.approx(f1)
    one_way = truth & ~truth.T
    turned = np.heaviside(scores - scores.T, 0.5)[one_way].mean()
    assert OrientationAccuracy().score(given_, found) == pytest.approx(turned)


@settings(max_examples=60, deadline=None)
@given(case=cases)
def test_bounds(case):
    seed, nodes, digits = case
    truth, scores = draw(seed, (nodes,), digits)
    given_, found = Truths(truth), Graphs(scores)
    assert SHD().score(given_, found) <= SHDDouble().score(given_, found) <= nodes * (nodes - 1)
    assert GraphF1().score(given_, found) <= OracleF1().score(given_, found) + 1e-12
    precision, recall = GraphPrecision().score(given_, found), GraphRecall().score(given_, found)
    assert min(precision, recall) - 1e-12 <= GraphF1().score(given_, found) <= max(precision, recall) + 1e-12
