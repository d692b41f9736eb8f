"""A quick linear probe: ridge regression on the labels, through the Gram matrix of the scans."""

from __future__ import annotations

import numpy as np

PENALTY = 1.0
"""Ridge penalty in units of the mean diagonal of the training Gram matrix."""


def gram(features: np.ndarray, block: int = 1024) -> np.ndarray:
    """(n, n) float64 inner products of features (n, p) that may lie on disk, a block at a time.

    Features are centred on their mean over all scans; no label enters, and the probe only tells how
    much a kind of feature says.
    """
    mean = np.zeros(features.shape[1])
    for start in range(0, len(features), block):
        mean += features[start : start + block].sum(axis=0, dtype=np.float64)
    mean = (mean / len(features)).astype(np.float32)
    out = np.empty((len(features), len(features)))
    for a in range(0, len(features), block):
        left = features[a : a + block] - mean
        for b in range(0, a + 1, block):
            product = left @ (features[b : b + block] - mean).T
            out[a : a + block, b : b + block] = product
            out[b : b + block, a : a + block] = product.T
    return out


def ridge(kernel: np.ndarray, wanted: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores (len(test), k) of a ridge regression of ``wanted`` (n, k) fitted on the training rows."""
    own = kernel[np.ix_(train, train)]
    column = own.mean(axis=0)
    centred = own - column - column[:, None] + own.mean()
    scale = float(np.trace(centred)) / len(train) or 1.0
    mean = wanted[train].mean(axis=0)
    dual = np.linalg.solve(centred + PENALTY * scale * np.eye(len(train)), wanted[train] - mean)
    other = kernel[np.ix_(test, train)]
    scores: np.ndarray = (other - other.mean(axis=1, keepdims=True) - column + own.mean()) @ dual + mean
    return scores
