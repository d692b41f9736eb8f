"""The joined network of stages 2 and 3: frozen encoder, adapter, language model.

The language model does not read the codes. It reads the frozen encoder's continuous outputs through
Linear-GELU plus a ROI embedding; codes are targets only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.nn.language import Language
from ...benchmark.nn.lora import Adaptation, adapt_language
from ...benchmark.nn.packing import Packed, Pass, Prefix, log_likelihoods, read
from .options import Options
from .sequence import scan_prefix
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

    def prefix(self, tokens: Tensor | None) -> Prefix | None:
        """Encoder outputs as the prefix of a text; None without any."""
        return None if tokens is None else scan_prefix(self.adapter(tokens), self.shape.steps, self.shape.rois)

    def read(self, tokens: Tensor | None, text: Packed) -> Pass:
        """Run the language model over fMRI tokens (None: text alone) and text."""
        return read(self.language, self.prefix(tokens), text)

    def log_likelihoods(self, hidden: Tensor, text: Packed, wanted: Tensor) -> Tensor:
        """Log-likelihood of each wanted text token (k,), see `packing.log_likelihoods`."""
        return log_likelihoods(self.language, hidden, text, wanted)

    def modules(self) -> list[nn.Module]:
        """Parts that stages 2 and 3 train."""
        return [self.adapter, self.language.model]

    def train(self, mode: bool) -> None:
        """Training mode of the trained parts; the tokenizer stays frozen."""
        for module in self.modules():
            module.train(mode)


def adapt(options: Options, language: Language) -> dict[str, Any]:
    """Make the language model trainable as the options say; returns what was chosen."""
    targets = tuple(name.strip() for name in options.lora_targets.split(",") if name.strip())
    chosen = Adaptation(options.tuning, options.lora_rank, options.lora_alpha, options.lora_dropout, targets)
    return adapt_language(language, chosen)
