"""Retrieval among 300: is the likeliest of 300 candidates the right one?

MindEye draws 300 of the test images, 30 times, and takes the mean (MedARC-AI/fMRI-reconstruction-NSD,
src/Retrievals.py). Its code labels the two directions the other way round than it computes them, so they have
plain names here: ``image-given-brain`` fixes what was predicted and looks among the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import Unavailable
from ..kinds.seen import Stimulus
from .counts import ratio, sums
from .identification import encoder_likeness
from .images import Found, Images, Seen, remembered
from .networks import PROTOCOL, NetworkMetric

CANDIDATES, DRAWS = 300, 30
IMAGE_GIVEN_BRAIN, BRAIN_GIVEN_IMAGE = "image-given-brain", "brain-given-image"


def retrieved(likeness: np.ndarray, candidates: int = CANDIDATES, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each row is drawn, and how often its own column is then the best: (n, 2). Ties are failures.

    Parameters
    ----------
    likeness
        (n, n): what is fixed in rows, its candidates in columns.
    candidates, draws
        How many items are drawn without replacement, and how often.
    seed
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros((len(likeness), 2))
    for _ in range(draws):
        rows = rng.choice(len(likeness), candidates, replace=False)
        drawn = likeness[np.ix_(rows, rows)].copy()
        own = np.diagonal(drawn).copy()
        np.fill_diagonal(drawn, -np.inf)
        out[rows, 0] += 1
        out[rows, 1] += drawn.max(axis=1) < own
    return out


_draws: list[tuple[Any, Any, str, np.ndarray]] = []


class Retrieval300(NetworkMetric):
    """Top-1 among 300 by the cosine of CLIP embeddings of images that were seen and predicted.

    The mean over 30 draws, as published; a bootstrap resamples images, whose successes in those draws it counts.
    Papers embed the brain response by their own model and never draw it, which predictions here do not hold: their
    numbers answer another question.
    """

    name = "retrieval-300"
    title = "Retrieval (300)"
    chance = 1 / CANDIDATES
    network = "clip-vit-l-14"
    choices = {"protocol": PROTOCOL, "direction": (IMAGE_GIVEN_BRAIN, BRAIN_GIVEN_IMAGE)}

    def rests_on(self) -> list[str]:
        return [*super().rests_on(), "final embeddings of the predicted images"]

    def resample(self, truth: Sequence[Stimulus], prediction: Images, counts: np.ndarray) -> np.ndarray:
        """Successes by draws (B,) of the items that counts (B, n) hold."""
        total = sums(counts, self.draws(truth, prediction))
        return ratio(total[:, 1], total[:, 0])

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Success rate of each item in the draws that hold it; NaN where none does."""
        found = self.draws(truth, prediction)
        return ratio(found[:, 1], found[:, 0])

    def draws(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Draws and successes (n, 2) of each item. Raises `Unavailable` for fewer than 300 images."""
        if len(truth) < CANDIDATES:
            raise Unavailable(
                f"{self.name} needs {CANDIDATES} test images, and there are {len(truth)}",
                "take a larger test set: --data simulated:full, or the real data",
            )
        encoder = self.encoder()
        backwards = self.chosen["direction"] == IMAGE_GIVEN_BRAIN

        def make() -> np.ndarray:
            seen, found = Seen(truth), Found(prediction, len(truth))
            matrix = encoder_likeness(encoder, seen, found, centre=False).matrix
            return retrieved(matrix.T if backwards else matrix)

        return remembered(_draws, truth, prediction, f"{encoder.source()} {self.chosen}", make)
