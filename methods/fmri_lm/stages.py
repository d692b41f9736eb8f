"""Stages 1 and 2 as steps from and to a `State`, and label-free pretraining made of them.

Each stage starts from random states of its own (seed, stage), so that both in one go and one after
the other from a checkpoint give the same weights.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...benchmark.contracts import Context
from ...benchmark.nn.language import Language, load_language
from . import alignment, pretraining
from .corpus import Prepared, prepare
from .options import Options
from .reader import Adapter, Reader, adapt
from .state import State
from .tokenizer import trainable

__all__ = ["Prepared", "State", "first_stages", "prepare", "stage1", "stage2"]


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
    facts["stage1"] = pretraining.pretrain(options, tokenizer, prepared.inputs, texts, language, context, rng)
    return State(1, tokenizer, prepared.scale, prepared.describer, context.seed, facts=facts)


def stage2(
    options: Options, prepared: Prepared, state: State, context: Context, language: Language | None = None
) -> State:
    """Teach a language model to read the tokens of a state; its tokenizer stays as it is."""
    rng = seeded(context.seed, 2)
    language = language or frozen_language(options, context)
    ids = [language.tokenizer.encode(text) for text in prepared.texts]
    gain = float(language.table.float().std())
    adapter = Adapter(state.tokenizer.shape, language.width, gain).to(context.device)
    facts = {**state.facts, **adapt(options, language)}
    reader = Reader(state.tokenizer.to(context.device), adapter, language)
    if options.standardise == "reliability":
        alignment.fit_statistics(reader, prepared.inputs, context.device)
    facts["adapter_and_lm_trained_parameters"] = sum(trainable(module) for module in reader.modules())
    facts["stage2"] = alignment.align(options, reader, prepared.inputs, ids, context, rng)
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
