"""fMRI-LM from scans to a fitted model, and from a fitted model to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...benchmark.contracts import Context, TaskInfo, Train
from ...benchmark.errors import BadOption
from ...benchmark.kinds.scans import Scans
from ...benchmark.nn.language import Language
from ...benchmark.nn.training import reproducible
from . import checkpoint, stages
from .corpus import Prepared, prepare
from .options import Options
from .prompts import answers, prompt
from .stages import first_stages
from .state import State
from .tuning import instruct, probabilities

SHOWN_PROMPTS = 3
"""Prompts that a report shows, so that a reader (and the audit) sees what the model was told."""


def fit(options: Options, train: Train, context: Context) -> State:
    """All three stages, or stage 3 alone from a checkpoint of the first two or of all three."""
    with reproducible(context):
        prepared = prepare([train.inputs], options, context)
        state = first_stages(options, prepared, context) if context.checkpoint is None else started(options, context)
        return tuned(options, state, prepared, context.task, np.asarray(train.targets), context)


def pretrain(options: Options, cohorts: Sequence[Scans], context: Context) -> None:
    """The stages that are asked for, into ``context.save``; see `stages.pretrain`."""
    stages.pretrain(options, cohorts, context, third)


def third(options: Options, state: State, context: Context) -> State:
    """Stage 3 on the labelled source tasks, one after another."""
    for name, source in context.sources.items():
        prepared = prepare([source.train.inputs], options, context, state, label=name)
        state = tuned(options, state, prepared, source.info, np.asarray(source.train.targets), context)
    return state


def tuned(
    options: Options, state: State, prepared: Prepared, task: TaskInfo, labels: np.ndarray, context: Context
) -> State:
    """Stage 3 on the labelled scans of a task."""
    reader, language = state.ready, state.ready.language
    if reader.shape.rois != prepared.rois:
        raise BadOption(
            f"the checkpoint was trained on {reader.shape.rois} ROIs, these scans have {prepared.rois}",
            "use a checkpoint of the same atlas",
        )
    asked = prompts_of(options, task, prepared.texts)
    facts = {**state.facts, "prompts": list(dict.fromkeys(asked))[:SHOWN_PROMPTS]}
    facts["stage3"] = instruct(
        options,
        reader,
        prepared.inputs,
        [language.tokenizer.encode(text) for text in asked],
        answer_ids(task, language),
        labels,
        context,
        np.random.default_rng(context.seed),
    )
    learned = {"classes": list(task.classes), "target": task.target}
    return replace(state, stage=3, scale=prepared.scale, describer=prepared.describer, facts=facts, learned=learned)


def started(options: Options, context: Context) -> State:
    """The state of ``context.checkpoint``, ready for stage 3."""
    assert context.checkpoint is not None
    state = checkpoint.restore(context.checkpoint, options, context.device)
    return replace(state, facts={**state.facts, "started_from": context.checkpoint.name})


def prompts_of(options: Options, task: TaskInfo, texts: list[str]) -> list[str]:
    """Each scan's prompt, with its description where that is asked for."""
    return [prompt(task, text if options.description else "") for text in texts]


def answer_ids(task: TaskInfo, language: Language) -> list[list[int]]:
    """Token ids of each class's answer."""
    return [language.tokenizer.encode(text) for text in answers(task)]


def predict(options: Options, fitted: State, test: Scans, context: Context) -> np.ndarray:
    """(n, classes) probabilities."""
    rois = fitted.ready.shape.rois
    if len(test.atlas.labels) != rois:
        raise BadOption(f"the model was fitted on {rois} ROIs, these scans have {len(test.atlas.labels)}")
    with reproducible(context):
        prepared = prepare([test], options, context, fitted, label="test", describe=options.description)
        texts = prepared.texts or [""] * len(test)
        language = fitted.ready.language
        return probabilities(
            fitted.ready,
            prepared.inputs,
            [language.tokenizer.encode(text) for text in prompts_of(options, context.task, texts)],
            answer_ids(context.task, language),
            options.stage3_batch,
            context,
        )


def save(options: Options, fitted: State, context: Context) -> None:
    """Leave the weights in ``context.save``."""
    assert context.save is not None
    checkpoint.write(context.save, fitted, options)


def load(options: Options, context: Context) -> State:
    """The fitted model of ``context.checkpoint``."""
    assert context.checkpoint is not None
    with reproducible(context):
        state = checkpoint.restore(context.checkpoint, options, context.device)
    known = state.learned.get("classes", [])
    if list(context.task.classes) != known:
        raise BadOption(
            f"{context.checkpoint} tells {known} apart, the task asks for {list(context.task.classes)}",
            "fit it on this task first",
        )
    return state
