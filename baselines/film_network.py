"""What networks that predict responses to films have in common: inner validation, training, prediction, facts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Context, Method, Train
from ..benchmark.errors import BadData, BadOption
from ..benchmark.kinds.encoding import Measured, Run, Runs
from ..benchmark.nn.film_sums import FilmSums
from ..benchmark.nn.inner_movies import hold_out, names_of
from .network_baseline import training_loop

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.nn.training import Recipe


@dataclass
class FilmNetwork(Method):
    """A network that learns from crops of runs, and whose epoch is chosen on whole films that it did not learn from.

    Attributes
    ----------
    epochs, batch, rate, weight_decay
        Of the optimiser.
    precision
        "float32", or "bf16" for mixed precision.
    """

    epochs: int = 15
    batch: int = 16
    rate: float = 1e-4
    weight_decay: float = 0.0
    precision: Literal["float32", "bf16"] = "float32"

    supports: ClassVar[tuple[str, ...]] = ("encoding",)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "rate"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")

    @abstractmethod
    def prepare(self, train: Train, learn: np.ndarray, context: Context) -> None:
        """Learn what reading the inputs of a run needs from the runs ``learn``, such as the scale of features."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network for ``self.subjects`` and ``self.parcels``."""

    @abstractmethod
    def lesson(
        self, train: Train, learn: np.ndarray, context: Context
    ) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], Tensor], np.ndarray]:
        """Numbered crops of the runs ``learn``: how some are read, their mean loss, and the numbers of an epoch's."""

    @abstractmethod
    def respond(self, run: Run, frames: int, context: Context) -> dict[str, np.ndarray]:
        """Responses (frames, parcel) of every subject that can be predicted; called without gradients."""

    @abstractmethod
    def recipe(self) -> Recipe:
        """How the network is optimised."""

    def fit(self, train: Train, context: Context) -> None:
        """Train, and keep the weights of the epoch with the best correlation on the films that were held out."""
        training = training_loop()
        learn, watch = hold_out(train.inputs)
        films = names_of(train.inputs)
        self.subjects, self.parcels = responders(train.targets, learn)
        with training.reproducible(context):
            self.prepare(train, learn, context)
            self.network = self.build().to(context.device)

            def respond(row: int) -> dict[str, np.ndarray]:
                run = train.inputs[row]
                with training.mixed(self.precision, context.device.partition(":")[0]):
                    return self.respond(run, max(run.frames.values()), context)

            def score() -> float:
                return inner_r(train.targets, watch, [films[row] for row in watch], respond)

            load, loss, crops = self.lesson(train, learn, context)
            history = training.train(self.network, loss, crops, self.recipe(), context, score, load=load)
        self._facts = {
            "parameters": training.parameter_count(self.network),
            "best_epoch": history.best,
            "epochs_run": len(history.losses),
            "validation_r": history.scores[history.best - 1],
            "validation_films": sorted({films[row] for row in watch}),
        }

    def predict(self, test: Runs, context: Context) -> list[dict[str, np.ndarray]]:
        """Subject -> (TR, parcel) for each run."""
        training = training_loop()
        import torch

        out = []
        with training.reproducible(context), torch.no_grad():
            self.network.eval()
            for done, run in enumerate(test, 1):
                with training.mixed(self.precision, context.device.partition(":")[0]):
                    found = self.respond(run, max(run.frames.values()), context)
                unknown = [subject for subject in run.frames if subject not in found]
                if unknown:
                    raise BadData(f"no training response of {', '.join(unknown)}: a subject's own are needed")
                out.append({subject: found[subject][:frames] for subject, frames in run.frames.items()})
                context.progress("predict", done, len(test))
        return out

    def report(self) -> dict[str, Any]:
        """Parameters, the best epoch, and the mean r of the films that were held out from training."""
        return dict(self._facts)


def responders(targets: Measured, rows: Sequence[int] | np.ndarray) -> tuple[tuple[str, ...], int]:
    """Whose responses some runs hold, sorted, and the number of parcels. Raises `BadData` where there are none."""
    found = sorted({subject for row in rows for subject in targets.subjects(int(row))})
    if not found:
        raise BadData("the training runs hold no responses")
    row = next(int(row) for row in rows if targets.subjects(int(row)))
    return tuple(found), targets.read(row, targets.subjects(row)[0], 0, 1).shape[1]


def inner_r(
    targets: Measured,
    rows: Sequence[int] | np.ndarray,
    films: Sequence[str],
    respond: Callable[[int], dict[str, np.ndarray]],
) -> float:
    """Mean over films, subjects and parcels of Pearson r, the runs of a film as one series.

    ``respond`` predicts a run from its position; ``films`` names the film of each of the ``rows``.
    """
    sums = FilmSums()
    for row, film in zip(rows, films, strict=True):
        truth, predicted = targets[int(row)], respond(int(row))
        sums.add(film, {name: predicted[name][: len(values)] for name, values in truth.items()}, truth)
    found = sums.r(sorted(set(films)))
    return float(np.nanmean([r.mean(axis=1) for r in found.values()]))
