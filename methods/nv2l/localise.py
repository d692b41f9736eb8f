"""Which voxels carry a concept: GradCAM on the brain tokens, and what deleting them takes away.

Source: Neuro-Vision to Language (NeurIPS 2024), sections 3.4 and 4.5. Not published, and ours: the division of each
model's map by its maximum before maps of several patch sizes are averaged, the share of voxels that is deleted,
and any number for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...benchmark.kinds.seen import Responses, Stimulus
from .brain import AT_ONCE, BrainEncoder, by_brain

PATH_STEPS = 8
"""Points between the mean response and a response at which ``cam=path`` takes gradients."""

SHARE = 0.05
"""Part of a brain's voxels that nullification sets to zero."""


def concept_vectors(features: np.ndarray, seen: Sequence[Stimulus], least: int = 2) -> dict[str, np.ndarray]:
    """A direction (d,) of unit length for each concept: mean features of the images with it, minus those without.

    The stand-in for text embeddings where features have no words. Concepts are those with boxes; one that fewer than
    ``least`` images have, or lack, has no direction.
    """
    names = sorted({name for stimulus in seen for name in stimulus.boxes})
    found = {}
    for name in names:
        has = np.array([name in stimulus.boxes for stimulus in seen])
        if min(has.sum(), (~has).sum()) >= least:
            step = features[has].mean(axis=0) - features[~has].mean(axis=0)
            found[name] = (step / max(float(np.linalg.norm(step)), 1e-12)).astype(np.float32)
    return found


