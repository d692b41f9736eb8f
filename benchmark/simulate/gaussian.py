"""Scans whose likelihood is exact: network energies that a person's traits scale, and noise that they do not.

Model of one scan with ROIs r in networks k(r) = 1..8, frames t = 1..T, of a person with traits u (numbers):

1. *Energies.* Eight independent latent signals have energies v_d ~ InverseGamma(alpha, scale_d(u)).
   Three disjoint pairs of networks (a, b) own two each, a sum and a difference signal; the other two
   networks own one each. At most one trait owns an energy: log scale_d = base_d + sign_d effect u_trait.
   A trait on a pair moves sum and difference in opposite directions: the energy of both networks stays
   about the same and the correlation between them moves. A trait on a single network moves its energy,
   and with it the correlation within the network.
2. *Time.* Latent signal d is sqrt(v_d) times a stationary Gaussian AR(1) of unit variance, with
   coefficient exp(-TR / `MEMORY`). Known, so whitening by it is exact from the first frame on.
3. *Networks.* The eight network signals are m = M z of the latent signals z, with M fixed and
   invertible: it rotates each pair's sum and difference onto its two networks and then mixes a
   little of every network into every other (a common signal).
4. *ROIs.* x_r(t) = m_k(r)(t) + c_r(t), where c sums to zero over each network at every frame.
   c holds fixed sub-networks, structure of the subject, noise, and a motion artefact that grows
   with mean framewise displacement; none depends on u given the covariates.
5. *Site.* The stored series is baseline_r + gain_r x_r(t), with gains and baselines that are fixed for a site.

Undoing 5 and averaging over each network gives m exactly, hence z, and S_d = sum_t of the squared
whitened z_d. Given v_d, S_d / v_d is chi-square with T degrees of freedom; c is independent of it.
So S is sufficient for u, and integrating v_d out gives, up to a term without u,

    log p(S_d | u) = alpha log b - (alpha + T/2) log(b + S_d/2),  b = scale_d(u):

no bound and no approximation. As every energy has one owner, the likelihood is a product over traits.
`Design.log_likelihood` is a trait's factor, `Design.energies` takes S from a stored series,
`Design.draw_energies` draws it without any series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .atlas import NETWORKS, TwinAtlas

MEMORY = 5.0
"""Seconds after which a signal's correlation with itself has fallen to 1/e (assumed)."""

MIXING = 0.2
"""Correlation of network signals that do not share a pair: the common signal (assumed)."""

BETWEEN = 0.25
"""Correlation, before mixing, of the two signals of a pair under label 0 at mean energies (assumed)."""

SUBNETWORK_ROIS = 8
"""About so many ROIs form a sub-network (assumed)."""

SUBJECT_RANK = 6
"""Rank of a subject's own structure (assumed)."""

SHARES = {"subnetworks": 0.25, "subject": 0.25, "noise": 0.5}
"""Parts of the variance that a ROI does not share with its network (assumed)."""

ARTEFACT = 4.0
"""Standard deviation of the motion artefact, in that of a ROI, for each mm of mean FD (assumed)."""


@dataclass(frozen=True)
class Pair:
    """Two networks whose connectivity a trait changes: ``sign`` +1 strengthens it, -1 weakens it."""

    a: str
    b: str
    sign: int


@dataclass(frozen=True)
class Single:
    """A network whose own energy a trait changes: ``sign`` +1 raises it, -1 lowers it."""

    network: str
    sign: int


PAIRS = (Pair("Default", "Cont", -1), Pair("SomMot", "Subcortex", 1), Pair("Vis", "DorsAttn", -1))
"""Networks with a sum and a difference signal (our choice)."""

SINGLES = tuple(name for name in NETWORKS if name not in {name for pair in PAIRS for name in (pair.a, pair.b)})
"""The other networks, with one signal each."""


@dataclass(frozen=True)
class Plant:
    """A trait and the energies that it owns.

    Attributes
    ----------
    trait
        Name of a number that every person has.
    effect
        Log factor on the scale of the energies for a difference of one in the trait.
    at
        Members of `PAIRS` and networks outside of them.
    """

    trait: str
    effect: float
    at: tuple[Pair | Single, ...]


