"""BrainEC-LLM's network: patches, scales, contrast, graph attention and losses."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from brainbench.benchmark.errors import BadData  # noqa: E402
from brainbench.methods.brainec_llm.contrastive import TEMPERATURE, ScaleContrast, info_nce, similarities  # noqa: E402
from brainbench.methods.brainec_llm.graph import GraphAttention, graph_of, position_code  # noqa: E402
from brainbench.methods.brainec_llm.losses import cyclicity, entropy, losses, sparsity  # noqa: E402
from brainbench.methods.brainec_llm.mixing import Mixing, ModernTCN  # noqa: E402
from brainbench.methods.brainec_llm.model import BrainEC, part_sizes  # noqa: E402
from brainbench.methods.brainec_llm.options import Options  # noqa: E402
from brainbench.methods.brainec_llm.patches import (  # noqa: E402
    PatchEmbedding,
    Scaling,
    Shape,
    moving_average,
    pyramid,
    to_patches,
)
from brainbench.methods.brainec_llm.prototypes import Reprogramming  # noqa: E402
from brainbench.methods.brainec_llm.training import rate_of  # noqa: E402

SMALL = Options(prototypes=20, prototype_words=30)


def network(frames: int, regions: int, options: Options = SMALL) -> BrainEC:
    """The network without a language model, on a table of 40 random words."""
    torch.manual_seed(0)
    return BrainEC(options, Shape.of(options, frames, regions), torch.randn(40, 24), nn.Identity())


# Patches and scales


def test_token_counts_of_two_hundred_frames() -> None:
    shape = Shape.of(Options(), 200, 5)
    assert shape.lengths == (200, 100, 50, 25)
    assert shape.patches == (26, 13, 7, 4)
    assert sum(shape.patches) == 50


def test_patches_repeat_the_last_frame() -> None:
    found = to_patches(torch.arange(10.0).unsqueeze(0), 4, 3)
    assert found.tolist() == [[[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9], [9, 9, 9, 9]]]
    overlapping = to_patches(torch.arange(6.0).unsqueeze(0), 4, 2)
    assert overlapping.tolist() == [[[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 5, 5]]]


def test_patch_embedding_is_circular() -> None:
    embed = PatchEmbedding(2, 2, 3)
    series = torch.randn(1, 8)
    before = embed(series)
    series[0, -1] += 1  # the padding repeats it, and the circle carries it to the first patch
    changed = (embed(series) - before).abs().sum(-1)[0] > 1e-6
    assert changed.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize(("frames", "regions"), [(200, 5), (500, 5), (50, 5), (50, 50), (201, 2)])
def test_shapes_and_token_counts_through_the_network(frames: int, regions: int) -> None:
    model = network(frames, regions)
    series = torch.randn(2, frames, regions) * 3 + 1
    tokens = model.tokens(Scaling.of(series).apply(series))
    assert tokens.shape == (2 * regions, sum(model.shape.patches), 32)
    scales = model.decoder.scales(model.language(model.prototypes(tokens)))
    assert [tuple(scale.shape) for scale in scales] == [(2, length, regions) for length in model.shape.lengths]
    output = model(series)
    assert output.series.shape == series.shape
    assert output.graph.shape == (regions, regions)
    assert torch.isfinite(output.series).all()
    assert torch.isfinite(output.contrastive)


def test_too_few_frames_and_one_region_are_told_with_numbers() -> None:
    with pytest.raises(BadData, match=r"7 frames .* coarsest of 4 time scales has 0, .* patch of 8 .*\n.*at least 8"):
        Shape.of(Options(), 7, 5)
    with pytest.raises(BadData, match=r"31 frames .* has 3, .* needs at least 4\n.*at least 32"):
        Shape.of(Options(stride=4), 31, 5)
    assert Shape.of(Options(stride=4), 32, 5).patches[-1] == 1
    with pytest.raises(BadData, match="two regions"):
        Shape.of(Options(), 200, 1)


def test_instance_normalisation_is_undone() -> None:
    series = torch.randn(3, 40, 4, dtype=torch.float64) * torch.tensor([0.1, 1, 10, 100]) + 7
    scaling = Scaling.of(series)
    standard = scaling.apply(series)
    assert torch.allclose(standard.mean(1), torch.zeros(3, 4, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(standard[..., 2].var(1, unbiased=False), torch.ones(3, dtype=torch.float64), atol=1e-5)
    assert torch.allclose(scaling.undo(standard), series)


def test_moving_average_and_pyramid_match_plain_loops() -> None:
    series = np.random.default_rng(0).normal(size=(21, 2))
    padded = np.concatenate([np.repeat(series[:1], 2, 0), series, np.repeat(series[-1:], 2, 0)])
    expected = np.stack([padded[k : k + 5].mean(0) for k in range(21)])
    tensor = torch.from_numpy(series).unsqueeze(0)
    assert np.allclose(moving_average(tensor, 5)[0].numpy(), expected)
    scales = pyramid(tensor, Shape.of(Options(patch=2, stride=2, scales=2), 21, 2), 2)
    assert [scale.shape[1] for scale in scales] == [21, 10, 5]
    assert np.allclose(scales[1][0].numpy(), series[:20].reshape(10, 2, 2).mean(1))
    assert np.allclose(scales[2][0].numpy(), series[:20].reshape(5, 4, 2).mean(1))


def test_convolutions_mix_regions_only_where_they_should() -> None:
    """Without the layer across regions, a region's output depends on its own series alone."""
    block = ModernTCN(Options(dropout=0), 3, 40, 6, 20).eval()
    series = torch.randn(1, 3, 40)
    other = series.clone()
    other[0, 1] += torch.randn(40)
    moved = (block(series) - block(other)).abs().amax(-1)[0]
    assert (moved > 1e-6).all()
    block.across = nn.Identity()  # type: ignore[assignment]
    moved = (block(series) - block(other)).abs().amax(-1)[0]
    assert (moved > 1e-6).tolist() == [False, True, False]


