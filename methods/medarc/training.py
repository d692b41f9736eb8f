"""Training of one encoder (or one for each subject) with early stopping on held-out films."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...benchmark.contracts import Context, Progress
from ...benchmark.errors import BadData
from ...benchmark.kinds.encoding import Measured, Run, Runs
from ...benchmark.nn.inner_movies import names_of
from ...benchmark.nn.training import History, Recipe, parameter_count, reproducible, train
from ...benchmark.nn.weights import fill, load_weights, save_weights
from .crops import Batch, Footage, footage, statistics, streams_used
from .network import Encoder, StreamEmbedding
from .options import Options
from .predicting import Prediction, Validation, predict_run, validate

FLAT = 1e-6
"""Smallest standard deviation of a feature that is divided by; one that never changes stays 0."""


@dataclass(frozen=True)
class Part:
    """A trained network and whose responses it gives."""

    network: Encoder
    subjects: tuple[str, ...]
    best_epoch: int
    epochs: int
    last_loss: float


@dataclass(frozen=True)
class Fitted:
    """A trained encoder: one part, or one for each subject.

    Attributes
    ----------
    options, streams, parcels
        What it was trained with: options, stream -> shape of a row, and number of parcels.
    parts
        Networks.
    validation
        r of the held-out films at the best epoch; None where none was held out.
    """

    options: Options
    streams: dict[str, tuple[int, ...]]
    parcels: int
    parts: tuple[Part, ...]
    validation: Validation | None

    @property
    def parameters(self) -> int:
        """Trainable weights of all parts."""
        return sum(parameter_count(part.network) for part in self.parts)

    def predict_run(self, run: Run) -> Prediction:
        """Subject -> (frames, parcel) float32, as many TRs as the run asks for. Raises `BadData`."""
        out: Prediction = {}
        for part in self.parts:
            wanted = {name: run.frames[name] for name in part.subjects if name in run.frames}
            if wanted:
                values = predict_run(part.network, self.streams, run, max(wanted.values()))
                out |= {name: values[:count, part.subjects.index(name)].copy() for name, count in wanted.items()}
        if unknown := set(run.frames) - set(out):
            raise BadData(f"no training run of {', '.join(sorted(unknown))}", "train on these subjects too")
        return {name: out[name] for name in run.frames}

    def predict(self, runs: Sequence[Run], progress: Progress) -> list[Prediction]:
        """The same for several runs."""
        out = []
        for row in range(len(runs)):
            out.append(self.predict_run(runs[row]))
            progress("runs", row + 1, len(runs))
        return out

    def report(self, networks: Sequence[str] = ()) -> dict[str, Any]:
        """Plain facts for the record; ``networks`` names the network of each parcel."""
        told: dict[str, Any] = {
            "parameters": self.parameters,
            "streams": list(self.streams),
            "best_epoch": [part.best_epoch for part in self.parts],
            "epochs": [part.epochs for part in self.parts],
            "last_loss": [round(part.last_loss, 5) for part in self.parts],
        }
        if self.validation is not None:
            told |= {
                "validation_r": round(self.validation.score, 5),
                "validation_r_by_subject": self.validation.by_subject(),
                "validation_r_by_movie": self.validation.by_movie(),
                "validation_r_by_network": self.validation.by_network(networks),
            }
        if lags := {", ".join(part.subjects): found for part in self.parts if (found := part.network.kernel_lags())}:
            told["kernel_lags"] = next(iter(lags.values())) if len(lags) == 1 else lags
            told["kernel_lags_meaning"] = "TR by which the response follows the stimulus; negative: it precedes it"
        return told

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain settings from which `from_state` makes the same again."""
        tensors = {
            f"{place}.{name}": value
            for place, part in enumerate(self.parts)
            for name, value in part.network.state_dict().items()
        }
        settings: dict[str, Any] = {
            "options": asdict(self.options),
            "streams": {name: list(shape) for name, shape in self.streams.items()},
            "parcels": self.parcels,
            "parts": [[list(p.subjects), p.best_epoch, p.epochs, p.last_loss] for p in self.parts],
        }
        if self.validation is not None:
            tensors["validation"] = torch.from_numpy(self.validation.r)
            settings |= {"held_out": self.validation.movies, "subjects": self.validation.subjects}
        return tensors, settings

    def save(self, folder: Path) -> None:
        """Leave `state` in a folder."""
        save_weights(folder, *self.state())

    @classmethod
    def load(cls, folder: Path, options: Options, device: str = "cpu") -> Fitted:
        """What `save` left, trained with these options. Raises `BadData`."""
        return cls.from_state(*load_weights(folder), folder, options, device)

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], place: Path, options: Options,
        device: str = "cpu",
    ) -> Fitted:  # fmt: skip
        """See `load`."""
        try:
            streams = {str(name): tuple(map(int, shape)) for name, shape in settings["streams"].items()}
            told = [(tuple(map(str, names)), int(a), int(b), float(c)) for names, a, b, c in settings["parts"]]
            parcels = int(settings["parcels"])
            known = None
            if "validation" in tensors:
                known = Validation(
                    tuple(settings["subjects"]), tuple(settings["held_out"]), tensors["validation"].numpy()
                )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadData(f"{place}: not an encoder that was saved here", "train it again") from None
        parts = []
        for number, (subjects, best, epochs, loss) in enumerate(told):
            network = Encoder(streams, len(subjects), parcels, options)
            own = f"{number}."
            fill(network, {key.removeprefix(own): one for key, one in tensors.items() if key.startswith(own)}, place)
            parts.append(Part(network.to(device).eval(), subjects, best, epochs, loss))
        return cls(options, streams, parcels, tuple(parts), known)


