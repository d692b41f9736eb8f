"""The joined network of stages 2 and 3: frozen encoder, adapter, language model.

The language model does not read the codes. It reads the frozen encoder's continuous outputs through
Linear-GELU plus a ROI embedding; codes are targets only.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.nn.language import Language
from .options import Options
from .sequence import Packed, attention_mask, position_ids
from .tokenizer import Tokenizer, TokenizerShape

MEAN_GAIN = 2.0


class Adapter(nn.Module):
    """Encoder outputs -> language-model embeddings, and the head that predicts codes.

    Before the projection a token is ``scale * token + shift``, fixed numbers that are 1 and 0 as
    published. `standardise` sets them from the training scans [ours]: what tells scans apart is a small
    part of an encoder's output, and some of it is noise.
    """

    scale: Tensor
    shift: Tensor
    gain: Tensor

    def __init__(self, shape: TokenizerShape, text_width: int, gain: float) -> None:
        super().__init__()
        self.rois = shape.rois
        self.steps = shape.steps
        self.project = nn.Linear(shape.width, text_width)
        self.roi = nn.Parameter(torch.randn(shape.rois, text_width) * gain)
        self.codes = nn.Linear(text_width, shape.codes, bias=False)
        nn.init.normal_(self.codes.weight, std=0.02)
        self.register_buffer("scale", torch.ones(shape.width))
        self.register_buffer("shift", torch.zeros(shape.tokens, shape.width))
        self.register_buffer("gain", torch.tensor(gain))

    def standardise(self, mean: Tensor, spread: Tensor, reliability: Tensor) -> None:
        """Scale deviations from the mean scan to unit spread times their reliability, and add the mean.

        Parameters
        ----------
        mean
            (token, width) mean encoder output over training scans.
        spread, reliability
            (width,) standard deviation around the mean, and correlation of the deviation with that of
            the same scan, augmented. The phase of a time course has reliability 0.
        """
        scale = reliability / spread
        pattern = MEAN_GAIN * (mean - mean.mean(0)) / mean.std()
        self.scale.copy_(scale)
        self.shift.copy_(pattern - scale * mean)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> (batch, token, text width)."""
        lifted = F.gelu(self.project(tokens * self.scale + self.shift)) * self.gain
        return lifted + self.roi.repeat(self.steps, 1)


class Pass(NamedTuple):
    """Hidden states of one pass: fMRI tokens (batch, token, width), text (batch, length, width)."""

    scan: Tensor
    text: Tensor


@dataclass
class Reader:
    """Everything that answers a question about a scan."""

    tokenizer: Tokenizer
    adapter: Adapter
    language: Language

    @property
    def shape(self) -> TokenizerShape:
        """Sizes of the tokenizer."""
        return self.tokenizer.shape

    def tokens(self, series: Tensor) -> Tensor:
        """Frozen encoder outputs (batch, token, width), time-major."""
        with torch.no_grad():
            out: Tensor = self.tokenizer.encoder(series)
            return out

    def read(self, tokens: Tensor | None, text: Packed) -> Pass:
        """Run the language model over fMRI tokens (None: text alone) and text."""
        words = self.language.embed(text.ids)
        steps, rois = (self.shape.steps, self.shape.rois) if tokens is not None else (0, 0)
        whole = words if tokens is None else torch.cat([self.adapter(tokens).to(words.dtype), words], dim=1)
        hidden = self.language.hidden(whole, attention_mask(steps, rois, text), position_ids(steps, rois, text))
        return Pass(hidden[:, : steps * rois], hidden[:, steps * rois :])

    def log_likelihoods(self, hidden: Tensor, text: Packed, wanted: Tensor) -> Tensor:
        """Log-likelihood of each wanted text token (k,), given by its parent's hidden state.

        ``wanted`` is boolean (batch, length); tokens without a parent cannot be wanted.
        """
        sample, place = torch.nonzero(wanted, as_tuple=True)
        states = hidden[sample, text.parents[sample, place]]
        logits = self.language.logits(states).float()
        return -F.cross_entropy(logits, text.ids[sample, place], reduction="none")

    def modules(self) -> list[nn.Module]:
        """Parts that stages 2 and 3 train."""
        return [self.adapter, self.language.model]

    def train(self, mode: bool) -> None:
        """Training mode of the trained parts; the tokenizer stays frozen."""
        for module in self.modules():
            module.train(mode)


def adapt_language(options: Options, language: Language) -> dict[str, Any]:
    """Make the language model trainable in place: LoRA, or all weights. Returns what was chosen.

    Published LoRA: Qwen r = 8, alpha = 16, dropout 0.1 on q, k, v, o, gate, up, down; other models
    r = 16, alpha = 32, dropout 0.05 on peft's default targets.
    """
    if options.tuning == "full":
        language.model.requires_grad_(True)
        return {"tuning": "full"}
    from peft import LoraConfig, get_peft_model

    qwen = "qwen" in str(language.model.config.model_type)
    rank = options.lora_rank or (8 if qwen else 16)
    alpha = options.lora_alpha or (16 if qwen else 32)
    dropout = options.lora_dropout if options.lora_dropout >= 0 else (0.1 if qwen else 0.05)
    named = [name.strip() for name in options.lora_targets.split(",") if name.strip()]
    published = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] if qwen else None
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=named or published, task_type="CAUSAL_LM"
    )
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
