"""Encoding: truth `Pieces`, prediction {subject: (time, parcel)} for each piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..contracts import Metric
from ..errors import Unavailable, UnknownName
from ..kinds.encoding import Piece, Pieces
from .counts import blocks
from .regression import FLAT

Responses = list[dict[str, np.ndarray]]

CUT = 5
"""TRs that the organisers leave out at both ends of a run (their 03_encoding_model_testing)."""

EPS = 1e-7
"""What MedARC adds to the norms of a correlation."""

ROWS = 128
"""TRs whose sums are made in float32 before they are added up in float64: such a block stays in a core's cache."""

ORGANISERS, MEDARC = "organisers", "medarc"


class EncodingR(Metric):
    """Mean over subjects of the mean over parcels of Pearson r along time.

    All runs that are scored together (of one film, where a task scores films apart) are one series. A parcel that
    is constant, in truth or prediction, scores 0. No normalisation by a noise ceiling.

    Parts: ``organisers`` leaves 5 TRs out at both ends of each run; ``medarc`` is MedARC's centred cosine with 1e-7
    added to each norm; the name of a network or a subject takes its parcels or responses alone.
    """

    title = "Pearson r"
    chance = 0.0

    def __init__(self, part: str = "") -> None:
        self.part = part
        self.name = f"encoding-r:{part}" if part else "encoding-r"

    def variant(self, part: str) -> Metric:
        """A protocol, a network or a subject; which of these there are is known when it is scored."""
        if self.part or not part or not part.replace("-", "").isalnum():
            raise UnknownName(
                f"metric {self.name!r} has no part {part!r}",
                "parts are: organisers, medarc, a network such as Vis, a subject such as sub-01",
            )
        return EncodingR(part)

    def resample(self, truth: Pieces, prediction: Responses, counts: np.ndarray) -> np.ndarray:
        """Mean correlation (B,); a subject without a piece in a resample is left out of it."""
        moments = moments_of(truth, prediction, CUT if self.part == ORGANISERS else 0)
        if not moments:
            raise Unavailable(
                "the measured responses of these runs are withheld",
                "`brainbench export algonauts2025 RECORD` writes the file that the organisers score",
            )
        subjects, parcels = self._chosen(truth, tuple(moments))
        each = np.stack([self._subject(moments[subject], counts, parcels) for subject in subjects])
        scored = ~np.isnan(each)
        total = np.where(scored, each, 0).sum(axis=0)
        return np.where(scored.any(axis=0), total / np.maximum(scored.sum(axis=0), 1), np.nan)

    def _chosen(self, truth: Pieces, subjects: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray | None]:
        """Whose responses and which parcels (None: all) are scored."""
        if self.part in ("", ORGANISERS, MEDARC):
            return subjects, None
        if self.part in subjects:
            return (self.part,), None
        networks = truth.networks
        if self.part in networks:
            return subjects, np.flatnonzero(np.array(networks) == self.part)
        known = ", ".join([*sorted(set(networks) - {""}), *subjects])
        raise Unavailable(f"no network or subject {self.part!r}", f"these data know: {known}")

    def _subject(self, moments: np.ndarray, counts: np.ndarray, parcels: np.ndarray | None) -> np.ndarray:
        """Mean over parcels of r (B,) of one subject with moments (piece, 6, parcel)."""
        stats = moments if parcels is None else moments[:, :, parcels]
        held = stats[:, 0, 0] > 0
        out = np.empty(len(counts))
        for rows, block in blocks(counts, 12 * stats.shape[2]):
            total = np.tensordot(block, stats, axes=(1, 0)).transpose(1, 0, 2)
            r = correlation(total, EPS if self.part == MEDARC else 0.0)
            out[rows] = np.where(block[:, held].any(axis=1), r.mean(axis=1), np.nan)
        return out


def correlation(total: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """r of moments (6, ...); 0 where one side is constant. ``eps`` is added to the norm of each side."""
    weight, x, y, xx, yy, xy = total
    weight = np.where(weight > 0, weight, 1)
    var_x, var_y = xx - x * x / weight, yy - y * y / weight
    varies = (var_x > FLAT * xx) & (var_y > FLAT * yy)
    norms = (np.sqrt(np.where(varies, var_x, 1)) + eps) * (np.sqrt(np.where(varies, var_y, 1)) + eps)
    r: np.ndarray = np.clip(np.where(varies, (xy - x * y / weight) / norms, 0), -1, 1)
    return r


def parcel_correlation(truth: Pieces, prediction: Responses, cut: int = 0) -> dict[str, np.ndarray]:
    """Subject -> Pearson r (parcel,) of all pieces as one series; empty where the truth is withheld."""
    return {subject: correlation(each.sum(axis=0)) for subject, each in moments_of(truth, prediction, cut).items()}


def moments_of(truth: Pieces, prediction: Responses, cut: int = 0) -> dict[str, np.ndarray]:
    """Subject -> moments (piece, 6, parcel), see `moments`, without ``cut`` TRs at both ends of runs."""
    found: dict[str, np.ndarray] = truth.remember(
        prediction, ("moments", cut), lambda: _all_moments(truth, prediction, cut)
    )
    return found


def _all_moments(truth: Pieces, prediction: Responses, cut: int) -> dict[str, np.ndarray]:
    subjects = sorted({name for piece in truth for name in piece.subjects})
    return {subject: _of_subject(truth, prediction, cut, subject) for subject in subjects}


def _of_subject(truth: Pieces, prediction: Responses, cut: int, subject: str) -> np.ndarray:
    """Moments (piece, 6, parcel) of a subject; zeros for a piece that it lacks."""
    each: dict[int, np.ndarray] = {}
    shift: tuple[np.ndarray, np.ndarray] | None = None
    for number, (piece, values) in enumerate(zip(truth, prediction, strict=True)):
        first, last = _bounds(piece, piece.frames(subject), cut)
        if last > first and subject in values:
            x = piece.read(subject, first, last)
            y = values[subject][first - piece.start : last - piece.start]
            shift = shift or (x.mean(axis=0), y.mean(axis=0))
            each[number] = moments(x, y, shift)
    parcels = max((one.shape[1] for one in each.values()), default=1)
    out = np.zeros((len(truth), 6, parcels))
    for number, one in each.items():
        out[number] = one
    return out


def _bounds(piece: Piece, frames: int, cut: int) -> tuple[int, int]:
    """TRs of a piece that are not within ``cut`` of the ends of a subject's run, which lasts ``frames`` TRs."""
    return max(piece.start, cut), min(piece.stop, frames - cut)


def moments(x: np.ndarray, y: np.ndarray, shift: Sequence[np.ndarray]) -> np.ndarray:
    """Count, sums, and sums of squares and products (6, parcel) of x and y (time, parcel) minus ``shift``.

    A shift near the means keeps the sums of squares small, so that float32 blocks lose nothing that matters.
    """
    parcels = x.shape[1]
    out = np.zeros((6, parcels))
    out[0] = len(x)
    for start in range(0, len(x), ROWS):
        a, b = x[start : start + ROWS] - shift[0], y[start : start + ROWS] - shift[1]
        out[1] += a.sum(axis=0)
        out[2] += b.sum(axis=0)
        out[3] += np.einsum("tp,tp->p", a, a)
        out[4] += np.einsum("tp,tp->p", b, b)
        out[5] += np.einsum("tp,tp->p", a, b)
    return out
