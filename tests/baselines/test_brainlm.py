"""BrainLM: published sizes and key names, masking, both networks, planted signal."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from brainbench.baselines.brainlm import BrainLM, load_network, read_places  # noqa: E402
from brainbench.baselines.brainlm_network import (  # noqa: E402
    ImageNetwork,
    SoftmaxAttention,
    TokenNetwork,
    layers,
    pooled,
    take,
    time_code,
)
from brainbench.benchmark.contracts import Pretrainable, Train  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption  # noqa: E402
from brainbench.benchmark.items import Items  # noqa: E402
from brainbench.benchmark.kinds.scans import Scans  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count  # noqa: E402
from brainbench.benchmark.nn.weights import load_weights  # noqa: E402

ROIS = 6
QUICK = {
    "frames": 40,
    "patch": 10,
    "width": 32,
    "feedforward": 32,
    "places": 3,
    "decoder_width": 32,
    "init": "published",
}
CONNECTIVITY = {"frames": 48, "patch": 48}
IMAGE = {
    "network": "image", "init": "published", "pool": "cls", "frames": 40, "patch": 8, "width": 32, "feedforward": 64,
    "decoder_width": 16, "normalise": "brainlm", "rate": 3e-3, "epochs": 40, "patience": 40,
}  # fmt: skip


def network(**options):
    torch.manual_seed(0)
    return TokenNetwork(BrainLM(**{**QUICK, **options})._sizes(ROIS, 3), torch.randn(ROIS, 3))


def image(preset="small", rois=ROIS, **options):
    torch.manual_seed(0)
    return ImageNetwork(BrainLM(**{**BrainLM.presets[preset], **options})._sizes(rois, 3))


def rhythms(count=120, seed=0, effect=0.9):
    """Scans whose first ROIs fluctuate more slowly in one class: a signal within ROIs."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 2)
    series = []
    for label in labels:
        values = rng.normal(size=(int(rng.integers(40, 70)), ROIS))
        for t in range(1, len(values)):
            values[t, :3] += effect * label * values[t - 1, :3]
        series.append((500 + 20 * values).astype(np.float32))
    table = pd.DataFrame(
        {"tr": 2.0, "frames": [len(values) for values in series]}, index=[f"scan{i}" for i in range(count)]
    )
    atlas = {"name": "toy", "labels": [f"roi{i}" for i in range(ROIS)]}
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ()), labels, np.arange(count)


def test_the_token_network_has_13_million_weights():
    options = BrainLM(**BrainLM.presets["published"])
    with torch.device("meta"):
        found = TokenNetwork(options._sizes(424, 3), torch.zeros(424, 3))
        output = found.encode(torch.zeros(1, 200, 424))
    assert parameter_count(found) == 13_035_308
    assert output.shape == (1, 4241, 512)


@pytest.mark.parametrize(
    ("preset", "side", "tokens", "count"), [("vitmae-111m", 432, 730, 111.9e6), ("vitmae-650m", 434, 962, 657e6)]
)
def test_image_networks_have_the_published_sizes(preset, side, tokens, count):
    with torch.device("meta"):
        found = image(preset, rois=424)
        output = found.encode(torch.zeros(1, 200, 424))
    assert found.side == side
    assert output.shape == (1, tokens, found.sizes.width)
    assert sum(p.numel() for p in found.parameters()) == pytest.approx(count, rel=0.01)


def test_attention_is_that_of_the_published_layer():
    sizes = network().sizes
    layer = layers(sizes, 1)[0]
    from transformers import NystromformerConfig
    from transformers.models.nystromformer.modeling_nystromformer import NystromformerSelfAttention

    config = NystromformerConfig(
        hidden_size=8, num_attention_heads=2, num_landmarks=64, segment_means_seq_len=64, conv_kernel_size=65
    )
    theirs = NystromformerSelfAttention(config).eval()
    ours = SoftmaxAttention(theirs)
    x = torch.randn(3, 25, 8)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-6)
    assert isinstance(layer.attention.self, SoftmaxAttention)


