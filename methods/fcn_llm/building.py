"""From options and training scans to an untrained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...benchmark.contracts import Context
from ...benchmark.nn.language import Language, Loading, load_language
from ...benchmark.nn.lora import Adaptation, adapt_language, checkpoint_gradients
from .encoder import Encoder
from .groups import averaging, parcels, subnetworks
from .options import Options
from .parts import Part
from .plain import Plain, heads_of
from .projector import Projector
from .reader import Reader
from .windows import moments

PLAIN_WIDTH = 256


@dataclass(frozen=True)
class Layout:
    """Which ROIs a token stands for.

    Attributes
    ----------
    parcels, groups
        (roi,) code of each ROI's parcel and sub-network.
    origin
        Of the sub-networks: "atlas" or "clusters".
    """

    parcels: np.ndarray
    groups: np.ndarray
    origin: str

    @property
    def rois(self) -> int:
        """Number of ROIs."""
        return len(self.groups)

    def counts(self, scales: Sequence[str]) -> dict[str, int]:
        """Tokens of each scale in use."""
        every = {"roi": int(self.parcels.max()) + 1, "subnetwork": int(self.groups.max()) + 1, "brain": 1}
        return {name: every[name] for name in scales}


def survey(options: Options, parts: Sequence[Part]) -> tuple[Layout, np.ndarray, np.ndarray]:
    """Layout, mean network and spread (roi, roi) of the training scans of all parts."""
    found = [(len(part.scans), *moments(part.scans)) for part in parts]
    total = sum(count for count, _, _ in found)
    mean = sum(count / total * mean for count, mean, _ in found)
    square = sum(count / total * (spread**2 + own**2) for count, own, spread in found)
    spread = np.sqrt(np.clip(square - mean**2, 1e-8, None))
    atlas = parts[0].scans.atlas
    groups = subnetworks(atlas, np.asarray(mean))
    codes = np.arange(len(groups.codes))
    if 0 < options.roi_tokens < len(codes):
        codes = parcels(groups, np.asarray(mean), options.roi_tokens)
    return Layout(codes, groups.codes, groups.origin), np.asarray(mean), np.asarray(spread)


def build_encoder(options: Options, layout: Layout) -> Encoder:
    """The encoder of a layout."""
    of_rois, of_groups = (
        torch.from_numpy(averaging(codes, int(codes.max()) + 1)) for codes in (layout.parcels, layout.groups)
    )
    graph = (options.gcn_hidden, options.gcn_dropout, options.threshold, options.density)
    return Encoder(of_rois, of_groups, options.scales_used, *graph)


def read_language(options: Options, context: Context, seed: int) -> Language:
    """The language model, frozen; a model that LoRA leaves as it is takes half the memory on a GPU."""
    halves = options.tuning == "lora" and options.mixed_on(context.device)
    loading = Loading(random=options.llm == "random", dtype="bfloat16" if halves else "float32")
    language = load_language(options.lm, options.lm_layers, seed, loading)
    language.model.to(context.device)
    if options.recompute:
        checkpoint_gradients(language)
    return language


def build_reader(options: Options, layout: Layout, context: Context, seed: int) -> Reader:
    """The untrained network around a frozen language model."""
    language = read_language(options, context, seed)
    encoder = build_encoder(options, layout)
    gain = float(language.table.float().std())
    projector = Projector(layout.rois, language.width, encoder.scale_of_token, gain, options.gated)
    reader = Reader(
        encoder, projector, language, sees=options.scan != "none", choose=options.answer_loss == "labels"
    )  # fmt: skip
    return reader.to(context.device)


def build_plain(
    options: Options, layout: Layout, heads: Mapping[str, int], scales: Mapping[str, tuple[float, float]], device: str
) -> Plain:
    """The untrained classifier without a language model."""
    encoder = build_encoder(options, layout)
    projector = Projector(layout.rois, PLAIN_WIDTH, encoder.scale_of_token, 1.0, options.gated)
    return Plain(encoder, projector, heads, scales).to(device)


def build(options: Options, layout: Layout, parts: Sequence[Part], context: Context) -> Reader | Plain:
    """The untrained network that the options ask for."""
    if options.llm == "none":
        return build_plain(options, layout, *heads_of(parts), context.device)
    return build_reader(options, layout, context, context.seed)


def free_language(options: Options, reader: Reader) -> dict[str, Any]:
    """Make the language model trainable: LoRA, or all weights as published."""
    chosen = adapt_language(
        reader.language,
        Adaptation(options.tuning, options.lora_rank, options.lora_alpha, options.lora_dropout),
    )
    reader.attach()
    return chosen


def facts_of(learner: Reader | Plain, layout: Layout, options: Options) -> dict[str, Any]:
    """What a record says of a network."""
    counts = layout.counts(options.scales_used)
    brain = learner.encoder.brain
    facts: dict[str, Any] = {
        "tokens": sum(counts.values()),
        "tokens_by_scale": counts,
        "subnetworks_from": layout.origin,
        "gcn_parameters": sum(p.numel() for p in brain.parameters()) if brain is not None else 0,
        "projector_parameters": sum(p.numel() for p in learner.projector.parameters()),
    }
    return facts | (learner.language.facts if isinstance(learner, Reader) else {"llm": "none"})