def fit_one(
    options: Options, inputs: Runs, targets: Measured, train_rows: Sequence[int] | np.ndarray,
    val_rows: Sequence[int] | np.ndarray, context: Context,
) -> Fitted:  # fmt: skip
    """Train on some runs and stop on others; without the latter all epochs are trained.

    The result depends on the options, the runs and ``context.seed`` alone. Raises `BadData` for runs without
    responses or streams, and where the loss is no number.
    """
    options.verify()
    streams = streams_used(inputs, options)
    known = {name for row in train_rows for name in targets.subjects(int(row))}
    subjects = tuple(name for name in inputs.subjects if name in known)
    if not subjects:
        raise BadData("no training run has responses", "check the cohort: brainbench data check")
    films = names_of(inputs) if len(val_rows) else []
    watched = Watched(inputs, targets, [int(row) for row in val_rows], films)
    sources = [
        footage(inputs, targets, [int(row) for row in train_rows], streams, group, options.common_runs)
        for group in ([subjects] if options.joint else [(name,) for name in subjects])
    ]
    trained = [_Training(options, source, watched, context).run() for source in sources]
    found = [validation for _, validation in trained if validation is not None]
    joined = Validation(subjects, found[0].movies, np.concatenate([one.r for one in found])) if found else None
    parts = tuple(part for part, _ in trained)
    return Fitted(replace(options), streams, parts[0].network.parcels, parts, joined)


@dataclass(frozen=True)
class Watched:
    """Held-out runs: all runs, all targets, positions, and the film of each run of all."""

    inputs: Runs
    targets: Measured
    rows: list[int]
    films: list[str]

    def validate(self, network: Encoder, streams: dict[str, tuple[int, ...]], subjects: tuple[str, ...]) -> Validation:
        """r of what a network predicts."""
        return validate(
            lambda run, length: predict_run(network, streams, run, length),
            [self.inputs[row] for row in self.rows],
            self.rows,
            [self.films[row] for row in self.rows],
            self.targets,
            subjects,
        )


class _Training:
    """One network on its way: crops, loss, and what validation said after each epoch."""

    def __init__(self, options: Options, source: Footage, watched: Watched, context: Context) -> None:
        self.options, self.source, self.watched, self.context = options, source, watched, context
        self.crops = source.crops(options.crop, np.random.default_rng([context.seed, 1]))
        self.found: list[Validation] = []
        self.live: dict[str, Tensor] = {}

    def run(self) -> tuple[Part, Validation | None]:
        """Train; the network of the best epoch and its validation."""
        options = self.options
        recipe = Recipe(
            epochs=options.epochs,
            batch=options.batch,
            rate=options.rate,
            schedule="constant",
            optimiser="adamw",
            weight_decay=options.weight_decay,
            patience=options.patience if self.watched.rows else None,
        )
        with reproducible(self.context):
            network = self._network()
            history = train(
                network,
                lambda batch: self._loss(network, batch),
                np.arange(options.crops),
                recipe,
                self.context,
                (lambda: self._score(network)) if self.watched.rows else None,
                load=lambda part: self._read(len(part)),
            )
            if options.live_weights and self.live:
                network.load_state_dict(self.live)
        return self._told(network, history), self.found[history.best - 1] if self.found else None

    def _told(self, network: Encoder, history: History) -> Part:
        return Part(network, self.source.subjects, history.best, len(history.losses), history.losses[-1])

    def _network(self) -> Encoder:
        source = self.source
        parcels = source.targets.read(
            source.rows[0], next(n for n, k in zip(source.subjects, source.lengths[0], strict=True) if k), 0, 1
        ).shape[1]
        network = Encoder(source.streams, len(source.subjects), parcels, self.options)
        if self.options.standardise:
            found = statistics(source, self.options.crop, np.random.default_rng([self.context.seed, 2]))
            for name, embedding in zip(source.streams, network.embeddings, strict=True):
                assert isinstance(embedding, StreamEmbedding)
                mean, spread = found[name]
                embedding.centre.copy_(torch.from_numpy(mean))
                embedding.scale.copy_(torch.from_numpy(np.where(spread > FLAT, 1 / np.maximum(spread, FLAT), 0.0)))
        return network.to(self.context.device)

    def _read(self, count: int) -> Batch:
        """The next crops."""
        return self.source.read([next(self.crops) for _ in range(count)], self.options.crop)

    def _loss(self, network: Encoder, batch: Batch) -> Tensor:
        """Mean squared error of some crops over all that was measured."""
        device = self.context.device
        features = [torch.from_numpy(values).to(device) for values in batch.features]
        predicted = network(features, torch.from_numpy(batch.present).to(device))
        wanted = torch.from_numpy(batch.wanted).to(device)
        loss = masked_error(predicted, wanted, torch.from_numpy(batch.mask).to(device))
        if not torch.isfinite(loss):
            raise BadData(
                "the training loss is not a number: features or responses hold NaN, or learning diverges",
                "see  brainbench data check ;  or try  --set standardise=true  or a smaller rate",
            )
        return loss

    def _score(self, network: Encoder) -> float:
        self.found.append(self.watched.validate(network, self.source.streams, self.source.subjects))
        if self.options.live_weights:
            self.live = copy.deepcopy(network.state_dict())
        return self.found[-1].score


def masked_error(predicted: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over parcels and all places of the mask.

    Parameters
    ----------
    predicted, wanted
        (crop, time, subject, parcel).
    mask
        (crop, time, subject) booleans.
    """
    if bool(mask.all()):
        return F.mse_loss(predicted, wanted)
    known = torch.where(mask[..., None], wanted, predicted.detach())
    return F.mse_loss(predicted, known, reduction="sum") / (mask.sum() * predicted.shape[-1])
