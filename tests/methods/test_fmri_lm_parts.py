"""fMRI-LM's parts: sizes, losses, codebook, order of tokens, masks, descriptors, preprocessing."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.errors import BadOption  # noqa: E402
from brainbench.benchmark.nn import language as language_module  # noqa: E402
from brainbench.benchmark.nn.language import Language, load_language  # noqa: E402
from brainbench.benchmark.nn.packing import Text, attention_mask, candidate_scores, pack, position_ids  # noqa: E402
from brainbench.methods.fmri_lm.alignment import next_codes  # noqa: E402
from brainbench.methods.fmri_lm.connectivity_init import slow_cosines  # noqa: E402
from brainbench.methods.fmri_lm.losses import (  # noqa: E402
    ContrastiveLoss,
    DomainLoss,
    reversal_strength,
    reverse_gradient,
    siglip,
)
from brainbench.methods.fmri_lm.method import FMRILM  # noqa: E402
from brainbench.methods.fmri_lm.options import PRESETS, Options  # noqa: E402
from brainbench.methods.fmri_lm.pretraining import augmented, build_tokenizer  # noqa: E402
from brainbench.methods.fmri_lm.quantizers import Quantizer, moved, nearest  # noqa: E402
from brainbench.methods.fmri_lm.reader import Adapter, Reader, adapt  # noqa: E402
from brainbench.methods.fmri_lm.sequence import scan_prefix  # noqa: E402
from brainbench.methods.fmri_lm.tokenizer import Tokenizer, trainable  # noqa: E402


def preset(name: str, **changes: object) -> Options:
    return FMRILM(**{**PRESETS[name], **changes})


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# Sizes: parameter counts computed from the published layer list at 450 ROIs and 160 frames.
SIZES = {
    "S": ((21_479_808, 21_528_960), 21_516_672, (197_120, 799_264), (43_992_864, 43_568_928, 43_452_192)),
    "B": ((85_426_944, 85_525_248), 85_500_672, (689_024, 3_072_928), (174_689_568, 172_956_960, 172_428_576)),
    "L": ((302_806_016, 302_937_088), 302_904_320, (1_180_800, 5_407_904), (612_299_040, 609_202_464, 608_235_808)),
}


@pytest.mark.parametrize("size", SIZES)
def test_published_sizes_have_the_published_parameter_counts(size: str) -> None:
    encoders, decoder, heads, totals = SIZES[size]
    with torch.device("meta"):
        built = {patch: build_tokenizer(preset(size, patch=patch), 450) for patch in (32, 80, 160)}
    assert tuple(trainable(built[patch]) for patch in (32, 80, 160)) == totals
    assert (count(built[32].encoder), count(built[160].encoder)) == encoders
    assert count(built[32].decoder) == decoder
    assert (count(built[32].to_code), count(built[32].to_series)) == heads
    assert built[32].quantizer.codebook.shape == (8192, 128)


@pytest.mark.parametrize(
    "size", ["S", pytest.param("B", marks=pytest.mark.slow), pytest.param("L", marks=pytest.mark.slow)]
)
def test_published_sizes_take_one_step(size: str) -> None:
    """Full depth and width, few ROIs: every trainable tensor gets a gradient and moves."""
    with torch.device("meta"):
        tokenizer = build_tokenizer(preset(size, patch=80, codes=64, drop_path=0.0), 2)
    tokenizer = tokenizer.to_empty(device="cpu").train()
    with torch.no_grad():
        for value in [*tokenizer.parameters(), *tokenizer.buffers()]:
            _ = (
                value.zero_() if value.dtype == torch.bool else value.normal_(std=0.02)
            )  # truncated normal takes a minute
    optimiser = torch.optim.SGD(tokenizer.parameters(), lr=1e-3)
    series = torch.randn(1, 2, 160)
    quantised = tokenizer.quantise(tokenizer.encoder(series))
    rebuilt = tokenizer.reconstruct(quantised.vectors)
    assert rebuilt.shape == series.shape
    (torch.nn.functional.mse_loss(rebuilt, series) + quantised.loss).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in tokenizer.parameters())
    before = tokenizer.encoder.patch.weight.detach().clone()
    optimiser.step()
    assert not torch.equal(before, tokenizer.encoder.patch.weight)


def test_lora_of_qwen3_has_the_counted_parameters() -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
    )
    with torch.device("meta"):
        model = Qwen3ForCausalLM(config).requires_grad_(False)
        language = Language(model, language_module.ByteTokenizer(), "qwen", "config", 28, 28)
        facts = adapt(preset("B"), language)
    assert (facts["lora_rank"], facts["lora_alpha"], facts["lora_dropout"]) == (8, 16, 0.1)
    assert trainable(language.model) == 5_046_272


def test_presets_start_with_small_and_all_are_valid() -> None:
    assert next(iter(FMRILM.presets)) == "small"
    for name in PRESETS:
        preset(name).verify()


@pytest.mark.parametrize("change", [{"patch": 33}, {"heads": 5}, {"pool": "max"}, {"answer_loss": "mse"}])
def test_options_that_cannot_work_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        preset("small", **change).verify()


# Order of tokens


def tiny_tokenizer(patch: int, rois: int = 3, frames: int = 12) -> Tokenizer:
    torch.manual_seed(0)
    return build_tokenizer(
        Options(width=16, depth=1, decoder_depth=1, heads=2, frames=frames, patch=patch, codes=8, drop_path=0.0), rois
    ).eval()


def test_tokens_are_time_major() -> None:
    """With attention and MLP silenced, token ``step * rois + roi`` depends on that patch alone."""
    tokenizer = tiny_tokenizer(patch=4)
    encoder = tokenizer.encoder
    torch.nn.init.zeros_(encoder.blocks.blocks[0].attention.proj.weight)
    torch.nn.init.zeros_(encoder.blocks.blocks[0].mlp[2].weight)
    series = torch.randn(1, 3, 12)
    base = encoder(series)
    for step in range(3):
        for roi in range(3):
            changed = series.clone()
            changed[0, roi, step * 4 : (step + 1) * 4] += torch.randn(4)
            moved_tokens = (encoder(changed) - base).abs().sum(-1)[0] > 1e-6
            assert moved_tokens.nonzero().flatten().tolist() == [step * 3 + roi]


def test_decoder_gathers_the_steps_of_each_roi() -> None:
    tokenizer = tiny_tokenizer(patch=4)
    decoder = tokenizer.decoder
    torch.nn.init.zeros_(decoder.blocks.blocks[0].attention.proj.weight)
    codes = torch.randn(1, 9, 128)
    base = decoder(codes)
    changed = codes.clone()
    changed[0, 2 * 3 + 1] += 1  # step 2 of ROI 1
    difference = (decoder(changed) - base).abs()[0]
    assert difference[[0, 2]].max() < 1e-5
    assert difference[1, :32].max() < 1e-5
    assert difference[1, 32:].max() > 1e-3


def test_f2f_asks_for_the_same_roi_one_step_later() -> None:
    codes = torch.arange(12).view(1, 12)  # 4 steps of 3 ROIs, time-major
    places, targets = next_codes(codes, rois=3)
    assert places.tolist() == list(range(9))
    assert targets[0].tolist() == list(range(3, 12))
    own, same = next_codes(codes[:, :3], rois=3)
    assert own.tolist() == [0, 1, 2]
    assert same.tolist() == [[0, 1, 2]]


# Mask


def test_mask_is_block_causal_over_time_and_text_is_never_seen_by_fmri() -> None:
    steps, rois = 2, 3
    text = pack([Text.of([5, 6], [[7], [8, 9]]), Text.of([5], [[7]])], padding=0)
    mask = attention_mask(scan_prefix(torch.zeros(2, steps * rois, 4), steps, rois).mask, text)
    for sample, length in enumerate((5, 2)):
        branch = text.branch[sample].tolist()
        for q in range(6 + length):
            for k in range(11):
                if q < 6:
                    expected = k < 6 and k // rois <= q // rois
                elif k < 6:
                    expected = True
                else:
                    a, b = q - 6, k - 6
                    expected = (b <= a and b < length and branch[b] in (0, branch[a])) or a == b
                assert bool(mask[sample, q, k]) == expected, (sample, q, k)


def test_positions_are_the_time_step_then_the_text() -> None:
    text = pack([Text.of([5, 6], [[7], [8, 9]])], padding=0)
    prefix = scan_prefix(torch.zeros(1, 6, 4), 2, 3)
    assert position_ids(prefix.positions, prefix.start, text)[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 4, 4, 5]


def tiny_reader(rois: int = 3) -> Reader:
    tokenizer = tiny_tokenizer(patch=4, rois=rois)
    language = load_language("tiny-random", 0, seed=0)
    return Reader(tokenizer, Adapter(tokenizer.shape, language.width, 0.1), language)


def test_language_model_obeys_the_mask() -> None:
    """A later step, or the text, never changes the hidden state of an earlier fMRI token."""
    reader = tiny_reader()
    text = pack([Text.of([5, 6, 7])], padding=0)
    tokens = torch.randn(1, 9, 16)
    base = reader.read(tokens, text)
    other = tokens.clone()
    other[0, 6:] += 1
    changed = reader.read(other, pack([Text.of([9, 9, 9])], padding=0))
    assert torch.allclose(base.prefix[:, :6], changed.prefix[:, :6], atol=1e-5)
    assert not torch.allclose(base.prefix[:, 6:], changed.prefix[:, 6:], atol=1e-3)


def test_candidate_answers_scored_in_one_pass_equal_one_at_a_time() -> None:
    reader = tiny_reader()
    tokens = torch.randn(2, 9, 16)
    prompts, answers = [[10, 11, 12], [13]], [[20], [21, 22, 23], [24, 25]]
    text = pack([Text.of(prompt, answers) for prompt in prompts], padding=0)
    together = candidate_scores(reader.language, reader.prefix(tokens), text, len(answers))
    for row, prompt in enumerate(prompts):
        for column, answer in enumerate(answers):
            alone = pack([Text.of(prompt + answer)], padding=0)
            hidden = reader.read(tokens[row : row + 1], alone).text[0]
            total = 0.0
            for k, token in enumerate(answer):
                logits = reader.language.logits(hidden[len(prompt) - 1 + k]).log_softmax(-1)
                total += float(logits[token].detach())
            assert float(together[row, column].detach()) == pytest.approx(total, abs=1e-4)


# Losses


def test_siglip_equals_the_plain_formula() -> None:
    torch.manual_seed(0)
    loss = ContrastiveLoss(6, 5, shared=4)
    with torch.no_grad():
        loss.bias.fill_(-1.5)
    scans, texts = torch.randn(3, 6), torch.randn(3, 5)
    total = 0.0
    for i in range(3):
        for j in range(3):
            a, b = loss.scan.weight @ scans[i], loss.text.weight @ texts[j]
            cosine = float((a @ b / (a.norm() * b.norm())).detach())
            y = 1 if i == j else -1
            logit = y * (math.exp(loss.log_scale.item()) * cosine + loss.bias.item())
            total -= math.log(1 / (1 + math.exp(-logit)))
    assert float(loss(scans, texts)) == pytest.approx(total / 9, rel=1e-5)


def test_siglip_starts_as_published_and_learns_scale_bias_and_projections() -> None:
    loss = ContrastiveLoss(6, 5)
    assert float(loss.log_scale.exp()) == pytest.approx(10)
    assert float(loss.bias) == -10
    loss(torch.randn(4, 6), torch.randn(4, 5)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in loss.parameters())
    assert float(siglip(torch.eye(2) * 2 - 1, torch.tensor(5.0), torch.tensor(0.0))) < 1e-6


def test_gradient_reversal_flips_the_sign() -> None:
    x = torch.tensor([2.0, -3.0], requires_grad=True)
    y = reverse_gradient(x, 0.25)
    assert torch.equal(y, x)
    (y * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-0.25, -2.5]


def test_domain_loss_teaches_classifier_and_encoder_opposite_things() -> None:
    torch.manual_seed(0)
    loss = DomainLoss(4, 6)
    tokens, text = torch.randn(8, 4, requires_grad=True), torch.randn(8, 6)
    loss(tokens, text, 1.0).backward()
    assert tokens.grad is not None
    with torch.no_grad():
        now = loss(tokens, text, 1.0)
        assert loss(tokens - 0.1 * tokens.grad, text, 1.0) > now
        for p in loss.classify.parameters():
            p -= 0.1 * p.grad
        assert loss(tokens, text, 1.0) < now


def test_reversal_strength_rises_from_zero_to_one() -> None:
    assert reversal_strength(0) == 0
    assert reversal_strength(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert reversal_strength(1) == pytest.approx(1, abs=1e-4)


# Quantiser


def test_ema_moves_used_codes_only_and_keeps_them_on_the_sphere() -> None:
    book = torch.eye(3)
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.8, 0.0]]), dim=-1)
    after = moved(book, vectors, torch.tensor([0, 0]), decay=0.9)
    target = vectors.sum(0) / vectors.sum(0).norm()
    blend = 0.9 * book[0] + 0.1 * target
    assert torch.allclose(after[0], blend / blend.norm(), atol=1e-6)
    assert torch.equal(after[1:], book[1:])


def test_quantiser_starts_by_kmeans_and_finds_planted_directions() -> None:
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(4, 8), dim=-1)
    member = torch.arange(400) % 4
    z = 5 * (centres[member] + 0.02 * torch.randn(400, 8))
    quantizer = Quantizer(16, 8).train()
    result = quantizer(z)
    assert bool(quantizer.ready)
    assert float(result.loss) < 1e-3
    assert torch.allclose(quantizer.codebook.norm(dim=-1), torch.ones(16), atol=1e-5)
    before = quantizer.codebook.clone()
    assert not torch.equal(before, (quantizer(z + 1), quantizer.codebook)[1])
    quantizer.eval()
    before = quantizer.codebook.clone()
    quantizer(z)
    assert torch.equal(before, quantizer.codebook)


def test_quantiser_is_straight_through_and_the_loss_is_commitment_alone() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(8, 4, beta=1.0).eval()
    z = torch.nn.functional.normalize(torch.randn(5, 4), dim=-1).requires_grad_()
    result = quantizer(z)
    assert torch.allclose(result.vectors, quantizer.codebook[result.codes], atol=1e-6)
    distance = torch.cdist(z.detach(), quantizer.codebook)
    assert torch.equal(result.codes, distance.argmin(1))
    assert torch.equal(nearest(z.detach(), quantizer.codebook), distance.argmin(1))
    weight = torch.randn(5, 4)
    (result.vectors * weight).sum().backward()
    # The gradient passes the code unchanged; only the normalisation projects it.
    unit = z.detach()
    expected = weight - unit * (unit * weight).sum(-1, keepdim=True)
    assert torch.allclose(z.grad, expected, atol=1e-5)
    assert float(result.loss) == pytest.approx(float((quantizer.codebook[result.codes] - unit).square().mean()))


# Initialisation, augmentation, adapter


def test_connectivity_init_makes_attention_follow_correlation() -> None:
    torch.manual_seed(0)
    tokenizer = build_tokenizer(preset("small", drop_path=0.0), 6)
    time = torch.arange(160) / 160 * 2 * math.pi
    a, b = torch.sin(5 * time), torch.sin(9 * time)
    series = torch.stack([a, a, b, b, -a, torch.sin(13 * time)])[None] * math.sqrt(2)
    encoder = tokenizer.encoder
    tokens = encoder.patch(series.unsqueeze(1)).permute(0, 3, 2, 1)[:, 0] + encoder.roi
    block = encoder.blocks.blocks[0]
    query, key, _ = block.attention.qkv(block.norm1(tokens)).chunk(3, dim=-1)
    score = (query[0, :, :64] @ key[0, :, :64].T) / 8
    assert score[0, 1] > score[0, 5] + 1 > score[0, 4] + 2
    opposite = (query[0, :, 64:] @ key[0, :, 64:].T) / 8
    assert torch.allclose(opposite, -score, atol=1e-4)


def test_slow_cosines_are_orthogonal() -> None:
    gram = slow_cosines(20, 160) @ slow_cosines(20, 160).T
    assert torch.allclose(gram, gram[0, 0] * torch.eye(20), atol=1e-4 * float(gram[0, 0]))


def test_augmentation_keeps_connectivity() -> None:
    torch.manual_seed(0)
    series = torch.randn(3, 5, 40)
    changed = augmented(series)
    assert not torch.equal(series, changed)
    for before, after in zip(series, changed, strict=True):
        assert torch.allclose(torch.corrcoef(before), torch.corrcoef(after), atol=1e-5)


def test_standardised_adapter_scales_deviations_and_keeps_the_mean_scan() -> None:
    reader = tiny_reader()
    mean, spread = torch.randn(9, 16), torch.rand(16) + 0.5
    reliability = torch.cat([torch.ones(8), torch.zeros(8)])
    reader.adapter.standardise(mean, spread, reliability)
    deviation = torch.randn(2, 9, 16) * spread
    read = (mean + deviation) * reader.adapter.scale + reader.adapter.shift
    base = mean * reader.adapter.scale + reader.adapter.shift
    assert torch.allclose(read - base, deviation / spread * reliability, atol=1e-4)
    assert base.std() == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("merge", [1, 2, 3])
def test_merged_tokens_keep_every_roi_in_its_step(merge: int) -> None:
    """Three steps of five ROIs: an ROI reaches the embedding of its step and place alone, and its code comes back."""
    tokenizer = tiny_tokenizer(patch=4, rois=5)
    adapter = Adapter(tokenizer.shape, 8, 0.1, merge)
    places = -(-5 // merge)
    base = torch.randn(1, 15, 16)
    embedded = adapter(base)
    assert embedded.shape == (1, 3 * places, 8)
    for token in range(15):
        changed = base.clone()
        changed[0, token] += 1
        moved_places = (adapter(changed) - embedded).abs().sum(-1)[0].nonzero().flatten().tolist()
        assert moved_places == [token // 5 * places + token % 5 // merge]
    logits = adapter.code_logits(embedded, torch.arange(15))
    assert logits.shape == (1, 15, 8)
    assert len(torch.unique(logits[0], dim=0)) == 15
