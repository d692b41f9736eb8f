"""Logistic regression on functional connectivity for every field of a question: the reference without language."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.kinds.questions import Answers
from ..benchmark.metrics.classification import BalancedAccuracy
from .aims import ClassAim, probabilities
from .answering import worded
from .fc_linear import FcLogistic
from .majority import Majority


@dataclass(frozen=True)
class AnswerAim(ClassAim):
    """Classes judged by the label that would be answered: a good ranking with a bad threshold is no good answer."""

    measure: str = "balanced-accuracy"

    def score(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """Balanced accuracy of the likeliest label."""
        return BalancedAccuracy().score(targets, probabilities(decisions, 1.0))


@dataclass
class FieldModel(FcLogistic):
    """`FcLogistic` with C chosen by balanced accuracy."""

    def aim(self, context: Context) -> ClassAim:
        """See `AnswerAim`."""
        return AnswerAim(len(context.task.classes))


@dataclass
class FieldLogistic(Method):
    """One `FieldModel` a field, on the people of whom the field is known; the answers are put into words.

    Attributes
    ----------
    C
        Inverse penalty; None chooses it for each field by inner folds.
    clip
        Correlations are clipped to +- this before arctanh.
    """

    C: float | None = None
    clip: float = fc.CLIP

    card: ClassVar[Card] = Card(
        title="FC + logistic regression a field",
        summary="L2 logistic regression on Fisher-z connectivity for each field asked; the likeliest labels make the "
        "answer in the form that the task asks for. Reads no prompt and holds no language model.",
        parameters="(ROIs * (ROIs - 1) / 2 + 1) a field, and a class where there are more than two",
        notes="C by nested cross-validation of the balanced accuracy, as an answer names one label. A field of "
        "which the training people have one label only is answered with that label.",
    )
    supports: ClassVar[tuple[str, ...]] = ("questions",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"nested": {"C": None}, "fixed": {"C": 1.0}}
    reads: ClassVar[tuple[str, ...]] = ("series",)

    def fit(self, train: Train, context: Context) -> None:
        """Fit a model for each field."""
        self._models: dict[str, tuple[Method, Context, np.ndarray]] = {}
        for name, labels in context.task.fields.items():
            codes = train.targets.codes(name)
            rows = np.flatnonzero(codes >= 0)
            present = np.unique(codes[rows])
            told = replace(context.task, kind="classification", target=name, classes=tuple(labels[k] for k in present))
            own = replace(context, task=told)
            model = FieldModel(C=self.C, clip=self.clip) if len(present) > 1 else Majority()
            model.fit(Train(train.inputs.take(rows), np.searchsorted(present, codes[rows]), train.groups[rows]), own)
            self._models[name] = model, own, present

    def predict(self, test: Any, context: Context) -> Answers:
        """Answers with a probability a label."""
        shares = {}
        for name, (model, own, present) in self._models.items():
            shares[name] = np.zeros((len(test), len(context.task.fields[name])))
            shares[name][:, present] = model.predict(test, own)
        return worded(shares, context)

    def report(self) -> dict[str, Any]:
        """What each field's model reports, and the number of weights."""
        facts = {name: model.report() for name, (model, _, _) in self._models.items()}
        return {"fields": facts, "parameters": sum(own.get("parameters", 0) for own in facts.values())}
