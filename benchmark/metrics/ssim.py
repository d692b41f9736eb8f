"""Structural similarity of grey images: the metric itself, and what old code made of it.

Wang et al., IEEE TIP 13 (2004), with scikit-image's arguments ``gaussian_weights=True, sigma=1.5,
use_sample_covariance=False, data_range=1``: a window of 11 pixels, and no padding, since scikit-image
leaves out the border that a padded window would reach.

Reconstruction code passes ``multichannel=True`` with a grey image. scikit-image below 0.20 then takes every
column for a channel, and averages similarities of lines (`SSIMLegacyColumns`); later versions ignore the
argument. Numbers of the two are not comparable: Brain-Diffuser's table holds the former, MindEye's the latter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kinds.seen import Stimulus
from .images import ImageMetric, Images, pixel_scores

SIGMA, RADIUS = 1.5, 5
LOW, HIGH = 0.01**2, 0.03**2
"""The constants K1 and K2, squared, for values in 0..1."""

BLOCK = 64
"""Lines that one small matrix product filters: a band matrix of the whole image would be nearly all zeros."""


def _band() -> np.ndarray:
    """(BLOCK, BLOCK + 2 RADIUS): row k weighs inputs k to k + 10 by a Gaussian."""
    taps = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    taps /= taps.sum()
    band = np.zeros((BLOCK, BLOCK + 2 * RADIUS))
    for row in range(BLOCK):
        band[row, row : row + len(taps)] = taps
    return band


BAND = _band()


def _down(planes: np.ndarray) -> np.ndarray:
    """Planes (k, h, w) filtered along h, (k, h - 10, w)."""
    lines = planes.shape[1] - 2 * RADIUS
    out = np.empty((len(planes), lines, planes.shape[2]))
    for start in range(0, lines, BLOCK):
        size = min(BLOCK, lines - start)
        weights = BAND[:size, : size + 2 * RADIUS]
        np.matmul(weights, planes[:, start : start + size + 2 * RADIUS], out=out[:, start : start + size])
    return out


def _across(planes: np.ndarray) -> np.ndarray:
    """Planes (k, h, w) filtered along w, (k, h, w - 10)."""
    lines = planes.shape[2] - 2 * RADIUS
    out = np.empty((*planes.shape[:2], lines))
    for start in range(0, lines, BLOCK):
        size = min(BLOCK, lines - start)
        weights = BAND[:size, : size + 2 * RADIUS].T
        np.matmul(planes[:, :, start : start + size + 2 * RADIUS], weights, out=out[:, :, start : start + size])
    return out


def _mean_similarity(moments: np.ndarray) -> float:
    """Mean similarity from the local means of x, y, x x + y y and x y."""
    x, y, squares, product = moments
    means, power = x * y, x * x + y * y
    top = (2 * means + LOW) * (2 * (product - means) + HIGH)
    return float((top / ((power + LOW) * (squares - power + HIGH))).mean())


def ssim_both(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """SSIM, and its mean over columns taken as lines, of two grey images (h, w) float64 in 0..1 of 11 x 11 or more."""
    columns = _down(np.stack([first, second, first * first + second * second, first * second]))
    return _mean_similarity(_across(columns)), _mean_similarity(columns)


class SSIM(ImageMetric):
    """Structural similarity of the grey images, with a two-dimensional window."""

    name = "ssim"
    title = "SSIM"

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Similarity of each pair."""
        return pixel_scores(truth, prediction, self.protocol)[:, 1]


class SSIMLegacyColumns(ImageMetric):
    """Mean one-dimensional similarity of the columns of the grey images: ``multichannel=True`` below 0.20."""

    name = "ssim-legacy-columns"
    title = "SSIM by columns (legacy)"

    def items(self, truth: Sequence[Stimulus], prediction: Images) -> np.ndarray:
        """Similarity of each pair."""
        return pixel_scores(truth, prediction, self.protocol)[:, 2]
