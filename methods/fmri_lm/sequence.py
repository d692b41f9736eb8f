"""Sequences of fMRI tokens followed by text: mask, positions, packing.

fMRI tokens come first, time-major. Attention among them is block-causal over time: all ROIs of a step
see one another and every earlier step. Text sees all fMRI tokens and earlier text; fMRI never sees
text. The position of an fMRI token is its time step, shared by all ROIs; text goes on after it.

Text may end in branches: candidate continuations of one prompt, which see the prompt but not one
another, so that all candidate answers are scored in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Text:
    """The text of one sample.

    Attributes
    ----------
    ids
        Token ids.
    branch
        0 for the trunk, else the number of the branch that a token belongs to.
    positions
        Place of each token in its own continuation, from 0.
    parents
        Index of the token that each token follows; -1 for the first.
    """

    ids: list[int] = field(default_factory=list)
    branch: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, trunk: list[int], branches: list[list[int]] | None = None) -> Text:
        """A trunk and the branches that follow it."""
        text = cls(list(trunk), [0] * len(trunk), list(range(len(trunk))), list(range(-1, len(trunk) - 1)))
        for number, ids in enumerate(branches or [], 1):
            for k, token in enumerate(ids):
                text.parents.append(len(trunk) - 1 if k == 0 else len(text.ids) - 1)
                text.ids.append(token)
                text.branch.append(number)
                text.positions.append(len(trunk) + k)
        return text


@dataclass(frozen=True)
class Packed:
    """Texts of a batch padded on the right; all (batch, length)."""

    ids: Tensor
    branch: Tensor
    positions: Tensor
    parents: Tensor
    valid: Tensor

    def to(self, device: str) -> Packed:
        """On another device."""
        return Packed(
            *(value.to(device) for value in (self.ids, self.branch, self.positions, self.parents, self.valid))
        )


def pack(texts: list[Text], padding: int) -> Packed:
    """Pad the texts of a batch on the right with the token ``padding``."""
    length = max(len(text.ids) for text in texts)

    def padded(rows: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([row + [fill] * (length - len(row)) for row in rows])

    valid = torch.arange(length) < torch.tensor([[len(text.ids)] for text in texts])
    return Packed(
        padded([text.ids for text in texts], padding),
        padded([text.branch for text in texts], 0),
        padded([text.positions for text in texts], 0),
        padded([text.parents for text in texts], -1),
        valid,
    )


def attention_mask(steps: int, rois: int, text: Packed) -> Tensor:
    """Which key each query may see, boolean (batch, query, key), over fMRI tokens then text."""
    batch, length = text.ids.shape
    device = text.ids.device
    count = steps * rois
    time = torch.arange(count, device=device) // max(rois, 1)
    mask = torch.zeros(batch, count + length, count + length, dtype=torch.bool, device=device)
    mask[:, :count, :count] = time[None, :] <= time[:, None]
    mask[:, count:, :count] = True
    earlier = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    same = (text.branch[:, None, :] == 0) | (text.branch[:, None, :] == text.branch[:, :, None])
    mask[:, count:, count:] = earlier & same & text.valid[:, None, :]
    # A padded query must see something, or its softmax is undefined.
    return mask | torch.eye(count + length, dtype=torch.bool, device=device)


def position_ids(steps: int, rois: int, text: Packed) -> Tensor:
    """(batch, token) positions: the time step of fMRI tokens, and ``steps`` onwards for text."""
    time = torch.arange(steps * rois, device=text.ids.device) // max(rois, 1)
    return torch.cat([time.expand(len(text.ids), -1), steps + text.positions], dim=1)
