"""Stage 1's two alignment terms: domain-adversarial with gradient reversal, and SigLIP."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Reverse(torch.autograd.Function):
    """Identity forward; the gradient times ``-strength`` backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * grads[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """``x``, whose gradient is reversed and scaled by ``strength``."""
    out: Tensor = _Reverse.apply(x, strength)  # type: ignore[no-untyped-call]
    return out


def reversal_strength(fraction: float) -> float:
    """``2 / (1 + exp(-10 q)) - 1`` for the fraction ``q`` of training done (Ganin et al. 2016)."""
    return 2 / (1 + math.exp(-10 * fraction)) - 1


class DomainLoss(nn.Module):
    """Tells fMRI tokens (class 0) from the language model's text-token embeddings (class 1).

    The classifier learns to tell them apart; the reversed gradient teaches the encoder to be mistaken
    for text.
    """

    def __init__(self, width: int, text_width: int, hidden: int = 256) -> None:
        super().__init__()
        self.lift = nn.Linear(width, text_width)
        self.classify = nn.Sequential(nn.Linear(text_width, hidden), nn.GELU(), nn.Linear(hidden, 2))

    def forward(self, tokens: Tensor, text: Tensor, strength: float) -> Tensor:
        """Cross-entropy of fMRI tokens (..., width) plus that of text embeddings (k, text width)."""
        brain = self.classify(reverse_gradient(self.lift(tokens), strength)).flatten(0, -2)
        words = self.classify(text)
        zeros = torch.zeros(len(brain), dtype=torch.long, device=brain.device)
        ones = torch.ones(len(words), dtype=torch.long, device=words.device)
        return F.cross_entropy(brain, zeros) + F.cross_entropy(words, ones)


def siglip(cosine: Tensor, log_scale: Tensor, bias: Tensor) -> Tensor:
    """``-mean_ij log sigmoid(y_ij (exp(t) cos_ij + b))``, y = 1 on the diagonal and -1 elsewhere.

    Zhai et al. 2023, with a mean over all pairs; ``cosine`` is (batch, batch).
    """
    signs = 2 * torch.eye(len(cosine), device=cosine.device) - 1
    return -F.logsigmoid(signs * (log_scale.exp() * cosine + bias)).mean()


def clip(cosine: Tensor, log_scale: Tensor) -> Tensor:
    """Mean cross-entropy over rows and over columns of ``exp(t) cos`` against the diagonal (Radford et al. 2021)."""
    logits, own = log_scale.exp() * cosine, torch.arange(len(cosine), device=cosine.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def soft_siglip(cosine: Tensor, between_texts: Tensor, temperature: float = 0.07) -> Tensor:
    """The released code's variant: binary cross-entropy of ``cos / tau`` against ``sigmoid(cos(texts) / tau)``.

    The diagonal's targets are 1, and targets weigh batch - 1 against what they leave; no bias, nothing learned.
    ``between_texts`` is (batch, batch), the cosines of the texts among themselves.
    """
    count = len(cosine)
    wanted = torch.sigmoid(between_texts.detach() / temperature).fill_diagonal_(1.0)
    weight = cosine.new_tensor(float(max(count - 1, 1)))
    return F.binary_cross_entropy_with_logits(cosine / temperature, wanted, pos_weight=weight)


class ContrastiveLoss(nn.Module):
    """The contrastive term between pooled scans and their descriptor texts, with learned projections.

    Parameters
    ----------
    width, text_width, shared
        Of pooled scans, of texts, and of the space in which they are compared.
    bias
        Start of SigLIP's learned bias.
    how
        ``siglip``, ``clip`` or ``soft_siglip``. The scale exp(t) is learned from 10, and from 1 / 0.07 for clip.
        The texts' projection of soft_siglip stays as drawn (in the released code neither is learned): its targets
        come from the projected texts, which would all become alike.
    """

    def __init__(
        self, width: int, text_width: int, shared: int = 512, bias: float = -10.0, how: str = "siglip"
    ) -> None:
        super().__init__()
        self.how = how
        self.scan = nn.Linear(width, shared, bias=False)
        self.text = nn.Linear(text_width, shared, bias=False)
        if how != "soft_siglip":
            self.log_scale = nn.Parameter(torch.tensor(math.log(10 if how == "siglip" else 1 / 0.07)))
        if how == "siglip":
            self.bias = nn.Parameter(torch.tensor(bias))
        self.text.requires_grad_(how != "soft_siglip")

    def forward(self, pooled: Tensor, text: Tensor) -> Tensor:
        """Loss of scans (batch, width) against their texts (batch, text width)."""
        scan = F.normalize(self.scan(pooled), dim=-1)
        words = F.normalize(self.text(text), dim=-1)
        cosine = scan @ words.T
        if self.how == "soft_siglip":
            return soft_siglip(cosine, words @ words.T)
        if self.how == "clip":
            return clip(cosine, self.log_scale)
        return siglip(cosine, self.log_scale, self.bias)
