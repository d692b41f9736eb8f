"""The options of FCN-LLM: what ``--set`` can change, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmark.errors import BadOption

SCALES = ("roi", "subnetwork", "brain")
PARADIGMS = ("predictive", "judgment", "comparative")


@dataclass
class Options:
    """Sizes and schedules. Defaults are the published ones where they are known; [ours] marks the others.

    Attributes
    ----------
    scales
        Tokens in use, comma-separated: ``roi``, ``subnetwork``, ``brain``.
    roi_tokens
        0: one token a ROI, as published. Else about so many, each the mean of ROIs that are alike in the
        mean training network and lie in one sub-network [ours].
    threshold, density
        Smallest |r| of an edge of the graph (0.5), or above 0 the share of strongest edges kept instead,
        such as 0.1 [ours].
    gcn_hidden, gcn_dropout
        Of the whole-brain graph convolution; the dropout is [ours].
    standardise
        ``none``, or ``cohort``: networks are read as deviations from the training scans' mean, in units of
        their spread [ours].
    gated
        Scale and slot embeddings enter the projector's hidden layer instead of its output [ours].
    paradigms
        Instruction tasks in use, comma-separated: ``predictive``, ``judgment``, ``comparative``.
    window_seconds, stride_seconds
        Windows of stage 1 [ours: in seconds, those of 100 and 20 frames at a TR of 2 s].
    window_frames, stride_frames
        The same in frames, for scans of unknown TR.
    stage1_epochs, stage2_epochs
        Passes over the instructions: every window (stage 1) or scan (stage 2) meets every attribute in
        every paradigm once a pass [ours]. One pass of each is published.
    stage1_batch, stage1_rate, stage2_batch, stage2_rate, lm_rate
        Instructions a step and peak learning rates: of encoder and projector in each stage, and of the
        language model in stage 2 [ours].
    warmup, clip, weight_decay
        Share of steps over which the rate rises before its cosine falls, limit of the gradient's norm, and
        AdamW's decay [ours].
    stage1_steps, stage2_steps
        Most steps of each stage, so that a large cohort ends in minutes (0: epochs alone count).
    adapt_steps, adapt_rate
        Steps over the few labelled scans of a k-shot regime, all of them in each step, and their rate for
        encoder and projector [ours].
    lm, lm_layers
        Language model (``smollm2``, ``tiny-random``, a hub name, a folder), and how many of its first
        layers are used (0: all).
    llm
        ``pretrained``; ``random``: the same model with random weights; ``none``: a plain classifier on the
        same tokens.
    tuning, lora_rank, lora_alpha, lora_dropout
        ``full`` (published) or ``lora`` (a deviation, for one small machine) in stage 2.
    answer_loss
        ``tokens``: next-token cross-entropy on the answer; ``labels``: cross-entropy over the candidate
        answers' log-likelihoods where there are candidates [ours].
    ask
        How classes are read at test: from the answers to the question (``predictive``), or from Yes and No
        to each class as a proposed answer (``judgment``) [ours].
    scan
        ``own``; at test ``other``: the network of another test subject; ``none``: no network tokens, in
        training and at test.
    answer_tokens
        Longest generated answer.
    precision, recompute
        ``auto`` (bfloat16 on a GPU), ``float32`` or ``bf16``; and whether activations are recomputed to
        save memory.
    """

    scales: str = "roi,subnetwork,brain"
    roi_tokens: int = 0
    threshold: float = 0.5
    density: float = 0.0
    gcn_hidden: int = 256
    gcn_dropout: float = 0.1
    standardise: str = "none"
    gated: bool = False
    paradigms: str = "predictive,judgment,comparative"
    window_seconds: float = 200.0
    stride_seconds: float = 40.0
    window_frames: int = 100
    stride_frames: int = 20
    stage1_epochs: int = 1
    stage1_batch: int = 128
    stage1_rate: float = 1e-3
    stage2_epochs: int = 1
    stage2_batch: int = 64
    stage2_rate: float = 1e-4
    lm_rate: float = 1e-5
    warmup: float = 0.03
    clip: float = 1.0
    weight_decay: float = 0.01
    stage1_steps: int = 0
    stage2_steps: int = 0
    adapt_steps: int = 6
    adapt_rate: float = 1e-4
    lm: str = "smollm2"
    lm_layers: int = 0
    llm: str = "pretrained"
    tuning: str = "full"
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    answer_loss: str = "tokens"
    ask: str = "predictive"
    scan: str = "own"
    answer_tokens: int = 24
    precision: str = "auto"
    recompute: bool = False

    def verify(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        for name, allowed in LISTS.items():
            wrong = [part for part in listed(getattr(self, name)) if part not in allowed]
            if wrong or not listed(getattr(self, name)):
                raise BadOption(f"{name}={getattr(self, name)!r}", f"some of: {','.join(allowed)}")
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)}", f"give a number above 0 (--set {name}=...)")
        if not 0 <= self.density <= 1:
            raise BadOption(f"density={self.density}", "give the share of edges kept, 0 (use threshold) to 1")

    @property
    def scales_used(self) -> tuple[str, ...]:
        """Scales in use, in the published order."""
        return tuple(name for name in SCALES if name in listed(self.scales))

    @property
    def paradigms_used(self) -> tuple[str, ...]:
        """Paradigms in use."""
        return tuple(name for name in PARADIGMS if name in listed(self.paradigms))

    def mixed_on(self, device: str) -> bool:
        """Whether products are computed in bfloat16 on a device."""
        return self.precision == "bf16" or (self.precision == "auto" and device.startswith("cuda"))


def listed(text: str) -> list[str]:
    """The parts of a comma-separated option."""
    return [part.strip() for part in text.split(",") if part.strip()]


LISTS = {"scales": SCALES, "paradigms": PARADIGMS}
POSITIVE = (
    "gcn_hidden", "window_seconds", "stride_seconds", "window_frames", "stride_frames", "stage1_batch",
    "stage2_batch", "lora_rank", "lora_alpha", "answer_tokens",
)  # fmt: skip
CHOICES = {
    "standardise": ("none", "cohort"),
    "llm": ("pretrained", "random", "none"),
    "tuning": ("lora", "full"),
    "answer_loss": ("tokens", "labels"),
    "ask": ("predictive", "judgment"),
    "scan": ("own", "other", "none"),
    "precision": ("auto", "float32", "bf16"),
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {
        "lm_layers": 2,
        "roi_tokens": 32,
        "standardise": "cohort",
        "gated": True,
        "stage1_batch": 16,
        "stage2_batch": 16,
        "stage1_rate": 1e-3,
        "stage2_rate": 5e-4,
        "lm_rate": 5e-4,
        "stage1_steps": 12,
        "stage2_steps": 80,
        "adapt_steps": 4,
        "tuning": "lora",
        "answer_loss": "labels",
    },
    "qwen2.5-3b": {"lm": "Qwen/Qwen2.5-3B-Instruct", "recompute": True},
    "qwen2.5-7b": {"lm": "Qwen/Qwen2.5-7B-Instruct", "recompute": True},
    "qwen3-0.6b": {"lm": "Qwen/Qwen3-0.6B", "tuning": "lora"},
}
"""``qwen2.5-3b`` and ``qwen2.5-7b``: the published models, every weight tuned. ``qwen3-0.6b``: for one small GPU, with
LoRA, a deviation. ``small``: the same code at a size that two CPU cores train in minutes, a deviation."""
