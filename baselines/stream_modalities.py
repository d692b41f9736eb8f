"""Which sense a feature stream speaks of: by its name, or as a person says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..benchmark.errors import BadOption

MODALITIES = ("visual", "audio", "language")

RESPONSES = "responses/"
"""Streams of this family hold other people's responses, and are no features of a film."""

PATTERNS: tuple[tuple[str, str], ...] = (
    # Audio before language, since wav2vec-BERT and HuBERT end like BERT; visual before language, since language
    # models that see are fed with the film. Qwen-Omni counts as visual: it hears the film, too, and sees it.
    ("audio", r"audio|sound|speech|whisper|wav2vec|w2v|hubert|wavlm|mfcc|beats|encodec|clap|melody"),
    (
        "visual",
        r"visual|video|vision|image|frames?|v-?jepa|dino|internvl|[-_.\d]vl|omni|slow_?r50|slow_?fast|resnet|clip"
        r"|siglip|vit|timesformer|x3d|mvit|convnext|alexnet|motion",
    ),
    (
        "language",
        r"language|text|transcripts?|words?|llama|gpt|smollm|bert|qwen|mistral|gemma|phi|opt|t5|labse|glove|bloom"
        r"|deepseek|olmo|pythia",
    ),
)
SHORT = 4
"""Words of so many letters are looked for as whole words alone ("opt" is not in "optical flow")."""


def modalities(streams: Iterable[str], given: str = "") -> dict[str, str]:
    """Stream -> "visual", "audio" or "language", in the order of the streams; responses of others are left out.

    Parameters
    ----------
    streams
        Names such as ``whisper-large-v3/layers.12.fc2``: the model tells first, and the layer where it does not.
    given
        What a person says instead, as ``STREAM=MODALITY,STREAM=MODALITY``; the model's name stands for all of its
        layers, and "none" leaves a stream out.

    Raises `BadOption` for a stream that nobody places, and for words that are none of these.
    """
    names = [stream for stream in streams if not stream.startswith(RESPONSES)]
    said = _said(given, names)
    found = {stream: said.get(stream) or said.get(_model(stream)) or _guess(stream) for stream in names}
    return {stream: modality for stream, modality in found.items() if modality != "none"}


def by_modality(streams: Iterable[str], given: str = "") -> dict[str, list[str]]:
    """Modality -> its streams, in the order of `MODALITIES`; those without a stream are left out."""
    placed = modalities(streams, given)
    groups = {name: [stream for stream, its in placed.items() if its == name] for name in MODALITIES}
    return {name: group for name, group in groups.items() if group}


def _said(given: str, names: list[str]) -> dict[str, str]:
    """Stream or model -> modality as a person says."""
    known = {*names, *map(_model, names)}
    said: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in given.split(","))):
        name, _, modality = (piece.strip() for piece in part.partition("="))
        if modality not in (*MODALITIES, "none"):
            raise BadOption(
                f"modalities: {part!r} does not say {', '.join(MODALITIES)} or none",
                "write it like  --set modalities=my-model=visual,other-model/layer=language",
            )
        if name not in known:
            raise BadOption(
                f"modalities: there is no stream {name!r}", f"the streams are: {', '.join(names) or 'none'}"
            )
        said[name] = modality
    return said


def _model(stream: str) -> str:
    return stream.partition("/")[0]


def _guess(stream: str) -> str:
    """What the model's name says, else the layer's."""
    model, _, layer = stream.lower().partition("/")
    for text in (model, layer):
        for modality, pattern in PATTERNS:
            if any(_occurs(word, text) for word in pattern.split("|")):
                return modality
    raise BadOption(
        f"stream {stream!r}: its name does not tell whether it is visual, audio or language",
        f"say it:  --set modalities={_model(stream)}=visual   (or audio, language, none)",
    )


def _occurs(word: str, text: str) -> bool:
    """Whether a pattern stands in a text; a short one must stand there as a word."""
    whole = len(word) <= SHORT and word.isalnum()
    return re.search(rf"(?<![a-z]){word}(?![a-z])" if whole else word, text) is not None
