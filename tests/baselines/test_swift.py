"""SwiFT: sizes, a golden forward pass, windows, learning, pretraining, checkpoints, and which tasks it runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.baselines.swift import SwiFT
from brainbench.baselines.swift_windows import RandomWindows, every_window, two_apart
from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.datasets.cohort import write_cohort
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans
from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.worker import lacking
from support import plan_of, write_planted

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

from brainbench.baselines.swift_contrast import ContrastNetwork, _turn, augment, contrast_loss, nt_xent  # noqa: E402
from brainbench.baselines.swift_network import (  # noqa: E402
    Attention,
    Backbone,
    Geometry,
    Parts,
    SwiftNetwork,
    windows,
)

SEX = TaskInfo("toy", "classification", "sex", ("female", "male"), inputs=("volume",))
TINY = {"frames": 8, "patches": 2, "width": 8, "depths": (1, 1), "heads": (1, 2), "window": 4}


def make_scans(labels: np.ndarray, frames: int = 16, seed: int = 0, side: int = 4) -> Scans:
    """Images in which half of the voxels vary more over time, and lie higher, under label 1."""
    rng = np.random.default_rng(seed)
    volumes = []
    for label in labels:
        volume = 0.3 * rng.standard_normal((frames, side, side, side))
        volume[:, : side // 2] += 0.8 * label + (0.5 + label) * rng.standard_normal((frames, 1, 1, 1))
        volumes.append(volume.astype(np.float16))
    table = pd.DataFrame({"tr": 1.0, "frames": frames}, index=[f"s{k}" for k in range(len(labels))])
    return Scans(Items(table, {"volume": volumes}, {"atlas": {"name": "voxels", "labels": []}}), ())


def context(folder: Path, task: TaskInfo = SEX, **options: object) -> Context:
    return Context(task, 0, folder, **options)  # type: ignore[arg-type]


def published(**options: object) -> Geometry:
    method = SwiFT(**{**SwiFT.presets["published"], **options})
    return method.geometry((96, 96, 96))


def test_published_parameter_counts():
    with torch.device("meta"):
        network = SwiftNetwork(Backbone(published()), 2)
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert count(network.backbone) == 4_315_212
    assert count(network.head) == 289


def test_published_shapes():
    geometry = published()
    assert geometry.stages == [(16, 16, 16, 20), (8, 8, 8, 20), (4, 4, 4, 20), (2, 2, 2, 20)]
    with torch.device("meta"):
        out = Backbone(geometry)(torch.empty(1, 20, 96, 96, 96))
    assert out.shape == (1, 2, 2, 2, 20, 288)
    state = Backbone(geometry).state_dict()
    assert state["pos_embeds.1.pos_embed"].shape == (1, 72, 8, 8, 8, 1)
    assert state["layers.2.blocks.5.mlp.linear1.weight"].shape == (576, 144)
    assert state["layers.0.downsample.reduction.weight"].shape == (72, 288)


def formula_weights(network: torch.nn.Module) -> None:
    """Every parameter from its name and index, so that two implementations can be given the same."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            key = sum(map(ord, name))
            index = torch.arange(parameter.numel(), dtype=torch.float64)
            values = 0.3 * torch.sin(0.37 * index * (1 + 0.01 * (key % 97)) + key).reshape(parameter.shape)
            parameter.copy_(values + 1 if "norm" in name and name.endswith("weight") else values)


def test_golden_forward():
    """Against the authors' code (commit 0b07cb1) run on the same weights and images."""
    geometry = Geometry((24, 24, 24), 8, 8, 8, (2, 2, 1), (2, 4, 4), 4, four_frame_global=True, unused_norm=True)
    network = Backbone(geometry)
    formula_weights(network)
    index = torch.arange(2 * 24**3 * 8, dtype=torch.float64)
    images = torch.cos(0.013 * index + 0.5 * torch.sin(0.37 * index)).reshape(2, 24, 24, 24, 8).float()
    with torch.no_grad():
        out = network(images.permute(0, 4, 1, 2, 3))
    assert out.shape == (2, 2, 2, 2, 8, 32)
    np.testing.assert_allclose(out[0, 0, 0, 0, 0, :4], [-4.0642, 4.1086, 4.1783, -2.3016], atol=2e-4)
    assert float(out[1, 1, 0, 1, 7, 10]) == pytest.approx(3.7633, abs=2e-4)
    assert float(out.mean()) == pytest.approx(0.1003, abs=2e-4)
    assert float(out.std()) == pytest.approx(3.2964, abs=2e-4)


