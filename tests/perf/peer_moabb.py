"""What MOABB takes over its estimators: 2 subjects x 2 sessions x 5 folds of its fake data, one pipeline."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from typing import Any

INNER = [0.0]


def timed(work: Any) -> Any:
    """A method whose wall seconds are added up."""

    def run(*given: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return work(*given, **named)
        finally:
            INNER[0] += time.perf_counter() - start

    return run


def main(rounds: int) -> None:
    """Print evaluations, wall and inner seconds of each round, and the shape of the data."""
    warnings.simplefilter("ignore")
    import logging

    import numpy as np
    from moabb import set_log_level
    from moabb.datasets.fake import FakeDataset
    from moabb.evaluations import WithinSessionEvaluation
    from moabb.paradigms import LeftRightImagery
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    set_log_level("ERROR")
    logging.disable(logging.WARNING)
    shapes = set()

    def flat(x: Any) -> Any:
        shapes.add(tuple(x.shape[1:]))
        return np.asarray(x).reshape(len(x), -1)

    class Logistic(LogisticRegression):
        fit = timed(LogisticRegression.fit)
        predict = timed(LogisticRegression.predict)
        predict_proba = timed(LogisticRegression.predict_proba)
        decision_function = timed(LogisticRegression.decision_function)

    found = []
    for _ in range(rounds):
        data = FakeDataset(["left_hand", "right_hand"], n_subjects=2, n_sessions=2, seed=0)
        with tempfile.TemporaryDirectory() as folder:
            evaluation = WithinSessionEvaluation(
                paradigm=LeftRightImagery(), datasets=[data], overwrite=True, hdf5_path=folder, random_state=0
            )
            INNER[0] = 0.0
            start = time.perf_counter()
            table = evaluation.process({"logistic": make_pipeline(FunctionTransformer(flat), Logistic(max_iter=100))})
            found.append({"wall": time.perf_counter() - start, "inner": INNER[0], "cells": 5 * len(table)})
    print(json.dumps({"rounds": found, "shape": sorted(shapes)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
