"""TRIBE: parts against plain numpy, modality dropout, windows at their lag, sizes as published, planted responses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from film_toy import PARCELS, SUBJECTS, mean_r, toy_items, train_of

torch = pytest.importorskip("torch")

from brainbench.baselines.film_network import inner_r  # noqa: E402
from brainbench.baselines.film_streams import Streams  # noqa: E402
from brainbench.baselines.tribe import Tribe, Window  # noqa: E402
from brainbench.baselines.tribe_losses import LOSSES  # noqa: E402
from brainbench.baselines.tribe_network import Layer, RotaryAttention, ScaleNorm, dropped  # noqa: E402
from brainbench.baselines.tribe_network import Tribe as Network  # noqa: E402
from brainbench.benchmark.contracts import Context, TaskInfo  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption, Skipped  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count, rate_at  # noqa: E402

QUICK = {"width": 24, "heads": 4, "depth": 2, "window": 60, "batch": 4, "rate": 3e-3, "standardise": False}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def context(tmp_path):
    return Context(TaskInfo("toy", "encoding", "responses"), 0, tmp_path)


def arrays(module):
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


def scale_norm(x, gain):
    return x / np.linalg.norm(x, axis=-1, keepdims=True) * np.sqrt(x.shape[-1]) * gain


def rotated(x, t, pairs):
    """One head's vector at time t, pair by pair as complex numbers."""
    out = x.copy()
    for j in range(pairs):
        turned = complex(x[2 * j], x[2 * j + 1]) * np.exp(1j * t / 10_000 ** (2 * j / (2 * pairs)))
        out[2 * j : 2 * j + 2] = turned.real, turned.imag
    return out


