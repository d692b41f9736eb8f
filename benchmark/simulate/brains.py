"""Four brains that see: which features of an image they hold, where, and with how much noise.

Model of voxel v of brain b, at place p(v) of a space that all brains share, in trial k of image i:

    y = m_v + sum_f W_vf (f_i - mean f) + drift_v,s(k) + sd_v e,     e ~ Normal(0, 1), independent

1. *Features f* (`seeing`): what lies where in the picture (a coarse grid of light, colour and edges), what is there
   (concepts, supercategories, place, colours, counts), and which parts of the picture hold things.
2. *Places.* Each brain has its own grid, and a smooth warp of its own takes its voxels to the shared space.
3. *Maps.* The back of the brain holds the visual field (left half on the right side, upside down), with smooth
   weights of light, colour and edges; below and in front of it lies what is there, above it where things are.
   Weights of concepts are zero but for patches. A map is `SHARED` parts of one that all brains have, by variance,
   the rest is the brain's own.
4. *Noise.* ``sd`` is set by the voxel's noise ceiling, which is drawn; `SILENT` of the voxels have no signal. A few
   smooth patterns drift from session to session.

Everything but ``e`` and the drift is fixed by the name of the brain and the size of its grid. An image's response is
then exactly normal given its features, so that the likelihood of an image is known. Numbers are our choice but for
their orders of magnitude: noise ceilings and percent signal change are like those of NSD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from .people import key_of
from .seeing import BLOCKS, CELLS, CHANNELS, COLUMNS, GROUP_OF, Moments

NAMES = ("subj01", "subj02", "subj05", "subj07")
"""The four of NSD who finished all sessions."""

GRIDS: Mapping[str, tuple[int, int, int]] = {
    "subj01": (21, 26, 21), "subj02": (21, 27, 21), "subj05": (20, 24, 20), "subj07": (20, 24, 19)
}  # fmt: skip
"""Grids of the small twin: about a quarter of the real ones along each axis."""

MM = 7.2
"""Side of a voxel of those grids."""

RADII = np.array([0.84, 0.92, 0.84])
"""Of the ellipsoid that is the brain; the grid reaches from -1 to 1. Axes: left-right, back-front, low-high."""

INNER = 0.60
"""Voxels nearer to the middle than this share of the radius are not grey."""

SHARED, SILENT = 0.65, 0.15
"""Variance of maps that all brains share; share of voxels without signal."""

WARP, SHIFT = 0.05, 0.03
"""Size of a brain's warp and shift."""

FIELD, PATCH, FREQUENCIES = 0.30, 0.24, 160
"""Length scales of smooth maps, of concept patches, and random waves that a map is made of."""

PATCH_EDGE = 0.85
"""A concept has weight where its smooth map is further than this from zero."""

BLOCK_SHARES = {"concept": 3.0, "group": 1.6, "place": 2.0, "look": 0.7, "colour": 1.2}
"""Relative variance of what is there, by block of features."""

CEILING_MEDIAN, CEILING_SPREAD = 0.34, 0.85
"""Noise ceiling of three repeats: median, and standard deviation of its logit over voxels with signal."""

REPEATS = 3
SIGNAL_MEDIAN, SIGNAL_SPREAD = 0.8, 0.35
"""Standard deviation of the signal, percent: median, and standard deviation of its log."""

DRIFTS, DRIFT = 3, 0.20
"""Patterns that drift between sessions, and their standard deviation as a share of a voxel's noise."""


