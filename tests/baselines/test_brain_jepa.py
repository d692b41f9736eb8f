"""Brain-JEPA: published sizes and weights, masks, what the objective can and cannot see, planted signal."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from brainbench.baselines.brain_jepa import BrainJEPA  # noqa: E402
from brainbench.baselines.brain_jepa_masks import Sizes, draw_batch, draw_mask  # noqa: E402
from brainbench.baselines.brain_jepa_network import (  # noqa: E402
    Classifier,
    Encoder,
    Predictor,
    Pretraining,
    start_as_connectivity,
)
from brainbench.baselines.encoder_baseline import Joined  # noqa: E402
from brainbench.benchmark.contracts import Train  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption  # noqa: E402
from brainbench.benchmark.nn.training import parameter_count, reproducible  # noqa: E402

QUICK = {"frames": 48, "patch": 24, "width": 64, "heads": 2, "predictor_width": 16, "pretrain_epochs": 1}


def small(rois: int = 5, frames: int = 12, patch: int = 4, width: int = 16, depth: int = 2) -> Encoder:
    torch.manual_seed(0)
    return Encoder(torch.randn(rois, 3), frames, patch, width, depth, 2)


# Published sizes


@pytest.mark.parametrize(("preset", "count"), [("S", 21_306_816), ("published", 85_080_960), ("L", 302_344_704)])
def test_parameter_counts_are_the_published_ones(preset, count):
    options = BrainJEPA(**BrainJEPA.presets[preset])
    with torch.device("meta"):
        encoder = Encoder(
            torch.empty(450, 30), options.frames, options.patch, options.width, options.depth, options.heads
        )
        predictor = Predictor(encoder, options.predictor_width, options.predictor_depth)
    assert parameter_count(encoder) == count
    assert encoder.steps * encoder.rois == 4500
    if preset == "published":
        assert parameter_count(predictor) == 11_244_864
        assert encoder.positions.time_table(450).numel() == 1_728_000


def published_state(rois: int, steps: int, patch: int, width: int, depth: int) -> dict[str, torch.Tensor]:
    """Random tensors under the names and shapes of the published encoder."""
    state = {
        "patch_embed.proj.weight": (width, 1, 1, patch),
        "patch_embed.proj.bias": (width,),
        "pos_embed_proj.emb_h": (rois * steps, width // 2),
        "pos_embed_proj.predictor_pos_embed_proj.weight": (width // 2, 30),
        "pos_embed_proj.predictor_pos_embed_proj.bias": (width // 2,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for k in range(depth):
        state |= {
            f"blocks.{k}.norm1.weight": (width,),
            f"blocks.{k}.norm1.bias": (width,),
            f"blocks.{k}.attn.qkv.weight": (3 * width, width),
            f"blocks.{k}.attn.qkv.bias": (3 * width,),
            f"blocks.{k}.attn.proj.weight": (width, width),
            f"blocks.{k}.attn.proj.bias": (width,),
            f"blocks.{k}.norm2.weight": (width,),
            f"blocks.{k}.norm2.bias": (width,),
            f"blocks.{k}.mlp.fc1.weight": (4 * width, width),
            f"blocks.{k}.mlp.fc1.bias": (4 * width,),
            f"blocks.{k}.mlp.fc2.weight": (width, 4 * width),
            f"blocks.{k}.mlp.fc2.bias": (width,),
        }
    generator = torch.Generator().manual_seed(0)
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in state.items()}


def published_forward(state: dict, gradients: torch.Tensor, series: torch.Tensor, heads: int) -> torch.Tensor:
    """The published encoder written out with plain functions; tokens ROI-major."""
    width, _, _, patch = state["patch_embed.proj.weight"].shape
    tokens = F.conv2d(series[:, None], state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], (1, patch))
    steps = tokens.shape[-1]
    tokens = tokens.flatten(2).transpose(1, 2)
    place = F.linear(gradients, *(state[f"pos_embed_proj.predictor_pos_embed_proj.{k}"] for k in ("weight", "bias")))
    place = 2 * (place - place.min()) / (place.max() - place.min()) - 1
    half = width // 2
    table = np.zeros((len(gradients) * steps, half))
    for token in range(len(table)):
        for k in range(half // 2):
            angle = (token % steps) / 10_000 ** (k / (half / 2))
            table[token, k], table[token, half // 2 + k] = np.sin(angle), np.cos(angle)
    rows = torch.arange(len(table)) // steps
    x = tokens + torch.cat([torch.as_tensor(table).float(), place[rows]], dim=1)
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks"))
    for k in range(depth):
        own = {name.removeprefix(f"blocks.{k}."): value for name, value in state.items() if f"blocks.{k}." in name}
        y = F.layer_norm(x, (width,), own["norm1.weight"], own["norm1.bias"], 1e-6)
        q, key, v = (
            part.unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in F.linear(y, own["attn.qkv.weight"], own["attn.qkv.bias"]).chunk(3, dim=-1)
        )
        share = (q @ key.transpose(-1, -2) * (width // heads) ** -0.5).softmax(dim=-1)
        x = x + F.linear((share @ v).transpose(1, 2).flatten(2), own["attn.proj.weight"], own["attn.proj.bias"])
        y = F.layer_norm(x, (width,), own["norm2.weight"], own["norm2.bias"], 1e-6)
        y = F.gelu(F.linear(y, own["mlp.fc1.weight"], own["mlp.fc1.bias"]))
        x = x + F.linear(y, own["mlp.fc2.weight"], own["mlp.fc2.bias"])
    return F.layer_norm(x, (width,), state["norm.weight"], state["norm.bias"], 1e-6)


def test_published_weights_load_by_their_names_and_give_the_published_network(cohort, context, tmp_path):
    rois, width, depth = 10, 384, 2
    state = published_state(rois, 10, 16, width, depth)
    gradients = np.random.default_rng(0).normal(size=(rois, 30)).astype(np.float32)
    np.savetxt(tmp_path / "gradients.csv", gradients, delimiter=",")
    file = tmp_path / "jepa-ep300.pth.tar"
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"encoder": {}, "target_encoder": wrapped, "opt": {"state": {}}, "epoch": 300, "scaler": None}, file)
    scans, _, _ = cohort(6)
    method = BrainJEPA(gradients=str(tmp_path / "gradients.csv"))
    encoder = method.loaded(file, Joined([scans]))
    assert (encoder.rois, encoder.steps, encoder.heads, len(encoder.blocks.blocks)) == (10, 10, 6, 2)
    series = torch.randn(2, rois, 160)
    with torch.no_grad():
        ours, theirs = encoder(series), published_forward(state, torch.as_tensor(gradients), series, 6)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    with pytest.raises(BadOption, match="gradients"):
        BrainJEPA().loaded(file, Joined([scans]))
    torch.save({"target_encoder": {name: value for name, value in wrapped.items() if "fc2" not in name}}, file)
    with pytest.raises(BadData, match=r"mlp\.2\.weight is missing"):
        method.loaded(file, Joined([scans]))


# Tokens


def test_tokens_are_roi_major_and_hidden_tokens_are_not_read():
    encoder = small().eval()
    series = torch.randn(2, 5, 12)
    moved = series.clone()
    moved[:, 3, 4:8] += 5  # ROI 3, step 1: token 3 * 3 + 1
    without = torch.tensor([token for token in range(15) if token != 10]).expand(2, -1)
    with torch.no_grad():
        torch.testing.assert_close(encoder(series, without), encoder(moved, without), rtol=0, atol=0)
        assert not torch.allclose(encoder(series), encoder(moved))
        torch.testing.assert_close(encoder(series, torch.arange(15).expand(2, -1)), encoder(series))


def test_positions_are_a_time_half_and_a_place_half():
    encoder = small(rois=4, frames=20)
    table = encoder.positions(encoder.gradients).detach().unflatten(0, (4, 5))
    half = encoder.width // 2
    torch.testing.assert_close(table[0, :, :half], table[3, :, :half])
    torch.testing.assert_close(table[:, 0, half:], table[:, 4, half:])
    assert (table[..., half:].min(), table[..., half:].max()) == (-1, 1)


# Masks


@pytest.mark.parametrize(("rois", "steps"), [(450, 10), (100, 2), (392, 1), (10, 4), (5, 7)])
def test_masks_keep_what_is_seen_apart_from_what_is_hidden(rois, steps):
    rng = np.random.default_rng(0)
    for _ in range(50):
        seen, hidden = draw_batch(3, rois, steps, rng)
        assert min(seen.shape[1], hidden.shape[1]) > 0
        for mine, others in zip(seen, hidden, strict=True):
            assert len(np.unique(mine)) == len(mine)
            assert not np.intersect1d(mine, others).size
            assert max(mine.max(), others.max()) < rois * steps


def test_mask_blocks_have_the_published_sizes():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        sizes = Sizes.draw(450, 10, rng)
        assert 378 <= sizes.observed[0] < 450
        assert sizes.observed[1] in (8, 9)
        assert 202 <= sizes.crossed[0] <= 270
        assert sizes.crossed[1] in (2, 3, 4, 5)
        mask = draw_mask(450, 10, sizes, rng)
        crossed = np.flatnonzero(mask.hidden.sum(axis=1) >= sizes.crossed[1])
        # Cross-ROI targets: ROIs that are hidden at some step of the middle are seen at none.
        assert not mask.seen[mask.hidden[:, 3:7].any(axis=1)].any()
        assert len(crossed) >= sizes.crossed[0]
        # Cross-time targets: at a hidden edge step nobody is seen.
        for step in (0, 1, 2, 7, 8, 9):
            if mask.hidden[mask.seen.any(axis=1), step].any():
                assert not mask.seen[:, step].any()
        shares.append((mask.seen.mean(), mask.hidden.mean()))
    seen, hidden = np.mean(shares, axis=0)
    assert 0.15 < seen < 0.35
    assert 0.2 < hidden < 0.35


# Objective


def test_loss_is_smooth_l1_on_normed_target_features_and_sees_no_hidden_token():
    network = Pretraining(small(), 8, 1, 0.996).eval()
    for parameter in network.target.parameters():
        parameter.data.add_(0.1)
    series = torch.randn(2, 5, 12)
    seen, hidden = torch.tensor([[0, 4, 5], [1, 2, 14]]), torch.tensor([[1, 7], [0, 9]])
    loss = network.loss(series, seen, hidden)
    whole = network.target(series)
    wanted = torch.stack([whole[k, hidden[k]] for k in range(2)])
    wanted = (wanted - wanted.mean(-1, keepdim=True)) / (wanted.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    predicted = network.predictor(network.encoder(series, seen), seen, hidden, network.encoder.gradients)
    gap = (predicted - wanted).abs()
    torch.testing.assert_close(loss, torch.where(gap < 1, gap**2 / 2, gap - 0.5).mean())
    loss.backward()
    assert all(parameter.grad is None for parameter in network.target.parameters())
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())
    assert all(parameter.grad is not None for parameter in network.predictor.parameters())
    moved = series.clone()
    for k in range(2):
        for token in set(range(15)) - set(seen[k].tolist()):
            moved[k, token // 3, token % 3 * 4 : token % 3 * 4 + 4] += 9
    again = network.predictor(network.encoder(moved, seen), seen, hidden, network.encoder.gradients)
    torch.testing.assert_close(again, predicted, rtol=0, atol=0)


def test_target_follows_with_a_momentum_that_rises_to_one():
    network = Pretraining(small(), 8, 1, 0.9)
    before = network.target.patch.weight.clone()
    network.encoder.patch.weight.data.add_(1)
    network.follow(0.5)
    torch.testing.assert_close(network.target.patch.weight, before + 0.05)
    network.follow(1.0)
    torch.testing.assert_close(network.target.patch.weight, before + 0.05)


def test_pretraining_lowers_its_loss_and_moves_the_encoder(cohort, context):
    scans, _, _ = cohort(24)
    method = BrainJEPA(**{**QUICK, "pretrain_epochs": 15, "pretrain_rate": 2e-3, "init": "published"})
    start = BrainJEPA(**{**QUICK, "pretrain_epochs": 0, "init": "published"})
    with reproducible(context):
        encoder, facts = method.pretrained(Joined([scans, scans]), context)
    with reproducible(context):
        untrained, _ = start.pretrained(Joined([scans, scans]), context)
    losses = facts["pretraining_losses"]
    assert facts["pretraining_scans"] == 48
    assert losses[-1] < 0.9 * losses[0]
    assert (encoder.patch.weight - untrained.patch.weight).abs().max() > 1e-3


def test_pretrained_weights_are_stored_and_read_again(cohort, contexts, tmp_path):
    from dataclasses import replace

    scans, labels, groups = cohort(24)
    method = BrainJEPA(**QUICK)
    method.pretrain([scans], replace(contexts(), save=tmp_path / "weights"))
    predictions = []
    for _ in range(2):
        tuned = BrainJEPA(frames=48, patch=12)  # the sizes are those of the checkpoint
        tuned.fit(Train(scans, labels, groups), replace(contexts(), checkpoint=tmp_path / "weights"))
        predictions.append(tuned.predict(scans, contexts()))
    np.testing.assert_array_equal(*predictions)
    assert tuned.report()["checkpoint"] == "weights"
    assert "pretraining_scans" not in tuned.report()
    with pytest.raises(BadOption, match="patches of 24 frames"):
        BrainJEPA(frames=20, patch=10).loaded(tmp_path / "weights", Joined([scans]))
    with pytest.raises(BadOption, match="--save"):
        method.pretrain([scans], contexts())


# Fine-tuning


def test_layers_near_the_input_learn_more_slowly():
    network = Classifier(small(depth=3), 2)
    groups = BrainJEPA(layer_decay=0.75).groups(network)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    scales = {names[id(group["params"][0])]: group["scale"] for group in groups}
    assert len(scales) == len(names)
    assert scales["encoder.patch.weight"] == pytest.approx(0.75**4)
    assert scales["encoder.positions.place.weight"] == pytest.approx(0.75**4)
    assert scales["encoder.blocks.blocks.0.attention.qkv.weight"] == pytest.approx(0.75**3)
    assert scales["encoder.blocks.blocks.2.mlp.0.bias"] == pytest.approx(0.75)
    assert scales["encoder.blocks.norm.weight"] == scales["head.weight"] == 1
    undecayed = {names[id(group["params"][0])] for group in groups if group.get("weight_decay") == 0}
    assert undecayed == {name for name, parameter in network.named_parameters() if parameter.dim() < 2}


@pytest.mark.parametrize("options", [{}, {"precision": "bf16"}, {"tuning": "full", "epochs": 3, "init": "published"}])
def test_classes_and_numbers_are_predicted_the_same_every_time(cohort, contexts, options):
    scans, labels, groups = cohort(24)
    for kind, targets in (("classification", labels), ("regression", labels * 3.0 + 10)):
        found = []
        for _ in range(2):
            method = BrainJEPA(**QUICK, **options)
            method.fit(Train(scans, targets, groups), contexts(kind=kind))
            found.append(method.predict(scans, contexts(kind=kind)))
            alone = np.concatenate([method.predict(scans.take(np.array([row])), contexts(kind=kind)) for row in (3, 7)])
            np.testing.assert_allclose(alone, found[-1][[3, 7]], rtol=0.05, atol=0.02)
        np.testing.assert_array_equal(*found)
        assert found[0].shape == ((24, 2) if kind == "classification" else (24,))
    assert method.report()["tuning"] == options.get("tuning", "probe")


def test_planted_signal_is_found_and_shuffled_labels_give_chance(cohort, context, score):
    scans, labels, groups = cohort(160)
    options = {**QUICK, "width": 128}
    assert score(BrainJEPA(**options), (scans, labels, groups), context) > 0.8
    areas = []
    for seed in range(3):
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(BrainJEPA(**{**options, "pretrain_epochs": 0}), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.17)


def test_a_block_that_starts_as_connectivity_tells_who_goes_with_whom():
    """Two scans that differ in correlation alone are far apart; from the published start they are not."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=(2, 1, 160)), rng.normal(size=(2, 6, 160))
    apart = np.concatenate([own[0][:3], own[1][3:]])
    together = np.concatenate([0.5 * own[0][:3] + 0.9 * shared[0], own[1][3:]])
    series = torch.as_tensor(np.stack([apart, together]) / np.stack([apart, together]).std(axis=2, keepdims=True))
    moves = []
    for start in (start_as_connectivity, lambda encoder: None):
        torch.manual_seed(0)
        encoder = Encoder(torch.eye(6), 160, 80, 128, 1, 2)
        start(encoder)
        with torch.no_grad():
            first, second = encoder(series.float()).mean(dim=1)
        moves.append(float((first - second).norm() / first.norm()))
    assert moves[0] > 3 * moves[1]