def test_fine_parts_go_down_and_coarse_parts_go_up() -> None:
    """With the blocks of one direction silenced, information flows in the other alone."""
    options = Options(dropout=0)
    shape = Shape.of(options, 200, 3)
    mixing = Mixing(options, shape).eval()
    scales = pyramid(torch.randn(1, 200, 3), shape, 2)

    def reach(changed: int) -> list[bool]:
        other = list(scales)
        other[changed] = other[changed] + torch.randn_like(other[changed])
        pairs = zip(mixing(scales), mixing(other), strict=True)
        return [bool((a - b).abs().max() > 1e-6) for a, b in pairs]

    assert reach(1) == [True, True, True, True]
    up = mixing.up
    mixing.up = nn.ModuleList(Silent(length) for length in shape.lengths[:-1])
    assert reach(1) == [False, True, True, True]
    mixing.up, mixing.down = up, nn.ModuleList(Silent(length) for length in shape.lengths[1:])
    assert reach(1) == [True, True, False, False]


class Silent(nn.Module):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(*x.shape[:2], self.length)


# Word prototypes


def test_prototype_attention_matches_a_plain_loop() -> None:
    torch.manual_seed(0)
    layer = Reprogramming(Options(prototypes=7, heads=2, d_ff=4, d_model=3, prototype_words=5), torch.randn(9, 6))
    layer.eval()
    tokens = torch.randn(2, 3, 3)
    words = layer.mix.weight @ layer.table.T + layer.mix.bias[:, None]
    query, key, value = layer.query(tokens), layer.key(words), layer.value(words)
    expected = torch.empty(2, 3, 8)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        weights = (query[..., part] @ key[:, part].T / math.sqrt(4)).softmax(-1)
        expected[..., part] = weights @ value[:, part]
    assert torch.allclose(layer(tokens), layer.out(expected), atol=1e-5)


