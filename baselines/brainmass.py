"""BrainMass (Yang et al., IEEE Trans. Med. Imaging 2024): a transformer on FC, pretrained without labels."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadData, BadOption
from .encoder_baseline import EncoderBaseline, Joined, same_rois
from .network_baseline import Arrays, tensors
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
class BrainMass(EncoderBaseline):
    """Latent alignment of two pseudo-FC views and mask-ROI modelling, then a probe on the frozen read-out.

    The probe is an SVM with an RBF kernel (regression: ridge) on the read-out, standardised on the training
    scans, as published. Pretraining: AdamW, weight decay 5e-5, a constant rate after the warm-up.

    Attributes
    ----------
    depth, feedforward
        Layers, and hidden width of a layer's MLP: 16 and 2048 as published.
    width
        Width of a token; None takes the number of ROIs, as published.
    heads
        Attention heads: 10 as published. Where they do not divide the width, the nearest number that does.
    dropout
        In the layers, while training: 0.1 as published.
    warmup_epochs
        Epochs of the pretraining over which the rate rises.
    reference_frozen_parts
        The reference's slip: mask vector, extra tokens and the MLPs that predict rows are not trained.
    noisy_test
        The reference's test: downstream, a random fifth of the frames of every scan is dropped, test scans included.
    """

    depth: int = 2
    feedforward: int = 128
    width: int | None = 64
    heads: int = 2
    dropout: float = 0.0
    warmup_epochs: int = 0
    reference_frozen_parts: bool = False
    noisy_test: bool = False
    rate: float = 3e-4
    epochs: int = 10

    probes = {"classification": "rbf-svm", "regression": "linear"}
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
        for name in ("depth", "feedforward", "heads"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")

    def learn(self, scans: Any, context: Context) -> None:
        """See `EncoderBaseline.learn`."""
        self._seed = context.seed
        super().learn(scans, context)

    def pretrained(self, scans: Joined, context: Context) -> tuple[Encoder, dict[str, Any]]:
        """See `brainmass_network.Pretraining`."""
        from ..benchmark.nn.training import Recipe, train
        from .brainmass_network import Encoder, Pretraining

        rois = scans.rois
        encoder = Encoder(rois, self.depth, self.feedforward, self.width or rois, self.heads, self.dropout)
        network = Pretraining(encoder, rois, self.feedforward, self.reference_frozen_parts).to(context.device)
        rng = np.random.default_rng(context.seed)

        def load(part: np.ndarray) -> tuple[Tensor, ...]:
            series = [scans.series(row) for row in part]
            views = [np.stack([shrunk_correlation(drop_frames(each, rng)) for each in series]) for _ in range(2)]
            return tensors(views, np.arange(len(part)), context.device)

        def loss(views: tuple[Tensor, ...]) -> Tensor:
            # The target moves after each step; before the first both networks are the same.
            network.follow()
            return network.loss(*views)

        recipe = Recipe(
            self.pretrain_epochs, self.pretrain_batch, self.pretrain_rate, schedule="constant",
            warmup=min(self.warmup_epochs / max(self.pretrain_epochs, 1), 1), optimiser="adamw", weight_decay=5e-5,
            precision=self.precision,
        )  # fmt: skip
        history = train(network, loss, np.arange(len(scans)), recipe, context, load=load)
        return encoder, {"pretraining_scans": len(scans), "pretraining_losses": [round(v, 4) for v in history.losses]}

    def loaded(self, place: Path, scans: Joined) -> Encoder:
        """See `load_encoder`."""
        return load_encoder(place, scans.rois, self.dropout)

    def settings(self, encoder: Encoder) -> dict[str, Any]:
        """The number of heads, which the weights do not show."""
        return {"method": "brainmass", "heads": encoder.heads}

    def features(self, encoder: nn.Module, arrays: tuple[Tensor, ...]) -> Tensor:
        """The read-out (batch, 8 * ROI)."""
        found: Tensor = encoder.readout(*arrays)  # type: ignore[operator]
        return found

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

    def report(self) -> dict[str, Any]:
        """See `EncoderBaseline.report`; and the number of heads."""
        return super().report() | {"heads": self._encoder.heads}


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
    same_rois(place, made_for, rois)
    encoder = Encoder(rois, depth, feedforward, width, int(settings.get("heads", PUBLISHED_HEADS)), dropout)
    fill(encoder, state, place)
    return encoder


def _online(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors, without the prefix that a published file has."""
    published = {name.removeprefix(PUBLISHED_KEY): value for name, value in state.items() if PUBLISHED_KEY in name}
    return published or dict(state)
