"""What every numpy connectivity baseline must hold: direction, order and scale of nodes, short recordings, speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainbench.baselines.controls import AllEdges, RandomGraph
from brainbench.baselines.correlation import Correlation
from brainbench.baselines.fask import Fask
from brainbench.baselines.granger import Granger
from brainbench.baselines.graph_baseline import GraphBaseline
from brainbench.baselines.lsgc import LargeScaleGranger
from brainbench.baselines.notears import Notears
from brainbench.baselines.pairwise_lingam import PairwiseLingam
from brainbench.baselines.partial_correlation import PartialCorrelation
from brainbench.baselines.patel import Patel
from brainbench.baselines.rdcm import RegressionDcm
from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.kinds.connectivity import Network

CONTEXT = Context(TaskInfo("toy", "connectivity", "graph", track="subject"), 3, Path())
METHODS: dict[str, GraphBaseline] = {
    "correlation": Correlation(),
    "partial-correlation": PartialCorrelation(),
    "partial-correlation:plain": PartialCorrelation(shrink=False),
    "granger": Granger(),
    "granger:lag-2": Granger(lags=2),
    "granger:ridge": Granger(ridge=0.1),
    "lsgc": LargeScaleGranger(),
    "patel": Patel(),
    "patel:graded": Patel(threshold=None),
    "pairwise-lingam:skew": PairwiseLingam(),
    "pairwise-lingam:tanh": PairwiseLingam("tanh"),
    "pairwise-lingam:skew-plain": PairwiseLingam(shrink=False),
    "rdcm": RegressionDcm(),
    "notears": Notears(),
    "notears:raw": Notears(standardised=False),
    "fask": Fask(),
    "fask:uncentred": Fask(centred=False),
}
UNITS_MATTER = {"notears:raw"}
SIGN_MATTERS = {"patel", "patel:graded", "notears", "notears:raw"}
"""NOTEARS' optimum is local, and the order it starts from follows the nodes' values."""
SYMMETRIC = {"correlation", "partial-correlation", "partial-correlation:plain"}


def by_name(*left_out: str) -> pytest.MarkDecorator:
    kept = [name for name in METHODS if name not in left_out]
    return pytest.mark.parametrize("name", kept)


def mixed_series(frames: int = 200, nodes: int = 5, seed: int = 0) -> np.ndarray:
    """An autoregression with instantaneous links and skewed noise, in odd units: 0 -> 1 -> 2 -> ..., 0 -> last."""
    rng = np.random.default_rng(seed)
    links = np.diag(np.full(nodes - 1, 0.5), 1)
    links[0, -1] = 0.4
    now = np.linalg.inv(np.eye(nodes) - links)
    series = np.zeros((frames, nodes))
    for frame in range(1, frames):
        series[frame] = (0.4 * series[frame - 1] + rng.gamma(2, size=nodes) - 2) @ now
    return series * np.linspace(0.5, 40, nodes) + np.linspace(-5, 900, nodes)


def scores_of(method: GraphBaseline, series: np.ndarray, tr: float = 2.0) -> np.ndarray:
    return method.graph(series, tr, CONTEXT).scores


@by_name()
def test_scores_are_finite_nonnegative_and_repeatable(name: str) -> None:
    series = mixed_series()
    kept = series.copy()
    first, second = (METHODS[name].graph(series, 2.0, CONTEXT) for _ in range(2))
    assert first.scores.shape == (5, 5)
    assert np.all(np.isfinite(first.scores))
    assert first.scores.min() >= 0
    assert np.all(np.diag(first.scores) == 0)
    assert np.count_nonzero(first.scores) >= 5
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(series, kept)
    assert METHODS[name].seeded is False


@by_name()
@pytest.mark.parametrize("nodes", [5, 12])
def test_the_order_of_nodes_does_not_matter(name: str, nodes: int) -> None:
    series = mixed_series(nodes=nodes, seed=1)
    order = np.random.default_rng(2).permutation(nodes)
    plain, shuffled = (METHODS[name].graph(values, 2.0, CONTEXT) for values in (series, series[:, order]))
    np.testing.assert_allclose(shuffled.scores, plain.scores[np.ix_(order, order)], atol=1e-8)
    if plain.native is not None:
        np.testing.assert_array_equal(shuffled.native, plain.native[np.ix_(order, order)])


@by_name(*UNITS_MATTER)
def test_units_do_not_matter(name: str) -> None:
    series = mixed_series(seed=3)
    scaled = 7 + series * np.array([0.01, 3, 1, 250, 0.5])
    tolerance = 1e-2 if name == "notears" else 1e-8
    np.testing.assert_allclose(scores_of(METHODS[name], scaled), scores_of(METHODS[name], series), atol=tolerance)


def test_units_matter_to_raw_notears() -> None:
    series = mixed_series(seed=3)
    raw = METHODS["notears:raw"]
    assert np.abs(scores_of(raw, series) - scores_of(raw, series / series.std(axis=0))).max() > 0.1


@by_name(*SIGN_MATTERS)
def test_the_sign_of_a_node_does_not_matter(name: str) -> None:
    series = mixed_series(seed=4)
    turned = series * np.array([1, -1, 1, 1, -1])
    np.testing.assert_allclose(scores_of(METHODS[name], turned), scores_of(METHODS[name], series), atol=1e-8)


@pytest.mark.parametrize("name", sorted(SYMMETRIC))
def test_symmetric_methods_are_exactly_symmetric(name: str) -> None:
    scores = scores_of(METHODS[name], mixed_series(nodes=12))
    np.testing.assert_array_equal(scores, scores.T)


def skewed_pair(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    cause = rng.gamma(2, size=frames)
    return cause, 0.6 * cause + rng.gamma(2, size=frames)


def sparse_pair(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    cause = rng.laplace(size=frames)
    return cause, 0.7 * cause + rng.laplace(size=frames)


def lagged_pair(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    series = np.zeros((frames, 2))
    for frame in range(1, frames):
        series[frame] = series[frame - 1] @ np.array([[0.5, 0.4], [0, 0.5]]) + rng.normal(size=2)
    return series[:, 0], series[:, 1]


def pulse_pair(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The target is active with its source, and at other times too."""
    cause = rng.random(frames) < 0.2
    target = (cause & (rng.random(frames) < 0.9)) | (rng.random(frames) < 0.25)
    return cause + 0.1 * rng.normal(size=frames), target + 0.1 * rng.normal(size=frames)


