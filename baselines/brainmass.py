"""BrainMass (Yang et al., IEEE Trans. Med. Imaging 2024): a transformer on FC, pretrained without labels."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Card, Context, Train
from ..benchmark.errors import BadData, BadOption
from .network_baseline import Arrays, NetworkBaseline, _training, tensors
from .probe import fit_probe
from .tangent import covariance

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from .brainmass_network import Encoder

DROPPED = 0.2
PUBLISHED_HEADS = 10
PUBLISHED_KEY = "online_network_state_dict."


def shrunk_correlation(series: np.ndarray) -> np.ndarray:
    """Correlation (roi, roi) float32 from the Ledoit-Wolf covariance of a (time, roi) series.

    The same as nilearn's ConnectivityMeasure(kind="correlation"). An ROI without variance correlates 0 with
    all others.
    """
    matrix = covariance(np.asarray(series, dtype=np.float32))
    spread = np.sqrt(matrix.diagonal())
    spread = np.where(spread > 0, spread, 1)
    matrix /= np.outer(spread, spread)
    np.fill_diagonal(matrix, 1)
    return matrix


def drop_frames(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The series without a random fifth of its frames, the others in their order."""
    kept = len(series) - int(DROPPED * len(series))
    return series[np.sort(rng.choice(len(series), kept, replace=False))]


