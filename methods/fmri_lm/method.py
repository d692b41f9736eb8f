"""fMRI-LM: text-aligned tokens of a scan, read by a language model (the plugin).

Torch and transformers are imported when a model is fitted, not when methods are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...benchmark.contracts import Card, Context, Method, Train
from ...benchmark.errors import BadOption, needing
from .options import CONTROLS, PRESETS, Options

if TYPE_CHECKING:
    from ...benchmark.kinds.questions import Answers
    from ...benchmark.kinds.scans import Scans
    from .pipeline import Fitted


NOTES = (
    "S, B and L are the published sizes of the tokenizer. 'small' is the same code on two CPU cores: one patch of 160"
    " frames, 1024 codes, the first two layers of SmolLM2. Ours, in every preset: time-major tokens; robust z per "
    "scan and ROI, then one scale a site fitted on training scans (pooled for a site that training lacks); one cosine"
    " decay over a stage; standard SigLIP with learned projections; text features standardised over training scans; a"
    " text corpus of sixteen passages of our own for T2T unless corpus names files; codes predicted by a head of "
    "their own, as in the released configurations (the paper's extended vocabulary is not built); attention pooling "
    "for the contrastive term (the released script pools a class token); class probability = softmax over the "
    "answers' log-likelihoods; a field of several answers is scored behind the likeliest labels of the fields before "
    "it, a field of an open answer by the clause that states it; texts are decoded greedily. Tags and the chat "
    "template (thinking off) are used with Qwen, as published; the tagged scan stands before the whole chat [ours]. "
    "Questions come from our own prompt bank, at test in wordings that training never has. Few labels: the model "
    "learns the sources' scans and labels, then takes a few steps on the labelled scans, with settings that nothing "
    "is tuned for; without a source it learns those scans alone. Ours, in 'small' only: an encoder that starts as a "
    "reader of connectivity, augmentation by sign, reversal and shift of time, the adapter's input weighted by "
    "reliability, eight neighbouring ROIs in one token of the language model, SigLIP's bias started at -2.7, stage "
    "2's text losses over the words that its texts hold, cross-entropy over the candidate answers, at most 40 steps a"
    " stage (160 in stage 3). A description of the scan enters the prompt only with description=true: by default the "
    "scan is read through its tokens alone. No covariate is ever written into a prompt. Networks: the atlas's; "
    "without any, eight blocks of neighbouring ROI columns. Controls: text-only and question-only keep the trained "
    "stages 1 and 2 but are shown no scan; other-scan is the fitted model, shown the tokens of another test subject; "
    "no-lm is a linear head on the tokens that the adapter reads."
)


@dataclass
class FMRILM(Options, Method):
    """Three stages: tokenizer, alignment with a language model, instruction tuning. See `Options`."""

    card: ClassVar[Card] = Card(
        title="fMRI-LM",
        summary="Tokens of ROI time courses, aligned with text by a vector-quantised tokenizer and read by a "
        "language model with LoRA, which answers the task's question.",
        paper="fMRI-LM (2025); code: github.com/yuxiangwei0808/fMRI-LM",
        pretraining=("SmolLM2's public text corpora (the default language model); no brain data",),
        uses_covariates=("site",),
        parameters="tokenizer: S 44 M, B 175 M, L 612 M (patch 32, 450 ROIs); small under 1 M",
        notes=NOTES,
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression", "questions")
    reads: ClassVar[tuple[str, ...]] = ("series",)
    takes_checkpoint: ClassVar[bool] = True
    zero_shot: ClassVar[bool] = True
    controls: ClassVar[Mapping[str, Mapping[str, Any]]] = CONTROLS
    stages: ClassVar[int] = 3
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def fit(self, train: Train, context: Context) -> None:
        """Run the three stages on own and source scans, or stage 3 from a checkpoint; adapt to few labels."""
        self.verify()
        self._fitted = _pipeline().fit(self, train, context)
        if context.save is not None:
            _pipeline().save(self, self._fitted, context)

    def predict(self, test: Scans, context: Context) -> np.ndarray | Answers:
        """(n, classes) probabilities from the candidate answers' log-likelihoods, numbers (n,), or answers."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        if fitted is None:
            if context.checkpoint is None:
                raise BadOption(
                    "fmri-lm was asked to predict before it was fitted", "fit it, or give --checkpoint FILE"
                )
            fitted = self._fitted = _pipeline().load(self, context)
        out: np.ndarray | Answers = _pipeline().predict(self, fitted, test, context)
        return out

    def pretrain(self, cohorts: Sequence[Scans], context: Context) -> None:
        """Stages 1 and 2 from label-free cohorts, and stage 3 from the labels of ``context.sources``."""
        self.verify()
        _pipeline().pretrain(self, cohorts, context)

    def report(self) -> dict[str, Any]:
        """Parameters, language model, layers, losses and steps of each stage."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        return {} if fitted is None else fitted.state.facts


def _pipeline() -> Any:
    """The module that needs torch, transformers and peft; `ExtraMissing` when one is not installed."""
    with needing("torch", "torch", "transformers", "peft", "safetensors"):
        from . import pipeline
    return pipeline
