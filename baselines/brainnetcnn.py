"""BrainNetCNN (Kawahara et al. 2017), as the comparisons of the fMRI literature build it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.errors import BadOption, need
from ..benchmark.metrics.classification import AUC
from .kernel import probabilities

if TYPE_CHECKING:
    from torch import Tensor

    from .brainnetcnn_network import BrainNetwork

VALIDATION_FOLDS = 8


@dataclass
class BrainNetCNN(Method):
    """Convolutions over whole rows and columns of the Pearson FC matrix.

    The epoch is chosen by AUC on an eighth of the training scans, no subject cut; with fewer than
    eight subjects in a class the last epoch is taken. FC matrices are computed batch by batch.

    Attributes
    ----------
    edge_channels, graph_channels
        Channels of the first edge-to-edge layer (the second has twice as many) and of
        node-to-graph: 32 and 256 in the reference.
    epochs, batch, rate, weight_decay
        Adam, with a cosine fall of the learning rate to a tenth.
    patience
        Stop after so many epochs without a better validation AUC.
    mixup
        Mix pairs of scans and their labels with a share from Beta(1, 1).
    always_on_dropout
        The reference's slip: dropout stays on at test time.
    """

    edge_channels: int = 8
    graph_channels: int = 64
    epochs: int = 20
    batch: int = 16
    rate: float = 1e-3
    weight_decay: float = 1e-4
    patience: int = 6
    mixup: bool = True
    always_on_dropout: bool = False

    card: ClassVar[Card] = Card(
        title="BrainNetCNN",
        summary="Edge-to-edge, edge-to-node and node-to-graph convolutions on the Pearson FC matrix.",
        paper="Kawahara et al., NeuroImage 146 (2017); layers as in Wayfear/BrainNetworkTransformer",
        parameters="4,480 a ROI + 37,277 (preset published)",
        notes="Dropout is off at test time (the reference leaves it on: always_on_dropout=true). The epoch is "
        "chosen on validation scans only. Preset small has a quarter of the channels and 20 epochs.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "published": {"edge_channels": 32, "graph_channels": 256, "epochs": 200, "rate": 1e-4, "patience": 200},
    }

    def __post_init__(self) -> None:
        for name in ("edge_channels", "graph_channels", "epochs", "batch", "rate", "patience"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}={getattr(self, name)} is not positive", "give a number above 0")

    def fit(self, train: Train, context: Context) -> None:
        """Train, and keep the weights of the best validation epoch."""
        try:
            import torch
        except ModuleNotFoundError:
            raise need("torch", "torch") from None
        from ..benchmark.nn import training

        labels = np.asarray(train.targets, dtype=int)
        rows, held_out = training.hold_out(labels, train.groups, VALIDATION_FOLDS, context.seed)
        recipe = training.Recipe(
            self.epochs, self.batch, self.rate, self.rate / 10, weight_decay=self.weight_decay, patience=self.patience
        )
        with training.reproducible(context):
            self._network = self._build(train.inputs, len(context.task.classes)).to(context.device)
            targets = torch.nn.functional.one_hot(torch.as_tensor(labels), len(context.task.classes)).float()
            mixing = np.random.default_rng(context.seed)

            def loss(part: np.ndarray) -> Tensor:
                matrices, wanted = self._mix(self._matrices(train.inputs, part), targets[part], mixing)
                logits = self._network(matrices.to(context.device))
                return torch.nn.functional.cross_entropy(logits, wanted.to(context.device))

            def score() -> float:
                return AUC().score(labels[held_out], self._predict(train.inputs, held_out, context))

            history = training.train(self._network, loss, rows, recipe, context, score if len(held_out) else None)
            self._facts = {
                "parameters": training.parameter_count(self._network),
                "best_epoch": history.best,
                "epochs_run": len(history.losses),
                "validation_scans": len(held_out),
            }

    def _build(self, scans: Any, classes: int) -> BrainNetwork:
        from .brainnetcnn_network import BrainNetwork

        rois = scans.series(0).shape[1]
        return BrainNetwork(rois, classes, self.edge_channels, self.graph_channels, self.always_on_dropout)

    def _mix(self, matrices: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        if not self.mixup:
            return matrices, targets
        share, order = float(rng.beta(1, 1)), rng.permutation(len(matrices))
        return share * matrices + (1 - share) * matrices[order], share * targets + (1 - share) * targets[order]

    @staticmethod
    def _matrices(scans: Any, rows: np.ndarray) -> Tensor:
        """Pearson FC (len(rows), ROI, ROI)."""
        import torch

        return torch.as_tensor(np.stack([fc.correlation(scans.series(int(row))) for row in rows]))

    def _predict(self, scans: Any, rows: np.ndarray, context: Context) -> np.ndarray:
        """Probabilities (len(rows), classes), batch by batch."""
        parts = [rows[start : start + self.batch] for start in range(0, len(rows), self.batch)]
        logits = [self._network(self._matrices(scans, part).to(context.device)).cpu().numpy() for part in parts]
        return probabilities(np.concatenate(logits).astype(np.float64), 1.0)

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes)."""
        import torch

        from ..benchmark.nn import training

        with training.reproducible(context), torch.no_grad():
            self._network.eval()
            return self._predict(test, np.arange(len(test)), context)

    def report(self) -> dict[str, Any]:
        """Parameter count, best epoch, epochs run, validation scans."""
        return dict(self._facts)