PAIRS: list[tuple[str, Callable[..., tuple[np.ndarray, np.ndarray]]]] = [
    ("granger", lagged_pair),
    ("granger:lag-2", lagged_pair),
    ("granger:ridge", lagged_pair),
    ("lsgc", lagged_pair),
    ("rdcm", lagged_pair),
    ("patel", pulse_pair),
    ("patel:graded", pulse_pair),
    ("pairwise-lingam:skew", skewed_pair),
    ("pairwise-lingam:skew-plain", skewed_pair),
    ("pairwise-lingam:tanh", sparse_pair),
    ("notears:raw", sparse_pair),
    ("fask", skewed_pair),
    ("fask:uncentred", skewed_pair),
]


@pytest.mark.parametrize(("name", "system"), PAIRS, ids=[name for name, _ in PAIRS])
@pytest.mark.parametrize("seed", range(3))
def test_two_nodes_are_oriented(name: str, system: Callable[..., tuple[np.ndarray, np.ndarray]], seed: int) -> None:
    cause, target = system(np.random.default_rng(seed), 1000)
    forward = scores_of(METHODS[name], np.column_stack([cause, target]))
    backward = scores_of(METHODS[name], np.column_stack([target, cause]))
    assert forward[0, 1] > 1.5 * forward[1, 0]
    assert backward[1, 0] > 1.5 * backward[0, 1]


def test_negative_links_are_oriented_too() -> None:
    rng = np.random.default_rng(0)
    cause = rng.gamma(2, size=1000)
    series = np.column_stack([cause, -0.6 * cause + rng.gamma(2, size=1000)])
    for name in ("pairwise-lingam:skew", "fask"):
        scores = scores_of(METHODS[name], series)
        assert scores[0, 1] > scores[1, 0], name


def test_two_standardised_nodes_tie_for_notears() -> None:
    """Least squares cannot tell the direction of one link between nodes of equal variance."""
    scores = scores_of(METHODS["notears"], np.column_stack(sparse_pair(np.random.default_rng(0), 1000)))
    assert scores[0, 1] == pytest.approx(scores[1, 0], abs=1e-6)


