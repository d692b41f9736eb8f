"""FCN-LLM: a language model reads a connectivity network at three scales (the plugin).

Torch and transformers are imported when a model is fitted, not when methods are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...benchmark.contracts import Card, Context, Method, TaskInfo, Train
from ...benchmark.errors import BadOption, needing
from .options import PRESETS, Options

if TYPE_CHECKING:
    from ...benchmark.kinds.scans import Scans
    from .pipeline import Fitted

NOTES = (
    "No result of the paper stands in our tables: its full text was not to be had, and no full table was readable. "
    "Known from its abstract, reviews and a summary, and kept: FC rows as ROI tokens, sub-network means, a two-layer "
    "graph convolution (hidden 256) over |FC| thresholded at 0.5 for one whole-brain token, an MLP into the language "
    "model (124 tokens at 116 ROIs and seven networks), three instruction paradigms, two stages (windows of 100 "
    "frames with the language model frozen; whole scans with all of it tuned), one epoch each, Qwen2.5-3B and 7B. "
    "Ours, in every preset: no Fisher z and a diagonal of 0; weighted edges, self-loops, symmetric normalisation, "
    "ReLU, dropout 0.1, and no graph convolution for the other tokens; the projector's shape, scale, slot and marker "
    "embeddings; tokens inside the user turn before the question; an eighth sub-network for the subcortex, and seven "
    "clusters of the mean training network where an atlas has none; windows of 200 s every 40 s (frames where the TR "
    "is unknown); all optimiser numbers; all wordings, with others at test than in training; half of the judgments "
    "right and wrong answers drawn from the training marginal; half of the comparisons of equal people, always of one "
    "site; class probability = softmax over the candidate answers' log-likelihoods; a number is the first one in the "
    "generated answer, the training mean where there is none (parse_failures says how often); several questions are "
    "answered label by label, open ones by free generation. Attributes are those of the task and its sources, not "
    "the paper's 19. Deviations of 'small', all ours: the first layers of SmolLM2 with LoRA, ROI rows averaged over "
    "alike ROIs (roi_tokens; 0 gives one a ROI), networks read against the training cohort (standardise), slot "
    "embeddings in the projector's hidden layer (gated), cross-entropy over candidate answers, few steps. "
    "'qwen3-0.6b' tunes by LoRA. A regime of few labels trains both stages on the sources and adapts with fixed "
    "settings. No covariate is written into a prompt; the site only pairs people for comparisons."
)


@dataclass
class FCNLLM(Options, Method):
    """Two stages of instruction tuning on connectivity networks. See `Options`."""

    card: ClassVar[Card] = Card(
        title="FCN-LLM",
        summary="Multi-scale tokens of a functional connectivity network, read by a language model that is tuned on "
        "predictive, judgment and comparative instructions.",
        paper="FCN-LLM (Hu, Wang, Xiao; arXiv 2603.01135, 2026)",
        pretraining=("SmolLM2's public text corpora (the default language model); no brain data",),
        uses_covariates=("site",),
        parameters="graph convolution 59,764 at 116 ROIs, 231,106 at 450; projector 1.5 M at width 1024",
        notes=NOTES,
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression", "questions")
    reads: ClassVar[tuple[str, ...]] = ("series",)
    takes_checkpoint: ClassVar[bool] = True
    zero_shot: ClassVar[bool] = True
    stages: ClassVar[int] = 2
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    controls: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "text-only": {"scan": "none"},
        "other-scan": {"scan": "other"},
        "no-lm": {"llm": "none"},
    }

    def skip(self, task: TaskInfo) -> str | None:
        """Without a language model there are no answers in words."""
        if task.kind == "questions" and self.llm == "none":
            return "answers questions in words: not without a language model"
        return None

    def fit(self, train: Train, context: Context) -> None:
        """Both stages, or what a checkpoint leaves to do."""
        self.verify()
        self._fitted = _pipeline().fit(self, train, context)
        if context.save is not None:
            _pipeline().save(self, self._fitted, train.inputs, context)

    def pretrain(self, cohorts: Sequence[Any], context: Context) -> None:
        """Stage 1, stage 2 or both on the labelled scans of the source tasks."""
        self.verify()
        _pretraining().pretrain(self, context)

    def predict(self, test: Scans, context: Context) -> Any:
        """Probabilities, numbers or answers."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        if fitted is None:
            if context.checkpoint is None:
                raise BadOption(
                    "fcn-llm was asked to predict before it was fitted", "fit it, or give --checkpoint FOLDER"
                )
            fitted = self._fitted = _pipeline().load(self, test, context)
        return _pipeline().predict(self, fitted, test, context)

    def report(self) -> dict[str, Any]:
        """Tokens, parameters, language model, steps and losses of each stage."""
        fitted: Fitted | None = getattr(self, "_fitted", None)
        return {} if fitted is None else fitted.facts


def _pipeline() -> Any:
    """The module that needs torch, transformers and peft; `ExtraMissing` when one is not installed."""
    with needing("torch", "torch", "transformers", "peft", "safetensors"):
        from . import pipeline
    return pipeline


def _pretraining() -> Any:
    """As `_pipeline`, for pretraining."""
    _pipeline()
    from . import pretraining

    return pretraining