def test_reference_oddities_change_the_output():
    geometry = Geometry((8, 8, 8), 4, 8, 8, (2, 1), (2, 2))
    images = torch.randn(1, 8, 8, 8, 8)
    outs = []
    for options in ({}, {"four_frame_global": True}, {"unused_norm": True}):
        network = Backbone(replace(geometry, **options))
        formula_weights(network)
        with torch.no_grad():
            outs.append(network(images))
    assert not torch.allclose(outs[0], outs[1], atol=1e-3)
    assert not torch.allclose(outs[0], outs[2], atol=1e-3)


def test_windows_are_undone():
    x = torch.randn(2, 8 * 4 * 4 * 8, 3, dtype=torch.float64, requires_grad=True)
    for shift, counts in (((0, 0, 0, 0), [(8, 128)]), ((2, 0, 0, 2), [(8, 32), (8, 64), (2, 128)])):
        parts = Parts((8, 4, 4, 8), (4, 2, 4, 4), shift)
        cut = parts.cut(x)
        assert [part.shape for part in cut] == [(2, *shape, 3) for shape in counts]
        torch.testing.assert_close(parts.joined(cut), x)
        (slope,) = torch.autograd.grad(parts.joined([part**2 for part in cut]).sum(), x)
        torch.testing.assert_close(slope, 2 * x)


def test_shifted_windows_do_not_join_far_ends():
    found = windows((8, 4, 4, 4), (4, 4, 4, 4), (2, 0, 0, 0))
    axis = [set((part // 64).tolist()) for same in found for part in same]
    assert sorted(map(sorted, axis)) == [[0, 1], [2, 3, 4, 5], [6, 7]]


def test_windows_attend_as_under_the_mask_of_a_rolled_grid():
    sizes, window, shift = (8, 4, 4, 8), (4, 4, 4, 4), (2, 0, 0, 2)
    attention, axes = Attention(6, 2), (1, 2, 3, 4)
    x = torch.randn(2, *sizes, 6)
    rolled, ends = (
        values.roll([-step for step in shift], axes).flatten(1, 4)
        for values in (x, torch.stack([_ends(sizes, window, shift)] * 2)[..., None])
    )
    wanted = torch.empty_like(rolled)
    for (place,) in windows(sizes, window, (0, 0, 0, 0))[0][:, None]:
        q, k, v = attention.qkv(rolled[:, place]).view(2, -1, 3, 2, 3).permute(2, 0, 3, 1, 4)
        same = ends[:, place] == ends[:, place].transpose(1, 2)
        mixed = (q @ k.transpose(2, 3) / 3**0.5).masked_fill(~same[:, None], -torch.inf).softmax(-1) @ v
        wanted[:, place] = attention.proj(mixed.transpose(1, 2).flatten(2))
    parts = Parts(sizes, window, shift)
    found = parts.joined([attention(part) for part in parts.cut(x.flatten(1, 4))])
    torch.testing.assert_close(found, wanted.view(x.shape).roll(shift, axes).flatten(1, 4))


def _ends(sizes, window, shift):
    """Which tokens of a grid wrap round when it is rolled: 0 none, and a bit for each axis."""
    out = torch.zeros(sizes, dtype=torch.long)
    for axis, step in enumerate(shift):
        out += (torch.arange(sizes[axis]) < step).reshape([-1 if k == axis else 1 for k in range(4)]) * 2**axis
    return out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"patches": 3, "depths": (1, 1), "heads": (1, 1)}, "cannot be halved"),
        ({"frames": 18}, "windows of 4"),
        ({"width": 10, "heads": (3, 6)}, "do not divide the channels"),
        ({"patches": 8}, "do not divide a grid"),
        ({"depths": (1,), "heads": (1, 1)}, "not of one length"),
    ],
)
def test_sizes_that_do_not_fit(options, text):
    with pytest.raises(BadOption, match=text):
        SwiFT(**options).geometry((12, 12, 12))


def test_options_from_json_and_bad_ones():
    assert SwiFT(depths=[2, 2], heads=[1, 2]).depths == (2, 2)
    for wrong in ({"frames": 0}, {"temperature": 0}, {"depths": (0, 1)}):
        with pytest.raises(BadOption, match="not positive"):
            SwiFT(**wrong)


