"""BNT: published sizes, equality with the reference code, heads, read-out, planted signals."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from brainbench.baselines.bnt import BNT, heads_for  # noqa: E402
from brainbench.baselines.bnt_network import (  # noqa: E402
    BrainNetworkTransformer,
    ClusterReadout,
    Sizes,
    clustering_divergence,
    orthonormal,
)
from brainbench.benchmark.contracts import Train  # noqa: E402
from brainbench.benchmark.errors import BadOption  # noqa: E402

QUICK = {"project": 16, "feedforward": 32, "clusters": 4, "epochs": 12, "rate": 1e-3, "mixup": False, "dropout": 0.0}

PUBLISHED = [(100, 1_368_690), (200, 3_980_890), (360, 11_197_210), (400, 13_585_290), (450, 16_898_890)]

GOLDEN = {
    "projection": {
        "outputs": [
            [-1.540692348073, 5.133814379836],
            [-1.526032617076, 5.149029930424],
            [-1.529195102604, 5.146874344497],
        ],
        "divergence": 0.08181043777126733,
    },
    "student": {
        "outputs": [
            [-1.122238585279, 2.875780413957],
            [-1.120544539188, 2.87653791663],
            [-1.120231792236, 2.876674983409],
        ],
        "divergence": 0.00010364426310584879,
    },
}
"""From the reference code (Wayfear/BrainNetworkTransformer 8a588aa) with the inputs and weights below, at its own
number of layers, heads, feed-forward width and reduced width, in double precision."""


def _wave(shape: tuple[int, ...], number: int) -> torch.Tensor:
    """The ``number``-th tensor of a formula that any program can repeat."""
    count = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return (0.9 * torch.sin(0.7 * count * (1 + 0.1 * number) + number)).reshape(shape)


def _matrices(rois: int = 12) -> torch.Tensor:
    series = torch.sin(40 * _wave((3, 40, rois), 5.3))
    return torch.stack([torch.corrcoef(one.T) for one in series])


def _formula_network(student: bool) -> BrainNetworkTransformer:
    network = BrainNetworkTransformer(Sizes(12, 2, 0, 0, 2, 4, 1024, 0.1, 5, student)).double().eval()
    weights = {}
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        weights[name] = _wave(tensor.shape, number) + float("norm" in name and "weight" in name)
    network.load_state_dict(weights)
    return network


@pytest.mark.parametrize(("rois", "count"), PUBLISHED)
def test_parameter_counts_are_the_published_ones(rois, count):
    """The published counts hold the frozen centres."""
    options = BNT(**BNT.presets["published"])
    with torch.device("meta"):
        network = BrainNetworkTransformer(
            Sizes(
                rois, 2, options.project, options.identity, options.layers, heads_for(rois, 0), options.feedforward,
                options.dropout, options.clusters, options.student,
            )
        )  # fmt: skip
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == count
    assert sum(tensor.numel() for tensor in network.parameters() if tensor.requires_grad) == count - 100 * rois


@pytest.mark.parametrize("kind", ["projection", "student"])
def test_outputs_and_clustering_loss_equal_the_reference(kind):
    outputs, assignment = _formula_network(kind == "student").assigned(_matrices())
    np.testing.assert_allclose(outputs.detach().numpy(), GOLDEN[kind]["outputs"], rtol=0, atol=1e-9)
    assert clustering_divergence(assignment).item() == pytest.approx(GOLDEN[kind]["divergence"], abs=1e-10)


def test_heads_divide_the_width():
    assert [heads_for(width, 0) for width in (450, 400, 392, 361, 7)] == [3, 4, 4, 1, 1]
    assert heads_for(450, 9) == 9
    with pytest.raises(BadOption, match="heads=4 does not divide the width 450") as raised:
        heads_for(450, 4)
    assert "1, 2, 3, 5, 6, 9, 10" in raised.value.hint


def test_centres_are_orthonormal_in_the_order_of_gram_schmidt():
    torch.manual_seed(3)
    centres = orthonormal(6, 20).double()
    torch.testing.assert_close(centres @ centres.T, torch.eye(6, dtype=torch.double), rtol=0, atol=1e-5)
    torch.manual_seed(3)
    start = torch.nn.init.xavier_uniform_(torch.empty(6, 20)).double()
    # Each start vector lies in the span of the centres up to its own, on the positive side.
    along = start @ centres.T
    assert float(along.triu(1).abs().max()) < 1e-5
    assert float(along.diagonal().min()) > 0


def test_assignments_are_shares_and_centres_are_frozen():
    torch.manual_seed(0)
    for student in (False, True):
        readout = ClusterReadout(9, 8, 4, student)
        _, assignment = readout(torch.randn(2, 9, 8))
        torch.testing.assert_close(assignment.sum(-1), torch.ones(2, 9))
        assert "centres" not in dict(readout.named_parameters())


def test_clustering_loss_is_zero_for_equal_shares_only():
    flat = torch.full((2, 6, 3), 1 / 3)
    assert float(clustering_divergence(flat)) == pytest.approx(0, abs=1e-6)
    assert float(clustering_divergence(torch.softmax(torch.randn(2, 6, 3), -1))) > 1e-4


def test_planted_signal_is_found_and_shuffled_labels_give_chance(cohort, context, score):
    scans, labels, groups = cohort(160)
    assert score(BNT(**QUICK), (scans, labels, groups), context) > 0.85
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(BNT(**{**QUICK, "epochs": 4}), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


def test_a_planted_number_is_predicted(cohort, contexts):
    scans, labels, groups = cohort(160, classes=3)
    context = contexts(kind="regression")
    values = 30 + 8.0 * labels
    method = BNT(**QUICK)
    method.fit(Train(scans.take(np.arange(120)), values[:120], groups[:120]), context)
    found = method.predict(scans.take(np.arange(120, 160)), context)
    assert np.corrcoef(found, values[120:])[0, 1] > 0.6


def test_same_seed_same_prediction_and_the_record_says_heads(cohort, contexts):
    scans, labels, groups = cohort(40)
    predictions = []
    for seed, extra in ((0, {}), (0, {}), (1, {}), (0, {"clustering_weight": 5.0}), (0, {"identity": 4})):
        method = BNT(**{**QUICK, "epochs": 2, **extra})
        method.fit(Train(scans, labels, groups), contexts(seed=seed))
        predictions.append(method.predict(scans, contexts(seed=seed)))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    for other in predictions[2:]:
        assert not np.array_equal(predictions[0], other)
    assert method.report()["heads"] == 4


def test_fewer_rois_than_clusters_and_odd_heads(cohort, context):
    """Ten ROIs: at most ten orthonormal centres; two of the four heads divide ten."""
    scans, labels, groups = cohort(16)
    method = BNT(**{**BNT.presets["published"], "epochs": 1})
    method.fit(Train(scans, labels, groups), context)
    assert (method.report()["heads"], method.report()["clusters"]) == (2, 10)


@pytest.mark.parametrize(
    ("options", "name"), [({"clusters": 0}, "clusters"), ({"heads": -1}, "heads"), ({"dropout": 1.0}, "dropout")]
)
def test_impossible_options_are_refused(options, name):
    with pytest.raises(BadOption, match=name):
        BNT(**options)
