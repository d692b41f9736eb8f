"""From other people's responses to one person's: encoders to a common space, their mean, and heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..benchmark.nn.transformer import INIT_STD


class CrossSubject(nn.Module):
    """Shared and own encoder of each subject, mean of the others' codes, shared and own heads.

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

    def forward(self, responses: Tensor, there: Tensor) -> Tensor:
        """Responses (subject, batch, time, parcel), and whose are there (batch, subject), to predictions alike.

        Each subject is predicted from those of the others that are there, never from its own; where all S are, each
        of the others has the weight 1 / (S - 1).
        """
        alone = torch.eye(there.shape[1], dtype=torch.bool, device=there.device)
        weights = (there[:, None] & ~alone).to(responses.dtype)  # (batch, whom, from whom)
        weights = weights / weights.sum(2, keepdim=True).clamp(min=1)
        codes = torch.einsum("bws,sbtd->wbtd", weights, self.encode(responses))
        return _linear(codes, self.head.weight.T + self.own_heads, self.head.bias + self.own_levels)

    def encode(self, responses: Tensor) -> Tensor:
        """Responses (subject, batch, time, parcel) -> codes (subject, batch, time, width)."""
        subjects, batch, time, _ = responses.shape
        width = self.encoder.out_features
        # Both encoders in one product, so that the responses are read once.
        weight = torch.cat((self.encoder.weight.T.expand(subjects, -1, -1), self.own_encoders), dim=2)
        offset = torch.cat((self.encoder.bias.expand(subjects, -1), self.own_offsets), dim=1)
        codes = _linear(responses, weight, offset)
        shared, own = codes[..., :width], codes[..., width:]
        channels = own.permute(1, 0, 3, 2).reshape(batch, subjects * width, time)
        late = self.convolution(channels).view(batch, subjects, width, time).permute(1, 0, 3, 2)
        out: Tensor = shared + late
        return out


def _linear(x: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """x (subject, batch, time, in) by weights (subject, in, out) and offsets (subject, out)."""
    flat = torch.baddbmm(offset[:, None], x.flatten(1, 2), weight)
    return flat.view(*x.shape[:3], weight.shape[2])
