"""Losses that TRIBE is trained with, of predictions and responses (TR, parcel)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

EPS = 1e-8


def pearson(predicted: Tensor, wanted: Tensor) -> Tensor:
    """1 - the mean over parcels of Pearson r along the rows of a batch."""
    a, b = predicted - predicted.mean(0), wanted - wanted.mean(0)
    norms = a.square().sum(0).sqrt() * b.square().sum(0).sqrt()
    return 1 - ((a * b).sum(0) / (norms + EPS)).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "pearson": pearson,
    "smooth-l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
}
