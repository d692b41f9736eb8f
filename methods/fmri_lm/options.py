"""The options of fMRI-LM: what ``--set`` can change, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmark.errors import BadOption


@dataclass
class Options:
    """Sizes, weights and schedules of the three stages. Defaults are the published ones (size B).

    Attributes
    ----------
    width, depth, decoder_depth, heads
        Of the tokenizer's ViT encoder and decoder.
    frames, patch
        Frames given to the tokenizer, and frames of a patch.
    codes, code_width, decay, beta
        Codebook entries, their dimension, the moving average's decay, the commitment weight.
    quantizer, levels
        ``vq``: that codebook, as published; ``fsq``: finite scalar quantisation with these levels (Mentzer et al.
        2024, table 1: 8,5,5,5 for about 2^10 codes, 7,5,5,5,5 for 2^12, 8,8,8,6,5 for 2^14), which set the number
        of codes and their dimension.
    drop_path
        Stochastic depth of the tokenizer.
    pool
        How a scan's tokens are pooled for the contrastive term: ``mean`` or ``attention``.
    corpus
        Plain text for the domain term and T2T: UTF-8 files, or folders of .txt files, separated by commas. Without
        any, the domain term takes the descriptors' words and T2T sixteen passages of our own.
    words
        Vocabulary of the text losses of stage 2: ``all`` of the language model's as published; ``seen``, those that
        its training texts hold [ours], which is faster by the share left out.
    init
        ``published`` (truncated normal 0.02), or ``connectivity``: the first block starts as a reader of
        functional connectivity [ours], see `start_as_connectivity`.
    augment
        Random sign, time reversal and circular shift of a training scan [ours]: rest has no onset,
        and none of the three changes connectivity.
    domain_weight, contrastive_weight
        Weights of the two alignment terms of stage 1.
    contrast
        Contrastive term: ``siglip`` (Zhai et al. 2023), ``clip`` (Radford et al. 2021), or ``soft_siglip`` as in the
        released code, whose targets are the texts' own similarities.
    contrastive_bias
        Start of SigLIP's bias; -10 as published, about -log(batch - 1) for small batches [ours].
    standardise
        ``none``: the adapter reads encoder outputs as they are, as published; ``reliability``: it reads
        what tells scans apart, scaled up [ours], see `Adapter`.
    merge
        Neighbouring ROIs that share one token of the language model: 1 as published, more [ours] is so many
        times faster.
    f2f_weight, f2t_weight, t2t_weight
        Weights of stage 2: next codes, descriptor text, plain text.
    stage1_epochs ... stage3_rate
        Epochs, batch size and peak learning rate of each stage; the rate falls to a tenth (cosine).
    most_steps
        Most steps of each stage, so that a large cohort ends in minutes (0: epochs alone count).
    lm, lm_layers
        Language model (``smollm2``, ``tiny-random``, a hub name, a folder), and how many of its first
        layers are used (0: all).
    lora_rank, lora_alpha, lora_dropout, lora_targets
        0 and "" take the published values for the model at hand.
    tuning
        ``lora``, or ``full`` for fine-tuning every weight of the language model.
    answer_loss
        ``tokens``: cross-entropy on the answer and the end of text over the vocabulary, as published;
        ``labels``: cross-entropy over the candidate answers' log-likelihoods [ours].
    stage3_steps
        Most steps of stage 3 where they differ from ``most_steps`` (0).
    adapt_steps, adapt_rate
        Steps and peak learning rate on the labelled scans of a regime of few labels [ours]; fixed.
    scan
        Whose scan the model is shown: its ``own``; that of an ``other`` subject at test, which is a control;
        or ``none`` at all.
    answer_by
        ``language``: the language model; ``pooled``: a linear head on the tokens that its adapter would
        read, which is a control.
    chat, tags
        Chat template (thinking off) around the prompt, and ``<fmri>`` tags around the scan: ``yes``, ``no`` or
        ``auto``, which is yes for Qwen, as published.
    bf16, gradient_checkpointing
        Mixed precision on a GPU (never on a CPU); recompute activations backwards to save memory.
    description
        Put the scan's connectivity descriptors into the prompt as text.
    describe
        Families of descriptors, separated by commas: ``fc``, ``gradients``, ``graph``, ``components``.
    describe_pairs
        Measures named in a description: this many highest and as many lowest of a family.
    """

    width: int = 768
    depth: int = 12
    decoder_depth: int = 12
    heads: int = 12
    frames: int = 160
    patch: int = 32
    codes: int = 8192
    code_width: int = 128
    decay: float = 0.99
    beta: float = 1.0
    quantizer: str = "vq"
    levels: str = "8,8,8,6,5"
    drop_path: float = 0.1
    corpus: str = ""
    words: str = "all"
    pool: str = "attention"
    init: str = "published"
    augment: bool = False
    domain_weight: float = 0.5
    contrastive_weight: float = 1.0
    contrast: str = "siglip"
    contrastive_bias: float = -10.0
    standardise: str = "none"
    merge: int = 1
    f2f_weight: float = 0.5
    f2t_weight: float = 1.0
    t2t_weight: float = 0.1
    stage1_epochs: int = 50
    stage1_batch: int = 8
    stage1_rate: float = 1e-4
    stage2_epochs: int = 25
    stage2_batch: int = 16
    stage2_rate: float = 6e-4
    stage3_epochs: int = 20
    stage3_batch: int = 32
    stage3_rate: float = 5e-4
    most_steps: int = 0
    lm: str = "smollm2"
    lm_layers: int = 0
    lora_rank: int = 0
    lora_alpha: int = 0
    lora_dropout: float = -1.0
    lora_targets: str = ""
    tuning: str = "lora"
    answer_loss: str = "tokens"
    stage3_steps: int = 0
    adapt_steps: int = 20
    adapt_rate: float = 5e-4
    scan: str = "own"
    answer_by: str = "language"
    chat: str = "auto"
    tags: str = "auto"
    bf16: bool = True
    gradient_checkpointing: bool = False
    description: bool = False
    describe: str = "fc"
    describe_pairs: int = 3

    @property
    def families(self) -> tuple[str, ...]:
        """Families of descriptors."""
        return tuple(name.strip() for name in self.describe.split(",") if name.strip())

    @property
    def fsq_levels(self) -> tuple[int, ...]:
        """Levels of finite scalar quantisation; empty for a codebook. Raises `BadOption`."""
        if self.quantizer != "fsq":
            return ()
        try:
            levels = tuple(int(level) for level in self.levels.split(","))
        except ValueError:
            levels = ()
        if not levels or min(levels) < 3:
            raise BadOption(f"levels={self.levels!r}", "give whole numbers from 3 up, such as 8,5,5,5")
        return levels

    def verify(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        if self.patch < 1 or self.frames % self.patch:
            raise BadOption(
                f"frames={self.frames} does not divide by patch={self.patch}",
                f"give a multiple of {self.patch} (--set frames=...)",
            )
        if self.width % self.heads:
            raise BadOption(f"width={self.width} does not divide by heads={self.heads}", "change one (--set heads=...)")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        _ = self.fsq_levels
        if self.pool == "attention" and self.width % POOL_HEADS:
            raise BadOption(f"pool=attention needs a width that divides by {POOL_HEADS}", "try --set pool=mean")


POOL_HEADS = 8
CHOICES = {
    "quantizer": ("vq", "fsq"),
    "words": ("all", "seen"),
    "contrast": ("siglip", "clip", "soft_siglip"),
    "pool": ("mean", "attention"),
    "init": ("published", "connectivity"),
    "standardise": ("none", "reliability"),
    "tuning": ("lora", "full"),
    "answer_loss": ("tokens", "labels"),
    "scan": ("own", "other", "none"),
    "answer_by": ("language", "pooled"),
    "chat": ("auto", "yes", "no"),
    "tags": ("auto", "yes", "no"),
}

CONTROLS: Mapping[str, Mapping[str, Any]] = {
    "text-only": {"scan": "none", "description": True},
    "question-only": {"scan": "none"},
    "other-scan": {"scan": "other"},
    "with-description": {"description": True},
    "no-lm": {"answer_by": "pooled"},
}
"""What a score rests on: rows that differ from the main one, which is shown the scan and no description."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {
        "width": 128,
        "depth": 2,
        "decoder_depth": 1,
        "heads": 2,
        "frames": 160,
        "patch": 160,
        "codes": 1024,
        "levels": "8,5,5,5",
        "words": "seen",
        "drop_path": 0.0,
        "init": "connectivity",
        "augment": True,
        "contrastive_bias": -2.7,
        "standardise": "reliability",
        "merge": 8,
        "stage1_epochs": 5,
        "stage1_batch": 16,
        "stage1_rate": 3e-4,
        "stage2_epochs": 1,
        "stage2_batch": 8,
        "stage2_rate": 3e-4,
        "stage3_epochs": 8,
        "stage3_steps": 160,
        "adapt_steps": 12,
        "stage3_batch": 8,
        "stage3_rate": 2e-3,
        "most_steps": 40,
        "describe_pairs": 2,
        "lm_layers": 2,
        "answer_loss": "labels",
    },
    "S": {"width": 384, "heads": 6},
    "B": {"width": 768, "heads": 12},
    "L": {"width": 1024, "depth": 24, "decoder_depth": 24, "heads": 16},
}
"""Published sizes S, B and L; ``small`` is the same code at a size that two CPU cores train in minutes."""
