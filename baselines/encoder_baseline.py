"""What encoders that are pretrained without labels have in common: where weights come from, and what reads them."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Context, Train
from ..benchmark.errors import BadData, BadOption
from .network_baseline import Arrays, NetworkBaseline, tensors, training_loop
from .probe import Probe, fit_probe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.items import ArrayRef
    from ..benchmark.kinds.scans import Atlas, Scan


class Joined:
    """The scans of several cohorts of one atlas, one after the other.

    Attributes
    ----------
    cohorts, places
        The cohorts, and the (cohort, row) of every scan.
    atlas, rois
        Their atlas, and its number of ROIs.

    Raises `BadOption` for cohorts of different atlases.
    """

    def __init__(self, cohorts: Sequence[Any]) -> None:
        counts = sorted({len(cohort.atlas.labels) for cohort in cohorts})
        if len({cohort.atlas.labels for cohort in cohorts}) != 1:
            raise BadOption(f"the cohorts have other ROIs ({counts})", "pretrain on cohorts of one atlas")
        self.atlas: Atlas = cohorts[0].atlas
        self.cohorts = list(cohorts)
        self.places = [(k, row) for k, cohort in enumerate(cohorts) for row in range(len(cohort))]
        self.rois: int = counts[0]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Scan:
        cohort, own = self.places[row]
        scan: Scan = self.cohorts[cohort][own]
        return scan

    def __iter__(self) -> Iterator[Scan]:
        return (self[row] for row in range(len(self)))

    def series(self, row: int) -> np.ndarray:
        """(time, roi) float32 of one scan."""
        cohort, own = self.places[row]
        series: np.ndarray = self.cohorts[cohort].series(own)
        return series

    def place(self, row: int) -> ArrayRef | None:
        """Where a scan's series lies on disk."""
        cohort, own = self.places[row]
        place: ArrayRef | None = self.cohorts[cohort].place(own)
        return place


