"""fMRI-LM from scans to a fitted model under every regime, and from a fitted model to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...benchmark.contracts import Context, Train
from ...benchmark.errors import BadOption, Skipped
from ...benchmark.kinds.questions import Answers
from ...benchmark.kinds.scans import Scans, strangers
from ...benchmark.nn.training import reproducible
from . import checkpoint, pooled, predicting, sharing, stages
from .answering import Asker, Units, asker_of
from .corpus import Prepared, prepare
from .loops import Schedule
from .options import Options
from .parties import Party, lessons_of, refuse_other_atlases, remembered, shown, speech_of
from .pooled import PooledHeads
from .state import State
from .tuning import adapting_schedule, instruct, stage3_schedule

HEADS = "pooled"
"""Sub-folder of a checkpoint for the heads of the control without a language model."""


@dataclass
class Fitted:
    """A model after fitting; ``heads`` where it answers without the language model."""

    state: State
    heads: PooledHeads | None = None


def fit(options: Options, train: Train, context: Context) -> Fitted:
    """Learn from the task's own scans and from sources, then adapt to the labelled scans of a regime of few.

    Stages 1 and 2 see the scans of everybody whose labels stage 3 learns. With few labels these are the
    sources alone; without any source they are the few scans themselves.
    """
    few = context.support is not None
    own = Party("", context.task, train)
    sources = [Party(name, source.info, source.train) for name, source in context.sources.items()]
    refuse_other_atlases(own, sources)
    parties = [party for party in ([] if few and sources else [own]) + sources if len(party)]
    with reproducible(context):
        fitted = _learned(options, parties, few and not sources, context)
        fitted.state.learned = remembered(own, sources)
        if few and len(own) and sources:
            _adapt(options, fitted, own, sources, context)
    fitted.state.facts |= {"scan": options.scan, "sources": [party.name for party in sources]}
    return fitted


def _learned(options: Options, parties: list[Party], alone: bool, context: Context) -> Fitted:
    """The model of all parties' labels. ``alone``: on the few labelled scans of a regime, which nobody shares."""
    here = replace(context, shared=None) if alone else context
    if not parties:
        if context.checkpoint is None:
            raise Skipped(f"{context.task.name}: no labelled scan and no source to learn from", "name source tasks")
        return Fitted(_started(options, context))
    names = [f"{party.name}:{party.info.target}" for party in parties]
    schedule = adapting_schedule(options) if alone else stage3_schedule(options)
    if options.answer_by == "pooled":
        state, prepared = _two_stages(options, parties, names, here)
        heads = PooledHeads(state.ready.shape.tokens * state.ready.shape.width)
        return _with_heads(options, Fitted(state, heads), prepared, parties, schedule, context)

    def third() -> State:
        state, prepared = _two_stages(options, parties, names, here)
        return third_stage(options, state, prepared, parties, schedule, context)

    return Fitted(sharing.kept(options, 3, names, here, third))


def _two_stages(
    options: Options, parties: list[Party], names: Sequence[str], context: Context
) -> tuple[State, Prepared]:
    """The model after stages 1 and 2 (or of a checkpoint), and the prepared scans of all parties."""
    found: list[Prepared] = []

    def make() -> State:
        found.append(_prepared(options, parties, context, None))
        return stages.first_stages(options, found[0], context)

    if context.checkpoint is None:
        state = sharing.kept(options, 2, names, context, make)
        return state, found[0] if found else _prepared(options, parties, context, state)
    state, prepared = _started(options, context), _prepared(options, parties, context, None)
    checkpoint.refuse_other_atlas(state, parties[0].train.inputs.atlas, context.checkpoint)
    if state.stage == 1:
        state = stages.stage2(options, prepared, state, context)
    return replace(state, scale=prepared.scale, describer=prepared.describer), prepared


def _prepared(
    options: Options, parties: list[Party], context: Context, state: State | None, label: str = "training"
) -> Prepared:
    cohorts, names = [party.train.inputs for party in parties], [party.name for party in parties]
    return prepare(
        cohorts, options, context, state, names=names, label=label, describe=state is None or options.description
    )


def third_stage(
    options: Options, state: State, prepared: Prepared, parties: Sequence[Party], schedule: Schedule, context: Context
) -> State:
    """Tune on the labels of all parties, whose scans were prepared in their order."""
    lessons = lessons_of(options, state, prepared, parties)
    rng = stages.seeded(context.seed, 3)
    facts = {**state.facts, "prompts": shown(lessons)}
    facts["stage3"] = instruct(options, state.ready, prepared.inputs, lessons, schedule, context, rng)
    return replace(state, stage=3, facts=facts)


