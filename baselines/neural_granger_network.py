"""Component-wise perceptrons with a group lasso on their inputs, all targets in one set of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

FIRST_RATE, FASTER, SLOWER = 0.05, 1.2, 0.5
"""Step size at the start, and what a step that lowers (or does not lower) the objective makes of it."""


class Networks(NamedTuple):
    """One perceptron with one hidden layer a target; none shares weights with another.

    Attributes
    ----------
    first, first_bias
        (target, hidden, source, lag) and (target, hidden). All weights of a source are one group.
    last, last_bias
        (target, hidden) and (target,).
    """

    first: Tensor
    first_bias: Tensor
    last: Tensor
    last_bias: Tensor

    def predict(self, pasts: Tensor) -> Tensor:
        """Predicted frames (frame, target) from pasts (frame, source * lag)."""
        nodes, hidden = self.first_bias.shape
        inner = torch.addmm(self.first_bias.reshape(-1, 1), self.first.reshape(nodes * hidden, -1), pasts.T)
        outer = torch.bmm(self.last[:, None], torch.relu(inner).reshape(nodes, hidden, -1))
        return outer[:, 0].T + self.last_bias

    def norms(self) -> Tensor:
        """(target, source) Euclidean norms of the groups."""
        return self.first.pow(2).sum(dim=(1, 3)).sqrt()


def initial(nodes: int, hidden: int, lag: int, device: str) -> Networks:
    """Random weights of the usual size: uniform within one over the root of the number of inputs."""

    def uniform(inputs: int, *shape: int) -> Tensor:
        drawn: Tensor = (torch.rand(*shape) * 2 - 1) / inputs**0.5
        return drawn.to(device)

    first = uniform(nodes * lag, nodes, hidden, nodes, lag)
    bias = uniform(nodes * lag, nodes, hidden)
    return Networks(first, bias, uniform(hidden, nodes, hidden), torch.zeros(nodes, device=device))


def windows(recordings: Sequence[Tensor], lag: int) -> tuple[Tensor, Tensor]:
    """Pasts (frame, source * lag) and the frames (frame, node) that follow them, none across a seam."""
    pasts = [series.unfold(0, lag, 1)[:-1].reshape(len(series) - lag, -1) for series in recordings]
    return torch.cat(pasts), torch.cat([series[lag:] for series in recordings])


def path(
    networks: Networks,
    pasts: Tensor,
    frames: Tensor,
    penalties: Sequence[float],
    steps: int,
    ridge: float,
    progress: Callable[[int], None],
) -> Tensor:
    """Train through rising penalties; returns the (target, source) norms of the groups, averaged over them.

    Parameters
    ----------
    pasts, frames
        As `windows` makes them.
    penalties
        Factors of the group lasso, from weak to strong; each goes on from the weights before it.
    steps
        Proximal gradient steps a penalty.
    ridge
        Factor of the squared weights of the last layer; without it the first layer could shrink for free.
    progress
        Called with the number of penalties done.
    """
    rates = torch.full((len(networks.last),), FIRST_RATE, device=pasts.device)
    total = torch.zeros_like(networks.norms())
    here = _point(networks, pasts, frames, ridge)
    for done, penalty in enumerate(penalties):
        for _ in range(steps):
            here, rates = _step(here, rates, pasts, frames, penalty, ridge)
        total += here.networks.norms()
        progress(done + 1)
    return total / len(penalties)


class _Point(NamedTuple):
    """Networks, their losses (target,) without the lasso, and the gradients of these."""

    networks: Networks
    losses: Tensor
    slopes: Networks


def _point(networks: Networks, pasts: Tensor, frames: Tensor, ridge: float) -> _Point:
    tracked = Networks(*(weights.detach().requires_grad_() for weights in networks))
    losses = _losses(tracked, pasts, frames, ridge)
    slopes = torch.autograd.grad(losses.sum(), list(tracked))
    return _Point(networks, losses.detach(), Networks(*slopes))


def _step(
    here: _Point, rates: Tensor, pasts: Tensor, frames: Tensor, penalty: float, ridge: float
) -> tuple[_Point, Tensor]:
    """One step of every target by itself: taken where it lowers the objective, tried smaller next time where not.

    Losses and gradients are computed once a step, at its end: a target that stays where it was keeps its own.
    """
    networks, losses, slopes = here
    moved = Networks(
        *(weights - _wide(rates, weights) * slope for weights, slope in zip(networks, slopes, strict=True))
    )
    keep = (1 - penalty * rates[:, None] / moved.norms().clamp_min(1e-12)).clamp_min(0)
    there = _point(moved._replace(first=moved.first * keep[:, None, :, None]), pasts, frames, ridge)
    before = losses + penalty * networks.norms().sum(dim=1)
    after = there.losses + penalty * there.networks.norms().sum(dim=1)
    better = after <= before
    taken = _Point(
        _chosen(better, there.networks, networks),
        torch.where(better, there.losses, losses),
        _chosen(better, there.slopes, slopes),
    )
    return taken, rates * torch.where(better, FASTER, SLOWER)


def _chosen(better: Tensor, new: Networks, old: Networks) -> Networks:
    return Networks(*(torch.where(_wide(better, b), a, b) for a, b in zip(new, old, strict=True)))


def _losses(networks: Networks, pasts: Tensor, frames: Tensor, ridge: float) -> Tensor:
    """(target,) mean squared errors with the ridge on the last layer."""
    return (networks.predict(pasts) - frames).pow(2).mean(dim=0) + ridge * networks.last.pow(2).sum(dim=1)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """(target,) values with as many trailing axes as weights have."""
    return values.reshape(-1, *[1] * (like.dim() - 1))
