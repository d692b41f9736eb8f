"""BrainNetCNN (Kawahara et al. 2017), as the comparisons of the fMRI literature build it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..benchmark import fc
from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from .network_baseline import Arrays, NetworkBaseline

if TYPE_CHECKING:
    from torch import nn

    from ..benchmark.kinds.scans import Scan


@dataclass
class BrainNetCNN(NetworkBaseline):
    """Convolutions over whole rows and columns of the Pearson FC matrix.

    Attributes
    ----------
    edge_channels, graph_channels
        Channels of the first edge-to-edge layer (the second has twice as many) and of
        node-to-graph: 32 and 256 in the reference.
    always_on_dropout
        The reference's slip: dropout stays on at test time.
    """

    patience: int = 20
    mixup: bool = True
    edge_channels: int = 8
    graph_channels: int = 64
    always_on_dropout: bool = False

    card: ClassVar[Card] = Card(
        title="BrainNetCNN",
        summary="Edge-to-edge, edge-to-node and node-to-graph convolutions on the Pearson FC matrix.",
        paper="Kawahara et al., NeuroImage 146 (2017); layers as in Wayfear/BrainNetworkTransformer",
        parameters="4,480 a ROI + 37,277 (preset published)",
        notes="Dropout is off at test time (the reference leaves it on: always_on_dropout=true). The epoch is "
        "chosen on validation scans only. Preset small has a quarter of the channels and 20 epochs.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {"edge_channels": 32, "graph_channels": 256, "epochs": 200, "rate": 1e-4, "patience": 200},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("edge_channels", "graph_channels"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")

    def encode(self, scan: Scan) -> Arrays:
        """Pearson FC (ROI, ROI)."""
        return (fc.correlation(scan.series),)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """See `brainnetcnn_network.BrainNetwork`."""
        from .brainnetcnn_network import BrainNetwork

        return BrainNetwork(shapes[0][0], outputs, self.edge_channels, self.graph_channels, self.always_on_dropout)