def test_time_is_told_by_sines_and_cosines():
    table = time_code(4, 6, torch.device("cpu"))
    assert float(table[3, 2]) == pytest.approx(np.sin(3 / 10_000 ** (2 / 6)), abs=1e-6)
    assert float(table[3, 3]) == pytest.approx(np.cos(3 / 10_000 ** (2 / 6)), abs=1e-6)


def test_patches_are_runs_of_frames_of_one_roi():
    series = torch.arange(40 * ROIS).reshape(1, 40, ROIS).float()
    patches = network().patches(series)
    assert patches.shape == (1, ROIS * 4, 10)
    torch.testing.assert_close(patches[0, 5], series[0, 10:20, 1])


def test_hidden_patches_are_not_seen_and_kept_ones_are():
    found = network().eval()
    series = torch.randn(2, 40, ROIS)
    kept, hidden = found._draw(2, ROIS * 4)
    assert kept.shape == (2, 6)
    assert hidden.shape == (2, 18)
    assert all(sorted([*a.tolist(), *b.tolist()]) == list(range(24)) for a, b in zip(kept, hidden, strict=True))
    rebuilt = found._rebuilt(series, kept)
    assert rebuilt.shape == (2, 24, 10)
    for rows, same in ((hidden, True), (kept, False)):
        blind = found.patches(series).scatter(1, rows[..., None].expand(-1, -1, 10), 7.0)
        other = blind.unflatten(1, (ROIS, 4)).flatten(2).transpose(1, 2)
        assert torch.equal(found._rebuilt(other, kept), rebuilt) == same


def test_loss_is_the_error_of_the_hidden_patches_alone(monkeypatch):
    found = network().eval()
    series = torch.randn(2, 40, ROIS)
    kept, hidden = found._draw(2, ROIS * 4)
    monkeypatch.setattr(found, "_draw", lambda *_: (kept, hidden))
    expected = ((take(found._rebuilt(series, kept), hidden) - take(found.patches(series), hidden)) ** 2).mean()
    torch.testing.assert_close(found.loss(series), expected)


def test_the_order_of_tokens_is_random_only_as_a_slip():
    kept = network()._draw(3, 24)[0]
    assert torch.equal(kept, kept.sort(dim=1).values)
    kept = network(shuffled_tokens=True)._draw(3, 24)[0]
    assert not torch.equal(kept, kept.sort(dim=1).values)


def test_the_image_is_padded_with_minus_one_and_copied_to_three_channels():
    found = image(network="image", init="published", pool="mean", frames=20, patch=6, decoder_width=8, width=8)
    series = torch.randn(2, 20, ROIS)
    padded = found.image(series)
    assert padded.shape == (2, 3, 24, 24)
    torch.testing.assert_close(padded[:, 1, 9:15, 2:22], series.transpose(1, 2))
    assert int((padded[:, 0] == -1).sum()) == 2 * (24 * 24 - 20 * ROIS)
    # What lies in the padding is no part of the error, whatever was hidden there.
    assert torch.isfinite(found.loss(series))
    np.testing.assert_array_equal(found.encode(series).detach(), found.encode(series).detach())


