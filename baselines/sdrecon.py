"""SDRecon: layout from early visual voxels, meaning from ventral ones, by two ridge regressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from .decoding import Library
from .ridge_baseline import Goal, RidgeBaseline

STRENGTH = 0.8
"""Share of the picture that comes from its meaning: the strength of the paper's image-to-image diffusion."""

ALPHAS = tuple(10.0**power for power in range(-6, 1))


@dataclass
class SDRecon(RidgeBaseline):
    """Two ridge regressions with disjoint ROIs, on single trials.

    Attributes
    ----------
    swap
        Give each regression the other's ROI: what each ROI is good for.
    """

    swap: bool = False

    card: ClassVar[Card] = Card(
        title="SDRecon",
        summary="Ridge regression from early visual voxels to image latents and from ventral voxels to image "
        "features; the picture mixes the decoded latents with those of the training image that the features find.",
        paper="Takagi and Nishimoto, High-resolution image reconstruction with latent diffusion models from human "
        "brain activity. CVPR 2023; github.com/yu-takagi/StableDiffusionReconstruction",
        parameters="(ROI voxels + 1) x dimensions for each brain",
        notes="As published: single trials for training and averages for testing, ROIs apart, himalaya with a "
        "penalty a target of 1e-6 to 1 after standardisation, strength .8. Ours: image features in place of text "
        "conditioning, a small codec, and .2 x decoded + .8 x retrieved latents in place of diffusion; inner folds "
        "cut no image. Words are those of the retrieved image. Skipped where a brain has no early or no ventral "
        "mask. The control swapped-rois reads latents from ventral and features from early voxels.",
    )
    trials: ClassVar[bool] = True
    controls: ClassVar[dict[str, dict[str, Any]]] = {"swapped-rois": {"swap": True}}

    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """Features, and latents where a picture is asked for."""
        apart = {"early": "", "ventral": "early"}
        layout, meaning = ("ventral", "early") if self.swap else ("early", "ventral")
        found = {"features": Goal(library.features, ALPHAS, roi=meaning, without=apart[meaning])}
        if task.kind == "reconstruction":
            found["latents"] = Goal(library.latents, ALPHAS, roi=layout, without=apart[layout])
        return found

    def answers(self, decoded: Mapping[str, np.ndarray], test: Any, context: Context) -> Any:
        """A mix of latents for a picture; else as the retrieved image."""
        if context.task.kind == "reconstruction":
            found = self.library.latents[self.library.neighbours.nearest(decoded["features"])]
            return self.library.codec.decode((1 - STRENGTH) * decoded["latents"] + STRENGTH * found)
        return super().answers(decoded, test, context)
