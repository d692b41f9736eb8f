"""BrainMass: published sizes and key names, the parts of its pretraining, planted signal."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from brainbench.baselines.brainmass import BrainMass, drop_frames, load_encoder, shrunk_correlation  # noqa: E402
from brainbench.baselines.brainmass_network import (  # noqa: E402
    Encoder,
    Pretraining,
    heads_for,
    hidden_rows,
    sinusoids,
)
from brainbench.benchmark.contracts import Pretrainable, Train  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402
from brainbench.benchmark.nn.weights import load_weights  # noqa: E402

QUICK = {"depth": 1, "feedforward": 16, "width": 12, "pretrain_epochs": 1}


def published(rois):
    options = BrainMass(**BrainMass.presets["published"])
    width = options.width or rois
    return Encoder(rois, options.depth, options.feedforward, width, options.heads, options.dropout)


def of(rois=10, width=None, dropout=0.0, heads=2):
    torch.manual_seed(0)
    return Encoder(rois, 2, 16, width or rois, heads, dropout)


def test_parameter_counts_at_100_rois_are_the_published_ones():
    encoder = published(100)
    assert encoder.heads == 10
    assert parameter_count(encoder.attention_list) == 7_240_768
    assert parameter_count(encoder.dim_reduction) == 808
    assert parameter_count(encoder.g) == 2_924_224
    assert parameter_count(encoder) == 10_165_800
    assert parameter_count(Pretraining(encoder, 100, 2048, False).predictor) == 4_201_472


def test_layers_at_450_rois_have_about_43_million():
    encoder = published(450)
    assert encoder.heads == 10
    assert parameter_count(encoder.attention_list) == pytest.approx(43e6, rel=0.02)


@pytest.mark.parametrize(("width", "heads"), [(100, 10), (450, 10), (392, 8), (116, 4), (97, 1), (24, 8)])
def test_heads_divide_the_width(width, heads):
    assert heads_for(width, 10) == heads
    assert width % heads == 0


def test_positions_are_sines_in_even_and_cosines_in_odd_columns():
    table = sinusoids(5, 7)
    assert table.shape == (5, 7)
    torch.testing.assert_close(table[0], torch.tensor([0.0, 1, 0, 1, 0, 1, 0]))
    assert float(table[3, 2]) == pytest.approx(math.sin(3 / 10_000 ** (2 / 7)), abs=1e-6)
    assert float(table[3, 3]) == pytest.approx(math.cos(3 / 10_000 ** (2 / 7)), abs=1e-6)


def test_connectivity_is_the_reference_library_s():
    connectome = pytest.importorskip("nilearn.connectome")
    series = np.random.default_rng(0).normal(size=(40, 12)) @ np.random.default_rng(1).normal(size=(12, 12))
    measure = connectome.ConnectivityMeasure(kind="correlation", standardize=True)
    np.testing.assert_allclose(shrunk_correlation(series), measure.fit_transform([series])[0], atol=1e-5)


def test_a_dead_roi_correlates_with_nothing():
    series = np.random.default_rng(0).normal(size=(40, 5))
    series[:, 2] = 7
    matrix = shrunk_correlation(series)
    assert matrix[2, 2] == 1
    assert not matrix[2, [0, 1, 3, 4]].any()
    assert np.isfinite(matrix).all()


def test_a_view_keeps_four_fifths_of_the_frames_in_their_order():
    series = np.arange(57)[:, None]
    kept = drop_frames(series, np.random.default_rng(0))[:, 0]
    assert len(kept) == 57 - 11
    assert (np.diff(kept) > 0).all()
    assert not np.array_equal(kept, drop_frames(series, np.random.default_rng(1))[:, 0])


def test_target_gets_no_gradient_and_follows_slowly():
    network = Pretraining(of(), 10, 16, False)
    first, second = torch.randn(2, 6, 10, 10)
    network.loss(first, second).backward()
    assert all(parameter.grad is None for parameter in network.target.parameters())
    assert all(p.grad is not None for name, p in network.named_parameters() if not name.startswith("target"))
    before = network.target.attention_list[0].linear1.weight.clone()
    with torch.no_grad():
        network.online.attention_list[0].linear1.weight += 1
    network.follow()
    torch.testing.assert_close(network.target.attention_list[0].linear1.weight, before + 0.004)


def test_gradients_are_clipped_by_value():
    network = Pretraining(of(), 10, 16, False)
    (1e6 * network.loss(*torch.randn(2, 6, 10, 10))).backward()
    largest = max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None)
    assert largest == 1


def test_reference_leaves_the_masking_parts_untrained():
    frozen = Pretraining(of(), 10, 16, True)
    names = {name for name, p in frozen.named_parameters() if not p.requires_grad and not name.startswith("target")}
    assert {name.split(".")[0] for name in names} == {"mask_vector", "extra_tokens", "recognise", "rebuild"}
    frozen.loss(*torch.randn(2, 6, 10, 10)).backward()
    assert frozen.online.attention_list[0].linear1.weight.grad is not None


def test_hidden_rows_are_not_seen_by_what_predicts_them():
    network = Pretraining(of(), 10, 16, False).eval()
    matrix = torch.randn(3, 10, 10)
    hidden = torch.tensor([[1, 4], [0, 9], [3, 7]])
    other = matrix.scatter(1, hidden[..., None].expand(-1, -1, 10), 99.0)
    seen = matrix.clone()
    seen[:, 2] += 1
    torch.testing.assert_close(network._masked(matrix, hidden), network._masked(other, hidden), rtol=0, atol=0)
    assert not torch.allclose(network._masked(matrix, hidden), network._masked(seen, hidden))


def test_as_many_rows_are_hidden_as_published():
    matrix = torch.zeros(4, 100, 100)
    for share, least, count in ((0.10, 2, 10), (0.05, 1, 5)):
        rows = hidden_rows(matrix, share, least)
        assert rows.shape == (4, count)
        assert all(len(set(row.tolist())) == count for row in rows)
    assert hidden_rows(matrix[:, :10], 0.05, 1).shape == (4, 1)


class Constant(torch.nn.Module):
    """The same row for every token."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, tokens):
        return torch.full((*tokens.shape[:2], 10), self.value)


