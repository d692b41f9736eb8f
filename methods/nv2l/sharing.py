"""Keeping a trained brain side for the cells that need the same one: other text options, other noise levels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields

import numpy as np

from ...benchmark.contracts import Context
from ...benchmark.files import made_once
from ...benchmark.kinds.seen import Responses
from ...benchmark.nn.weights import load_weights, save_weights
from .brain import BrainEncoder, from_state
from .brain_options import BrainOptions
from .training import fit_encoder

ONLY_AFTERWARDS = ("token_states", "cam", "cam_patches", "patch")
"""Options that training does not depend on; the patch in use is told apart from them."""


def kept_encoder(
    responses: Responses,
    clip_targets: np.ndarray,
    latent_targets: np.ndarray | None,
    groups: np.ndarray,
    options: BrainOptions,
    context: Context,
    patch: int | None = None,
) -> BrainEncoder:
    """As `fit_encoder`, or what another cell has trained on the same targets with the same options."""
    side = options.patch if patch is None else patch

    def make() -> BrainEncoder:
        return fit_encoder(responses, clip_targets, latent_targets, groups, options, context, side)

    if context.shared is None:
        return make()
    latents = latent_targets if options.vae else None
    name = _name(options, side, context, (clip_targets, latents, np.asarray(groups)))
    encoder = made_once(
        context.shared / f"nv2l-brain-{name}",
        lambda folder: from_state(*load_weights(folder), folder, context.device),
        make,
        lambda folder, made: save_weights(folder, made.state(), made.settings()),
    )
    for after in ONLY_AFTERWARDS[:-1]:
        setattr(encoder.options, after, getattr(options, after))
    return encoder


def _name(options: BrainOptions, side: int, context: Context, targets: tuple[np.ndarray | None, ...]) -> str:
    """A name that tells all that the training of a brain side depends on within a cell's data."""
    told = {field.name: getattr(options, field.name) for field in fields(BrainOptions)}
    for after in ONLY_AFTERWARDS:
        del told[after]
    digest = hashlib.sha256()
    digest.update(json.dumps([told, side, context.seed, context.device.partition(":")[0]], sort_keys=True).encode())
    for values in targets:
        digest.update(b"none" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:24]
