"""Coverage of means over items that no model was trained on: few subjects, and brains that saw the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sim_path import NUMBERS, keep_what_repeats
from sim_report import covered, number, show

from brainbench.benchmark.kinds.regression import Values
from brainbench.benchmark.score import Judged, score_cells

SUBJECTS = (5, 10, 20, 50)
SHAPES = {"even (beta 4, 4)": (4.0, 4.0), "skewed (beta 6, 1)": (6.0, 1.0), "mostly 0 (beta 0.3, 2)": (0.3, 2.0)}
REPEATS = 2000
BRAINS, IMAGES, LASTING, BRAIN_SD = 4, 100, 0.5, 0.15
MEAN = replace(NUMBERS, metrics=("mae",))


def judged(errors: np.ndarray, clusters: list[str], part: str = "") -> Judged:
    """Items whose mean absolute error is the mean of ``errors``."""
    return Judged("all", 0, Values(np.zeros(len(errors)), np.zeros(len(errors))), errors, clusters, True, part)


def over_subjects(shape: tuple[float, float], subjects: int, seed: int) -> tuple[float, float]:
    """Interval of the mean of one score a subject."""
    scores = np.random.default_rng((seed, subjects)).beta(*shape, subjects)
    part = score_cells(MEAN, [judged(scores, [f"sub-{row:02d}" for row in range(subjects)])])[0]["mae"]
    return part.low, part.high  # type: ignore[return-value]


def over_images(seed: int) -> tuple[float, float, float]:
    """Interval of the mean over brains of the mean over images, and what is true of these brains.

    A score is a brain's level, an image's own ease that all brains share, and noise.
    """
    rng = np.random.default_rng(seed)
    level = 2 + BRAIN_SD * rng.standard_normal(BRAINS)
    ease = np.sqrt(LASTING) * rng.standard_normal(IMAGES) / 4
    noise = np.sqrt(1 - LASTING) * rng.standard_normal((BRAINS, IMAGES)) / 4
    images = [f"image-{row:03d}" for row in range(IMAGES)]
    brains = [judged(scores, images, f"brain{row}") for row, scores in enumerate(level[:, None] + ease + noise)]
    part = score_cells(replace(MEAN, parts="brain"), brains)[0]["mae"]
    return part.low, part.high, float(level.mean())  # type: ignore[return-value]


def main(share: float = 1.0) -> None:
    """Print the tables."""
    keep_what_repeats()
    repeats = max(2, round(share * REPEATS))
    table = []
    for label, shape in SHAPES.items():
        for subjects in SUBJECTS:
            low, high = np.array([over_subjects(shape, subjects, seed) for seed in range(repeats)]).T
            cells = covered(low, high, shape[0] / sum(shape))
            table.append([label, str(subjects), number(high - low), cells])
    show("Mean over subjects, nothing trained", ("scores", "subjects", "width", "new subjects"), table)
    low, high, these = np.array([over_images(seed) for seed in range(repeats)]).T
    show(
        f"Mean over {BRAINS} brains, {IMAGES} images that all saw",
        ("width", "these brains, new images", "new brains, new images"),
        [[number(high - low), covered(low, high, these), covered(low, high, 2.0)]],
    )
