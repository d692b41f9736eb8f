"""fMRI-LM from scans to a fitted model, and from a fitted model to probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmark.contracts import Context, TaskInfo, Train
from ...benchmark.errors import BadOption
from ...benchmark.kinds.scans import Scans
from ...benchmark.nn.language import Language, load_language
from ...benchmark.nn.training import reproducible
from ...benchmark.preprocess import SiteScale, robust_z, to_frames
from . import checkpoint
from .alignment import align, fit_statistics
from .descriptors import Descriptors, Networks
from .inputs import Inputs, scratch, sites_of
from .options import Options
from .pretraining import ScanTexts, build_tokenizer, pretrain, read_texts
from .prompts import answers, prompt
from .reader import Adapter, Reader, adapt
from .tokenizer import trainable
from .tuning import instruct, probabilities


@dataclass
class Fitted:
    """A trained model, what it needs to read a new scan, and facts for the record."""

    reader: Reader
    descriptors: Descriptors
    scale: SiteScale
    classes: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """One pass over the scans: inputs on scratch disk, mean squares, network-pair means."""

    series: np.ndarray
    power: np.ndarray
    pairs: np.ndarray


def prepare(scans: Scans, networks: Networks, frames: int, context: Context, name: str) -> Prepared:
    """Normalise every scan, one in memory at a time."""
    rois = len(scans.atlas.labels)
    series = scratch(context.workdir / f"fmri-lm-{name}.npy", len(scans), rois, frames)
    power = np.empty(len(scans))
    pairs = np.empty((len(scans), len(networks.pairs)))
    for row in range(len(scans)):
        raw = scans.series(row)
        z = to_frames(robust_z(raw), frames)
        series[row] = z.T
        power[row] = np.mean(np.square(z, dtype=np.float64))
        pairs[row] = networks.pair_means(raw)
        context.progress(f"reading {name} scans", row + 1, len(scans))
    return Prepared(series, power, pairs)


SHOWN_PROMPTS = 3
"""Prompts that a report shows, so that a reader (and the audit) sees what the model was told."""


def fit(options: Options, train: Train, context: Context) -> Fitted:
    """All three stages, or stage 3 alone from a checkpoint of the first two or of all three."""
    scans: Scans = train.inputs
    rng = np.random.default_rng(context.seed)
    with reproducible(context):
        networks = Networks.of(scans.atlas)
        prepared = prepare(scans, networks, options.frames, context, "training")
        scale = SiteScale.fit(prepared.power, sites_of(scans))
        inputs = Inputs(prepared.series, scale.of(sites_of(scans)))
        descriptors = Descriptors.fit(prepared.pairs, networks.pairs)
        texts = [descriptors.text(row, options.describe_pairs) for row in prepared.pairs]
        if context.checkpoint is None:
            reader, facts = _first_stages(options, inputs, texts, context, rng)
        else:
            reader, facts = _from_checkpoint(options, len(scans.atlas.labels), context)
        language = reader.language
        asked = prompts_of(options, context.task, texts)
        facts["prompts"] = list(dict.fromkeys(asked))[:SHOWN_PROMPTS]
        facts["stage3"] = instruct(
            options,
            reader,
            inputs,
            [language.tokenizer.encode(text) for text in asked],
            answer_ids(context.task, language),
            np.asarray(train.targets),
            context,
            rng,
        )
    return Fitted(reader, descriptors, scale, context.task.classes, facts)


def _first_stages(
    options: Options, inputs: Inputs, texts: list[str], context: Context, rng: np.random.Generator
) -> tuple[Reader, dict[str, Any]]:
    """Stages 1 and 2."""
    language = load_language(options.lm, options.lm_layers, context.seed)
    language.model.to(context.device)
    read: ScanTexts = read_texts(texts, language, context)
    tokenizer = build_tokenizer(options, inputs.series.shape[1])
    facts = language.facts
    facts["tokenizer_parameters"] = trainable(tokenizer)
    facts["stage1"] = pretrain(options, tokenizer, inputs, read, language, context, rng)
    gain = float(language.model.get_input_embeddings().weight.float().std())
    adapter = Adapter(tokenizer.shape, language.width, gain).to(context.device)
    facts.update(adapt(options, language))
    reader = Reader(tokenizer, adapter, language)
    if options.standardise == "reliability":
        fit_statistics(reader, inputs, context.device)
    facts["adapter_and_lm_trained_parameters"] = sum(trainable(module) for module in reader.modules())
    facts["stage2"] = align(options, reader, inputs, read.ids, context, rng)
    return reader, facts


def _from_checkpoint(options: Options, rois: int, context: Context) -> tuple[Reader, dict[str, Any]]:
    """The network of a checkpoint, ready for stage 3."""
    assert context.checkpoint is not None
    saved = checkpoint.read_settings(context.checkpoint, options)
    if saved.rois != rois:
        raise BadOption(
            f"{context.checkpoint} was trained on {saved.rois} ROIs, these scans have {rois}",
            "use a checkpoint of the same atlas",
        )
    reader = checkpoint.restore(context.checkpoint, saved, options, context.device)
    return reader, {**saved.facts, "started_from": context.checkpoint.name}


def prompts_of(options: Options, task: TaskInfo, texts: list[str]) -> list[str]:
    """Each scan's prompt, with its description where that is asked for."""
    return [prompt(task, text if options.description else "") for text in texts]


def answer_ids(task: TaskInfo, language: Language) -> list[list[int]]:
    """Token ids of each class's answer."""
    return [language.tokenizer.encode(text) for text in answers(task)]


def predict(options: Options, fitted: Fitted, test: Scans, context: Context) -> np.ndarray:
    """(n, classes) probabilities."""
    rois = fitted.reader.shape.rois
    if len(test.atlas.labels) != rois:
        raise BadOption(f"the model was fitted on {rois} ROIs, these scans have {len(test.atlas.labels)}")
    with reproducible(context):
        prepared = prepare(test, Networks.of(test.atlas), options.frames, context, "test")
        inputs = Inputs(prepared.series, fitted.scale.of(sites_of(test)))
        texts = [fitted.descriptors.text(row, options.describe_pairs) for row in prepared.pairs]
        language = fitted.reader.language
        return probabilities(
            fitted.reader,
            inputs,
            [language.tokenizer.encode(text) for text in prompts_of(options, context.task, texts)],
            answer_ids(context.task, language),
            options.stage3_batch,
            context,
        )


def save(options: Options, fitted: Fitted, context: Context) -> None:
    """Leave the weights in ``context.save``."""
    assert context.save is not None
    saved = checkpoint.describe(
        fitted.reader,
        fitted.descriptors,
        fitted.scale,
        options,
        fitted.classes,
        context.task.target,
        context.seed,
        fitted.facts,
    )
    checkpoint.write(context.save, fitted.reader, saved)


def load(options: Options, context: Context) -> Fitted:
    """The fitted model of ``context.checkpoint``."""
    assert context.checkpoint is not None
    saved = checkpoint.read_settings(context.checkpoint, options)
    if list(context.task.classes) != saved.classes:
        raise BadOption(
            f"{context.checkpoint} tells {saved.classes} apart, the task asks for {list(context.task.classes)}",
            "fit it on this task first",
        )
    with reproducible(context):
        reader = checkpoint.restore(context.checkpoint, saved, options, context.device)
    descriptors, scale = checkpoint.statistics(saved)
    return Fitted(reader, descriptors, scale, tuple(saved.classes), saved.facts)