def test_windows_of_a_scan():
    scans = make_scans(np.zeros(3, int), frames=21)
    assert every_window(scans, np.array([2, 0]), 8) == [(2, 0), (2, 8), (0, 0), (0, 8)]
    windows = RandomWindows(scans, 8, seed=1)
    assert windows.shape == (3, 8, 4, 4, 4)
    assert windows[np.array([0, 1])].shape == (2, 8, 4, 4, 4)
    whole = scans.volume(0, 0, 21)
    seen = {
        start
        for _ in range(100)
        for start in range(14)
        if np.array_equal(windows[np.array([0])][0], whole[start : start + 8])
    }
    assert {0, 13} <= seen
    with pytest.raises(BadData, match="21 frames is shorter than the 22"):
        RandomWindows(scans, 22, 0)


def test_pairs_of_windows_do_not_overlap():
    rng = np.random.default_rng(0)
    pairs = [two_apart(21, 8, rng) for _ in range(400)]
    assert all(abs(a - b) >= 8 and min(a, b) >= 0 and max(a, b) <= 13 for a, b in pairs)
    assert {a < b for a, b in pairs} == {True, False}
    assert {min(a, b) for a, b in pairs} == set(range(6))


def test_logits_are_averaged_over_windows(tmp_path):
    scans = make_scans(np.arange(6) % 2, frames=20)
    method = SwiFT(**TINY, epochs=1)
    method.fit(Train(scans, np.arange(6) % 2, np.arange(6)), context(tmp_path))
    network = method._network
    with torch.no_grad():
        logit = [
            np.mean([float(network(torch.as_tensor(scans.volume(row, s, s + 8)[None]))[0, 1]) for s in (0, 8)])
            for row in range(6)
        ]
    wanted = 1 / (1 + np.exp(-np.array(logit)))
    np.testing.assert_allclose(method.predict(scans, context(tmp_path))[:, 1], wanted, atol=1e-5)


def test_learns_and_repeats(tmp_path):
    labels = np.random.default_rng(0).permutation(np.arange(72) % 2)
    scans = make_scans(labels)
    train, test = np.arange(48), np.arange(48, 72)
    predictions = []
    for _ in range(2):
        method = SwiFT(**TINY, epochs=8, rate=3e-3)
        method.fit(Train(scans.take(train), labels[train], train), context(tmp_path))
        predictions.append(method.predict(scans.take(test), context(tmp_path)))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert predictions[0].shape == (24, 2)
    assert AUC().score(labels[test], predictions[0]) > 0.9
    assert method.report()["parameters"] > 1000


def test_regression(tmp_path):
    labels = np.random.default_rng(0).permutation(np.arange(48) % 2)
    values = 30.0 + 10 * labels + np.random.default_rng(1).normal(size=48)
    task = TaskInfo("age", "regression", "age", inputs=("volume",))
    method = SwiFT(**TINY, epochs=8, rate=3e-3)
    scans = make_scans(labels)
    method.fit(Train(scans.take(np.arange(36)), values[:36], np.arange(36)), context(tmp_path, task))
    found = method.predict(scans.take(np.arange(36, 48)), context(tmp_path, task))
    assert np.corrcoef(found, values[36:])[0, 1] > 0.6


def test_three_classes_have_three_outputs(tmp_path):
    network = SwiFT(**TINY).build(((8, 4, 4, 4),), 3, context(tmp_path))
    assert network(torch.zeros(2, 8, 4, 4, 4)).shape == (2, 3)


def test_short_scans_are_refused(tmp_path):
    scans = make_scans(np.arange(4) % 2, frames=6)
    with pytest.raises(BadData, match="shorter than the 8"):
        SwiFT(**TINY).fit(Train(scans, np.arange(4) % 2, np.arange(4)), context(tmp_path))


def test_nt_xent_by_formula():
    rng = np.random.default_rng(0)
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, 3, 5)))
    codes = np.concatenate([first, second])
    total = 0.0
    for k in range(6):
        others = [math.exp(codes[k] @ codes[j] / 0.1) for j in range(6) if j != k]
        total -= math.log(math.exp(codes[k] @ codes[(k + 3) % 6] / 0.1) / sum(others))
    found = nt_xent(torch.as_tensor(first), torch.as_tensor(second), 0.1)
    assert float(found) == pytest.approx(total / 6)
    stacked = nt_xent(torch.as_tensor(first).expand(4, 3, 5), torch.as_tensor(second).expand(4, 3, 5), 0.1)
    assert float(stacked) == pytest.approx(total / 6)


