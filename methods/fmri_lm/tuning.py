"""Stage 3: instruction tuning on one question, and class probabilities from the answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...benchmark.contracts import Context
from ...benchmark.nn.packing import Text, branch_scores, pack
from .inputs import Inputs
from .loops import Losses, Schedule, optimise, precision
from .options import Options
from .pretraining import augmented
from .reader import Reader


def instruct(
    options: Options,
    reader: Reader,
    inputs: Inputs,
    prompts: list[list[int]],
    answers: list[list[int]],
    labels: np.ndarray,
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Tune on question and answer; ``prompts`` holds token ids for each scan, ``answers`` for each class."""
    device, eos = context.device, reader.language.tokenizer.eos

    def losses(rows: np.ndarray, _: float) -> Losses:
        series = torch.from_numpy(inputs.batch(rows)).to(device)
        tokens = reader.tokens(augmented(series) if options.augment else series)
        if options.answer_loss == "labels":
            text = pack([Text.of(prompts[row], answers) for row in rows], eos).to(device)
            scores = branch_scores(reader.language, reader.read(tokens, text).text, text, len(answers))
            return {"total": F.cross_entropy(scores, torch.from_numpy(labels[rows]).to(device))}
        text = pack([Text.of(prompts[row], [[*answers[labels[row]], eos]]) for row in rows], eos).to(device)
        return {"total": -reader.log_likelihoods(reader.read(tokens, text).text, text, text.branch > 0).mean()}

    reader.train(True)
    schedule = Schedule(
        "stage 3: instruction tuning",
        options.stage3_epochs,
        options.stage3_batch,
        options.stage3_rate,
        options.most_steps,
        weight_decay=0.1,
        betas=(0.9, 0.95),
        clip=1.0,
    )
    return optimise(schedule, reader.modules(), len(inputs), losses, context, rng)


def probabilities(
    reader: Reader, inputs: Inputs, prompts: list[list[int]], answers: list[list[int]], batch: int, context: Context
) -> np.ndarray:
    """(n, classes) softmax over the candidate answers' log-likelihoods."""
    eos = reader.language.tokenizer.eos
    reader.train(False)
    out = np.empty((len(inputs), len(answers)))
    with torch.no_grad():
        for start in range(0, len(inputs), batch):
            rows = np.arange(start, min(start + batch, len(inputs)))
            text = pack([Text.of(prompts[row], answers) for row in rows], eos).to(context.device)
            with precision(context.device):
                tokens = reader.tokens(torch.from_numpy(inputs.batch(rows)).to(context.device))
                scores = branch_scores(reader.language, reader.read(tokens, text).text, text, len(answers))
            out[rows] = scores.double().softmax(dim=1).cpu().numpy()
            context.progress("predicting", int(rows[-1]) + 1, len(inputs))
    return out
