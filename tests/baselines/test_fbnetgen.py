"""FBNETGEN: published sizes, equality with the reference code, true mixing, losses, planted signals."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from brainbench.baselines.fbnetgen import FBNetGen  # noqa: E402
from brainbench.baselines.fbnetgen_network import (  # noqa: E402
    GraphGenerator,
    Sizes,
    group_loss,
    mixed_group_loss,
)
from brainbench.benchmark.contracts import Train  # noqa: E402
from brainbench.benchmark.errors import BadOption  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402

QUICK = {"frames": 48, "window": 12, "width": 16, "epochs": 12, "rate": 3e-3, "mixup": False}
SMALL = {"rois": 12, "frames": 80, "outputs": 2, "embedding": 5, "gru_layers": 4, "width": 0}

GOLDEN = {
    "gru": [
        [-0.327571912031, 0.684945028953], [-0.343683796678, 0.699589595395], [-0.333092460576, 0.693150725101],
        [-0.273885431853, 0.639368838179], [-0.283839630645, 0.652097317434], [-0.326270578902, 0.683140060369],
    ],
    "cnn": [
        [-0.728911834038, 0.42633260618], [-0.729092222245, 0.426070414831], [-0.728639708138, 0.427075903762],
        [-0.728863123889, 0.426492637059], [-0.72869130869, 0.42692769059], [-0.728756569423, 0.426719542176],
    ],
}  # fmt: skip
"""Outputs of the reference code (Wayfear/BrainNetworkTransformer 8a588aa) in double precision, at the sizes `SMALL`,
windows of 4 (GRU) and 8 (CNN), with the inputs and weights below."""

GOLDEN_MIXED_GROUP, GOLDEN_GROUP = 2.1767605586415346, 2.080523830571697
"""Group losses of the same code on `_graphs` and `_labels`."""


def _wave(shape: tuple[int, ...], number: float) -> torch.Tensor:
    """The ``number``-th tensor of a formula that any program can repeat."""
    count = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return (0.3 * torch.sin(0.7 * count * (1 + 0.1 * number) + number)).reshape(shape)


def _graphs() -> torch.Tensor:
    return torch.sin(40 * _wave((6, 7, 7), 2.2)).abs()


def _labels(share: float) -> torch.Tensor:
    hard = F.one_hot(torch.tensor([0, 1, 1, 0, 1, 0]), 2).double()
    return share * hard + (1 - share) * hard[[1, 2, 3, 4, 5, 0]]


def _inputs() -> tuple[torch.Tensor, torch.Tensor]:
    series = torch.sin(40 * _wave((6, 12, 80), 5.3))
    return series, torch.stack([torch.corrcoef(one) for one in series])


def _formula_network(encoder: str, reference_mixing: bool = True) -> GraphGenerator:
    sizes = Sizes(**SMALL, encoder=encoder, window=4 if encoder == "gru" else 8, reference_mixing=reference_mixing)
    network = GraphGenerator(sizes).double().eval()
    weights = {}
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        scale = "running_var" in name or (tensor.dim() == 1 and "weight" in name)
        weights[name] = tensor if "num_batches" in name else _wave(tensor.shape, number) + float(scale)
    network.load_state_dict(weights)
    return network


@pytest.mark.parametrize(("rois", "count"), [(200, 554_694), (360, 1_162_854), (400, 1_338_894), (450, 1_572_444)])
def test_parameter_counts_are_the_published_ones(rois, count, context):
    options = FBNetGen(**FBNetGen.presets["published"])
    network = options.build(((rois, 160), (rois, rois)), 2, context)
    assert parameter_count(network) == count


@pytest.mark.parametrize("encoder", ["gru", "cnn"])
def test_outputs_equal_the_reference(encoder):
    outputs, _ = _formula_network(encoder).with_graph(*_inputs())
    np.testing.assert_allclose(outputs.detach().numpy(), GOLDEN[encoder], rtol=0, atol=1e-10)


def test_group_losses_equal_the_reference():
    assert mixed_group_loss(_graphs(), _labels(0.7)).item() == pytest.approx(GOLDEN_MIXED_GROUP, abs=1e-12)
    assert group_loss(_graphs(), _labels(1.0)).item() == pytest.approx(GOLDEN_GROUP, abs=1e-12)


def test_group_losses_of_one_class_and_of_three():
    graphs = _graphs()
    alone = F.one_hot(torch.zeros(6, dtype=int), 3).double()
    assert group_loss(graphs, alone).item() == pytest.approx(graphs.var(dim=0).mean().item())
    three = F.one_hot(torch.tensor([0, 0, 1, 1, 2, 2]), 3).double()
    means = [graphs[k : k + 2].mean(0) for k in (0, 2, 4)]
    apart = np.mean([((means[a] - means[b]) ** 2).mean() for a, b in ((0, 1), (0, 2), (1, 2))])
    within = sum(graphs[k : k + 2].var(dim=0).mean() for k in (0, 2, 4))
    assert group_loss(graphs, three).item() == pytest.approx(float(within + 2 * (1 - apart)))


def test_nodes_are_mixed_by_the_graph_unless_the_slip_is_asked_for():
    embeddings, nodes = torch.softmax(_wave((2, 6, 3), 1), -1), _wave((2, 6, 4), 2)
    graph = embeddings @ embeddings.transpose(1, 2)
    true, slip = (_formula_network("gru", switch).predictor.mix(embeddings, nodes) for switch in (False, True))
    torch.testing.assert_close(true, graph @ nodes)
    torch.testing.assert_close(slip, graph.sum(-1, keepdim=True) * nodes)


def test_series_are_scored_and_cut_to_a_multiple_of_the_window(cohort):
    scans, _, _ = cohort(4)
    for scan in scans:
        series, matrix = FBNetGen(frames=45, window=8).encode(scan)
        assert (series.shape, matrix.shape) == ((10, 40), (10, 10))
        whole = scan.series - scan.series.mean(0)
        np.testing.assert_allclose(series.T, (whole / whole.std(0))[:40], atol=1e-3)
    longer, _ = FBNetGen(frames=160, window=8).encode(scans[0])
    assert longer.shape == (10, 160)
    assert FBNetGen(encoder="cnn", frames=161, window=8).used_frames == 161


def test_prediction_loss_is_summed_or_averaged(context):
    from brainbench.benchmark.nn.objective import ClassObjective

    inputs, labels, objective = _inputs(), _labels(1.0), ClassObjective(2)
    network = _formula_network("gru")
    outputs, graphs = network.with_graph(*inputs)
    entropy = objective.loss(outputs, labels)
    for way, factor in (("sum", 12), ("mean", 2)):
        found = FBNetGen(cross_entropy=way, mixup=False).loss(network, inputs, labels, objective)
        wanted = factor * entropy + group_loss(graphs, labels) + 1e-4 * graphs.sum()
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("encoder", ["gru", "cnn"])
def test_planted_signal_is_found(encoder, cohort, context, score):
    options = QUICK if encoder == "gru" else {**QUICK, "frames": 64, "window": 4}
    assert score(FBNetGen(**options, encoder=encoder), cohort(160), context) > 0.85


def test_shuffled_labels_give_chance(cohort, context, score):
    scans, labels, groups = cohort(160)
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(FBNetGen(**{**QUICK, "epochs": 4}), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


def test_a_planted_number_is_predicted(cohort, contexts):
    scans, labels, groups = cohort(160, classes=3)
    context = contexts(kind="regression")
    values = 30 + 8.0 * labels
    method = FBNetGen(**QUICK)
    method.fit(Train(scans.take(np.arange(120)), values[:120], groups[:120]), context)
    found = method.predict(scans.take(np.arange(120, 160)), context)
    assert np.corrcoef(found, values[120:])[0, 1] > 0.6


def test_same_seed_same_prediction_and_other_options_another(cohort, contexts):
    scans, labels, groups = cohort(40)
    predictions = []
    for seed, extra in (
        (0, {}),
        (0, {}),
        (1, {}),
        (0, {"group_weight": 0}),
        (0, {"sparsity": 1}),
        (0, {"mixup": True}),
    ):
        method = FBNetGen(**{**QUICK, "epochs": 2, **extra})
        method.fit(Train(scans, labels, groups), contexts(seed=seed))
        predictions.append(method.predict(scans, contexts(seed=seed)))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    for other in predictions[2:]:
        assert not np.array_equal(predictions[0], other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window"),
        ({"sparsity": -1.0}, "sparsity"),
        ({"frames": 10, "window": 16}, "too short for the gru"),
        ({"frames": 60, "window": 8, "encoder": "cnn"}, "too short for the cnn"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(BadOption, match=message):
        FBNetGen(**options)


def test_the_least_frames_of_the_convolutions_leave_one_number():
    method = FBNetGen(encoder="cnn", frames=66, window=8)
    network = method.build(((5, 66), (5, 5)), 2, None)
    assert network.eval()(torch.randn(2, 5, 66), torch.randn(2, 5, 5)).shape == (2, 2)
