"""Contrastive term: neighbouring time scales of a subject should look alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TEMPERATURE = 0.2


class ScaleContrast(nn.Module):
    """Symmetric InfoNCE between adjacent scales, with the other scales of the same sample as negatives."""

    def __init__(self, lengths: tuple[int, ...]) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(nn.Linear(length, target), nn.GELU(), nn.Linear(target, target)) for length in lengths
            )
            for target in lengths[:-1]
        )

    def forward(self, scales: list[Tensor]) -> Tensor:
        """Mean term over pairs and samples; ``scales`` are (batch, time, region) each."""
        terms = []
        for anchor, projections in enumerate(self.projections):
            assert isinstance(projections, nn.ModuleList)
            views = [project(scale.transpose(1, 2)) for project, scale in zip(projections, scales, strict=True)]
            similarity = similarities(views)
            terms += [info_nce(similarity, anchor, anchor + 1), info_nce(similarity, anchor + 1, anchor)]
        return torch.stack(terms).mean()


def similarities(views: list[Tensor]) -> Tensor:
    """(batch, scale, scale): cosines over time, summed over regions; views are (batch, region, time)."""
    units = torch.stack([F.normalize(view, dim=-1) for view in views], dim=1)
    return torch.einsum("bint,bjnt->bij", units, units)


def info_nce(similarity: Tensor, anchor: int, positive: int) -> Tensor:
    """Mean of -log(exp(positive) / sum over all scales but the anchor), from (batch, scale, scale).

    In logarithms throughout: the exponentials overflow float32 from 18 regions on.
    """
    logits = similarity[:, anchor] / TEMPERATURE
    others = [scale for scale in range(logits.shape[1]) if scale != anchor]
    return (logits[:, others].logsumexp(1) - logits[:, positive]).mean()
