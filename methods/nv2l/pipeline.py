"""From training responses to a fitted NV2L, and from test responses to texts, pictures and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...benchmark.contracts import Context, Train
from ...benchmark.errors import BadData
from ...benchmark.kinds.seen import Responses, Stimulus
from ...benchmark.nn.features import features_of, load_encoder
from ...benchmark.nn.latents import Codec, load_codec
from .brain import BrainEncoder
from .dialogue import asked_at_test, box_of_words
from .localise import concept_vectors, locate, nullification
from .options import Options
from .reconstruct import Pictures, Studio
from .retelling import retold
from .sharing import kept_encoder
from .training import one_a_response

WORDY = ("captioning", "description", "reasoning", "grounding")


@dataclass
class Seen:
    """The training images, each once.

    Attributes
    ----------
    stimuli, features, latents
        What was seen, its features (images, d), and its latents (images, m) where they are wanted.
    place
        (n,) image of each training row.
    """

    stimuli: list[Stimulus]
    features: np.ndarray
    latents: np.ndarray | None
    place: np.ndarray


@dataclass
class Fitted:
    """A trained NV2L.

    Attributes
    ----------
    encoders
        The brain side; where concepts are located, one for each patch side.
    speakers
        Brain (or "" for all) -> f_t and language model.
    answer_tokens
        Longest answer.
    vectors
        Concept -> direction in z_c.
    """

    seen: Seen
    codec: Codec | None
    encoders: list[BrainEncoder]
    speakers: dict[str, Any] = field(default_factory=dict)
    answer_tokens: int = 0
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def fit(options: Options, train: Train, context: Context) -> Fitted:
    """Everything that the task at hand needs."""
    seen, codec, facts = _targets(options, train, context)
    kind = context.task.kind
    sides = options.cam_sides if kind == "localisation" else (options.patch,)
    features = seen.features[seen.place]
    latents = None if seen.latents is None else seen.latents[seen.place]
    encoders = [kept_encoder(train.inputs, features, latents, train.groups, options, context, side) for side in sides]
    fitted = Fitted(seen, codec, encoders, facts=facts | {"brain": [encoder.facts for encoder in encoders]})
    if kind == "localisation":
        fitted.vectors = _vectors(options, seen, context)
    if speaks(options, kind):
        _fit_speakers(options, fitted, train, context)
    return fitted


def speaks(options: Options, kind: str) -> bool:
    """Whether a task takes the language model: texts, or words for a diffusion decoder."""
    return options.llm != "none" and (kind in WORDY or (kind == "reconstruction" and options.decoder == "unclip"))


def _targets(options: Options, train: Train, context: Context) -> tuple[Seen, Codec | None, dict[str, Any]]:
    """Features and latents of the training images."""
    _, first, place = np.unique(train.groups, return_index=True, return_inverse=True)
    stimuli = [train.targets[int(row)] for row in first]
    if not all(stimulus.has_image for stimulus in stimuli):
        raise BadData("a training image has no pixels", "NV2L learns from the images that were seen")
    pictures = Pictures(stimuli)
    encoder = load_encoder(options.features, context.device)
    features = features_of(encoder, pictures, context.progress)
    facts: dict[str, Any] = {"features": encoder.source()}
    codec, latents = None, None
    if options.vae or context.task.kind == "reconstruction":
        codec = load_codec(options.codec, context.device, options.codec_size).fit(pictures)
        latents = codec.encode(pictures) if options.vae else None
        facts["codec"] = codec.source()
    return Seen(stimuli, features, latents, np.asarray(place).reshape(-1)), codec, facts


def _vectors(options: Options, seen: Seen, context: Context) -> dict[str, np.ndarray]:
    """A direction in z_c for each concept: the embedding of its word where features have words (CLIP)."""
    if not options.features.startswith("clip"):
        return concept_vectors(seen.features, seen.stimuli)
    names = sorted({name for stimulus in seen.stimuli for name in stimulus.boxes})
    encoder: Any = load_encoder(options.features, context.device)
    return dict(zip(names, encoder.text([f"a photo of a {name}" for name in names]), strict=True))


def _fit_speakers(options: Options, fitted: Fitted, train: Train, context: Context) -> None:
    """The language side: one for all brains, or one a brain."""
    from .language import fit_language, longest_answer

    rows = one_a_response(train.inputs, train.groups)
    stimuli = [fitted.seen.stimuli[place] for place in fitted.seen.place]
    brains = np.array(train.inputs.brains, dtype=object)[rows]
    told: dict[str, Any] = {}
    for name in dict.fromkeys(brains) if options.per_brain else ("",):
        own = rows[brains == name] if options.per_brain else rows
        speaker, told[str(name) or "all"] = fit_language(
            options, fitted.encoders[0], train.inputs, stimuli, own, context
        )
        fitted.speakers[str(name)] = speaker
    fitted.facts["language"] = told
    longest = longest_answer(speaker, fitted.seen.stimuli, context.task.kind, context.seed)
    fitted.answer_tokens = options.answer_tokens or longest


def predict(options: Options, fitted: Fitted, test: Responses, context: Context) -> Any:
    """The prediction of the task's kind."""
    kind = context.task.kind
    if kind == "localisation":
        return _maps(fitted, test, context.seed)
    embedded = fitted.encoders[0].embed(test)
    texts: list[str] = []
    if fitted.speakers:
        texts = _answers(fitted, test, embedded.tokens, kind)
    if kind == "grounding":
        return [box_of_words(text) for text in texts]
    if kind == "reconstruction":
        assert fitted.codec is not None
        studio = Studio(options, fitted.codec, fitted.seen.features, fitted.seen.stimuli)
        return studio.draw(embedded.z_c, embedded.z_v, texts or [""] * len(test), context)
    return texts if fitted.speakers else retold(
        kind, test, embedded.z_c, fitted.seen.features, fitted.seen.stimuli
    )  # fmt: skip


def _answers(fitted: Fitted, test: Responses, tokens: np.ndarray, kind: str) -> list[str]:
    """What the language model answers to each item's question."""
    questions = asked_at_test(kind, test.questions, test.concepts)
    out = [""] * len(test)
    brains: Sequence[str] = test.brains if "" not in fitted.speakers else [""] * len(test)
    stranger = next(iter(fitted.speakers))
    for brain in dict.fromkeys(brains):
        rows = [row for row, name in enumerate(brains) if name == brain]
        speaker = fitted.speakers.get(brain, fitted.speakers[stranger])
        asked = [questions[row] for row in rows]
        for row, text in zip(rows, speaker.generate(tokens[rows], asked, fitted.answer_tokens), strict=True):
            out[row] = text
    return out


def _maps(fitted: Fitted, test: Responses, seed: int) -> list[np.ndarray]:
    """Where each row's concept is carried, nowhere for one that training lacks; facts say what deletion takes."""
    nothing = np.zeros(fitted.seen.features.shape[1], np.float32)
    wanted = np.stack([fitted.vectors.get(concept, nothing) for concept in test.concepts])
    unknown = sum(concept not in fitted.vectors for concept in test.concepts)
    fitted.facts["concepts"] = {"known": len(fitted.vectors), "rows_of_unknown": unknown}
    maps = locate(fitted.encoders, test, wanted)
    fitted.facts["nullification"] = nullification(fitted.encoders[0], test, maps, fitted.vectors, seed)
    return maps
