"""Training a checkpoint before a task is met: ``brainbench pretrain --method fcn-llm --task T``."""

from __future__ import annotations

import numpy as np

from ...benchmark.contracts import Context
from ...benchmark.errors import BadOption
from ...benchmark.nn.training import reproducible
from .building import survey
from .options import Options
from .parts import part_of, refuse_unlike
from .pipeline import Fitted, load, run_stage, save, start


def pretrain(options: Options, context: Context) -> Fitted:
    """Stage ``context.stage`` (0: both) on the labelled scans of ``context.sources``.

    Stage 2 alone goes on from ``context.checkpoint``. Instructions need labels, so scans without any teach
    nothing here.
    """
    if not context.sources:
        raise BadOption(
            "both stages of fcn-llm learn from labels", "name tasks that have them:  --task abide1-asd,abide1-sex"
        )
    if context.stage == 2 and context.checkpoint is None:
        raise BadOption("stage 2 goes on from stage 1", "give its folder:  --checkpoint FOLDER, or leave --stage out")
    parts = [part_of(source.info, source.train) for source in context.sources.values()]
    refuse_unlike(parts)
    rng = np.random.default_rng(context.seed)
    with reproducible(context):
        if context.checkpoint is None:
            fitted = start(options, *survey(options, parts), parts, context)
        else:
            fitted = load(options, parts[0].scans, context)
        for number in (context.stage,) if context.stage else (1, 2):
            run_stage(options, number, fitted, parts, context, rng)
    save(options, fitted, parts[0].scans, context)
    return fitted
