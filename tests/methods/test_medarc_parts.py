"""The encoder's parts against computations of their own."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from brainbench.benchmark.errors import BadOption
from brainbench.methods.medarc.hidden import rotate
from brainbench.methods.medarc.kernels import TemporalConv, lags, response_energy, told_lags
from brainbench.methods.medarc.network import Encoder
from brainbench.methods.medarc.options import PRESETS, Options
from brainbench.methods.medarc.training import masked_error

PUBLISHED_STREAMS = {"llama": 3072, "whisper": 1280, "qwen": 2048, "internvl": 5120, "vjepa2": 1408}


def encoder(streams, subjects=2, parcels=3, seed=0, **options) -> Encoder:
    torch.manual_seed(seed)
    made = Encoder(streams, subjects, parcels, Options(**{"width": 4, "kernel": 5, **options}))
    for parameter in made.parameters():  # zero biases would hide mistakes
        torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def numpy_forward(made: Encoder, features, present, positive=False, causal=False, tied=False) -> np.ndarray:
    """Linear map, then for each channel the sum over lags, then the sum of streams, then both heads."""
    state = {name: value.double().numpy() for name, value in made.state_dict().items()}
    total = 0.0
    for k, x in enumerate(features):
        x = x.double().numpy()
        x = (x - state[f"embeddings.{k}.centre"]) * state[f"embeddings.{k}.scale"]
        z = x @ state[f"embeddings.{k}.linear.weight"].T + state[f"embeddings.{k}.linear.bias"]
        if z.ndim == 4:
            z = z.mean(axis=2)
        w, b = state[f"embeddings.{k}.conv.weight"], state[f"embeddings.{k}.conv.bias"]
        length, half = w.shape[1], w.shape[1] // 2
        y = np.zeros_like(z)
        for t in range(z.shape[1]):
            for j in range(length):
                lag = half - j
                if (causal and lag < 0) or not 0 <= t - lag < z.shape[1]:
                    continue
                for c in range(z.shape[2]):
                    value = w[0 if tied else c, j]
                    y[:, t, c] += (abs(value) if positive else value) * z[:, t - lag, c]
        total = total + (y + b) * present.numpy()[:, k, None, None]
    group = total @ state["group_head.weight"].T + state["group_head.bias"]
    own = [
        total @ state[f"subject_heads.{s}.weight"].T + state[f"subject_heads.{s}.bias"] for s in range(made.subjects)
    ]
    return np.stack([group + one for one in own], axis=2)


@pytest.mark.parametrize("options", [{}, {"positive": True}, {"causal": True}, {"tied": True}])
def test_forward_is_what_numpy_computes(options):
    made = encoder({"a": (6,), "b": (3, 5)}, standardise=True, **options)
    made.embeddings[0].centre.fill_(0.3)
    made.embeddings[0].scale.fill_(2.0)
    features = [torch.randn(2, 11, 6), torch.randn(2, 11, 3, 5)]
    present = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    out = made(features, present)
    assert out.shape == (2, 11, 2, 3)
    np.testing.assert_allclose(out.detach().numpy(), numpy_forward(made, features, present, **options), atol=1e-5)


@pytest.mark.parametrize(("heads", "maps"), [("both", 5), ("group", 1), ("subject", 4)])
@pytest.mark.parametrize(("kernel", "tied"), [(45, False), (45, True), (0, False)])
def test_published_number_of_parameters(heads, maps, kernel, tied):
    """Linear maps with bias, one kernel a channel (or stream) and a bias a channel, and linear heads of 1000."""
    options = Options(**{**PRESETS["published"], "heads": heads, "kernel": kernel, "tied": tied})
    made = Encoder({name: (size,) for name, size in PUBLISHED_STREAMS.items()}, 4, 1000, options)
    d = 192
    kernels = 0 if not kernel else (1 if tied else d) * kernel + d
    expected = sum(size * d + d + kernels for size in PUBLISHED_STREAMS.values()) + maps * (d * 1000 + 1000)
    assert sum(p.numel() for p in made.parameters()) == expected
    if (heads, kernel, tied) == ("both", 45, False):
        assert expected == 3_492_296


def test_published_defaults():
    options = Options(**PRESETS["published"])
    options.verify()
    assert (options.width, options.kernel, options.rate, options.weight_decay) == (192, 45, 3e-4, 0.1)
    assert (options.batch, options.crop, options.crops, options.epochs, options.patience) == (16, 64, 2000, 10, 1)
    assert (options.heads, options.pool, options.hidden, options.causal) == ("both", "avg", "none", False)
    assert options.common_runs
    assert not options.standardise
    assert not options.live_weights


def test_initial_weights_are_small_normals_and_zero_biases():
    made = Encoder({"a": (600,)}, 2, 500, Options(width=64, kernel=15))
    for name, values in made.named_parameters():
        if name.endswith("bias"):
            assert not values.any()
        else:
            assert values.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("lag", [3, 0, -2])
def test_a_kernel_moves_what_follows_by_its_lag(lag):
    conv = TemporalConv(1, 9)
    torch.nn.init.zeros_(conv.weight)
    position = list(lags(9)).index(lag)
    conv.weight.data[0, position] = 1
    x = torch.zeros(1, 20, 1)
    x[0, 10] = 1
    assert conv(x)[0, :, 0].argmax() == 10 + lag


def test_the_ends_of_a_run_are_padded_with_zeros():
    conv = TemporalConv(1, 5)
    torch.nn.init.ones_(conv.weight)
    np.testing.assert_allclose(conv(torch.ones(1, 6, 1))[0, :, 0].detach().numpy(), [3, 4, 5, 5, 4, 3])


def test_a_causal_kernel_never_sees_the_future():
    conv = TemporalConv(4, 9, causal=True)
    assert not conv.kernel[:, lags(9) < 0].any()
    assert conv.kernel[:, lags(9) >= 0].all()
    x = torch.randn(1, 30, 4)
    changed = x.clone()
    changed[0, 15:] += 100
    np.testing.assert_array_equal(conv(x)[0, :15].detach(), conv(changed)[0, :15].detach())
    assert (conv(x)[0, 15:] != conv(changed)[0, 15:]).all()


def test_an_open_kernel_sees_the_future():
    conv = TemporalConv(4, 9)
    x = torch.randn(1, 30, 4)
    changed = x.clone()
    changed[0, 15] += 100
    assert (conv(x)[0, 11:15] != conv(changed)[0, 11:15]).all()


def test_positive_and_tied_kernels():
    positive = TemporalConv(8, 9, positive=True)
    assert (positive.weight < 0).any()
    assert (positive.kernel >= 0).all()
    tied = TemporalConv(8, 9, tied=True)
    assert tied.weight.shape == (1, 9)
    assert (tied.kernel == tied.kernel[0]).all()
    assert tied.bias.shape == (8,)


def test_energy_is_that_of_the_impulse_response():
    torch.manual_seed(0)
    kernel, reading, inputs = torch.randn(4, 5), torch.randn(7, 4), torch.randn(4, 6)
    energy = response_energy(kernel, reading, inputs)
    direct = [((reading @ torch.diag(kernel[:, j]) @ inputs) ** 2).sum() for j in range(5)]
    torch.testing.assert_close(energy, torch.stack(direct))


def test_lags_are_positive_after_the_stimulus():
    assert lags(5).tolist() == [2, 1, 0, -1, -2]
    told = told_lags(torch.tensor([0.0, 3.0, 0.0, 0.0, 1.0]))
    assert told == {"peak_lag": 1, "mean_lag": 0.25, "share_after_stimulus": 0.75}


def test_a_stream_that_is_not_there_adds_nothing():
    for pool in ("avg", "linear", "attention"):
        made = encoder({"a": (6,), "b": (5,)}, pool=pool, attention_heads=2)
        one, other = torch.randn(1, 9, 6), torch.randn(1, 9, 5)
        absent = torch.tensor([[1.0, 0.0]])
        out = made([one, other], absent)
        torch.testing.assert_close(out, made([one, 50 * other], absent))
        assert not torch.allclose(out, made([one, other], torch.ones(1, 2)))


def test_pools_keep_samples_and_times_apart():
    for pool in ("linear", "attention"):
        made = encoder({"a": (2, 6)}, pool=pool, kernel=0, attention_heads=2)
        x, present = torch.randn(3, 9, 2, 6), torch.ones(3, 1)
        changed = x.clone()
        changed[1, 4] += 1
        moved = (made([x], present) != made([changed], present)).any(dim=-1).any(dim=-1)
        assert moved.nonzero().tolist() == [[1, 4]]


def test_the_linear_pool_weighs_every_layer_and_channel():
    made = encoder({"a": (2, 6), "b": (3,)}, pool="linear", kernel=0)
    a, b = torch.randn(1, 4, 2, 6), torch.randn(1, 4, 3)
    first, second = made.embeddings
    tokens = torch.cat([first(a), second(b)[:, :, None]], dim=2)
    weight, bias = made.reading()
    expected = (tokens * made.pool.weight).sum(dim=2) @ weight.T + bias
    torch.testing.assert_close(made([a, b], torch.ones(1, 2)).flatten(2), expected)


def test_the_attention_pool_is_a_weighted_mean_of_its_values():
    made = encoder({"a": (3, 6)}, pool="attention", kernel=0, attention_heads=1)
    x = torch.randn(1, 2, 3, 6)
    pool = made.pool
    tokens = made.embeddings[0](x) + pool.place
    weights = torch.softmax(pool.key(tokens) @ pool.query / 2.0, dim=-1)  # 2 is the root of the width
    expected = pool.proj((weights[..., None] * pool.value(tokens)).sum(dim=2))
    torch.testing.assert_close(pool(made.embeddings[0](x), torch.ones(1, 3)), expected)


@pytest.mark.parametrize("hidden", ["transformer", "convnext"])
def test_hidden_models_run_along_time(hidden):
    made = encoder({"a": (6,)}, kernel=0, hidden=hidden, depth=1, hidden_kernel=3, attention_heads=1)
    x = torch.randn(2, 12, 6)
    changed = x.clone()
    changed[0, 5] += 1
    moved = (made([x], torch.ones(2, 1)) - made([changed], torch.ones(2, 1))).abs().amax(dim=(2, 3)) > 0
    assert not moved[1].any()
    assert moved[0].nonzero().flatten().tolist() == ([4, 5, 6] if hidden == "convnext" else list(range(12)))


def test_rotary_positions_tell_distances_in_time_only():
    query, key = torch.randn(1, 1, 1, 8).expand(1, 1, 10, 8), torch.randn(1, 1, 1, 8).expand(1, 1, 10, 8)
    products = (rotate(query) @ rotate(key).transpose(-1, -2))[0, 0]
    for distance in (-3, 0, 4):
        line = products.diagonal(distance)
        torch.testing.assert_close(line, line[:1].expand(len(line)))
    assert not torch.allclose(products[0, 0], products[0, 4])


def test_the_loss_counts_what_was_measured_only():
    predicted, wanted = torch.randn(2, 3, 2, 5, requires_grad=True), torch.randn(2, 3, 2, 5)
    mask = torch.ones(2, 3, 2, dtype=torch.bool)
    torch.testing.assert_close(masked_error(predicted, wanted, mask), ((predicted - wanted) ** 2).mean())
    mask[0, :, 1] = False
    mask[1, 2, 0] = False
    loss = masked_error(predicted, wanted, mask)
    torch.testing.assert_close(loss, ((predicted - wanted) ** 2)[mask].mean())
    loss.backward()
    assert not predicted.grad[~mask].any()
    assert predicted.grad[mask].any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kernel": 4}, {"kernel": -1}, {"pool": "max"}, {"heads": "none"}, {"hidden": "lstm"}, {"rate": 0},
        {"crop": 0}, {"weight_decay": -1}, {"hidden_kernel": 0}, {"members": -1}, {"member_space": "huge"},
        {"width": 32, "pool": "attention", "attention_heads": 3},
        {"width": 6, "hidden": "transformer", "attention_heads": 2}, {"causal": True, "hidden": "convnext"},
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(BadOption, match=next(iter(wrong))):
        Options(**wrong).verify()