@torch.no_grad()
def test_losses_have_the_values_of_their_formulas():
    network = Pretraining(of(), 10, 16, False).eval()
    # Predictions that are all alike recognise nothing: the log of the number of rows (two of ten).
    network.recognise, network.rebuild = Constant(1.0), Constant(0.0)
    assert float(network.contrast(torch.randn(3, 10, 10))) == pytest.approx(math.log(2), abs=1e-6)
    ones = torch.ones(3, 10, 10)
    assert float(network.modelling(ones)) == pytest.approx(1)
    # The same embedding on both sides: no angle is left; turned round, the largest.
    network.predictor = torch.nn.Identity()
    assert float(network.alignment(ones, ones)) == pytest.approx(0, abs=1e-5)
    assert float(network.loss(ones, ones)) == pytest.approx(0.1 * math.log(2) + 2, abs=1e-4)
    network.target.g = torch.nn.Sequential(network.online.g, Opposite())
    assert float(network.alignment(ones, ones)) == pytest.approx(8, abs=1e-4)


class Opposite(torch.nn.Module):
    def forward(self, embedding):
        return -embedding


def layout(rois=20, depth=2, feedforward=32):
    """Names and shapes of a published file's encoder."""
    shapes = {}
    for k in range(depth):
        layer = f"attention_list.{k}."
        shapes |= {
            layer + "self_attn.in_proj_weight": (3 * rois, rois),
            layer + "self_attn.in_proj_bias": (3 * rois,),
            layer + "self_attn.out_proj.weight": (rois, rois),
            layer + "self_attn.out_proj.bias": (rois,),
            layer + "linear1.weight": (feedforward, rois),
            layer + "linear1.bias": (feedforward,),
            layer + "linear2.weight": (rois, feedforward),
            layer + "linear2.bias": (rois,),
        }
        shapes |= {f"{layer}norm{n}.{part}": (rois,) for n in (1, 2) for part in ("weight", "bias")}
    shapes |= {"dim_reduction.0.weight": (8, rois), "dim_reduction.0.bias": (8,)}
    shapes |= {"g.net.0.weight": (16 * rois, 8 * rois), "g.net.0.bias": (16 * rois,)}
    shapes |= {f"g.net.1.{part}": (16 * rois,) for part in ("weight", "bias", "running_mean", "running_var")}
    shapes |= {"g.net.1.num_batches_tracked": (), "g.net.3.weight": (1024, 16 * rois), "g.net.3.bias": (1024,)}
    return shapes


def synthetic(**sizes):
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=generator) for name, shape in layout(**sizes).items()}
    return state | {"g.net.1.num_batches_tracked": torch.tensor(3)}


def test_a_published_file_fills_the_encoder_by_its_key_names(tmp_path):
    state = synthetic()
    place = tmp_path / "best_model.pth"
    other = {name: torch.zeros_like(value) for name, value in state.items()}
    torch.save(
        {
            "model": {f"online_network.{name}": value for name, value in other.items()},
            "online_network_state_dict": state,
            "target_network_state_dict": other,
        },
        place,
    )
    encoder = load_encoder(place, 20, 0.1)
    assert (len(encoder.attention_list), encoder.heads) == (2, 10)
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)


