"""The networks of Brain-JEPA: encoder, predictor, classifier, and the pretraining that joins them.

A token is one ROI over one patch of time; tokens are ROI-major (index = roi * steps + step), as in the
published weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..benchmark.nn.connectivity import attend_to_connectivity, slow_cosines
from ..benchmark.nn.transformer import INIT_STD, Block, Transformer, init_linear

GATHERED = 10.0
SPREAD = 5.0


def sinusoids(steps: int, width: int) -> Tensor:
    """(steps, width) fixed positions in time: sines, then cosines, of falling frequency."""
    frequency = 10_000.0 ** -(torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angle = torch.arange(steps, dtype=torch.float64)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


class Positions(nn.Module):
    """Half the width is the time patch's sinusoid, half a linear map of the ROI's gradient coordinates.

    The mapped coordinates are scaled to -1 .. 1 over the whole table.
    """

    time: Tensor

    def __init__(self, steps: int, width: int, coordinates: int) -> None:
        super().__init__()
        self.place = nn.Linear(coordinates, width // 2)
        self.register_buffer("time", sinusoids(steps, width // 2), persistent=False)

    def time_table(self, rois: int) -> Tensor:
        """(roi * step, width / 2): the fixed half."""
        return self.time.repeat(rois, 1)

    def forward(self, gradients: Tensor) -> Tensor:
        """(roi * step, width) from coordinates (roi, k)."""
        place = self.place(gradients)
        low, high = place.min(), place.max()
        place = (place - low) / (high - low).clamp_min(1e-12) * 2 - 1
        return torch.cat([self.time_table(len(gradients)), place.repeat_interleave(len(self.time), dim=0)], dim=1)


class Encoder(nn.Module):
    """ViT over (ROI, time patch) tokens.

    Parameters
    ----------
    gradients
        (roi, k) coordinates of the ROIs; kept with the weights, not trained.
    frames, patch
        Input frames, and frames of a patch; a remainder at the end is left out.
    width, depth, heads
        Of the ViT; MLPs are four times as wide.
    """

    gradients: Tensor

    def __init__(self, gradients: Tensor, frames: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.rois, self.steps, self.width, self.heads = len(gradients), frames // patch, width, heads
        self.register_buffer("gradients", gradients.float().clone())
        self.patch = nn.Linear(patch, width)
        self.positions = Positions(self.steps, width, gradients.shape[1])
        self.blocks = Transformer(width, depth, heads)
        init_linear(self.patch)
        init_linear(self.positions.place)

    def forward(self, series: Tensor, keep: Tensor | None = None) -> Tensor:
        """(batch, token, width) of series (batch, roi, frames); of the tokens (batch, n) to ``keep`` alone."""
        batch, size = len(series), self.patch.in_features
        patches = series[..., : self.steps * size].reshape(batch, self.rois * self.steps, size)
        tokens = self.patch(patches) + self.positions(self.gradients)
        out: Tensor = self.blocks(tokens if keep is None else pick(tokens, keep))
        return out


def pick(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (batch, n, width) at index (batch, n) of (batch, token, width)."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


class Predictor(nn.Module):
    """Features of hidden tokens from those of seen ones and their positions."""

    def __init__(self, encoder: Encoder, width: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Linear(encoder.width, width)
        self.mask = nn.Parameter(torch.empty(1, 1, width))
        self.positions = Positions(encoder.steps, width, encoder.gradients.shape[1])
        self.blocks = Transformer(width, depth, encoder.heads)
        self.project = nn.Linear(width, encoder.width)
        for layer in (self.embed, self.positions.place, self.project):
            init_linear(layer)
        nn.init.trunc_normal_(self.mask, std=INIT_STD)

    def forward(self, seen: Tensor, where: Tensor, hidden: Tensor, gradients: Tensor) -> Tensor:
        """(batch, hidden, encoder width), from features (batch, seen, encoder width) and token indices."""
        table = self.positions(gradients)
        known, asked = self.embed(seen) + table[where], self.mask + table[hidden]
        out: Tensor = self.blocks(torch.cat([known, asked], dim=1))
        predicted: Tensor = self.project(out[:, where.shape[1] :])
        return predicted


class Pretraining(nn.Module):
    """Encoder, its slowly following target, and the predictor between them.

    Parameters
    ----------
    width, depth
        Of the predictor.
    momentum
        Share of itself that the target keeps at the first step: 0.996 as published. It rises to 1.
    """

    def __init__(self, encoder: Encoder, width: int, depth: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.encoder = encoder
        self.target = copy.deepcopy(encoder).requires_grad_(False)
        self.predictor = Predictor(encoder, width, depth)

    def loss(self, series: Tensor, seen: Tensor, hidden: Tensor) -> Tensor:
        """Smooth L1 between predicted and layer-normed target features of the hidden tokens."""
        with torch.no_grad():
            whole = self.target(series)
            wanted = pick(F.layer_norm(whole, whole.shape[-1:]), hidden)
        predicted = self.predictor(self.encoder(series, seen), seen, hidden, self.encoder.gradients)
        return F.smooth_l1_loss(predicted.float(), wanted.float())

    @torch.no_grad()
    def follow(self, share: float) -> None:
        """Move the target, after the step with which ``share`` of the training is done."""
        momentum = self.momentum + (1 - self.momentum) * share
        for slow, fast in zip(self.target.parameters(), self.encoder.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)


class Classifier(nn.Module):
    """Mean token, LayerNorm, linear head."""

    def __init__(self, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.LayerNorm(encoder.width, eps=1e-6)
        self.head = nn.Linear(encoder.width, outputs)
        init_linear(self.head)

    def forward(self, series: Tensor) -> Tensor:
        """(batch, outputs) of series (batch, roi, frames)."""
        out: Tensor = self.head(self.norm(self.encoder(series).mean(dim=1)))
        return out


def start_as_connectivity(encoder: Encoder) -> None:
    """Let the first block read connectivity from its first step, see `benchmark.nn.connectivity` [ours].

    The cosines lie among the sines of the time positions, which are near 0 for the few patches of a scan. What is
    gathered are gradient coordinates. The MLP's weights are larger than elsewhere, so that it mixes a token's row of
    the connectivity matrix with the ROI's own place.
    """
    width, frames = encoder.width, encoder.patch.in_features
    first, count = width // 16, min(width // encoder.heads, width // 4 - width // 16, frames)
    columns = torch.arange(width)
    start = attend_to_connectivity(
        width, encoder.heads, columns[first : first + count], columns[width // 2 :], GATHERED
    )
    block = encoder.blocks.blocks[0]
    assert isinstance(block, Block)
    with torch.no_grad():
        encoder.patch.weight.zero_()
        encoder.patch.weight[first : first + count] = slow_cosines(count, frames)
        block.attention.qkv.weight.copy_(torch.cat([start.query, start.key, start.value]))
        for layer in (block.mlp[0], block.mlp[2]):
            assert isinstance(layer, nn.Linear)
            layer.weight.mul_(SPREAD)
        block.attention.proj.weight.copy_(start.output)


PUBLISHED = {
    "patch_embed.proj.": "patch.",
    "pos_embed_proj.predictor_pos_embed_proj.": "positions.place.",
    "norm.": "blocks.norm.",
}


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names for the tensors of a published encoder; the fixed time table is left out."""
    found = {}
    for name, value in state.items():
        if name == "pos_embed_proj.emb_h":
            continue
        if name.startswith("blocks."):
            name = name.replace(".attn.", ".attention.").replace(".fc1.", ".0.").replace(".fc2.", ".2.")
            found["blocks." + name] = value
            continue
        for theirs, ours in PUBLISHED.items():
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
                break
        found[name] = value.reshape(len(value), -1) if name == "patch.weight" else value
    return found
