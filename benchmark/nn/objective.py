"""How the outputs of a network become a loss, a validation score and a prediction, for each kind of target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..contracts import TaskInfo
from ..metrics.classification import AUC


class Objective(Protocol):
    """What a supervised network is trained for.

    Attributes
    ----------
    outputs
        Width of the network's last layer.
    """

    @property
    def outputs(self) -> int: ...

    def wanted(self, targets: np.ndarray) -> Tensor:
        """(n, outputs) targets as the loss takes them; rows may be mixed."""

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Mean loss of a batch (batch, outputs)."""

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Predictions in the kind's type, from outputs (n, outputs)."""

    def score(self, targets: np.ndarray, outputs: np.ndarray) -> float:
        """Validation score, larger is better."""


@dataclass(frozen=True)
class ClassObjective:
    """Cross-entropy over classes; validation by AUC."""

    outputs: int

    def wanted(self, targets: np.ndarray) -> Tensor:
        """(n, classes) one-hot."""
        return F.one_hot(torch.as_tensor(np.asarray(targets, dtype=int)), self.outputs).float()

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Mean cross-entropy with (mixed) labels."""
        return F.cross_entropy(outputs, wanted)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """(n, classes) probabilities."""
        logits = outputs.astype(np.float64)
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        normed: np.ndarray = share / share.sum(axis=1, keepdims=True)
        return normed

    def score(self, targets: np.ndarray, outputs: np.ndarray) -> float:
        """AUC."""
        return AUC().score(np.asarray(targets, dtype=int), self.predict(outputs))


@dataclass(frozen=True)
class ValueObjective:
    """Squared error of a standardised target; mean and deviation are those of the training labels."""

    mean: float
    sd: float
    outputs: int = 1

    def wanted(self, targets: np.ndarray) -> Tensor:
        """(n, 1) standardised targets."""
        return torch.as_tensor((np.asarray(targets, dtype=np.float64) - self.mean) / self.sd).float()[:, None]

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(outputs, wanted)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """(n,) values in the units of the target."""
        values: np.ndarray = outputs[:, 0].astype(np.float64) * self.sd + self.mean
        return values

    def score(self, targets: np.ndarray, outputs: np.ndarray) -> float:
        """Minus the mean squared error."""
        return -float(np.mean((self.predict(outputs) - targets) ** 2))


def objective_of(task: TaskInfo, targets: np.ndarray) -> Objective:
    """The objective of a task, from its training labels."""
    if task.kind == "regression":
        values = np.asarray(targets, dtype=np.float64)
        return ValueObjective(float(values.mean()), float(values.std()) or 1.0)
    return ClassObjective(len(task.classes))
