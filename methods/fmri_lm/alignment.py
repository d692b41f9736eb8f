"""Stage 2: teach the language model to read fMRI tokens (F2F, F2T), keeping its language (T2T)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...benchmark.contracts import Context
from ...benchmark.nn.packing import Packed, Text, pack
from .inputs import Inputs
from .loops import Losses, Schedule, optimise, precision
from .options import Options
from .plain_text import PlainText
from .pretraining import augmented
from .prompts import DESCRIBE
from .reader import Reader

MAX_TEXT = 512
PLAIN_BATCH = 4
STATISTICS_BATCH = 16
STATISTICS_SCANS = 200
"""Training scans, evenly spaced, that the adapter's statistics are taken from at most."""


def fit_statistics(reader: Reader, inputs: Inputs, device: str, bf16: bool) -> None:
    """Standardise the adapter's input by the encoder's outputs on the training scans."""
    shape = reader.shape
    total = torch.zeros(shape.tokens, shape.width, dtype=torch.float64, device=device)
    square = torch.zeros(shape.width, dtype=torch.float64, device=device)
    product = torch.zeros_like(square)
    chosen = np.unique(np.linspace(0, len(inputs) - 1, STATISTICS_SCANS).round().astype(int))
    for rows in np.array_split(chosen, -(-len(chosen) // STATISTICS_BATCH)):
        series = torch.from_numpy(inputs.batch(rows)).to(device)
        with precision(device, bf16):
            plain, other = reader.tokens(series).double(), reader.tokens(augmented(series)).double()
        total += plain.sum(0)
        square += plain.square().sum((0, 1))
        product += (plain * other).sum((0, 1))
    mean = total / len(chosen)
    mean_square, count = mean.square().mean(0), len(chosen) * shape.tokens
    variance = (square / count - mean_square).clamp_min(1e-8)
    reliability = ((product / count - mean_square) / variance).clamp(0, 1)
    reader.adapter.standardise(mean.float(), variance.sqrt().float(), reliability.float())


def next_codes(codes: Tensor, rois: int) -> tuple[Tensor, Tensor]:
    """Which tokens predict a code (positions), and the codes they predict (batch, positions).

    The target is the code of the same ROI one step later; with a single step there is none, and each
    token predicts its own code. ``codes`` is (batch, token), time-major.
    """
    count = codes.shape[1]
    places = torch.arange(max(count - rois, 0), device=codes.device)
    if len(places) == 0:
        return torch.arange(count, device=codes.device), codes
    return places, codes[:, rois:]


def text_loss(reader: Reader, hidden: Tensor, text: Packed, words: Tensor | None = None) -> Tensor:
    """Mean next-token cross-entropy over all text tokens that follow a text token.

    With ``words`` (k,), sorted token ids, over this vocabulary instead of all words; the text must lie in it.
    """
    wanted = text.valid & (text.parents >= 0)
    if words is None:
        return -reader.log_likelihoods(hidden, text, wanted).mean()
    sample, place = torch.nonzero(wanted, as_tuple=True)
    head = reader.language.model.get_output_embeddings()
    logits = F.linear(
        hidden[sample, text.parents[sample, place]], head.weight[words], None if head.bias is None else head.bias[words]
    )
    return F.cross_entropy(logits.float(), torch.searchsorted(words, text.ids[sample, place]))


def seen_words(descriptors: list[list[int]], plain: PlainText, device: str) -> Tensor:
    """(k,) sorted token ids that the texts hold."""
    found = plain.vocabulary().union(*descriptors)
    return torch.tensor(sorted(found), device=device)


def align(
    options: Options,
    reader: Reader,
    inputs: Inputs,
    descriptors: list[list[int]],
    plain: PlainText,
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Train adapter, code head and language model in place; returns facts for the report.

    fMRI tokens never see text, so one sequence of both gives F2F and F2T.
    """
    language, device = reader.language, context.device
    lead, eos = language.tokenizer.encode(DESCRIBE), language.tokenizer.eos
    told = [[*(lead + ids)[: MAX_TEXT - 1], eos] for ids in descriptors]
    words = seen_words(told, plain, device) if options.words == "seen" else None

    def losses(rows: np.ndarray, _: float) -> Losses:
        series = torch.from_numpy(inputs.batch(rows)).to(device)
        tokens = reader.tokens(augmented(series) if options.augment else series)
        with torch.no_grad():
            codes = reader.tokenizer.quantise(tokens).codes
        text = pack([Text.of(told[row]) for row in rows], eos).to(device)
        result = reader.read(tokens, text)
        places, targets = next_codes(codes, reader.shape.rois)
        f2f = F.cross_entropy(reader.adapter.code_logits(result.prefix, places).flatten(0, 1), targets.flatten())
        f2t = text_loss(reader, result.text, text, words)
        sentences = pack([Text.of(ids) for ids in plain.draw(rng, PLAIN_BATCH)], eos).to(device)
        t2t = text_loss(reader, reader.read(None, sentences).text, sentences, words)
        total = options.f2f_weight * f2f + options.f2t_weight * f2t + options.t2t_weight * t2t
        return {"total": total, "f2f": f2f, "f2t": f2t, "t2t": t2t}

    reader.train(True)
    schedule = Schedule(
        "stage 2: alignment",
        options.stage2_epochs,
        options.stage2_batch,
        options.stage2_rate,
        options.most_steps,
        weight_decay=0.1,
        betas=(0.9, 0.95),
        clip=1.0,
        bf16=options.bf16,
    )
    return optimise(schedule, reader.modules(), len(inputs), losses, context, rng)