def test_impossible_options_are_refused():
    for options, message in [
        ({"heads": 3}, "heads=3"),
        ({"frames": 10, "patch": 16}, "frames=10"),
        ({"tuning": "none"}, "tuning"),
        ({"init": "x"}, "init"),
        ({"preprocess": "x"}, "preprocessing"),
        ({"momentum": 2}, "momentum"),
    ]:
        with pytest.raises(BadOption, match=message):
            BrainJEPA(**options)


def test_weights_of_another_atlas_with_as_many_rois_are_refused(tmp_path):
    from brainbench.baselines.encoder_baseline import atlas_key, refuse_other_atlas
    from brainbench.benchmark.kinds.scans import Atlas
    from brainbench.benchmark.nn.weights import SETTINGS, read_settings

    ours, turned = Atlas("ours", ("a", "b", "c")), Atlas("turned", ("c", "b", "a"))
    (tmp_path / SETTINGS).write_text(f'{{"atlas": "{atlas_key(ours)}"}}')
    refuse_other_atlas(tmp_path, ours)
    with pytest.raises(BadOption, match="another atlas than 'turned'"):
        refuse_other_atlas(tmp_path, turned)
    # A file of others says nothing of its atlas; damaged settings are named.
    assert read_settings(tmp_path / "theirs.pth") == {}
    (tmp_path / SETTINGS).write_text("{")
    with pytest.raises(BadData, match=SETTINGS):
        read_settings(tmp_path)
