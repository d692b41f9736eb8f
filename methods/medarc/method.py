"""MedARC's encoder of brain responses to films (the plugin).

Torch is imported when a model is fitted, not when methods are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...benchmark.contracts import Card, Context, Method, Train
from ...benchmark.errors import BadOption, needing
from .options import CONTROLS, PRESETS, Options
from .space import NOTES as ENSEMBLE_NOTES
from .space import SPACES

if TYPE_CHECKING:
    from ...benchmark.kinds.encoding import Runs

NOTES = (
    "Published, and the defaults of 'published': five streams (Llama-3.2-3B layer 11, Whisper-large-v3 layer 12 fc2, "
    "Qwen2.5-Omni-3B layer 20, InternVL3-14B layer 30, V-JEPA2 final norm), d = 192, k = 45 and not causal, the sum "
    "of streams, group and subject heads, truncated normal 0.02, mean squared error, AdamW 3e-4 with decay 0.1, 2000 "
    "crops of 64 TRs an epoch in batches of 16, at most 10 epochs, stop at the first epoch that is no better on a "
    "held-out film, runs that all subjects have, cut to the shortest. All streams that the runs have are used. The "
    "reference keeps references to live weights as its best weights; here they are copies, live_weights=true is the "
    "other. Its attention pool cannot be built (wrong arguments), its ConvNeXt cannot be run (undefined layers) and "
    "its rotary positions run over heads; here the three work as they are meant to. A run without a stream is "
    "predicted from the others (the stream is left out of the sum). Ours in 'small': sizes, a higher rate, "
    "standardised features (r 0.181 against 0.173 on held-out training films of the twin), runs that some subjects "
    "lack, two epochs of patience. The film to stop on is 'figures' "
    "where it is in training; as in the reference, what is held out is not trained on afterwards."
)


@dataclass
class MedARC(Options, Method):
    """Streams of features, kernels along time, and linear maps to the parcels of all subjects. See `Options`."""

    card: ClassVar[Card] = Card(
        title="MedARC",
        summary="Streams of multimodal features are projected, convolved in time channel by channel, summed, and "
        "mapped to parcels by a linear head of all subjects plus one of each.",
        paper="Predicting Brain Responses To Natural Movies With Multimodal LLMs (arXiv 2507.19956)",
        pretraining=("those of the feature models",),
        parameters="3.5 M (published sizes and streams); about 0.2 M (small)",
        notes=NOTES + ENSEMBLE_NOTES,
    )
    supports: ClassVar[tuple[str, ...]] = ("encoding",)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    controls: ClassVar[Mapping[str, Mapping[str, Any]]] = CONTROLS
    space: ClassVar[Mapping[str, Any]] = SPACES

    def fit(self, train: Train, context: Context) -> None:
        """Train on the runs given, less the films that are held out to stop on."""
        self.verify()
        self._networks = tuple(train.inputs.networks)
        self._fitted = _pipeline().fit(self, train, context)

    def predict(self, test: Runs, context: Context) -> list[dict[str, Any]]:
        """Subject -> (frames, parcel) float32 for each run."""
        return list(_pipeline().predict(self._found(), test, context))

    def report(self) -> dict[str, Any]:
        """Parameters, epochs, r of the held-out films, and lags of the kernels."""
        fitted = getattr(self, "_fitted", None)
        return {} if fitted is None else dict(fitted.report(self._networks))

    def _found(self) -> Any:
        fitted = getattr(self, "_fitted", None)
        if fitted is None:
            raise BadOption("medarc was asked to predict before it was fitted", "fit it first")
        return fitted


def _pipeline() -> Any:
    """The module that needs torch; `ExtraMissing` when it is not installed."""
    with needing("torch", "torch", "safetensors"):
        from . import pipeline
    return pipeline
