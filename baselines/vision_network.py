"""What networks from brain responses to image features have in common: goals, training, prediction, facts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Context, Method, Train
from ..benchmark.errors import BadOption
from .brain_rows import Lesson, each_brain, lessons, test_brains
from .caption_space import CaptionSpace
from .decoding import Library, answer
from .network_baseline import training_loop
from .ridge_baseline import DECODED
from .ridge_map import RidgeMap, fit_ridge
from .voxel_ridge import presence

if TYPE_CHECKING:
    from torch import Tensor, nn

ROWS = 512
"""Test responses that a network reads at once."""
ALPHAS = tuple(10.0**power for power in range(-2, 6))
"""Penalties of ridges from scaled image features."""


@dataclass(frozen=True)
class Scale:
    """Centre of vectors and one standard deviation for all of their columns, so that angles and distances stay."""

    mean: np.ndarray
    spread: float

    @classmethod
    def of(cls, vectors: np.ndarray) -> Scale:
        """Of vectors (n, d)."""
        mean = vectors.mean(0, dtype=np.float64)
        spread = float(np.sqrt(((vectors - mean) ** 2).mean()))
        return cls(mean.astype(np.float32), spread or 1.0)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Centred and scaled, float32."""
        scaled: np.ndarray = ((vectors - self.mean) / self.spread).astype(np.float32)
        return scaled

    def back(self, scaled: np.ndarray) -> np.ndarray:
        """What `__call__` was given."""
        return np.asarray(scaled * self.spread + self.mean, np.float32)


@dataclass
class Target:
    """Vectors of the training images that a network learns to predict.

    Attributes
    ----------
    scale
        How they are scaled.
    values
        (images, d) tensor, scaled.
    """

    scale: Scale
    values: Tensor

    @classmethod
    def of(cls, vectors: np.ndarray, device: str) -> Target:
        """Of vectors (images, d)."""
        import torch

        scale = Scale.of(vectors)
        return cls(scale, torch.as_tensor(scale(vectors)).to(device))

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self.values.shape[1]


@dataclass
class Goals:
    """What of the training images is predicted.

    Attributes
    ----------
    features
        Image features.
    latents
        Latents of the codec; None where no picture is asked for.
    texts
        Caption features; None where a method does not use them.
    """

    features: Target
    latents: Target | None
    texts: Target | None = None


@dataclass(frozen=True)
class Decoded:
    """What a network says of some responses, scaled: features (n, d), and latents (n, k) where it has them."""

    features: Tensor
    latents: Tensor | None = None


class Pupils:
    """Training rows of several brains as one run of numbers.

    Parameters
    ----------
    found
        The training data of each brain.
    """

    def __init__(self, found: Mapping[str, Lesson], device: str) -> None:
        import torch

        self.brains = list(found)
        self.responses = {brain: torch.as_tensor(lesson.responses).to(device) for brain, lesson in found.items()}
        self.images = {brain: lesson.images for brain, lesson in found.items()}
        self._starts = np.cumsum([0] + [len(lesson.images) for lesson in found.values()])

    @property
    def voxels(self) -> dict[str, int]:
        """Number of voxels of each brain."""
        return {brain: matrix.shape[1] for brain, matrix in self.responses.items()}

    @property
    def rows(self) -> np.ndarray:
        """All rows."""
        return np.arange(self._starts[-1])

    def of(self, rows: np.ndarray) -> Iterator[tuple[str, Tensor, np.ndarray]]:
        """(brain, responses (n, voxels), positions (n,) of the images) of some rows, brain by brain."""
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for number, brain in enumerate(self.brains):
            mine = rows[owners == number] - self._starts[number]
            if len(mine):
                yield brain, self.responses[brain][mine], self.images[brain][mine]


