"""What the plugin calls: a fitted encoder or ensemble, and its predictions of test runs."""

from __future__ import annotations

from ...benchmark.contracts import Context, Train
from ...benchmark.kinds.encoding import Runs
from .ensemble import Ensemble
from .members import fit as fit_members
from .options import Options
from .predicting import Prediction
from .training import Fitted


def fit(options: Options, train: Train, context: Context) -> Fitted | Ensemble:
    """One encoder, or an ensemble of them, stopped on held-out films of the training set."""
    return fit_members(options, train, context)


def predict(fitted: Fitted | Ensemble, test: Runs, context: Context) -> list[Prediction]:
    """Predictions of all runs."""
    return fitted.predict(test, context.progress)
