"""What the stages share: shuffled batches, AdamW, a cosine schedule, progress, a loss history, going on later."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.contracts import Context
from ...benchmark.nn.training import batches
from . import interruption

Losses = dict[str, Tensor]
KEEP_SECONDS = 120.0
"""How often the state of a stage is written where it can be resumed."""


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
    bf16
        Mixed precision, on a GPU.
    """

    label: str
    epochs: int
    batch: int
    rate: float
    most_steps: int
    weight_decay: float
    betas: tuple[float, float]
    clip: float = 0.0
    bf16: bool = True

    def steps(self, count: int) -> int:
        """Steps over ``count`` scans."""
        total = self.epochs * math.ceil(count / self.batch)
        return min(total, self.most_steps or total)


@dataclass
class Progress:
    """How far a stage is: what must be kept, beside weights and random states, to go on.

    Attributes
    ----------
    step
        Steps done.
    epoch
        Batches of the epoch at hand that are still to come, as row numbers.
    sums, first, last
        Sum of each loss over the epoch at hand and its number of steps ("steps"); means of the first
        and the latest whole epoch.
    """

    step: int
    epoch: list[list[int]]
    sums: dict[str, float]
    first: dict[str, float]
    last: dict[str, float]


def optimise(
    schedule: Schedule,
    modules: Sequence[nn.Module],
    count: int,
    losses: Callable[[np.ndarray, float], Losses],
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Minimise ``losses(rows, fraction of training done)["total"]`` over ``count`` scans.

    With ``context.resume`` it leaves its state there every `KEEP_SECONDS`, and goes on from one that it
    finds: the weights that come out are the same bit by bit. Returns the number of steps and each loss's
    mean over the first and the last epoch.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimiser = adamw(parameters, schedule.rate, schedule.weight_decay, schedule.betas)
    total = schedule.steps(count)
    file = None if context.resume is None else context.resume / f"{schedule.label.partition(':')[0]}.pt"
    whole = interruption.Whole(list(modules), optimiser, rng, context.device)
    now = Progress(0, [], {}, {}, {})
    if file is not None and file.is_file():
        now = Progress(**whole.read(file))
    kept = time.monotonic()
    while now.step < total:
        if not now.epoch:
            now.epoch = [batch.tolist() for batch in batches(np.arange(count), schedule.batch, rng)]
        rows = np.array(now.epoch.pop(0))
        set_rate(optimiser, schedule.rate, now.step, total)
        with precision(context.device, schedule.bf16):
            parts = losses(rows, now.step / total)
        optimiser.zero_grad(set_to_none=True)
        parts["total"].backward()  # type: ignore[no-untyped-call]
        if schedule.clip:
            nn.utils.clip_grad_norm_(parameters, schedule.clip)
        optimiser.step()
        now.step += 1
        _note(now, parts, over=not now.epoch or now.step == total)
        context.progress(schedule.label, now.step, total)
        if file is not None and time.monotonic() - kept >= KEEP_SECONDS and now.step < total:
            whole.write(file, vars(now))
            kept = time.monotonic()
    return {"steps": now.step, "loss_start": _rounded(now.first), "loss_end": _rounded(now.last)}


def _note(now: Progress, parts: Losses, over: bool) -> None:
    """Add the losses of a step; close the epoch when it is over."""
    for name, value in parts.items():
        now.sums[name] = now.sums.get(name, 0.0) + float(value.detach())
    now.sums["steps"] = now.sums.get("steps", 0.0) + 1
    if over:
        steps = now.sums.pop("steps")
        now.last = {name: value / steps for name, value in now.sums.items()}
        now.first, now.sums = now.first or now.last, {}


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items()}


def adamw(
    parameters: Sequence[nn.Parameter], rate: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    """AdamW in one fused kernel, with decay on tensors of rank two and more only."""
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, peak: float, step: int, total: int) -> None:
    """Learning rate of a step: a linear rise over a twentieth, then a cosine to a tenth."""
    warm = max(total // 20, 1)
    if step < warm:
        rate = peak * (step + 1) / warm
    else:
        fall = (step - warm) / max(total - warm, 1)
        rate = peak * (0.1 + 0.9 * (1 + math.cos(math.pi * fall)) / 2)
    for group in optimiser.param_groups:
        group["lr"] = rate


def precision(device: str, bf16: bool = True) -> contextlib.AbstractContextManager[Any]:
    """bf16 autocast on a GPU where it is asked for; float32 on a CPU, where bf16 is often far slower."""
    if bf16 and device.startswith("cuda"):
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()
