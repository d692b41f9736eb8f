"""Weights of a network in a folder: ``weights.safetensors`` and ``weights.json`` beside it.

Files of others (``.pth``, ``.ckpt``, ``.pth.tar``) are read without running what they contain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..errors import BadData, BadOption
from ..files import write_bytes, write_text

WEIGHTS, SETTINGS = "weights.safetensors", "weights.json"


def save_weights(folder: Path, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write tensors and the (plain JSON) settings that their shapes depend on; the settings come last."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    with suppress(OSError):
        (folder / SETTINGS).unlink(missing_ok=True)
    # Not save_file: its error for a full disk is not an OSError, and it makes files that only their owner reads.
    write_bytes(folder / WEIGHTS, save(tensors))
    write_text(folder / SETTINGS, json.dumps(dict(settings), indent=1))


def load_weights(place: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and settings of a folder that `save_weights` wrote, or of a file of somebody else.

    A file of others comes with empty settings, and nested under whatever keys it has:
    ``model.encoder.weight`` for {"model": {"encoder.weight": ...}}. Raises `BadData`.
    """
    if place.is_dir():
        place = place / WEIGHTS
    if not place.is_file():
        raise BadOption(f"{place}: no such checkpoint", "give the folder that `brainbench pretrain` or --save wrote")
    try:
        if place.suffix == ".safetensors":
            return load_file(place), read_settings(place)
        found = torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and index errors of many kinds: the file may be anything
        raise BadData(
            f"{place}: cannot be read as weights ({type(error).__name__})",
            "save it again as .safetensors, or with torch.save of tensors only: other objects are refused",
        ) from None
    return dict(_flat(found)), {}


def read_settings(place: Path) -> dict[str, Any]:
    """The settings beside weights, by their folder or file; empty for a file of others. Raises `BadData`."""
    file = place / SETTINGS if place.is_dir() else place.with_name(SETTINGS)
    if place.suffix not in ("", ".safetensors") or not file.is_file():
        return {}
    try:
        told = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise BadData(f"{file}: cannot be read ({type(error).__name__})", "save the weights again") from None
    if not isinstance(told, dict):
        raise BadData(f"{file}: not the settings of a checkpoint", "save the weights again")
    return told


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Tensor]]:
    """All tensors of nested dicts, by their dotted keys."""
    if isinstance(value, Tensor):
        return [(prefix, value)]
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _flat(item, f"{prefix}.{key}" if prefix else str(key))]
    return []


def fill(network: nn.Module, state: Mapping[str, Tensor], place: Path) -> None:
    """Load a state dict whole. Raises `BadData` that names what is missing, unknown or of another shape."""
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in state]
    wrong += [f"{name} is not known" for name in state if name not in own]
    wrong += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadData(
            f"{place}: not the weights of this network: {'; '.join(wrong[:3])}{more}",
            "use the preset and the atlas that the checkpoint was made with",
        )
    network.load_state_dict(dict(state))
