"""UniBrain: Brain-Diffuser's regressions, and a fourth to a latent of captions that words are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from .brain_diffuser import ALPHAS, BrainDiffuser
from .caption_space import CaptionSpace
from .decoding import Library, Neighbours
from .ridge_baseline import Goal


@dataclass
class UniBrain(BrainDiffuser):
    """Pictures as Brain-Diffuser; captions from a text latent."""

    card: ClassVar[Card] = Card(
        title="UniBrain",
        summary="Four ridge regressions, one a brain: image latents, image features, caption features and a text "
        "latent; the caption is the training caption nearest to the decoded text latent.",
        paper="Mai and Zhang, UniBrain: unify image reconstruction and captioning all in one diffusion model from "
        "human brain activity. 2023, arXiv 2308.07428",
        parameters="4 x (voxels + 1) x dimensions for each brain",
        notes="Followed from the abstract and a public note; no code was read. Pictures, penalties and rescaling as in "
        "Brain-Diffuser. The text latent (Optimus in the paper, decoded by its language model) is the projection of "
        "the image's most central caption on the principal directions of word counts, decoded by the nearest training "
        "caption of any image; its penalty is that of caption features.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = BrainDiffuser.presets

    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """The text latent where a caption is asked for; else those of Brain-Diffuser."""
        if task.kind != "captioning":
            return super().goals(library, task, train)
        self._space = CaptionSpace([stimulus.captions for stimulus in library.stimuli])
        self._captions = Neighbours(self._space.vectors)
        central = np.stack([self._space.of([text] if text else []) for text in library.captions])
        return {"text": Goal(central, (ALPHAS["captions"],), "squares")}

    def answers(self, decoded: Mapping[str, np.ndarray], test: Any, context: Context) -> Any:
        """The nearest training caption; else as Brain-Diffuser."""
        if context.task.kind == "captioning":
            return [self._space.texts[place] for place in self._captions.nearest(decoded["text"])]
        return super().answers(decoded, test, context)
