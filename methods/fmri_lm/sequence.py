"""The scan's part of a sequence: which fMRI tokens see one another, and their positions.

fMRI tokens are time-major. Attention among them is block-causal over time: all ROIs of a step see one
another and every earlier step. The position of an fMRI token is its time step, shared by all ROIs;
text goes on after it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...benchmark.nn.packing import Prefix


def time_steps(steps: int, rois: int, device: torch.device | str = "cpu") -> Tensor:
    """(token,) time step of each fMRI token: its position."""
    return torch.arange(steps, device=device).repeat_interleave(rois)


def scan_prefix(embeddings: Tensor, steps: int, rois: int) -> Prefix:
    """Embedded fMRI tokens (batch, token, width) as the prefix of a text."""
    time = time_steps(steps, rois, embeddings.device)
    return Prefix(embeddings, time[None, :] <= time[:, None], time, steps)
