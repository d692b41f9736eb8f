"""One training loop for torch models: seeds, schedule, early stopping on validation scans, progress.

A model is trained through a function that gives the loss of some training rows, so the loop knows
no kind, no data and no architecture.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..contracts import Context
from .ahead import ahead, identity


@dataclass(frozen=True)
class Recipe:
    """How a model is optimised.

    Attributes
    ----------
    epochs, batch
        Most passes over the training rows, and rows a step.
    rate, final_rate, first_rate
        Learning rate after warm-up, at the end, and where warm-up begins.
    schedule
        How the rate goes from one to the other, step by step: "cosine", "linear" or "constant"; or
        "halving", by half after each fifth of the way, wherever that ends.
    warmup
        Share of all steps over which the rate first rises linearly.
    optimiser, weight_decay, final_decay
        "adam" adds the decay to the gradient, "adamw" takes it from the weights. With ``final_decay`` it goes
        there along a cosine; parameter groups that name a decay of their own keep it.
    parts
        A batch is worked through in so many parts, whose gradients add up.
    clip
        Limit of the gradient's norm; 0 for none.
    patience
        Stop after so many epochs without a better validation score; None never stops early.
    precision
        "float32", or "bf16" for mixed precision: matrix products in bfloat16, weights in float32.
    """

    epochs: int
    batch: int
    rate: float
    final_rate: float = 0.0
    schedule: Literal["cosine", "linear", "constant", "halving"] = "cosine"
    warmup: float = 0.0
    optimiser: Literal["adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    clip: float = 0.0
    patience: int | None = None
    precision: Literal["float32", "bf16"] = "float32"
    first_rate: float = 0.0
    final_decay: float | None = None
    parts: int = 1


@dataclass(frozen=True)
class History:
    """What happened.

    Attributes
    ----------
    losses
        Mean training loss of each epoch.
    scores
        Validation score after each epoch; empty without validation.
    best
        Epoch (from 1) whose weights were kept.
    """

    losses: tuple[float, ...]
    scores: tuple[float, ...]
    best: int


def train(
    model: nn.Module,
    loss: Callable[[Any], Tensor],
    rows: np.ndarray,
    recipe: Recipe,
    context: Context,
    score: Callable[[], float] | None = None,
    groups: list[dict[str, Any]] | None = None,
    stepped: Callable[[float], None] | None = None,
    load: Callable[[np.ndarray], Any] = identity,
) -> History:
    """Minimise ``loss`` over ``rows``; with ``score`` keep the weights of the best epoch.

    Parameters
    ----------
    loss
        Training rows, or what ``load`` makes of them -> mean loss of these rows, with gradients.
    rows
        Training rows, without those that ``score`` looks at.
    score
        Validation score, larger is better, called in evaluation mode without gradients. NaN counts
        as no improvement. Without it the weights of the last epoch stay.
    groups
        Parameter groups of the optimiser, each with ``params`` and, where they differ, ``weight_decay`` and
        ``scale`` (a factor on the learning rate); all trainable parameters alike when None.
    stepped
        Called after each step with the share of all steps that is done; moves a target network.
    load
        Reads training rows, in the order of the steps, while the step before is computed (see `ahead`). What it draws
        comes from a generator that nothing else uses, never from torch's.

    Call it within `reproducible`, which seeds the weights as well.
    """
    rng = np.random.default_rng(context.seed)
    optimiser = _optimiser(model, recipe, groups)
    steps = math.ceil(len(rows) / recipe.batch)
    threaded = context.threads > 1 or not context.device.startswith("cpu")
    losses: list[float] = []
    scores: list[float] = []
    best, kept = 0, copy.deepcopy(model.state_dict()) if score else {}
    for epoch in range(recipe.epochs):
        order = batches(rows, recipe.batch, rng)
        parts = [piece for part in order for piece in np.array_split(part, min(recipe.parts, len(part)))]
        with ahead(load, parts, threaded) as loaded:
            losses.append(_epoch(model, loss, order, loaded, optimiser, recipe, epoch * steps, stepped))
        context.progress("epochs", epoch + 1, recipe.epochs)
        if score is None:
            best = epoch + 1
            continue
        scores.append(_validate(model, score))
        if not best or scores[-1] > scores[best - 1]:
            best = epoch + 1
            for name, value in model.state_dict().items():
                kept[name].copy_(value)
        if recipe.patience is not None and epoch + 1 - best >= recipe.patience:
            break
    if score is not None:
        model.load_state_dict(kept)
    model.eval()
    return History(tuple(losses), tuple(scores), best)


def _epoch(
    model: nn.Module,
    loss: Callable[[Any], Tensor],
    order: list[np.ndarray],
    loaded: Iterator[Any],
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
    done: int,
    stepped: Callable[[float], None] | None,
) -> float:
    """Train on batches of rows, whose parts come loaded; the mean loss of a row."""
    model.train()
    values, steps = [], recipe.epochs * len(order)
    for number, batch in enumerate(order):
        _schedule(optimiser, recipe, done + number, steps)
        optimiser.zero_grad(set_to_none=True)
        values += _gradients(model, loss, batch, loaded, recipe)
        if recipe.clip:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        if stepped is not None:
            stepped((done + number + 1) / steps)
    # Read once an epoch: to read a number off a GPU is to wait for it.
    return sum(float(value) * count for value, count in values) / max(sum(map(len, order)), 1)


def _gradients(
    model: nn.Module, loss: Callable[[Any], Tensor], rows: np.ndarray, loaded: Iterator[Any], recipe: Recipe
) -> list[tuple[Tensor, int]]:
    """Add up the gradients of a batch's mean loss, part by part; each part's loss with the rows it counts for."""
    device = next(model.parameters()).device.type
    found = []
    for part in np.array_split(rows, min(recipe.parts, len(rows))):
        with mixed(recipe.precision, device):
            value = loss(next(loaded)) * (len(part) / len(rows))
        value.backward()  # type: ignore[no-untyped-call]
        found.append((value.detach(), len(rows)))
    return found


def _schedule(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, total: int) -> None:
    """Set the learning rate, and the weight decay where it changes, of a step."""
    for group in optimiser.param_groups:
        group["lr"] = rate_at(recipe, step, total) * group.get("scale", 1.0)
        if recipe.final_decay is not None and not group.get("own_decay"):
            share = (1 + math.cos(math.pi * step / total)) / 2
            group["weight_decay"] = recipe.final_decay + (recipe.weight_decay - recipe.final_decay) * share


def _validate(model: nn.Module, score: Callable[[], float]) -> float:
    model.eval()
    with torch.no_grad():
        value = float(score())
    return value if math.isfinite(value) else -math.inf


def batches(rows: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """A shuffled epoch in near-equal batches of at most ``size``, so that none holds one row alone."""
    return np.array_split(rng.permutation(rows), max(math.ceil(len(rows) / size), 1))


def rate_at(recipe: Recipe, step: int, total: int) -> float:
    """Learning rate of a step."""
    warm = round(recipe.warmup * total)
    if step < warm:
        return recipe.first_rate + (recipe.rate - recipe.first_rate) * (step + 1) / warm
    if recipe.schedule == "constant":
        return recipe.rate
    fall = (step - warm) / max(total - warm, 1)
    if recipe.schedule == "halving":
        return recipe.rate / 2.0 ** int(5 * fall)
    share = 1 - fall if recipe.schedule == "linear" else (1 + math.cos(math.pi * fall)) / 2
    return recipe.final_rate + (recipe.rate - recipe.final_rate) * share


def _optimiser(model: nn.Module, recipe: Recipe, groups: list[dict[str, Any]] | None) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    marked = [{**group, "own_decay": "weight_decay" in group} for group in groups or [{"params": parameters}]]
    # One kernel a tensor, on every device: without it Adam walks over all weights about ten times a step.
    return kind(marked, lr=recipe.rate, weight_decay=recipe.weight_decay, fused=True)


def without_decay(model: nn.Module) -> list[dict[str, Any]]:
    """Parameter groups in which biases and norms (tensors of rank under 2) have no weight decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in parameters if parameter.dim() >= 2]},
        {"params": [parameter for parameter in parameters if parameter.dim() < 2], "weight_decay": 0.0},
    ]


