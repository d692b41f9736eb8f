"""BrainGNN (Li et al. 2021): graph convolutions whose weights depend on the ROI, and pooling of ROIs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from ..benchmark.preprocess import z_score
from .graph_numerics import without_diagonal
from .network_baseline import Arrays, NetworkBaseline
from .partial_correlation import partial_correlations

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from ..benchmark.nn.objective import Objective
    from ..benchmark.nn.training import Recipe


def partial_edges(series: np.ndarray) -> np.ndarray:
    """Absolute partial correlations (ROI, ROI) of a series (time, ROI), from a Ledoit-Wolf precision matrix.

    The diagonal is 0, and so are the edges of a ROI without variance.
    """
    standard = z_score(series)
    alive = np.flatnonzero(standard.any(axis=0))
    edges = np.zeros((series.shape[1],) * 2, np.float32)
    edges[np.ix_(alive, alive)] = without_diagonal(np.abs(partial_correlations(standard[:, alive])))
    return edges


@dataclass
class BrainGNN(NetworkBaseline):
    """ROIs with Pearson FC rows, joined by absolute partial correlations; two convolutions, each with pooling.

    Attributes
    ----------
    communities, channels, hidden
        Communities of ROIs, channels of a convolution, width of the last dense layer.
    ratio
        Share of the ROIs that a pooling layer keeps.
    unit, top, consistency
        Weights of the losses: pooling directions of length 1; scores near 0 or 1 (TPK); alike scores
        within a class (GLC, for classes only).
    schedule
        The rate falls along a "cosine", or is halved after each fifth of the epochs, as published.
    reference_scores
        The reference's slip: losses see kept ROIs only, and a score passes a sigmoid two (TPK) or
        three times (GLC).
    """

    epochs: int = 20
    rate: float = 3e-3
    weight_decay: float = 1e-3
    mixup: bool = True
    communities: int = 8
    channels: int = 32
    hidden: int = 64
    ratio: float = 0.5
    unit: float = 0.0
    top: float = 0.1
    consistency: float = 0.1
    schedule: Literal["cosine", "halving"] = "cosine"
    reference_scores: bool = False

    card: ClassVar[Card] = Card(
        title="BrainGNN",
        summary="ROI-aware graph convolutions on Pearson FC rows along partial correlations, with pooling of ROIs.",
        paper="Li et al., Medical Image Analysis 74 (2021); layers as in xxlya/BrainGNN_Pytorch",
        parameters="304 a ROI + 32,482 (preset published)",
        notes="Partial correlations come from a Ledoit-Wolf precision matrix. The losses see the scores of all ROIs "
        "after one sigmoid (reference: kept ROIs, more sigmoids: reference_scores=true). The epoch is chosen by "
        "validation AUC or squared error. Preset small has a last layer "
        "of width 64 and trains for 20 epochs in batches of 16, with mixup.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {
            "mixup": False,
            "hidden": 512, "epochs": 100, "batch": 100, "rate": 1e-2, "weight_decay": 5e-3, "patience": 100,
            "schedule": "halving",
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("communities", "channels", "hidden"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        for name in ("unit", "top", "consistency"):
            if getattr(self, name) < 0:
                raise BadOption(f"{name}={getattr(self, name)} is negative", "give 0 or more")
        if not 0 < self.ratio < 1:
            raise BadOption(f"ratio={self.ratio} is not a share of ROIs", "give a number between 0 and 1")

    def recipe(self) -> Recipe:
        """That of `NetworkBaseline`, with the schedule asked for."""
        return replace(super().recipe(), schedule=self.schedule)

    def encode(self, scan: Scan) -> Arrays:
        """Pearson FC (ROI, ROI) and absolute partial correlations (ROI, ROI)."""
        return fc.correlation(scan.series), partial_edges(scan.series)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """See `braingnn_network.BrainGraphNetwork`."""
        from .braingnn_network import BrainGraphNetwork, Sizes

        rois = shapes[0][0]
        return BrainGraphNetwork(
            Sizes(rois, outputs, self.communities, self.channels, self.hidden, self.ratio, self.reference_scores)
        )

    def loss(self, network: nn.Module, arrays: tuple[Tensor, ...], wanted: Tensor, objective: Objective) -> Tensor:
        """Prediction loss, unit, TPK and GLC losses. Mixed labels count as their larger share."""
        import torch

        from .braingnn_network import BrainGraphNetwork, consistency_loss, top_loss

        assert isinstance(network, BrainGraphNetwork)
        outputs, scores1, scores2 = network.scored(*arrays)
        total = objective.loss(outputs, wanted)
        total = total + self.unit * (network.pool1.unit_loss() + network.pool2.unit_loss())
        total = total + self.top * (top_loss(scores1, self.ratio) + top_loss(scores2, self.ratio))
        if wanted.shape[1] > 1:
            first = torch.sigmoid(scores1) if self.reference_scores else scores1
            total = total + self.consistency * consistency_loss(first, wanted.argmax(dim=1), wanted.shape[1])
        return total