@dataclass(frozen=True)
class Brain:
    """One brain. Weights and noise are in percent signal change.

    Attributes
    ----------
    name, shape, mm
        Whose it is; its grid and the side of a voxel.
    index
        (voxels,) flat C-order positions, ascending.
    rois
        Name -> (voxels,) bool: "nsdgeneral", "early", "ventral".
    weights
        (voxels, features) of centred features.
    centre
        (features,) what is subtracted from features.
    baseline, noise
        (voxels,) mean response, and standard deviation of the independent noise.
    drift
        (voxels, `DRIFTS`) patterns, each with a standard normal strength in each session.
    """

    name: str
    shape: tuple[int, int, int]
    mm: float
    index: np.ndarray
    rois: dict[str, np.ndarray]
    weights: np.ndarray
    centre: np.ndarray
    baseline: np.ndarray
    noise: np.ndarray
    drift: np.ndarray

    def signal(self, features: np.ndarray) -> np.ndarray:
        """(n, voxels) responses without noise to features (n, f)."""
        return np.asarray(self.baseline + (features - self.centre) @ self.weights.T)

    def noisy(self, signal: np.ndarray, rng: np.random.Generator, sessions: np.ndarray) -> np.ndarray:
        """Trials: ``signal`` (n, voxels) with noise, and the drift of sessions, (n, `DRIFTS`) strengths."""
        return np.asarray(signal + sessions @ self.drift.T + self.noise * rng.standard_normal(signal.shape))

    def trial_means(self, features: np.ndarray, rng: np.random.Generator, repeats: int = REPEATS) -> np.ndarray:
        """(n, voxels) means over so many trials from different sessions."""
        signal = self.signal(features)
        trials = [self.noisy(signal, rng, rng.standard_normal((len(signal), DRIFTS))) for _ in range(repeats)]
        return np.asarray(np.mean(trials, axis=0))

    def covariance(self, repeats: int = REPEATS) -> np.ndarray:
        """(voxels, voxels) of the noise of a mean over trials from different sessions."""
        return np.asarray((np.diag(self.noise**2) + self.drift @ self.drift.T) / repeats)

    def noise_ceiling(self, moments: Moments, repeats: int = REPEATS) -> np.ndarray:
        """(voxels,) share of a trial average's variance over images that is signal; the drift counts as noise."""
        signal = moments.variance(self.weights)
        return np.asarray(signal / (signal + (self.noise**2 + (self.drift**2).sum(axis=1)) / repeats))

    def relevance(self, concept: str) -> np.ndarray:
        """(voxels,) absolute change, percent, when a large thing of this concept comes into view.

        That is the weight of the concept and of its supercategory, not what its pixels do to early voxels.
        """
        columns = [
            COLUMNS[name] for name in (f"concept:{concept}", f"group:{GROUP_OF.get(concept, '')}") if name in COLUMNS
        ]
        return np.asarray(np.abs(self.weights[:, columns].sum(axis=1)))