def likeness(encoder: BrainEncoder, brain: str, cubes: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """cos(f_wc, wanted) (n,) and the states (n, 1 + tokens, width) of the last but one layer that it depends on."""
    network = encoder.network(brain)
    with torch.no_grad():
        states = network.penultimate(cubes)
    states.requires_grad_(True)
    return F.cosine_similarity(network.finish(states)[0], wanted, dim=-1), states


def token_map(encoder: BrainEncoder, brain: str, cubes: Tensor, wanted: Tensor) -> np.ndarray:
    """How much each patch token (n, tokens) speaks for a direction (n, d): weighted states, cut at 0."""
    score, states = likeness(encoder, brain, cubes, wanted)
    (gradient,) = torch.autograd.grad(score.sum(), states)
    gradient, patches = gradient[:, 1:], states.detach()[:, 1:]
    if encoder.options.cam == "channel":
        gradient = gradient.mean(dim=1, keepdim=True)
    found: np.ndarray = F.relu((gradient * patches).sum(dim=-1)).cpu().numpy()
    return found


def path_map(encoder: BrainEncoder, brain: str, values: np.ndarray, wanted: Tensor) -> np.ndarray:
    """How much each voxel of normalised responses (n, voxels) speaks for a direction (n, d): integrated gradients.

    Value times the mean gradient of cos(f_wc, direction) on the straight way from the training mean, cut at 0
    (Sundararajan, Taly and Yan, 2017).
    """
    network, total = encoder.network(brain), np.zeros_like(values)
    for step in range(1, PATH_STEPS + 1):
        made = encoder.volumes.tokens_of(brain, values * np.float32(step / PATH_STEPS))
        cubes = torch.from_numpy(made).to(encoder.device).requires_grad_(True)
        score = F.cosine_similarity(network(cubes).features, wanted, dim=-1)
        (gradient,) = torch.autograd.grad(score.sum(), cubes)
        total += encoder.volumes.gradient_of(brain, gradient.cpu().numpy())
    found: np.ndarray = np.maximum(values * total / PATH_STEPS, 0)
    return found


def model_maps(encoder: BrainEncoder, responses: Responses, vectors: np.ndarray) -> list[np.ndarray]:
    """A map (voxels,) an item of one model, for the direction (n, d) of each item."""
    maps: dict[int, np.ndarray] = {}
    for brain, places in by_brain(responses, np.arange(len(responses)), AT_ONCE):
        responded = responses.matrix(places)
        cubes = encoder.cubes(brain, responses.spaces[brain], responded)
        wanted = torch.from_numpy(vectors[places].astype(np.float32)).to(encoder.device)
        if encoder.options.cam == "path":
            voxels = path_map(encoder, brain, encoder.scaling.of(brain, responded), wanted)
        else:
            voxels = encoder.volumes.voxels_of(brain, token_map(encoder, brain, cubes, wanted))
        maps |= dict(zip(places.tolist(), voxels, strict=True))
    return [maps[row] for row in range(len(responses))]


def locate(encoders: Sequence[BrainEncoder], responses: Responses, vectors: np.ndarray) -> list[np.ndarray]:
    """A map (voxels,) in 0 .. 1 an item: the mean over models of several patch sizes, then min-max.

    ``vectors`` (n, d) are compared with the output of f_wc as the network gives it, so with ``targets=centred``
    they are directions from the training mean.
    """
    parts = [model_maps(encoder, responses, vectors) for encoder in encoders]
    return [min_max(np.mean([_over_most(one) for one in several], axis=0)) for several in zip(*parts, strict=True)]


def _over_most(values: np.ndarray) -> np.ndarray:
    """Non-negative values over their maximum; zeros stay."""
    most = float(values.max(initial=0.0))
    return values / most if most > 0 else values


def min_max(values: np.ndarray) -> np.ndarray:
    """Values stretched to 0 .. 1; equal ones become 0."""
    low, high = float(values.min()), float(values.max())
    made: np.ndarray = ((values - low) / (high - low) if high > low else np.zeros_like(values)).astype(np.float32)
    return made


def nullification(
    encoder: BrainEncoder,
    responses: Responses,
    maps: Sequence[np.ndarray],
    vectors: Mapping[str, np.ndarray],
    seed: int,
    share: float = SHARE,
) -> dict[str, Any]:
    """What setting the strongest voxels to their mean takes from the concept, in f_wc's own likeness.

    For each item with a known concept: the drop of cos(f_wc, concept) when the top ``share`` of its map is deleted,
    minus the mean drop of the other concepts, against as many random voxels. Without any label of a test item.
    """
    known = np.array([row for row, name in enumerate(responses.concepts) if name in vectors], np.int64)
    if len(vectors) < 2 or not len(known):
        return {"items": 0}
    names = list(vectors)
    table = torch.from_numpy(np.stack([vectors[name] for name in names])).to(encoder.device)
    rng = np.random.default_rng(seed)
    own: list[np.ndarray] = []
    chance: list[np.ndarray] = []
    for brain, places in by_brain(responses, known, AT_ONCE):
        rows = known[places]
        values = encoder.scaling.of(brain, responses.matrix(rows))
        count = max(round(share * values.shape[1]), 1)
        top = np.stack([np.argsort(-maps[row], kind="stable")[:count] for row in rows])
        other = np.stack([rng.choice(values.shape[1], size=count, replace=False) for _ in rows])
        asked = np.array([names.index(responses.concepts[row]) for row in rows])
        before = _concepts(encoder, brain, values, table)
        own.append(_specific(before - _concepts(encoder, brain, _without(values, top), table), asked))
        chance.append(_specific(before - _concepts(encoder, brain, _without(values, other), table), asked))
    top_drop, random_drop = np.concatenate(own), np.concatenate(chance)
    return {
        "items": len(known),
        "share": share,
        "drop": round(float(top_drop.mean()), 5),
        "random_drop": round(float(random_drop.mean()), 5),
        "beats_random": round(float((top_drop > random_drop).mean()), 4),
    }


def _concepts(encoder: BrainEncoder, brain: str, values: np.ndarray, table: Tensor) -> np.ndarray:
    """cos(f_wc, concept) (n, concepts) of normalised responses."""
    cubes = torch.from_numpy(encoder.volumes.tokens_of(brain, values)).to(encoder.device)
    with torch.no_grad():
        found = F.cosine_similarity(encoder.network(brain)(cubes).features[:, None], table[None], dim=-1)
    out: np.ndarray = found.cpu().numpy()
    return out


def _without(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Normalised responses (n, voxels) with these voxels (n, k) at zero."""
    out = values.copy()
    np.put_along_axis(out, places, 0.0, axis=1)
    return out


def _specific(drop: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The drop of the asked concept minus the mean drop of the others, from (n, concepts)."""
    own: np.ndarray = drop[np.arange(len(drop)), asked]
    others = (drop.sum(axis=1) - own) / (drop.shape[1] - 1)
    made: np.ndarray = own - others
    return made
