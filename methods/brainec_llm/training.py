"""Training on the recordings of one network, and reading its graph."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...benchmark.contracts import Context
from ...benchmark.errors import BadData
from ...benchmark.nn.training import batches
from .losses import losses
from .model import BrainEC
from .options import Options

LEAST_RATE = 1e-8


@dataclass
class Trained:
    """What training leaves beside the weights.

    Attributes
    ----------
    history
        Mean of each loss in each epoch.
    graph
        (source, target) average over the batches of the last epoch, dropout on.
    seconds, cpu_seconds
        Wall and processor time of all epochs; a busy machine stretches the first alone.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    graph: Tensor = field(default_factory=lambda: torch.empty(0))
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def rate_of(options: Options, epoch: int) -> float:
    """Learning rate of an epoch (from 0): a cosine of half-period ``cycle``, which rises again."""
    share = (1 + math.cos(math.pi * epoch / options.cycle)) / 2
    return LEAST_RATE + (options.rate - LEAST_RATE) * share


def train(options: Options, model: BrainEC, series: Tensor, context: Context) -> Trained:
    """Adam over ``options.epochs`` epochs of (subject, time, region) series; the last weights stay."""
    rng = np.random.default_rng(context.seed)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=options.rate, fused=True)
    trained, wall, cpu = Trained(), time.perf_counter(), time.process_time()
    model.train()
    for epoch in range(options.epochs):
        for group in optimiser.param_groups:
            group["lr"] = rate_of(options, epoch)
        means, graph = _epoch(options, model, series, optimiser, rng)
        if not math.isfinite(means["total"]):
            raise BadData(
                f"the loss was not finite in epoch {epoch + 1} of {options.epochs}",
                f"try a lower learning rate (--set rate={options.rate / 3:.1g})",
            )
        trained.history.append(means)
        trained.graph = graph
        context.progress("epochs", epoch + 1, options.epochs)
    trained.seconds, trained.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return trained


def _epoch(
    options: Options, model: BrainEC, series: Tensor, optimiser: torch.optim.Optimizer, rng: np.random.Generator
) -> tuple[dict[str, float], Tensor]:
    """One pass: mean losses, and the mean graph of its batches, weighted by their size."""
    totals: dict[str, float] = {}
    graph = torch.zeros(series.shape[2], series.shape[2], device=series.device)
    for rows in batches(np.arange(len(series)), options.batch, rng):
        part = series[torch.from_numpy(rows).to(series.device)]
        output = model(part)
        terms = losses(options, output.series, part, output.graph, output.contrastive)
        optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        weight = len(rows) / len(series)
        graph += weight * output.graph.detach()
        for name, value in terms.items():
            totals[name] = totals.get(name, 0.0) + weight * float(value.detach())
    return totals, graph


def read_graph(options: Options, model: BrainEC, series: Tensor) -> Tensor:
    """(source, target) graph of the trained model, averaged over all subjects, dropout off."""
    model.eval()
    graph = torch.zeros(series.shape[2], series.shape[2], device=series.device)
    with torch.no_grad():
        for part in torch.split(series, options.batch):
            graph += len(part) / len(series) * model(part).graph
    return graph
