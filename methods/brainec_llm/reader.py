"""The language model as a mixer of token sequences that all follow the same prompt."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ...benchmark.errors import BadOption
from ...benchmark.nn.language import Language, backbone
from .options import Options

Cache = list[tuple[Tensor, Tensor]]


class Reader(nn.Module):
    """Hidden states of sequences behind one prompt, which is encoded once and shared.

    Sequences see the prompt through its keys and values alone, so that encoding it once gives the
    same as standing it before each sequence, and gradients reach LoRA through it.
    """

    def __init__(self, language: Language, prompt: list[int]) -> None:
        super().__init__()
        self.decoder = backbone(language.model)
        embedded = language.embed(torch.tensor([prompt], dtype=torch.long, device=language.table.device))
        self.register_buffer("prompt", embedded.detach(), persistent=False)
        self.kept: Cache | None = None

    @property
    def frozen(self) -> bool:
        """Whether no weight of the language model is trained."""
        return not any(parameter.requires_grad for parameter in self.decoder.parameters())

    def prefix(self) -> Cache:
        """Keys and values of the prompt at each layer, for one row; kept where no weight changes."""
        if self.kept is not None:
            return self.kept
        assert isinstance(self.prompt, Tensor)
        frozen = self.frozen
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            cache = self.decoder(inputs_embeds=self.prompt, use_cache=True).past_key_values
        found = [(layer.keys, layer.values) for layer in cache.layers]
        if frozen:
            self.kept = found
        return found

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, tokens, width) -> last hidden states of the same shape, prompt dropped."""
        from transformers import DynamicCache

        assert isinstance(self.prompt, Tensor)
        given = tokens.to(self.prompt.dtype)
        if self.prompt.shape[1] == 0:
            out: Tensor = self.decoder(inputs_embeds=given, use_cache=False).last_hidden_state
            return out.to(tokens.dtype)
        cache: Any = DynamicCache()
        for layer, (keys, values) in enumerate(self.prefix()):
            rows = (len(tokens), -1, -1, -1)
            cache.update(keys.expand(rows), values.expand(rows), layer)
        out = self.decoder(inputs_embeds=given, past_key_values=cache, use_cache=True).last_hidden_state
        return out.to(tokens.dtype)


def add_lora(options: Options, language: Language) -> None:
    """LoRA on the query and key projections, in place; rank 0 adds none."""
    if options.lora_rank == 0:
        return
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=["q_proj", "k_proj"],
    )
    try:
        with warnings.catch_warnings():  # notices between libraries that no user can act on
            warnings.simplefilter("ignore")
            inject_adapter_in_model(config, language.model)
    except ValueError:
        raise BadOption(
            f"language model {language.name!r} has no layers named q_proj and k_proj for LoRA",
            "use one of the families Llama, Mistral, Qwen or SmolLM2, or --set lora_rank=0",
        ) from None
