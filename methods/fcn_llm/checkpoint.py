"""A trained FCN-LLM on disk: ``weights.safetensors`` and ``weights.json`` in one folder.

The language model's own frozen weights are not stored; its name and its number of layers are.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from ...benchmark.contracts import Context
from ...benchmark.errors import BadData, BadOption
from ...benchmark.kinds.scans import Atlas
from ...benchmark.nn.weights import fill, load_weights, save_weights
from .building import Layout, build_plain, build_reader, free_language
from .options import Options
from .plain import Plain
from .reader import Reader
from .training import LANGUAGE

STRUCTURE = (
    "scales", "roi_tokens", "threshold", "density", "gcn_hidden", "standardise", "gated", "lm", "lm_layers", "llm",
    "tuning", "lora_rank", "lora_alpha",
)  # fmt: skip


class Saved(BaseModel):
    """The settings beside the weights.

    Attributes
    ----------
    structure
        Options that the weights depend on.
    stage
        The last stage that was trained.
    atlas
        Hash of the ROI labels.
    parcels, groups, origin
        See `Layout`.
    heads, scales
        Of the classifier without a language model.
    means
        Attribute -> mean of its training values, of numbers.
    sees
        Whether networks were shown in training.
    seed
        Of the fit; random language models are built from it.
    facts
        The report of the fit.
    """

    model_config = ConfigDict(extra="forbid")

    method: str = "fcn-llm"
    schema_version: int = 1
    structure: dict[str, Any]
    stage: int
    atlas: str
    parcels: list[int]
    groups: list[int]
    origin: str
    heads: dict[str, int] = {}
    scales: dict[str, tuple[float, float]] = {}
    means: dict[str, float] = {}
    sees: bool = True
    seed: int
    facts: dict[str, Any]

    @property
    def layout(self) -> Layout:
        """Which ROIs a token stands for."""
        return Layout(np.array(self.parcels), np.array(self.groups), self.origin)


def structure(options: Options) -> dict[str, Any]:
    """The options that the weights depend on."""
    return {name: asdict(options)[name] for name in STRUCTURE}


def atlas_hash(atlas: Atlas) -> str:
    """A hash of the ROI labels, in their order."""
    return hashlib.sha256("\n".join(atlas.labels).encode()).hexdigest()[:16]


def kept(learner: nn.Module) -> dict[str, Tensor]:
    """What is stored: all of the network but the frozen weights of its language model."""
    trained = {name for name, value in learner.named_parameters() if value.requires_grad}
    state = learner.state_dict(keep_vars=False)
    return {name: value for name, value in state.items() if not name.startswith(LANGUAGE) or name in trained}


def write(folder: Path, learner: nn.Module, saved: Saved) -> None:
    """Weights and settings."""
    save_weights(folder, kept(learner), saved.model_dump(mode="json"))


def read(
    place: Path, options: Options, atlas: Atlas, context: Context
) -> tuple[Reader | Plain, Saved]:  # fmt: skip
    """The network of a checkpoint (its folder, or the weights in it), on the device.

    Raises `BadOption` for another atlas or other options, `BadData` for a damaged checkpoint.
    """
    tensors, told = load_weights(place)
    try:
        saved = Saved.model_validate(told)
    except ValidationError as error:
        what = error.errors()[0]
        raise BadData(
            f"{place}: not a checkpoint of fcn-llm ({'.'.join(map(str, what['loc']))}: {what['msg']})",
            "make one with --save, or with  brainbench pretrain --method fcn-llm",
        ) from None
    refuse_other(place, saved, options, atlas)
    if options.llm == "none":
        learner: Reader | Plain = build_plain(options, saved.layout, saved.heads, saved.scales, context.device)
    else:
        learner = build_reader(options, saved.layout, context, saved.seed)
        if saved.stage == 2:
            free_language(options, learner)
    _fill(learner, tensors, place)
    return learner.to(context.device), saved


def refuse_other(place: Path, saved: Saved, options: Options, atlas: Atlas) -> None:
    """Raise `BadOption` where a checkpoint does not fit the atlas or the options at hand."""
    if saved.atlas != atlas_hash(atlas):
        raise BadOption(
            f"{place} was trained on another atlas ({len(saved.groups)} ROIs; these scans have {len(atlas.labels)})",
            "use a checkpoint of the same atlas",
        )
    now = structure(options)
    other = [f"{name}={value}" for name, value in saved.structure.items() if now.get(name) != value]
    if other:
        flags = " ".join(f"--set {item}" for item in other)
        raise BadOption(f"{place}: the checkpoint was made with other options", f"add: {flags}")
    if saved.sees != (options.scan != "none"):
        raise BadOption(f"{place}: was trained {'with' if saved.sees else 'without'} networks", "fit it anew")


def _fill(learner: nn.Module, tensors: dict[str, Tensor], place: Path) -> None:
    """Put the stored tensors into a network, whole."""
    frozen = {name: value for name, value in learner.state_dict().items() if name not in kept(learner)}
    extra = set(tensors) & set(frozen)
    if extra:
        raise BadData(f"{place}: holds weights of the frozen language model ({min(extra)})", "save it again")
    with torch.no_grad():
        fill(learner, {**frozen, **tensors}, place)
