"""The control without a language model: a plain classifier on the same tokens (asked for by a reviewer).

Tokens pass the same projector; their mean goes through one linear layer for each attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.contracts import Context, TaskInfo
from ...benchmark.kinds.scans import Scans
from .encoder import Encoder
from .instructions import Item
from .parts import Part, key_of
from .projector import Projector
from .windows import networks, whole

BATCH = 16


class Plain(nn.Module):
    """Encoder, projector, mean over tokens, one head an attribute.

    Parameters
    ----------
    heads
        Attribute -> number of classes (1: a number, whose mean and spread are in ``scales``).
    """

    def __init__(
        self,
        encoder: Encoder,
        projector: Projector,
        heads: Mapping[str, int],
        scales: Mapping[str, tuple[float, float]],
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.heads = dict(heads)
        self.scales = dict(scales)
        width = projector.outer.out_features
        self.layers = nn.ModuleList(nn.Linear(width, count) for count in heads.values())

    def outputs(self, shown: Tensor, key: str) -> Tensor:
        """(batch, classes) of networks (batch, 1, roi, roi)."""
        pooled = self.projector(self.encoder(shown[:, 0])).mean(1) / self.projector.gain
        out: Tensor = self.layers[list(self.heads).index(key)](pooled)
        return out

    def form(self, item: Item) -> tuple[Any, ...]:
        """Items of one form are learned in one pass."""
        return (item.attribute,)

    def loss(self, shown: Tensor, items: Sequence[Item]) -> Tensor:
        """Summed loss of predictive items of one attribute: cross-entropy, or squared error of a number."""
        key = items[0].attribute
        outputs = self.outputs(shown, key)
        if key in self.scales:
            mean, spread = self.scales[key]
            wanted = torch.tensor([(item.value - mean) / spread for item in items], device=shown.device)
            return F.mse_loss(outputs[:, 0], wanted, reduction="sum")
        right = torch.tensor([item.right for item in items], device=shown.device)
        return F.cross_entropy(outputs, right, reduction="sum")


def heads_of(parts: Sequence[Part]) -> tuple[dict[str, int], dict[str, tuple[float, float]]]:
    """The heads of all attributes, and mean and spread of those that are numbers."""
    heads: dict[str, int] = {}
    seen: dict[str, list[np.ndarray]] = {}
    for attribute in (attribute for part in parts for attribute in part.attributes):
        key = key_of(attribute.info)
        heads[key] = len(attribute.info.classes) or 1
        if attribute.numeric:
            seen.setdefault(key, []).append(attribute.values)
    values = {key: np.concatenate(found) for key, found in seen.items()}
    scales = {key: (float(np.nanmean(v)), float(np.nanstd(v)) or 1.0) for key, v in values.items() if len(v)}
    return heads, scales


def predict(plain: Plain, scans: Scans, task: TaskInfo, context: Context) -> np.ndarray:
    """(n, classes) probabilities, or (n,) numbers; equal shares where nothing was learned of the attribute."""
    key = key_of(task)
    if key not in plain.heads:
        return np.full((len(scans), len(task.classes)), 1 / max(len(task.classes), 1))
    plain.eval()
    pieces = whole(scans)
    found = []
    for start in range(0, len(scans), BATCH):
        shown = torch.from_numpy(networks(scans, pieces[start : start + BATCH])).unsqueeze(1).to(context.device)
        with torch.no_grad():
            found.append(plain.outputs(shown, key).double().cpu().numpy())
        context.progress("predicting", min(start + BATCH, len(scans)), len(scans))
    outputs = np.concatenate(found)
    if key in plain.scales:
        mean, spread = plain.scales[key]
        return np.asarray(outputs[:, 0] * spread + mean)
    shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
