"""BNT, the Brain Network Transformer (Kan et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..benchmark import fc
from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .network_baseline import Arrays, NetworkBaseline

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from ..benchmark.nn.objective import Objective

MOST_HEADS = 4


def heads_for(width: int, asked: int) -> int:
    """Attention heads for a width: as asked, or the largest divisor up to 4 where 0 is asked.

    Raises `BadOption` where the number asked for does not divide the width.
    """
    divisors = [heads for heads in range(1, width + 1) if width % heads == 0]
    if asked == 0:
        return max(heads for heads in divisors if heads <= MOST_HEADS)
    if asked not in divisors:
        near = ", ".join(str(heads) for heads in divisors if heads <= 32)
        raise BadOption(f"heads={asked} does not divide the width {width}", f"give one of {near}, or 0 to choose")
    return asked


@dataclass
class BNT(NetworkBaseline):
    """Transformer layers over the rows of the Pearson FC matrix, then a read-out of soft clusters.

    Attributes
    ----------
    project
        Width that FC rows are projected to before the first layer; 0 keeps rows, as published.
    identity
        Width of a learned vector appended to each ROI's row; 0 for none.
    layers, feedforward, dropout
        Of the transformer.
    heads
        Attention heads; they must divide the width. 0: the largest divisor up to the published 4.
    clusters
        Nodes after the read-out; at most the width.
    student
        Student-t assignment to clusters instead of the projection.
    clustering_weight
        Weight of the clustering loss, which the reference defines but never adds.
    """

    epochs: int = 15
    rate: float = 3e-4
    mixup: bool = True
    project: int = 64
    identity: int = 0
    layers: int = 1
    heads: int = 0
    feedforward: int = 128
    dropout: float = 0.0
    clusters: int = 16
    student: bool = False
    clustering_weight: float = 0.0

    card: ClassVar[Card] = Card(
        title="BNT",
        summary="Two post-norm transformer layers on the rows of the Pearson FC matrix, orthonormal cluster read-out.",
        paper="Kan et al., NeurIPS 2022; layers as in Wayfear/BrainNetworkTransformer",
        parameters="16,853,890 at 450 ROIs, 45,000 frozen numbers of the centres aside (preset published)",
        notes="Heads that do not divide the number of ROIs are lowered to the next divisor (450 ROIs: 3 of 4), and the "
        "record says how many. All centres have length 1 (the reference leaves the first one longer). The epoch is "
        "chosen on validation scans only. Preset small projects rows to 64 numbers and has one layer "
        "without dropout.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {
            "project": 0, "layers": 2, "feedforward": 1024, "dropout": 0.1, "clusters": 100,
            "epochs": 200, "rate": 1e-4, "patience": 200,
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("layers", "feedforward", "clusters"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        for name in ("project", "identity", "heads", "clustering_weight"):
            if getattr(self, name) < 0:
                raise BadOption(f"{name}={getattr(self, name)} is negative", "give 0 or more")
        if not 0 <= self.dropout < 1:
            raise BadOption(f"dropout={self.dropout} is not a share", "give a number from 0 to below 1")

    def encode(self, scan: Scan) -> Arrays:
        """Pearson FC (ROI, ROI)."""
        return (fc.correlation(scan.series),)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """See `bnt_network.BrainNetworkTransformer`."""
        from .bnt_network import BrainNetworkTransformer, Sizes

        rois = shapes[0][0]
        width = (self.project or rois) + self.identity
        sizes = Sizes(
            rois, outputs, self.project, self.identity, self.layers, heads_for(width, self.heads), self.feedforward,
            self.dropout, min(self.clusters, width), self.student,
        )  # fmt: skip
        self._used = {"heads": sizes.heads, "clusters": sizes.clusters}
        return BrainNetworkTransformer(sizes)

    def loss(self, network: nn.Module, arrays: tuple[Tensor, ...], wanted: Tensor, objective: Objective) -> Tensor:
        """Loss summed over the batch, as the reference has it, plus the clustering loss where asked for."""
        from .bnt_network import BrainNetworkTransformer, clustering_divergence

        assert isinstance(network, BrainNetworkTransformer)
        outputs, assignment = network.assigned(*arrays)
        total = len(wanted) * objective.loss(outputs, wanted)
        return total + self.clustering_weight * clustering_divergence(assignment) if self.clustering_weight else total

    def report(self) -> dict[str, Any]:
        """Those of `NetworkBaseline`, and the heads and clusters in use."""
        return super().report() | self._used
