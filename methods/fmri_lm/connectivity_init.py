"""An initialisation that lets an encoder read functional connectivity from its first step [ours].

From the published random start, attention must discover that the product of two time courses
matters, which takes far more scans than a cohort holds. Here the first block starts there:

- patches are projected on their slowest cosines (half the width), ROI positions lie in the other half;
- queries and keys read the cosines: a token's attention is the similarity of time courses, with a
  minus sign in every second head;
- values carry ROI positions: a token gathers the positions of the ROIs that it goes with, less those
  that it goes against, which is its row of the connectivity matrix, compressed.

Everything is trained on from there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...benchmark.nn.transformer import Block
from .tokenizer import Encoder

SHARPNESS = 0.5
GATHERED = 3.0


def slow_cosines(count: int, frames: int) -> Tensor:
    """(count, frames) cosines of rising frequency, scaled so that a unit-variance signal that lies
    within them has coefficients of unit variance."""
    time = torch.arange(frames) + 0.5
    order = torch.arange(1, count + 1).unsqueeze(1)
    return torch.cos(math.pi * order * time / frames) * math.sqrt(2 * min(count, frames)) / frames


def start_as_connectivity(encoder: Encoder) -> None:
    """Set patch projection, ROI positions and the first attention of an encoder in place."""
    width, frames = encoder.roi.shape[1], encoder.patch.kernel_size[1]
    half = width // 2
    block = encoder.blocks.blocks[0]
    assert isinstance(block, Block)
    heads = block.attention.heads
    size = width // heads
    signs = [1.0 if head % 2 == 0 else -1.0 for head in range(heads)]
    cosines, positions = torch.zeros(size, width), torch.zeros(size, width)
    for row in range(min(size, half)):
        cosines[row, row] = 1
        positions[row, half + row] = 1
    with torch.no_grad():
        encoder.patch.weight.zero_()
        encoder.patch.weight[:half, 0, 0] = slow_cosines(half, frames)
        encoder.roi.zero_()
        encoder.roi[:, half:].normal_()
        gain = math.sqrt(SHARPNESS)
        queries = torch.cat([sign * gain * cosines for sign in signs])
        keys, values = torch.cat([gain * cosines] * heads), torch.cat([positions] * heads)
        block.attention.qkv.weight.copy_(torch.cat([queries, keys, values]))
        block.attention.proj.weight.copy_(GATHERED * torch.cat([sign * positions for sign in signs]).T)