@by_name()
def test_two_frames_are_too_few_for_any_method(name: str) -> None:
    with pytest.raises(BadData, match="2 frames are too few") as caught:
        scores_of(METHODS[name], mixed_series()[:2])
    assert caught.value.hint


@pytest.mark.parametrize(
    ("method", "frames"),
    [
        (PartialCorrelation(shrink=False), 31),
        (PairwiseLingam(shrink=False), 31),
        (Granger(), 33),
        (Granger(lags=2), 64),
        (LargeScaleGranger(variance=1.0), 33),
    ],
)
def test_least_frames(method: GraphBaseline, frames: int) -> None:
    """One frame fewer is refused, with the numbers in the message."""
    series = np.random.default_rng(0).normal(size=(200, 30))
    assert np.all(np.isfinite(scores_of(method, series[: frames + 1])))
    with pytest.raises(BadData, match=f"{frames} frames are too few .*30 nodes"):
        scores_of(method, series[:frames])


@pytest.mark.parametrize("name", ["partial-correlation:plain", "granger"])
def test_equal_nodes_are_named_as_the_reason(name: str) -> None:
    series = mixed_series()
    with pytest.raises(BadData, match="depend linearly"):
        scores_of(METHODS[name], series[:, [0, 1, 2, 2]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Granger(lags=0),
        lambda: Granger(ridge=-1),
        lambda: LargeScaleGranger(variance=0),
        lambda: LargeScaleGranger(lags=0),
        lambda: Patel(threshold=1.5),
        lambda: PairwiseLingam("kurtosis"),
        lambda: RegressionDcm(spread=0),
        lambda: Notears(sparsity=-0.1),
        lambda: Notears(tolerance=0),
        lambda: Fask(alpha=0),
        lambda: Fask(depth=-1),
    ],
)
def test_bad_options_are_refused(make: Callable[[], GraphBaseline]) -> None:
    with pytest.raises(BadOption):
        make()


@by_name()
def test_presets_name_options(name: str) -> None:
    kind = type(METHODS[name])
    for options in kind.presets.values():
        kind(**options)
    assert kind.card.title
    assert kind.card.notes


@by_name()
def test_seconds_on_a_small_network(name: str) -> None:
    series = mixed_series()
    scores_of(METHODS[name], series)
    start = time.perf_counter()
    scores_of(METHODS[name], series)
    assert time.perf_counter() - start < 5


def test_random_graph_follows_seed_and_recording() -> None:
    one, other = mixed_series(seed=0), mixed_series(seed=1)
    method, later = RandomGraph(), Context(CONTEXT.task, 4, Path())
    scores = method.graph(one, 2.0, CONTEXT).scores
    assert method.seeded
    np.testing.assert_array_equal(scores, method.graph(one, 2.0, CONTEXT).scores)
    assert not np.array_equal(scores, method.graph(other, 2.0, CONTEXT).scores)
    assert not np.array_equal(scores, method.graph(one, 2.0, later).scores)
    off = scores[~np.eye(5, dtype=bool)]
    assert len(set(off)) == 20
    assert 0 < off.min() < off.max() < 1


def test_random_graph_is_uniform() -> None:
    draws = [RandomGraph().graph(mixed_series(20, seed=seed), 2.0, CONTEXT).scores for seed in range(200)]
    mean = np.mean(draws, axis=0)[~np.eye(5, dtype=bool)]
    assert np.abs(mean - 0.5).max() < 4 * np.sqrt(1 / 12 / 200)


def test_all_edges_is_constant() -> None:
    scores = AllEdges().graph(mixed_series(), 2.0, CONTEXT).scores
    np.testing.assert_array_equal(scores, 1 - np.eye(5))


@pytest.mark.parametrize("method", [RandomGraph(), AllEdges(), Granger(), PairwiseLingam()])
def test_methods_with_a_group_form_give_one_graph(method: GraphBaseline) -> None:
    task = TaskInfo("toy", "connectivity", "graph", track="multi-group")
    network = Network(tuple(mixed_series(seed=seed) for seed in range(3)), 2.0)
    assert method.skip(task) is None
    found = method.predict([network], Context(task, 3, Path()))
    assert found.scores[0].shape == (5, 5)


@pytest.mark.parametrize("method", [Correlation(), RegressionDcm(), Fask()])
def test_methods_without_a_group_form_skip(method: GraphBaseline) -> None:
    assert method.skip(TaskInfo("toy", "connectivity", "graph", track="multi-group"))
