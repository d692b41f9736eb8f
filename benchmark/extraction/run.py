"""From a folder of stimuli to features: every run's file is written on its own, and what is done is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadOption, BrainbenchError, StoreError, needing
from .names import Modality, Stimulus, find
from .transcripts import TR, read

if TYPE_CHECKING:
    from .models import Loaded

BATCHES: dict[Modality, int] = {"text": 8, "audio": 8, "video": 4}

Extractor = Callable[[Path, Callable[[int, int], None]], dict[str, NDArray[np.float32]]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What is to be extracted.

    Attributes
    ----------
    model
        Name or folder of a model.
    stimuli
        Folder of transcripts or films.
    out
        Folder of features; the model's own folder is made in it.
    modality
        text, audio or video; None finds out from the model.
    layers
        Names or relative depths; empty for depths 0.5, 0.75 and 1.0.
    context
        Tokens (text) or seconds (audio, video) that a chunk's window reaches back; None for the modality's default.
    pool
        Of a chunk's tokens: their mean, or the last. Text only.
    batch
        Windows in one forward pass; None for the modality's default.
    device
        cpu, cuda, cuda:1 ...
    """

    model: str
    stimuli: Path
    out: Path
    modality: Modality | None = None
    layers: tuple[str, ...] = ()
    context: float | None = None
    pool: Literal["mean", "last"] = "mean"
    batch: int | None = None
    device: str = "cpu"


@dataclass
class Outcome:
    """What came of it: the model's folder, and run by run what was written, was there, or failed with why.

    ``remarks`` are on transcripts that were read, ``passed_over`` on files whose names tell no run.
    """

    folder: Path
    layers: tuple[str, ...]
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    passed_over: dict[Path, str] = field(default_factory=dict)
    remarks: dict[str, tuple[str, ...]] = field(default_factory=dict)


def extract(plan: Plan, progress: Progress) -> Outcome:
    """Extract the features of every stimulus that has none yet under the same settings.

    A stimulus that cannot be read is told in the outcome, and the others go on. Raises `BrainbenchError` where
    the model cannot be loaded, no stimulus is found, the folder holds features of other settings, or the disk
    is full.
    """
    if (plan.context is not None and plan.context <= 0) or (plan.batch is not None and plan.batch < 1):
        raise BadOption("--context and --batch must be positive")
    with needing("encoding", "torch", "transformers", "torchvision", "av", "h5py"):
        from .layers import choose
        from .layout import fingerprint, is_done, model_folder, path_of, settle, write
        from .models import load
    if plan.modality:
        find(plan.stimuli, plan.modality)  # said before a model is loaded, which may take minutes
    loaded = load(plan.model, plan.modality, plan.device)
    found = find(plan.stimuli, loaded.modality)
    layers = choose(loaded.model, plan.layers)
    extractor, facts = _extractor(plan, loaded, layers)
    outcome = Outcome(model_folder(plan.out, plan.model), layers, passed_over=found.passed_over)
    settle(outcome.folder, _settings(loaded, layers, facts))
    for done, stimulus in enumerate(found.stimuli):
        progress("runs", done, len(found.stimuli))
        target, stamp = path_of(outcome.folder, stimulus), fingerprint(stimulus.path)
        if is_done(target, layers, stamp):
            outcome.kept.append(stimulus.run)
            continue
        try:
            write(target, extractor(stimulus.path, _shown(progress, stimulus)), stamp)
            outcome.written.append(stimulus.run)
            if loaded.modality == "text" and (remarks := read(stimulus.path).remarks):
                outcome.remarks[stimulus.run] = remarks
        except StoreError:
            raise
        except BrainbenchError as error:
            outcome.failed[stimulus.run] = error.message
    progress("runs", len(found.stimuli), len(found.stimuli))
    return outcome


def _shown(progress: Progress, stimulus: Stimulus) -> Callable[[int, int], None]:
    return lambda done, total: progress(stimulus.run, done, total)


def _extractor(plan: Plan, loaded: Loaded, layers: tuple[str, ...]) -> tuple[Extractor, dict[str, Any]]:
    """The extractor of the model's modality, and what the settings say of it."""
    batch = plan.batch or BATCHES[loaded.modality]
    if plan.pool != "mean" and loaded.modality != "text":
        raise BadOption(f"--pool {plan.pool} is of texts; states of {loaded.modality} are averaged")
    if loaded.modality == "text":
        from .text import CONTEXT, TextExtractor

        text = TextExtractor(loaded, layers, int(plan.context or CONTEXT), plan.pool, batch)
        return text, text.facts
    if loaded.modality == "audio":
        from .audio import AudioExtractor

        audio = AudioExtractor(loaded, layers, plan.context, batch)
        return audio, audio.facts
    from .video import VideoExtractor

    video = VideoExtractor(loaded, layers, plan.context, batch)
    return video, video.facts


def _settings(loaded: Loaded, layers: tuple[str, ...], facts: dict[str, Any]) -> dict[str, Any]:
    """All on which the numbers depend."""
    return {
        "model": Path(loaded.name).name if loaded.source == "folder" else loaded.name,
        "source": loaded.source.removesuffix(" (cached)"),
        "revision": loaded.revision,
        "modality": loaded.modality,
        "layers": list(layers),
        "tr": TR,
        "precision": "bf16 autocast" if loaded.device.startswith("cuda") else "float32",
        **facts,
    }
