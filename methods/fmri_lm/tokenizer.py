"""Stage 1 network: the text-aligned vector-quantised tokenizer of fMRI-LM.

A token is one ROI over one time patch. **Tokens are time-major everywhere**: index = step * roi
count + roi. The reference code flattens ROI-major and then masks and shifts as if time-major; here
the order is set once, in `Encoder.forward`, and every later part relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...benchmark.nn.transformer import INIT_STD, Transformer, init_linear
from .quantizers import FiniteScalarQuantizer, Quantised, Quantizer


@dataclass(frozen=True)
class TokenizerShape:
    """Sizes of the tokenizer.

    Attributes
    ----------
    rois, frames, patch
        Input (rois, frames), cut along time into patches of ``patch`` frames.
    width, depth, decoder_depth, heads
        Of the ViT encoder and decoder; MLPs are four times as wide.
    codes, code_width
        Entries of the codebook and their dimension.
    drop_path
        Stochastic depth of the last block.
    levels
        Of finite scalar quantisation, whose product is ``codes`` and whose number is ``code_width``; empty for a
        codebook.
    """

    rois: int
    frames: int
    patch: int
    width: int
    depth: int
    decoder_depth: int
    heads: int
    codes: int = 8192
    code_width: int = 128
    drop_path: float = 0.1
    levels: tuple[int, ...] = ()

    @property
    def steps(self) -> int:
        """Time patches of a scan."""
        return self.frames // self.patch

    @property
    def tokens(self) -> int:
        """Tokens of a scan."""
        return self.steps * self.rois


class Encoder(nn.Module):
    """(batch, roi, frame) series -> (batch, token, width), time-major."""

    def __init__(self, shape: TokenizerShape) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, shape.width, (1, shape.patch), stride=(1, shape.patch))
        self.roi = nn.Parameter(torch.randn(shape.rois, shape.width) * INIT_STD)
        self.blocks = Transformer(shape.width, shape.depth, shape.heads, drop_path=shape.drop_path)
        init_linear(self.patch)

    def forward(self, series: Tensor) -> Tensor:
        """Contextual tokens; there is no temporal position, as published."""
        patches = self.patch(series.unsqueeze(1))  # (batch, width, roi, step)
        tokens = patches.permute(0, 3, 2, 1) + self.roi  # (batch, step, roi, width)
        out: Tensor = self.blocks(tokens.flatten(1, 2))
        return out


class Decoder(nn.Module):
    """(batch, token, code width) codes -> (batch, roi, frame) series."""

    def __init__(self, shape: TokenizerShape) -> None:
        super().__init__()
        self.shape = shape
        self.lift = nn.Linear(shape.code_width, shape.width)
        self.roi = nn.Parameter(torch.randn(shape.rois, shape.width) * INIT_STD)
        self.blocks = Transformer(shape.width, shape.decoder_depth, shape.heads, drop_path=shape.drop_path)
        init_linear(self.lift)

    def forward(self, codes: Tensor) -> Tensor:
        """(batch, roi, step * width): each ROI's decoded steps side by side."""
        steps, rois, width = self.shape.steps, self.shape.rois, self.shape.width
        tokens = self.lift(codes).unflatten(1, (steps, rois)) + self.roi
        decoded = self.blocks(tokens.flatten(1, 2)).unflatten(1, (steps, rois))
        out: Tensor = decoded.transpose(1, 2).reshape(-1, rois, steps * width)
        return out


class Tokenizer(nn.Module):
    """Encoder, code head, quantiser, decoder and reconstruction head."""

    def __init__(self, shape: TokenizerShape, *, decay: float = 0.99, beta: float = 1.0) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.to_code = nn.Sequential(
            nn.Linear(shape.width, shape.width), nn.Tanh(), nn.Linear(shape.width, shape.code_width)
        )
        self.quantizer = (
            FiniteScalarQuantizer(shape.levels)
            if shape.levels
            else Quantizer(shape.codes, shape.code_width, decay=decay, beta=beta)
        )
        self.decoder = Decoder(shape)
        self.to_series = nn.Sequential(
            nn.Linear(shape.width * shape.steps, shape.width), nn.Tanh(), nn.Linear(shape.width, shape.frames)
        )
        self.to_code.apply(init_linear)
        self.to_series.apply(init_linear)

    def quantise(self, tokens: Tensor) -> Quantised:
        """Codes of encoder tokens (batch, token, width)."""
        result: Quantised = self.quantizer(self.to_code(tokens))
        return result

    def reconstruct(self, vectors: Tensor) -> Tensor:
        """(batch, roi, frame) series from (batch, token, code width)."""
        out: Tensor = self.to_series(self.decoder(vectors))
        return out


def trainable(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
