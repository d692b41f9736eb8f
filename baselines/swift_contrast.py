"""Contrastive pretraining of SwiFT: augmented views of windows, and the NT-Xent losses between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .swift_network import Backbone

PROJECTION = 128
MAX_ANGLE = 0.175
"""Radians (10 degrees) about each axis."""

MAX_SCALE = 0.1
NOISE_CHANCE, MAX_NOISE = 0.3, 0.1
"""How often noise is added, and its largest deviation; the voxels' own is 1."""

SMOOTH_CHANCE, MAX_SIGMA = 0.1, 0.5
"""How often a view is smoothed, and the largest deviation of the Gaussian along an axis, in voxels."""


class ContrastNetwork(nn.Module):
    """A backbone and the projection whose distances are compared."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.project = nn.Linear(backbone.width, PROJECTION, bias=False)
        self.scale = nn.BatchNorm1d(PROJECTION)

    def forward(self, volumes: Tensor) -> Tensor:
        """(batch, time, x, y, z) -> (batch, 128) of unit length."""
        pooled = self.backbone(volumes).mean(dim=(1, 2, 3, 4))
        return F.normalize(self.scale(self.project(pooled)), dim=1)


def contrast_loss(
    network: ContrastNetwork, windows: Tensor, temperature: float, local_weight: float, cumulative: bool
) -> Tensor:
    """Instance loss plus ``local_weight`` times the local loss.

    Parameters
    ----------
    windows
        (2, scan, time, x, y, z): two windows of each scan that do not overlap.
    cumulative
        Make the second view from the first instead of from the window.

    Instance: two windows of one scan belong together, against all windows of the other scans. Local: two
    views of one window belong together, against the views of the scan's other window. (Kim et al. 2023)
    """
    count = windows.shape[1]
    flat = windows.flatten(0, 1)
    first = augment(flat)
    second = augment(first if cumulative else flat)
    codes = network(torch.cat([first, second])).reshape(2, 2, count, -1)
    instance = nt_xent(codes[0, 0], codes[0, 1], temperature)
    local = nt_xent(codes[0].transpose(0, 1), codes[1].transpose(0, 1), temperature)
    return instance + local_weight * local


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of finding each code's partner among all other codes (..., n, channel), of unit length."""
    count = first.shape[-2]
    codes = torch.cat([first, second], dim=-2)
    alike = codes @ codes.transpose(-1, -2) / temperature
    own = torch.eye(2 * count, dtype=torch.bool, device=codes.device)
    partner = torch.arange(2 * count, device=codes.device).roll(count)
    logits = alike.masked_fill(own, -math.inf).flatten(0, -2)
    return F.cross_entropy(logits, partner.repeat(len(logits) // (2 * count)))


def augment(windows: Tensor) -> Tensor:
    """(batch, time, x, y, z) turned, scaled, and at times noisy or smoothed; all frames of a window alike."""
    return torch.stack([_view(window) for window in windows])


def _view(window: Tensor) -> Tensor:
    """One window (time, x, y, z), its frames as channels."""
    window = _turn(window)
    if float(torch.rand(())) < NOISE_CHANCE:
        noise = torch.randn(window.shape[1:], device=window.device, dtype=window.dtype)
        window = window + float(torch.rand(())) * MAX_NOISE * noise
    if float(torch.rand(())) < SMOOTH_CHANCE:
        window = _smooth(window)
    return window


def _turn(window: Tensor) -> Tensor:
    """Rotate about each axis and scale along each, around the centre; outside is what the border holds."""
    turn = torch.eye(3)
    for axis, angle in enumerate((2 * torch.rand(3) - 1) * MAX_ANGLE):
        a, b = (k for k in range(3) if k != axis)
        step = torch.eye(3)
        step[a, a] = step[b, b] = torch.cos(angle)
        step[a, b], step[b, a] = -torch.sin(angle), torch.sin(angle)
        turn = step @ turn
    scale = 1 + (2 * torch.rand(3) - 1) * MAX_SCALE
    # Coordinates run from -1 to 1 along every axis: on a grid that is no cube a turn is one in voxels.
    sides = torch.tensor([float(side) for side in window.shape[:0:-1]])
    matrix = torch.diag(1 / sides) @ (turn * scale) @ torch.diag(sides)
    affine = torch.cat([matrix, torch.zeros(3, 1)], dim=1)[None].to(window)
    places = F.affine_grid(affine, [1, *window.shape], align_corners=False)
    return F.grid_sample(window[None], places, padding_mode="border", align_corners=False)[0]


def _smooth(window: Tensor) -> Tensor:
    """Convolve with a Gaussian of its own width along each axis."""
    out = window[:, None]
    for axis in range(3):
        sigma = max(float(torch.rand(())) * MAX_SIGMA, 1e-3)
        weights = torch.exp(-0.5 * (torch.arange(-2, 3) / sigma) ** 2)
        shape = [1, 1, *(5 if k == axis else 1 for k in range(3))]
        kernel = (weights / weights.sum()).reshape(shape).to(window)
        padding = [0, 0, 0, 0, 0, 0]
        padding[4 - 2 * axis : 6 - 2 * axis] = 2, 2
        out = F.conv3d(F.pad(out, padding, mode="replicate"), kernel)
    return out[:, 0]
