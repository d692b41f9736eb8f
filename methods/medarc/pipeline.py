"""From training runs to a fitted encoder: what is held out, and what is trained on the rest."""

from __future__ import annotations

from ...benchmark.contracts import Context, Train
from ...benchmark.kinds.encoding import Runs
from ...benchmark.nn.inner_movies import hold_out
from .options import Options
from .predicting import Prediction
from .training import Fitted, fit_one


def fit(options: Options, train: Train, context: Context) -> Fitted:
    """One encoder, stopped on held-out films of the training set."""
    train_rows, val_rows = hold_out(train.inputs, options.inner_movies)
    return fit_one(options, train.inputs, train.targets, train_rows, val_rows, context)


def predict(fitted: Fitted, test: Runs, context: Context) -> list[Prediction]:
    """Predictions of all runs."""
    out = []
    for row in range(len(test)):
        out += fitted.predict(test, [row])
        context.progress("runs", row + 1, len(test))
    return out
