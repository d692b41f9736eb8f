"""Graph convolution over neighbouring voxels, with heads for image features and a Gaussian over latents."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

LOG_VARIANCES = (-6.0, 4.0)


def neighbours(index: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Pairs (2, n) of positions in ``index`` whose voxels touch, by face, edge or corner; each pair both ways.

    ``index`` (voxels,) are flat C-order positions in a grid of ``shape``. A neighbour outside the mask or the
    grid is none.
    """
    place = np.full(np.prod([side + 2 for side in shape]), -1)
    wide = tuple(side + 2 for side in shape)  # a margin, so that no step wraps round
    inside = np.ravel_multi_index(tuple(axis + 1 for axis in np.unravel_index(index, shape)), wide)
    place[inside] = np.arange(len(index))
    pairs = []
    for step in itertools.product((-1, 0, 1), repeat=3):
        if not any(step):
            continue
        found = place[inside + (step[0] * wide[1] + step[1]) * wide[2] + step[2]]
        pairs.append(np.stack([np.flatnonzero(found >= 0), found[found >= 0]]))
    return np.concatenate(pairs, 1)


def average(pairs: np.ndarray, voxels: int) -> Tensor:
    """The sparse (voxels, voxels) matrix that takes the mean over a voxel's neighbours; 0 where it has none."""
    degree = np.bincount(pairs[0], minlength=voxels)
    weights = torch.as_tensor(1 / degree[pairs[0]], dtype=torch.float32)
    return torch.sparse_coo_tensor(torch.as_tensor(pairs), weights, (voxels, voxels), check_invariants=True).coalesce()


class GraphConvolution(nn.Module):
    """A linear map of a voxel's own channels plus one of its neighbours' mean."""

    def __init__(self, graph: Tensor, inside: int, outside: int) -> None:
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.own, self.around = nn.Linear(inside, outside), nn.Linear(inside, outside, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Channels (voxels, batch, inside) -> (voxels, batch, outside)."""
        mean = torch.sparse.mm(self.graph, values.flatten(1)).view_as(values)
        out: Tensor = self.own(values) + self.around(mean)
        return out


class Decoded(NamedTuple):
    """Features (batch, features), and mean and log variance (batch, latents) of the latents where there are any."""

    features: Tensor
    mean: Tensor | None
    log_variance: Tensor | None


class GraphNetwork(nn.Module):
    """Graph convolutions with GELU, then a linear layer over all voxels, then the heads."""

    def __init__(self, graph: Tensor, channels: int, layers: int, hidden: int, features: int, latents: int) -> None:
        super().__init__()
        sizes = [1] + [channels] * layers
        self.layers = nn.ModuleList(
            GraphConvolution(graph, inside, outside) for inside, outside in itertools.pairwise(sizes)
        )
        self.read = nn.Sequential(
            nn.Linear(graph.shape[0] * channels, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(0.5)
        )
        self.features = nn.Linear(hidden, features)
        self.gaussian = nn.Linear(hidden, 2 * latents) if latents else None

    def forward(self, voxels: Tensor) -> Decoded:
        """What the heads say of responses (batch, voxels)."""
        values = voxels.T[..., None]
        for layer in self.layers:
            values = nn.functional.gelu(layer(values))
        hidden = self.read(values.transpose(0, 1).flatten(1))
        if self.gaussian is None:
            return Decoded(self.features(hidden), None, None)
        mean, log_variance = self.gaussian(hidden).chunk(2, 1)
        return Decoded(self.features(hidden), mean, log_variance.clamp(*LOG_VARIANCES))
