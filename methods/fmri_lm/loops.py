"""What the three stages share: shuffled batches, AdamW, a cosine schedule, progress, a loss history."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.contracts import Context
from ...benchmark.nn.training import batches

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """How a stage is optimised.

    Attributes
    ----------
    label
        Shown beside the progress bar.
    epochs, batch, rate
        Passes over the scans, scans a step, and peak learning rate; it falls to a tenth (cosine)
        after a short linear rise.
    most_steps
        Steps after which the stage ends whatever the epochs (0: no such limit); the cosine ends there.
    weight_decay, betas, clip
        Of AdamW (decay on tensors of rank two and more), and the gradient norm's limit (0: none).
    """

    label: str
    epochs: int
    batch: int
    rate: float
    most_steps: int
    weight_decay: float
    betas: tuple[float, float]
    clip: float = 0.0


def optimise(
    schedule: Schedule,
    modules: Iterable[nn.Module],
    count: int,
    losses: Callable[[np.ndarray, float], Losses],
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Minimise ``losses(rows, fraction of training done)["total"]`` over ``count`` scans.

    Returns the number of steps and each loss's mean over the first and the last epoch.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimiser = _adamw(parameters, schedule)
    rows = np.arange(count)
    total = schedule.epochs * len(batches(rows, schedule.batch, np.random.default_rng(0)))
    total = min(total, schedule.most_steps or total)
    history: list[dict[str, float]] = []
    step = 0
    while step < total:
        epoch: list[dict[str, float]] = []
        for batch in batches(rows, schedule.batch, rng)[: total - step]:
            _set_rate(optimiser, schedule.rate, step, total)
            with precision(context.device):
                parts = losses(batch, step / total)
            optimiser.zero_grad(set_to_none=True)
            parts["total"].backward()  # type: ignore[no-untyped-call]
            if schedule.clip:
                nn.utils.clip_grad_norm_(parameters, schedule.clip)
            optimiser.step()
            epoch.append({name: float(value.detach()) for name, value in parts.items()})
            step += 1
            context.progress(schedule.label, step, total)
        history.append({name: float(np.mean([values[name] for values in epoch])) for name in epoch[0]})
    first, last = (history[0], history[-1]) if history else ({}, {})
    return {"steps": step, "loss_start": _rounded(first), "loss_end": _rounded(last)}


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items()}


def _adamw(parameters: list[nn.Parameter], schedule: Schedule) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": schedule.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.rate, betas=schedule.betas)


def _set_rate(optimiser: torch.optim.Optimizer, peak: float, step: int, total: int) -> None:
    warm = max(total // 20, 1)
    if step < warm:
        rate = peak * (step + 1) / warm
    else:
        fall = (step - warm) / max(total - warm, 1)
        rate = peak * (0.1 + 0.9 * (1 + math.cos(math.pi * fall)) / 2)
    for group in optimiser.param_groups:
        group["lr"] = rate


def precision(device: str) -> contextlib.AbstractContextManager[Any]:
    """bf16 autocast on a GPU; float32 on a CPU, where bf16 is often far slower."""
    if device.startswith("cuda"):
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()
