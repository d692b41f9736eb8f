"""Brain-Diffuser: three ridge regressions, to image latents, image features and caption features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from .caption_space import CaptionSpace
from .decoding import Library, Neighbours, answer
from .ridge_baseline import Goal, RidgeBaseline

STRENGTH = 0.75
"""Share of the picture that comes from what the features find: the published strength of image-to-image."""
TEXT = 0.4
"""Share of captions in what finds it: the published mix of the two conditions."""
SQUARES = 8859 * 15724
"""Training images times voxels of the published model of subject 1: the sum of squares of its z-scored inputs."""
ALPHAS = {"latents": 5e4 / SQUARES, "features": 6e4 / SQUARES, "captions": 1e5 / SQUARES}
"""Published penalties, as shares of that sum."""


@dataclass
class BrainDiffuser(RidgeBaseline):
    """Three ridge regressions on trial averages.

    Attributes
    ----------
    rescale_on_test
        Standardise predictions over the test set and give them the training targets' mean and standard
        deviation, as the reference code does. This reads the whole test set: a prediction then depends
        on what else is tested.
    """

    rescale_on_test: bool = False

    card: ClassVar[Card] = Card(
        title="Brain-Diffuser",
        summary="Ridge regressions, one a brain, from voxels to image latents, image features and caption features; "
        "the picture mixes the decoded latents with those of the training image that both features find.",
        paper="Ozcelik and VanRullen, Natural scene reconstruction from fMRI signals using generative latent "
        "diffusion. Scientific Reports 2023; github.com/ozcelikfu/brain-diffuser",
        parameters="3 x (voxels + 1) x dimensions for each brain",
        notes="As published: trial averages, z-scored by training statistics, fixed penalties 5e4, 6e4 and 1e5, "
        "strength .75, text share .4. Penalties are scaled by (images x voxels) / (8,859 x 15,724), so that they are "
        "the same share of the inputs' sum of squares as published; none is chosen on data. Ours: small codec, "
        "pooled image features, word statistics of captions in place of CLIP text, .25 x decoded + .75 x retrieved "
        "latents in place of diffusion; words are those of the retrieved image. The published code rescales "
        "predictions with statistics of the test set, which leaks: rescale_on_test=true (or the control "
        "rescaled-on-test) does that.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = RidgeBaseline.presets
    controls: ClassVar[dict[str, dict[str, Any]]] = {"rescaled-on-test": {"rescale_on_test": True}}

    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """Image and caption features, and latents where a picture is asked for."""
        space = CaptionSpace([stimulus.captions for stimulus in library.stimuli])
        captions = np.stack([space.of(stimulus.captions) for stimulus in library.stimuli])
        self._pictures, self._words = Neighbours(library.features), Neighbours(captions)
        self._both = Neighbours(self._joined(library.features, captions))
        vectors = {"features": library.features, "captions": captions}
        if task.kind == "reconstruction":
            vectors["latents"] = library.latents
        return {name: Goal(found, (ALPHAS[name],), "squares") for name, found in vectors.items()}

    def _joined(self, features: np.ndarray, captions: np.ndarray) -> np.ndarray:
        """Vectors whose dot product is the mix of both cosines."""
        return np.hstack(
            [np.sqrt(1 - TEXT) * self._pictures.unit(features), np.sqrt(TEXT) * self._words.unit(captions)]
        )

    def decode(self, test: Any) -> dict[str, np.ndarray]:
        """(rows, d) float32 of each goal, rescaled where that is asked for."""
        decoded = super().decode(test)
        if self.rescale_on_test:
            for brain in set(test.brains):
                for name, goal in self._goals.items():
                    rows = test.rows(brain)
                    decoded[name][rows] = rescaled(decoded[name][rows], goal.vectors[self._images[brain]])
        return decoded

    def answers(self, decoded: Mapping[str, np.ndarray], test: Any, context: Context) -> Any:
        """A mix of latents for a picture; else as the retrieved image."""
        joined = self._joined(decoded["features"], decoded["captions"])
        if context.task.kind == "reconstruction":
            found = self.library.latents[self._both.nearest(joined)]
            return self.library.codec.decode((1 - STRENGTH) * decoded["latents"] + STRENGTH * found)
        return answer(context.task.kind, self.library, test, joined, neighbours=self._both)


def rescaled(decoded: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Decoded rows (n, d) with the columns' mean and standard deviation of the training targets (m, d).

    As in the reference code; a column that is the same in all rows becomes the training mean.
    """
    spread = decoded.std(axis=0)
    z = (decoded - decoded.mean(axis=0)) / np.where(spread > 0, spread, 1)
    out: np.ndarray = z * targets.std(axis=0) + targets.mean(axis=0)
    return out
