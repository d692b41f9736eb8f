"""Encoding a brain from other brains that saw the same film (MedARC's control): an oracle, no model of films."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, TaskInfo, Train
from ..benchmark.errors import BadOption, Skipped
from ..benchmark.kinds.encoding import Run, Runs
from .film_network import FilmNetwork
from .stream_modalities import RESPONSES

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.nn.training import Recipe

REGIME = "cross-subject"


@dataclass
class CrossSubject(FilmNetwork):
    """The others' responses through shared and own linear encoders, averaged, and read by shared and own heads.

    Attributes
    ----------
    width, kernel
        Length of the common code, and TRs of the temporal convolution behind each own encoder.
    crops, length
        Random crops an epoch, and TRs of a crop.
    patience
        Stop after so many epochs without a better correlation on the films that were held out.
    """

    epochs: int = 10
    rate: float = 3e-4
    weight_decay: float = 0.001
    width: int = 64
    kernel: int = 7
    crops: int = 2000
    length: int = 64
    patience: int = 1

    card: ClassVar[Card] = Card(
        title="Cross-subject",
        summary="Predicts a subject from the responses of the others to the very film that is tested: how much of a "
        "response people share. An oracle: it knows nothing of films, and is not ranked with models that do.",
        paper="the control of MedARC-AI/algonauts2025, arXiv 2507.19956 (2025)",
        parameters="647,368 for four subjects and 1000 parcels",
        notes="A subject who lacks a run is left out of its mean, where the reference leaves out the run. The weights "
        "of the best epoch are kept, where the reference keeps the last ones. Preset small has a tenth of the crops.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"small": {"crops": 200}, "published": {}}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "crops", "length", "patience"):
            if getattr(self, name) < 1:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise BadOption(f"kernel={self.kernel} has no middle", "give an odd number of TRs")

    def skip(self, task: TaskInfo) -> str | None:
        """Only where the others' responses are given."""
        return needs_others(task)

    def prepare(self, train: Train, learn: np.ndarray, context: Context) -> None:
        """See that there are responses of others."""
        others_of(train.inputs)

    def build(self) -> nn.Module:
        """The network, for the subjects and parcels there are."""
        from .cross_subject_network import CrossSubject as Network

        return Network(len(self.subjects), self.parcels, self.width, self.kernel)

    def lesson(
        self, train: Train, learn: np.ndarray, context: Context
    ) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], Tensor], np.ndarray]:
        """Random stretches of random runs, new ones at each step."""
        import torch
        from torch.nn.functional import mse_loss

        draw = np.random.default_rng([context.seed, 1])
        shown = list(viewers(train, learn).values())

        def load(numbers: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
            crops = [self._crop(train, shown[number], draw) for number in draw.integers(len(shown), size=len(numbers))]
            length = min(values.shape[1] for values, _, _ in crops)  # of runs that are shorter than a crop
            responses = np.stack([values[:, :length] for values, _, _ in crops], axis=1)
            there, asked = (np.stack([crop[k] for crop in crops]) for k in (1, 2))
            return *self._tensors(responses, there, context), torch.as_tensor(asked.T).to(context.device)

        def loss(loaded: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            given, present, wanted = loaded
            return mse_loss(self.network(given, present)[wanted], given[wanted])

        return load, loss, np.arange(self.crops)

    def _crop(
        self, train: Train, rows: Mapping[str, int], draw: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Responses (subject, TR, parcel) to a stretch of a run, whose are there, and who of them is predicted.

        ``rows`` are the positions of the run's items by subject.
        """
        frames = min(train.targets.frames(row, subject) for subject, row in rows.items())
        start = int(draw.integers(max(frames - self.length, 0) + 1))
        stop = min(start + self.length, frames)
        values, there = self._given(train.inputs[next(iter(rows.values()))], start, stop)
        asked = np.zeros(len(self.subjects), bool)
        for subject, row in rows.items():
            number = self.subjects.index(subject)
            values[number] = train.targets.read(row, subject, start, stop)
            asked[number] = True
        return values, there | asked, asked

    def _given(self, run: Run, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Responses (subject, TR, parcel) as given for a run, zero where they are not, and whose are there."""
        values = np.zeros((len(self.subjects), stop - start, self.parcels), np.float32)
        there = np.array([RESPONSES + subject in run.streams for subject in self.subjects])
        for number in np.flatnonzero(there):
            values[number] = run.padded(RESPONSES + self.subjects[number], start, stop)
        return values, there

    def respond(self, run: Run, frames: int, context: Context) -> dict[str, np.ndarray]:
        """The response of the subject that is asked for, the whole run at once."""
        values, there = self._given(run, 0, frames)
        out = self.network(*self._tensors(values[:, None], there[None], context))[:, 0].float().cpu().numpy()
        return {subject: out[number] for number, subject in enumerate(self.subjects) if subject in run.frames}

    def _tensors(self, responses: np.ndarray, there: np.ndarray, context: Context) -> tuple[Tensor, Tensor]:
        import torch

        return torch.as_tensor(responses).to(context.device), torch.as_tensor(there).to(context.device)

    def recipe(self) -> Recipe:
        """AdamW at a constant rate."""
        from ..benchmark.nn.training import Recipe

        return Recipe(
            self.epochs, self.batch, self.rate, schedule="constant", optimiser="adamw", patience=self.patience,
            weight_decay=self.weight_decay, precision=self.precision,
        )  # fmt: skip


@dataclass
class OthersMean(Method):
    """The mean of the others' responses, parcel by parcel."""

    card: ClassVar[Card] = Card(
        title="Mean of the others",
        summary="The mean response of the other subjects to the very film that is tested, parcel by parcel: "
        "inter-subject correlation. An oracle without anything learned, not ranked with models of films.",
        notes="TRs beyond the end of another's run repeat its last one.",
    )
    supports: ClassVar[tuple[str, ...]] = ("encoding",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    seeded: ClassVar[bool] = False

    def skip(self, task: TaskInfo) -> str | None:
        """Only where the others' responses are given."""
        return needs_others(task)

    def fit(self, train: Train, context: Context) -> None:
        """Nothing is learned."""
        others_of(train.inputs)

    def predict(self, test: Runs, context: Context) -> list[dict[str, np.ndarray]]:
        """Subject -> (TR, parcel) for each run."""
        names = others_of(test)
        return [
            {
                subject: np.mean([run.padded(name, 0, frames) for name in names if name in run.streams], axis=0)
                for subject, frames in run.frames.items()
            }
            for run in test
        ]


def needs_others(task: TaskInfo) -> str | None:
    """Why a task cannot be run that does not give the others' responses, or None."""
    if REGIME in task.name.partition("@")[2].split(":"):
        return None
    return f"needs the responses of other subjects to the films that are tested: {task.name.partition('@')[0]}@{REGIME}"


def others_of(runs: Runs) -> list[str]:
    """Streams that hold responses. Raises `Skipped` where there are none."""
    names = [name for name in runs.streams if name.startswith(RESPONSES)]
    if not names:
        raise Skipped("no responses of other subjects are given")
    return names


def viewers(train: Train, rows: np.ndarray) -> dict[tuple[str, int], dict[str, int]]:
    """Each showing of a stimulus -> subject -> position of its item, for items of one subject each."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    for row in map(int, rows):
        run = train.inputs[row]
        for subject in train.targets.subjects(row):
            found.setdefault((run.stimulus, run.showing), {})[subject] = row
    return found
