"""FBNETGEN (Kan et al. 2022): a graph learned from the series mixes the rows of the FC matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..benchmark import fc
from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption
from ..benchmark.preprocess import to_frames, z_score
from .network_baseline import Arrays, NetworkBaseline

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..benchmark.kinds.scans import Scan
    from ..benchmark.nn.objective import Objective

BEYOND_WINDOW = 58
"""Frames beyond the window that leave one number after the convolutions and the pooling of the CNN encoder."""


@dataclass
class FBNetGen(NetworkBaseline):
    """Embeddings of ROI series make a graph; three rounds of mixing Pearson FC rows with it predict.

    Attributes
    ----------
    encoder
        "gru" over windows of the series, or "cnn": three convolutions over time.
    frames
        Frames of a scan, lowered to a multiple of the window for the GRU. A longer scan is cropped,
        a shorter one is stretched.
    window, embedding, gru_layers
        Frames of a GRU step (also its hidden width) or of the first convolution; width of the
        embedding; layers of the GRU.
    width
        Width of the predictor; 0 for the number of ROIs, as published.
    group_weight
        Weight of the group loss: alike graphs within a class, different ones between classes.
        Regression has none.
    sparsity
        Weight of the sum of the learned graph's entries.
    cross_entropy
        "sum" over the batch (the later code) or "mean" (the first code): the weight of the prediction
        loss beside the others.
    reference_mixing
        The reference's slip: nodes are scaled by row sums of the graph, and never mixed.
    """

    epochs: int = 12
    rate: float = 3e-3
    mixup: bool = True
    encoder: Literal["gru", "cnn"] = "gru"
    frames: int = 160
    window: int = 16
    embedding: int = 8
    gru_layers: int = 1
    width: int = 64
    group_weight: float = 1.0
    sparsity: float = 1e-4
    cross_entropy: Literal["sum", "mean"] = "sum"
    reference_mixing: bool = False

    card: ClassVar[Card] = Card(
        title="FBNETGEN",
        summary="A GRU or CNN embeds each ROI's series; the graph of their products mixes Pearson FC rows.",
        paper="Kan et al., MIDL 2022; layers as in Wayfear/BrainNetworkTransformer",
        parameters="1,572,444 at 450 ROIs (preset published)",
        notes="Nodes are mixed by the learned graph (the reference only scales them: reference_mixing=true). Series "
        "are z-scored by ROI. The group loss is averaged over pairs where there are more than two classes. The epoch "
        "is chosen on validation scans only. Preset small has windows of 16 frames, one GRU layer and a predictor of "
        "width 64.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {
            "window": 4, "embedding": 16, "gru_layers": 4, "width": 0, "epochs": 200, "rate": 1e-4, "patience": 200,
        },
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "window", "embedding", "gru_layers"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        for name in ("width", "group_weight", "sparsity"):
            if getattr(self, name) < 0:
                raise BadOption(f"{name}={getattr(self, name)} is negative", "give 0 or more")
        least = self.window if self.encoder == "gru" else self.window + BEYOND_WINDOW
        if self.frames < least:
            raise BadOption(
                f"frames={self.frames} is too short for the {self.encoder} encoder with window={self.window}",
                f"give frames={least} or more, or a shorter window",
            )

    @property
    def used_frames(self) -> int:
        """Frames that the network reads: a multiple of the window for the GRU."""
        return self.frames - self.frames % self.window if self.encoder == "gru" else self.frames

    def encode(self, scan: Scan) -> Arrays:
        """Series (ROI, frames), z-scored over time, and Pearson FC (ROI, ROI)."""
        return to_frames(z_score(scan.series), self.used_frames).T, fc.correlation(scan.series)

    def build(self, shapes: tuple[tuple[int, ...], ...], outputs: int, context: Context) -> nn.Module:
        """See `fbnetgen_network.GraphGenerator`."""
        from .fbnetgen_network import GraphGenerator, Sizes

        rois, frames = shapes[0]
        return GraphGenerator(
            Sizes(
                rois, frames, outputs, self.encoder, self.window, self.embedding, self.gru_layers, self.width,
                self.reference_mixing,
            )
        )  # fmt: skip

    def loss(self, network: nn.Module, arrays: tuple[Tensor, ...], wanted: Tensor, objective: Objective) -> Tensor:
        """Twice the prediction loss, the group loss, and the sum of the learned graphs."""
        from .fbnetgen_network import GraphGenerator, group_loss, mixed_group_loss

        assert isinstance(network, GraphGenerator)
        outputs, graphs = network.with_graph(*arrays)
        scale = len(wanted) if self.cross_entropy == "sum" else 1
        total = 2 * scale * objective.loss(outputs, wanted) + self.sparsity * graphs.sum()
        if self.group_weight and wanted.shape[1] > 1:
            grouped = mixed_group_loss if self.mixup else group_loss
            total = total + self.group_weight * grouped(graphs, wanted)
        return total

    def report(self) -> dict[str, Any]:
        """Those of `NetworkBaseline`, and the frames in use."""
        return super().report() | {"frames": self.used_frames}
