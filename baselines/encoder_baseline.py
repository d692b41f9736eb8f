"""What encoders that are pretrained without labels have in common: where weights come from, and what reads them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Context, Train
from ..benchmark.errors import BadOption
from .network_baseline import NetworkBaseline, _training, tensors
from .probe import fit_probe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Atlas, Scan


class Joined:
    """The scans of several cohorts of one atlas, one after the other."""

    def __init__(self, cohorts: Sequence[Any]) -> None:
        counts = sorted({len(cohort.atlas.labels) for cohort in cohorts})
        if len(counts) != 1:
            raise BadOption(f"the cohorts have {counts} ROIs", "pretrain on cohorts of one atlas")
        self.places = [(cohort, row) for cohort in cohorts for row in range(len(cohort))]
        self.rois: int = counts[0]
        self.atlas: Atlas = cohorts[0].atlas

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Scan:
        cohort, own = self.places[row]
        scan: Scan = cohort[own]
        return scan

    def __iter__(self) -> Iterator[Scan]:
        return (self[row] for row in range(len(self)))

    def series(self, row: int) -> np.ndarray:
        """(time, roi) float32 of one scan."""
        return self[row].series


@dataclass
class EncoderBaseline(NetworkBaseline):
    """An encoder from a checkpoint, or else pretrained on the training scans without their labels.

    A subclass pretrains, loads and stores its encoder, and says what a probe reads of it.

    Attributes
    ----------
    tuning
        "probe": a light model on frozen features. "full": all weights are fine-tuned with a linear head.
    """

    tuning: Literal["probe", "full"] = "probe"

    probes: ClassVar[dict[str, Literal["linear", "rbf-svm"]]] = {"classification": "linear", "regression": "linear"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tuning not in ("probe", "full"):
            raise BadOption(f"tuning={self.tuning!r}", "one of: probe, full")

    @abstractmethod
    def pretrained(self, scans: Joined, context: Context) -> tuple[nn.Module, dict[str, Any]]:
        """An encoder trained on scans without labels, and facts for the record."""

    @abstractmethod
    def loaded(self, place: Path, scans: Joined, context: Context) -> tuple[nn.Module, dict[str, Any]]:
        """The encoder of a checkpoint, and facts for the record."""

    @abstractmethod
    def settings(self, encoder: nn.Module) -> dict[str, Any]:
        """Plain JSON that `loaded` needs beside the weights."""

    @abstractmethod
    def features(self, encoder: nn.Module, arrays: tuple[Tensor, ...]) -> Tensor:
        """What a probe reads of a batch: (batch, p)."""

    def pretrain(self, cohorts: Sequence[Any], context: Context) -> None:
        """Pretrain on the scans of cohorts that share an atlas, and leave the encoder in ``context.save``."""
        training = _training()
        from ..benchmark.nn.weights import save_weights

        if context.save is None:
            raise BadOption("no place for the weights was given", "add --save FOLDER")
        with training.reproducible(context):
            encoder, facts = self.pretrained(Joined(cohorts), context)
        save_weights(context.save, encoder.state_dict(), {**self.settings(encoder), **facts})

    def learn(self, scans: Any, context: Context) -> None:
        """The encoder: from the checkpoint, or pretrained on the training scans."""
        joined = Joined([scans])
        place = context.checkpoint
        self._encoder, self._origin = (
            self.pretrained(joined, context) if place is None else self.loaded(place, joined, context)
        )
        self._encoder.to(context.device).eval()

    def fit(self, train: Train, context: Context) -> None:
        """Find the encoder, then fit a probe on its features, or fine-tune it."""
        if self.tuning == "full":
            super().fit(train, context)
            return
        with _training().reproducible(context):
            self.learn(train.inputs, context)
            found = self._features(train.inputs, context)
        self._probe = fit_probe(
            found, np.asarray(train.targets), train.groups, context.task, context.seed, context.progress,
            kind=self.probes[context.task.kind],
        )  # fmt: skip
        self._facts = {"parameters": sum(parameter.numel() for parameter in self._encoder.parameters())}

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""
        if self.tuning == "full":
            return super().predict(test, context)
        with _training().reproducible(context):
            return self._probe.predict(self._features(test, context))

    def _features(self, scans: Any, context: Context) -> np.ndarray:
        """Features (n, p) float32 of every scan, one batch in memory at a time."""
        import torch

        from ..benchmark.nn.training import mixed

        found = []
        with torch.no_grad(), mixed(self.precision, context.device.partition(":")[0]):
            for start in range(0, len(scans), self.batch):
                rows = range(start, min(start + self.batch, len(scans)))
                encoded = [self.encode(scans[row]) for row in rows]
                stacked = [np.stack(arrays) for arrays in zip(*encoded, strict=True)]
                batch = tensors(stacked, np.arange(len(rows)), context.device)
                found.append(self.features(self._encoder, batch).float().cpu().numpy())
                context.progress("features", rows.stop, len(scans))
        return np.concatenate(found)

    def report(self) -> dict[str, Any]:
        """Parameters, where the weights come from, and what the probe or the fine-tuning found."""
        probe = self._probe.facts() if self.tuning == "probe" else {}
        return {**self._facts, "tuning": self.tuning, **self._origin, **probe}