def test_views_treat_all_frames_alike():
    torch.manual_seed(0)
    frame = torch.rand(6, 5, 7)
    views = augment(frame.expand(10, 3, 6, 5, 7))
    torch.testing.assert_close(views[:, 0], views[:, 2])
    assert all(not torch.allclose(view[0], frame, atol=1e-3) for view in views)
    still = torch.full((2, 6, 5, 7), 2.0)
    torch.testing.assert_close(_turn(still), still)


def test_turning_is_rigid_on_a_grid_that_is_no_cube(monkeypatch):
    """Ten degrees about one axis: the other two coordinates keep their distance from it, in voxels."""
    draws = iter([torch.tensor([1.0, 0.5, 0.5]), torch.tensor([0.5, 0.5, 0.5])])
    monkeypatch.setattr(torch, "rand", lambda *_: next(draws))
    x, y, z = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in (9, 21, 13)), indexing="ij")
    inner = (slice(2, 7), slice(6, 15), 6)
    turned_x, turned_y, turned_z = (part[inner] for part in _turn(torch.stack([x, y, z])))
    torch.testing.assert_close(turned_z, z[inner], atol=1e-4, rtol=0)
    torch.testing.assert_close(turned_x**2 + turned_y**2, (x**2 + y**2)[inner], atol=1e-3, rtol=1e-3)
    angle = torch.atan2(turned_y[-1, 4] - turned_y[0, 4], turned_x[-1, 4] - turned_x[0, 4])
    assert abs(float(angle)) == pytest.approx(0.175, abs=1e-3)


def test_cumulative_views_start_from_the_first(monkeypatch):
    seen = []

    def remember(windows):
        seen.append(windows)
        return windows + 1

    monkeypatch.setattr("brainbench.baselines.swift_contrast.augment", remember)
    network = ContrastNetwork(Backbone(Geometry((4, 4, 4), 2, 4, 8, (1,), (1,))))
    windows = torch.randn(2, 3, 4, 4, 4, 4)
    for cumulative in (False, True):
        assert contrast_loss(network, windows, 0.1, 1.0, cumulative).isfinite()
    torch.testing.assert_close(seen[1], seen[0])
    torch.testing.assert_close(seen[3], seen[2] + 1)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    cohorts = [make_scans(np.zeros(6, int), seed=k) for k in (1, 2)]
    SwiFT(**TINY, pretrain_epochs=2).pretrain(cohorts, context(folder, save=folder / "w"))
    return folder / "w"


def test_pretrained_weights_start_a_fit(pretrained, tmp_path):
    from safetensors.torch import load_file

    assert (pretrained / "weights.json").is_file()
    state = load_file(pretrained / "weights.safetensors")
    network = SwiFT(**TINY).build(((8, 4, 4, 4),), 2, context(tmp_path, checkpoint=pretrained))
    for name, value in network.backbone.state_dict().items():
        torch.testing.assert_close(value, state[name])
    scans = make_scans(np.arange(8) % 2)
    SwiFT(**TINY, epochs=1).fit(Train(scans, np.arange(8) % 2, np.arange(8)), context(tmp_path, checkpoint=pretrained))


def test_pretraining_learns_to_tell_people_apart(tmp_path):
    """People whose images differ: the pretrained network maps windows of one nearer to each other than chance."""
    rng = np.random.default_rng(0)
    scans = make_scans(np.zeros(12, int), frames=20)
    volumes = [np.asarray(v) + rng.normal(size=(1, 4, 4, 4)) for v in scans._items.arrays["volume"]]
    people = Scans(Items(scans._items.table, {"volume": volumes}, scans._items.meta), ())
    losses: list[float] = []
    import brainbench.baselines.swift_contrast as module

    original = module.contrast_loss
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "contrast_loss", lambda *a: losses.append(float((v := original(*a)).detach())) or v)
    try:
        SwiFT(**TINY, pretrain_epochs=25, batch=12, rate=3e-3).pretrain(
            [people], context(tmp_path, save=tmp_path / "w")
        )
    finally:
        patch.undo()
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])


def test_other_sizes_are_refused_by_name(pretrained, tmp_path):
    with pytest.raises(BadData, match="expected"):
        SwiFT(**{**TINY, "width": 16}).build(((8, 4, 4, 4),), 2, context(tmp_path, checkpoint=pretrained))