@dataclass(frozen=True)
class Design:
    """A population of scans.

    Attributes
    ----------
    atlas
        ROIs and their networks.
    plants
        Traits and the energies that they own; no energy has two owners.
    within
        Share of variance that the ROIs of a network have in common, before motion and the sites' noise: the mean
        correlation within a network comes out near 0.4.
    alpha
        Shape of the energies' inverse-gamma law; a larger one means less variation over subjects.
    structure_seed
        Fixes sub-networks and the sites' gains. It belongs to the population: another draw of the
        cohort keeps it.
    """

    atlas: TwinAtlas
    plants: tuple[Plant, ...]
    within: float = 0.5
    alpha: float = 8.0
    structure_seed: int = 0

    def __post_init__(self) -> None:
        owners = sum((direction != 0).astype(int) for direction in self.directions.values())
        if np.max(owners, initial=0) > 1:
            raise ValueError("an energy has two owners: the likelihood would not factorise over traits")

    @cached_property
    def latent_mean(self) -> np.ndarray:
        """(8,) mean energies where all traits are 0: pairs' sums and differences, then the other networks."""
        pair = [self.within * (1 + BETWEEN), self.within * (1 - BETWEEN)]
        return np.array(pair * len(PAIRS) + [self.within] * len(SINGLES))

    @cached_property
    def directions(self) -> dict[str, np.ndarray]:
        """Trait -> (8,) +1 or -1 at the energies that it owns, else 0."""
        found = {}
        for plant in self.plants:
            direction = found[plant.trait] = np.zeros(len(NETWORKS))
            for place in plant.at:
                if isinstance(place, Pair):
                    k = [(pair.a, pair.b) for pair in PAIRS].index((place.a, place.b))
                    direction[2 * k : 2 * k + 2] = place.sign, -place.sign
                else:
                    direction[2 * len(PAIRS) + SINGLES.index(place.network)] = place.sign
        return found

    @cached_property
    def effects(self) -> dict[str, float]:
        """Trait -> log factor a unit of the trait."""
        return {plant.trait: plant.effect for plant in self.plants}

    @cached_property
    def to_networks(self) -> np.ndarray:
        """(8, 8) M: network signals of latent signals."""
        rotate = np.zeros((len(NETWORKS), len(NETWORKS)))
        half = 1 / math.sqrt(2)
        for k, pair in enumerate(PAIRS):
            a, b = NETWORKS.index(pair.a), NETWORKS.index(pair.b)
            rotate[a, 2 * k : 2 * k + 2] = half, half
            rotate[b, 2 * k : 2 * k + 2] = half, -half
        for k, name in enumerate(SINGLES):
            rotate[NETWORKS.index(name), 2 * len(PAIRS) + k] = 1.0
        return _common_signal(len(NETWORKS)) @ rotate

    @cached_property
    def from_networks(self) -> np.ndarray:
        """(8, 8) inverse of M."""
        return np.asarray(np.linalg.inv(self.to_networks))

    @cached_property
    def membership(self) -> np.ndarray:
        """(rois, 8) one where a ROI belongs to a network."""
        return np.asarray(np.eye(len(NETWORKS))[self.atlas.network])

    @cached_property
    def averages(self) -> np.ndarray:
        """(rois, 8) weights that average ROIs over their network."""
        return np.asarray(self.membership / self.membership.sum(axis=0))

    @cached_property
    def subnetworks(self) -> np.ndarray:
        """(rois, p) fixed loadings of sub-networks, zero-sum in each network, unit mean square a ROI."""
        rng = np.random.default_rng((self.structure_seed, 1))
        columns = []
        for k in range(len(NETWORKS)):
            members = rng.permutation(np.flatnonzero(self.atlas.network == k))
            for part in np.array_split(members, max(2, len(members) // SUBNETWORK_ROIS)):
                column = np.zeros(self.atlas.rois)
                column[part] = 1.0
                columns.append(column)
        return self._private(np.stack(columns, axis=1))

    @cached_property
    def artefact(self) -> np.ndarray:
        """(rois, 2) fixed loadings of the motion artefact."""
        rng = np.random.default_rng((self.structure_seed, 2))
        return self._private(rng.standard_normal((self.atlas.rois, 2)))

    def _private(self, loadings: np.ndarray) -> np.ndarray:
        """Loadings without the part that a network shares, with unit mean square over ROIs."""
        zero_sum = loadings - self.membership @ (self.averages.T @ loadings)
        return np.asarray(zero_sum / np.sqrt((zero_sum**2).sum(axis=1).mean()))

    def site(self, key: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Baselines and gains (rois,), in percent of signal, and noise factor of a site."""
        if key not in self._sites:
            rng = np.random.default_rng((self.structure_seed, 3, key))
            baseline = rng.normal(0.0, 1.0, self.atlas.rois)
            gain = 0.8 * np.exp(rng.normal(0.0, 0.25, self.atlas.rois))
            self._sites[key] = baseline, gain, float(np.exp(rng.normal(0.0, 0.15)))
        return self._sites[key]

    @cached_property
    def _sites(self) -> dict[int, tuple[np.ndarray, np.ndarray, float]]:
        """What `site` has drawn before."""
        return {}

    def scales(self, traits: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n, 8) scale parameters of the energies' law, from a number (n,) for each trait, planted or not."""
        shift = np.zeros((len(next(iter(traits.values()))), len(NETWORKS)))
        for name, direction in self.directions.items():
            shift += self.effects[name] * np.asarray(traits[name], dtype=float)[:, None] * direction
        return np.asarray((self.alpha - 1) * self.latent_mean * np.exp(shift))

    def draw_variances(self, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n, 8) energies v of people with these scales."""
        return np.asarray(scale / rng.gamma(self.alpha, size=scale.shape))

    def draw_energies(self, scale: np.ndarray, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n, 8) sufficient statistics S of scans with these `scales` and lengths, without any series."""
        chi_square = 2 * rng.gamma(np.asarray(frames)[:, None] / 2, size=scale.shape)
        return self.draw_variances(scale, rng) * chi_square

    def draw_series(
        self, scale: np.ndarray, frames: int, tr: float, motion: float, site: int, rng: np.random.Generator
    ) -> np.ndarray:
        """(frames, rois) series of one scan, in percent of signal around the site's baselines.

        ``scale`` (8,) is a person's row of `scales`.
        """
        baseline, gain, noise = self.site(site)
        variances = self.draw_variances(scale, rng)
        latent = autoregressive(rng, frames, len(NETWORKS), tr) * np.sqrt(variances)
        shared = (latent @ self.to_networks.T)[:, self.atlas.network]
        return np.asarray(baseline + gain * (shared + self._own(frames, tr, motion, noise, rng)))

    def _own(self, frames: int, tr: float, motion: float, noise: float, rng: np.random.Generator) -> np.ndarray:
        """(frames, rois) of what ROIs do not share with their network; zero-sum in each network."""
        rois, size = self.atlas.rois, math.sqrt(1 - self.within)
        subject = self._private(rng.standard_normal((rois, SUBJECT_RANK)))
        parts = autoregressive(rng, frames, self.subnetworks.shape[1], tr) @ self.subnetworks.T
        own = math.sqrt(SHARES["subnetworks"]) * parts
        own += math.sqrt(SHARES["subject"]) * autoregressive(rng, frames, SUBJECT_RANK, tr) @ subject.T
        white = autoregressive(rng, frames, rois, tr)
        own += noise * math.sqrt(SHARES["noise"]) * (white - (white @ self.averages) @ self.membership.T)
        spikes = rng.standard_normal((frames, 2)) * (rng.random((frames, 1)) < 0.1) / math.sqrt(0.1)
        return np.asarray(size * own + ARTEFACT * motion * spikes @ self.artefact.T)

    def energies(self, series: np.ndarray, tr: float, site: int) -> np.ndarray:
        """(8,) sufficient statistics S of a stored series (frames, rois)."""
        baseline, gain, _ = self.site(site)
        networks = ((series.astype(float) - baseline) / gain) @ self.averages
        latent = networks @ self.from_networks.T
        return np.asarray((whiten(latent, tr) ** 2).sum(axis=0))

    def log_likelihood(self, trait: str, values: np.ndarray, energies: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """(n, v) exact log p(S | trait) at ``values`` (v,), less a term that no trait changes.

        A trait that owns no energy has zeros.
        """
        half = np.asarray(frames, dtype=float)[:, None] / 2
        total = np.zeros((len(energies), len(values)))
        direction = self.directions.get(trait, np.zeros(len(NETWORKS)))
        for d in np.flatnonzero(direction):
            scale = (self.alpha - 1) * self.latent_mean[d] * np.exp(direction[d] * self.effects[trait] * values)
            total += self.alpha * np.log(scale) - (self.alpha + half) * np.log(scale + energies[:, d, None] / 2)
        return total


def coefficient(tr: float) -> float:
    """AR(1) coefficient of a signal sampled every ``tr`` seconds."""
    return math.exp(-tr / MEMORY)


def autoregressive(rng: np.random.Generator, frames: int, columns: int, tr: float) -> np.ndarray:
    """(frames, columns) stationary Gaussian AR(1) of unit variance."""
    from scipy.signal import lfilter

    phi = coefficient(tr)
    drive = rng.standard_normal((frames, columns))
    drive[1:] *= math.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], drive, axis=0))


def whiten(series: np.ndarray, tr: float) -> np.ndarray:
    """The white noise that `autoregressive` makes a series (frames, columns) from, scaled alike."""
    phi = coefficient(tr)
    white = series.copy()
    white[1:] = (series[1:] - phi * series[:-1]) / math.sqrt(1 - phi**2)
    return white


def _common_signal(count: int) -> np.ndarray:
    """(count, count) symmetric root of the matrix with ones on and `MIXING` off the diagonal."""
    ones = np.full((count, count), 1 / count)
    return np.asarray(math.sqrt(1 - MIXING) * (np.eye(count) - ones) + math.sqrt(1 - MIXING + count * MIXING) * ones)
