"""Models that several cells share: what took long and does not depend on the labelled scans of a regime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ...benchmark.contracts import Context
from ...benchmark.files import whole_folder
from . import checkpoint
from .options import Options
from .state import State

ONLY_STAGE3 = (
    "stage3_epochs", "stage3_batch", "stage3_rate", "stage3_steps", "adapt_steps", "adapt_rate", "scan", "answer_by",
    "chat", "answer_loss", "description",
)  # fmt: skip
"""Options that stages 1 and 2 do not depend on."""
ONLY_PREDICTING = ("adapt_steps", "adapt_rate", "answer_by")
"""Options that a model of stage 3 does not depend on before it is adapted."""


def key(options: Options, stage: int, names: Sequence[str], context: Context) -> str:
    """A name for the model after a stage: of its options, its labelled data, its start and its seed."""
    told = {name: value for name, value in asdict(options).items() if name not in _free(stage)}
    if told.get("scan") == "other":
        told["scan"] = "own"  # only shown at test
    start = context.checkpoint
    began = "" if start is None else f"{start.resolve()} {[file.stat().st_mtime_ns for file in _files(start)]}"
    text = json.dumps([told, list(names), began, context.seed, context.device.partition(":")[0]], sort_keys=True)
    return f"fmri-lm-stage{stage}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _free(stage: int) -> tuple[str, ...]:
    return ONLY_STAGE3 if stage < 3 else ONLY_PREDICTING


def _files(start: Path) -> list[Path]:
    return sorted(start.iterdir()) if start.is_dir() else [start]


def kept(options: Options, stage: int, names: Sequence[str], context: Context, make: Callable[[], State]) -> State:
    """The model of a stage from ``context.shared``, made and left there when it is not; just made without a place."""
    if context.shared is None:
        return make()
    place = context.shared / key(options, stage, names, context)
    if not place.is_dir():
        made = make()
        with whole_folder(place) as folder:
            checkpoint.write(folder, made, options)
        return made
    return checkpoint.restore(place, options, context.device)