@pytest.mark.parametrize("head", ["fc1.weight", "head.weight"])
def test_checkpoints_of_the_authors(head, tmp_path):
    """A Lightning file by its key names; contrastive and classification ones differ in their head only."""
    geometry = Geometry((4, 4, 4), 2, 8, 8, (1, 1), (1, 2), 4, True, True)
    source = Backbone(geometry)
    formula_weights(source)
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    state[f"output_head.{head}"] = torch.zeros(1, 16)
    place = tmp_path / "contrastive_pretrained.ckpt"
    torch.save({"epoch": 9, "state_dict": state, "hyper_parameters": {"embed_dim": 8}, "optimizer_states": []}, place)
    where = context(tmp_path, checkpoint=place)
    with pytest.raises(BadOption, match="preset reference"):
        SwiFT(**TINY).build(((8, 4, 4, 4),), 2, where)
    network = SwiFT(**TINY, four_frame_global=True, unused_norm=True).build(((8, 4, 4, 4),), 2, where)
    for name, value in network.backbone.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[name])


def test_checkpoint_of_something_else(tmp_path):
    torch.save({"state_dict": {"encoder.weight": torch.zeros(2)}}, tmp_path / "x.ckpt")
    with pytest.raises(BadData, match="no weights under model"):
        SwiFT(**TINY, four_frame_global=True, unused_norm=True).build(
            ((8, 4, 4, 4),), 2, context(tmp_path, checkpoint=tmp_path / "x.ckpt")
        )


def test_pretraining_refuses_what_it_cannot_read(tmp_path):
    roi = Items(
        pd.DataFrame({"tr": [1.0], "frames": [30]}),
        {"series": [np.zeros((30, 3))]},
        {"atlas": {"name": "", "labels": []}},
    )
    images = make_scans(np.zeros(2, int))
    with pytest.raises(BadData, match="ROI series, not 4-D images"):
        SwiFT(**TINY).pretrain([Scans(roi, ()), images], context(tmp_path, save=tmp_path))
    with pytest.raises(BadData, match="differ in their grid"):
        SwiFT(**TINY).pretrain([images, make_scans(np.zeros(2, int), side=8)], context(tmp_path, save=tmp_path))
    with pytest.raises(BadData, match="shorter than the 16"):
        SwiFT(**TINY).pretrain([make_scans(np.zeros(2, int), frames=12)], context(tmp_path, save=tmp_path))


def test_a_run_on_series_is_skipped_and_one_on_images_goes_through(run_plan, store, monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path))
    write_planted(tmp_path, n=24)
    with write_cohort(tmp_path / "cohorts" / "hcp-volumes", dtype="float16", grid=(4, 4, 4)) as writer:
        labels = np.arange(24) % 2
        images = make_scans(labels)
        for k, label in enumerate(labels):
            row = {"subject": f"p{k}", "site": "A", "sex": SEX.classes[label], "tr": 1.0}
            writer.add(f"p{k}", images.volume(k, 0, 16).reshape(16, 64), row)
        atlas = {"name": "voxels", "labels": []}
        writer.finish({"name": "hcp-volumes", "dataset": "hcp-volumes", "origin": "real", "atlas": atlas,
                       "source": "", "importer": {}, "left_out": {}})  # fmt: skip
    sizes = ("frames=8", "patches=2", "width=8", "depths=[1,1]", "epochs=1")
    settings = tuple(f"swift.{text}" for text in sizes)
    (skipped,) = run_plan(plan_of("abide1-asd", "swift", folds=2, data="real"))
    assert skipped.status == "skipped"
    assert "it reads 4-D volumes; the task's items hold ROI series" in skipped.reason
    swift, svm = run_plan(plan_of("hcp-volumes-sex", "swift", "fc-svm", folds=2, data="real", settings=settings))
    assert swift.status == "ok", swift.reason
    assert svm.status == "skipped"
    assert "it reads ROI series; the task's items hold 4-D volumes" in svm.reason


def test_tasks_of_series_are_skipped_with_the_reason():
    series = TaskInfo("x", "classification", "sex", ("female", "male"), inputs=("series",))
    assert lacking(SwiFT(), series) == "it reads 4-D volumes; the task's items hold ROI series"
    assert lacking(SwiFT(), SEX) is None
