"""The layers and losses of FBNETGEN.

The learned graph is a product of embeddings, ``m = E E^T``, so ``m @ x`` is computed as ``E (E^T x)``
and the graph itself is formed only for the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, starmap

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
GRU_DROPOUT = 0.5
KERNEL = 8
POOL = 16
BETWEEN = 2.0


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network.

    Attributes
    ----------
    rois, frames, outputs
        Of the data; the window of a GRU divides the frames.
    encoder
        "gru" or "cnn".
    window, embedding, gru_layers
        Of the encoder.
    width
        Width of the predictor's layers; 0 for the number of ROIs.
    reference_mixing
        Scale each node by the sum of its row of the graph instead of mixing nodes.
    """

    rois: int
    frames: int
    outputs: int
    encoder: str
    window: int
    embedding: int
    gru_layers: int
    width: int
    reference_mixing: bool


class GruEncoder(nn.Module):
    """Series (batch, ROI, frames) -> embeddings (batch, ROI, embedding), window by window."""

    def __init__(self, window: int, layers: int, embedding: int) -> None:
        super().__init__()
        self.window = window
        self.gru = nn.GRU(window, window, layers, bidirectional=True, batch_first=True)
        self.linear = nn.Sequential(
            nn.Dropout(GRU_DROPOUT), nn.Linear(2 * window, window), nn.LeakyReLU(SLOPE), nn.Linear(window, embedding)
        )

    def forward(self, series: Tensor) -> Tensor:
        """Embeddings, before the softmax."""
        batch, rois, _ = series.shape
        states, _ = self.gru(series.reshape(batch * rois, -1, self.window))
        out: Tensor = self.linear(states[:, -1].reshape(batch, rois, -1))
        return out


