"""BrainEC-LLM's language model and prompt."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.contracts import TaskInfo  # noqa: E402
from brainbench.benchmark.errors import BadOption  # noqa: E402
from brainbench.benchmark.nn.language import (  # noqa: E402
    ByteTokenizer,
    HubTokenizer,
    Language,
    Loading,
    backbone,
    load_language,
)
from brainbench.methods.brainec_llm.options import Options  # noqa: E402
from brainbench.methods.brainec_llm.prompt import (  # noqa: E402
    SYSTEM,
    build_prompt,
    describe,
    full_matrix,
    group_correlation,
    rounded,
    strongest_pairs,
)
from brainbench.methods.brainec_llm.reader import Reader, add_lora  # noqa: E402

NO_DROPOUT = Options(lora_rank=4, lora_dropout=0.0)
PROMPT = list(b"which region drives which?")


def reader(options: Options, prompt: list[int]) -> Reader:
    """A tiny language model whose LoRA does something."""
    language = load_language("tiny-random", 0, seed=0)
    add_lora(options, language)
    torch.manual_seed(1)
    for name, weight in language.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return Reader(language, prompt)


def trained(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


# One prompt for all sequences


@pytest.mark.parametrize("training", [True, False])
def test_shared_prefix_equals_the_prompt_before_each_sequence(training: bool) -> None:
    """Outputs and LoRA's gradients; dropout is off, because a shared prompt draws one mask for all."""
    shared = reader(NO_DROPOUT, PROMPT).train(training)
    tokens = torch.randn(6, 9, 64) * 0.1
    out = shared(tokens)
    out.square().sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in trained(shared).items()}
    shared.zero_grad()
    whole = torch.cat([shared.prompt.expand(6, -1, -1), tokens], dim=1)
    plain = shared.decoder(inputs_embeds=whole, use_cache=False).last_hidden_state[:, len(PROMPT) :]
    plain.square().sum().backward()
    assert torch.allclose(out, plain, atol=1e-4)
    for name, weight in trained(shared).items():
        assert weight.grad.abs().max() > 0
        assert torch.allclose(gradients[name], weight.grad, rtol=1e-3, atol=1e-4), name


def test_prompt_moves_the_output_and_later_tokens_do_not() -> None:
    with_prompt, without = reader(NO_DROPOUT, PROMPT).eval(), reader(NO_DROPOUT, []).eval()
    tokens = torch.randn(2, 9, 64) * 0.1
    with torch.no_grad():
        out = with_prompt(tokens)
        assert (out - without(tokens)).abs().max() > 1e-3
        other = tokens.clone()
        other[:, 5] += 1
        moved = (with_prompt(other) - out).abs().amax((0, 2)) > 1e-6
    assert moved.tolist() == [False] * 5 + [True] * 4


def test_frozen_model_encodes_the_prompt_once_and_a_trained_one_each_time() -> None:
    frozen, changing = reader(Options(lora_rank=0), PROMPT), reader(NO_DROPOUT, PROMPT)
    assert frozen.frozen
    assert not trained(frozen)
    assert frozen.prefix() is frozen.prefix()
    before = changing.prefix()[1][0].detach().clone()
    with torch.no_grad():
        for weight in trained(changing).values():
            weight.add_(0.1)
    assert (changing.prefix()[1][0] - before).abs().max() > 1e-4
    tokens = torch.randn(2, 9, 64, requires_grad=True)
    for _ in range(2):  # what is kept must outlive a backward pass
        frozen(tokens).sum().backward()
    assert tokens.grad is not None


# LoRA


def test_lora_sits_on_queries_and_keys_alone() -> None:
    found = {name.split(".")[-4] for name in trained(reader(Options(), PROMPT))}
    assert found == {"q_proj", "k_proj"}


def test_lora_count_of_llama_3_8b_by_hand() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=24,
        num_attention_heads=32, num_key_value_heads=8,
    )  # fmt: skip
    with torch.device("meta"):
        language = Language(LlamaForCausalLM(config), ByteTokenizer(), "llama", "config", 24, 32)
        language.model.requires_grad_(False)
        add_lora(Options(), language)
    count = sum(weight.numel() for weight in trained(language.model).values())
    assert count == 24 * 64 * ((4096 + 4096) + (4096 + 1024)) == 20_447_232


