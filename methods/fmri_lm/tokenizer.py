"""Stage 1 network: the text-aligned vector-quantised tokenizer of fMRI-LM.

A token is one ROI over one time patch. **Tokens are time-major everywhere**: index = step * roi
count + roi. The reference code flattens ROI-major and then masks and shifts as if time-major; here
the order is set once, in `Encoder.forward`, and every later part relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.nn.transformer import INIT_STD, Transformer, init_linear


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


class Quantised(NamedTuple):
    """Result of quantising: straight-through vectors, code indices, commitment loss."""

    vectors: Tensor
    codes: Tensor
    loss: Tensor


class Quantizer(nn.Module):
    """Nearest entry of an L2-normalised codebook that follows its vectors by moving average.

    Codes start by spherical k-means on the first training batch; afterwards each used code moves to
    ``normalise(decay * code + (1 - decay) * normalise(mean of its vectors))``. Unused codes stay.
    The loss is ``beta * mean((stop_gradient(code) - z)^2)``.
    """

    codebook: Tensor
    ready: Tensor

    def __init__(self, codes: int, width: int, *, decay: float = 0.99, beta: float = 1.0, iterations: int = 10) -> None:
        super().__init__()
        self.decay = decay
        self.beta = beta
        self.iterations = iterations
        self.register_buffer("codebook", F.normalize(torch.randn(codes, width), dim=-1))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, z: Tensor) -> Quantised:
        """Quantise (..., width); updates the codebook while training."""
        unit = F.normalize(z.float(), dim=-1)
        flat = unit.detach().reshape(-1, unit.shape[-1])
        if self.training and not bool(self.ready):
            self.codebook.copy_(spherical_kmeans(flat, len(self.codebook), self.iterations))
            self.ready.fill_(True)
        codes = nearest(flat, self.codebook)
        chosen = self.codebook[codes].view_as(unit)
        if self.training:
            self.codebook.copy_(moved(self.codebook, flat, codes, self.decay))
        loss = self.beta * F.mse_loss(unit, chosen)
        return Quantised(unit + (chosen - unit).detach(), codes.view(unit.shape[:-1]), loss)


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Index (n,) of the nearest unit code of each unit vector: the largest cosine."""
    parts = [(part @ codebook.T).argmax(1) for part in torch.split(vectors, 8192)]
    return torch.cat(parts)


def moved(codebook: Tensor, vectors: Tensor, codes: Tensor, decay: float) -> Tensor:
    """The codebook after one moving-average step towards its assigned unit vectors."""
    sums = torch.zeros_like(codebook).index_add_(0, codes, vectors)
    used = torch.bincount(codes, minlength=len(codebook)).unsqueeze(1) > 0
    step = F.normalize(decay * codebook + (1 - decay) * F.normalize(sums, dim=-1), dim=-1)
    return torch.where(used, step, codebook)


def spherical_kmeans(vectors: Tensor, count: int, iterations: int) -> Tensor:
    """``count`` unit centres of unit vectors (n, width); an empty cluster keeps its centre."""
    n = len(vectors)
    drawn = torch.randperm(n)[:count] if n >= count else torch.randint(n, (count,))
    centres = vectors[drawn.to(vectors.device)]
    for _ in range(iterations):
        centres = moved(centres, vectors, nearest(vectors, centres), decay=0.0)
    return centres


class Tokenizer(nn.Module):
    """Encoder, code head, quantiser, decoder and reconstruction head."""

    def __init__(self, shape: TokenizerShape, *, decay: float = 0.99, beta: float = 1.0) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.to_code = nn.Sequential(
            nn.Linear(shape.width, shape.width), nn.Tanh(), nn.Linear(shape.width, shape.code_width)
        )
        self.quantizer = Quantizer(shape.codes, shape.code_width, decay=decay, beta=beta)
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
