"""Text packed behind a prefix, and answers read from a language model: one pass equals one at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.nn.generation import Reading, decode, generate  # noqa: E402
from brainbench.benchmark.nn.language import ByteTokenizer, Language, load_language  # noqa: E402
from brainbench.benchmark.nn.lora import Adaptation, adapt_language, checkpoint_gradients  # noqa: E402
from brainbench.benchmark.nn.packing import (  # noqa: E402
    Prefix,
    Text,
    candidate_scores,
    log_likelihoods,
    pack,
    position_ids,
    read,
    text_mask,
)

PROMPTS = [[72, 101, 108, 108, 111], [65, 66], [90]]
ANSWERS = [[20], [21, 22, 23], [24, 25]]


def gpt2() -> Language:
    """A tiny GPT-2: learned positions, another cache layout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=257, n_embd=32, n_layer=2, n_head=2, n_positions=64))
    return Language(model.eval(), ByteTokenizer(), "gpt2", "config", 2, 2)


@pytest.fixture(params=["llama", "gpt2"])
def language(request: pytest.FixtureRequest) -> Language:
    """With large weights, so that greedy choices are not all the same token."""
    found = load_language("tiny-random", 0, 0) if request.param == "llama" else gpt2()
    with torch.no_grad():
        for value in found.model.parameters():
            value.mul_(4 if value.dim() > 1 else 1)
    return found


def prefix_of(language: Language, batch: int = 3) -> Prefix:
    """Six tokens in two steps of three that see one another, as a scan's."""
    torch.manual_seed(1)
    time = torch.arange(6) // 3
    return Prefix(torch.randn(batch, 6, language.width), time[None, :] <= time[:, None], time, 2)


def row(prefix: Prefix | None, k: int) -> Prefix | None:
    if prefix is None:
        return None
    return Prefix(prefix.embeddings[k : k + 1], prefix.mask, prefix.positions, prefix.start)


def alone(language: Language, prefix: Prefix | None, prompt: Sequence[int], answer: Sequence[int]) -> float:
    """Log-likelihood of one answer, in a pass of its own."""
    text = pack([Text.of([*prompt, *answer])], 0)
    wanted = torch.arange(text.ids.shape[1])[None, :] >= len(prompt)
    return float(log_likelihoods(language, read(language, prefix, text).text, text, wanted).sum())


@pytest.mark.parametrize("scan", [True, False])
def test_candidates_in_one_pass_equal_one_at_a_time(language: Language, scan: bool) -> None:
    prefix = prefix_of(language) if scan else None
    with torch.no_grad():
        together = candidate_scores(language, prefix, pack([Text.of(p, ANSWERS) for p in PROMPTS], 0), 3)
        for k, prompt in enumerate(PROMPTS):
            expected = [alone(language, row(prefix, k), prompt, answer) for answer in ANSWERS]
            assert together[k].tolist() == pytest.approx(expected, abs=1e-4)


def test_branches_may_leave_the_trunk_anywhere(language: Language) -> None:
    """Candidates of two fields of one answer: each sees the trunk up to where it leaves, and no further."""
    trunk, candidates, after = [10, 11, 12, 13, 14], [[20, 21], [22], [23]], [2, 2, 4]
    with torch.no_grad():
        found = candidate_scores(language, None, pack([Text.of(trunk, candidates, after)], 0), 3)
        expected = [alone(language, None, trunk[:n], ids) for ids, n in zip(candidates, after, strict=True)]
        plain = read(language, None, pack([Text.of(trunk)], 0)).text
        branched = read(language, None, pack([Text.of(trunk, candidates, after)], 0)).text
    assert found[0].tolist() == pytest.approx(expected, abs=1e-4)
    assert torch.allclose(plain, branched[:, :5], atol=1e-4)


def test_text_sees_what_leads_to_it_and_nothing_else() -> None:
    text = pack([Text.of([5, 6, 7], [[8], [9, 10]], [3, 1]), Text.of([5])], 0)
    expected = {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 1, 2, 3}, 4: {0, 4}, 5: {0, 4, 5}}
    mask = text_mask(text)
    assert {query: set(mask[0, query].nonzero().flatten().tolist()) for query in range(6)} == expected
    assert mask[1].any(dim=1).all()
    assert position_ids(torch.tensor([0, 0, 1]), 2, text)[0].tolist() == [0, 0, 1, 2, 3, 4, 5, 3, 4]


