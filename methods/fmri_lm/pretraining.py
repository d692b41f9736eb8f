"""Stage 1: train the tokenizer to reconstruct, to look like text, and to match its descriptor text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.contracts import Context
from ...benchmark.nn.language import Language
from ...benchmark.nn.transformer import INIT_STD
from .connectivity_init import start_as_connectivity
from .inputs import Inputs
from .loops import Losses, Schedule, optimise
from .losses import ContrastiveLoss, DomainLoss, reversal_strength
from .options import POOL_HEADS, Options
from .plain_text import PlainText
from .tokenizer import Tokenizer, TokenizerShape, trainable

TEXT_BATCH = 16


class Pool(nn.Module):
    """One vector a scan: the mean of its tokens, or 8-head attention by a learned query."""

    def __init__(self, width: int, how: str) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, POOL_HEADS, batch_first=True) if how == "attention" else None
        self.query = nn.Parameter(torch.randn(1, 1, width) * INIT_STD) if how == "attention" else None

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> (batch, width)."""
        if self.attention is None or self.query is None:
            return tokens.mean(dim=1)
        out: Tensor = self.attention(self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False)[0]
        return out[:, 0]


@dataclass(frozen=True)
class ScanTexts:
    """The text side of stage 1.

    Attributes
    ----------
    ids
        Token ids of each scan's descriptor text.
    features
        (n, text width) of the frozen language model, standardised over the training scans: raw ones
        differ so little between texts that their cosines are all near 1.
    """

    ids: list[list[int]]
    features: Tensor


def read_texts(texts: list[str], language: Language, context: Context) -> ScanTexts:
    """Mean last hidden state of each text under the frozen language model."""
    ids = [language.tokenizer.encode(text) for text in texts]
    features = torch.empty(len(ids), language.width)
    with torch.no_grad():
        for start in range(0, len(ids), TEXT_BATCH):
            part = ids[start : start + TEXT_BATCH]
            length = max(map(len, part))
            padded = torch.tensor([row + [language.tokenizer.eos] * (length - len(row)) for row in part])
            valid = torch.arange(length) < torch.tensor([[len(row)] for row in part])
            causal = torch.ones(length, length, dtype=torch.bool).tril().expand(len(part), -1, -1)
            positions = torch.arange(length).expand(len(part), -1)
            moved = [value.to(context.device) for value in (padded, causal, positions)]
            hidden = language.hidden(language.embed(moved[0]), moved[1], moved[2]).float().cpu()
            weight = valid.unsqueeze(-1).float()
            features[start : start + len(part)] = (hidden * weight).sum(1) / weight.sum(1)
            context.progress("reading descriptors", start + len(part), len(ids))
    spread = features.std(dim=0, correction=0)
    return ScanTexts(ids, (features - features.mean(0)) / torch.where(spread > 1e-6, spread, 1))


def augmented(series: Tensor) -> Tensor:
    """Each scan (batch, roi, frame) with a random sign, direction of time and circular shift."""
    out = []
    for scan in series:
        sign = 1.0 if torch.rand(()) < 0.5 else -1.0
        turned = scan.flip(-1) if torch.rand(()) < 0.5 else scan
        out.append(sign * turned.roll(int(torch.randint(scan.shape[-1], ())), -1))
    return torch.stack(out)


def build_tokenizer(options: Options, rois: int) -> Tokenizer:
    """The untrained tokenizer of these options."""
    levels = options.fsq_levels
    shape = TokenizerShape(
        rois=rois,
        frames=options.frames,
        patch=options.patch,
        width=options.width,
        depth=options.depth,
        decoder_depth=options.decoder_depth,
        heads=options.heads,
        codes=math.prod(levels) if levels else options.codes,
        code_width=len(levels) or options.code_width,
        drop_path=options.drop_path,
        levels=levels,
    )
    tokenizer = Tokenizer(shape, decay=options.decay, beta=options.beta)
    for part in (tokenizer.encoder, tokenizer.decoder):
        part.blocks.checkpointed = options.gradient_checkpointing
    if options.init == "connectivity":
        start_as_connectivity(tokenizer.encoder)
    return tokenizer


def pretrain(
    options: Options,
    tokenizer: Tokenizer,
    inputs: Inputs,
    texts: ScanTexts,
    plain: PlainText,
    language: Language,
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Train the tokenizer in place; returns facts for the report.

    The domain term's text is the corpus where one is given, else the descriptors of the batch.
    """
    device = context.device
    pool = Pool(options.width, options.pool).to(device)
    domain = DomainLoss(options.width, language.width).to(device)
    contrast = ContrastiveLoss(options.width, language.width, bias=options.contrastive_bias, how=options.contrast).to(
        device
    )
    modules = [tokenizer.to(device).train(), pool, domain, contrast]

    def losses(rows: np.ndarray, fraction: float) -> Losses:
        series = torch.from_numpy(inputs.batch(rows)).to(device)
        series = augmented(series) if options.augment else series
        tokens = tokenizer.encoder(series)
        quantised = tokenizer.quantise(tokens)
        rebuilt = nn.functional.mse_loss(tokenizer.reconstruct(quantised.vectors), series)
        said = plain.draw(rng, len(rows)) if options.corpus else [texts.ids[row] for row in rows]
        words = torch.tensor([token for ids in said for token in ids], device=device)
        adversarial = domain(tokens, language.embed(words), reversal_strength(fraction))
        contrastive = contrast(pool(tokens), texts.features[torch.from_numpy(rows)].to(device))
        total = rebuilt + quantised.loss + options.domain_weight * adversarial
        total = total + options.contrastive_weight * contrastive
        return {
            "total": total,
            "reconstruction": rebuilt,
            "commitment": quantised.loss,
            "domain": adversarial,
            "contrastive": contrastive,
        }

    schedule = Schedule(
        "stage 1: tokenizer",
        options.stage1_epochs,
        options.stage1_batch,
        options.stage1_rate,
        options.most_steps,
        weight_decay=1e-4,
        betas=(0.9, 0.999),
        bf16=options.bf16,
    )
    facts = optimise(schedule, modules, len(inputs), losses, context, rng)
    tokenizer.eval().requires_grad_(False)
    heads = sum(trainable(module) for module in modules[1:])
    return {**facts, "alignment_head_parameters": heads}