def pooled_frames(frames: int, window: int) -> int:
    """Numbers that a channel of the CNN encoder keeps of so many frames; 0 when they are too few."""
    return ((frames - window) // 2 + 1 - 2 * (KERNEL - 1)) // POOL


class CnnEncoder(nn.Module):
    """Series (batch, ROI, frames) -> embeddings (batch, ROI, embedding) by three convolutions over time."""

    def __init__(self, window: int, frames: int, embedding: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(1, 32, window, stride=2), nn.BatchNorm1d(32),
            nn.Conv1d(32, 32, KERNEL), nn.BatchNorm1d(32),
            nn.Conv1d(32, 16, KERNEL), nn.BatchNorm1d(16),
            nn.MaxPool1d(POOL),
        )  # fmt: skip
        self.linear = nn.Sequential(
            nn.Linear(16 * pooled_frames(frames, window), 32), nn.LeakyReLU(SLOPE), nn.Linear(32, embedding)
        )

    def forward(self, series: Tensor) -> Tensor:
        """Embeddings, before the softmax. Each frame is first z-scored over ROIs."""
        batch, rois, frames = series.shape
        levelled = F.instance_norm(series.transpose(1, 2)).transpose(1, 2)
        found = self.convolutions(levelled.reshape(batch * rois, 1, frames))
        out: Tensor = self.linear(found.reshape(batch, rois, -1))
        return out


class Predictor(nn.Module):
    """Three rounds of mixing nodes, dense layers and batch norm; then the outputs."""

    def __init__(self, rois: int, width: int, outputs: int, reference_mixing: bool) -> None:
        super().__init__()
        leaky = nn.LeakyReLU(SLOPE)
        self.dense1 = nn.Sequential(nn.Linear(rois, width), leaky, nn.Linear(width, width))
        self.norm1 = nn.BatchNorm1d(width)
        self.dense2 = nn.Sequential(nn.Linear(width, width), leaky)
        self.norm2 = nn.BatchNorm1d(width)
        self.dense3 = nn.Sequential(nn.Linear(width, 64), leaky, nn.Linear(64, 8), leaky)
        self.norm3 = nn.BatchNorm1d(rois)
        self.out = nn.Sequential(
            nn.Linear(8 * rois, 256), leaky, nn.Linear(256, 32), leaky, nn.Linear(32, outputs)
        )  # fmt: skip
        self.reference_mixing = reference_mixing

    def mix(self, embeddings: Tensor, nodes: Tensor) -> Tensor:
        """``m @ nodes`` for the graph ``m = E E^T``; with the reference's slip, nodes scaled by m's row sums."""
        if self.reference_mixing:
            return nodes * (embeddings @ embeddings.sum(dim=1).unsqueeze(-1))
        return embeddings @ (embeddings.transpose(1, 2) @ nodes)

    def forward(self, embeddings: Tensor, nodes: Tensor) -> Tensor:
        """Outputs (batch, outputs) from embeddings (batch, ROI, embedding) and FC rows (batch, ROI, ROI)."""
        nodes = self.dense1(self.mix(embeddings, nodes))
        nodes = self.norm1(nodes.flatten(0, 1)).view_as(nodes)
        nodes = self.dense2(self.mix(embeddings, nodes))
        nodes = self.norm2(nodes.flatten(0, 1)).view_as(nodes)
        nodes = self.norm3(self.dense3(self.mix(embeddings, nodes)))
        out: Tensor = self.out(nodes.flatten(1))
        return out


class GraphGenerator(nn.Module):
    """FBNETGEN (Kan et al. 2022): embeddings of series make a graph that mixes connectivity rows."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.encoder: nn.Module
        if sizes.encoder == "gru":
            self.encoder = GruEncoder(sizes.window, sizes.gru_layers, sizes.embedding)
        else:
            self.encoder = CnnEncoder(sizes.window, sizes.frames, sizes.embedding)
        self.predictor = Predictor(sizes.rois, sizes.width or sizes.rois, sizes.outputs, sizes.reference_mixing)

    def forward(self, series: Tensor, matrix: Tensor) -> Tensor:
        """Outputs (batch, outputs) of series (batch, ROI, frames) and connectivity (batch, ROI, ROI)."""
        return self.with_graph(series, matrix)[0]

    def with_graph(self, series: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, and the learned graph (batch, ROI, ROI)."""
        embeddings = torch.softmax(self.encoder(series), dim=-1)
        return self.predictor(embeddings, matrix), embeddings @ embeddings.transpose(1, 2)


def group_loss(graphs: Tensor, shares: Tensor) -> Tensor:
    """Graphs of a class are alike, graphs of two classes are not (for labels that are not mixed).

    Parameters
    ----------
    graphs
        (batch, ROI, ROI).
    shares
        (batch, classes) one-hot labels.

    Returns
    -------
    The variance within classes of two graphs or more, plus ``2 (1 - d)`` with the mean squared
    difference d of class means, averaged over pairs of classes that are in the batch.
    """
    members = [graphs[shares[:, label] > 0.5] for label in range(shares.shape[1])]
    within = [one.var(dim=0).mean() for one in members if len(one) > 1]
    return _group([one.mean(dim=0) for one in members if len(one)], within, lambda a, b: ((a - b) ** 2).mean())


def mixed_group_loss(graphs: Tensor, shares: Tensor) -> Tensor:
    """The same for mixed labels: class centres weighted by label, and absolute differences."""
    present = [label for label in shares.T if float(label.sum()) > 0]
    centres = [torch.tensordot(label, graphs, 1) / label.sum() for label in present]
    within = [
        torch.dot(label, (graphs - centre).abs().mean(dim=(1, 2))) / label.sum()
        for label, centre in zip(present, centres, strict=True)
    ]
    return _group(centres, within, lambda a, b: (a - b).abs().mean())


def _group(centres: list[Tensor], within: list[Tensor], distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    total = sum(within, centres[0].new_zeros(()))
    pairs = list(starmap(distance, combinations(centres, 2)))
    return total + BETWEEN * (1 - torch.stack(pairs).mean()) if pairs else total
