"""The encoder of NV2L: sizes, losses by hand, mixing within an image, training, saving."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from nv2l_toy import SHAPES, toy

from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.nn.weights import load_weights, save_weights
from brainbench.methods.nv2l.brain import from_state, units_of
from brainbench.methods.nv2l.brain_options import BRAIN_SMALL, BrainOptions
from brainbench.methods.nv2l.encoder import BrainTransformer
from brainbench.methods.nv2l.losses import encoder_loss, error, mixed_trial
from brainbench.methods.nv2l.sharing import kept_encoder
from brainbench.methods.nv2l.training import fit_encoder, held_images, one_a_response

TINY = BrainOptions(
    **{**BRAIN_SMALL, "patch": 4, "width": 16, "layers": 2, "heads": 2, "head_hidden": 16, "epochs": 2, "rate": 2e-3}
)


def context(folder, seed=0, shared=None):
    return Context(TaskInfo("nsd-caption", "captioning", "captions"), seed, folder, shared=shared)


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def test_parameters_of_the_paper():
    with torch.device("meta"):
        network = BrainTransformer(60, 2744, 768, 16384, BrainOptions())
    assert count(network.transformer.blocks) == 16 * (12 * 768**2 + 13 * 768) == 113_405_952
    assert count(network.project) == 2744 * 768 + 768 == 2_108_160
    assert count(network.to_features) == 768 * 1024 + 1024 + 1024 * 768 + 768
    assert count(network.to_latents) == 768 * 1024 + 1024 + 1024 * 16384 + 16384
    assert network.positions.shape == (1, 61, 768)


def test_losses_by_hand():
    features, clip = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    latents, wanted = torch.tensor([[4.0], [0.0]]), torch.tensor([[0.0], [0.0]])
    assert error(features, clip, "sum") == pytest.approx((5 + 4) / 2)
    assert error(features, clip, "mean") == pytest.approx((5 + 4) / 4)
    assert encoder_loss(features, clip, latents, wanted, 1 / 64, "sum") == pytest.approx(4.5 + 8 / 64)
    assert encoder_loss(features, clip, latents, wanted, 1 / 64, "mean") == pytest.approx(2.25 + 8 / 64)
    assert encoder_loss(features, clip, None, None, 1 / 64, "sum") == pytest.approx(4.5)


def test_mixing_takes_two_different_repeats_with_uniform_shares():
    rng = np.random.default_rng(0)
    trials = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    made = np.array([mixed_trial(trials, rng) for _ in range(4000)])
    of_last_two = made[np.isclose(made.sum(axis=1), 1.0)]  # repeats 1 and 2: shares add up to 1
    assert 0.3 < len(of_last_two) / len(made) < 0.37  # one pair of three, and never a repeat with itself
    quartiles = np.quantile(of_last_two[:, 0], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [0.25, 0.5, 0.75], atol=0.04)
    np.testing.assert_array_equal(mixed_trial(trials[1:2], rng), trials[1])


def test_training_mixes_within_brain_and_image_only(tmp_path, monkeypatch):
    responses, clip, latents, groups = toy(tmp_path, images=12)
    met = []
    monkeypatch.setattr(
        "brainbench.methods.nv2l.training.mixed_trial", lambda trials, rng: met.append(trials) or trials[0]
    )
    fit_encoder(responses, clip, latents, groups, replace(TINY, epochs=1, hold_out=0), context(tmp_path))
    own = {responses.trials(row).tobytes() for row in range(len(responses))}
    assert len(met) == len(responses)
    assert {trials.tobytes() for trials in met} == own


def test_rows_that_ask_of_one_response_count_once(tmp_path):
    responses, *_ = toy(tmp_path, images=4)
    np.testing.assert_array_equal(one_a_response(responses, np.array([0, 0, 1, 1, 0, 0, 0, 1])), [0, 2, 4, 7])


def test_held_out_images_are_apart_in_every_brain():
    groups = np.tile(np.arange(40), 2)
    kept, held = held_images(np.arange(80), groups, 10, seed=3)
    assert len(set(groups[held])) == 4
    assert len(held) == 8
    assert not set(groups[held]) & set(groups[kept])
    assert len(held_images(np.arange(80), groups, 0, seed=3)[1]) == 0


def test_units_go_there_and_back():
    targets = np.random.default_rng(0).normal(3, 5, size=(50, 4)).astype(np.float32)
    units = units_of(targets, "centred")
    assert np.sqrt((units.into(targets) ** 2).mean()) == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(units.back(units.into(targets)), targets, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(units_of(targets, "raw").into(targets), targets)


def test_states_are_those_before_the_last_block_and_decide_the_output():
    torch.manual_seed(0)
    network = BrainTransformer(5, 8, 3, 2, TINY).eval()
    cubes = torch.randn(4, 5, 8)
    seen = network(cubes)
    assert seen.states.shape == (4, 6, 16)
    again = network.transformer.norm(network.transformer.blocks[1](seen.states))[:, 0]
    torch.testing.assert_close(network.to_features(again), seen.features)
    torch.testing.assert_close(network.to_latents(again), seen.latents)


def test_tokens_are_left_out_in_training_only():
    network = BrainTransformer(10, 8, 3, 0, replace(TINY, token_drop=0.4))
    cubes = torch.randn(2, 10, 8)
    assert network.train().penultimate(cubes).shape == (2, 7, 16)
    assert network.eval().penultimate(cubes).shape == (2, 11, 16)


def test_the_encoder_learns_what_is_planted(tmp_path):
    responses, clip, latents, groups = toy(tmp_path, images=120, noise=0.3)
    new = groups >= 96
    options = replace(TINY, width=32, heads=4, head_hidden=64, epochs=40, hold_out=0)
    items = responses._items
    seen = type(responses)(items.take(np.flatnonzero(~new)))
    encoder = fit_encoder(seen, clip[~new], latents[~new], groups[~new], options, context(tmp_path))
    found = encoder.embed(responses, np.flatnonzero(new))
    assert np.corrcoef(found.z_c.ravel(), clip[new].ravel())[0, 1] > 0.6
    assert np.corrcoef(found.z_v.ravel(), latents[new].ravel())[0, 1] > 0.5
    assert encoder.facts["models"]["all"]["last_loss"] < encoder.facts["models"]["all"]["first_loss"]


def test_same_seed_same_numbers_and_another_seed_others(tmp_path):
    responses, clip, latents, groups = toy(tmp_path, images=20)
    made = [fit_encoder(responses, clip, latents, groups, TINY, context(tmp_path, seed)) for seed in (1, 1, 2)]
    first, second, third = (encoder.embed(responses) for encoder in made)
    np.testing.assert_array_equal(first.z_c, second.z_c)
    np.testing.assert_array_equal(first.tokens, second.tokens)
    assert np.abs(first.z_c - third.z_c).max() > 1e-3


def test_rows_and_brains_keep_their_order(tmp_path):
    responses, clip, latents, groups = toy(tmp_path, images=20)
    encoder = fit_encoder(responses, clip, latents, groups, TINY, context(tmp_path))
    everything = encoder.embed(responses)
    mixed = [33, 2, 21, 0]
    some = encoder.embed(responses, mixed)
    np.testing.assert_allclose(some.z_c, everything.z_c[mixed], atol=1e-5)
    np.testing.assert_allclose(some.tokens, everything.tokens[mixed], atol=1e-4)
    assert everything.tokens.shape == (40, encoder.volumes.tokens, 16)
    encoder.options.token_states = "all"
    np.testing.assert_array_equal(encoder.embed(responses).tokens[:, 1:], everything.tokens)


def test_ablations_one_model_a_brain_no_latents_no_cubes(tmp_path):
    responses, clip, latents, groups = toy(tmp_path, images=20)
    options = replace(TINY, per_brain=True, vae=False, vit3d=False)
    encoder = fit_encoder(responses, clip, latents, groups, options, context(tmp_path))
    assert set(encoder.networks) == set(encoder.facts["models"]) == set(SHAPES)
    found = encoder.embed(responses)
    assert found.z_v is None
    assert found.z_c.shape == clip.shape
    assert encoder.network("subj01") is not encoder.network("subj02")


@pytest.mark.parametrize("changed", [{}, {"per_brain": True, "vae": False}, {"zscore": "volume", "vit3d": False}])
def test_an_encoder_is_the_same_after_saving(tmp_path, changed):
    responses, clip, latents, groups = toy(tmp_path, images=20)
    encoder = fit_encoder(responses, clip, latents, groups, replace(TINY, **changed), context(tmp_path), patch=3)
    assert encoder.options.patch == 3
    (tmp_path / "kept").mkdir()
    save_weights(tmp_path / "kept", encoder.state(), encoder.settings())
    again = from_state(*load_weights(tmp_path / "kept"), tmp_path / "kept", "cpu")
    before, after = encoder.embed(responses), again.embed(responses)
    np.testing.assert_array_equal(before.z_c, after.z_c)
    np.testing.assert_array_equal(before.tokens, after.tokens)
    assert again.facts == encoder.facts
    state = {name: value for name, value in encoder.state().items() if not name.endswith("project.bias")}
    with pytest.raises(BadData, match="missing"):
        from_state(state, encoder.settings(), tmp_path, "cpu")


def test_cells_that_need_the_same_encoder_train_it_once(tmp_path, monkeypatch):
    responses, clip, latents, groups = toy(tmp_path, images=20)
    runs = []
    plain = fit_encoder
    monkeypatch.setattr(
        "brainbench.methods.nv2l.sharing.fit_encoder", lambda *given: runs.append(given[-1]) or plain(*given)
    )
    here = context(tmp_path, shared=tmp_path / "shared")
    first = kept_encoder(responses, clip, latents, groups, TINY, here)
    second = kept_encoder(responses, clip, latents, groups, replace(TINY, token_states="all"), here)
    assert runs == [4]
    np.testing.assert_array_equal(first.embed(responses).z_c, second.embed(responses).z_c)
    assert second.options.token_states == "all"
    kept_encoder(responses, clip, latents, groups, TINY, here, patch=5)
    kept_encoder(responses, clip + 1, latents, groups, TINY, here)
    assert runs == [4, 5, 4]
