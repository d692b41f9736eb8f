"""fMRI-LM's quantisers, contrastive terms, patch sizes and plain text."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.contracts import Context, TaskInfo  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption  # noqa: E402
from brainbench.benchmark.nn.language import ByteTokenizer, load_language  # noqa: E402
from brainbench.benchmark.nn.packing import Text, pack  # noqa: E402
from brainbench.methods.fmri_lm import plain_text as plain_module  # noqa: E402
from brainbench.methods.fmri_lm.alignment import next_codes, seen_words, text_loss  # noqa: E402
from brainbench.methods.fmri_lm.losses import ContrastiveLoss, clip, soft_siglip  # noqa: E402
from brainbench.methods.fmri_lm.options import Options  # noqa: E402
from brainbench.methods.fmri_lm.plain_text import PlainText, plain_text  # noqa: E402
from brainbench.methods.fmri_lm.pretraining import build_tokenizer  # noqa: E402
from brainbench.methods.fmri_lm.quantizers import FiniteScalarQuantizer  # noqa: E402
from brainbench.methods.fmri_lm.reader import Adapter, Reader  # noqa: E402


def sized(**changes: Any) -> Options:
    return Options(**{"width": 16, "depth": 1, "decoder_depth": 1, "heads": 2, "codes": 8, "drop_path": 0.0, **changes})


# Finite scalar quantisation


def test_each_combination_of_levels_is_one_code() -> None:
    quantizer = FiniteScalarQuantizer([3, 4, 5])
    grid = torch.tensor(list(itertools.product(*(torch.linspace(-4, 4, 25).tolist() for _ in range(3)))))
    result = quantizer(grid)
    assert sorted(set(result.codes.tolist())) == list(range(60))
    vectors = {code: tuple(vector) for code, vector in zip(result.codes.tolist(), result.vectors.tolist(), strict=True)}
    assert len(set(vectors.values())) == 60
    for dimension, level in enumerate((3, 4, 5)):
        seen = sorted({round(vector[dimension], 4) for vector in vectors.values()})
        # An even number of levels has one more below zero than above.
        assert seen == [round((k - level // 2) / (level // 2), 4) for k in range(level)]


def test_scalars_are_rounded_to_the_nearest_level_and_bounded() -> None:
    quantizer = FiniteScalarQuantizer([5])
    z = torch.tensor([[0.0], [math.atanh(1.4 / 2.002)], [math.atanh(1.6 / 2.002)], [50.0], [-50.0]])
    assert quantizer(z).vectors.flatten().tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0, -1.0], abs=1e-5)


def test_scalar_rounding_is_straight_through_and_has_no_loss() -> None:
    quantizer = FiniteScalarQuantizer([5, 5])
    z = torch.tensor([[0.3, -0.7]], requires_grad=True)
    result = quantizer(z)
    assert float(result.loss) == 0
    result.vectors.sum().backward()
    expected = (1 - torch.tanh(z.detach()) ** 2) * 2.002 / 2
    assert z.grad is not None
    assert torch.allclose(z.grad, expected, atol=1e-5)


def test_levels_set_the_number_of_codes_and_their_width() -> None:
    tokenizer = build_tokenizer(sized(quantizer="fsq", levels="8,5,5,5", patch=80), 3)
    assert (tokenizer.shape.codes, tokenizer.shape.code_width) == (1000, 4)
    quantised = tokenizer.quantise(tokenizer.encoder(torch.randn(2, 3, 160)))
    assert quantised.vectors.shape == (2, 6, 4)
    assert tokenizer.reconstruct(quantised.vectors).shape == (2, 3, 160)
    for wrong in ("", "8,x", "8,2"):
        with pytest.raises(BadOption, match="levels"):
            sized(quantizer="fsq", levels=wrong).verify()


def test_finite_scalars_learn_to_reconstruct() -> None:
    torch.manual_seed(0)
    tokenizer = build_tokenizer(sized(quantizer="fsq", levels="8,5,5,5", frames=8, patch=8, width=32), 4)
    basis = torch.randn(2, 8)
    series = torch.randn(16, 4, 2) @ basis
    optimiser = torch.optim.Adam(tokenizer.parameters(), lr=3e-3)

    def loss() -> torch.Tensor:
        quantised = tokenizer.quantise(tokenizer.encoder(series))
        return torch.nn.functional.mse_loss(tokenizer.reconstruct(quantised.vectors), series)

    before = float(loss().detach())
    for _ in range(150):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
    assert float(value.detach()) < 0.5 * before


# Patch sizes


@pytest.mark.parametrize("patch", [32, 80, 160])
def test_every_published_patch_keeps_time_major_order(patch: int) -> None:
    """Silenced attention: only the tokens of the changed step move, and F2F asks for the next step's codes."""
    torch.manual_seed(0)
    rois, steps = 5, 160 // patch
    tokenizer = build_tokenizer(sized(patch=patch), rois).eval()
    block = tokenizer.encoder.blocks.blocks[0]
    torch.nn.init.zeros_(block.attention.proj.weight)
    torch.nn.init.zeros_(block.mlp[2].weight)
    series = torch.randn(1, rois, 160)
    changed = series.clone()
    changed[0, 3, -patch:] += 1
    moved = (tokenizer.encoder(changed) - tokenizer.encoder(series)).abs().sum(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == [(steps - 1) * rois + 3]
    codes = torch.arange(steps * rois)[None]
    places, targets = next_codes(codes, rois)
    if steps == 1:
        assert targets.tolist() == codes.tolist()
    else:
        assert (targets[0] - codes[0, places]).unique().tolist() == [rois]
        assert len(places) == (steps - 1) * rois


def reader(patch: int, rois: int = 3) -> Reader:
    torch.manual_seed(0)
    tokenizer = build_tokenizer(sized(patch=patch), rois).eval()
    language = load_language("tiny-random", 0, seed=0)
    return Reader(tokenizer, Adapter(tokenizer.shape, language.width, 0.1), language)


@pytest.mark.parametrize("patch", [32, 80])
def test_no_later_step_is_seen_when_a_code_is_predicted(patch: int) -> None:
    model, rois, steps = reader(patch), 3, 160 // patch
    text = pack([Text.of([1, 2])], 0)
    tokens = torch.randn(1, rois * steps, 16)
    base = model.read(tokens, text).prefix
    for step in range(1, steps):
        other = tokens.clone()
        other[0, step * rois :] += 1
        found = model.read(other, text).prefix
        assert torch.allclose(base[:, : step * rois], found[:, : step * rois], atol=1e-5)
        assert not torch.allclose(base[:, step * rois], found[:, step * rois], atol=1e-3)


# Contrastive terms


def test_clip_is_the_cross_entropy_of_rows_and_columns() -> None:
    cosine = torch.tensor([[0.9, 0.1], [0.4, 0.5]])
    s = math.exp(0.5)
    rows = [math.log(1 + math.exp(s * (0.1 - 0.9))), math.log(1 + math.exp(s * (0.4 - 0.5)))]
    columns = [math.log(1 + math.exp(s * (0.4 - 0.9))), math.log(1 + math.exp(s * (0.1 - 0.5)))]
    assert float(clip(cosine, torch.tensor(0.5))) == pytest.approx(np.mean(rows + columns), rel=1e-5)


def test_soft_siglip_equals_the_plain_formula() -> None:
    cosine, texts = torch.tensor([[0.3, -0.2], [0.1, 0.4]]), torch.tensor([[1.0, 0.05], [0.05, 1.0]])
    total = 0.0
    for i, j in itertools.product(range(2), repeat=2):
        wanted = 1.0 if i == j else 1 / (1 + math.exp(-0.05 / 0.07))
        p = 1 / (1 + math.exp(-float(cosine[i, j]) / 0.07))
        total -= (2 - 1) * wanted * math.log(p) + (1 - wanted) * math.log(1 - p)
    assert float(soft_siglip(cosine, texts)) == pytest.approx(total / 4, rel=1e-4)


@pytest.mark.parametrize("how", ["siglip", "clip", "soft_siglip"])
def test_every_contrastive_term_learns_to_match_pairs(how: str) -> None:
    torch.manual_seed(0)
    loss = ContrastiveLoss(8, 8, shared=8, bias=-2.0, how=how)
    pairs = torch.randn(12, 8)
    other = pairs @ torch.randn(8, 8)
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.02)
    for _ in range(200):
        optimiser.zero_grad()
        loss(pairs, other).backward()
        optimiser.step()
    assert loss.text.weight.requires_grad == (how != "soft_siglip")
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in loss.parameters() if p.requires_grad)
    normal = torch.nn.functional.normalize
    cosine = normal(loss.scan(pairs), dim=-1) @ normal(loss.text(other), dim=-1).T
    assert (cosine.argmax(1) == torch.arange(12)).float().mean() > 0.6


