"""fMRI-LM: text-aligned tokens of a scan, read by a language model (the plugin).

Torch and transformers are imported when a model is fitted, not when methods are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...benchmark.contracts import Card, Context, Method, Train
from ...benchmark.errors import BadOption, need
from .options import PRESETS, Options

if TYPE_CHECKING:
    from ...benchmark.kinds.scans import Scans
    from .pipeline import Fitted


@dataclass
class FMRILM(Options, Method):
    """Three stages: tokenizer, alignment with a language model, instruction tuning. See `Options`."""

    card: ClassVar[Card] = Card(
        title="fMRI-LM",
        summary="Tokens of ROI time courses, aligned with text and read by a language model that answers "
        "the task's question.",
        paper="fMRI-LM (2025), github.com/yuxiangwei0808/fMRI-LM",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification",)
    presets: ClassVar = PRESETS

    def fit(self, train: Train, context: Context) -> None:
        """Run the three stages, or stage 3 alone from a checkpoint."""
        self.verify()
        self._fitted = _pipeline().fit(self, train, context)
        if context.save is not None:
            _pipeline().save(self._fitted, context.save)

    def predict(self, test: Scans, context: Context) -> np.ndarray:
        """(n, classes) probabilities from the candidate answers' log-likelihoods."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        if fitted is None:
            if context.checkpoint is None:
                raise BadOption(
                    "fmri-lm was asked to predict before it was fitted", "fit it, or give --checkpoint FILE"
                )
            fitted = self._fitted = _pipeline().load(self, context.checkpoint, context)
        return _pipeline().predict(self, fitted, test, context)

    def report(self) -> dict[str, Any]:
        """Parameters, language model, layers, losses and steps of each stage."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        return {} if fitted is None else fitted.facts


def _pipeline() -> Any:
    """The module that needs torch, transformers and peft; `ExtraMissing` when one is not installed."""
    try:
        from . import pipeline
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("torch", "transformers", "peft", "safetensors"):
            raise need("torch", str(error.name)) from None
        raise
    return pipeline
