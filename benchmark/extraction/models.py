"""Models of text, sound and pictures by name: from the hub, a folder, or the packaged SmolLM2."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import BadOption, DataMissing, ExtraMissing
from ..nn.language import SMOLLM2, TINY, ByteTokenizer, load_language, locate, quiet
from .layout import fingerprint
from .names import Modality

AUDIO = (
    "whisper",
    "wav2vec2",
    "wav2vec2-bert",
    "wav2vec2-conformer",
    "hubert",
    "wavlm",
    "unispeech",
    "unispeech-sat",
    "data2vec-audio",
    "sew",
    "sew-d",
)
"""Types of models whose states are a time series of the sound."""


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run.

    Attributes
    ----------
    name, source, revision
        As asked for, where the weights came from, and the hub's commit or a hash of a folder's weights.
    modality
        What it reads.
    model
        The module by whose names layers are known.
    forward
        The part of it that is run.
    processor
        Tokenizer, feature extractor, or processor of images or videos.
    device
        Where it lies.
    """

    name: str
    source: str
    revision: str
    modality: Modality
    model: nn.Module
    forward: nn.Module
    processor: Any
    device: str

    @property
    def config(self) -> Any:
        """The configuration of the part that is run."""
        return self.forward.config


def load(name: str, modality: Modality | None = None, device: str = "cpu") -> Loaded:
    """A model in 32 bits, frozen, with its processor; ``modality`` None finds out from its configuration.

    Parameters
    ----------
    name
        A hub name such as ``openai/whisper-large-v3``, a folder of a saved model with its processor,
        ``smollm2``, or ``tiny-random`` (a language model with random weights, to try things).

    Raises
    ------
    DataMissing
        When the model is neither on this machine nor within reach.
    BadOption
        When what is there is no model that transformers can load for that modality.
    """
    if name == TINY:
        return _tiny(modality, device)
    place, source, offline = _place(name)
    try:
        with quiet():
            return _load(name, place, source, offline, modality, device)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadOption(
            f"model {name!r} could not be loaded ({reason[:300]})",
            "give a hub name such as openai/whisper-large-v3, or the folder of a model saved with its processor",
        ) from None


def _place(name: str) -> tuple[str, str, bool]:
    try:
        return locate(name)
    except ExtraMissing as error:
        if name in ("smollm2", SMOLLM2):
            raise
        raise DataMissing(
            error.message.replace("language model", "model"),
            f"fetch it where there is a network:  hf download {name} --local-dir DIR   then give  --model DIR",
        ) from None


def _tiny(modality: Modality | None, device: str) -> Loaded:
    if modality not in (None, "text"):
        raise BadOption(f"{TINY} is a language model: it reads no {modality}", "give the folder of a model")
    language = load_language(TINY, 0, 0)
    model = language.model.to(device)
    return Loaded(TINY, language.source, "", "text", model, model.base_model, ByteTokenizer(), device)


def _load(name: str, place: str, source: str, offline: bool, modality: Modality | None, device: str) -> Loaded:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(place, local_files_only=offline)
    found = modality or modality_of(config)
    model, forward = _modules(config, place, offline, found)
    model.eval().requires_grad_(False).to(device)
    processor = _processor(config, place, offline, found)
    return Loaded(name, source, _revision(place), found, model, forward, processor, device)


def _revision(place: str) -> str:
    """The hub's commit of a model in its cache, or a hash of a folder's weights."""
    if not Path(place).is_dir():
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(place, "config.json")
        return Path(found).parent.name if isinstance(found, str) else ""
    files = [path for path in sorted(Path(place).iterdir()) if path.suffix in (".safetensors", ".bin")]
    return hashlib.sha256("".join(map(fingerprint, files)).encode()).hexdigest()[:16]


def modality_of(config: Any) -> Modality:
    """What a model reads, by its configuration."""
    from transformers.models.auto import modeling_auto as auto

    kind = config.model_type
    if kind in AUDIO:
        return "audio"
    seeing = (
        auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_IMAGE_MAPPING_NAMES,
    )
    two_towers = hasattr(config, "vision_config") and hasattr(config, "text_config")
    if any(kind in names for names in seeing) or two_towers or hasattr(config, "patch_size"):
        return "video"
    return "text"


def _modules(config: Any, place: str, offline: bool, modality: Modality) -> tuple[nn.Module, nn.Module]:
    """The module that names layers, and the one that is run."""
    from transformers import AutoModel, AutoModelForCausalLM

    options: Mapping[str, Any] = {"local_files_only": offline, "dtype": torch.float32}
    if modality == "text" and _is_causal(config):
        model = AutoModelForCausalLM.from_pretrained(place, **options)
        return model, model.base_model
    model = AutoModel.from_pretrained(place, **options)
    if modality == "audio" and config.model_type not in AUDIO:
        raise ValueError(f"a {config.model_type} gives no time series of the sound; whisper or wav2vec2 do")
    if getattr(config, "is_encoder_decoder", False):
        model = model.get_encoder()
    if modality == "video":
        model = getattr(model, "vision_model", model)
    return model, model


def _is_causal(config: Any) -> bool:
    names = getattr(config, "architectures", None) or ()
    return any(name.endswith(("ForCausalLM", "LMHeadModel")) and "Bert" not in name for name in names)


def _processor(config: Any, place: str, offline: bool, modality: Modality) -> Any:
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer, AutoVideoProcessor

    if modality == "text":
        return AutoTokenizer.from_pretrained(place, local_files_only=offline)
    if modality == "audio":
        return AutoFeatureExtractor.from_pretrained(place, local_files_only=offline)
    if frames_of(config):
        try:
            return AutoVideoProcessor.from_pretrained(place, local_files_only=offline)
        except (OSError, ValueError):  # models older than video processors hold one of images
            pass
    return AutoImageProcessor.from_pretrained(place, local_files_only=offline)


def frames_of(config: Any) -> int:
    """Frames of a clip that a model of videos takes; 0 for a model of single images."""
    return int(getattr(config, "frames_per_clip", 0) or getattr(config, "num_frames", 0) or 0)
