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
from ...benchmark.nn.lora import Adaptation, adapt_language, checkpoint_gradients, is_qwen
from ...benchmark.nn.packing import Packed, Pass, Prefix, log_likelihoods, read
from .options import Options
from .sequence import scan_prefix
from .tokenizer import Tokenizer, TokenizerShape

MEAN_GAIN = 2.0
TAGS = ("<fmri>", "</fmri>")
"""Ordinary text around a scan, published for Qwen."""


class Adapter(nn.Module):
    """Encoder outputs -> language-model embeddings, and the head that predicts codes.

    Before the projection a token is ``scale * token + shift``, fixed numbers that are 1 and 0 as
    published. `standardise` sets them from the training scans [ours]: what tells scans apart is a small
    part of an encoder's output, and some of it is noise.

    Parameters
    ----------
    shape, text_width
        Of the tokenizer, and the width of the language model.
    gain
        Size of an embedding.
    merge
        Neighbouring ROIs of a step that share one embedding: their tokens are projected side by side. 1 as
        published; more [ours] makes the language model read so many times fewer tokens.
    """

    scale: Tensor
    shift: Tensor
    gain: Tensor

    def __init__(self, shape: TokenizerShape, text_width: int, gain: float, merge: int = 1) -> None:
        super().__init__()
        self.rois, self.steps, self.merge = shape.rois, shape.steps, merge
        self.places = -(-shape.rois // merge)
        self.project = nn.Linear(merge * shape.width, text_width)
        self.roi = nn.Parameter(torch.randn(self.places, text_width) * gain)
        self.slot = nn.Parameter(torch.randn(merge, text_width) * gain) if merge > 1 else None
        self.codes = nn.Linear(text_width, shape.codes, bias=False)
        nn.init.normal_(self.codes.weight, std=0.02)
        self.number = nn.Linear(text_width, 1)
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

    def scaled(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) encoder outputs as the projection reads them."""
        return tokens * self.scale + self.shift

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> (batch, step * place, text width), time-major."""
        lifted = F.gelu(self.project(self._side_by_side(self.scaled(tokens)))) * self.gain
        return lifted + self.roi.repeat(self.steps, 1)

    def code_logits(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """(batch, k, codes) logits for the ``wanted`` fMRI tokens (k,) of hidden states (batch, step * place, ...)."""
        step, roi = wanted // self.rois, wanted % self.rois
        states = hidden[:, step * self.places + roi // self.merge]
        out: Tensor = self.codes(states if self.slot is None else states + self.slot[roi % self.merge])
        return out

    def _side_by_side(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> (batch, step * place, merge * width); the last place is filled up with zeros."""
        if self.merge == 1:
            return tokens
        batch, _, width = tokens.shape
        cut = tokens.reshape(batch, self.steps, self.rois, width)
        filled = F.pad(cut, (0, 0, 0, self.places * self.merge - self.rois))
        return filled.reshape(batch, self.steps * self.places, self.merge * width)


@dataclass
class Reader:
    """Everything that answers a question about a scan.

    Attributes
    ----------
    tokenizer, adapter, language
        The parts.
    opening, closing
        Token ids of the tags around the scan; none in models without tags.
    """

    tokenizer: Tokenizer
    adapter: Adapter
    language: Language
    opening: tuple[int, ...] = ()
    closing: tuple[int, ...] = ()

    @classmethod
    def of(cls, options: Options, tokenizer: Tokenizer, adapter: Adapter, language: Language) -> Reader:
        """With the tags that the options ask for."""
        if not wants(options.tags, language):
            return cls(tokenizer, adapter, language)
        opening, closing = (tuple(language.tokenizer.encode(tag)) for tag in TAGS)
        return cls(tokenizer, adapter, language, opening, closing)

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
        """Encoder outputs, between the tags, as the prefix of a text; None without any."""
        if tokens is None:
            return None
        opening, closing = (self._tag(ids, len(tokens)) for ids in (self.opening, self.closing))
        return scan_prefix(self.adapter(tokens), self.shape.steps, self.adapter.places, opening, closing)

    def _tag(self, ids: tuple[int, ...], batch: int) -> Tensor:
        """(batch, tag, width) embedded tag."""
        return self.language.embed(torch.tensor([ids] * batch, dtype=torch.long, device=self.language.table.device))

    def read(self, tokens: Tensor | None, text: Packed) -> Pass:
        """Run the language model over fMRI tokens (None: text alone) and text."""
        return self.read_behind(self.prefix(tokens), text)

    def read_behind(self, prefix: Prefix | None, text: Packed) -> Pass:
        """The same with embedded fMRI tokens; of the prefix, the tags are left out."""
        result = read(self.language, prefix, text)
        return Pass(result.prefix[:, len(self.opening) : result.prefix.shape[1] - len(self.closing)], result.text)

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


def wants(choice: str, language: Language) -> bool:
    """Whether an option of "yes", "no" or "auto" holds; "auto" is what was published, for Qwen alone."""
    return choice == "yes" or (choice == "auto" and is_qwen(language))


def adapt(options: Options, language: Language) -> dict[str, Any]:
    """Make the language model trainable as the options say; returns what was chosen."""
    targets = tuple(name.strip() for name in options.lora_targets.split(",") if name.strip())
    chosen = Adaptation(options.tuning, options.lora_rank, options.lora_alpha, options.lora_dropout, targets)
    facts = adapt_language(language, chosen)
    if options.gradient_checkpointing:
        checkpoint_gradients(language)
    return facts
