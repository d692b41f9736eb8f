"""Weights of a fitted fMRI-LM on disk: ``fmri-lm.safetensors`` and ``fmri-lm.json`` in one folder.

The language model's own frozen weights are not stored; its name and its number of layers are.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...benchmark.errors import BadData, BadOption
from ...benchmark.files import write_error, write_text
from ...benchmark.nn.language import load_language
from ...benchmark.preprocess import SiteScale
from .descriptors import Descriptors
from .options import Options
from .pretraining import build_tokenizer
from .reader import Adapter, Reader, adapt

WEIGHTS, SETTINGS = "fmri-lm.safetensors", "fmri-lm.json"
STRUCTURE = (
    "width", "depth", "decoder_depth", "heads", "frames", "patch", "codes", "code_width", "lm", "lm_layers",
    "lora_rank", "lora_alpha", "lora_targets", "tuning",
)  # fmt: skip


class Saved(BaseModel):
    """The content of fmri-lm.json.

    Attributes
    ----------
    structure
        Options that the shapes of the weights depend on.
    rois, classes, target
        Of the data that the weights were trained on.
    seed
        Of the fit; the tiny random language model is built from it.
    sites, pooled
        Site scale.
    pairs, mean, sd
        Descriptor statistics.
    facts
        The report of the fit.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    structure: dict[str, Any]
    rois: int
    classes: list[str]
    target: str
    seed: int
    sites: dict[str, float]
    pooled: float
    pairs: list[str]
    mean: list[float]
    sd: list[float]
    facts: dict[str, Any]


def structure(options: Options) -> dict[str, Any]:
    """The options that the shapes of the weights depend on."""
    return {name: asdict(options)[name] for name in STRUCTURE}


def language_state(model: nn.Module) -> dict[str, Tensor]:
    """The trained parameters of the language model (LoRA, or all)."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def write(folder: Path, reader: Reader, saved: Saved) -> None:
    """Write both files into a folder; the settings come last, so that a half-written pair is noticed."""
    parts = {
        "tokenizer": reader.tokenizer.state_dict(),
        "adapter": reader.adapter.state_dict(),
        "language": language_state(reader.language.model),
    }
    tensors = {
        f"{part}.{name}": value.detach().cpu().clone() for part, state in parts.items() for name, value in state.items()
    }
    beside = folder / f".{WEIGHTS}.part"
    (folder / SETTINGS).unlink(missing_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, beside)
        beside.replace(folder / WEIGHTS)
    except OSError as error:
        raise write_error(error, folder) from error
    write_text(folder / SETTINGS, saved.model_dump_json(indent=1))


def read_settings(place: Path, options: Options) -> Saved:
    """Settings of a checkpoint (its folder, or a file in it), checked against the options at hand."""
    file = (place if place.is_dir() else place.parent) / SETTINGS
    try:
        saved = Saved.model_validate_json(file.read_text())
    except FileNotFoundError:
        raise BadOption(f"{place}: no fMRI-LM checkpoint ({SETTINGS} is missing)", "make one with --save") from None
    except (ValidationError, json.JSONDecodeError) as error:
        raise BadData(f"{file}: not the settings of a checkpoint ({error})", "save it again") from None
    now = structure(options)
    different = [f"{name}={value}" for name, value in saved.structure.items() if now.get(name) != value]
    if different:
        flags = " ".join(f"--set {item}" for item in different)
        raise BadOption(f"{place}: the checkpoint has other sizes than these options", f"add: {flags}")
    return saved


def restore(place: Path, saved: Saved, options: Options, device: str) -> Reader:
    """The network of a checkpoint."""
    language = load_language(options.lm, options.lm_layers, saved.seed)
    tokenizer = build_tokenizer(options, saved.rois)
    adapter = Adapter(tokenizer.shape, language.width, 1.0)
    adapt(options, language)
    file = (place if place.is_dir() else place.parent) / WEIGHTS
    try:
        tensors = load_file(file)
        _fill(tokenizer.state_dict(), tensors, "tokenizer.")
        _fill(adapter.state_dict(), tensors, "adapter.")
        _fill(language_state(language.model), tensors, "language.")
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise BadData(f"{file}: not the weights that {SETTINGS} describes ({error})", "save it again") from None
    tokenizer.eval().requires_grad_(False)
    for module in (tokenizer, adapter, language.model):
        module.to(device)
    return Reader(tokenizer, adapter, language)


def _fill(state: dict[str, Tensor], tensors: dict[str, Tensor], prefix: str) -> None:
    """Copy the tensors of one part into its parameters and buffers."""
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(tensors[prefix + name])


def describe(
    reader: Reader, descriptors: Descriptors, scale: SiteScale, options: Options, classes: tuple[str, ...],
    target: str, seed: int, facts: dict[str, Any],
) -> Saved:  # fmt: skip
    """The settings to store beside the weights."""
    return Saved(
        structure=structure(options),
        rois=reader.shape.rois,
        classes=list(classes),
        target=target,
        seed=seed,
        sites=scale.sites,
        pooled=scale.pooled,
        pairs=descriptors.pairs,
        mean=descriptors.mean.tolist(),
        sd=descriptors.sd.tolist(),
        facts=facts,
    )


def statistics(saved: Saved) -> tuple[Descriptors, SiteScale]:
    """Descriptor statistics and site scale of a checkpoint."""
    return Descriptors(saved.pairs, np.array(saved.mean), np.array(saved.sd)), SiteScale(saved.sites, saved.pooled)