@dataclass(frozen=True)
class Reader:
    """The true likelihood of a brain's trial averages."""

    brain: Brain
    repeats: int = REPEATS

    @cached_property
    def factor(self) -> np.ndarray:
        """(voxels, voxels) lower Cholesky factor of the noise."""
        return np.asarray(np.linalg.cholesky(self.brain.covariance(self.repeats)))

    @cached_property
    def white_weights(self) -> np.ndarray:
        """(voxels, features) weights on whitened responses."""
        return np.asarray(solve_triangular(self.factor, self.brain.weights, lower=True))

    def white(self, responses: np.ndarray) -> np.ndarray:
        """(n, voxels) responses, centred and whitened: noise is then standard normal."""
        return np.asarray(solve_triangular(self.factor, (responses - self.brain.baseline).T, lower=True).T)

    def log_likelihood(self, responses: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(n, m) log likelihood of n responses under m images' features, up to a term of the response."""
        return _gaussian(self.white(responses), (features - self.brain.centre) @ self.white_weights.T)

    def estimate(self, responses: np.ndarray, moments: Moments) -> np.ndarray:
        """(n, f) best linear estimates of features, by mean squared error over images with these moments."""
        precision = self.white_weights.T @ self.white_weights
        gain = moments.covariance @ np.linalg.inv(np.eye(len(precision)) + precision @ moments.covariance)
        return np.asarray(moments.mean + self.white(responses) @ self.white_weights @ gain.T)

    def part_log_likelihood(
        self, responses: np.ndarray, features: np.ndarray, part: np.ndarray, moments: Moments
    ) -> np.ndarray:
        """(n, m) log likelihood under some of m images' features, columns ``part``; the others are integrated out.

        The others count as normal given the part, with their linear regression on it.
        """
        rest = np.setdiff1d(np.arange(len(moments.mean)), part)
        inner = moments.covariance[np.ix_(part, part)] + 1e-9 * np.eye(len(part))
        cross = moments.covariance[np.ix_(rest, part)]
        slope = cho_solve(cho_factor(inner), cross.T).T
        left = moments.covariance[np.ix_(rest, rest)] - slope @ cross.T
        mean = self.white_weights[:, part] + self.white_weights[:, rest] @ slope
        spread = self.white_weights[:, rest] @ left @ self.white_weights[:, rest].T
        factor = np.linalg.cholesky(spread + np.eye(len(spread)))
        predicted = (features[:, part] - moments.mean[part]) @ mean.T
        return _gaussian(
            solve_triangular(factor, self.white(responses).T, lower=True).T,
            solve_triangular(factor, predicted.T, lower=True).T,
        )


def _gaussian(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(n, m) log density of unit noise, up to a term of ``found`` (n, d) around ``expected`` (m, d)."""
    return np.asarray(found @ expected.T - (expected**2).sum(axis=1) / 2)


# ------------------------------------------------------------------------------------------------------- anatomy


@dataclass(frozen=True)
class Places:
    """Voxels in the shared space: their directions from the middle, and how far back they point."""

    points: np.ndarray
    towards: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> Places:
        """Points (n, 3) of the shared space."""
        scaled = points / RADII
        return cls(points, scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-9))

    @property
    def back(self) -> np.ndarray:
        """(n,) cosine of the angle from the pole at the back."""
        return np.asarray(-self.towards[:, 1])

    @property
    def low(self) -> np.ndarray:
        """(n,) how far down they point."""
        return np.asarray(-self.towards[:, 2])

    @property
    def parts(self) -> np.ndarray:
        """(n, 3) weight of what lies where, of what is there, and of where things are."""
        early = np.clip((self.back - 0.76) / 0.10, 0, 1)
        later, low = np.clip((0.90 - self.back) / 0.10, 0, 1), np.clip((self.low + 0.25) / 0.30, 0, 1)
        return np.stack([early, later * low, later * (1 - low)], axis=1)


EARLY_FROM = 0.82
"""Voxels that point further back than this are early ones."""


def anatomy(name: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, dict[str, np.ndarray], Places]:
    """Positions (voxels,) in the grid, ROIs and places of a brain's visual voxels."""
    rng = np.random.default_rng((key_of(name), 1))
    axes = [2 * (np.arange(side) + 0.5) / side - 1 for side in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    waves, phases = rng.normal(0, 1.6, (3, 3)), rng.uniform(0, 2 * np.pi, 3)
    points = grid + WARP * np.sin(grid @ waves + phases) + rng.normal(0, SHIFT, 3)
    places = Places.of(points)
    depth = np.linalg.norm(points / RADII, axis=1)
    reach = places.back + 0.22 * np.clip(places.low, 0, 1)
    kept = (depth <= 1) & (depth >= INNER) & (reach >= rng.uniform(0.56, 0.64))
    index = np.flatnonzero(kept)
    held = Places(places.points[index], places.towards[index])
    early = held.back >= EARLY_FROM
    return index, {"nsdgeneral": np.ones(len(index), bool), "early": early, "ventral": ~early & (held.low > 0)}, held


# ---------------------------------------------------------------------------------------------------------- maps


def _fields(points: np.ndarray, count: int, scale: float, key: tuple[int, ...]) -> np.ndarray:
    """(n, count) smooth random maps of unit variance, defined everywhere: sums of random plane waves."""
    rng = np.random.default_rng(key)
    waves = rng.normal(0, 1 / scale, (3, FREQUENCIES))
    phases = rng.uniform(0, 2 * np.pi, FREQUENCIES)
    amplitudes = rng.normal(0, np.sqrt(2 / FREQUENCIES), (FREQUENCIES, count))
    return np.asarray(np.cos(points @ waves + phases) @ amplitudes)


def _maps(name: str, points: np.ndarray, count: int, scale: float, number: int) -> np.ndarray:
    """(n, count) maps of one brain: partly everybody's, partly its own."""
    shared = _fields(points, count, scale, (0, 2, number))
    own = _fields(points, count, scale, (key_of(name), 2, number))
    return np.asarray(np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)


def _field_of_view(places: Places) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) centres x, y in 0..1 of the picture that early voxels look at, and (n,) their widths."""
    away = np.sqrt(np.clip(1 - places.back**2, 0, None)) / np.sqrt(1 - 0.76**2)
    aside = places.towards[:, [0, 2]]
    aside = aside / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-9)
    reach = 0.66 * np.clip(away, 0, 1.1)
    centres = np.stack([0.5 - reach * aside[:, 0], 0.5 + reach * aside[:, 1]], axis=1)
    return np.clip(centres, 0.02, 0.98), 0.06 + 0.07 * np.clip(away, 0, 1)


def _early_weights(name: str, places: Places, scales: Mapping[str, float]) -> np.ndarray:
    """(n, cells * cells * channels): a window on the picture, times smooth weights of light, colours and edges."""
    middles = (np.arange(CELLS) + 0.5) / CELLS
    centres, widths = _field_of_view(places)
    across = np.exp(-0.5 * ((middles - centres[:, :1]) / widths[:, None]) ** 2)
    down = np.exp(-0.5 * ((middles - centres[:, 1:]) / widths[:, None]) ** 2)
    window = down[:, :, None] * across[:, None, :]
    channels = _maps(name, places.points, CHANNELS, FIELD, 0) + np.eye(CHANNELS)[0]
    weights = window[..., None] * channels[:, None, None, :]
    return np.asarray(weights.reshape(len(weights), -1) / scales["early"])


def _ventral_weights(name: str, places: Places, scales: Mapping[str, float]) -> np.ndarray:
    """(n, features of what is there): patches of concepts, smooth maps of the rest."""
    found = []
    for number, (block, share) in enumerate(BLOCK_SHARES.items(), start=1):
        count = BLOCKS[block].stop - BLOCKS[block].start
        maps = _maps(name, places.points, count, PATCH if block in ("concept", "group") else FIELD, number)
        if block in ("concept", "group"):
            maps = 2.0 * np.sign(maps) * np.clip(np.abs(maps) - PATCH_EDGE, 0, None)
        found.append(np.sqrt(share / count) * maps / scales[block])
    return np.concatenate(found, axis=1)


def _dorsal_weights(name: str, places: Places, scales: Mapping[str, float]) -> np.ndarray:
    """(n, coarse cells): smooth maps of which parts of the picture hold things."""
    count = BLOCKS["where"].stop - BLOCKS["where"].start
    return _maps(name, places.points, count, FIELD, 9) / scales["where"]


def _weights(name: str, places: Places, moments: Moments) -> np.ndarray:
    """(voxels, features), such that the signal of each voxel has unit variance over scenes."""
    made, start = [], 0
    for make, share in zip((_early_weights, _ventral_weights, _dorsal_weights), places.parts.T, strict=True):
        part = make(name, places, moments.scales)
        block = slice(start, start := start + part.shape[1])
        size = np.sqrt(moments.variance(part, block))
        made.append(part * (share / np.maximum(size, 1e-9))[:, None])
    weights = np.concatenate(made, axis=1)
    return np.asarray(weights / np.sqrt(moments.variance(weights))[:, None])


def make_brain(name: str, shape: tuple[int, int, int], mm: float, moments: Moments) -> Brain:
    """A brain by its name; ``moments`` are those of the features of all scenes."""
    index, rois, places = anatomy(name, shape)
    rng = np.random.default_rng((key_of(name), 3))
    voxels = len(index)
    signal = SIGNAL_MEDIAN * np.exp(SIGNAL_SPREAD * rng.standard_normal(voxels))
    ceiling = np.log(CEILING_MEDIAN / (1 - CEILING_MEDIAN)) + CEILING_SPREAD * rng.standard_normal(voxels)
    # The ceiling's odds are signal variance over noise variance of the mean; drift is part of the noise.
    noise = signal * np.sqrt(REPEATS * np.exp(-ceiling) / (1 + DRIFT**2))
    silent = _maps(name, places.points, 1, FIELD, 10)[:, 0] + 0.6 * rng.standard_normal(voxels)
    signal = np.where(silent < np.quantile(silent, SILENT), 0.0, signal)
    patterns = _fields(places.points, DRIFTS, 2 * FIELD, (key_of(name), 4))
    return Brain(
        name=name,
        shape=shape,
        mm=mm,
        index=index,
        rois=rois,
        weights=_weights(name, places, moments) * signal[:, None],
        centre=moments.mean,
        baseline=rng.normal(0.4, 0.5, voxels),
        noise=noise,
        drift=patterns * (DRIFT / np.sqrt(DRIFTS) * noise)[:, None],
    )
