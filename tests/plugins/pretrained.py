"""A method that can be pretrained: it learns the mean ROI variance of scans it sees without labels."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from brainbench import Card, Method


@dataclass
class Averaged(Method):
    """Predicts half and half, after reading its checkpoint."""

    card = Card(title="Averaged", summary="A mock.")
    supports = ("classification",)
    takes_checkpoint = True

    def pretrain(self, cohorts, context):
        seen = []
        for scans in cohorts:
            for k, scan in enumerate(scans):
                assert set(scan.covariates) <= {"site"}
                seen.append(float(scan.series.var()))
                context.progress("pretrain", k + 1, len(scans))
        (context.save / "mean.json").write_text(json.dumps({"mean": float(np.mean(seen)), "scans": len(seen)}))

    def fit(self, train, context):
        self._facts = json.loads((context.checkpoint / "mean.json").read_text()) if context.checkpoint else {}

    def predict(self, test, context):
        return np.full((len(test), len(context.task.classes)), 1 / len(context.task.classes))

    def report(self):
        return self._facts