def test_paper_sizes_by_hand() -> None:
    """The map to prototypes alone holds 128 M weights at the vocabulary of Llama 3."""
    options = Options()
    with torch.device("meta"):
        model = BrainEC(options, Shape.of(options, 200, 5), torch.empty(128256, 4096), nn.Identity())
    sizes = part_sizes(model)
    mixture = 128_256 * 1000 + 1000
    attention = (32 * 256 + 256) + 2 * (4096 * 256 + 256) + (256 * 4096 + 4096)
    assert sizes["prototypes"]["trainable"] == mixture + attention
    assert mixture == 128_257_000
    lengths, counts = (200, 100, 50, 25), (26, 13, 7, 4)
    lower = 4096 * 32 + 32
    to_time = sum(32 * count * length + length for count, length in zip(counts, lengths, strict=True))
    stretch = sum(length * 200 + 200 for length in lengths)
    assert sizes["decoder"]["trainable"] == lower + to_time + stretch
    assert sizes["patches"]["trainable"] == 4 * 8 * 32 * 3
    qkvo, feed, norms = 4 * 200 * 200, 200 * 16 + 16 + 16 * 200 + 200, 3 * 400
    assert sizes["graph"]["trainable"] == qkvo + feed + norms
    contrast = sum(t * s + t + t * t + t for t in lengths[:3] for s in lengths)
    assert sizes["contrast"]["trainable"] == contrast
    assert sizes["all"]["total"] == sum(sizes[name]["total"] for name in sizes if name != "all")


# Contrast


def naive_contrast(views: list[np.ndarray], anchor: int, positive: int) -> float:
    """The term with plain exponentials, in float64."""
    total = 0.0
    for sample in range(len(views[0])):
        units = [view[sample] / np.linalg.norm(view[sample], axis=1, keepdims=True) for view in views]
        similar = [np.exp((units[anchor] * unit).sum() / TEMPERATURE) for unit in units]
        total -= np.log(similar[positive] / (sum(similar) - similar[anchor]))
    return total / len(views[0])


def test_contrast_matches_the_plain_formula() -> None:
    rng = np.random.default_rng(0)
    views = [rng.normal(size=(2, 3, 8)) for _ in range(4)]
    similarity = similarities([torch.from_numpy(view) for view in views])
    for anchor, positive in ((0, 1), (1, 0), (2, 3)):
        assert float(info_nce(similarity, anchor, positive)) == pytest.approx(naive_contrast(views, anchor, positive))


def test_contrast_is_finite_for_fifty_regions_that_agree() -> None:
    torch.manual_seed(0)
    contrast = ScaleContrast((40, 20, 10, 5))
    scales = [torch.ones(2, length, 50, requires_grad=True) for length in (40, 20, 10, 5)]
    value = contrast(scales)
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(scale.grad).all() for scale in scales)
    views = [torch.ones(2, 50, 6)] * 4
    assert math.log(np.finfo(np.float32).max) < 50 / TEMPERATURE  # what the plain formula would overflow at
    assert float(info_nce(similarities(views), 0, 1)) == pytest.approx(math.log(3), rel=1e-4)


# Graph


def test_attention_rows_sum_to_one_and_no_region_attends_to_itself() -> None:
    torch.manual_seed(0)
    for regions in (2, 5, 50):
        layer = GraphAttention(60, regions, 0.0, 0.1).eval()
        _, attention = layer(torch.randn(3, 60, regions))
        assert attention.shape == (3, 2, regions, regions)
        assert torch.allclose(attention.sum(-1), torch.ones(3, 2, regions), atol=1e-6)
        assert (attention.diagonal(dim1=2, dim2=3) == 0).all()


def test_planted_attention_gives_row_drives_column() -> None:
    """Region t listens to region t + 1, so t + 1 drives t."""
    torch.manual_seed(0)
    regions, frames = 4, 32
    patterns = torch.linalg.qr(torch.randn(frames, regions))[0].T
    patterns = nn.functional.layer_norm(patterns - patterns.mean(1, keepdim=True), (frames,))
    layer = GraphAttention(frames, regions, 0.0, 0.0).eval()
    layer.code.zero_()
    detect = torch.linalg.pinv(patterns.T)  # (region, frame): which pattern a token is
    with torch.no_grad():
        layer.query.weight.zero_()
        layer.key.weight.zero_()
        for head in range(2):
            start = head * layer.size
            layer.key.weight[start : start + regions] = detect
            layer.query.weight[start : start + regions] = 100 * detect.roll(1, dims=0)
    _, attention = layer(patterns.T.unsqueeze(0))
    graph = graph_of(attention).detach()
    for target in range(regions):
        assert float(graph[(target + 1) % regions, target]) > 0.99
    assert float(graph.sum()) == pytest.approx(regions, rel=1e-5)


