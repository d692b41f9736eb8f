"""The options of NV2L: what ``--set`` can change, the presets and the ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmark.errors import BadOption
from .brain_options import BRAIN_PAPER, BRAIN_SMALL, BrainOptions

DIALOGUES = ("brief", "detailed", "continuous", "reasoning", "prompt", "localisation")
UNCLIP = "stabilityai/stable-diffusion-2-1-unclip-small"

WORD_CHOICES = {
    "llm": ("language", "none"),
    "tuning": ("lora", "full"),
    "decoder": ("autoencoder", "retrieval", "blend", "unclip"),
}
NOT_NEGATIVE = (
    "step1_epochs", "step2_epochs", "taught_epochs", "asked_share", "answer_tokens", "codec_size", "projector_hidden",
)  # fmt: skip
ABOVE_ZERO = (
    "step1_batch", "step1_rate", "step2_batch", "step2_rate", "taught_rate", "lora_rank", "lora_alpha", "words_width",
    "words_layers", "words_heads", "diffusion_steps", "guidance", "picture_size",
)  # fmt: skip


@dataclass
class Options(BrainOptions):
    """Sizes and schedules of all parts; see `BrainOptions` for those of the brain side.

    Defaults are the published ones; [ours] marks what is not published.

    Attributes
    ----------
    features
        Encoder of the images that z_c is trained on: ``clip-vit-l-14`` as published, ``efficientnet-lite0``,
        ``pixels`` and others of `brainbench.benchmark.nn.features`.
    codec, codec_size
        Autoencoder that z_v is trained on (``kl:NAME``, ``taef2``, ``pca``), and the side of its images in pixels
        (0: its own).
    llm
        ``language``; ``none``, the ablation without a language model: texts are those of the training image
        that is nearest in z_c, and a picture is decoded without words.
    lm, lm_layers
        Language model: ``words``, a tiny one over the words of the training texts [ours], ``smollm2``, a hub name
        or a folder; and how many of its first layers are used (0: all).
    words_width, words_layers, words_heads, taught_epochs, taught_rate
        Of the language model ``words``, and its training on the dialogues as plain text before step 1.
    projector_hidden
        Hidden width of f_t; 0 for the language model's.
    dialogues
        Which of the six types are learned, comma-separated.
    asked_share
        Share of the drawn dialogues that are of the type that the task asks for, instead of any [ours].
    step1_epochs, step1_batch, step1_rate
        Step 1: f_t alone. In an epoch each response meets one dialogue.
    step2_epochs, step2_batch, step2_rate
        Step 2: f_t and the language model.
    tuning, lora_rank, lora_alpha, lora_dropout
        Step 2 tunes every weight (``full``), or low-rank adapters (``lora``); ``words`` is always tuned in full.
    tune_encoder
        Step 2 tunes the brain encoder too, as section 4.1 says; appendix C says that it is frozen, the default.
    language_trials
        Show the language model mixed trials of a response in training, as the encoder is shown; else their mean
        [ours].
    answer_tokens
        Longest answer; 0 for the longest that training has for what is asked.
    decoder
        Of pictures: ``unclip``, Stable unCLIP of diffusers, as published; ``autoencoder``, the decoded latents;
        ``retrieval``, the training image nearest in z_c; ``blend``, the decoded mean of z_v and the latents of
        that image, by the share ``blend`` [ours].
    beta
        Noise in what is decoded, (1 - beta) z_v + beta * noise: 0.93 as published for a diffusion decoder.
    blend
        Share of the retrieved image's latents.
    unclip, diffusion_steps, guidance, picture_size
        Hub name or folder of a Stable unCLIP pipeline, its steps, guidance and the side of its pictures; steps
        and guidance are the library's [ours].
    """

    features: str = "clip-vit-l-14"
    codec: str = f"kl:{UNCLIP}/vae"
    codec_size: int = 512
    llm: str = "language"
    lm: str = "meta-llama/Meta-Llama-3-8B-Instruct"
    lm_layers: int = 0
    words_width: int = 128
    words_layers: int = 2
    words_heads: int = 4
    taught_epochs: int = 2
    taught_rate: float = 3e-3
    projector_hidden: int = 0
    dialogues: str = ",".join(DIALOGUES)
    asked_share: float = 0.0
    step1_epochs: int = 1
    step1_batch: int = 32
    step1_rate: float = 2e-5
    step2_epochs: int = 1
    step2_batch: int = 24
    step2_rate: float = 2e-5
    tuning: str = "full"
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    tune_encoder: bool = False
    language_trials: bool = False
    answer_tokens: int = 0
    decoder: str = "unclip"
    beta: float = 0.93
    blend: float = 0.5
    unclip: str = UNCLIP
    diffusion_steps: int = 20
    guidance: float = 10.0
    picture_size: int = 512

    def verify(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        self.verify_brain()
        for name, allowed in WORD_CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        for names, least in ((NOT_NEGATIVE, "0 or more"), (ABOVE_ZERO, "a number above 0")):
            for name in names:
                value = getattr(self, name)
                if value < 0 or (value == 0 and least != "0 or more"):
                    raise BadOption(f"{name}={value}", f"give {least} (--set {name}=...)")
        for name in ("beta", "blend", "asked_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadOption(f"{name}={getattr(self, name)}", f"give a number from 0 to 1 (--set {name}=...)")
        if wrong := [name for name in listed(self.dialogues) if name not in DIALOGUES]:
            raise BadOption(f"dialogues={','.join(wrong)}", f"some of: {','.join(DIALOGUES)}")
        if self.words_width % self.words_heads:
            raise BadOption(f"words_width={self.words_width} does not divide by words_heads", "change one of them")

    @property
    def dialogues_used(self) -> tuple[str, ...]:
        """Types of dialogue in use, in a fixed order."""
        return tuple(name for name in DIALOGUES if name in listed(self.dialogues))


def listed(text: str) -> list[str]:
    """The parts of a comma-separated option."""
    return [part.strip() for part in text.split(",") if part.strip()]


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {
        **BRAIN_SMALL,
        "features": "efficientnet-lite0",
        "codec": "pca",
        "codec_size": 0,
        "lm": "words",
        "taught_epochs": 1,
        "asked_share": 0.7,
        "step1_rate": 3e-3,
        "step2_epochs": 10,
        "step2_batch": 32,
        "step2_rate": 2e-3,
        "language_trials": True,
        "decoder": "autoencoder",
        "beta": 0.0,
    },
    "paper": {**BRAIN_PAPER},
}
"""``paper``: the published sizes, for GPUs and gated weights. ``small``: the same code on two CPU cores in minutes."""

CONTROLS: Mapping[str, Mapping[str, Any]] = {
    "no-llm": {"llm": "none"},
    "no-vae": {"vae": False},
    "no-vit3d": {"vit3d": False},
    "per-brain": {"per_brain": True},
}
"""The paper's ablations: w/o LLM, w/o VAE feature, w/o ViT3D, w/o cross-subject training."""