def _with_heads(
    options: Options, fitted: Fitted, prepared: Prepared, parties: Sequence[Party], schedule: Schedule, context: Context
) -> Fitted:
    """Train the heads of the control without a language model."""
    lessons = lessons_of(options, fitted.state, prepared, parties)
    rng, reader = stages.seeded(context.seed, 3), fitted.state.ready
    assert fitted.heads is not None
    facts = pooled.learn(options, fitted.heads, reader, prepared.inputs, lessons, schedule, context, rng)
    fitted.state.facts["heads"] = facts
    return fitted


def _adapt(options: Options, fitted: Fitted, own: Party, sources: Sequence[Party], context: Context) -> None:
    """A few steps on the labelled scans of the regime, with settings that were never tuned."""
    prepared = _prepared(options, [own], context, fitted.state, "support")
    schedule, rng = adapting_schedule(options), stages.seeded(context.seed, 4)
    lessons = lessons_of(options, fitted.state, prepared, [own], sources)
    reader, inputs = fitted.state.ready, prepared.inputs
    if fitted.heads is None:
        facts = instruct(options, reader, inputs, lessons, schedule, context, rng)
    else:
        facts = pooled.learn(options, fitted.heads, reader, inputs, lessons, schedule, context, rng)
    fitted.state.facts["adaptation"] = {**facts, "scans": len(own), "settings": "fixed, not tuned"}


def predict(options: Options, fitted: Fitted, test: Scans, context: Context) -> np.ndarray | Answers:
    """Class probabilities (n, classes), numbers (n,), or answers."""
    state = fitted.state
    checkpoint.refuse_other_atlas(state, test.atlas, context.checkpoint)
    with reproducible(context):
        prepared = prepare([test], options, context, state, label="test", describe=options.description)
        asker = asker_of(context.task, speech_of(options, state), Units(*state.learned["units"]))
        if fitted.heads is not None:
            return pooled.predict(fitted.heads, state.ready, prepared.inputs, asker, context, options.bf16)
        prompts = test_prompts(asker, test, prepared.texts if options.description else [])
        rows = whose(options, test, context.seed)
        return predicting.predict(state.ready, prepared.inputs, rows, asker, prompts, context, options.bf16)


def test_prompts(asker: Asker, test: Scans, descriptions: Sequence[str]) -> list[str]:
    """The prompt of each test scan: the item's own, or the bank's in a wording that training never has."""
    asked: Sequence[str] = getattr(test, "prompts", None) or [asker.tested()] * len(test)
    return [
        asker.speech.text(text, description)
        for text, description in zip(asked, descriptions or [""] * len(test), strict=True)
    ]


def whose(options: Options, test: Scans, seed: int) -> np.ndarray | None:
    """Whose tokens are shown with each test prompt; None for nobody's."""
    if options.scan == "none":
        return None
    return strangers(len(test), seed) if options.scan == "other" else np.arange(len(test))


def save(options: Options, fitted: Fitted, context: Context) -> None:
    """Leave the weights in ``context.save``."""
    assert context.save is not None
    checkpoint.write(context.save, fitted.state, options)
    if fitted.heads is not None:
        fitted.heads.save(context.save / HEADS)


def load(options: Options, context: Context) -> Fitted:
    """The fitted model of ``context.checkpoint``, which must have been fitted to this task's question."""
    assert context.checkpoint is not None
    with reproducible(context):
        state = checkpoint.restore(context.checkpoint, options, context.device)
    task, known = context.task, state.learned
    fields = {name: list(labels) for name, labels in task.fields.items()}
    if (list(task.classes), fields) != (known.get("classes"), known.get("fields")):
        raise BadOption(
            f"{context.checkpoint} answers {known.get('fields') or known.get('classes') or 'nothing yet'}, the task "
            f"asks for {fields or list(task.classes)}",
            "fit it on this task first",
        )
    if options.answer_by != "pooled":
        return Fitted(state)
    folder = context.checkpoint if context.checkpoint.is_dir() else context.checkpoint.parent
    return Fitted(state, PooledHeads.load(folder / HEADS))


def _started(options: Options, context: Context) -> State:
    """The state of ``context.checkpoint``."""
    assert context.checkpoint is not None
    state = checkpoint.restore(context.checkpoint, options, context.device)
    return replace(state, facts={**state.facts, "started_from": context.checkpoint.name})


def pretrain(options: Options, cohorts: Sequence[Scans], context: Context) -> None:
    """See `stages.pretrain`; its third stage is this module's."""
    stages.pretrain(options, cohorts, context, _pretrain_third)


def _pretrain_third(options: Options, state: State, context: Context) -> State:
    """Stage 3 of pretraining: on the labels of ``context.sources``."""
    parties = [Party(name, source.info, source.train) for name, source in context.sources.items()]
    prepared = _prepared(options, parties, context, state, "labelled")
    return third_stage(options, state, prepared, parties, stage3_schedule(options), context)
