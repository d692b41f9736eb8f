"""The two stages, and the adaptation to a few labelled scans.

Stage 1 aligns: windowed networks, the language model frozen. Stage 2 tunes everything on whole scans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.contracts import Context
from ...benchmark.nn.training import Recipe, parameter_count, train
from .instructions import Item, draw
from .options import Options
from .parts import Part
from .windows import networks, whole, windows

LANGUAGE = "lm."


class Learner(Protocol):
    """A network that learns from items: with a language model, or without."""

    def form(self, item: Item) -> tuple[Any, ...]:
        """Items of one form are learned in one pass."""

    def loss(self, networks: Tensor, items: Sequence[Item]) -> Tensor:
        """Summed loss of items of one form and their networks (batch, k, roi, roi)."""


def read_networks(parts: Sequence[Part], items: Sequence[Item], device: str) -> Tensor:
    """(n, k, roi, roi) networks of items that all show k."""
    shown = [networks(parts[item.part].scans, item.pieces) for item in items]
    return torch.from_numpy(np.stack(shown)).to(device)


def mean_loss(learner: Any, parts: Sequence[Part], items: Sequence[Item], device: str) -> Tensor:
    """Mean loss of items, in one pass for each form."""
    losses = []
    for _, alike in groupby(sorted(items, key=learner.form), key=learner.form):
        some = list(alike)
        losses.append(learner.loss(read_networks(parts, some, device), some))
    return torch.stack(losses).sum() / len(items)


def stage_items(
    options: Options, number: int, parts: Sequence[Part], paradigms: Sequence[str], rng: np.random.Generator
) -> list[Item]:
    """The items of stage 1 or 2, in random order, as many as its epochs and steps allow."""
    epochs, batch, steps = (options.stage1_epochs, options.stage1_batch, options.stage1_steps)
    if number == 2:
        epochs, batch, steps = (options.stage2_epochs, options.stage2_batch, options.stage2_steps)
    items: list[Item] = []
    for _ in range(epochs):
        pieces = [windows(part.scans, options) if number == 1 else whole(part.scans) for part in parts]
        drawn = draw(parts, pieces, paradigms, rng)
        items += [drawn[k] for k in rng.permutation(len(drawn))]
    return items[: steps * batch or len(items)]


def stage(
    options: Options, number: int, learner: nn.Module, parts: Sequence[Part], items: Sequence[Item], context: Context
) -> dict[str, Any]:
    """Stage 1 or 2 in place, one pass over its items; returns facts for the report."""
    batch, rate = (options.stage1_batch, options.stage1_rate)
    if number == 2:
        batch, rate = (options.stage2_batch, options.stage2_rate)
    recipe = recipe_of(options, 1, batch, rate, context.device)
    return optimise(options, recipe, f"stage {number}", learner, parts, items, context)


def adapt(
    options: Options, learner: nn.Module, parts: Sequence[Part], items: Sequence[Item], context: Context
) -> dict[str, Any]:
    """A few steps over a few labelled scans, with fixed settings [ours]: nothing is left to choose them on."""
    batch = min(options.stage2_batch, len(items))
    recipe = recipe_of(options, options.adapt_steps, batch, options.adapt_rate, context.device)
    return optimise(options, recipe, "adaptation", learner, parts, items, context)


def recipe_of(options: Options, epochs: int, batch: int, rate: float, device: str) -> Recipe:
    """AdamW, a short rise and a cosine."""
    return Recipe(
        epochs=epochs,
        batch=batch,
        rate=rate,
        warmup=options.warmup,
        optimiser="adamw",
        weight_decay=options.weight_decay,
        clip=options.clip,
        precision="bf16" if options.mixed_on(device) else "float32",
    )


def optimise(
    options: Options, recipe: Recipe, label: str, learner: nn.Module, parts: Sequence[Part], items: Sequence[Item],
    context: Context,
) -> dict[str, Any]:  # fmt: skip
    """Minimise the items' loss in place; the language model, where it is trained, at its own rate."""
    groups = parameter_groups(learner, options.lm_rate / recipe.rate)
    steps = recipe.epochs * math.ceil(len(items) / recipe.batch)
    if not steps or not groups:
        return {"steps": 0}
    done = 0

    def loss(rows: np.ndarray) -> Tensor:
        nonlocal done
        done += 1
        context.progress(label, done, steps)
        return mean_loss(learner, parts, [items[row] for row in rows], context.device)

    history = train(learner, loss, np.arange(len(items)), recipe, context, groups=groups)
    return {
        "items": len(items),
        "steps": steps,
        "loss": float(f"{history.losses[-1]:.4g}"),
        "trained_parameters": parameter_count(learner),
    }


def parameter_groups(learner: nn.Module, language_scale: float) -> list[dict[str, Any]]:
    """Trainable parameters outside and inside of the language model; no group is empty."""
    named = [(name, value) for name, value in learner.named_parameters() if value.requires_grad]
    outside = [value for name, value in named if not name.startswith(LANGUAGE)]
    inside = [value for name, value in named if name.startswith(LANGUAGE)]
    groups: list[dict[str, Any]] = [{"params": outside}, {"params": inside, "scale": language_scale}]
    return [group for group in groups if group["params"]]