def test_weights_of_another_atlas_are_refused_with_the_reason(tmp_path, cohort, context):
    place = tmp_path / "best_model.pth"
    torch.save({"online_network_state_dict": synthetic()}, place)
    scans, labels, groups = cohort(16)
    with pytest.raises(BadOption, match="for 20 ROIs, the scans have 10"):
        BrainMass(**QUICK).fit(Train(scans, labels, groups), replace(context, checkpoint=place))


@pytest.mark.parametrize("lost", ["dim_reduction.0.weight", "attention_list.1.norm2.bias"])
def test_files_that_are_no_brainmass_are_refused(tmp_path, lost):
    state = synthetic()
    del state[lost]
    torch.save({"online_network_state_dict": state}, tmp_path / "x.pth")
    with pytest.raises(BadData, match=lost):
        load_encoder(tmp_path / "x.pth", 20, 0.1)


def test_pretrained_weights_come_back_and_are_used(tmp_path, cohort, contexts):
    scans, labels, groups = cohort(24)
    context = replace(contexts(), save=tmp_path / "saved")
    method = BrainMass(**{**QUICK, "pretrain_epochs": 2})
    assert isinstance(method, Pretrainable)
    method.pretrain([scans, cohort(12, seed=5)[0]], context)
    state, settings = load_weights(tmp_path / "saved")
    assert settings["pretraining_scans"] == 36
    assert len(settings["pretraining_losses"]) == 2
    start = replace(contexts(), checkpoint=tmp_path / "saved")
    # Sizes are those of the weights, not of the options.
    reader = BrainMass(depth=3, width=None)
    reader.fit(Train(scans, labels, groups), start)
    for name, value in reader._encoder.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    assert reader.report()["checkpoint"] == "saved"
    assert reader.report()["heads"] == settings["heads"]
    with pytest.raises(BadOption, match="--save"):
        method.pretrain([scans], contexts())


def test_pretraining_lowers_its_loss(cohort, context):
    scans, labels, groups = cohort(48)
    method = BrainMass(**{**QUICK, "pretrain_epochs": 12, "pretrain_batch": 16, "pretrain_rate": 1e-3})
    method.fit(Train(scans, labels, groups), context)
    losses = method.report()["pretraining_losses"]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("tuning", ["probe", "full"])
def test_planted_signal_is_found(cohort, context, score, tuning):
    method = BrainMass(tuning=tuning, rate=1e-3, **QUICK)
    assert score(method, cohort(160), context) > 0.85
    assert method.report()["parameters"] > 0


def test_shuffled_labels_give_chance(cohort, context, score):
    scans, labels, groups = cohort(120)
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(BrainMass(**QUICK), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


@pytest.mark.parametrize("tuning", ["probe", "full"])
def test_numbers_are_predicted_in_their_units(cohort, contexts, tuning):
    scans, labels, groups = cohort(120, effect=2.0)
    ages = 40 + 10 * labels.astype(float)
    context = contexts(kind="regression")
    method = BrainMass(tuning=tuning, rate=1e-3, **QUICK)
    method.fit(Train(scans.take(np.arange(90)), ages[:90], groups[:90]), context)
    predicted = method.predict(scans.take(np.arange(90, 120)), context)
    assert predicted.shape == (30,)
    assert np.corrcoef(predicted, ages[90:])[0, 1] > 0.6
    assert abs(predicted.mean() - 45) < 4


@pytest.mark.parametrize("options", [{}, {"noisy_test": True}, {"tuning": "full", "epochs": 2}, {"precision": "bf16"}])
def test_same_seed_same_prediction_whatever_stands_beside_a_scan(cohort, contexts, options):
    scans, labels, groups = cohort(32)
    found = []
    for seed in (0, 0, 1):
        method = BrainMass(**QUICK, **options)
        method.fit(Train(scans, labels, groups), contexts(seed=seed))
        found.append(method.predict(scans, contexts(seed=seed)))
        alone = method.predict(scans.take(np.array([5])), contexts(seed=seed))
        np.testing.assert_allclose(alone[0], found[-1][5], atol=2e-2 if "precision" in options else 1e-4)
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_noisy_test_drops_frames_downstream(cohort, context):
    scans, labels, groups = cohort(24, effect=2.0)
    clean, noisy = BrainMass(**QUICK), BrainMass(**QUICK, noisy_test=True)
    for method in (clean, noisy):
        method.fit(Train(scans, labels, groups), context)
    scan = scans[int(np.argmax(labels))]
    assert np.abs(clean.encode(scan)[0] - noisy.encode(scan)[0]).max() > 0.01


@pytest.mark.parametrize("options", [{"depth": 0}, {"pretrain_epochs": -1}, {"pretrain_batch": 1}, {"batch": 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(BadOption, match=next(iter(options))):
        BrainMass(**options)
