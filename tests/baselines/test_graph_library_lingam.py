"""DirectLiNGAM against the package lingam, and against independently measured levels on real simulations."""

from __future__ import annotations

import io
import re
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from brainbench.baselines import lingam_order
from brainbench.baselines.direct_lingam import DirectLiNGAM
from brainbench.benchmark.contracts import Context

# From lingam 1.13.0 (numpy 2.2.6, scipy 1.13.1, scikit-learn 1.9.1) in an environment of its own:
# DirectLiNGAM().fit(x) for each x of recordings(), and MultiGroupDirectLiNGAM().fit(recordings());
# causal_order_, and the non-zero weights of adjacency_matrix_ as {(source, target): weight}.
ORDERS = [[5, 2, 4, 1, 3, 0], [5, 3, 2, 1, 0, 4], [5, 3, 4, 2, 1, 0]]
COMMON_ORDER = [5, 4, 2, 3, 1, 0]
WEIGHTS = [
    {(2, 0): -0.844204, (2, 1): 0.194887, (4, 0): -0.369199, (4, 3): 0.521938, (5, 0): 0.638767, (5, 3): 0.4531},
    {(1, 0): 0.410788, (1, 4): 0.073192, (2, 1): -0.431887, (3, 1): -0.505359, (5, 0): 0.520812, (5, 1): -0.360208,
     (5, 3): -0.473097, (5, 4): -0.852854},
    {(1, 0): 0.358272, (3, 4): -0.255703, (4, 0): 0.380197, (4, 2): 0.175553, (5, 3): -0.536816, (5, 4): 0.465983},
]  # fmt: skip
COMMON_SIZES = {
    (1, 0): 0.256354, (2, 0): 0.281401, (2, 1): 0.202683, (3, 1): 0.155103, (4, 0): 0.249798, (4, 1): 0.119699,
    (4, 2): 0.058518, (4, 3): 0.173979, (5, 0): 0.386526, (5, 3): 0.487671, (5, 4): 0.487146,
}  # fmt: skip


def recordings() -> list[np.ndarray]:
    """Three recordings with one causal order, 5 to 0, and graphs of their own."""
    rng = np.random.default_rng(7)
    made = []
    for _ in range(3):
        weights = np.triu(rng.uniform(-0.9, 0.9, (6, 6)), 1) * (np.triu(rng.random((6, 6)), 1) > 0.4)
        noise = rng.laplace(size=(300, 6)) * rng.uniform(0.5, 3, 6)
        made.append((noise @ np.linalg.inv(np.eye(6) - weights))[:, ::-1])
    return made


def matrix(cells: dict[tuple[int, int], float]) -> np.ndarray:
    filled = np.zeros((6, 6))
    filled[tuple(np.transpose(list(cells)))] = list(cells.values())
    return filled


def test_orders_and_weights_are_those_of_the_package() -> None:
    for series, order, cells in zip(recordings(), ORDERS, WEIGHTS, strict=True):
        np.testing.assert_array_equal(lingam_order.causal_order([series]), order)
        np.testing.assert_allclose(lingam_order.weights(series, np.array(order)), matrix(cells), atol=1e-6)


def test_the_common_order_and_its_weights_are_those_of_the_package() -> None:
    series = recordings()
    order = lingam_order.causal_order(series)
    np.testing.assert_array_equal(order, COMMON_ORDER)
    sizes = np.mean([np.abs(lingam_order.weights(one, order)) for one in series], axis=0)
    np.testing.assert_allclose(sizes, matrix(COMMON_SIZES), atol=1e-6)


def test_long_recordings_are_read_in_blocks_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    series = recordings()[0]
    whole = lingam_order._residual_entropies(lingam_order._standardised(series.T))
    monkeypatch.setattr(lingam_order, "BLOCK_VALUES", 6 * 37)
    blocks = lingam_order._residual_entropies(lingam_order._standardised(series.T))
    np.testing.assert_allclose(blocks, whole, rtol=1e-12)


def test_fifty_nodes_take_a_second() -> None:
    """The package takes 7 to 30 s."""
    series = np.random.default_rng(0).laplace(size=(200, 50))
    start = time.process_time()
    lingam_order.weights(series, lingam_order.causal_order([series]))
    assert time.process_time() - start < 3


def netsim(data: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """(subject, time, node), and the graph [source, target]; the file's rows are targets."""
    folder = data / "netsim_smith2011"
    series = np.load(folder / f"fmri_sim{number}.npy")[..., 0].transpose(0, 2, 1)
    graph = np.zeros(series.shape[2:] * 2, dtype=bool)
    graph[~np.eye(len(graph), dtype=bool)] = np.loadtxt(folder / f"fmri_sim{number}_struct.csv", delimiter=",")
    return series, graph.T


def sanchez(data: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    folder = data / "feedback_sanchezromero2019"
    with tarfile.open(folder / f"Network{number}_amp.tar.gz") as archive:
        names = sorted(member.name for member in archive.getmembers() if member.isfile() and member.size)
        series = np.stack([np.loadtxt(io.BytesIO(archive.extractfile(name).read()), skiprows=1) for name in names])  # type: ignore[union-attr]
    text = (folder / "ground_truth" / f"Network{number}_amp.ground.truth.graph.txt").read_text()
    pairs = np.array(re.findall(r"X(\d+) --> X(\d+)", text), dtype=int) - 1
    graph = np.zeros(series.shape[2:] * 2, dtype=bool)
    graph[tuple(pairs.T)] = True
    return series, graph


@pytest.mark.parametrize(
    ("source", "number", "subject", "group"),
    [
        (netsim, 1, 0.773, 1.0),
        (netsim, 2, 0.784, 1.0),
        (netsim, 3, 0.746, 0.990),
        (sanchez, 1, 0.876, 1.0),
        (sanchez, 4, 0.690, 0.958),
        (sanchez, 7, 0.856, 1.0),
    ],
)
def test_levels_measured_independently_are_met(
    source: object, number: int, subject: float, group: float, shared: Path, context: Context
) -> None:
    """Mean AUROC over subjects, and AUROC of the mean score, as measured with the package on z-scored series."""
    series, graph = source(shared, number)  # type: ignore[operator]
    scores = np.stack([DirectLiNGAM().graph(one, 3.0, context).scores for one in series])
    off = ~np.eye(len(graph), dtype=bool)
    each = np.mean([roc_auc_score(graph[off], one[off]) for one in scores])
    assert each == pytest.approx(subject, abs=0.001)
    assert roc_auc_score(graph[off], scores.mean(axis=0)[off]) == pytest.approx(group, abs=0.001)
