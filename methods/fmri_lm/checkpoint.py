"""A trained fMRI-LM on disk: ``weights.safetensors`` and ``weights.json`` in one folder.

The settings tell which stage was the last. A checkpoint of stage 1 holds the tokenizer alone. The language
model's own frozen weights are never stored; its name and its number of layers are.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from ...benchmark.describe import Describer
from ...benchmark.errors import BadData, BadOption
from ...benchmark.kinds.scans import Atlas
from ...benchmark.nn.language import load_language
from ...benchmark.nn.weights import SETTINGS, load_weights, read_settings, save_weights
from ...benchmark.preprocess import SiteScale
from .options import Options
from .pretraining import build_tokenizer
from .reader import Adapter, Reader, adapt
from .state import State
from .tokenizer import Tokenizer

TOKENIZER = (
    "width", "depth", "decoder_depth", "heads", "frames", "patch", "codes", "code_width", "quantizer", "levels",
)  # fmt: skip
LANGUAGE = ("merge", "lm", "lm_layers", "lora_rank", "lora_alpha", "lora_targets", "tuning")


class Saved(BaseModel):
    """The settings of a checkpoint.

    Attributes
    ----------
    stage
        The last stage that was trained.
    structure
        Options that the shapes of the weights depend on.
    rois
        Of the data that the weights were trained on.
    seed
        Of the fit; the tiny random language model is built from it.
    sites, pooled
        Site scale.
    descriptors
        See `Describer.state`; its arrays are with the weights.
    facts, learned
        See `State`.
    """

    model_config = ConfigDict(extra="forbid")

    method: str = "fmri-lm"
    schema_version: int = 2
    stage: int
    structure: dict[str, Any]
    rois: int
    seed: int
    sites: dict[str, float]
    pooled: float
    descriptors: dict[str, Any]
    facts: dict[str, Any]
    learned: dict[str, Any]


def structure(options: Options, stage: int) -> dict[str, Any]:
    """The options that the shapes of the weights depend on after a stage."""
    return {name: asdict(options)[name] for name in TOKENIZER + (LANGUAGE if stage > 1 else ())}


def write(folder: Path, state: State, options: Options) -> None:
    """Leave a state in a folder."""
    tensors = {f"tokenizer.{name}": value for name, value in state.tokenizer.state_dict().items()}
    descriptors, arrays = state.describer.state()
    tensors |= {f"descriptors.{name}": torch.from_numpy(value) for name, value in arrays.items()}
    if state.reader is not None:
        tensors |= {f"adapter.{name}": value for name, value in state.reader.adapter.state_dict().items()}
        tensors |= {f"language.{name}": value for name, value in trained(state.reader.language.model).items()}
    saved = Saved(
        stage=state.stage,
        structure=structure(options, state.stage),
        rois=state.tokenizer.shape.rois,
        seed=state.seed,
        sites=state.scale.sites,
        pooled=state.scale.pooled,
        descriptors=descriptors,
        facts=state.facts,
        learned=state.learned,
    )
    save_weights(folder, tensors, saved.model_dump())


def restore(place: Path, options: Options, device: str) -> State:
    """The state of a checkpoint, given by its folder or its file of weights.

    Raises `BadOption` where there is none or the options give other sizes, `BadData` where it is damaged.
    """
    saved = settings(place, options)
    tensors, _ = load_weights(place)
    tokenizer = build_tokenizer(options, saved.rois)
    try:
        _fill(tokenizer.state_dict(), tensors, "tokenizer.")
        describer = Describer.from_state(saved.descriptors, _arrays(tensors, "descriptors."))
        reader = None if saved.stage == 1 else _reader(tokenizer, saved, options, tensors)
    except (KeyError, RuntimeError) as error:
        raise BadData(f"{place}: not the weights that {SETTINGS} describes ({error})", "save it again") from None
    tokenizer.eval().requires_grad_(False)
    for module in [tokenizer, *(reader.modules() if reader else [])]:
        module.to(device)
    scale = SiteScale(saved.sites, saved.pooled)
    return State(saved.stage, tokenizer, scale, describer, saved.seed, reader, saved.facts, saved.learned)


def refuse_other_atlas(state: State, atlas: Atlas, place: Path | None) -> None:
    """Raise `BadOption` where scans have other regions than those that a state was trained on."""
    theirs = state.describer.atlas
    if theirs.labels != atlas.labels:
        raise BadOption(
            f"{place or 'the model'} was trained on {len(theirs.labels)} ROIs of {theirs.name}, these scans have "
            f"{len(atlas.labels)} ROIs of {atlas.name}, which are others",
            "use a checkpoint of the same atlas",
        )


def settings(place: Path, options: Options) -> Saved:
    """Settings of a checkpoint, checked against the options at hand. Raises as `restore`."""
    told = read_settings(place)
    if not told:
        raise BadOption(
            f"{place}: no fMRI-LM checkpoint ({SETTINGS} is missing)", "make one with `brainbench pretrain`"
        )
    try:
        saved = Saved.model_validate(told)
    except ValidationError as error:
        raise BadData(f"{place}: not the settings of an fMRI-LM checkpoint ({error})", "save it again") from None
    now = structure(options, saved.stage)
    different = [f"{name}={value}" for name, value in saved.structure.items() if now.get(name) != value]
    if different:
        flags = " ".join(f"--set {item}" for item in different)
        raise BadOption(f"{place}: the checkpoint has other sizes than these options", f"add: {flags}")
    return saved


def trained(model: nn.Module) -> dict[str, Tensor]:
    """The trained parameters of the language model (LoRA, or all)."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _reader(tokenizer: Tokenizer, saved: Saved, options: Options, tensors: dict[str, Tensor]) -> Reader:
    language = load_language(options.lm, options.lm_layers, saved.seed)
    adapter = Adapter(tokenizer.shape, language.width, 1.0, options.merge)
    adapt(options, language)
    _fill(adapter.state_dict(), tensors, "adapter.")
    _fill(trained(language.model), tensors, "language.")
    return Reader.of(options, tokenizer, adapter, language)


def _arrays(tensors: dict[str, Tensor], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value.numpy() for name, value in tensors.items() if name.startswith(prefix)}


def _fill(state: dict[str, Tensor], tensors: dict[str, Tensor], prefix: str) -> None:
    """Copy the tensors of one part into its parameters and buffers."""
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(tensors[prefix + name])
