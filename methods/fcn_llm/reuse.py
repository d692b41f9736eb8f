"""Keeping a trained network for the cells that need the same one: other controls, other draws of support."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from ...benchmark.contracts import Context
from ...benchmark.files import stamps
from .options import Options

ONLY_AT_TEST = ("ask", "answer_tokens", "adapt_steps", "adapt_rate")


def place(options: Options, context: Context) -> Path | None:
    """Where the network after stage 2 is kept; None where nothing is shared.

    Its name tells all that the network depends on, so the control other-scan finds the network of the method
    itself. Under a regime of few labels that is not the support; without sources it would be, and is not kept.
    """
    few = context.support is not None
    if context.shared is None or (few and not (context.sources or context.checkpoint)):
        return None
    told = {name: value for name, value in asdict(options).items() if name not in ONLY_AT_TEST}
    told["scan"] = "none" if options.scan == "none" else "own"
    whole = [
        told,
        context.seed,
        context.device.partition(":")[0],
        list(context.sources),
        "" if few and context.sources else context.task.name,
        str(context.checkpoint or ""),
        stamps(context.checkpoint) if context.checkpoint else [],
        stamps(Path(options.lm).expanduser()),
    ]
    name = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:24]
    return context.shared / f"fcn-llm-{name}"
