"""FCN-LLM from scans to a fitted model, and from a fitted model to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...benchmark.contracts import Context, Train
from ...benchmark.errors import BadOption, Skipped
from ...benchmark.files import made_once
from ...benchmark.kinds.scans import Scans
from ...benchmark.nn.training import reproducible
from . import checkpoint, plain, reuse
from .answering import Asking, shown_rows
from .building import Layout, build, facts_of, free_language, survey
from .instructions import Item, draw
from .options import Options
from .parts import Part, key_of, means_of, part_of, refuse_unlike
from .plain import Plain
from .reader import Reader
from .training import adapt, stage, stage_items
from .windows import whole

SHOWN_PROMPTS = 6
ADAPTING = 3
"""Seeds the adaptation, beside stages 1 and 2."""


@dataclass
class Fitted:
    """A trained network, what it was made of, and facts for the record."""

    learner: Reader | Plain
    layout: Layout
    stage: int
    means: dict[str, float]
    facts: dict[str, Any]


def fit(options: Options, train: Train, context: Context) -> Fitted:
    """Both stages on all labelled scans; under a regime of few labels on the source tasks, then the adaptation."""
    own = [part_of(context.task, train)] if len(train.groups) else []
    others = [part_of(source.info, source.train) for source in context.sources.values()]
    few = context.support is not None
    adapts = few and bool(others or context.checkpoint)
    basis = others if adapts else own + others
    if not basis and context.checkpoint is None:
        raise Skipped(
            "fcn-llm has neither a labelled scan nor a source task to learn from",
            "name source tasks, such as  @zero-shot:SOURCE,  or start from --checkpoint FOLDER",
        )
    refuse_unlike([*own, *others])
    with reproducible(context):
        fitted = _kept(options, basis, train.inputs, context)
        if adapts and own:
            fitted.facts["adaptation"] = _adapted(options, fitted, own, context)
    fitted.means = means_of(own) or fitted.means
    return fitted


def _kept(options: Options, basis: list[Part], scans: Scans, context: Context) -> Fitted:
    """A network after both stages: one that another cell left, or one that is left for others."""
    place = reuse.place(options, context)
    if place is None:
        return _learned(options, basis, scans, context)
    return made_once(
        place,
        lambda folder: load(options, scans, context, folder),
        lambda: _learned(options, basis, scans, context),
        lambda folder, found: checkpoint.write(folder, found.learner, saved_of(options, found, scans, context)),
    )


def _learned(options: Options, basis: list[Part], scans: Scans, context: Context) -> Fitted:
    """A network after both stages, or from a checkpoint on."""
    rng = np.random.default_rng(context.seed)
    if context.checkpoint is None:
        layout, mean, spread = survey(options, basis)
        fitted = start(options, layout, mean, spread, basis, context)
    else:
        fitted = load(options, scans, context)
        fitted.facts["started_from"] = context.checkpoint.name
    for number in (1, 2):
        if basis and (number == 2 or fitted.stage < 1):
            run_stage(options, number, fitted, basis, context, rng)
    return fitted


def start(
    options: Options, layout: Layout, mean: np.ndarray, spread: np.ndarray, parts: Sequence[Part], context: Context
) -> Fitted:
    """An untrained network."""
    learner = build(options, layout, parts, context)
    if options.standardise == "cohort":
        learner.encoder.standardise(torch.from_numpy(mean).float(), torch.from_numpy(spread).float())
    return Fitted(learner, layout, 0, means_of(parts), facts_of(learner, layout, options))


def run_stage(
    options: Options, number: int, fitted: Fitted, parts: list[Part], context: Context, rng: np.random.Generator
) -> None:
    """Stage 1 or 2 of a network, in place."""
    learner = fitted.learner
    paradigms = options.paradigms_used if isinstance(learner, Reader) else ("predictive",)
    if number == 2 and isinstance(learner, Reader) and fitted.stage < 2:
        fitted.facts |= free_language(options, learner)
    items = stage_items(options, number, parts, paradigms, rng)
    blind = number == 1 and options.scan == "none"
    fitted.facts[f"stage{number}"] = {"steps": 0} if blind else stage(options, number, learner, parts, items, context)
    if number == 2:
        fitted.facts["prompts"] = shown_prompts(items)
    fitted.stage = number


def _adapted(options: Options, fitted: Fitted, own: list[Part], context: Context) -> dict[str, Any]:
    """Adaptation of a trained network to the few labelled scans, in place.

    Its random states are its own: they are the same whether the network was trained just now or read.
    """
    rng = np.random.default_rng(context.seed)
    torch.manual_seed(int(np.random.SeedSequence([context.seed, ADAPTING]).generate_state(1)[0]))
    paradigms = ("predictive",) if "predictive" in options.paradigms_used else options.paradigms_used
    if isinstance(fitted.learner, Plain) and any(key_of(a.info) not in fitted.learner.heads for a in own[0].attributes):
        return {"steps": 0, "why": "the plain classifier has no layer for classes that no source has"}
    items = draw(own, [whole(part.scans) for part in own], paradigms, rng)
    return adapt(options, fitted.learner, own, items, context)


def shown_prompts(items: Sequence[Item]) -> list[str]:
    """Some of the questions, so that a reader (and the audit) sees what the model was told."""
    return list(dict.fromkeys(item.question for item in items))[:SHOWN_PROMPTS]


def predict(options: Options, fitted: Fitted, test: Scans, context: Context) -> Any:
    """Probabilities (n, classes), numbers (n,) or `Answers`, by the kind of the task."""
    rois = len(test.atlas.labels)
    if rois != fitted.layout.rois:
        raise BadOption(f"the model was fitted on {fitted.layout.rois} ROIs, these scans have {rois}")
    task = context.task
    with reproducible(context):
        if isinstance(fitted.learner, Plain):
            return plain.predict(fitted.learner, test, task, context)
        shown = shown_rows(test, options, context.seed)
        asking = Asking(options, fitted.learner, test, shown, context)
        if task.kind == "classification":
            return asking.probabilities(task)
        if task.kind == "questions":
            return asking.answers(task)
        values, failures = asking.numbers(task, fitted.means.get(key_of(task), 0.0))
        fitted.facts["parse_failures"] = round(failures, 4)
        return values


def saved_of(options: Options, fitted: Fitted, scans: Scans, context: Context) -> checkpoint.Saved:
    """The settings to store beside the weights."""
    learner = fitted.learner
    heads: dict[str, int] = {}
    scales: dict[str, tuple[float, float]] = {}
    if isinstance(learner, Plain):
        heads, scales = learner.heads, learner.scales
    return checkpoint.Saved(
        structure=checkpoint.structure(options),
        stage=fitted.stage,
        atlas=checkpoint.atlas_hash(scans.atlas),
        parcels=fitted.layout.parcels.tolist(),
        groups=fitted.layout.groups.tolist(),
        origin=fitted.layout.origin,
        heads=heads,
        scales=scales,
        means=fitted.means,
        sees=options.scan != "none",
        seed=context.seed,
        facts=fitted.facts,
    )


def save(options: Options, fitted: Fitted, scans: Scans, context: Context) -> None:
    """Leave the weights in ``context.save``."""
    assert context.save is not None
    checkpoint.write(context.save, fitted.learner, saved_of(options, fitted, scans, context))


def load(options: Options, scans: Scans, context: Context, place: Path | None = None) -> Fitted:
    """The network of a checkpoint: ``place``, or ``context.checkpoint``."""
    where = place or context.checkpoint
    assert where is not None
    learner, saved = checkpoint.read(where, options, scans.atlas, context)
    return Fitted(learner, saved.layout, saved.stage, saved.means, saved.facts)