@dataclass
class VisionNetwork(Method):
    """A network from responses to image features, and to latents where a picture is asked for.

    It is trained for a fixed number of epochs and keeps its last weights: nothing is chosen on test images.

    Attributes
    ----------
    epochs, batch, rate, weight_decay
        Of AdamW. The rate rises for two epochs and falls to 0 along a cosine.
    features, codec
        Names of the image features and of the image codec.
    trials
        Learn from single trials; from the mean of an image's repeats where false.
    """

    epochs: int = 30
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 1e-2
    features: str = "efficientnet-lite0"
    codec: str = "pca"
    trials: bool = False

    supports: ClassVar[tuple[str, ...]] = DECODED

    def __post_init__(self) -> None:
        positive(self, "epochs", "batch", "rate")

    @abstractmethod
    def learn(self, train: Train, goals: Goals, context: Context) -> None:
        """Train the network, or one for each brain."""

    @abstractmethod
    def decode(self, brain: str, responses: Tensor) -> Decoded:
        """What the trained network says of standardised responses (n, voxels) of a brain."""

    @abstractmethod
    def networks(self) -> list[nn.Module]:
        """The trained networks."""

    def fit(self, train: Train, context: Context) -> None:
        """Compute the features of the training images and train on them."""
        training = training_loop()
        self._losses: dict[str, list[float]] = {}
        self._standards: dict[str, Any] = {}
        self._readers: dict[str, RidgeMap] = {}
        self._library: Library = Library(train, self.features, self.codec, context)
        with training.reproducible(context):
            self._goals: Goals = self.goals(self._library, context)
            self.learn(train, self._goals, context)

    def goals(self, library: Library, context: Context) -> Goals:
        """Features; and latents where a picture is asked for."""
        pictures = context.task.kind == "reconstruction"
        latents = Target.of(library.latents, context.device) if pictures else None
        return Goals(Target.of(library.features, context.device), latents)

    def optimise(
        self,
        name: str,
        network: nn.Module,
        loss: Callable[[np.ndarray], Tensor],
        rows: np.ndarray,
        context: Context,
        stepped: Callable[[float], None] | None = None,
        epochs: int | None = None,
    ) -> None:
        """Train a network on rows, and note its losses under a name."""
        training = training_loop()
        epochs = epochs or self.epochs
        recipe = training.Recipe(
            epochs, self.batch, self.rate, warmup=min(2 / epochs, 0.5), optimiser="adamw",
            weight_decay=self.weight_decay,
        )  # fmt: skip
        groups = training.without_decay(network)
        history = training.train(network, loss, rows, recipe, context, groups=groups, stepped=stepped)
        self._losses[name] = [round(history.losses[0], 4), round(history.losses[-1], 4)]

    def taught(self, train: Train) -> Iterator[Lesson]:
        """The training data of one brain after the other; notes how each is standardised."""
        for lesson in lessons(train, self.trials):
            self._standards[lesson.brain] = lesson.standard
            yield lesson

    def predict(self, test: Any, context: Context) -> Any:
        """See `decoding.answer`; maps of concepts by gradients. Raises `BadData` for a brain without training data."""
        training = training_loop()
        import torch

        if context.task.kind == "localisation":
            with training.reproducible(context):
                return self._places(test, context)
        with training.reproducible(context), torch.no_grad():
            found = each_brain(test, lambda brain, rows: self._decoded(brain, rows, context), self._standards)
        width = self._goals.features.width
        vectors = self._goals.features.scale.back(found[:, :width])
        latents = None
        if self._goals.latents is not None:
            latents = self._goals.latents.scale.back(self.picture(found[:, :width], found[:, width:]))
        return answer(context.task.kind, self._library, test, vectors, latents)

    def _decoded(self, brain: str, responses: np.ndarray, context: Context) -> np.ndarray:
        """Features and latents of a brain's responses, beside each other."""
        import torch

        parts = []
        for start in range(0, len(responses), ROWS):
            found = self.decode(brain, torch.as_tensor(responses[start : start + ROWS]).to(context.device))
            both = [found.features] if found.latents is None else [found.features, found.latents]
            parts.append(torch.cat(both, 1).cpu().numpy())
        return np.concatenate(parts)

    def picture(self, features: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Scaled latents (n, k) of the pictures, from what was decoded (scaled, too).

        Here, for networks that decode no latents, a ridge from features: fitted on the training images alone,
        without any response.
        """
        return self._reader("latents")(features)

    def retrieved(self, features: np.ndarray, latents: np.ndarray, strength: float) -> np.ndarray:
        """Decoded latents mixed with those of the training image that the features find, in the share ``strength``."""
        assert self._goals.latents is not None
        vectors = self._goals.features.scale.back(features)
        found = self._goals.latents.values.cpu().numpy()[self._library.neighbours.nearest(vectors)]
        mixed: np.ndarray = (1 - strength) * latents + strength * found
        return mixed

    def _reader(self, name: str) -> RidgeMap:
        """Ridge from scaled image features to "latents" or to the presence of "concepts"."""
        if name not in self._readers:
            if name == "latents":
                assert self._goals.latents is not None
                wanted = self._goals.latents.values.cpu().numpy()
            else:
                wanted = presence(self._library, self._concepts)
            seen = self._goals.features.values.cpu().numpy()
            self._readers[name] = fit_ridge(seen, wanted, ALPHAS, np.arange(len(seen)), 0)
        return self._readers[name]

    def _places(self, test: Any, context: Context) -> list[np.ndarray]:
        """|gradient x response| of the evidence for the concept, (voxels,) a row.

        The evidence is what a ridge reads from the decoded features; a concept that no training image has gives
        |response|.
        """
        import torch

        self._concepts = sorted({name for stimulus in self._library.stimuli for name in stimulus.boxes})
        weights = torch.as_tensor(self._reader("concepts").weights).to(context.device)
        column = {name: number for number, name in enumerate(self._concepts)}
        out: list[np.ndarray] = [np.empty(0)] * len(test)
        for brain, rows, responses in test_brains(test, self._standards):
            for start in range(0, len(rows), ROWS):
                part = rows[start : start + ROWS]
                given = torch.as_tensor(responses[start : start + ROWS]).to(context.device).requires_grad_()
                features = self.decode(brain, given).features
                asked = [column.get(test.concepts[row], -1) for row in part]
                evidence = (features * weights[:, asked].T).sum()
                gradient = torch.autograd.grad(evidence, given)[0].cpu().numpy()
                for row, known, slope, response in zip(part, asked, gradient, responses[start:], strict=False):
                    out[row] = np.abs(slope * response if known >= 0 and slope.any() else response)
        return out

    def report(self) -> dict[str, Any]:
        """Trainable parameters (of all networks together), first and last losses, and the weights used."""
        training = training_loop()
        return {
            "parameters": sum(training.parameter_count(network) for network in self.networks()),
            "losses": self._losses,
            "checkpoint": "last epoch",
            "sources": dict(self._library.sources),
        }


@dataclass
class BrainNetworks(VisionNetwork):
    """One network for each brain."""

    @abstractmethod
    def learn_brain(self, lesson: Lesson, view: Any, goals: Goals, context: Context) -> nn.Module:
        """The trained network of a brain; ``view`` tells where its voxels lie."""

    def learn(self, train: Train, goals: Goals, context: Context) -> None:
        """One brain after the other."""
        self._networks: dict[str, nn.Module] = {}
        for lesson in self.taught(train):
            self._networks[lesson.brain] = self.learn_brain(lesson, train.inputs, goals, context)

    def networks(self) -> list[nn.Module]:
        """One a brain."""
        return list(self._networks.values())


def caption_vectors(library: Library) -> np.ndarray:
    """(images, d) float32 mean caption vectors; see `CaptionSpace`."""
    captions = [stimulus.captions for stimulus in library.stimuli]
    space = CaptionSpace(captions)
    return np.stack([space.of(texts) for texts in captions])


def positive(method: Any, *names: str) -> None:
    """Refuse options that are not above 0."""
    for name in names:
        if not getattr(method, name) > 0:
            raise BadOption(f"{name}={getattr(method, name)} is not positive", "give a number above 0")


def shares(method: Any, *names: str) -> None:
    """Refuse options that are no share."""
    for name in names:
        if not 0 <= getattr(method, name) <= 1:
            raise BadOption(f"{name}={getattr(method, name)} is no share", "give a number from 0 to 1")
