"""What the three stages share: shuffled batches, AdamW, a cosine schedule, progress, a loss history."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.contracts import Context

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
    weight_decay, betas, clip
        Of AdamW (decay on tensors of rank two and more), and the gradient norm's limit (0: none).
    """

    label: str
    epochs: int
    batch: int
    rate: float
    weight_decay: float
    betas: tuple[float, float]
    clip: float = 0.0


def batches(count: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """A shuffled epoch in near-equal batches of at most ``size``, so that none holds a single scan."""
    return np.array_split(rng.permutation(count), max(math.ceil(count / size), 1))


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
    total = schedule.epochs * len(batches(count, schedule.batch, np.random.default_rng(0)))
    history: list[dict[str, float]] = []
    step = 0
    for _ in range(schedule.epochs):
        rows: list[dict[str, float]] = []
        for batch in batches(count, schedule.batch, rng):
            _set_rate(optimiser, schedule.rate, step, total)
            with precision(context.device):
                parts = losses(batch, step / total)
            optimiser.zero_grad(set_to_none=True)
            parts["total"].backward()  # type: ignore[no-untyped-call]
            if schedule.clip:
                nn.utils.clip_grad_norm_(parameters, schedule.clip)
            optimiser.step()
            rows.append({name: float(value.detach()) for name, value in parts.items()})
            step += 1
            context.progress(schedule.label, step, total)
        history.append({name: float(np.mean([row[name] for row in rows])) for name in rows[0]})
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


@contextlib.contextmanager
def reproducible(context: Context) -> Iterator[None]:
    """Seeds, thread count and deterministic kernels for a block; all put back afterwards."""
    threads = torch.get_num_threads()
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cuda = context.device.startswith("cuda")
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(max(context.threads, 1))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=[context.device] if cuda else []):
            torch.manual_seed(context.seed)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn)
