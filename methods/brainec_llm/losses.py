"""What the model minimises: reconstruction, and terms on the graph. No label enters."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .options import Options

TINY = 1e-12


def cyclicity(graph: Tensor) -> Tensor:
    """tr exp(A o A) - N of NOTEARS: zero for a graph without cycles.

    A graph whose columns sum to 1 always has a cycle, so the term never vanishes.
    """
    walks: Tensor = torch.linalg.matrix_exp(graph * graph)
    return walks.trace() - len(graph)


def entropy(graph: Tensor) -> Tensor:
    """Mean entropy of the sources of each target, relative to log(N - 1): 1 if uniform, 0 if one drives each."""
    if len(graph) < 3:
        return graph.sum() * 0
    share = graph / graph.sum(0).clamp_min(TINY)
    return -(share * share.clamp_min(TINY).log()).sum(0).mean() / math.log(len(graph) - 1)


def sparsity(kind: str, graph: Tensor) -> Tensor:
    """The chosen penalty of a (source, target) graph."""
    if kind == "entropy":
        return entropy(graph)
    return graph.sum() if kind == "l1-noop" else graph.new_zeros(())


def losses(options: Options, output: Tensor, series: Tensor, graph: Tensor, contrastive: Tensor) -> dict[str, Tensor]:
    """Each term unweighted, and their weighted ``total``. Series (batch, time, region) are on the raw scale."""
    parts = {
        "reconstruction": F.mse_loss(output, series),
        "sparsity": sparsity(options.sparsity, graph),
        "cyclicity": cyclicity(graph),
        "contrastive": contrastive,
    }
    total = (
        parts["reconstruction"]
        + options.sparsity_weight * parts["sparsity"]
        + options.dag_weight * parts["cyclicity"]
        + options.contrastive_weight * parts["contrastive"]
    )
    return {"total": total, **parts}
