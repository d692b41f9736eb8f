"""BrainNetCNN: the published layers, exact algebra, dropout at test time, planted signal."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from brainbench.baselines.brainnetcnn import BrainNetCNN  # noqa: E402
from brainbench.baselines.brainnetcnn_network import BrainNetwork, pair_sum  # noqa: E402
from brainbench.benchmark.contracts import Train  # noqa: E402
from brainbench.benchmark.errors import BadOption  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402

QUICK = {"edge_channels": 3, "graph_channels": 8, "epochs": 12, "rate": 3e-3, "mixup": False}


class Convolutions(nn.Module):
    """The same network with real convolutions over rows and columns."""

    def __init__(self, network: BrainNetwork, rois: int) -> None:
        super().__init__()
        self.edge = nn.ModuleList()
        for row, column in ((network.rows1, network.columns1), (network.rows2, network.columns2)):
            self.edge.append(nn.ModuleList([self._convolution(row, False), self._convolution(column, True)]))
        self.nodes = self._convolution(network.nodes, False)
        self.graph = nn.Conv2d(1, network.dense[0].out_features, (rois, 1))
        self.graph.weight.data = network.dense[0].weight.data[:, None, :, None].clone()
        self.graph.bias.data = network.dense[0].bias.data.clone()
        self.rest = network.dense[1:]

    @staticmethod
    def _convolution(strips: nn.Module, columns: bool) -> nn.Conv2d:
        channels, rois, out = strips.weight.shape
        layer = nn.Conv2d(channels, out, (rois, 1) if columns else (1, rois))
        weight = strips.weight.data.permute(2, 0, 1)
        layer.weight.data = weight[..., None].clone() if columns else weight[:, :, None].clone()
        layer.bias.data = strips.bias.data.clone()
        return layer

    def forward(self, x):
        x = x[:, None]
        for row, column in self.edge:
            x = F.leaky_relu(row(x) + column(x), 0.33)
        x = F.leaky_relu(self.nodes(x), 0.33)
        x = F.leaky_relu(self.graph(x), 0.33).flatten(1)
        for layer in self.rest:
            x = F.leaky_relu(layer(x), 0.33)
        return x


@pytest.mark.parametrize(("rois", "count"), [(100, 485_277), (200, 933_277), (400, 1_829_277), (450, 2_053_277)])
def test_parameter_counts_are_the_published_ones(rois, count):
    options = BrainNetCNN(**BrainNetCNN.presets["published"])
    network = BrainNetwork(rois, 2, options.edge_channels, options.graph_channels, False)
    assert parameter_count(network) == count


def test_network_and_its_gradients_equal_convolutions():
    torch.manual_seed(0)
    network = BrainNetwork(13, 2, 4, 16, False).double().eval()
    peer = Convolutions(network, 13).double()
    # Not symmetric, so that a swap of rows and columns would show.
    matrix = torch.randn(5, 13, 13, dtype=torch.double)
    first, second = matrix.clone().requires_grad_(), matrix.clone().requires_grad_()
    ours, theirs = network(first), peer(second)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    ours.sin().sum().backward()
    theirs.sin().sum().backward()
    torch.testing.assert_close(first.grad, second.grad, rtol=0, atol=1e-12)
    for strips, layer in ((network.rows2, peer.edge[1][0]), (network.nodes, peer.nodes)):
        expected = layer.weight.grad[:, :, 0].permute(1, 2, 0)
        torch.testing.assert_close(strips.weight.grad, expected, rtol=0, atol=1e-12)


def test_pair_sum_with_equal_values_and_zeros():
    left = torch.tensor([[[0.0, 1.0, -1.0]]])
    right = torch.tensor([[[0.0, 1.0, -1.0, 1.0]]])
    weight = torch.randn(1, 4, 2)
    direct = torch.einsum("bcij,cjo->bio", F.leaky_relu(left[..., None] + right[:, :, None], 0.33), weight)
    torch.testing.assert_close(pair_sum(left, right, weight), direct)


def test_pair_sum_has_the_gradients_of_finite_differences():
    torch.manual_seed(1)
    sizes = ((2, 3, 5), (2, 3, 4), (3, 4, 2))
    inputs = tuple(torch.randn(size, dtype=torch.double, requires_grad=True) for size in sizes)
    assert torch.autograd.gradcheck(pair_sum, inputs)


def test_pair_sum_under_mixed_precision_is_in_full_precision():
    strips = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    weight = torch.randn(3, 5, 2)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = pair_sum(*strips, weight)
    torch.testing.assert_close(mixed, pair_sum(*strips, weight), rtol=0, atol=0)


def test_dropout_is_off_at_test_time_unless_asked_for():
    torch.manual_seed(0)
    matrix = torch.randn(4, 9, 9)
    network = BrainNetwork(9, 2, 2, 32, False).eval()
    torch.testing.assert_close(network(matrix), network(matrix), rtol=0, atol=0)
    slip = BrainNetwork(9, 2, 2, 32, True).eval()
    assert not torch.equal(slip(matrix), slip(matrix))


def test_planted_signal_is_found_and_shuffled_labels_give_chance(cohort, context, score):
    scans, labels, groups = cohort(160)
    assert score(BrainNetCNN(**QUICK), (scans, labels, groups), context) > 0.85
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(BrainNetCNN(**{**QUICK, "epochs": 4}), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


def test_same_seed_same_prediction_and_other_seed_another(cohort, contexts):
    scans, labels, groups = cohort(40)
    predictions = []
    for seed, always_on in ((0, False), (0, False), (1, False), (0, True), (0, True)):
        method = BrainNetCNN(**{**QUICK, "epochs": 2}, always_on_dropout=always_on)
        method.fit(Train(scans, labels, groups), contexts(seed=seed))
        predictions.append(method.predict(scans, contexts(seed=seed)))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    np.testing.assert_array_equal(predictions[3], predictions[4])
    assert not np.array_equal(predictions[0], predictions[2])
    assert not np.array_equal(predictions[0], predictions[3])


def test_few_scans_train_without_validation_and_say_so(cohort, context):
    scans, labels, groups = cohort(8)
    method = BrainNetCNN(**{**QUICK, "epochs": 3})
    method.fit(Train(scans, labels, groups), context)
    assert method.report()["validation_scans"] == 0
    assert method.report()["best_epoch"] == 3


def test_impossible_options_are_refused():
    with pytest.raises(BadOption, match="batch"):
        BrainNetCNN(batch=0)
