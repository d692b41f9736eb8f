"""From other people's responses to one person's: encoders to a common space, their mean, and heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..benchmark.nn.transformer import INIT_STD


class CrossSubject(nn.Module):
    """Shared and own encoder of each subject, mean of the others' codes, shared and own head of the one asked for.

    The own encoder is followed by a temporal convolution, one kernel a channel; the shared one is not, as in the
    reference.

    Parameters
    ----------
    subjects, parcels
        Of the responses.
    width
        Length of a code.
    kernel
        TRs of the convolution, odd; the TR it is for stands in its middle.
    """

    def __init__(self, subjects: int, parcels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(parcels, width)
        self.head = nn.Linear(width, parcels)
        self.own_encoders = nn.Parameter(torch.empty(subjects, parcels, width))
        self.own_offsets = nn.Parameter(torch.zeros(subjects, width))
        self.convolution = nn.Conv1d(
            subjects * width, subjects * width, kernel, padding=kernel // 2, groups=subjects * width
        )
        self.own_heads = nn.Parameter(torch.empty(subjects, width, parcels))
        self.own_levels = nn.Parameter(torch.zeros(subjects, parcels))
        for weight in (
            self.encoder.weight,
            self.head.weight,
            self.own_encoders,
            self.convolution.weight,
            self.own_heads,
        ):
            nn.init.trunc_normal_(weight, std=INIT_STD)
        for linear in (self.encoder, self.head, self.convolution):
            assert linear.bias is not None
            nn.init.zeros_(linear.bias)

    def forward(self, others: Tensor, there: Tensor, asked: Tensor) -> Tensor:
        """Responses (batch, subject, time, parcel), whose are there (batch, subject), and who is asked for (batch,).

        Returns (batch, time, parcel). Responses of the one who is asked for are never looked at; where all of the S
        subjects' are there, each of the others has the weight 1 / (S - 1).
        """
        who = F.one_hot(asked, others.shape[1]).bool()
        weights = (there & ~who).to(others.dtype)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
        code = torch.einsum("bstd,bs->btd", self.encode(others), weights)
        own = torch.einsum("btd,bdp->btp", code, self.own_heads[asked]) + self.own_levels[asked][:, None]
        out: Tensor = self.head(code) + own
        return out

    def encode(self, responses: Tensor) -> Tensor:
        """Responses (batch, subject, time, parcel) -> codes (batch, subject, time, width)."""
        own = torch.einsum("bstp,spd->bstd", responses, self.own_encoders) + self.own_offsets[:, None]
        batch, subjects, time, width = own.shape
        channels = own.permute(0, 1, 3, 2).reshape(batch, subjects * width, time)
        late = self.convolution(channels).reshape(batch, subjects, width, time).permute(0, 1, 3, 2)
        out: Tensor = self.encoder(responses) + late
        return out