def attention(x, qkv, out, heads):
    """Softmax attention of one sequence, loop by loop."""
    time, width = x.shape
    size = width // heads
    query, key, value = np.split(x @ qkv.T, 3, axis=1)
    mixed = np.zeros((time, width))
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        q = np.stack([rotated(query[t, part], t, size // 4) for t in range(time)])
        k = np.stack([rotated(key[t, part], t, size // 4) for t in range(time)])
        scores = q @ k.T / np.sqrt(size)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        mixed[:, part] = weights / weights.sum(1, keepdims=True) @ value[:, part]
    return mixed @ out.T


def gelu(x):
    from scipy.special import erf

    return x * (1 + erf(x / np.sqrt(2))) / 2


def layer(x, held, heads):
    x = x * held["around"][0] + attention(
        scale_norm(x, held["norms.0.gain"]), held["attention.qkv.weight"], held["attention.out.weight"], heads
    )
    hidden = gelu(scale_norm(x, held["norms.1.gain"]) @ held["forward_net.0.weight"].T + held["forward_net.0.bias"])
    return x * held["around"][1] + hidden @ held["forward_net.2.weight"].T + held["forward_net.2.bias"]


def shaken(module):
    """Learned gains that start at one, changed so that a missing one shows."""
    with torch.no_grad():
        for name, value in module.named_parameters():
            if "gain" in name or "around" in name:
                value.copy_(torch.rand_like(value) + 0.5)
    return module


def test_a_layer_is_what_numpy_computes():
    torch.manual_seed(0)
    module = shaken(Layer(32, 2))
    x = torch.randn(2, 9, 32)
    for found, values in zip(module(x), x.numpy(), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), layer(values, arrays(module), 2), atol=2e-5)


def test_the_network_is_what_numpy_computes():
    torch.manual_seed(1)
    network = shaken(Network([5, 3, 4], 24, 2, 2, 2, 7)).eval()
    features = [torch.randn(2, 6, columns) for columns in (5, 3, 4)]
    there = torch.tensor([[True, True, True], [True, True, False]])
    found = network(features, there).detach().numpy()
    held = arrays(network)
    for window in range(2):
        parts = []
        for number, values in enumerate(features):
            linear = values[window].numpy() @ held[f"projectors.{number}.0.weight"].T
            linear = linear + held[f"projectors.{number}.0.bias"]
            centred = linear - linear.mean(-1, keepdims=True)
            normed = centred / np.sqrt(linear.var(-1, keepdims=True) + 1e-5)
            normed = normed * held[f"projectors.{number}.1.weight"] + held[f"projectors.{number}.1.bias"]
            parts.append(gelu(normed) * there[window, number].item())
        x = np.concatenate(parts, 1) + held["positions"][:6]
        for number in range(2):
            mine = {name.removeprefix(f"layers.{number}."): value for name, value in held.items()}
            x = layer(x, mine, 2)
        x = scale_norm(x, held["layers.2.gain"])
        for subject in range(2):
            wanted = x @ held["heads.weight"][subject] + held["heads.bias"][subject]
            np.testing.assert_allclose(found[window, subject], wanted, atol=2e-5)


def test_attention_sees_distances_not_places():
    """Turned values give the same scores when all times move alike; the rest of a head is not turned."""
    torch.manual_seed(2)
    module = RotaryAttention(16, 2)
    assert len(module.frequencies) == 2  # 4 of 8 values of a head
    x = torch.randn(1, 1, 16).expand(1, 12, 16)
    np.testing.assert_allclose(module(x)[0, 0].detach(), module(x)[0, -1].detach(), atol=1e-6)


def test_scale_norm_has_one_parameter():
    norm = ScaleNorm(16)
    assert parameter_count(norm) == 1
    np.testing.assert_allclose(norm(torch.randn(5, 16)).norm(dim=-1).detach(), 4.0, rtol=1e-5)


@pytest.mark.parametrize("chance", [0.3, 0.9, 0.999999])
def test_dropout_never_takes_every_modality(chance):
    torch.manual_seed(0)
    there = torch.rand(20_000, 3) < 0.7
    there[:, 0] |= ~there.any(1)
    lost = dropped(there, chance)
    assert not (lost & ~there).any()
    assert (there & ~lost).any(1).all()


def test_dropout_takes_what_it_should():
    """A share of the windows, each modality alike; with two left of three the same."""
    torch.manual_seed(0)
    lost = dropped(torch.ones(60_000, 3, dtype=torch.bool), 0.3).float()
    expected = 0.3 - 0.3**3 / 3  # one of the three is given back where all are taken
    np.testing.assert_allclose(lost.mean(0), expected, atol=0.006)
    assert not dropped(torch.ones(9, 3, dtype=torch.bool), 0.0).any()
    lost = dropped(torch.tensor([[True, False, True]]).expand(60_000, 3), 0.5).float()
    np.testing.assert_allclose(lost.mean(0), [0.5 - 0.125, 0, 0.5 - 0.125], atol=0.006)


def test_a_modality_that_is_dropped_or_missing_is_zero_and_only_in_training():
    torch.manual_seed(0)
    network = Network([4, 4], 16, 1, 2, 1, 3, dropout=0.5)
    features = [torch.randn(8, 5, 4), torch.randn(8, 5, 4)]
    there = torch.ones(8, 2, dtype=torch.bool)
    quiet = network.eval()(features, there)
    assert torch.equal(quiet, network(features, there))
    assert not torch.allclose(quiet, network.train()(features, there))
    network.eval()
    lacking = there.clone()
    lacking[:, 1] = False
    assert torch.equal(
        network(features, lacking), network([features[0], torch.randn(8, 5, 4)], lacking)
    )  # what a run lacks cannot matter


def published_parameters(inputs, width, depth, subjects, parcels, mlp):
    """By arithmetic, from the sizes of the reference."""
    share = width // 3
    projectors = sum(columns * share + share + (2 * share if mlp else 0) for columns in inputs)
    attention_net = 4 * width**2  # no biases
    forward_net = 2 * width * 4 * width + 4 * width + width
    around = 2 * width + 2  # gains of the residuals, two scale norms
    heads = subjects * (width * parcels + parcels)
    return projectors + 1024 * width + depth * (attention_net + forward_net + around) + 1 + heads


# Two groups of layers each (relative depths .5 to .75 and .75 to 1) of Llama 3.2 3B, Wav2Vec-BERT and V-JEPA 2.
PUBLISHED_INPUTS = (2 * 3072, 2 * 1024, 2 * 1408)


@pytest.mark.parametrize(("mlp", "total"), [(False, 932_854_705), (True, 932_860_849)])
def test_published_size(mlp, total):
    options = Tribe(**Tribe.presets["published"])
    with torch.device("meta"):
        network = Network(PUBLISHED_INPUTS, options.width, options.depth, options.heads, 4, 1000, mlp)
    assert parameter_count(network) == published_parameters(PUBLISHED_INPUTS, 3072, 8, 4, 1000, mlp) == total


def test_published_optimiser():
    recipe = Tribe(**Tribe.presets["published"]).recipe()
    assert (recipe.epochs, recipe.batch, recipe.optimiser, recipe.weight_decay) == (15, 16, "adam", 0)
    rates = [rate_at(recipe, step, 1000) for step in range(1000)]
    assert np.argmax(rates) == 99
    np.testing.assert_allclose(rates[99], 1e-4)
    assert rates[0] < 1e-5
    assert rates[-1] < 1e-9


def test_windows_begin_three_trs_before_their_responses(context):
    train = train_of(toy_items())
    method = Tribe(**QUICK)
    method.subjects, method.parcels = SUBJECTS, PARCELS
    method.prepare(train, np.arange(2), context)
    features, there, wanted, valid = method._batch(train, [Window(1, 40), Window(0, 0), Window(1, 5000)], "cpu")
    run = train.inputs[1]
    film = run.read("vjepa2/norm")
    audio = run.read("whisper/layers").reshape(len(film), 6)
    np.testing.assert_array_equal(features[0][0], film[37:97])
    np.testing.assert_array_equal(features[1][0], audio[37:97])
    np.testing.assert_array_equal(wanted[0, 2], train.targets.read(1, "sub-03", 40, 100))
    assert there.all()
    assert valid[0].all()
    first = train.inputs[0].read("vjepa2/norm")
    np.testing.assert_array_equal(features[0][1], first[[0, 0, 0, *range(57)]])
    frames = max(run.frames.values())  # one TR more than sub-01 has, two more than the film
    np.testing.assert_array_equal(features[0][2], film[np.minimum(np.arange(frames - 63, frames - 3), len(film) - 1)])
    assert valid[2].sum(1).tolist() == [59, 60, 59]
    np.testing.assert_array_equal(wanted[2, 1], train.targets.read(1, "sub-02")[-60:])


def test_windows_move_within_the_run_and_all_are_seen(context):
    train = train_of(toy_items())
    method = Tribe(**{**QUICK, "jitter": 5})
    method.subjects, method.parcels = SUBJECTS, PARCELS
    method.prepare(train, np.arange(3), context)
    seen = []
    method._batch = lambda train, windows, device: seen.extend(windows) or 1 / 0
    load, _, numbers = method.lesson(train, np.arange(3), context)
    for _ in range(50):
        with pytest.raises(ZeroDivisionError):
            load(numbers)
    moves = np.array([start for run, start in seen if run == 0]).reshape(50, 3) - [0, 60, 120]
    assert set(moves.ravel()) == set(range(-5, 6))


@pytest.mark.parametrize("frames", [25, 60, 61, 133, 180])
def test_prediction_covers_a_run_window_by_window(context, frames):
    train = train_of(toy_items())
    method = Tribe(**QUICK)
    method.subjects, method.parcels = ("sub-01",), 6
    method.prepare(train, np.arange(2), context)
    run = train.inputs[0]
    # A network that tells what it saw: the responses are the film three TRs earlier.
    method.network = lambda features, there: features[0][:, None]
    found = method.respond(run, frames, context)["sub-01"]
    np.testing.assert_array_equal(found, run.padded("vjepa2/norm", -3, frames - 3))


def test_planted_responses_are_found_at_their_lag(context):
    """Features that begin as early as the responses follow them are learned from much sooner than others."""
    items = toy_items(("s7", "wolf"), lag=3, seed=5)
    test = train_of(items)
    train = train_of(toy_items(lag=3, lacking=("sub-02", "s100")))
    found = {}
    for lead in (3, 0):
        method = Tribe(**{**QUICK, "width": 48, "rate": 5e-3}, epochs=15, lead=lead)
        method.fit(train, context)
        found[lead] = mean_r(items, method.predict(test.inputs, context))
        report = method.report()
        assert report["validation_films"] == ["figures"]
        assert abs(report["validation_r"] - found[lead]) < 0.12
    assert found[3] > 0.2
    assert found[3] > found[0] + 0.15


def test_same_seed_same_prediction_and_items_alone(context):
    test = train_of(toy_items(("s7", "wolf"), seed=5)).inputs
    found = []
    for seed in (0, 0, 1):
        method = Tribe(**QUICK, epochs=1)
        own = replace(context, seed=seed)
        method.fit(train_of(toy_items(stimuli=2)), own)
        found.append(method.predict(test, own))
    for one, same, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one["sub-01"], same["sub-01"])
        assert not np.array_equal(one["sub-01"], other["sub-01"])
    alone = method.predict([test[1]], own)[0]
    np.testing.assert_array_equal(alone["sub-03"], found[2][1]["sub-03"])
    assert all(run.keys() == set(SUBJECTS) for run in found[0])


@pytest.mark.parametrize("loss", ["mse", "pearson", "smooth-l1", "huber"])
def test_losses(loss):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)) * 2, rng.normal(size=(50, 4))
    error = np.abs(a - b)
    wanted = {
        "mse": (error**2).mean(),
        "pearson": 1 - np.mean([np.corrcoef(a[:, p], b[:, p])[0, 1] for p in range(4)]),
        "smooth-l1": np.where(error < 1, error**2 / 2, error - 0.5).mean(),
    }
    wanted["huber"] = wanted["smooth-l1"]
    np.testing.assert_allclose(LOSSES[loss](torch.as_tensor(a), torch.as_tensor(b)), wanted[loss], rtol=1e-6)


def test_scale_is_that_of_the_training_runs(context):
    runs = train_of(toy_items(("s1", "s2", "wolf"))).inputs
    rows = [0, 1, 6]
    streams = Streams.of(runs).standardised(runs, rows, context)
    audio = np.concatenate([runs[row].read("whisper/layers").reshape(-1, 6) for row in rows]).astype(np.float64)
    speech = np.concatenate([runs[row].read("llama/layer") for row in rows[:2]]).astype(np.float64)
    (_, heard, said), there = streams.read(runs[0], 5, 25)
    np.testing.assert_allclose(heard, ((audio - audio.mean(0)) / audio.std(0))[5:25], atol=1e-5)
    np.testing.assert_allclose(said, ((speech - speech.mean(0)) / speech.std(0))[5:25], atol=1e-5)
    assert there.all()
    (*_, silent), there = streams.read(runs[6], 5, 25)
    assert there.tolist() == [True, True, False]
    assert not silent.any()


def test_inner_score_is_the_mean_over_films_subjects_and_parcels():
    items = toy_items(("s1", "figures"), stimuli=2)
    targets = train_of(items).targets
    rng = np.random.default_rng(0)
    guesses = [{s: rng.normal(size=(200, PARCELS)) + 3 for s in SUBJECTS} for _ in range(len(targets))]
    films = items.table["movie"].tolist()
    expected = []
    for film in ("s1", "figures"):
        rows = [row for row, name in enumerate(films) if name == film]
        for subject in SUBJECTS:
            a = np.concatenate([targets.read(row, subject) for row in rows])
            b = np.concatenate([guesses[row][subject][: targets.frames(row, subject)] for row in rows])
            expected += [np.corrcoef(a[:, p], b[:, p])[0, 1] for p in range(PARCELS)]
    found = inner_r(targets, range(len(films)), films, lambda row: guesses[row])
    np.testing.assert_allclose(found, np.mean(expected), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 25},
        {"width": 8, "heads": 4},
        {"window": 1},
        {"window": 2000},
        {"lead": -1},
        {"dropout": 1.0},
        {"epochs": 0},
        {"width": 32, "heads": 4},  # no third for each modality
        {"modalities": "vjepa2=smell"},
    ],
)
def test_refused_options(options, context):
    with pytest.raises(BadOption):
        Tribe(**{**QUICK, **options}).prepare(train_of(toy_items()), np.arange(2), context)


def test_what_cannot_be_predicted_is_said(context):
    train = train_of(toy_items(stimuli=2))
    method = Tribe(**QUICK, epochs=1)
    method.fit(train, context)
    stranger = replace(train.inputs[0], frames={"sub-09": 20})
    with pytest.raises(BadData, match="sub-09"):
        method.predict([stranger], context)
    with pytest.raises(Skipped):
        Streams.of(
            train_of(toy_items(stimuli=2).select(("responses/", "frames:", "movie", "stimulus", "group"))).inputs
        )
