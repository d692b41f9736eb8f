"""fMRI-LM from scans to a fitted model, and from a fitted model to probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmark.contracts import Context, TaskInfo, Train
from ...benchmark.kinds.scans import Scans
from .alignment import align, fit_statistics
from .descriptors import Descriptors, Networks
from .language import Language, load_language
from .loops import reproducible
from .options import Options
from .preprocess import Inputs, SiteScale, robust_z, scratch, sites_of, to_frames
from .pretraining import build_tokenizer, pretrain, read_texts
from .prompts import answers, prompt
from .reader import Adapter, Reader, adapt_language
from .tokenizer import trainable
from .tuning import instruct, probabilities


@dataclass
class Fitted:
    """A trained model and what it needs to read a new scan."""

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


def fit(options: Options, train: Train, context: Context) -> Fitted:
    """All three stages."""
    scans: Scans = train.inputs
    rng = np.random.default_rng(context.seed)
    with reproducible(context):
        networks = Networks.of(scans.atlas)
        prepared = prepare(scans, networks, options.frames, context, "training")
        scale = SiteScale.fit(prepared.power, sites_of(scans))
        inputs = Inputs(prepared.series, scale.of(sites_of(scans)))
        descriptors = Descriptors.fit(prepared.pairs, networks.pairs)
        language = load_language(options.lm, options.lm_layers, context.seed)
        language.model.to(context.device)
        texts = [descriptors.text(row, options.describe_pairs) for row in prepared.pairs]
        read = read_texts(texts, language, context)
        tokenizer = build_tokenizer(options, len(scans.atlas.labels))
        facts: dict[str, Any] = {
            "lm": language.name,
            "lm_source": language.source,
            "lm_layers": language.layers,
            "lm_layers_available": language.layers_available,
        }
        facts["tokenizer_parameters"] = trainable(tokenizer)
        facts["stage1"] = pretrain(options, tokenizer, inputs, read, language, context, rng)
        gain = float(language.model.get_input_embeddings().weight.float().std())
        adapter = Adapter(tokenizer.shape, language.width, gain).to(context.device)
        facts.update(adapt_language(options, language))
        reader = Reader(tokenizer, adapter, language)
        fit_statistics(reader, inputs, context.device)
        facts["trained_parameters"] = sum(trainable(module) for module in reader.modules())
        facts["stage2"] = align(options, reader, inputs, read.ids, context, rng)
        prompts = prompt_ids(options, context.task, language, texts)
        facts["stage3"] = instruct(
            options,
            reader,
            inputs,
            prompts,
            answer_ids(context.task, language),
            np.asarray(train.targets),
            context,
            rng,
        )
    return Fitted(reader, descriptors, scale, context.task.classes, facts)


def prompt_ids(options: Options, task: TaskInfo, language: Language, texts: list[str]) -> list[list[int]]:
    """Token ids of each scan's prompt."""
    if not options.description:
        return [language.tokenizer.encode(prompt(task))] * len(texts)
    return [language.tokenizer.encode(prompt(task, text)) for text in texts]


def answer_ids(task: TaskInfo, language: Language) -> list[list[int]]:
    """Token ids of each class's answer."""
    return [language.tokenizer.encode(text) for text in answers(task)]


def predict(options: Options, fitted: Fitted, test: Scans, context: Context) -> np.ndarray:
    """(n, classes) probabilities."""
    with reproducible(context):
        prepared = prepare(test, Networks.of(test.atlas), options.frames, context, "test")
        inputs = Inputs(prepared.series, fitted.scale.of(sites_of(test)))
        texts = [fitted.descriptors.text(row, options.describe_pairs) for row in prepared.pairs]
        language = fitted.reader.language
        return probabilities(
            fitted.reader,
            inputs,
            prompt_ids(options, context.task, language, texts),
            answer_ids(context.task, language),
            options.stage3_batch,
            context,
        )
