"""Own forms of GES and of PCMCI+'s tests against the libraries, and the windows of neural Granger."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from brainbench.baselines import ges_search
from brainbench.baselines.ges import GES
from brainbench.baselines.pc import PC
from brainbench.benchmark.contracts import Context


def ignore(done: int) -> None:
    """No progress bar."""


def random_recording(seed: int, nodes: int = 7, frames: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(size=(nodes, nodes)), 1) * (rng.random((nodes, nodes)) < 0.4)
    series = rng.normal(size=(frames, nodes)) @ np.linalg.inv(np.eye(nodes) - weights)
    return np.asarray(series[:, rng.permutation(nodes)])


def test_ges_finds_the_graphs_of_causal_learn() -> None:
    pytest.importorskip("causallearn")
    from causallearn.search.ScoreBased.GES import ges

    for seed in range(25):
        series = random_recording(seed)
        marks = ges(series)["G"].graph
        expected = (marks == -1) & (np.abs(marks.T) == 1)
        np.testing.assert_array_equal(ges_search.search([series], 1.0, ignore), expected, str(seed))


def first_subject(data: Path, number: int) -> np.ndarray:
    """(time, node) of a NetSim simulation."""
    return np.asarray(np.load(data / "netsim_smith2011" / f"fmri_sim{number}.npy")[0, ..., 0].T)


@pytest.mark.parametrize(("method", "number", "edges"), [(GES, 3, 24), (PC, 3, 16), (PC, 4, 58)])
def test_edge_counts_measured_independently_are_met(
    method: type[GES] | type[PC], number: int, edges: int, shared: Path, context: Context
) -> None:
    if method is PC:
        pytest.importorskip("causallearn")
    native = method().graph(first_subject(shared, number), 3.0, context).native
    assert native is not None
    assert np.triu(native | native.T).sum() == edges


def test_fifty_nodes_take_seconds(shared: Path) -> None:
    """causal-learn takes 30 to 60 s for the same 121 edges."""
    series = first_subject(shared, 4)
    start = time.process_time()
    edges = ges_search.search([series], 1.0, ignore)
    assert time.process_time() - start < 8
    assert np.triu(edges | edges.T).sum() == 121


def test_copies_of_a_recording_are_one_with_a_smaller_penalty() -> None:
    """The BIC of k copies is k times the BIC, so that the graph is the same; a larger penalty thins it."""
    series = random_recording(3)
    one = ges_search.search([series], 1.0, ignore)
    np.testing.assert_array_equal(ges_search.search([series, 3 * series, -series], 1.0, ignore), one)
    sparse = ges_search.search([series], 8.0, ignore)
    assert (sparse | sparse.T).sum() < (one | one.T).sum()


def test_gains_are_differences_of_bic() -> None:
    recordings = [random_recording(1), random_recording(2, frames=90)]

    def bic(node: int, parents: list[int]) -> float:
        total = 0.0
        for series in recordings:
            inputs = np.column_stack([np.ones(len(series)), series[:, parents]])
            residual = series[:, node] - inputs @ np.linalg.lstsq(inputs, series[:, node], rcond=None)[0]
            total += -0.5 * len(series) * np.log(np.mean(residual**2)) - 0.5 * len(parents) * np.log(len(series))
        return total

    scores = ges_search.ParentScores(recordings, 1.0)
    for parents in ([], [4], [0, 5]):
        gains = scores.gains(2, frozenset(parents))
        for new in {0, 1, 3, 4, 5, 6} - set(parents):
            assert gains[new] == pytest.approx(bic(2, [*parents, new]) - bic(2, parents))


def test_a_pattern_survives_its_own_extension() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        dag = np.triu(rng.random((7, 7)) < 0.4, 1)
        order = rng.permutation(7)
        pattern = ges_search.cpdag(dag[np.ix_(order, order)])
        member = ges_search.extension(pattern)
        assert not (member & member.T).any()
        np.testing.assert_array_equal(member | member.T, pattern | pattern.T)
        np.testing.assert_array_equal(ges_search.cpdag(member), pattern)


def test_meeks_third_rule_is_applied() -> None:
    """2 -> 1 <- 3, and 0 next to all three: 0 -> 1 follows, 0 - 2 and 0 - 3 stay open."""
    dag = np.zeros((4, 4), dtype=bool)
    dag[[2, 3, 0, 0, 0], [1, 1, 1, 2, 3]] = True
    expected = dag.copy()
    expected[[2, 3], [0, 0]] = True
    np.testing.assert_array_equal(ges_search.cpdag(dag), expected)


def test_pcmci_finds_the_links_and_values_of_tigramites_own_test() -> None:
    pytest.importorskip("tigramite")
    from tigramite.data_processing import DataFrame
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    from brainbench.baselines.graph_library import quiet
    from brainbench.baselines.pcmci_search import links

    for count in (1, 3):
        recordings = []
        for seed in range(count):
            series = random_recording(20 + seed, nodes=5, frames=90 + 10 * seed)
            series[1:] += 0.5 * series[:-1]
            recordings.append((series - series.mean(axis=0)) / series.std(axis=0))
        with quiet():
            frame = DataFrame(dict(enumerate(recordings)), analysis_mode="multiple")
        expected = PCMCI(dataframe=frame, cond_ind_test=ParCorr(), verbosity=0).run_pcmciplus(tau_max=2, pc_alpha=0.01)
        found, values = links(recordings, 2, 0.01)
        assert (found != "").sum() > 4
        np.testing.assert_array_equal(found, expected["graph"])
        np.testing.assert_allclose(values, expected["val_matrix"], atol=1e-8)


@pytest.mark.parametrize(("number", "level", "directed"), [(3, 0.852, 0.753), (4, 0.874, 0.845)])
def test_levels_of_pcmci_measured_independently_are_met(
    number: int, level: float, directed: float, shared: Path
) -> None:
    """That measurement counted a link in both directions; with its direction it is worth less."""
    pytest.importorskip("tigramite")
    from brainbench.baselines.pcmci_search import links

    series = first_subject(shared, number)
    found, values = links([(series - series.mean(axis=0)) / series.std(axis=0)], 1, 0.01)
    nodes = series.shape[1]
    unit = np.arange(0, nodes, 5)
    graph = np.zeros((nodes, nodes), dtype=bool)
    folder = shared / "netsim_smith2011"
    graph[~np.eye(nodes, dtype=bool)] = np.loadtxt(folder / f"fmri_sim{number}_struct.csv", delimiter=",")
    graph = graph.T  # the file's rows are targets
    assert graph[unit, unit + 1].all()
    off = ~np.eye(nodes, dtype=bool)
    sizes = np.abs(values)
    assert roc_auc_score(graph[off], (sizes * (found != "")).max(axis=2)[off]) == pytest.approx(level, abs=1e-3)
    forward = (found != "") & (found != "<--")
    assert roc_auc_score(graph[off], (sizes * forward).max(axis=2)[off]) == pytest.approx(directed, abs=1e-3)


def test_pcmci_scores_half_where_the_direction_is_open() -> None:
    from brainbench.baselines.pcmci import _graph

    links = np.full((3, 3, 2), "", dtype="<U3")
    links[0, 1, 0], links[1, 0, 0] = "-->", "<--"
    links[1, 2, 0] = links[2, 1, 0] = "o-o"
    links[2, 0, 1] = "-->"
    values = np.full((3, 3, 2), 0.1)
    values[0, 1, 0] = values[1, 0, 0] = -0.6
    values[1, 2, 0] = values[2, 1, 0] = 0.4
    values[2, 0, 1] = 0.3
    found = _graph(links, values)
    off = ~np.eye(3, dtype=bool)
    expected = np.array([[0, 0.6, 0.05], [0.05, 0, 0.2], [0.3, 0.2, 0]])
    np.testing.assert_allclose(found.scores[off], expected[off])
    np.testing.assert_array_equal(found.native, [[0, 1, 0], [0, 0, 1], [1, 1, 0]])


def test_windows_hold_the_past_of_each_node_and_cross_no_seam() -> None:
    torch = pytest.importorskip("torch")
    from brainbench.baselines.neural_granger_network import windows

    first = torch.arange(10.0).reshape(5, 2)
    second = 100 + torch.arange(8.0).reshape(4, 2)
    pasts, frames = windows([first, second], 2)
    assert frames.tolist() == [[4, 5], [6, 7], [8, 9], [104, 105], [106, 107]]
    assert pasts.reshape(5, 2, 2)[3].tolist() == [[100, 102], [101, 103]]
    assert pasts.reshape(5, 2, 2)[0].tolist() == [[0, 2], [1, 3]]


def test_a_step_never_raises_the_objective_and_the_penalty_prunes() -> None:
    torch = pytest.importorskip("torch")
    from brainbench.baselines.neural_granger_network import FIRST_RATE, _losses, _point, _step, initial, windows

    torch.manual_seed(0)
    pasts, frames = windows([torch.randn(80, 3)], 1)
    networks, rates = initial(3, 4, 1, "cpu"), torch.full((3,), 100 * FIRST_RATE)
    before, here = torch.full((3,), torch.inf), _point(networks, pasts, frames, 0.01)
    for _ in range(60):
        here, rates = _step(here, rates, pasts, frames, 1.0, 0.01)
        networks = here.networks
        after = _losses(networks, pasts, frames, 0.01) + networks.norms().sum(dim=1)
        assert (after <= before + 1e-6).all()
        before = after
    assert (networks.norms() == 0).all()
