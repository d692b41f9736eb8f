"""Attention that reads functional connectivity from its first step [ours].

From a random start, attention must discover that the product of two time courses matters, which takes far more
scans than a cohort holds. An encoder of ROI series can start there instead:

- time courses are projected on their slowest cosines; the ROI's place lies in other columns of the token;
- queries and keys read the cosines: a token's attention is the similarity of time courses, with a minus sign in
  every second head;
- values carry places: a token gathers the places of the ROIs that it goes with, less those that it goes against,
  which is its row of the connectivity matrix, compressed.

Everything is trained on from there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SHARPNESS = 0.5


class Attending(NamedTuple):
    """Weights (width, width) of an attention layer: of its queries, keys, values and output."""

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor


def slow_cosines(count: int, frames: int) -> Tensor:
    """(count, frames) cosines of rising frequency, scaled so that a unit-variance signal that lies
    within them has coefficients of unit variance."""
    time = torch.arange(frames) + 0.5
    order = torch.arange(1, count + 1).unsqueeze(1)
    return torch.cos(math.pi * order * time / frames) * math.sqrt(2 * min(count, frames)) / frames


def attend_to_connectivity(width: int, heads: int, times: Tensor, places: Tensor, gathered: float) -> Attending:
    """Weights with which tokens gather the places of the ROIs they go with.

    Parameters
    ----------
    times, places
        Columns of a token that hold the cosines, and its ROI's place; a head has room for width / heads of each.
    gathered
        Factor of what is gathered.
    """
    size = width // heads
    read, carry = (_selected(columns[:size], size, width) for columns in (times, places))
    signs = [1.0 if head % 2 == 0 else -1.0 for head in range(heads)]
    gain = math.sqrt(SHARPNESS)
    return Attending(
        torch.cat([sign * gain * read for sign in signs]),
        torch.cat([gain * read] * heads),
        torch.cat([carry] * heads),
        gathered * torch.cat([sign * carry for sign in signs]).T,
    )


def _selected(columns: Tensor, size: int, width: int) -> Tensor:
    """(size, width): row k is 1 at the k-th column."""
    chosen = torch.zeros(size, width)
    chosen[torch.arange(len(columns)), columns] = 1
    return chosen