def published_state(width=16, depth=2, decoder_depth=1, heads=2, feedforward=32, patch=20):
    """Names and shapes of the published 13M type."""
    shapes = {"vit.embeddings.cls_token": (1, 1, width), "decoder.mask_token": (1, 1, width)}
    linear = {
        "vit.embeddings.signal_embedding_projection": (width, patch),
        "vit.embeddings.xyz_embedding_projection": (width, 3),
        "decoder.decoder_embed": (width, width),
        "decoder.decoder_xyz_projection": (width, 3),
        "decoder.decoder_pred": (768, width),
        "decoder.decoder_pred1": (width // 2, width),
        "decoder.decoder_pred2": (patch, width // 2),
    }
    stacks = [f"vit.encoder.layer.{k}." for k in range(depth)]
    stacks += [f"decoder.decoder_layers.{k}." for k in range(decoder_depth)]
    norms = ["vit.layernorm", "decoder.decoder_norm"]
    for layer in stacks:
        linear |= {f"{layer}attention.self.{name}": (width, width) for name in ("query", "key", "value")}
        linear |= {f"{layer}attention.output.dense": (width, width)}
        linear |= {f"{layer}intermediate.dense": (feedforward, width), f"{layer}output.dense": (width, feedforward)}
        shapes |= {f"{layer}attention.self.conv.weight": (heads, 1, 65, 1)}
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    shapes |= {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}
    shapes |= {f"{name}.pos_embedding.pe": (5000, width) for name in ("vit.embeddings", "decoder")}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


CONFIG = {
    "num_brain_voxels": ROIS, "num_timepoints_per_voxel": 40, "timepoint_patching_size": 20, "hidden_size": 16,
    "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "decoder_hidden_size": 16,
    "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2, "decoder_intermediate_size": 32,
    "mask_ratio": 0.2,
}  # fmt: skip


def publish(folder, state, config):
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_published_token_weights_are_read_by_their_key_names(tmp_path):
    state = published_state()
    place = publish(tmp_path / "old_13M", state, CONFIG)
    table = np.random.default_rng(0).normal(size=(ROIS, 3)).astype(np.float32)
    found = load_network(place, ROIS, table, 0.0)
    assert (found.sizes.frames, found.sizes.patch, found.sizes.mask) == (40, 20, 0.2)
    own = found.state_dict()
    for ours, theirs in {
        "signal.weight": "vit.embeddings.signal_embedding_projection.weight",
        "encoder.1.attention.self.conv.weight": "vit.encoder.layer.1.attention.self.conv.weight",
        "encoder.0.output.LayerNorm.bias": "vit.encoder.layer.0.output.LayerNorm.bias",
        "norm.weight": "vit.layernorm.weight",
        "decoder.0.attention.self.query.weight": "decoder.decoder_layers.0.attention.self.query.weight",
        "decoder_place.bias": "decoder.decoder_xyz_projection.bias",
        "head.2.weight": "decoder.decoder_pred2.weight",
    }.items():
        torch.testing.assert_close(own[ours], state[theirs], rtol=0, atol=0)
    torch.testing.assert_close(own["places"], torch.as_tensor(table), rtol=0, atol=0)
    with pytest.raises(BadOption, match="coordinates"):
        load_network(place, ROIS, None, 0.0)


def image_state(width=12, depth=2, feedforward=24, decoder_width=8, patch=14, side=42):
    """Names and shapes of the published ViT-MAE type."""
    tokens = (side // patch) ** 2 + 1
    shapes = {
        "vit.embeddings.cls_token": (1, 1, width),
        "vit.embeddings.position_embeddings": (1, tokens, width),
        "vit.embeddings.patch_embeddings.projection.weight": (width, 3, patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": (width,),
        "decoder.mask_token": (1, 1, decoder_width),
        "decoder.decoder_pos_embed": (1, tokens, decoder_width),
    }
    linear = {
        "decoder.decoder_embed": (decoder_width, width),
        "decoder.decoder_pred": (3 * patch**2, decoder_width),
    }
    norms = {"vit.layernorm": width, "decoder.decoder_norm": decoder_width}
    stacks = {f"vit.encoder.layer.{k}.": width for k in range(depth)} | {"decoder.decoder_layers.0.": decoder_width}
    for layer, size in stacks.items():
        linear |= {f"{layer}attention.attention.{name}": (size, size) for name in ("query", "key", "value")}
        linear |= {f"{layer}attention.output.dense": (size, size)}
        linear |= {f"{layer}intermediate.dense": (feedforward, size), f"{layer}output.dense": (size, feedforward)}
        norms |= {f"{layer}layernorm_before": size, f"{layer}layernorm_after": size}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    shapes |= {f"{name}.{part}": (size,) for name, size in norms.items() for part in ("weight", "bias")}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_published_image_weights_are_read_by_their_key_names(tmp_path):
    state = image_state()
    config = {
        "num_brain_voxels": ROIS, "num_timepoints_per_voxel": 40, "patch_size": 14, "hidden_size": 12,
        "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "decoder_hidden_size": 8,
        "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2, "decoder_intermediate_size": 24,
        "mask_ratio": 0.75,
    }  # fmt: skip
    found = load_network(publish(tmp_path / "vitmae", state, config), ROIS, None, 0.0)
    own = found.state_dict()
    assert len(own) == len(state)
    for ours, theirs in {
        "mae.vit.layers.1.attention.q_proj.weight": "vit.encoder.layer.1.attention.attention.query.weight",
        "mae.vit.layers.0.attention.o_proj.weight": "vit.encoder.layer.0.attention.output.dense.weight",
        "mae.vit.layers.0.mlp.fc1.weight": "vit.encoder.layer.0.intermediate.dense.weight",
        "mae.vit.layers.0.mlp.fc2.weight": "vit.encoder.layer.0.output.dense.weight",
        "mae.decoder.decoder_layers.0.mlp.fc2.bias": "decoder.decoder_layers.0.output.dense.bias",
    }.items():
        torch.testing.assert_close(own[ours], state[theirs], rtol=0, atol=0)


def test_weights_of_another_atlas_are_refused_with_the_reason(tmp_path):
    place = publish(tmp_path / "old", published_state(), {**CONFIG, "num_brain_voxels": 424})
    with pytest.raises(BadOption, match="for 424 ROIs, the scans have 6"):
        load_network(place, ROIS, None, 0.0)


def test_files_that_are_no_brainlm_are_refused(tmp_path):
    state = published_state()
    del state["vit.layernorm.bias"]
    table = np.zeros((ROIS, 3), np.float32)
    place = publish(tmp_path / "old", state, CONFIG)
    with pytest.raises(BadData, match=r"norm\.bias is missing"):
        load_network(place, ROIS, table, 0.0)
    (place / "config.json").unlink()
    with pytest.raises(BadData, match=r"config\.json"):
        load_network(place, ROIS, table, 0.0)


@pytest.mark.parametrize("text", ["1 2 3\n4 5 6\n", "x,y,z\n1,2,3\n4,5,6\n", "1\t1\t2\t3\n2\t4\t5\t6\n"])
def test_coordinates_are_read_from_plain_tables(tmp_path, text):
    (tmp_path / "xyz.txt").write_text(text)
    np.testing.assert_array_equal(read_places(str(tmp_path / "xyz.txt"), 2), [[1, 2, 3], [4, 5, 6]])
    with pytest.raises(BadOption, match="2 rows of coordinates for 3 ROIs"):
        read_places(str(tmp_path / "xyz.txt"), 3)
    with pytest.raises(BadOption, match="cannot be read"):
        read_places(str(tmp_path / "missing.txt"), 2)


def test_pretrained_weights_come_back_and_are_used(tmp_path, contexts):
    scans, labels, groups = rhythms(24)
    context = replace(contexts(), save=tmp_path / "saved")
    method = BrainLM(**{**QUICK, "pretrain_epochs": 2})
    assert isinstance(method, Pretrainable)
    method.pretrain([scans, rhythms(12, seed=5)[0]], context)
    state, settings = load_weights(tmp_path / "saved")
    assert settings["pretraining_scans"] == 36
    reader = BrainLM(frames=60, patch=20, width=32, heads=4)
    reader.fit(Train(scans, labels, groups), replace(contexts(), checkpoint=tmp_path / "saved"))
    for name, value in reader._encoder.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    assert reader.encode(scans[0])[0].shape == (40, ROIS)
    assert reader.report()["checkpoint"] == "saved"


def test_pretraining_rebuilds_better_than_the_mean(contexts, cohort):
    scans, labels, groups = cohort(32, effect=3.0)
    method = BrainLM(**{**QUICK, "mask": 0.5, "pretrain_epochs": 15, "pretrain_batch": 8, "pretrain_rate": 3e-3})
    method.fit(Train(scans, labels, groups), contexts())
    losses = method.report()["pretraining_losses"]
    assert losses[-1] < 0.85 * losses[0]


@pytest.mark.parametrize("tuning", ["probe", "full"])
def test_planted_connectivity_is_found(cohort, context, score, tuning):
    method = BrainLM(**CONNECTIVITY, tuning=tuning)
    assert score(method, cohort(160), context) > 0.85


def test_the_published_start_finds_planted_connectivity_badly(cohort, context, score):
    assert score(BrainLM(**CONNECTIVITY, init="published"), cohort(160), context) < 0.75


@pytest.mark.parametrize("tuning", ["probe", "full"])
@pytest.mark.parametrize("options", [{**QUICK, "normalise": "brainlm"}, IMAGE], ids=["tokens", "image"])
def test_planted_rhythms_are_found_from_the_published_start(context, score, options, tuning):
    method = BrainLM(**options, tuning=tuning)
    assert score(method, rhythms(160), context) > 0.85


def test_shuffled_labels_give_chance(context, score):
    scans, labels, groups = rhythms()
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(BrainLM(**CONNECTIVITY), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


@pytest.mark.parametrize("tuning", ["probe", "full"])
def test_numbers_are_predicted_in_their_units(contexts, tuning):
    scans, labels, groups = rhythms(160, effect=0.97)
    ages = 40 + 10 * labels.astype(float)
    context = contexts(kind="regression")
    method = BrainLM(**QUICK, tuning=tuning, rate=1e-3, epochs=12)
    method.fit(Train(scans.take(np.arange(120)), ages[:120], groups[:120]), context)
    predicted = method.predict(scans.take(np.arange(120, 160)), context)
    assert np.corrcoef(predicted, ages[120:])[0, 1] > 0.5
    assert abs(predicted.mean() - 45) < 4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pool": "cls"},
        {"tuning": "full", "epochs": 2},
        {"precision": "bf16"},
        {"network": "image", "pool": "cls"},
        CONNECTIVITY | {"init": "connectivity", "width": 64},
    ],
)
def test_same_seed_same_prediction_whatever_stands_beside_a_scan(contexts, options):
    scans, labels, groups = rhythms(32)
    found = []
    for seed in (0, 0, 1):
        method = BrainLM(**{**QUICK, **options})
        method.fit(Train(scans, labels, groups), contexts(seed=seed))
        found.append(method.predict(scans, contexts(seed=seed)))
        alone = method.predict(scans.take(np.array([5])), contexts(seed=seed))
        np.testing.assert_allclose(alone[0], found[-1][5], atol=2e-2 if "precision" in options else 1e-4)
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_the_probe_gets_the_mean_of_all_windows(contexts):
    scans, labels, groups = rhythms(24)
    method = BrainLM(**{**QUICK, "frames": 20})
    method.fit(Train(scans, labels, groups), contexts())
    views = method.views(scans[0])
    assert len(views) == scans.frames[0] // 20 > 1
    series = torch.as_tensor(np.stack([view[0] for view in views]))
    with torch.no_grad():
        expected = pooled(method._encoder, series, "roi").mean(dim=0).numpy()
    np.testing.assert_allclose(method._features(scans, contexts())[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"mask": 1.0}, "mask"),
        ({"frames": 50, "patch": 20}, "patches"),
        ({"width": 30, "heads": 4}, "heads"),
        ({"network": "image"}, "image"),
        ({"network": "image", "init": "published"}, "image"),
        ({"init": "no"}, "init"),
        ({"normalise": "no"}, "no"),
        ({"pool": "max"}, "max"),
    ],
)
def test_impossible_options_are_refused(options, word):
    with pytest.raises(BadOption, match=word):
        BrainLM(**options)
