"""Neural Granger causality: a perceptron predicts each node from the past of all, sparsely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from ..benchmark.errors import BadOption, need
from .graph_baseline import Graph, GraphBaseline
from .graph_library import check_frames
from .graph_numerics import standardise


@dataclass
class NeuralGranger(GraphBaseline):
    """Component-wise perceptrons (cMLP) whose inputs are shrunk in groups, one group a source.

    Attributes
    ----------
    hidden, lag
        Hidden units a target, and frames of the past.
    weakest, penalties
        The first penalty, and how many there are; each is twice the one before.
    steps
        Proximal gradient steps a penalty.
    ridge
        Penalty on the squared weights of the last layer.
    """

    hidden: int = 10
    lag: int = 2
    weakest: float = 0.1
    penalties: int = 4
    steps: int = 100
    ridge: float = 0.01

    card: ClassVar[Card] = Card(
        title="Neural Granger (cMLP)",
        summary="A small perceptron a node predicts its next frame from the past of all nodes; a group lasso on the "
        "first layer prunes sources. The score is the norm of a source's weights, averaged over the penalties.",
        paper="Tank et al., IEEE TPAMI 44 (2022)",
        parameters="nodes x hidden x (nodes x lag + 2) + nodes",
        notes="Own form: all targets in one set of tensors, proximal gradient steps with a step size a target that "
        "halves when the objective rises (GISTA without its line search), penalties 0.1, 0.2, 0.4 and 0.8 from dense "
        "to sparse, chosen on simulated autoregressive processes. Sees no influence within a frame. Several recordings "
        "are standardised and train the same networks; no window crosses a seam.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    seeded = True
    multi_group: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("hidden", "lag", "weakest", "penalties", "steps"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")
        self._parameters = 0

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """Norms of the first layer's groups, from one recording."""
        return self.together((series,), tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """The same from networks that learn from all recordings."""
        try:
            import torch
        except ModuleNotFoundError:
            raise need("torch", "torch") from None
        from ..benchmark.nn import training
        from .neural_granger_network import initial, path, windows

        check_frames(recordings, 10 * self.lag + 10, f"networks that read {self.lag} frames of the past")
        levels = [self.weakest * 2**number for number in range(self.penalties)]
        with training.reproducible(context):
            given = [torch.as_tensor(standardise(series), dtype=torch.float32) for series in recordings]
            pasts, frames = (part.to(context.device) for part in windows(given, self.lag))
            networks = initial(frames.shape[1], self.hidden, self.lag, context.device)
            self._parameters = sum(weights.numel() for weights in networks)
            norms = path(
                networks, pasts, frames, levels, self.steps, self.ridge,
                lambda done: context.progress("penalties", done, len(levels)),
            )  # fmt: skip
        return Graph(norms.T.cpu().numpy().astype(np.float64))

    def report(self) -> dict[str, Any]:
        """Parameter count of the last network estimated."""
        return {"parameters": self._parameters}
