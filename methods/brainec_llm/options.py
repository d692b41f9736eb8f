"""The options of BrainEC-LLM: what ``--set`` can change, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmark.errors import BadOption


@dataclass
class Options:
    """Sizes, losses and schedule. Defaults are those of the published scripts, but for the language model.

    Attributes
    ----------
    d_model, d_ff
        Width of patch tokens, and of the feed-forward layers and attention heads.
    patch, stride
        Frames of a patch, and from one patch to the next.
    scales, window
        How often the series is shortened by average pooling, and by which factor.
    average, kernel
        Frames of the moving average, and patches that the depth-wise convolution covers.
    heads, prototypes
        Heads of the attention to word prototypes, and their number.
    prototype_words
        Prototypes are mixtures of the first words of the vocabulary; 0: of all. Tokenizers number
        words by frequency, and the first 1024 of SmolLM2 already span all directions of its embedding.
    dropout, attention_dropout
        Everywhere but in attention, and in both attentions.
    lm, lm_layers
        Language model (``smollm2``, ``tiny-random``, a hub name, a folder), and how many of its first
        layers are used (0: all).
    llm
        ``pretrained``; ``random``: the same model with random weights; ``none``: tokens pass unchanged.
    four_bit
        4-bit weights where bitsandbytes and a GPU are there.
    prompt, prompt_tokens
        Whether a text stands before the tokens, and how long it may be (0: no limit). Longer texts
        keep the strongest correlations only.
    lora_rank, lora_alpha, lora_dropout
        LoRA on query and key projections; rank 0 leaves the language model frozen.
    epochs, batch, rate, cycle
        Passes over the subjects, subjects a step, peak learning rate, and epochs from peak to zero
        (the cosine then rises again, as published).
    max_subjects
        Use the first so many subjects; 0: all.
    sparsity
        ``none``; ``entropy``: mean entropy of what drives each region, relative to the largest [ours];
        ``l1-noop``: sum of the graph, as published, which is constant for a softmax.
    sparsity_weight, dag_weight, contrastive_weight
        Weights of the losses beside the mean squared error.
    graph_from
        ``eval``: the trained model's graph, averaged over all subjects; ``training``: the average of
        the last epoch's training batches, dropout on and weights moving, as published.
    """

    d_model: int = 32
    d_ff: int = 32
    patch: int = 8
    stride: int = 8
    scales: int = 3
    window: int = 2
    average: int = 25
    kernel: int = 5
    heads: int = 8
    prototypes: int = 1000
    prototype_words: int = 0
    dropout: float = 0.01
    attention_dropout: float = 0.1
    lm: str = "smollm2"
    lm_layers: int = 0
    llm: str = "pretrained"
    four_bit: bool = False
    prompt: bool = True
    prompt_tokens: int = 0
    lora_rank: int = 64
    lora_alpha: int = 32
    lora_dropout: float = 0.01
    epochs: int = 255
    batch: int = 2
    rate: float = 1e-3
    cycle: int = 20
    max_subjects: int = 0
    sparsity: str = "none"
    sparsity_weight: float = 2.0
    dag_weight: float = 100.0
    contrastive_weight: float = 10.0
    graph_from: str = "eval"

    def verify(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        for name in POSITIVE:
            if getattr(self, name) < 1:
                raise BadOption(f"{name}={getattr(self, name)}", f"give 1 or more (--set {name}=...)")
        for name in ("average", "kernel"):
            if getattr(self, name) % 2 == 0:
                raise BadOption(f"{name}={getattr(self, name)} is even", f"give an odd number (--set {name}=...)")


POSITIVE = (
    "d_model", "d_ff", "patch", "stride", "scales", "window", "average", "kernel", "heads", "prototypes",
    "epochs", "batch", "cycle",
)  # fmt: skip
CHOICES = {
    "llm": ("pretrained", "random", "none"),
    "sparsity": ("none", "entropy", "l1-noop"),
    "graph_from": ("eval", "training"),
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {
        "lm_layers": 2,
        "prototype_words": 1024,
        "prompt_tokens": 768,
        "max_subjects": 10,
        "epochs": 20,
    },
    "paper": {"lm": "meta-llama/Meta-Llama-3-8B-Instruct", "lm_layers": 24, "four_bit": True},
}
"""``paper``: published sizes. ``small``: the same code at a size that two CPU cores train in minutes."""