def save_model(folder: Path, kind: str) -> str:
    from tokenizers import Tokenizer as Words
    from tokenizers.models import WordLevel
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    if kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=16, n_layer=3, n_head=2))
    else:
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=8, hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2)
        )
    model.save_pretrained(folder)
    words = Words(WordLevel({"a": 0, "b": 1, "</s>": 2, "?": 3}, unk_token="?"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="?").save_pretrained(folder)
    return str(folder)


def test_model_without_the_named_layers_says_what_to_use(tmp_path: Path) -> None:
    language = load_language(save_model(tmp_path, "gpt2"), 0, 0)
    with pytest.raises(BadOption, match="q_proj"):
        add_lora(Options(), language)
    add_lora(Options(lora_rank=0), language)
    assert Reader(language, [0, 1])(torch.randn(2, 3, 16)).shape == (2, 3, 16)


# Loading


def test_random_weights_have_the_shape_and_none_of_the_training(tmp_path: Path) -> None:
    folder = save_model(tmp_path, "llama")
    trained_model, one = load_language(folder, 2, 1), load_language(folder, 2, 1, Loading(random=True))
    same, other = (load_language(folder, 2, seed, Loading(random=True)) for seed in (1, 2))
    assert one.table.shape == trained_model.table.shape == (8, 16)
    assert not torch.allclose(one.table, trained_model.table)
    assert torch.equal(one.table, same.table)
    assert not torch.allclose(one.table, other.table)
    assert len(backbone(one.model).layers) == 2
    assert "random" in one.facts["lm_source"]
    assert not any(weight.requires_grad for weight in one.model.parameters())


def test_precision_is_what_was_read(tmp_path: Path) -> None:
    """Without a GPU, 4-bit weights are not to be had, and the record says so."""
    folder = save_model(tmp_path, "llama")
    half = load_language(folder, 0, 0, Loading(dtype="bfloat16", four_bit=True, device="cpu"))
    assert half.facts["lm_precision"] == "bfloat16"
    assert half.table.dtype == torch.bfloat16
    prompted = Reader(half, [0, 1, 0])
    tokens = torch.randn(2, 3, 16)
    assert prompted(tokens).dtype == torch.float32
    assert load_language(folder, 0, 0).facts["lm_precision"] == "float32"


def test_chat_follows_the_template_of_the_model_where_there_is_one() -> None:
    from tokenizers import Tokenizer as Words
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    plain = PreTrainedTokenizerFast(tokenizer_object=Words(WordLevel({"?": 0}, unk_token="?")), eos_token="?")
    assert HubTokenizer(plain).chat("S", "U") == "S\n\nU\n\n"
    each = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    plain.chat_template = each + "{% if add_generation_prompt %}<reply>{% endif %}"
    assert HubTokenizer(plain).chat("S", "U") == "<system>S<user>U<reply>"


# Prompt


def recordings(regions: int, subjects: int = 3, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(80, regions)) @ rng.normal(size=(regions, regions)) for _ in range(subjects)]


def info(name: str) -> TaskInfo:
    return TaskInfo(name, "connectivity", "graph", track="multi-group")


def test_group_correlation_is_the_mean_over_subjects_and_follows_the_nodes() -> None:
    series = recordings(6)
    expected = np.mean([np.corrcoef(values.T) for values in series], axis=0) - np.eye(6)
    assert np.allclose(group_correlation(series), expected, atol=1e-5)
    order = np.random.default_rng(1).permutation(6)
    moved = group_correlation([values[:, order] for values in series])
    assert np.allclose(moved, expected[np.ix_(order, order)], atol=1e-5)


def test_matrix_as_text() -> None:
    matrix = np.array([[0, 0.456, -0.001], [0.456, 0, -0.5], [-0.001, -0.5, 0]])
    assert full_matrix(matrix).split("\n")[1:] == [
        "region,1,2,3", "1,0.00,0.46,0.00", "2,0.46,0.00,-0.50", "3,0.00,-0.50,0.00",
    ]  # fmt: skip
    assert strongest_pairs(matrix, 2).split("\n")[1] == "2-3 -0.50, 1-2 0.46"
    assert rounded(-0.004) == "0.00"


def test_long_prompts_name_as_many_strong_pairs_as_fit() -> None:
    series, tokenizer = recordings(20), ByteTokenizer()
    whole = build_prompt(series, 3.0, info("netsim-9"), tokenizer, 0)
    assert not whole.shortened
    assert whole.pairs == 190
    for budget in (600, 900, 1500):
        short = build_prompt(series, 3.0, info("netsim-9"), tokenizer, budget)
        assert short.shortened
        assert budget - 16 < len(short.ids) <= budget  # one more pair takes at most 13 bytes, and the count one
        assert short.text.count("-") >= short.pairs > 0
    none = build_prompt(series, 3.0, info("netsim-9"), tokenizer, 10)
    assert none.pairs == 0
    exact = build_prompt(series, 3.0, info("netsim-9"), tokenizer, len(whole.ids))
    assert exact == whole


def test_sentence_on_the_data_follows_the_family() -> None:
    series = recordings(4, subjects=2)
    assert describe(info("netsim-1@multi-group"), 3.0, series).startswith("Simulated BOLD signals: 80 time points of 4")
    assert describe(info("sanchez-Network1_amp"), 1.2, series).startswith("Simulated")
    assert "quadratic" in describe(info("cdrl-quad-5"), float("nan"), series)
    assert describe(info("mtl-left"), 1.0, series).startswith("Resting-state fMRI")
    assert describe(info("my-own"), 2.0, series).startswith("fMRI: 80 time points of 4 brain regions from each of 2")


def test_prompt_holds_nothing_but_sizes_and_correlations() -> None:
    series = recordings(4, subjects=3)
    text = build_prompt(series, 3.0, info("netsim-1"), ByteTokenizer(), 0).text
    assert text.startswith(SYSTEM)
    numbers = set(re.findall(r"-?\d+(?:\.\d+)?", text))
    matrix = group_correlation(series)
    allowed = {"80", "4", "3", "0", "1", "2"} | {rounded(value) for value in matrix.ravel()}
    assert numbers <= allowed
    assert build_prompt(series, 3.0, info("netsim-1"), ByteTokenizer(), 0).text == text
