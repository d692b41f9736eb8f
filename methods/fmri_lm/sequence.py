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


def scan_prefix(
    embeddings: Tensor, steps: int, places: int, opening: Tensor | None = None, closing: Tensor | None = None
) -> Prefix:
    """Embedded fMRI tokens (batch, steps * places, width) as the prefix of a text.

    An ``opening`` tag (batch, tag, width) stands before and a ``closing`` one behind all of them, each token at
    a position of its own.
    """
    device = embeddings.device
    before, after = (0 if tag is None else tag.shape[1] for tag in (opening, closing))
    start, end = torch.arange(before, device=device), before + steps + torch.arange(after, device=device)
    time = torch.cat([start, before + time_steps(steps, places, device), end])
    parts = [part for part in (opening, embeddings, closing) if part is not None]
    whole = torch.cat([part.to(embeddings.dtype) for part in parts], dim=1)
    return Prefix(whole, time[None, :] <= time[:, None], time, before + steps + after)
