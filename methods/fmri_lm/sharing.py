"""Models that several cells share: what took long and does not depend on the labelled scans of a regime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ...benchmark.contracts import Context
from ...benchmark.errors import BadData, BadOption
from ...benchmark.files import made_alone, stamps, whole_folder
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
    """A name for the model after a stage: of its options and the files they name, its labelled data, start and seed."""
    told = {name: value for name, value in asdict(options).items() if name not in _free(stage)}
    if told.get("scan") == "other":
        told["scan"] = "own"  # only shown at test
    start = context.checkpoint
    began = [] if start is None else [str(start.resolve()), *stamps(start)]
    read = [stamps(Path(path.strip()).expanduser()) for path in (options.lm, *options.corpus.split(",")) if path]
    device = context.device.partition(":")[0]
    text = json.dumps([told, list(names), began, read, context.seed, device], sort_keys=True)
    return f"fmri-lm-stage{stage}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _free(stage: int) -> tuple[str, ...]:
    return ONLY_STAGE3 if stage < 3 else ONLY_PREDICTING


def kept(options: Options, stage: int, names: Sequence[str], context: Context, make: Callable[[], State]) -> State:
    """The model of a stage from ``context.shared``, made and left there when it is not; just made without a place."""
    if context.shared is None:
        return make()
    place = context.shared / key(options, stage, names, context)
    if (found := left(place, options, context)) is not None:
        return found
    with made_alone(place):
        if (found := left(place, options, context)) is None:
            found = make()
            with whole_folder(place) as folder:
                checkpoint.write(folder, found, options)
    return found


def left(place: Path, options: Options, context: Context) -> State | None:
    """What another cell left; None where nothing is, or where it cannot be read and is to be made again."""
    if not place.is_dir():
        return None
    with suppress(BadData, BadOption):
        return checkpoint.restore(place, options, context.device)
    return None