@dataclass
class EncoderBaseline(NetworkBaseline):
    """An encoder from a checkpoint, or else pretrained on the training scans without their labels.

    A subclass pretrains, loads and stores its encoder, and says what a probe reads of it.

    Attributes
    ----------
    tuning
        "probe": a light model on frozen features. "full": all weights are fine-tuned with a linear head.
    pretrain_epochs, pretrain_batch, pretrain_rate
        Of the pretraining. 0 epochs leave the encoder as it starts.
    """

    tuning: Literal["probe", "full"] = "probe"
    pretrain_epochs: int = 1
    pretrain_batch: int = 32
    pretrain_rate: float = 3e-4

    takes_checkpoint: ClassVar[bool] = True
    probes: ClassVar[dict[str, Literal["linear", "rbf-svm"]]] = {"classification": "linear", "regression": "linear"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tuning not in ("probe", "full"):
            raise BadOption(f"tuning={self.tuning!r} is not known", "choose probe or full")
        if self.pretrain_batch < 2:
            raise BadOption(f"pretrain_batch={self.pretrain_batch} is too small", "give a number above 1")
        if not self.pretrain_rate > 0:
            raise BadOption(f"pretrain_rate={self.pretrain_rate} is not positive", "give a number above 0")
        if self.pretrain_epochs < 0:
            raise BadOption(f"pretrain_epochs={self.pretrain_epochs} is negative", "give 0 for none, or a number above")

    @abstractmethod
    def pretrained(self, scans: Joined, context: Context) -> tuple[nn.Module, dict[str, Any]]:
        """An encoder trained on scans without labels, and facts for the record."""

    @abstractmethod
    def loaded(self, place: Path, scans: Joined) -> nn.Module:
        """The encoder of a checkpoint. Raises `BadData`, or `BadOption` where it does not fit the scans."""

    @abstractmethod
    def settings(self, encoder: Any) -> dict[str, Any]:
        """Plain JSON that `loaded` needs beside the weights."""

    @abstractmethod
    def features(self, encoder: nn.Module, arrays: tuple[Tensor, ...]) -> Tensor:
        """What a probe reads of a batch: (batch, p)."""

    def views(self, scan: Scan) -> list[Arrays]:
        """What of a scan is encoded for the probe; features are averaged over it."""
        return [self.encode(scan)]

    def pretrain(self, cohorts: Sequence[Any], context: Context) -> None:
        """Pretrain on the scans of cohorts that share an atlas, and leave the encoder in ``context.save``."""
        if context.save is None:
            raise BadOption("no place for the weights was given", "add --save FOLDER")
        with training_loop().reproducible(context):
            encoder, facts = self._pretrained(cohorts, context)
        from ..benchmark.nn.weights import save_weights

        atlas = {"atlas": atlas_key(Joined(cohorts).atlas)}
        save_weights(context.save, encoder.state_dict(), self.settings(encoder) | facts | atlas)

    def _pretrained(self, cohorts: Sequence[Any], context: Context) -> tuple[nn.Module, dict[str, Any]]:
        scans = Joined(cohorts)
        if len(scans) < 2:
            raise BadData("nothing can be pretrained on a single scan", "give more scans, or a checkpoint")
        return self.pretrained(scans, context)

    def learn(self, scans: Any, context: Context) -> None:
        """Find the encoder: in the checkpoint, or by pretraining on the training scans without their labels."""
        if context.checkpoint is None:
            encoder, self._origin = self._pretrained([scans], context)
        else:
            joined = Joined([scans])
            refuse_other_atlas(context.checkpoint, joined.atlas)
            encoder = self.loaded(context.checkpoint, joined)
            self._origin = {"checkpoint": context.checkpoint.name}
        self._encoder: Any = encoder.to(context.device).eval()

    def fit(self, train: Train, context: Context) -> None:
        """Find the encoder, then fit a probe on its features, or fine-tune it."""
        if self.tuning == "full":
            super().fit(train, context)
            return
        with training_loop().reproducible(context):
            self.learn(train.inputs, context)
            found = self._features(train.inputs, context)
        self._probe: Probe = fit_probe(
            found, np.asarray(train.targets), train.groups, context.task, context.seed, context.progress,
            kind=self.probes[context.task.kind],
        )  # fmt: skip
        parameters = sum(parameter.numel() for parameter in self._encoder.parameters())
        self._facts = {"parameters": parameters, "features": found.shape[1], **self._probe.facts()}

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""
        if self.tuning == "full":
            return super().predict(test, context)
        with training_loop().reproducible(context):
            return self._probe.predict(self._features(test, context))

    def _features(self, scans: Any, context: Context) -> np.ndarray:
        """Frozen features (n, p) float32, one batch of scans in memory at a time."""
        import torch

        from ..benchmark.nn.training import mixed

        found = []
        with torch.no_grad(), mixed(self.precision, context.device.partition(":")[0]):
            for start in range(0, len(scans), self.batch):
                rows = range(start, min(start + self.batch, len(scans)))
                views = [self.views(scans[row]) for row in rows]
                stacked = [np.stack(arrays) for arrays in zip(*(view for each in views for view in each), strict=True)]
                batch = tensors(stacked, np.arange(len(stacked[0])), context.device)
                ends = np.cumsum([len(each) for each in views])[:-1]
                values = self.features(self._encoder, batch).float().cpu().numpy()
                found += [part.mean(axis=0) for part in np.split(values, ends)]
                context.progress("features", rows.stop, len(scans))
        return np.stack(found)

    def report(self) -> dict[str, Any]:
        """Parameters, where the weights come from, and what the probe or the fine-tuning found."""
        return {**self._facts, "tuning": self.tuning, **self._origin}


def atlas_key(atlas: Atlas) -> str:
    """Hash of the ROIs' labels in their order."""
    return hashlib.sha256("\n".join(atlas.labels).encode()).hexdigest()[:16]


def refuse_other_atlas(place: Path, atlas: Atlas) -> None:
    """Raise `BadOption` where a checkpoint of ours was made on other ROIs, or on the same in another order."""
    from ..benchmark.nn.weights import read_settings

    made_on = read_settings(place).get("atlas", atlas_key(atlas))
    if made_on != atlas_key(atlas):
        raise BadOption(
            f"{place}: these weights were made on another atlas than {atlas.name!r}",
            "use scans of the atlas that the weights were made with, or leave --checkpoint out to pretrain",
        )


def same_rois(place: Path, made_for: int, rois: int) -> None:
    """Refuse weights of another atlas with the reason."""
    if made_for != rois:
        raise BadOption(
            f"{place}: these weights are for {made_for} ROIs, the scans have {rois}",
            "use scans of the atlas that the weights were made with, or leave --checkpoint out to pretrain",
        )
