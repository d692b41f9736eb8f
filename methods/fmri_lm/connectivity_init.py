"""The start of the small preset: the first block reads functional connectivity, see `benchmark.nn.connectivity`.

Patches are projected on their slowest cosines (half the width), ROI positions lie in the other half.
"""

from __future__ import annotations

import torch

from ...benchmark.nn.connectivity import attend_to_connectivity, slow_cosines
from ...benchmark.nn.transformer import Block
from .tokenizer import Encoder

GATHERED = 3.0


def start_as_connectivity(encoder: Encoder) -> None:
    """Set patch projection, ROI positions and the first attention of an encoder in place."""
    width, frames = encoder.roi.shape[1], encoder.patch.kernel_size[1]
    half = width // 2
    block = encoder.blocks.blocks[0]
    assert isinstance(block, Block)
    columns = torch.arange(width)
    start = attend_to_connectivity(width, block.attention.heads, columns[:half], columns[half : 2 * half], GATHERED)
    with torch.no_grad():
        encoder.patch.weight.zero_()
        encoder.patch.weight[:half, 0, 0] = slow_cosines(half, frames)
        encoder.roi.zero_()
        encoder.roi[:, half:].normal_()
        block.attention.qkv.weight.copy_(torch.cat([start.query, start.key, start.value]))
        block.attention.proj.weight.copy_(start.output)