def mixed(precision: str, device: str) -> contextlib.AbstractContextManager[Any]:
    """Autocast to bfloat16 on a type of device ("cpu", "cuda"), or nothing."""
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def hold_out(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows: one of ``folds`` parts that cut no group, stratified by class.

    Numbers are stratified by their fifths. The validation part is empty when a class has fewer than
    ``folds`` groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    everything = np.arange(len(labels))
    if np.issubdtype(np.asarray(labels).dtype, np.floating):
        labels = np.searchsorted(np.quantile(labels, (0.2, 0.4, 0.6, 0.8)), labels)
    if min(len(np.unique(groups[labels == k])) for k in np.unique(labels)) < folds:
        return everything, everything[:0]
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    train_rows, validation = next(iter(split.split(everything, labels, groups)))
    return train_rows, validation


@contextlib.contextmanager
def reproducible(context: Context) -> Iterator[None]:
    """Seed, thread count and deterministic kernels of a block; all put back afterwards."""
    threads = torch.get_num_threads()
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    cuda = context.device.startswith("cuda")
    if cuda:
        # cuBLAS reads this when its handle is made, and is not deterministic without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(max(context.threads, 1))
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Else every new tensor is filled with NaN before its values are written: 6 to 8 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with torch.random.fork_rng(devices=[context.device] if cuda else []):
            torch.manual_seed(context.seed)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def parameter_count(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