# Text


def context(folder: Path) -> Context:
    return Context(TaskInfo("t", "pretraining", ""), 0, folder)


def test_a_corpus_is_cut_into_windows_of_the_models_own_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_module, "WINDOW", 4)
    monkeypatch.setattr(plain_module, "BLOCK", 3)
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("ab\ncd\n")
    (folder / "deep/b.txt").write_text("é")
    single = tmp_path / "c.dat"
    single.write_text("xyz")
    tokenizer = ByteTokenizer()
    found = plain_text(f"{folder}, {single}", tokenizer, context(tmp_path))
    stream = [*b"ab\ncd\n", 256, *"é".encode(), 256, *b"xyz", 256]
    assert found.texts.tolist() == [stream[k : k + 4] for k in (0, 4, 8)]
    drawn = found.draw(np.random.default_rng(0), 2)
    assert len({tuple(row) for row in drawn}) == 2
    assert len(found.draw(np.random.default_rng(0), 99)) == 3
    assert found.vocabulary() == set(stream[:12])


def test_unusable_corpora_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="no text file"):
        plain_text(str(tmp_path / "none"), ByteTokenizer(), context(tmp_path))
    with pytest.raises(BadOption, match="no text file"):
        plain_text(str(tmp_path), ByteTokenizer(), context(tmp_path))
    (tmp_path / "latin.txt").write_bytes(b"\xe9\xe9")
    with pytest.raises(BadData, match="not UTF-8"):
        plain_text(str(tmp_path), ByteTokenizer(), context(tmp_path))
    (tmp_path / "latin.txt").write_text("a")
    with pytest.raises(BadData, match="holds 2 tokens"):
        plain_text(str(tmp_path), ByteTokenizer(), context(tmp_path))


