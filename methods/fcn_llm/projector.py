"""From FCN tokens to the embedding space of a language model: a lightweight MLP, shared by the scales.

Its shape is ours, since the paper's is unknown: LayerNorm(D) - Linear(D, H) - GELU - Linear(H, H), plus
a learned embedding of the scale (3, H) and of the slot (token, H).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .encoder import SCALES


class Projector(nn.Module):
    """(batch, token, roi) -> (batch, token, width), and the two markers around them.

    Parameters
    ----------
    scale_of_token
        (token,) index of each token's scale.
    gain
        Spread of word embeddings: what comes out has about the same [ours].
    gated
        Add scale and slot embeddings to the hidden layer, where they choose what is read of a slot, rather
        than to the output [ours].
    """

    scale_of_token: Tensor
    gain: Tensor

    def __init__(self, rois: int, width: int, scale_of_token: Tensor, gain: float, gated: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(rois)
        self.inner = nn.Linear(rois, width)
        self.outer = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.randn(len(SCALES), width) * 0.1)
        self.slot = nn.Parameter(torch.randn(len(scale_of_token), width) * (1.0 if gated else 0.5))
        self.markers = nn.Parameter(torch.randn(2, width))
        self.gated = gated
        self.register_buffer("scale_of_token", scale_of_token)
        self.register_buffer("gain", torch.tensor(gain))

    def forward(self, tokens: Tensor) -> Tensor:
        """Embeddings of a network's tokens, without markers."""
        place = self.scale[self.scale_of_token] + self.slot
        hidden = self.inner(self.norm(tokens))
        if self.gated:
            out: Tensor = self.outer(F.gelu(hidden + place))
        else:
            out = self.outer(F.gelu(hidden)) + place
        return out * self.gain

    def framed(self, tokens: Tensor) -> Tensor:
        """Embeddings (batch, token + 2, width) between the markers."""
        ends = (self.markers * self.gain).unsqueeze(1).expand(-1, len(tokens), -1).unsqueeze(2)
        return torch.cat([ends[0], self(tokens), ends[1]], dim=1)
