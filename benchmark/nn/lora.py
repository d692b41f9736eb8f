"""Making a frozen language model trainable: low-rank adapters, or all of its weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from .language import Language

QWEN_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Adaptation:
    """What of a language model is trained.

    Attributes
    ----------
    tuning
        ``lora``, or ``full`` for every weight.
    rank, alpha, dropout, targets
        Of LoRA; 0, 0, a negative number and () take the published values of fMRI-LM for the model at
        hand: Qwen r = 8, alpha = 16, dropout 0.1 on q, k, v, o, gate, up, down; other models r = 16,
        alpha = 32, dropout 0.05 on peft's default targets.
    """

    tuning: str = "lora"
    rank: int = 0
    alpha: int = 0
    dropout: float = -1.0
    targets: tuple[str, ...] = ()


def adapt_language(language: Language, adaptation: Adaptation = Adaptation()) -> dict[str, Any]:
    """Make the language model trainable in place. Returns what was chosen, for the record."""
    if adaptation.tuning == "full":
        language.model.requires_grad_(True)
        return {"tuning": "full"}
    from peft import LoraConfig, get_peft_model

    qwen = is_qwen(language)
    rank = adaptation.rank or (8 if qwen else 16)
    alpha = adaptation.alpha or (16 if qwen else 32)
    dropout = adaptation.dropout if adaptation.dropout >= 0 else (0.1 if qwen else 0.05)
    targets = list(adaptation.targets) or (list(QWEN_TARGETS) if qwen else None)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, task_type="CAUSAL_LM")
    with warnings.catch_warnings():  # notices between libraries that no user can act on
        warnings.simplefilter("ignore")
        language.model = get_peft_model(language.model, config)
    return {
        "tuning": "lora",
        "lora_rank": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "lora_targets": sorted(language.model.peft_config["default"].target_modules),
    }


def is_qwen(language: Language) -> bool:
    """Whether the model is of the Qwen family, for which fMRI-LM published settings of its own."""
    return "qwen" in str(language.model.config.model_type)


def checkpoint_gradients(language: Language) -> None:
    """Recompute activations in the backward pass: less memory for more time, where a GPU is full."""
    language.model.gradient_checkpointing_enable({"use_reentrant": False})
