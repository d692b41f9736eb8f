"""Training the brain side: one model for all brains, or one a brain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...benchmark.contracts import Context
from ...benchmark.kinds.seen import Responses
from ...benchmark.nn.training import History, Recipe, reproducible, train, without_decay
from .brain import AT_ONCE, TOGETHER, BrainEncoder, by_brain, units_of
from .brain_options import BrainOptions
from .encoder import BrainTransformer
from .losses import encoder_loss, mixed_trial
from .scaling import fitted
from .volumes import Cutting, Volumes, largest, layout

MIXING = 7
"""Seeds the mixing of trials, apart from the order of batches."""


def fit_encoder(
    responses: Responses,
    clip_targets: np.ndarray,
    latent_targets: np.ndarray | None,
    groups: np.ndarray,
    options: BrainOptions,
    context: Context,
    patch: int | None = None,
) -> BrainEncoder:
    """A brain side that is trained on these items.

    Parameters
    ----------
    responses
        Training items; rows that ask several things of one response count once.
    clip_targets, latent_targets
        (n, d) features and (n, m) latents of each item's image; the latter unused without ``options.vae``.
    groups
        (n,) one integer an image.
    patch
        Another side of the cubes than ``options.patch``.
    """
    options = replace(options) if patch is None else replace(options, patch=patch)
    rows = one_a_response(responses, groups)
    latents = latent_targets if options.vae else None
    with reproducible(context):
        encoder = _fresh(responses, rows, clip_targets, latents, options, context.device)
        learner = _Learner(encoder, responses, clip_targets, latents, context)
        kept, held = held_images(rows, groups, options.hold_out, context.seed)
        encoder.facts = {**encoder.volumes.facts, "training_responses": len(kept), "held_out_responses": len(held)}
        encoder.facts["models"] = {}
        brains = np.array(responses.brains, dtype=object)
        for name in dict.fromkeys(brains[rows]) if options.per_brain else (TOGETHER,):
            own = [part[brains[part] == name] if options.per_brain else part for part in (kept, held)]
            encoder.facts["models"][name] = learner.run(str(name), own[0], own[1])
        first = next(iter(encoder.networks.values()))
        encoder.facts["encoder_parameters"] = sum(weight.numel() for weight in first.parameters())
    return encoder


def one_a_response(responses: Responses, groups: np.ndarray) -> np.ndarray:
    """The first row of each brain and image."""
    found: dict[tuple[str, int], int] = {}
    for row, (brain, group) in enumerate(zip(responses.brains, np.asarray(groups).tolist(), strict=True)):
        found.setdefault((brain, group), row)
    return np.array(list(found.values()), np.int64)


def held_images(rows: np.ndarray, groups: np.ndarray, parts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows held out: one of ``parts`` parts of the images, over all brains; 0 for none."""
    images = np.unique(np.asarray(groups)[rows])
    if parts == 0 or len(images) < 2 * parts:
        return rows, rows[:0]
    chosen = np.random.default_rng(seed).permutation(images)[: len(images) // parts]
    out = np.isin(np.asarray(groups)[rows], chosen)
    return rows[~out], rows[out]


def _fresh(
    responses: Responses,
    rows: np.ndarray,
    clip: np.ndarray,
    latents: np.ndarray | None,
    options: BrainOptions,
    device: str,
) -> BrainEncoder:
    """Everything but the networks."""
    brains = {responses.brains[row] for row in rows}
    spaces = {brain: space for brain, space in responses.spaces.items() if brain in brains}
    cutting = Cutting(options.grid_size or largest(spaces.values()), options.patch)
    volumes = Volumes(cutting, layout(spaces, cutting, options.vit3d), spaces)
    units = (
        units_of(clip[rows], options.targets),
        None if latents is None else units_of(latents[rows], options.targets),
    )
    return BrainEncoder(options, volumes, fitted(options.zscore, responses, rows), units, device)


class Lesson(NamedTuple):
    """Cubes (n, tokens, values), and the features (n, d) and latents (n, m; or None) that are wanted of them."""

    cubes: Tensor
    features: Tensor
    latents: Tensor | None


class _Learner:
    """Loss and validation of one encoder's networks."""

    def __init__(
        self,
        encoder: BrainEncoder,
        responses: Responses,
        clip: np.ndarray,
        latents: np.ndarray | None,
        context: Context,
    ) -> None:
        self.encoder, self.responses, self.context = encoder, responses, context
        features, other = encoder.units
        self.clip = torch.from_numpy(features.into(clip))
        self.latents = None if latents is None or other is None else torch.from_numpy(other.into(latents))
        self.rng = np.random.default_rng([context.seed, MIXING])

    def run(self, name: str, rows: np.ndarray, held: np.ndarray) -> dict[str, Any]:
        """Train the network of this name; facts for the record."""
        options = self.encoder.options
        torch.manual_seed(self.context.seed)
        network = self.encoder.add_network(name)
        recipe = Recipe(
            epochs=options.epochs,
            batch=options.batch,
            rate=options.rate,
            warmup=options.warmup,
            optimiser="adamw",
            weight_decay=options.weight_decay,
            clip=options.clip,
            patience=options.patience if len(held) else None,
        )

        def load(part: np.ndarray) -> Lesson:
            return self.read(part, mixed=True)

        def loss(lesson: Lesson) -> Tensor:
            return self.loss(network, lesson)

        def score() -> float:
            return -self.held_error(network, held)

        history = train(
            network, loss, rows, recipe, self.context, score if len(held) else None, without_decay(network), load=load
        )
        return _told(history)

    def read(self, rows: np.ndarray, mixed: bool) -> Lesson:
        """Training rows, of mixed trials or of their means; brains may differ."""
        order, cubes = [], []
        for brain, places in by_brain(self.responses, rows, len(rows)):
            trials = [self.responses.trials(int(row)) for row in rows[places]]
            values = [mixed_trial(one, self.rng) if mixed else one.mean(axis=0) for one in trials]
            cubes.append(self.encoder.cubes(brain, self.responses.spaces[brain], np.stack(values)))
            order.append(rows[places])
        wanted, device = torch.from_numpy(np.concatenate(order)), self.encoder.device
        latents = None if self.latents is None else self.latents[wanted].to(device)
        return Lesson(torch.cat(cubes), self.clip[wanted].to(device), latents)

    def loss(self, network: BrainTransformer, lesson: Lesson) -> Tensor:
        """The loss of what was read."""
        seen, options = network(lesson.cubes), self.encoder.options
        return encoder_loss(
            seen.features, lesson.features, seen.latents, lesson.latents, options.alpha, options.reduction
        )

    def held_error(self, network: BrainTransformer, rows: np.ndarray) -> float:
        """The mean loss of held-out responses, each the mean of its trials."""
        total = 0.0
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            total += float(self.loss(network, self.read(part, mixed=False))) * len(part)
        return total / len(rows)


def _told(history: History) -> dict[str, Any]:
    """What happened, for the record."""
    told: dict[str, Any] = {
        "epochs": len(history.losses),
        "first_loss": round(history.losses[0], 4),
        "last_loss": round(history.losses[-1], 4),
    }
    if history.scores:
        told |= {"best_epoch": history.best, "held_out_loss": round(-history.scores[history.best - 1], 4)}
    return told
