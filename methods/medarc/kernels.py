"""Depthwise kernels along time, and what they say about lags."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INIT_STD = 0.02


class TemporalConv(nn.Module):
    """One kernel of ``length`` TRs for each channel, centred, with zeros beyond the ends and a bias.

    Position j of a kernel weighs what happened ``length // 2 - j`` TRs before a response, so the last
    positions look ahead.
    """

    mask: Tensor

    def __init__(self, width: int, length: int, causal: bool = False, positive: bool = False, tied: bool = False):
        super().__init__()
        self.width, self.positive = width, positive
        self.weight = nn.Parameter(torch.empty(1 if tied else width, length))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.trunc_normal_(self.weight, std=INIT_STD)
        mask = torch.ones(length)
        if causal:
            mask[length // 2 + 1 :] = 0
        self.register_buffer("mask", mask, persistent=False)

    @property
    def kernel(self) -> Tensor:
        """The kernels in use (width, length)."""
        weight = self.weight * self.mask
        return (weight.abs() if self.positive else weight).expand(self.width, -1)

    def forward(self, x: Tensor) -> Tensor:
        """(sample, time, width) -> the same shape."""
        out = F.conv1d(x.transpose(1, 2), self.kernel[:, None], self.bias, padding="same", groups=self.width)
        return out.transpose(1, 2)


def lags(length: int) -> Tensor:
    """Lag in TR of each position of a kernel: positive where the response follows the stimulus."""
    return length // 2 - torch.arange(length)


def response_energy(kernel: Tensor, reading: Tensor, inputs: Tensor) -> Tensor:
    """Energy of the impulse response at each position of a kernel (length,).

    The map from a stream to the parcels at position j is ``reading @ diag(kernel[:, j]) @ inputs``; this is its
    squared Frobenius norm, so what channels cancel does not count.

    Parameters
    ----------
    kernel, reading, inputs
        (width, length), (parcels of all subjects, width) and (width, dimension).
    """
    both = (reading.T @ reading) * (inputs @ inputs.T)
    return torch.einsum("cj,cd,dj->j", kernel, both, kernel)


def told_lags(energy: Tensor) -> dict[str, float]:
    """Where the energy is: its peak, its mean and the share at positive lags, in TR."""
    at, total = lags(len(energy)), energy.sum().clamp_min(1e-30)
    return {
        "peak_lag": int(at[int(energy.argmax())]),
        "mean_lag": round(float((energy * at).sum() / total), 2),
        "share_after_stimulus": round(float(energy[at > 0].sum() / total), 3),
    }
