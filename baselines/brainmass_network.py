"""The networks of BrainMass: encoder, fine-tuning head, and the pretraining objective.

Module names are those of the published checkpoints, so that their weights fill `Encoder` as they are.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

READOUT = 8
EMBEDDING = 1024
MOMENTUM = 0.996
EXTRA_TOKENS = 2
CONTRASTED, MODELLED = 0.10, 0.05
CONTRAST_WEIGHT, MODEL_WEIGHT = 0.1, 2.0
GRADIENT_LIMIT = 1.0


def heads_for(width: int, wanted: int) -> int:
    """The divisor of the width that is closest to ``wanted``; the smaller of two as close."""
    divisors = [k for k in range(1, width + 1) if width % k == 0]
    return min(divisors, key=lambda k: (abs(k - wanted), k))


def sinusoids(positions: int, width: int) -> Tensor:
    """Fixed position code (positions, width): sines in even columns, cosines in odd ones."""
    column = torch.arange(width, dtype=torch.float64)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] / 10_000 ** (2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


class Head(nn.Module):
    """Linear, BatchNorm, ReLU, Linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs) -> (batch, outputs)."""
        out: Tensor = self.net(x)
        return out


class Encoder(nn.Module):
    """Post-norm transformer over the rows of an FC matrix, each row one token of width ROI.

    Parameters
    ----------
    rois, depth, feedforward
        ROIs, layers, and hidden width of a layer's MLP: 100, 16 and 2048 as published.
    width
        Width of a token; another width than ``rois`` (ours) puts a linear layer before the first layer.
    heads
        Attention heads, 10 as published; the nearest number that divides the width is taken.
    dropout
        0.1 as published.
    """

    def __init__(self, rois: int, depth: int, feedforward: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.inlet = nn.Linear(rois, width) if width != rois else nn.Identity()
        self.heads = heads_for(width, heads)
        self.attention_list = nn.ModuleList(
            nn.TransformerEncoderLayer(width, self.heads, feedforward, dropout, batch_first=True) for _ in range(depth)
        )
        self.dim_reduction = nn.Sequential(nn.Linear(width, READOUT), nn.LeakyReLU())
        self.g = Head(READOUT * rois, 2 * READOUT * rois, EMBEDDING)

    def tokens(self, rows: Tensor) -> Tensor:
        """(batch, token, width) of rows (batch, token, ROI)."""
        x: Tensor = self.inlet(rows)
        for layer in self.attention_list:
            x = layer(x)
        return x

    def readout(self, matrix: Tensor) -> Tensor:
        """What is used downstream: (batch, 8 * ROI) of FC matrices (batch, ROI, ROI)."""
        out: Tensor = self.dim_reduction(self.tokens(matrix)).flatten(1)
        return out

    def forward(self, matrix: Tensor) -> Tensor:
        """Embedding (batch, 1024) that the two views of a scan are aligned in."""
        out: Tensor = self.g(self.readout(matrix))
        return out


class Classifier(nn.Module):
    """The read-out of an encoder and one linear layer, for fine-tuning."""

    def __init__(self, encoder: Encoder, rois: int, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        # The embedding head serves the pretraining alone.
        self.encoder.g.requires_grad_(False)
        self.norm = nn.LayerNorm(READOUT * rois)
        self.head = nn.Linear(READOUT * rois, outputs)

    def forward(self, matrix: Tensor) -> Tensor:
        """(batch, ROI, ROI) -> (batch, outputs)."""
        out: Tensor = self.head(self.norm(self.encoder.readout(matrix)))
        return out


class Pretraining(nn.Module):
    """BYOL on two views of a scan, and masked rows that are recognised and rebuilt.

    Parameters
    ----------
    encoder
        The online network; its slow copy is the target.
    rois, feedforward
        ROIs, and hidden width of the two MLPs that predict rows.
    frozen_parts
        The reference's slip: its optimiser never gets the mask vector, the extra tokens and the two MLPs
        that predict rows, which stay as they were drawn.
    """

    def __init__(self, encoder: Encoder, rois: int, feedforward: int, frozen_parts: bool) -> None:
        super().__init__()
        self.online = encoder
        self.target = copy.deepcopy(encoder).requires_grad_(False)
        self.predictor = Head(EMBEDDING, 2 * EMBEDDING, EMBEDDING)
        self.mask_vector = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, rois))[0])
        self.extra_tokens = nn.Parameter(
            torch.cat([nn.init.xavier_normal_(torch.empty(1, rois)) for _ in range(EXTRA_TOKENS)])
        )
        self.register_buffer("positions", sinusoids(rois + EXTRA_TOKENS, rois))
        self.positions: Tensor
        self.recognise, self.rebuild = (
            nn.Sequential(nn.Linear(encoder.width, feedforward), nn.LeakyReLU(), nn.Linear(feedforward, rois))
            for _ in range(2)
        )
        if frozen_parts:
            for part in (self.mask_vector, self.extra_tokens, *self.recognise.parameters(), *self.rebuild.parameters()):
                part.requires_grad_(False)
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(_limit)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def follow(self) -> None:
        """Move the target a little towards the online network."""
        for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
            slow.lerp_(fast, 1 - MOMENTUM)

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Alignment + 0.1 * contrast + 2 * modelling, of two views (batch, ROI, ROI) of the same scans."""
        return (
            self.alignment(first, second)
            + CONTRAST_WEIGHT * self.contrast(first)
            + MODEL_WEIGHT * self.modelling(first)
        )

    def alignment(self, first: Tensor, second: Tensor) -> Tensor:
        """2 - 2 cos between the prediction of one view and the target of the other, both ways."""
        with torch.no_grad():
            targets = self.target(second), self.target(first)
        predictions = self.predictor(self.online(first)), self.predictor(self.online(second))
        losses = [2 - 2 * F.cosine_similarity(p, t, dim=-1).mean() for p, t in zip(predictions, targets, strict=True)]
        return losses[0] + losses[1]

    def contrast(self, matrix: Tensor) -> Tensor:
        """InfoNCE within a scan: which of its masked rows (a tenth, at least two) a prediction belongs to."""
        hidden = hidden_rows(matrix, CONTRASTED, 2)
        predicted = self.recognise(self._masked(matrix, hidden))
        similarity = pick(matrix, hidden) @ predicted.transpose(1, 2)
        right: Tensor = similarity.log_softmax(dim=-1).diagonal(dim1=1, dim2=2)
        return -right.mean()

    def modelling(self, matrix: Tensor) -> Tensor:
        """Mean squared error of masked rows (a twentieth, at least one) that are rebuilt from the others."""
        hidden = hidden_rows(matrix, MODELLED, 1)
        return F.mse_loss(self.rebuild(self._masked(matrix, hidden)), pick(matrix, hidden))

    def _masked(self, matrix: Tensor, hidden: Tensor) -> Tensor:
        """Tokens (batch, hidden rows, width) of rows that the encoder sees as the mask vector."""
        batch, rois, _ = matrix.shape
        veil = torch.zeros(batch, rois, 1, device=matrix.device).scatter_(1, hidden[..., None], 1.0)
        rows = matrix * (1 - veil) + self.mask_vector * veil
        rows = torch.cat([self.extra_tokens.expand(batch, -1, -1), rows], dim=1) + self.positions
        return pick(self.online.tokens(rows)[:, EXTRA_TOKENS:], hidden)


def hidden_rows(matrix: Tensor, share: float, least: int) -> Tensor:
    """(batch, k) different random rows of each matrix, k the rounded share of its ROIs."""
    batch, rois, _ = matrix.shape
    count = min(max(math.floor(share * rois + 0.5), least), rois)
    # Drawn on the CPU, so that a seed means the same on every device.
    return torch.rand(batch, rois).argsort(dim=1)[:, :count].to(matrix.device)


def pick(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (batch, k, width) of (batch, row, width) at indices (batch, k)."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))


def _limit(parameter: Tensor) -> None:
    assert parameter.grad is not None
    parameter.grad.clamp_(-GRADIENT_LIMIT, GRADIENT_LIMIT)
