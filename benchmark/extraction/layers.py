"""Layers of a model: chosen by name or depth, and read while the model runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BadOption

DEPTHS = ("0.5", "0.75", "1.0")
"""Relative depths that are taken where no layer is named (those of TRIBE, d'Ascoli et al. 2025, section 2.2)."""

_DEPTH = re.compile(r"0?\.\d+|[01](?:\.\d*)?")
_AFTER = ("decoder", "predictor")  # what stands behind an encoder, and is not run
_STACKS = ("layers", "layer", "blocks", "block", "h", "stages")


def choose(model: nn.Module, asked: Sequence[str]) -> tuple[str, ...]:
    """The names of the asked layers in the order asked, each once.

    A layer is asked for by the name of a module, such as ``model.layers.11`` (where only one module's name
    ends so, the beginning may be left out), or by its depth as a share of the stack of blocks: 0.5 of thirty
    blocks is the output of the fifteenth, 1.0 that of the last.

    Raises `BadOption` for a layer that the model lacks.
    """
    return tuple(dict.fromkeys(_named(model, name.strip()) for name in asked or DEPTHS))


def stack(model: nn.Module) -> tuple[str, ...]:
    """Names of the model's blocks: the longest list of layers that lies in no other list, an encoder's first."""
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    lists = [(name, module) for name, module in lists if name.rpartition(".")[2] in _STACKS and len(module)]
    outer = [(name, module) for name, module in lists if not any(name.startswith(f"{other}.") for other, _ in lists)]
    encoding = [(name, module) for name, module in outer if name.partition(".")[0] not in _AFTER] or outer
    if not encoding:
        return ()
    name, longest = max(encoding, key=lambda found: len(found[1]))
    return tuple(f"{name}.{index}" for index in range(len(longest)))


def _named(model: nn.Module, asked: str) -> str:
    if _DEPTH.fullmatch(asked):
        return _at_depth(model, float(asked))
    names = {name for name, _ in model.named_modules() if name}
    hits = [asked] if asked in names else [name for name in names if name.endswith(f".{asked}")]
    if len(hits) != 1:
        blocks = stack(model)
        some = f"its blocks are {blocks[0]} to {blocks[-1]}" if blocks else f"such as {', '.join(sorted(names)[:3])}"
        raise BadOption(
            f"the model has {len(hits) or 'no'} layers {asked!r}; {some}",
            "name modules of the model, or depths between 0 and 1:  --layers 0.5,1.0",
        )
    if isinstance(model.get_submodule(hits[0]), nn.Conv1d | nn.Conv3d | nn.ModuleList):
        raise BadOption(f"{asked} gives no states of width D; name a block or a linear layer")
    return hits[0]


def _at_depth(model: nn.Module, depth: float) -> str:
    blocks = stack(model)
    if not 0 < depth <= 1 or not blocks:
        raise BadOption(
            f"no layer at depth {depth:g}" + ("" if blocks else ": the model has no list of blocks"),
            "a depth is above 0 and at most 1; layers can also be named:  --layers model.layers.11",
        )
    return blocks[max(0, math.ceil(depth * len(blocks) - 1e-9) - 1)]


@contextmanager
def listening(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """A block in which a forward pass leaves the outputs of the layers, in 32 bits, in the dictionary."""
    heard: dict[str, Tensor] = {}

    def listen(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            heard[name] = _states(output).detach().float()

        return hook

    hooks = [model.get_submodule(name).register_forward_hook(listen(name)) for name in names]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _states(output: Any) -> Tensor:
    """The states in what a layer returns: itself, or the first tensor of a tuple."""
    while not isinstance(output, Tensor):
        output = output[0]
    return output


def run(model: nn.Module, forward: nn.Module, names: Sequence[str], **inputs: Any) -> dict[str, Tensor]:
    """Outputs of the layers in one forward pass; with bf16 where the inputs lie on a GPU.

    Raises `BadOption` for a layer that the pass does not reach.
    """
    kind = next(value.device.type for value in inputs.values() if isinstance(value, Tensor))
    with (
        listening(model, names) as heard,
        torch.inference_mode(),
        torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"),
    ):
        forward(**inputs)
    if missing := [name for name in names if name not in heard]:
        raise BadOption(f"the model's forward pass does not run {', '.join(missing)}", "name a block of the model")
    return heard


def pooled(states: Tensor) -> Tensor:
    """Mean over all but the first axis and the width: (batch, token, dim) or (batch, dim, height, width)."""
    if states.ndim == 2:
        return states
    return states.mean(dim=(2, 3)) if states.ndim == 4 else states.flatten(1, -2).mean(1)