@dataclass
class BrainMass(NetworkBaseline):
    """Latent alignment of two pseudo-FC views and mask-ROI modelling, then a probe on the frozen read-out.

    Without a checkpoint, the training scans themselves are the pretraining data (no label is read).

    Attributes
    ----------
    tuning
        "probe": SVM with an RBF kernel (regression: ridge) on the frozen read-out, standardised on the
        training scans, as published. "full": all weights are fine-tuned with a linear head.
    depth, feedforward
        Layers, and hidden width of a layer's MLP: 16 and 2048 as published.
    width
        Width of a token; None takes the number of ROIs, as published.
    heads
        Attention heads: 10 as published. Where they do not divide the width, the nearest number that does.
    dropout
        In the layers, while training: 0.1 as published.
    pretrain_epochs, pretrain_batch, pretrain_rate, warmup_epochs
        Of the pretraining: AdamW, weight decay 5e-5, a constant rate after the warm-up.
    reference_frozen_parts
        The reference's slip: mask vector, extra tokens and the MLPs that predict rows are not trained.
    noisy_test
        The reference's test: downstream, a random fifth of the frames of every scan is dropped, test scans included.
    """

    tuning: Literal["probe", "full"] = "probe"
    depth: int = 2
    feedforward: int = 128
    width: int | None = 64
    heads: int = 2
    dropout: float = 0.0
    pretrain_epochs: int = 1
    pretrain_batch: int = 32
    pretrain_rate: float = 3e-4
    warmup_epochs: int = 0
    reference_frozen_parts: bool = False
    noisy_test: bool = False
    rate: float = 3e-4
    epochs: int = 10

    card: ClassVar[Card] = Card(
        title="BrainMass",
        summary="A post-norm transformer over the rows of the FC matrix, pretrained by aligning two pseudo-FC views "
        "of a scan and by rebuilding masked rows; a support vector machine reads its frozen output.",
        paper="Yang et al., IEEE Transactions on Medical Imaging (2024); layers as in podismine/BrainMass",
        parameters="10,165,800 at 100 ROIs, about 43 million at 450 (preset published)",
        notes="FC is Ledoit-Wolf correlation. All parts of the pretraining are trained (the reference leaves some "
        "out: reference_frozen_parts=true), and FC uses all frames downstream (noisy_test=true drops a fifth). Heads: "
        "the divisor of the width closest to 10. Without --checkpoint it is pretrained on the training scans. "
        "Preset small projects the rows to 64 numbers, has 2 layers, 2 heads, no dropout and one epoch of pretraining. "
        "The published weights are for 100 ROIs; part of ABIDE I is in their pretraining data.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {
            "depth": 16, "feedforward": 2048, "width": None, "heads": 10, "dropout": 0.1,
            "pretrain_epochs": 2000, "pretrain_batch": 64, "warmup_epochs": 10, "rate": 1e-4,
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth", "feedforward", "heads", "pretrain_batch", "pretrain_rate"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        if self.pretrain_batch < 2:
            raise BadOption("pretrain_batch=1 leaves batch norm nothing to compare", "give a number above 1")
        if self.pretrain_epochs < 0:
            raise BadOption(f"pretrain_epochs={self.pretrain_epochs} is negative", "give 0 for none, or a number above")

    def pretrain(self, cohorts: Sequence[Any], context: Context) -> None:
        """Pretrain on the scans of all cohorts, which share an atlas, and leave the encoder in ``context.save``."""
        training = _training()
        from ..benchmark.nn.weights import save_weights

        if context.save is None:
            raise BadOption("no place for the weights was given", "add --save FOLDER")
        with training.reproducible(context):
            encoder, facts = self._pretrained(cohorts, context)
        settings = {"method": "brainmass", "rois": _rois(cohorts), "heads": encoder.heads, **facts}
        save_weights(context.save, encoder.state_dict(), settings)

    def learn(self, scans: Any, context: Context) -> None:
        """The encoder: from the checkpoint, or pretrained on the training scans without their labels."""
        self._seed = context.seed
        if context.checkpoint is None:
            self._encoder, self._origin = self._pretrained([scans], context)
        else:
            self._encoder = load_encoder(context.checkpoint, _rois([scans]), self.dropout)
            self._origin = {"checkpoint": context.checkpoint.name}
        self._encoder.to(context.device).eval()

    def _pretrained(self, cohorts: Sequence[Any], context: Context) -> tuple[Encoder, dict[str, Any]]:
        from ..benchmark.nn.training import Recipe, train
        from .brainmass_network import Encoder, Pretraining

        rois = _rois(cohorts)
        encoder = Encoder(rois, self.depth, self.feedforward, self.width or rois, self.heads, self.dropout)
        network = Pretraining(encoder, rois, self.feedforward, self.reference_frozen_parts).to(context.device)
        places = [(cohort, row) for cohort in cohorts for row in range(len(cohort))]
        if len(places) < 2:
            raise BadData("BrainMass cannot be pretrained on a single scan", "give more scans, or a checkpoint")
        rng = np.random.default_rng(context.seed)

        def loss(part: np.ndarray) -> Tensor:
            # The target moves after each step; before the first both networks are the same.
            network.follow()
            series = [cohort.series(row) for cohort, row in (places[k] for k in part)]
            views = [np.stack([shrunk_correlation(drop_frames(each, rng)) for each in series]) for _ in range(2)]
            first, second = tensors(views, np.arange(len(part)), context.device)
            return network.loss(first, second)

        recipe = Recipe(
            self.pretrain_epochs, self.pretrain_batch, self.pretrain_rate, schedule="constant",
            warmup=min(self.warmup_epochs / max(self.pretrain_epochs, 1), 1), optimiser="adamw", weight_decay=5e-5,
            precision=self.precision,
        )  # fmt: skip
        history = train(network, loss, np.arange(len(places)), recipe, context)
        return encoder, {"pretraining_scans": len(places), "pretraining_losses": [round(v, 4) for v in history.losses]}

    def encode(self, scan: Scan) -> Arrays:
        """Shrunk correlation (ROI, ROI)."""
        series = scan.series
        if self.noisy_test:
            # The draw is a scan's own, so that a prediction does not hang on the scans around it.
            series = drop_frames(series, np.random.default_rng([self._seed, zlib.crc32(series.tobytes())]))
        return (shrunk_correlation(series),)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """The encoder of `learn` and a linear head."""
        from .brainmass_network import Classifier

        return Classifier(self._encoder, shapes[0][0], outputs)

    def fit(self, train: Train, context: Context) -> None:
        """Find the encoder, then fit the probe on its read-out, or fine-tune it."""
        if self.tuning == "full":
            super().fit(train, context)
            return
        training = _training()
        with training.reproducible(context):
            self.learn(train.inputs, context)
            features = self._readouts(train.inputs, context)
        self._probe = fit_probe(
            features, np.asarray(train.targets), train.groups, context.task, context.seed, context.progress,
            kind="linear" if context.task.kind == "regression" else "rbf-svm",
        )  # fmt: skip
        self._facts = {"parameters": sum(parameter.numel() for parameter in self._encoder.parameters())}

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""
        if self.tuning == "full":
            return super().predict(test, context)
        with _training().reproducible(context):
            return self._probe.predict(self._readouts(test, context))

    def _readouts(self, scans: Any, context: Context) -> np.ndarray:
        """Frozen read-out (n, 8 * ROI) float32 of every scan, one batch in memory at a time."""
        import torch

        from ..benchmark.nn.training import mixed

        found = []
        with torch.no_grad(), mixed(self.precision, context.device.partition(":")[0]):
            for start in range(0, len(scans), self.batch):
                rows = range(start, min(start + self.batch, len(scans)))
                matrices = [np.stack([self.encode(scans[row])[0] for row in rows])]
                batch = tensors(matrices, np.arange(len(rows)), context.device)
                found.append(self._encoder.readout(*batch).float().cpu().numpy())
                context.progress("read-out", rows.stop, len(scans))
        return np.concatenate(found)

    def report(self) -> dict[str, Any]:
        """Parameters, heads, where the weights come from, and what the probe or the fine-tuning found."""
        probe = self._probe.facts() if self.tuning == "probe" else {}
        return {**self._facts, "heads": self._encoder.heads, "tuning": self.tuning, **self._origin, **probe}


def load_encoder(place: Path, rois: int, dropout: float) -> Encoder:
    """An encoder from a folder of `BrainMass.pretrain`, or from a published file (online_network_state_dict).

    Sizes are read from the weights. Raises `BadData` where they are no encoder of BrainMass, `BadOption` where
    they were made for another number of ROIs.
    """
    from ..benchmark.nn.weights import fill, load_weights
    from .brainmass_network import READOUT, Encoder

    found, settings = load_weights(place)
    state = _online(found)
    try:
        width = state["dim_reduction.0.weight"].shape[1]
        made_for = state["g.net.0.weight"].shape[1] // READOUT
        depth = len({name.split(".")[1] for name in state if name.startswith("attention_list.")})
        feedforward = state["attention_list.0.linear1.weight"].shape[0]
    except KeyError as error:
        raise BadData(
            f"{place}: not the weights of BrainMass: {error.args[0]} is missing",
            "give a folder of `brainbench pretrain --method brainmass`, or a published .pth file",
        ) from None
    if made_for != rois:
        raise BadOption(
            f"{place}: these weights are for {made_for} ROIs, the scans have {rois}",
            "use scans of the atlas that the weights were made with, or leave --checkpoint out to pretrain",
        )
    encoder = Encoder(rois, depth, feedforward, width, int(settings.get("heads", PUBLISHED_HEADS)), dropout)
    fill(encoder, state, place)
    return encoder


def _online(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors, without the prefix that a published file has."""
    published = {name.removeprefix(PUBLISHED_KEY): value for name, value in state.items() if PUBLISHED_KEY in name}
    return published or dict(state)


def _rois(cohorts: Sequence[Any]) -> int:
    """Number of ROIs that all cohorts share."""
    counts = {len(cohort.atlas.labels) for cohort in cohorts}
    if len(counts) != 1:
        raise BadOption(f"the cohorts have {sorted(counts)} ROIs", "pretrain on cohorts of one atlas")
    return int(counts.pop())
