"""BrainEC-LLM from the recordings of a network to its graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ...benchmark.contracts import Context
from ...benchmark.kinds.connectivity import Network
from ...benchmark.nn.language import Language, Loading, load_language
from ...benchmark.nn.training import reproducible
from .model import BrainEC, part_sizes
from .options import Options
from .patches import Shape
from .prompt import Prompt, build_prompt
from .reader import Reader, add_lora
from .training import Trained, read_graph, train


def recover(options: Options, network: Network, context: Context) -> tuple[np.ndarray, dict[str, Any]]:
    """Scores (source, target) of one network, and facts for the record."""
    recordings = chosen(options, network.recordings)
    shape = Shape.of(options, *recordings[0].shape)
    with reproducible(context):
        language = load(options, context)
        prompt = None
        if options.prompt and options.llm != "none":
            prompt = build_prompt(recordings, network.tr, context.task, language.tokenizer, options.prompt_tokens)
        model = build(options, shape, language, prompt).to(context.device)
        series = torch.from_numpy(np.stack(recordings)).float().to(context.device)
        trained = train(options, model, series, context)
        graph = trained.graph if options.graph_from == "training" else read_graph(options, model, series)
    scores = graph.double().cpu().numpy()
    np.fill_diagonal(scores, 0)
    facts = {
        "subjects": len(recordings),
        "subjects_left_out": len(network.recordings) - len(recordings),
        "frames": shape.frames,
        "regions": shape.regions,
        "patch_tokens": sum(shape.patches),
        **prompt_facts(prompt),
        **training_facts(options, trained, series),
        "llm": options.llm,
        **language.facts,
        "parameters": part_sizes(model),
        "savings": savings(options, prompt, len(network.recordings) > len(recordings)),
    }
    return scores, facts


def chosen(options: Options, recordings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The recordings to train on, cut to the shortest: weights over time need one length."""
    kept = recordings[: options.max_subjects or None]
    frames = min(map(len, kept))
    return [series[:frames] for series in kept]


def load(options: Options, context: Context) -> Language:
    """The language model, before LoRA."""
    on_gpu = context.device.startswith("cuda")
    loading = Loading(
        random=options.llm == "random",
        dtype="bfloat16" if on_gpu else "float32",
        four_bit=options.four_bit,
        device=context.device,
    )
    return load_language(options.lm, options.lm_layers, context.seed, loading)


def build(options: Options, shape: Shape, language: Language, prompt: Prompt | None) -> BrainEC:
    """The network around a language model with LoRA, or around none.

    LoRA draws its weights last, so that with one seed all other parts start alike in every ablation.
    """
    if options.llm == "none":
        return BrainEC(options, shape, language.table, nn.Identity())
    model = BrainEC(options, shape, language.table, Reader(language, prompt.ids if prompt else []))
    add_lora(options, language)
    return model


def prompt_facts(prompt: Prompt | None) -> dict[str, Any]:
    """Length of the prompt, and what it names."""
    if prompt is None:
        return {"prompt_tokens": 0}
    return {
        "prompt_tokens": len(prompt.ids),
        "prompt_shortened": prompt.shortened,
        "prompt_correlations": f"{prompt.pairs} of {prompt.pairs_available} pairs",
    }


def training_facts(options: Options, trained: Trained, series: torch.Tensor) -> dict[str, Any]:
    """Epochs, seconds, the first and last epoch's losses, and the share of variance reconstructed."""
    variance = float(series.var(1, unbiased=False).mean())
    first, last = ({name: float(f"{value:.6g}") for name, value in trained.history[k].items()} for k in (0, -1))
    return {
        "epochs": options.epochs,
        "seconds": round(trained.seconds, 1),
        "seconds_per_epoch": round(trained.seconds / options.epochs, 3),
        "cpu_seconds_per_epoch": round(trained.cpu_seconds / options.epochs, 3),
        "loss_first": first,
        "loss_last": last,
        "explained_variance": round(1 - last["reconstruction"] / variance, 4),
    }


def savings(options: Options, prompt: Prompt | None, fewer_subjects: bool) -> list[str]:
    """What this run did for the sake of speed."""
    found = []
    if prompt is not None:
        often = "once" if options.lora_rank == 0 else "once a batch"
        found.append(f"the prompt is encoded {often} and shared by all sequences")
    if prompt is not None and prompt.shortened:
        found.append(
            f"the prompt names the {prompt.pairs} strongest correlations, to fit {options.prompt_tokens} tokens"
        )
    if options.prototype_words:
        found.append(f"prototypes mix the first {options.prototype_words} words of the vocabulary")
    if options.lm_layers:
        found.append(f"the first {options.lm_layers} layers of the language model")
    if fewer_subjects:
        found.append(f"the first {options.max_subjects} subjects")
    return found
