"""Models that several cells share: what took long and does not depend on the labelled scans of a regime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ...benchmark.contracts import Context
from ...benchmark.files import made_once, stamps
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
    return made_once(
        context.shared / key(options, stage, names, context),
        lambda place: checkpoint.restore(place, options, context.device),
        make,
        lambda place, state: checkpoint.write(place, state, options),
    )
