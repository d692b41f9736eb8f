"""Classification: truth class indices (n,), prediction (n, classes) probabilities.

The predicted class is the one of the highest probability, the first of equals. A resample whose
truth holds fewer than two classes leaves AUC, balanced accuracy, macro-F1 and MCC undefined (NaN).
"""

from __future__ import annotations

import numpy as np

from ..contracts import Metric
from .counts import CACHE_BYTES, ItemMetric, by_block, ratio, sums

BINS = 15


def _choice(prediction: np.ndarray) -> np.ndarray:
    """Predicted class (n,)."""
    chosen: np.ndarray = np.argmax(prediction, axis=1)
    return chosen


def binary_auc(positive: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (B,) under counts (B, n); ties count one half.

    The Mann-Whitney statistic by one sort for all resamples: the running count of negatives, in
    the order of their scores, is looked up at each positive.
    """
    truth = np.asarray(positive, dtype=bool)
    order = np.flatnonzero(~truth)[np.argsort(score[~truth], kind="stable")]
    hits = np.flatnonzero(truth)
    below = np.searchsorted(score[order], score[hits], side="left")
    up_to = np.searchsorted(score[order], score[hits], side="right")

    def area(block: np.ndarray) -> np.ndarray:
        running = np.zeros((len(block), len(order) + 1))
        np.cumsum(block.take(order, axis=1), axis=1, out=running[:, 1:])
        weight = block.take(hits, axis=1)
        ahead, at_least = running.take(below, axis=1), running.take(up_to, axis=1)
        won = np.einsum("bi,bi->b", weight, ahead) + np.einsum("bi,bi->b", weight, at_least)
        return ratio(won / 2, weight.sum(axis=1) * running[:, -1])

    return by_block(counts, area, 3 * counts.shape[1], CACHE_BYTES)


class AUC(Metric):
    """Area under the ROC curve, ties as one half.

    Two classes: from the probability of the last class. More: macro mean of one class against the
    rest, over the classes that a resample holds.
    """

    name = "auc"
    title = "AUC"
    chance = 0.5

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """AUC (B,)."""
        classes = prediction.shape[1]
        if classes == 2:
            return binary_auc(truth == 1, prediction[:, 1], counts)
        each = np.stack([binary_auc(truth == k, prediction[:, k], counts) for k in range(classes)])
        defined = ~np.isnan(each)
        return ratio(np.where(defined, each, 0).sum(axis=0), defined.sum(axis=0))


class Accuracy(ItemMetric):
    """Share of items whose predicted class is the true one."""

    name = "accuracy"
    title = "Accuracy"

    def items(self, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """1 where right, else 0."""
        return np.asarray(_choice(prediction) == truth, dtype=np.float64)


def confusion(truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Confusion matrices (B, classes, classes) [true, predicted] under counts (B, n)."""
    classes = prediction.shape[1]
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + _choice(prediction)] = 1
    return sums(counts, cells).reshape(-1, classes, classes)


def _two_classes(matrix: np.ndarray) -> np.ndarray:
    """Whether (B,) the truth holds at least two classes."""
    present: np.ndarray = (matrix.sum(axis=2) > 0).sum(axis=1) >= 2
    return present


class BalancedAccuracy(Metric):
    """Mean recall of the classes that the truth holds."""

    name = "balanced-accuracy"
    title = "Balanced accuracy"

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Balanced accuracy (B,)."""
        matrix = confusion(truth, prediction, counts)
        recall = ratio(np.einsum("bkk->bk", matrix), matrix.sum(axis=2), 0)
        mean = ratio(recall.sum(axis=1), (matrix.sum(axis=2) > 0).sum(axis=1))
        return np.where(_two_classes(matrix), mean, np.nan)


class MacroF1(Metric):
    """Mean F1 of the classes that truth or prediction hold."""

    name = "macro-f1"
    title = "Macro-F1"

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Macro-F1 (B,)."""
        matrix = confusion(truth, prediction, counts)
        size = matrix.sum(axis=2) + matrix.sum(axis=1)
        f1 = ratio(2 * np.einsum("bkk->bk", matrix), size, 0)
        return np.where(_two_classes(matrix), ratio(f1.sum(axis=1), (size > 0).sum(axis=1)), np.nan)


class MCC(Metric):
    """Matthews correlation coefficient, for any number of classes (Gorodkin 2004).

    0 when only one class is predicted.
    """

    name = "mcc"
    title = "MCC"
    chance = 0.0

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """MCC (B,)."""
        matrix = confusion(truth, prediction, counts)
        true, predicted = matrix.sum(axis=2), matrix.sum(axis=1)
        total = true.sum(axis=1)
        shared = np.einsum("bkk->b", matrix) * total - (true * predicted).sum(axis=1)
        spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (predicted**2).sum(axis=1))
        return np.where(_two_classes(matrix), ratio(shared, np.sqrt(spread), 0), np.nan)


class CalibrationError(Metric):
    """Expected calibration error of the predicted class (Guo et al. 2017).

    15 bins of equal width over the confidence (the highest probability of an item), closed on
    the right; the mean over items of |accuracy - mean confidence| of their bin.
    """

    name = "ece"
    title = "ECE"
    higher_is_better = False

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Calibration error (B,)."""
        confidence = prediction.max(axis=1)
        edge = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        gaps = np.zeros((len(truth), BINS + 1))
        gaps[np.arange(len(truth)), edge] = (_choice(prediction) == truth) - confidence
        gaps[:, BINS] = 1
        total = sums(counts, gaps)
        return ratio(np.abs(total[:, :BINS]).sum(axis=1), total[:, BINS])


class MajorityRate(Metric):
    """Share of the most frequent true class: what accuracy must exceed to mean anything."""

    name = "majority-rate"
    title = "Majority rate"

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Majority rate (B,)."""
        total = sums(counts, np.eye(prediction.shape[1])[truth])
        return ratio(total.max(axis=1), total.sum(axis=1))