def test_position_code_runs_over_time_with_the_region_as_channel() -> None:
    code = position_code(9, 3)
    assert code.shape == (9, 3)
    assert code[:, 0].tolist() == pytest.approx([math.sin(t) for t in range(9)])
    assert code[:, 1].tolist() == pytest.approx([math.cos(t) for t in range(9)], abs=1e-6)
    assert code[5, 2] == pytest.approx(math.sin(5 / 10000 ** (2 / 3)))


# Losses


@pytest.mark.parametrize("regions", [5, 7, 10, 50])
def test_published_sparsity_has_no_gradient_and_entropy_has_one(regions: int) -> None:
    torch.manual_seed(0)
    blocked = torch.eye(regions, dtype=torch.bool)

    def gradient(kind: str) -> float:
        logits = torch.randn(2, 2, regions, regions, requires_grad=True)
        graph = graph_of(logits.masked_fill(blocked, -1e9).softmax(-1))
        sparsity(kind, graph).backward()
        return float(logits.grad.abs().max())

    assert gradient("l1-noop") < 1e-6
    assert gradient("entropy") > 1e-4
    assert float(sparsity("none", torch.rand(regions, regions))) == 0


def test_entropy_is_one_for_no_choice_and_zero_for_one_source() -> None:
    uniform = (torch.ones(5, 5) - torch.eye(5)) / 4
    assert float(entropy(uniform)) == pytest.approx(1)
    cycle = torch.eye(5).roll(1, 0)
    assert float(entropy(cycle)) == pytest.approx(0, abs=1e-9)
    assert float(entropy(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))) == 0


def test_cyclicity_golden_values() -> None:
    """Values of the spec, measured on the reference: uniform attention and one long cycle."""
    for regions, expected in ((5, 0.042), (10, 0.007), (50, 0.0002)):
        uniform = (torch.ones(regions, regions, dtype=torch.float64) - torch.eye(regions)) / (regions - 1)
        assert float(cyclicity(uniform)) == pytest.approx(expected, rel=0.2)
    assert float(cyclicity(torch.eye(5, dtype=torch.float64).roll(1, 0))) == pytest.approx(0.042, rel=0.01)
    assert float(cyclicity(torch.eye(10, dtype=torch.float64).roll(1, 0))) == pytest.approx(2.8e-6, rel=0.05)
    assert float(cyclicity(torch.triu(torch.rand(6, 6), 1))) == pytest.approx(0, abs=1e-6)


def test_total_is_the_weighted_sum() -> None:
    series, output = torch.zeros(1, 4, 3), torch.full((1, 4, 3), 2.0)
    graph = (torch.ones(3, 3) - torch.eye(3)) / 2
    terms = losses(Options(sparsity="entropy"), output, series, graph, torch.tensor(0.5))
    assert float(terms["reconstruction"]) == 4
    expected = 4 + 2 * 1 + 100 * float(cyclicity(graph)) + 10 * 0.5
    assert float(terms["total"]) == pytest.approx(expected)


def test_rate_falls_for_twenty_epochs_and_rises_again() -> None:
    options = Options()
    rates = [rate_of(options, epoch) for epoch in (0, 10, 20, 30, 40, 60)]
    assert rates == pytest.approx([1e-3, 5e-4, 1e-8, 5e-4, 1e-3, 1e-8], rel=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-3), T_max=20, eta_min=1e-8
    )
    for epoch in range(45):
        assert schedule.get_last_lr()[0] == pytest.approx(rate_of(options, epoch), abs=1e-9)
        schedule.optimizer.step()
        schedule.step()
