"""The four brains of the twin of Algonauts: parcels, what moves each of them, and their noise.

The response of parcel p at volume t is, before it is z-scored over the run,

    gain * sum_k w_kp * sum_d h(d) x_k(t - d) + noise_p(t),

with latent series x of the film (0 before it begins and after it ends), the double-gamma response h (`hrf`), weights
w that are partly common to all brains and smooth along the order of the parcels, and autocorrelated noise that is
shared in part within networks and the whole brain. Signal and noise have variances `Brain.share` and one minus it.
Of parcels, the counts by hemisphere and network are those of Schaefer's 1000 parcels; the rest is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import gamma

from ..datasets.movie_atlas import schaefer_parcels
from .movie_plan import SUBJECTS, TR, key_of
from .movie_streams import GROUPS, LATENTS, MAPS_SEED, autoregressive, fading, group_slices, latents

LAG = 3
"""Volumes after which a response is largest: 4.5 s, the whole number of volumes nearest to 5 s."""

HRF_SECONDS = 30.0


@dataclass(frozen=True)
class Role:
    """What moves a network.

    Attributes
    ----------
    share
        Mean share of a parcel's variance that the film moves.
    shares
        Group of latent series -> its share of that.
    """

    share: float
    shares: dict[str, float]


ROLES: dict[str, Role] = {
    "Vis": Role(0.32, {"seen": 0.85, "heard": 0.03, "said": 0.02, "story": 0.1}),
    "SomMot": Role(0.15, {"seen": 0.1, "heard": 0.6, "said": 0.15, "story": 0.15}),
    "DorsAttn": Role(0.25, {"seen": 0.6, "heard": 0.1, "said": 0.05, "story": 0.25}),
    "SalVentAttn": Role(0.16, {"seen": 0.15, "heard": 0.35, "said": 0.2, "story": 0.3}),
    "Limbic": Role(0.09, {"seen": 0.2, "heard": 0.2, "said": 0.2, "story": 0.4}),
    "Cont": Role(0.2, {"seen": 0.2, "heard": 0.1, "said": 0.35, "story": 0.35}),
    "Default": Role(0.25, {"seen": 0.1, "heard": 0.1, "said": 0.45, "story": 0.35}),
}

SUBJECT_SHARE: dict[str, float] = {"sub-01": 1.1, "sub-02": 1.0, "sub-03": 1.1, "sub-05": 0.8}
"""Factor on the share of variance that the film moves."""

COMMON = 0.7
"""Share of the variance of weights that all brains have in common."""

SMOOTHNESS = 2.5
"""Width in parcels over which weights, and how strongly the film moves a parcel, are alike within a network."""

NOISE: dict[str, float] = {"brain": 0.08, "network": 0.22, "drift": 0.1, "own": 0.6}
"""Shares of the variance of noise: of the whole brain, of a network, slow in a parcel, and the parcel's own."""

DRIFT = 0.985
"""AR(1) coefficient of slow noise."""


@cache
def networks() -> tuple[str, ...]:
    """(parcels,) network of each of Schaefer's 1000 parcels."""
    return schaefer_parcels()[1]


@cache
def blocks() -> tuple[slice, ...]:
    """Parcels that follow each other in one network of one hemisphere."""
    places = [name.rpartition("_")[0] for name in schaefer_parcels()[0]]
    starts = [0, *(k for k in range(1, len(places)) if places[k] != places[k - 1]), len(places)]
    return tuple(slice(start, stop) for start, stop in pairwise(starts))


def hrf() -> np.ndarray:
    """(taps,) response to a chunk, one tap a volume from lag 0, of sum one.

    Double gamma of shapes 6 and 16, ratio 6 (SPM's), its scale chosen so that the peak is at `LAG` volumes.
    """
    times = np.arange(0, HRF_SECONDS, TR)
    scale = LAG * TR / 5.0  # the peak of shape 6 is at 5 scales
    shape = gamma.pdf(times, 6, scale=scale) - gamma.pdf(times, 16, scale=scale) / 6
    return np.asarray(shape / shape.sum())


def convolved(series: np.ndarray, frames: int) -> np.ndarray:
    """(frames, latents) response to series (chunks, latents), which are 0 before and after the film."""
    taps = hrf()
    found = np.zeros((frames, series.shape[1]))
    for lag, weight in enumerate(taps):
        rows = min(len(series), frames - lag)
        if rows > 0:
            found[lag : lag + rows] += weight * series[:rows]
    return found


