"""The parts of FCN-LLM: tokens, parameter counts, graph convolution, windows, instructions."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

import torch

from brainbench.benchmark.contracts import TaskInfo
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Atlas, Scans
from brainbench.methods.fcn_llm.encoder import Encoder, WholeBrain, adjacency
from brainbench.methods.fcn_llm.groups import averaging, parcels, subnetworks
from brainbench.methods.fcn_llm.instructions import comparisons, draw, judgments
from brainbench.methods.fcn_llm.options import PRESETS, Options
from brainbench.methods.fcn_llm.parts import Attribute, Part, number_text, prompts
from brainbench.methods.fcn_llm.projector import Projector
from brainbench.methods.fcn_llm.windows import Piece, in_frames, moments, networks, whole, windows
from brainbench.methods.fcn_llm.wordings import HIGHER, JUDGMENT, SAME

SEX = TaskInfo("sex", "classification", "sex", ("female", "male"))
AGE = TaskInfo("age", "regression", "age")
YEO = 7


def scans(count: int = 12, rois: int = 6, frames: int = 150, tr: float = 2.0, sites: int = 2) -> Scans:
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(frames, rois)).astype(np.float32) for _ in range(count)]
    table = pd.DataFrame(
        {"tr": tr, "frames": frames, "site": [f"s{k % sites}" for k in range(count)]},
        index=[f"x{k}" for k in range(count)],
    )
    atlas = {"name": "toy", "labels": [f"r{k}" for k in range(rois)], "networks": []}
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ("site",))


def part(values: list[float], info: TaskInfo = SEX, groups: list[int] | None = None, sites: int = 2) -> Part:
    view = scans(len(values), sites=sites)
    own = np.arange(len(values)) if groups is None else np.array(groups)
    return Part(view, (Attribute(info, np.array(values, float)),), own, tuple(view.covariates["site"]))


def encoder(rois: int, groups: int, scales: tuple[str, ...] = ("roi", "subnetwork", "brain"), **changes) -> Encoder:
    codes = np.arange(rois) % groups
    settings = {"hidden": 256, "dropout": 0.1, "threshold": 0.5, "density": 0.0, **changes}
    return Encoder(torch.eye(rois), torch.from_numpy(averaging(codes, groups)), scales, **settings).eval()


def correlations(count: int, rois: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(rois, rois // 2))
    found = [np.corrcoef(mixing @ rng.normal(size=(rois // 2, 60)) + rng.normal(size=(rois, 60))) for _ in range(count)]
    return torch.from_numpy(np.stack(found)).float()


# Section 9.1 and 9.2: tokens and parameters


@pytest.mark.parametrize(("rois", "groups", "tokens"), [(116, YEO, 124), (450, YEO, 458), (450, YEO + 1, 459)])
def test_token_counts(rois: int, groups: int, tokens: int) -> None:
    found = encoder(rois, groups)
    assert found(correlations(2, rois)).shape == (2, tokens, rois)
    assert len(found.scale_of_token) == tokens
    assert Counter(found.scale_of_token.tolist()) == {0: rois, 1: groups, 2: 1}


@pytest.mark.parametrize(("rois", "count"), [(116, 59_764), (450, 231_106)])
def test_graph_convolution_parameters(rois: int, count: int) -> None:
    assert sum(p.numel() for p in WholeBrain(rois, 256, 0.1).parameters()) == count


def test_projector_parameters() -> None:
    projector = Projector(450, 1024, encoder(450, YEO).scale_of_token, 1.0, gated=False)
    mlp = [*projector.norm.parameters(), *projector.inner.parameters(), *projector.outer.parameters()]
    assert sum(p.numel() for p in mlp) == 1_512_324
    assert projector.scale.shape == (3, 1024)
    assert projector.slot.shape == (458, 1024)


# Section 9.3: order of ROIs


def test_order_of_rois_does_not_change_pooled_tokens() -> None:
    """ROI features keep their columns while the nodes are permuted with the network map."""
    rois, groups = 20, 4
    codes = np.arange(rois) % groups
    order = np.random.default_rng(1).permutation(rois)
    plain = encoder(rois, groups)
    shown = correlations(3, rois)
    features = shown * (1 - torch.eye(rois))
    edges = adjacency(shown, 0.3, 0.0)
    moved = adjacency(shown[:, order][:, :, order], 0.3, 0.0)
    assert plain.brain is not None
    assert torch.allclose(plain.brain(features, edges), plain.brain(features[:, order], moved), atol=1e-6)
    means = torch.from_numpy(averaging(codes[order], groups))
    assert torch.allclose(plain.groups @ features, means @ features[:, order], atol=1e-6)
    wrong = torch.from_numpy(averaging(codes, groups))
    assert not torch.allclose(plain.groups @ features, wrong @ features[:, order], atol=1e-3)


def test_whole_brain_token_is_two_graph_convolutions_and_a_mean() -> None:
    network, shown = WholeBrain(9, 4, 0.0).eval(), correlations(2, 9)
    edges = adjacency(shown, 0.2, 0.0)
    hidden = torch.relu(edges @ network.first(shown) + (1 - edges.sum(-1, keepdim=True)) * network.first.bias)
    step = edges @ (hidden @ network.second.weight.T) + network.second.bias
    assert torch.allclose(network(shown, edges), step.mean(1), atol=1e-5)


def test_adjacency_thresholds_weights_loops_and_normalises() -> None:
    shown = torch.tensor([[[1, 0.8, -0.6, 0.1], [0.8, 1, 0.2, 0.1], [-0.6, 0.2, 1, 0.1], [0.1, 0.1, 0.1, 1]]])
    found = adjacency(shown, 0.5, 0.0)[0]
    degree = torch.tensor([1 + 0.8 + 0.6, 1.8, 1.6, 1.0])
    assert found[0, 1] == pytest.approx(0.8 / math.sqrt(2.4 * 1.8), abs=1e-6)
    assert found[0, 2] == pytest.approx(0.6 / math.sqrt(2.4 * 1.6), abs=1e-6)
    assert found[1, 2] == 0
    assert torch.allclose(found.diagonal(), 1 / degree, atol=1e-6)  # a node without an edge lives on its loop


def test_density_keeps_the_strongest_share_of_edges() -> None:
    shown = correlations(2, 30)
    kept = (adjacency(shown, 0.5, 0.1) > 0).float().sum((1, 2)) - 30
    assert torch.equal(kept, torch.full((2,), 2.0 * round(0.1 * 30 * 29 / 2)))
    every = (adjacency(shown, 0.5, 1.0) > 0).sum((1, 2))
    assert torch.equal(every, torch.full((2,), 900))


@pytest.mark.parametrize(
    ("scales", "tokens"), [(("roi",), 20), (("subnetwork",), 4), (("brain",), 1), (("roi", "brain"), 21)]
)
def test_scales_can_be_left_out(scales: tuple[str, ...], tokens: int) -> None:
    found, every = encoder(20, 4, scales), encoder(20, 4)
    shown = correlations(1, 20)
    assert found(shown).shape[1] == tokens
    if "roi" in scales:
        assert torch.equal(found(shown)[:, :20], every(shown)[:, :20])
    assert (found.brain is None) == ("brain" not in scales)


def test_standardised_networks_are_deviations_from_the_mean() -> None:
    shown = correlations(40, 10)
    found = encoder(10, 2, ("roi",))
    off = shown * (1 - torch.eye(10))
    found.standardise(off.mean(0), off.std(0).clamp_min(1e-4))
    tokens = found(shown)
    assert tokens.mean(0).abs().max() < 1e-4
    assert torch.allclose(tokens.std(0)[~torch.eye(10).bool()], torch.ones(90), atol=1e-3)


# Groups


def test_groups_follow_the_atlas_and_else_the_training_network() -> None:
    atlas = Atlas("a", tuple("abcdef"), ("Vis", "Vis", "Sub", "Sub", "Default", "Default"))
    found = subnetworks(atlas, np.eye(6))
    assert (found.names, found.codes.tolist(), found.origin) == (("Default", "Sub", "Vis"), [2, 2, 1, 1, 0, 0], "atlas")
    blocks = np.kron(np.eye(7), np.ones((3, 3)))
    order = np.random.default_rng(0).permutation(21)
    clustered = subnetworks(Atlas("b", tuple(map(str, range(21)))), blocks[order][:, order])
    assert clustered.origin == "clusters"
    assert len({(code, block) for code, block in zip(clustered.codes, order // 3, strict=True)}) == 7


def test_parcels_stay_within_subnetworks() -> None:
    rng = np.random.default_rng(0)
    atlas = Atlas("a", tuple(map(str, range(40))), tuple("ABCD"[k % 4] for k in range(40)))
    groups = subnetworks(atlas, np.eye(40))
    codes = parcels(groups, rng.normal(size=(40, 40)), 12)
    assert set(codes) == set(range(codes.max() + 1))
    assert 8 <= codes.max() + 1 <= 16
    assert all(len(set(groups.codes[codes == code])) == 1 for code in set(codes))


# Windows


def test_windows_are_equally_long_in_seconds() -> None:
    options = Options()
    assert in_frames(options, 2.0) == (100, 20)  # the published numbers
    assert in_frames(options, 0.72) == (278, 56)
    assert in_frames(options, math.nan) == (100, 20)
    found = windows(scans(2, frames=150), options)
    assert found == [Piece(row, start, start + 100) for row in (0, 1) for start in (0, 20, 40)]
    assert windows(scans(1, frames=60), options) == [Piece(0, 0, 60)]


def test_networks_are_those_of_the_frames() -> None:
    view = scans(2)
    shown = networks(view, [Piece(1, 20, 120)])[0]
    assert np.allclose(shown, np.corrcoef(view.series(1)[20:120].T), atol=1e-5)
    mean, spread = moments(view)
    every = networks(view, whole(view))
    every[:, np.arange(6), np.arange(6)] = 0
    assert np.allclose(mean, every.mean(0), atol=1e-5)
    assert np.allclose(spread[~np.eye(6, dtype=bool)], every.std(0)[~np.eye(6, dtype=bool)], atol=1e-4)


# Instructions


def test_half_of_the_judgments_are_right_and_wrong_answers_follow_the_marginal() -> None:
    info = TaskInfo("stage", "classification", "stage", ("a", "b", "c"))
    values = [0.0] * 100 + [1.0] * 60 + [2.0] * 40
    own = part(values, info)
    items = judgments(0, own.attributes[0], whole(own.scans), np.random.default_rng(0))
    assert Counter(item.right for item in items) == {0: 100, 1: 100}
    assert all(item.answers == ("Yes", "No") for item in items)
    shown = Counter(
        answer
        for item in items
        if item.right == 1 and item.pieces[0].row < 100
        for answer in "abc"
        if f"{answer}" in item.question.replace("'", " ").replace(".", " ").replace(",", " ").split()[-8:]
    )
    assert shown["b"] > shown["c"] * 0.8  # of scans of class a: 60 to 40


def test_judgments_of_numbers_propose_another_number() -> None:
    own = part([10, 20, 30, 40] * 5, AGE)
    items = judgments(0, own.attributes[0], whole(own.scans), np.random.default_rng(0))
    for item in items:
        truth = own.attributes[0].text(float(own.attributes[0].values[item.pieces[0].row]))
        assert (truth in item.question) == (item.right == 0)


def test_comparisons_are_balanced_within_sites_and_across_subjects() -> None:
    rng = np.random.default_rng(0)
    values = [float(v) for v in rng.integers(0, 2, 120)]
    own = part(values, groups=[k // 2 for k in range(120)], sites=3)
    items = comparisons(0, own, own.attributes[0], whole(own.scans), rng)
    share = np.mean([item.right == 0 for item in items])
    assert 0.4 < share < 0.6
    first = [item.pieces[0].row for item in items]
    assert 20 < sum(row != k for k, row in enumerate(first)) < 100  # either may come first
    for item in items:
        one, other = (piece.row for piece in item.pieces)
        assert own.sites[one] == own.sites[other]
        assert own.groups[one] != own.groups[other]
        assert (values[one] == values[other]) == (item.right == 0)


def test_a_site_that_would_give_the_answer_is_not_compared() -> None:
    own = part([0.0, 1.0] * 6, sites=2)  # site s0 holds class 0 only, s1 class 1 only
    assert comparisons(0, own, own.attributes[0], whole(own.scans), np.random.default_rng(0)) == []


def test_the_higher_number_is_named() -> None:
    own = part([float(k) for k in range(40)], AGE)
    items = comparisons(0, own, own.attributes[0], whole(own.scans), np.random.default_rng(0))
    assert 10 < sum(item.right == 0 for item in items) < 30
    for item in items:
        one, other = (piece.row for piece in item.pieces)
        assert item.answers == ("first", "second")
        assert (one > other) == (item.right == 0)


def test_unknown_values_are_not_asked_for_and_paradigms_can_be_left_out() -> None:
    own = part([0.0, 1.0, math.nan, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0], sites=1)
    every = draw([own], [whole(own.scans)], ("predictive", "judgment", "comparative"), np.random.default_rng(0))
    assert all(piece.row != 2 for item in every for piece in item.pieces)
    assert len([item for item in every if item.attribute]) == 11
    for left in ("predictive", "judgment", "comparative"):
        items = draw([own], [whole(own.scans)], (left,), np.random.default_rng(0))
        assert 0 < len(items) <= 11
        assert all(bool(item.attribute) == (left == "predictive") for item in items)
        assert all((len(item.pieces) == 2) == (left == "comparative") for item in items)


def test_wordings_are_many_and_those_of_the_test_are_others() -> None:
    for wordings in (JUDGMENT["train"], SAME, HIGHER):
        assert len(set(wordings)) >= 10
    assert not set(JUDGMENT["train"]) & set(JUDGMENT["test"])


@pytest.mark.parametrize(("value", "values", "text"), [(23.4, [10, 30, 50], "23"), (0.1234, [0.1, 0.2], "0.12")])
def test_numbers_are_written_as_precisely_as_they_spread(value: float, values: list[float], text: str) -> None:
    assert number_text(value, np.array(values)) == text


def test_several_questions_are_learned_field_by_field() -> None:
    info = TaskInfo("m", "questions", "answers", fields={"sex": ("f", "m"), "dx": ("c", "a")}, paradigm="multi")
    found = prompts(info, "both?", {"sex": "m", "dx": "a"})
    assert [(asked.said, asked.answers, asked.right) for asked in found] == [
        ((), ("f", "m"), 1),
        (("m",), (" | c", " | a"), 1),
    ]
    assert [asked.said for asked in prompts(info, "both?", {"dx": "c"})] == [("unknown",)]


# Options


@pytest.mark.parametrize(
    "changes",
    [{"scales": "roi,cell"}, {"scales": ""}, {"paradigms": "describe"}, {"tuning": "half"}, {"density": 2.0},
     {"window_seconds": 0.0}, {"scan": "mine"}],
)  # fmt: skip
def test_values_that_cannot_work_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadOption, match=next(iter(changes))):
        Options(**changes).verify()  # type: ignore[arg-type]


def test_presets_are_valid_and_the_published_ones_change_nothing_but_the_model() -> None:
    for settings in PRESETS.values():
        Options(**settings).verify()
    for name in ("qwen2.5-3b", "qwen2.5-7b"):
        assert set(PRESETS[name]) <= {"lm", "recompute"}
    published = Options()
    assert (published.stage1_epochs, published.stage2_epochs, published.tuning) == (1, 1, "full")
    assert (published.stage1_rate, published.stage2_rate, published.lm_rate) == (1e-3, 1e-4, 1e-5)
    assert (published.stage1_batch, published.stage2_batch, published.clip) == (128, 64, 1.0)
