"""NV2L: brain volumes to words, pictures and the voxels of a concept (the plugin).

Torch, transformers and diffusers are imported when a model is fitted, not when methods are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...benchmark.contracts import Card, Context, Method, TaskInfo, Train
from ...benchmark.errors import BadOption, needing
from .options import CONTROLS, PRESETS, Options

if TYPE_CHECKING:
    from ...benchmark.kinds.seen import Responses
    from .pipeline import Fitted

NOTES = "(see below)"


@dataclass
class NV2L(Options, Method):
    """One encoder of all brains, a language model that reads its tokens, and a picture decoder. See `Options`."""

    card: ClassVar[Card] = Card(
        title="NV2L",
        summary="A vision transformer reads 3-D brain volumes of several people; its tokens are read by a language "
        "model, its image features and latents are drawn, and its gradients locate concepts.",
        paper="Neuro-Vision to Language (NeurIPS 2024)",
        pretraining=("ImageNet (features of preset small); CLIP, Llama 3 and Stable Diffusion data (preset paper)",),
        parameters="encoder about 115 M (paper), about 1 M (small)",
        notes=NOTES,
    )
    supports: ClassVar[tuple[str, ...]] = (
        "captioning", "description", "reasoning", "reconstruction", "grounding", "localisation",
    )  # fmt: skip
    reads: ClassVar[tuple[str, ...]] = ()
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    controls: ClassVar[Mapping[str, Mapping[str, Any]]] = CONTROLS

    def skip(self, task: TaskInfo) -> str | None:
        """Ablations of the language model have no row of their own where it says nothing."""
        if self.llm == "none" and task.kind == "localisation":
            return "a concept is located without the language model: the row would be that of nv2l"
        if self.llm == "none" and task.kind == "reconstruction" and self.decoder != "unclip":
            return f"decoder={self.decoder} reads no text: the row would be that of nv2l"
        if self.llm == "none" and task.kind == "grounding":
            return "boxes are told in words: not without a language model"
        return None

    def fit(self, train: Train, context: Context) -> None:
        """Encoder, then the language model where the task takes one."""
        self.verify()
        self._fitted = _pipeline().fit(self, train, context)

    def predict(self, test: Responses, context: Context) -> Any:
        """Texts, pictures, boxes or voxel maps, as the task's kind asks."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        if fitted is None:
            raise BadOption("nv2l was asked to predict before it was fitted", "fit it first")
        return _pipeline().predict(self, fitted, test, context)

    def report(self) -> dict[str, Any]:
        """Kept tokens, parameters by part, weights, losses and choices."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        return {} if fitted is None else fitted.facts


def _pipeline() -> Any:
    """The module that needs torch and transformers; `ExtraMissing` when one is not installed."""
    with needing("torch", "torch", "transformers", "peft", "safetensors"):
        from . import pipeline
    return pipeline
