"""BrainGNN: published sizes, equality with the reference code, edges, losses, planted signals."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from brainbench.baselines.braingnn import BrainGNN, partial_edges  # noqa: E402
from brainbench.baselines.braingnn_network import (  # noqa: E402
    BrainGraphNetwork,
    RoiConv,
    Sizes,
    TopPool,
    among,
    consistency_loss,
    top_loss,
    two_steps,
)
from brainbench.benchmark.contracts import Train  # noqa: E402
from brainbench.benchmark.errors import BadOption  # noqa: E402
from brainbench.benchmark.nn.objective import ClassObjective  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402

QUICK = {"hidden": 32, "epochs": 15, "rate": 1e-2, "mixup": False}

GOLDEN = [
    [-0.72882639578, -0.658697238155],
    [-0.722819959541, -0.664329561358],
    [-0.727640377665, -0.659804199699],
    [-0.722830138037, -0.664319961226],
]
GOLDEN_TOP, GOLDEN_CONSISTENCY, GOLDEN_UNIT = (
    (1.4510151376363474, 1.456524377607443),
    9.06667530091986e-08,
    0.0403930328922605,
)
"""Log-probabilities and losses of the reference code (xxlya/BrainGNN_Pytorch 1e337e7, on its sparse graphs) in double
precision, with the inputs and weights below."""


def _wave(shape: tuple[int, ...], number: float) -> torch.Tensor:
    """The ``number``-th tensor of a formula that any program can repeat."""
    count = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return (0.3 * torch.sin(0.7 * count * (1 + 0.1 * number) + number)).reshape(shape)


def _inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Four connectivity matrices of 12 ROIs, and partial correlations with a ridge."""
    matrix = torch.stack([torch.corrcoef(one) for one in torch.sin(40 * _wave((4, 12, 50), 5.3))])
    eye = torch.eye(12, dtype=torch.double)
    precision = torch.linalg.inv(matrix + 0.5 * eye)
    scale = precision.diagonal(dim1=1, dim2=2).rsqrt()
    return matrix, (precision * scale[:, :, None] * scale[:, None]).abs() * (1 - eye)


def _formula_network(reference_scores: bool) -> BrainGraphNetwork:
    network = BrainGraphNetwork(Sizes(12, 2, reference_scores=reference_scores)).double().eval()
    weights = {}
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        scale = "running_var" in name or ("norm" in name and name.endswith("weight"))
        weights[name] = tensor if "num_batches" in name else _wave(tensor.shape, number) + float(scale)
    network.load_state_dict(weights)
    return network


@pytest.mark.parametrize(("rois", "count"), [(200, 93_282), (400, 154_082), (450, 169_282)])
def test_parameter_counts_are_the_published_ones(rois, count, context):
    network = BrainGNN(**BrainGNN.presets["published"]).build(((rois, rois), (rois, rois)), 2, context)
    assert parameter_count(network) == count


def test_outputs_and_losses_equal_the_reference():
    network = _formula_network(reference_scores=True)
    outputs, first, second = network.scored(*_inputs())
    np.testing.assert_allclose(torch.log_softmax(outputs, 1).detach().numpy(), GOLDEN, rtol=0, atol=1e-11)
    assert [top_loss(scores, 0.5).item() for scores in (first, second)] == pytest.approx(GOLDEN_TOP, abs=1e-12)
    consistency = consistency_loss(torch.sigmoid(first), torch.tensor([0, 1, 1, 0]), 2)
    assert consistency.item() == pytest.approx(GOLDEN_CONSISTENCY, abs=1e-13)
    assert network.pool1.unit_loss().item() == pytest.approx(GOLDEN_UNIT, abs=1e-12)


def test_losses_see_all_rois_after_one_sigmoid_unless_the_slip_is_asked_for():
    (outputs, first, second), slip = (_formula_network(switch).scored(*_inputs()) for switch in (False, True))
    torch.testing.assert_close(outputs, slip[0])
    assert (first.shape, second.shape) == ((4, 12), (4, 6))
    assert (slip[1].shape, slip[2].shape) == ((4, 6), (4, 3))
    torch.testing.assert_close(torch.sigmoid(first.topk(6, dim=1).values), slip[1])


def test_a_convolution_is_a_weighted_mean_over_neighbours_with_own_weights():
    torch.manual_seed(0)
    layer = RoiConv(4, 3, 5, 2).double()
    nodes = torch.randn(1, 4, 5, dtype=torch.double)
    edges = torch.tensor([[0, 0.5, 0, 0], [0.5, 0, 0.2, 0], [0, 0.2, 0, 0], [0, 0, 0, 0]], dtype=torch.double)[None]
    own = []
    for roi in range(4):
        weight = layer.basis(torch.relu(layer.membership(torch.eye(4, dtype=torch.double)[roi]))).reshape(5, 2)
        own.append(nodes[0, roi] @ weight)
    found = layer(nodes, edges)[0] - layer.bias
    e = np.exp
    torch.testing.assert_close(found[0], (e(1) * own[0] + e(0.5) * own[1]) / (e(1) + e(0.5)))
    torch.testing.assert_close(found[3], own[3])
    # Nodes in another order, with their identities told, come out the same.
    order = torch.tensor([[2, 0, 3, 1]])
    moved = layer(nodes[:, order[0]], among(edges, order), order)[0] - layer.bias
    torch.testing.assert_close(moved, found[order[0]])