@dataclass(frozen=True)
class Brain:
    """A simulated subject.

    Attributes
    ----------
    weights
        (latents, parcels) of convolved series; their signal has variance ``share``.
    share
        (parcels,) of the variance of a response to Friends that the film moves.
    memory
        (parcels,) AR(1) coefficient of a parcel's own noise.
    spread
        (parcels,) SD of a run: below one, as averages of z-scored voxels have it.
    """

    name: str
    weights: np.ndarray
    share: np.ndarray
    memory: np.ndarray
    spread: np.ndarray

    def signal(self, moved: np.ndarray) -> np.ndarray:
        """(frames, parcels) float32 without noise, of convolved latent series (frames, latents)."""
        return np.asarray(moved.astype(np.float32) @ self.weights)

    def noise(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """(frames, parcels) float32 of variance 1 - share."""
        names, places = np.unique(networks(), return_inverse=True)
        count = len(places)
        own = rng.standard_normal((frames, count), dtype=np.float32)
        _recur(own, self.memory)
        own *= np.float32(np.sqrt(NOISE["own"]))
        slow = rng.standard_normal((frames, count), dtype=np.float32)
        _recur(slow, np.full(count, DRIFT, np.float32))
        own += np.float32(np.sqrt(NOISE["drift"])) * slow
        shared = autoregressive(rng.standard_normal((frames, 1 + len(names))), 0.6).astype(np.float32)
        own += np.float32(np.sqrt(NOISE["brain"])) * shared[:, :1]
        own += np.float32(np.sqrt(NOISE["network"])) * shared[:, 1 + places]
        own *= np.sqrt(1 - self.share)
        return own


def _recur(white: np.ndarray, coefficients: np.ndarray) -> None:
    """Turn white noise (frames, parcels) into AR(1) of unit variance, in place."""
    fresh = np.sqrt(1 - coefficients**2).astype(np.float32)
    for frame in range(1, len(white)):
        white[frame] *= fresh
        white[frame] += coefficients * white[frame - 1]


def brains() -> list[Brain]:
    """The four brains; they do not depend on the twin's seed."""
    return [brain_of(name, moments(), default_roles()) for name in SUBJECTS]


@cache
def moments() -> np.ndarray:
    """(latents, latents) second moments of convolved series of Friends, from 60 films of 400 chunks."""
    total = np.zeros((LATENTS, LATENTS))
    for number in range(60):
        moved = convolved(latents(f"moments{number}", "s1", 400, MAPS_SEED), 400)
        total += moved.T @ moved / len(moved)
    return total / 60


def default_roles() -> np.ndarray:
    """(latents, parcels) variances of weights: a group's share in the parcel's network, fading within the group."""
    planned = np.array([[ROLES[network].shares[group] for network in networks()] for group in GROUPS])
    found = np.empty((LATENTS, planned.shape[1]))
    for share, (group, columns) in zip(uneven_shares(planned), group_slices().items(), strict=True):
        found[columns] = fading(GROUPS[group])[:, None] * share
    return found


def uneven_shares(planned: np.ndarray, key: int = 0) -> np.ndarray:
    """(groups, parcels) shares that differ smoothly between parcels, from those that networks have on average."""
    rng = np.random.default_rng((MAPS_SEED, 3, key))
    found = planned * np.exp(0.5 * _smooth(rng.standard_normal(planned.shape)))
    return np.asarray(found / found.sum(axis=0))


def brain_of(name: str, second_moments: np.ndarray, variances: np.ndarray) -> Brain:
    """A brain with weights of these variances (latents, parcels), for latents with these second moments."""
    count = len(networks())
    common, own = (np.random.default_rng((MAPS_SEED, 4, key_of(who))) for who in ("all", name))
    weights = np.sqrt(COMMON) * _smooth(common.standard_normal(variances.shape))
    weights += np.sqrt(1 - COMMON) * _smooth(own.standard_normal(variances.shape))
    weights *= np.sqrt(variances)
    planned = np.array([ROLES[network].share for network in networks()]) * SUBJECT_SHARE[name]
    uneven = 0.45 * _smooth(common.standard_normal((1, count)))[0] + 0.25 * own.standard_normal(count)
    share = np.clip(planned * np.exp(uneven), 0.01, 0.65)
    weights *= np.sqrt(share / np.einsum("kp,kl,lp->p", weights, second_moments, weights, optimize=True))
    memory = np.clip(0.45 + 0.12 * own.standard_normal(count), 0.1, 0.8)
    spread = np.clip(0.6 + 0.1 * own.standard_normal(count), 0.3, 0.9)
    return Brain(name, *(values.astype(np.float32) for values in (weights, share, memory, spread)))


def _smooth(white: np.ndarray) -> np.ndarray:
    """Noise (n, parcels) of unit variance that is alike in neighbours of one network and hemisphere."""
    found = np.empty_like(white)
    impulse = np.zeros(101)
    impulse[50] = 1
    norm = np.linalg.norm(gaussian_filter1d(impulse, SMOOTHNESS))
    for block in blocks():
        found[:, block] = gaussian_filter1d(white[:, block], SMOOTHNESS, axis=1, mode="wrap") / norm
    return found