def naive(language: Language, prefix: Prefix | None, prompt: list[int], new_tokens: int) -> list[int]:
    """Greedy decoding that reads everything again for each token."""
    ids: list[int] = []
    for _ in range(new_tokens):
        states = read(language, prefix, pack([Text.of([*prompt, *ids])], 0)).text
        token = int(language.logits(states[0, -1]).argmax())
        if token == language.tokenizer.eos:
            break
        ids.append(token)
    return ids


@pytest.mark.parametrize("scan", [True, False])
def test_cached_decoding_equals_decoding_without_cache(language: Language, scan: bool) -> None:
    prefix = prefix_of(language) if scan else None
    with torch.no_grad():
        expected = [naive(language, row(prefix, k), prompt, 12) for k, prompt in enumerate(PROMPTS)]
    assert len({tuple(ids) for ids in expected}) > 1
    found = generate(language, prefix, PROMPTS, 12)
    assert found == [language.tokenizer.decode(ids).strip() for ids in expected]


def test_decoding_stops_at_the_end_of_text(language: Language) -> None:
    """A token that is written later becomes the end of text: what came before it is left."""
    with torch.no_grad():
        ids = naive(language, None, PROMPTS[1], 12)
    stop = next(token for token in ids if token != ids[0])
    language.tokenizer.eos = stop  # type: ignore[misc]
    with torch.no_grad():
        assert decode(Reading(language, None, PROMPTS[1:2]), 12) == [ids[: ids.index(stop)]]


def test_fields_are_scored_behind_what_was_answered(language: Language) -> None:
    """Scores leave the reading as it was; they follow what was appended, of other length in each sample."""
    prefix = prefix_of(language)
    said = [[30], [31, 32, 33], [34, 35]]
    with torch.no_grad():
        reading = Reading(language, prefix, PROMPTS)
        first = reading.scores(ANSWERS)
        assert torch.allclose(reading.scores(ANSWERS), first, atol=1e-5)
        reading.append(said)
        second = reading.scores(ANSWERS[:2])
        for k, prompt in enumerate(PROMPTS):
            one = [alone(language, row(prefix, k), prompt, answer) for answer in ANSWERS]
            two = [alone(language, row(prefix, k), [*prompt, *said[k]], answer) for answer in ANSWERS[:2]]
            assert first[k].tolist() == pytest.approx(one, abs=1e-4)
            assert second[k].tolist() == pytest.approx(two, abs=1e-4)


def test_lora_leaves_the_published_weights_alone_and_full_tuning_does_not() -> None:
    low, full = load_language("tiny-random", 0, 0), load_language("tiny-random", 0, 0)
    facts = adapt_language(low, Adaptation(rank=2, alpha=4, dropout=0.0, targets=("q_proj",)))
    assert (facts["lora_rank"], facts["lora_targets"]) == (2, ["q_proj"])
    trained = [name for name, value in low.model.named_parameters() if value.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert adapt_language(full, Adaptation("full")) == {"tuning": "full"}
    assert all(value.requires_grad for value in full.model.parameters())


def test_checkpointed_gradients_are_the_same() -> None:
    def gradient(save_memory: bool) -> torch.Tensor:
        found = load_language("tiny-random", 0, 0)
        adapt_language(found, Adaptation("full"))
        if save_memory:
            checkpoint_gradients(found)
        found.model.train()
        prefix = prefix_of(found)
        prefix.embeddings.requires_grad_(True)
        candidate_scores(found, prefix, pack([Text.of(p, ANSWERS) for p in PROMPTS], 0), 3).sum().backward()
        assert prefix.embeddings.grad is not None
        return prefix.embeddings.grad

    assert torch.allclose(gradient(True), gradient(False), atol=1e-5)


def test_bytes_come_back_as_text() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.decode([*tokenizer.encode("naïve | 3"), tokenizer.eos]) == "naïve | 3"
    assert tokenizer.chat("", "a") == "a\n\n"