def test_pooling_keeps_the_highest_scores_and_scales_by_them():
    pool = TopPool(2, 0.5).double()
    pool.weight.data = torch.tensor([[3.0, 4.0]]).double()
    nodes = torch.tensor([[[1.0, 0], [0, 1.0], [-1.0, 0]]]).double()
    kept, where, scores = pool(nodes)
    torch.testing.assert_close(scores, torch.sigmoid(torch.tensor([[0.6, 0.8, -0.6]]).double()))
    assert where.tolist() == [[1, 0]]
    torch.testing.assert_close(kept[0, 0], nodes[0, 1] * scores[0, 1])
    assert pool.unit_loss().item() == pytest.approx(16)


def test_two_steps_join_neighbours_of_neighbours():
    chain = torch.tensor([[[0, 0.5, 0], [0.5, 0, 0.4], [0, 0.4, 0]]])
    torch.testing.assert_close(two_steps(chain), torch.tensor([[[0, 1.0, 0.2], [1.0, 0, 0.8], [0.2, 0.8, 0]]]))


def test_consistency_is_the_trace_over_the_complete_graph():
    scores, labels = _wave((7, 5), 3).sigmoid(), torch.tensor([0, 1, 1, 0, 1, 0, 0])
    total = 0.0
    for label in range(2):
        mine = scores[labels == label]
        n = len(mine)
        laplacian = n * torch.eye(n, dtype=torch.double) - 1
        total += torch.trace(mine.T @ laplacian @ mine).item() / n**2
    assert consistency_loss(scores, labels, 2).item() == pytest.approx(total)


def test_top_loss_is_least_for_scores_of_zero_and_one():
    decided = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    assert top_loss(decided, 0.5).item() == pytest.approx(0, abs=1e-5)
    assert top_loss(torch.full((1, 4), 0.5), 0.8).item() == pytest.approx(2 * np.log(2), abs=1e-5)


def test_edges_are_partial_correlations_and_dead_rois_have_none():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(4000, 1))
    series = np.hstack([source + 0.5 * rng.normal(size=(4000, 1)) for _ in range(2)])
    # The third follows the second alone; the fourth does not move.
    series = np.hstack([series, series[:, 1:] + 0.3 * rng.normal(size=(4000, 1)), np.full((4000, 1), 7.0)])
    edges = partial_edges(series)
    assert edges.shape == (4, 4)
    assert not edges[3].any()
    assert not edges.diagonal().any()
    np.testing.assert_array_equal(edges, edges.T)
    assert edges[0, 2] < 0.1 < 0.5 < edges[1, 2]


def test_weights_of_the_losses_are_used():
    matrix, edges = _inputs()
    labels, objective = torch.nn.functional.one_hot(torch.tensor([0, 1, 1, 0]), 2).double(), ClassObjective(2)
    network = _formula_network(reference_scores=True)
    outputs, first, second = network.scored(matrix, edges)
    parts = {
        "unit": network.pool1.unit_loss() + network.pool2.unit_loss(),
        "top": top_loss(first, 0.5) + top_loss(second, 0.5),
        "consistency": consistency_loss(torch.sigmoid(first), labels.argmax(1), 2),
    }
    for name, part in parts.items():
        options = {"unit": 0.0, "top": 0.0, "consistency": 0.0, name: 3.0}
        found = BrainGNN(**options, reference_scores=True).loss(network, (matrix, edges), labels, objective)
        torch.testing.assert_close(found, objective.loss(outputs, labels) + 3 * part)


def test_planted_signal_is_found_and_shuffled_labels_give_chance(cohort, context, score):
    scans, labels, groups = cohort(160)
    assert score(BrainGNN(**QUICK), (scans, labels, groups), context) > 0.85
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(BrainGNN(**{**QUICK, "epochs": 4}), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


def test_a_planted_number_is_predicted(cohort, contexts):
    scans, labels, groups = cohort(160, classes=3)
    context = contexts(kind="regression")
    values = 30 + 8.0 * labels
    method = BrainGNN(**QUICK)
    method.fit(Train(scans.take(np.arange(120)), values[:120], groups[:120]), context)
    found = method.predict(scans.take(np.arange(120, 160)), context)
    assert np.corrcoef(found, values[120:])[0, 1] > 0.6


def test_same_seed_same_prediction(cohort, contexts):
    scans, labels, groups = cohort(40)
    predictions = []
    for seed in (0, 0, 1):
        method = BrainGNN(**{**QUICK, "epochs": 2})
        method.fit(Train(scans, labels, groups), contexts(seed=seed))
        predictions.append(method.predict(scans, contexts(seed=seed)))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert not np.array_equal(predictions[0], predictions[2])


def test_the_published_preset_halves_the_rate_every_twenty_epochs():
    recipe = BrainGNN(**BrainGNN.presets["published"]).recipe()
    assert (recipe.schedule, recipe.epochs, recipe.rate) == ("halving", 100, 0.01)


@pytest.mark.parametrize(
    ("options", "name"), [({"ratio": 1.0}, "ratio"), ({"top": -1.0}, "top"), ({"hidden": 0}, "hidden")]
)
def test_impossible_options_are_refused(options, name):
    with pytest.raises(BadOption, match=name):
        BrainGNN(**options)