def test_the_default_text_is_our_own_passages(tmp_path: Path) -> None:
    found = plain_text("", ByteTokenizer(), context(tmp_path))
    assert len(found) == 16
    assert all(text[-1] == 256 and len(text) <= plain_module.MOST_TEXT for text in found.texts)


def test_the_words_seen_stand_for_the_vocabulary() -> None:
    """Over all words it is the plain loss; over those seen, a softmax of the same logits over these alone."""
    model = reader(160)
    text = pack([Text.of([5, 9, 7]), Text.of([9, 9])], 0)
    hidden = model.read(None, text).text
    everything = torch.arange(257)
    assert float(text_loss(model, hidden, text, everything)) == pytest.approx(float(text_loss(model, hidden, text)))
    words = seen_words([[5, 9], [7]], PlainText([[200, 9]]), "cpu")
    assert words.tolist() == [5, 7, 9, 200]
    logits = model.language.logits(hidden)[..., words].log_softmax(-1)
    expected = -(logits[0, 0, 2] + logits[0, 1, 1] + logits[1, 0, 2]) / 3
    assert float(text_loss(model, hidden, text, words)) == pytest.approx(float(expected), rel=1e-5)


# Memory


def test_recomputed_blocks_give_the_same_gradients() -> None:
    """Drop-path included: the same random states are drawn again."""
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        tokenizer = build_tokenizer(
            sized(patch=80, depth=2, drop_path=0.5, gradient_checkpointing=recompute), 3
        ).train()
        torch.manual_seed(1)
        tokenizer.encoder(torch.randn(4, 3, 160)).square().sum().backward()
        found.append([p.grad for p in tokenizer.encoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
