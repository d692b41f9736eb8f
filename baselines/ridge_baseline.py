"""What baselines have in common that decode images by ridge regression, one model a brain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Context, Method, TaskInfo, Train
from ..benchmark.errors import Skipped
from .brain_rows import Lesson, Standard, lessons, region, test_brains
from .decoding import Library, answer
from .ridge_map import RidgeMap, fit_ridge

DECODED = ("captioning", "description", "reasoning", "reconstruction", "grounding")
"""Kinds that `answer` knows."""


@dataclass(frozen=True)
class Goal:
    """What one ridge regression predicts, and from which voxels.

    Attributes
    ----------
    vectors
        (images, d) targets of the library's images.
    alphas
        Penalties to choose from, or the one to take.
    unit
        What an alpha of 1 stands for: 1, the number of voxels, or the sum of squares of the inputs (rows x voxels).
    roi, without
        Voxels of an ROI, less those of another; all voxels for "".
    """

    vectors: np.ndarray
    alphas: Sequence[float]
    unit: Literal["one", "voxels", "squares"] = "one"
    roi: str = ""
    without: str = ""

    def voxels(self, brain: str, space: Any) -> np.ndarray:
        """Which voxels are read, (voxels,) bool. Raises `Skipped` for a brain without them."""
        if not self.roi:
            return np.ones(len(space.index), bool)
        mask: np.ndarray = region(space, self.roi) & ~region(space, self.without)
        if not mask.any():
            hint = "this method reads two ROIs apart: import the data with masks named early and ventral"
            raise Skipped(f"{brain} has no voxel of the ROI {self.roi!r}", hint)
        return mask

    def penalties(self, rows: int, voxels: int) -> list[float]:
        """Alphas for inputs of this size that are z-scores."""
        one = {"one": 1, "voxels": voxels, "squares": rows * voxels}[self.unit]
        return [alpha * one for alpha in self.alphas]


@dataclass
class RidgeBaseline(Method):
    """Ridge regressions from voxels to vectors of images, and answers from the training images.

    Attributes
    ----------
    features
        Image features: a name of `brainbench.benchmark.nn.features.load_encoder`.
    codec
        Image latents: a name of `brainbench.benchmark.nn.latents.load_codec`.
    """

    features: str = "efficientnet-lite0"
    codec: str = "pca"

    supports: ClassVar[tuple[str, ...]] = DECODED
    presets: ClassVar[dict[str, dict[str, Any]]] = {"small": {}, "clip": {"features": "clip-vit-l-14"}}
    trials: ClassVar[bool] = False

    @abstractmethod
    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """What is predicted on a task, by name."""

    def answers(self, decoded: Mapping[str, np.ndarray], test: Any, context: Context) -> Any:
        """The prediction, from what was decoded (rows, d) by name: "latents" of pictures, else "features"."""
        if "latents" in decoded:
            return self.library.codec.decode(decoded["latents"])
        return answer(context.task.kind, self.library, test, decoded["features"])

    def fit(self, train: Train, context: Context) -> None:
        """One ridge regression a goal and brain, one brain in memory at a time."""
        self.library = Library(train, self.features, self.codec, context)
        self._standards: dict[str, Standard] = {}
        self._images: dict[str, np.ndarray] = {}
        self._maps: dict[str, dict[str, tuple[np.ndarray, RidgeMap]]] = {}
        self._goals = goals = self.goals(self.library, context.task, train)
        brains = len(set(train.inputs.brains))
        for lesson in lessons(train, self.trials):
            space = train.inputs.spaces[lesson.brain]
            self._standards[lesson.brain], self._images[lesson.brain] = lesson.standard, lesson.images
            self._maps[lesson.brain] = {name: self._map(goal, lesson, space, context) for name, goal in goals.items()}
            context.progress("ridge", len(self._maps), brains)

    def _map(self, goal: Goal, lesson: Lesson, space: Any, context: Context) -> tuple[np.ndarray, RidgeMap]:
        voxels = goal.voxels(lesson.brain, space)
        inputs, images = lesson.responses[:, voxels], self.pairing(lesson, context)
        alphas = goal.penalties(*inputs.shape)
        return voxels, fit_ridge(inputs, goal.vectors[images], alphas, lesson.images, context.seed)

    def pairing(self, lesson: Lesson, context: Context) -> np.ndarray:
        """(n,) image that each training row is paired with."""
        return lesson.images

    def predict(self, test: Any, context: Context) -> Any:
        """The kind's prediction."""
        return self.answers(self.decode(test), test, context)

    def decode(self, test: Any) -> dict[str, np.ndarray]:
        """(rows, d) float32 of each goal."""
        out: dict[str, np.ndarray] = {}
        for brain, rows, responses in test_brains(test, self._standards):
            for name, (voxels, ridge) in self._maps[brain].items():
                found = ridge(responses[:, voxels])
                out.setdefault(name, np.empty((len(test), found.shape[1]), np.float32))[rows] = found
        return out

    def report(self) -> dict[str, Any]:
        """Weights used, number of parameters and the median penalty of each regression."""
        maps = [(name, ridge) for found in self._maps.values() for name, (_, ridge) in found.items()]
        medians = {name: float(np.median(np.concatenate([r.alphas for n, r in maps if n == name]))) for name, _ in maps}
        count = sum(ridge.weights.size + ridge.offset.size for _, ridge in maps)
        return {"parameters": int(count), "alpha": medians, "sources": dict(self.library.sources)}
