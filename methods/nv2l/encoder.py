"""The vision transformer that reads a brain: cubes to a class token, features and latents."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...benchmark.nn.transformer import INIT_STD, Transformer
from .brain_options import BrainOptions
from .heads import head

BASE_WIDTH = 768
"""Width at which linear weights start with a spread of 0.02; narrower networks start with more."""

POSITION_STD = 0.5
"""Spread of the learned positions at the start: as large as a projected patch, since voxels differ by place."""


class Seen(NamedTuple):
    """What the network makes of a batch.

    Attributes
    ----------
    features
        (n, d) from f_wc.
    latents
        (n, m) from f_wv; None without that head.
    states
        (n, 1 + tokens, width) of the last but one layer, the class token first.
    """

    features: Tensor
    latents: Tensor | None
    states: Tensor


class BrainTransformer(nn.Module):
    """Patch projection, class token, learned positions, transformer, two heads.

    Parameters
    ----------
    tokens, values
        Tokens of a brain, and values of each.
    features, latents
        Dimensions of the targets; 0 latents for no such head.
    options
        Sizes.
    """

    def __init__(self, tokens: int, values: int, features: int, latents: int, options: BrainOptions) -> None:
        super().__init__()
        width = options.width
        self.token_drop = options.token_drop
        self.project = nn.Linear(values, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, tokens + 1, width))
        self.transformer = Transformer(width, options.layers, options.heads, options.mlp_ratio, options.drop_path)
        self.to_features = head(width, options.head_hidden, features)
        self.to_latents = head(width, options.head_hidden, latents) if latents else None
        self._start(width)

    def _start(self, width: int) -> None:
        """Initial weights, all [ours]: the paper names none."""
        with torch.no_grad():
            for part in (self.transformer, self.to_features, self.to_latents or nn.Identity()):
                for module in part.modules():
                    if isinstance(module, nn.Linear):
                        module.weight.mul_(math.sqrt(BASE_WIDTH / width))
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        nn.init.trunc_normal_(self.class_token, std=INIT_STD)
        nn.init.trunc_normal_(self.positions, std=POSITION_STD)

    def penultimate(self, cubes: Tensor) -> Tensor:
        """States (n, 1 + tokens, width) after the last but one block of cubes (n, tokens, values).

        In training a random share of the patch tokens may be left out, the same number for all of a batch.
        """
        patches = self.project(cubes) + self.positions[:, 1:]
        if self.training and self.token_drop:
            patches = self._some(patches)
        first = (self.class_token + self.positions[:, :1]).expand(len(cubes), -1, -1)
        states = torch.cat([first, patches], dim=1)
        for block in list(self.transformer.blocks)[:-1]:
            states = block(states)
        return states

    def finish(self, states: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (n, d) and latents (n, m) from the states of the last but one layer."""
        last = self.transformer.norm(self.transformer.blocks[-1](states))[:, 0]
        return self.to_features(last), None if self.to_latents is None else self.to_latents(last)

    def forward(self, cubes: Tensor) -> Seen:
        """Cubes (n, tokens, values) to targets and states."""
        states = self.penultimate(cubes)
        return Seen(*self.finish(states), states)

    def _some(self, patches: Tensor) -> Tensor:
        """Each sample with its own random part of the tokens."""
        batch, tokens, width = patches.shape
        left = max(round(tokens * (1 - self.token_drop)), 1)
        chosen = torch.rand(batch, tokens, device=patches.device).argsort(dim=1)[:, :left]
        return patches.gather(1, chosen[..., None].expand(-1, -1, width))
