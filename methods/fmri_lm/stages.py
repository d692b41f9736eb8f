"""Stages 1 and 2 as steps from and to a `State`, and label-free pretraining made of them.

Each stage starts from random states of its own (seed, stage), so that both in one go and one after
the other from a checkpoint give the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from ...benchmark.contracts import Context
from ...benchmark.errors import BadOption
from ...benchmark.files import whole_folder
from ...benchmark.kinds.scans import Scans
from ...benchmark.nn.language import Language, load_language
from ...benchmark.nn.training import reproducible
from . import alignment, checkpoint, pretraining
from .corpus import Prepared, prepare
from .options import Options
from .plain_text import plain_text
from .reader import Adapter, Reader, adapt
from .state import State
from .tokenizer import trainable

__all__ = ["Prepared", "State", "first_stages", "prepare", "pretrain", "stage1", "stage2"]


def first_stages(options: Options, prepared: Prepared, context: Context) -> State:
    """Stages 1 and 2, within `reproducible`."""
    language = frozen_language(options, context)
    return stage2(options, prepared, stage1(options, prepared, context, language), context, language)


def stage1(options: Options, prepared: Prepared, context: Context, language: Language | None = None) -> State:
    """Train the tokenizer. ``language`` may be handed on when it is loaded and untouched."""
    language = language or frozen_language(options, context)
    tokenizer = pretraining.build_tokenizer(options, prepared.rois)
    facts = {**language.facts, "tokenizer_parameters": trainable(tokenizer)}
    texts = pretraining.read_texts(prepared.texts, language, context)
    rng = seeded(context.seed, 1)
    plain = plain_text(options.corpus, language.tokenizer, context)
    facts["stage1"] = pretraining.pretrain(options, tokenizer, prepared.inputs, texts, plain, language, context, rng)
    return State(1, tokenizer, prepared.scale, prepared.describer, context.seed, facts=facts)


def stage2(
    options: Options, prepared: Prepared, state: State, context: Context, language: Language | None = None
) -> State:
    """Teach a language model to read the tokens of a state; its tokenizer stays as it is."""
    rng = seeded(context.seed, 2)
    language = language or frozen_language(options, context)
    ids = [language.tokenizer.encode(text) for text in prepared.texts]
    gain = float(language.table.float().std())
    adapter = Adapter(state.tokenizer.shape, language.width, gain, options.merge).to(context.device)
    facts = {**state.facts, **adapt(options, language)}
    reader = Reader.of(options, state.tokenizer.to(context.device), adapter, language)
    if options.standardise == "reliability":
        alignment.fit_statistics(reader, prepared.inputs, context.device, options.bf16)
    facts["adapter_and_lm_trained_parameters"] = sum(trainable(module) for module in reader.modules())
    plain = plain_text(options.corpus, language.tokenizer, context)
    facts["stage2"] = alignment.align(options, reader, prepared.inputs, ids, plain, context, rng)
    return replace(state, stage=2, seed=context.seed, reader=reader, facts=facts)


def frozen_language(options: Options, context: Context) -> Language:
    """The language model of the options, frozen, on the device."""
    language = load_language(options.lm, options.lm_layers, context.seed)
    language.model.to(context.device)
    return language


def seeded(seed: int, stage: int) -> np.random.Generator:
    """Random states of a stage: torch's is set, numpy's comes back."""
    torch.manual_seed(int(np.random.SeedSequence([seed, stage]).generate_state(1)[0]))
    return np.random.default_rng([seed, stage])


Third = Callable[[Options, State, Context], State]


def pretrain(options: Options, cohorts: Sequence[Scans], context: Context, third: Third) -> None:
    """Stage ``context.stage``, or all of them (stage 3 where there are ``context.sources``), from cohorts.

    The folder ``context.save`` holds the last stage, so that it is a checkpoint by itself; its sub-folders
    ``stage1`` and ``stage2`` hold earlier ones. What is finished, and the state of what is not, is kept in
    ``context.resume``. Raises `BadOption` for a stage that lacks the one before it, or labels.
    """
    with reproducible(context):
        state = None
        if context.checkpoint is not None:
            state = checkpoint.restore(context.checkpoint, options, context.device)
            checkpoint.refuse_other_atlas(state, cohorts[0].atlas, context.checkpoint)
        asked = stages_asked(context, state)
        prepared = prepare(cohorts, options, context, state)
        for stage in asked:
            kept = None if context.resume is None else context.resume / f"stage{stage}"
            if kept is not None and kept.is_dir():
                state = checkpoint.restore(kept, options, context.device)
            else:
                state = _run(stage, options, prepared, state, context, third)
            if kept is not None and not kept.is_dir():
                with whole_folder(kept) as folder:
                    checkpoint.write(folder, state, options)
            if context.save is not None:
                last = stage == asked[-1]
                checkpoint.write(context.save if last else context.save / f"stage{stage}", state, options)


def stages_asked(context: Context, state: State | None) -> list[int]:
    """Which stages to train, in order. Raises `BadOption`."""
    done = 0 if state is None else state.stage
    if context.stage == 1 and state is not None:
        raise BadOption("stage 1 starts from nothing, not from a checkpoint", "leave --checkpoint out")
    wanted = [context.stage] if context.stage else [1, 2, 3] if context.sources else [1, 2]
    asked = wanted if context.stage else [stage for stage in wanted if stage > done]
    if not asked:
        raise BadOption(f"the checkpoint has stage {done} already", "name the stage to train again (--stage)")
    if asked[0] > 1 and done < asked[0] - 1:
        raise BadOption(
            f"stage {asked[0]} starts from a checkpoint of stage {asked[0] - 1}", "give one (--checkpoint DIR)"
        )
    if asked[-1] == 3 and not context.sources:
        raise BadOption("stage 3 learns from labels", "name a task whose labels are learned from (--task)")
    return asked


def _run(
    stage: int, options: Options, prepared: Prepared, state: State | None, context: Context, third: Third
) -> State:
    if stage == 1:
        return stage1(options, prepared, context)
    assert state is not None
    return stage2(options, prepared, state, context) if stage == 2 else third(options, state, context)
