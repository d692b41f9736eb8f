"""A twin of 4-D images whose likelihood ratio is exact: blobs of networks whose level and energy sex shifts.

Model of one scan with brain voxels v, networks k(v) = 1..8 or none, frames t = 1..T and label y:

1. *Level.* Network k has a level l_k ~ Normal(+-`LEVEL_SHIFT` y, `LEVEL_SD`^2), up in every second network.
2. *Energy.* It has an energy e_k ~ InverseGamma(`ALPHA`, scale exp(+-`ENERGY_SHIFT` y)), with the same signs.
3. *Time.* Its signal is m_k = l_k + sqrt(e_k) a_k, where a_k is a stationary Gaussian AR(1) of unit variance with
   coefficient `PHI`, less its generalised least-squares mean: no fluctuation looks like a level.
4. *Voxels.* x_v(t) = anatomy_v + `SIGNAL` m_k(v)(t) + c_v(t). The anatomy is the population's; c holds the
   subject's own anatomy and white noise, and sums to zero over each network at every frame.
5. *Storage.* Background voxels get the scan's minimum, as the importer of real images leaves them. The population's
   mean and deviation are 0 and about 1, so that no scan is normalised by its own.

Averaging voxels over a network and subtracting its known anatomy gives m_k exactly, hence l_k and S_k, the sum over
time of the squared whitened fluctuation. They are independent and sufficient for y. S_k / e_k is chi-square with
T - 1 degrees of freedom, so that with e_k integrated out and b_y = scale_k(y)

    log p(S_k | y=1) - log p(S_k | y=0) = ALPHA log(b1 / b0) - (ALPHA + (T-1)/2) log((b1 + S/2) / (b0 + S/2)),

and the level's term is that of two normal laws with one variance.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from ..contracts import Ceiling, Progress, silent
from ..datasets.cohort import Cohort, CohortWriter, write_cohort
from ..errors import BadOption
from .versions import VOLUMES

ALPHA, PHI, SIGNAL, NOISE, ANATOMY, OWN = 8.0, 0.5, 0.6, 0.5, 0.5, 0.1
"""All assumed. The signal is ten times that of a real scan, where anatomy makes almost all of the contrast."""

LEVEL_SD, LEVEL_SHIFT, ENERGY_SHIFT = 0.5, 0.30, 0.15
"""Set for a ceiling near AUC 0.93; they say nothing about the sexes."""

SEEDS = (
    (0.30, 0.20, 0.45), (0.25, 0.50, 0.72), (0.28, 0.36, 0.66), (0.20, 0.56, 0.42),
    (0.34, 0.68, 0.26), (0.30, 0.76, 0.55), (0.40, 0.56, 0.62), (0.40, 0.46, 0.38),
)  # fmt: skip
"""Centre of each network's left blob, as shares of the grid; the right one is its mirror image."""

SIGNS = np.where(np.arange(len(SEEDS)) % 2 == 0, 1.0, -1.0)
"""Direction of the effect in each network."""

RADIUS = 0.13
"""Of a blob, as a share of the grid; voxels nearer to another centre belong to that one."""

SEXES = ("female", "male")
TR = 0.72
MOTION_MEDIAN, MOTION_SPREAD = 0.09, 0.3
AGES = (22, 37)
CEILING_PEOPLE, CEILING_BATCHES, LEARNED_DRAWS = 20_000, 10, 20


@dataclass(frozen=True)
class VolumeSize:
    """How large a twin is: voxels along an axis, frames, people, and folds of its split (None: the task's own)."""

    side: int
    frames: int
    subjects: int
    folds: int | None


SIZES = {"small": VolumeSize(16, 60, 200, 2), "full": VolumeSize(96, 60, 200, None)}
"""``full`` has the grid of the published network; it takes 21 GB."""


@dataclass(frozen=True)
class VolumeDesign:
    """The law of the images.

    Attributes
    ----------
    side
        Voxels along each axis.
    effect
        Factor on `LEVEL_SHIFT` and `ENERGY_SHIFT`.
    """

    side: int
    effect: float = 1.0

    @cached_property
    def places(self) -> np.ndarray:
        """(x, y, z, 3) centres of the voxels, as shares of the grid."""
        axis = (np.arange(self.side) + 0.5) / self.side
        return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)

    @cached_property
    def brain(self) -> np.ndarray:
        """(x, y, z) True inside an ellipsoid."""
        return np.asarray((((self.places - 0.5) / (0.40, 0.46, 0.42)) ** 2).sum(axis=-1) <= 1)

    @cached_property
    def network(self) -> np.ndarray:
        """(brain voxels,) network of each, -1 for none."""
        seeds = np.array([*SEEDS, *((1 - x, y, z) for x, y, z in SEEDS)])
        away = np.linalg.norm(self.places[self.brain][:, None] - seeds, axis=-1)
        return np.where(away.min(axis=1) <= RADIUS, away.argmin(axis=1) % len(SEEDS), -1)

    @cached_property
    def averages(self) -> np.ndarray:
        """(brain voxels, 8) weights that average over each network."""
        member = self.network[:, None] == np.arange(len(SEEDS))
        return np.asarray(member / member.sum(axis=0))

    @cached_property
    def anatomy(self) -> np.ndarray:
        """(brain voxels,) the population's image, with mean 0 and deviation `ANATOMY`."""
        return self._image(np.random.default_rng(7))

    def _image(self, rng: np.random.Generator) -> np.ndarray:
        """A smooth random image of the brain with mean 0 and deviation `ANATOMY`."""
        smooth = gaussian_filter(rng.standard_normal((self.side,) * 3), self.side / 16)[self.brain]
        return np.asarray(ANATOMY * (smooth - smooth.mean()) / smooth.std())

    def scales(self, label: np.ndarray) -> np.ndarray:
        """(n, 8) scales of the energies' law; under label 0 their mean is 1."""
        return np.asarray((ALPHA - 1) * np.exp(np.asarray(label)[:, None] * SIGNS * self.effect * ENERGY_SHIFT))

    def draw_people(self, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(n, 8) levels and (n, 8) energies of people with these labels."""
        scale = self.scales(label)
        mean = np.asarray(label)[:, None] * SIGNS * self.effect * LEVEL_SHIFT
        return rng.normal(mean, LEVEL_SD), scale / rng.gamma(ALPHA, size=scale.shape)

    def draw_statistics(self, label: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
        """(n, 16) sufficient statistics, levels and S, of scans of so many frames, without any image."""
        levels, energies = self.draw_people(label, rng)
        return np.hstack([levels, energies * 2 * rng.gamma((frames - 1) / 2, size=energies.shape)])

    def draw_volume(self, label: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """(frames, x * y * z) float32 images of one scan."""
        levels, energies = (values[0] for values in self.draw_people(np.array([label]), rng))
        drive = rng.standard_normal((frames, len(SEEDS)))
        drive -= np.outer(still := _whitened_constant(frames), still @ drive) / (still @ still)
        drive[1:] *= math.sqrt(1 - PHI**2)
        signal = SIGNAL * (levels + np.sqrt(energies) * lfilter([1.0], [1.0, -PHI], drive, axis=0))
        own = OWN * self._image(rng) / ANATOMY
        values = np.empty((frames, int(self.brain.sum())), np.float32)
        for t in range(frames):
            private = own + NOISE * rng.standard_normal(len(own))
            values[t] = self.anatomy + private + self._spread(signal[t] - private @ self.averages)
        full = np.full((frames, self.side**3), values.min(), np.float32)
        full[:, self.brain.ravel()] = values
        return full

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """(brain voxels,) a value of each network at its voxels, 0 elsewhere."""
        return np.asarray(np.append(values, 0.0)[self.network])

    def statistics(self, volume: np.ndarray) -> np.ndarray:
        """(16,) sufficient statistics, levels and S, of stored images (frames, ...)."""
        voxels = np.asarray(volume, dtype=float).reshape(len(volume), -1)[:, self.brain.ravel()]
        signal = (voxels - self.anatomy) @ self.averages / SIGNAL
        white, still = _whitened(signal), _whitened_constant(len(signal))
        levels = still @ white / (still @ still)
        return np.concatenate([levels, ((white - np.outer(still, levels)) ** 2).sum(axis=0)])

    def log_ratio(self, statistics: np.ndarray, frames: int) -> np.ndarray:
        """(n,) exact log p(statistics | label 1) - log p(statistics | label 0) of statistics (n, 16)."""
        levels, squares = np.split(statistics, 2, axis=1)
        shift = SIGNS * self.effect * LEVEL_SHIFT
        zero, one = self.scales(np.array([0, 1]))
        half = squares / 2
        energy = ALPHA * np.log(one / zero) - (ALPHA + (frames - 1) / 2) * np.log((one + half) / (zero + half))
        return np.asarray((energy + shift * (levels - shift / 2) / LEVEL_SD**2).sum(axis=1))


def _whitened(series: np.ndarray) -> np.ndarray:
    """The white noise that the AR(1) makes a series (frames, ...) from."""
    white = series.copy()
    white[1:] = (series[1:] - PHI * series[:-1]) / math.sqrt(1 - PHI**2)
    return white


def _whitened_constant(frames: int) -> np.ndarray:
    """(frames,) a series of ones, whitened."""
    return _whitened(np.ones(frames))


def ceiling(design: VolumeDesign, frames: int, training_size: int) -> Ceiling:
    """AUC of the exact likelihood ratio, and of a logistic regression that must learn it from so many people."""
    from sklearn.linear_model import LogisticRegression

    from .ceiling import auc

    rng = np.random.default_rng(11)

    def people(count: int) -> tuple[np.ndarray, np.ndarray]:
        label = np.arange(count) % 2
        return label, design.draw_statistics(label, frames, rng)

    values, learned = [], []
    for _ in range(CEILING_BATCHES):
        label, found = people(CEILING_PEOPLE)
        values.append(auc(label, design.log_ratio(found, frames)))
    test, known = people(CEILING_PEOPLE)
    for _ in range(LEARNED_DRAWS):
        label, found = people(training_size)
        model = LogisticRegression().fit(_features(found), label)
        learned.append(auc(test, model.decision_function(_features(known))))
    return Ceiling(
        metric="auc",
        value=round(float(np.mean(values)), 4),
        error=round(float(np.std(values, ddof=1) / math.sqrt(CEILING_BATCHES)), 5),
        with_covariates=round(float(np.mean(values)), 4),
        at_training_size=round(float(np.mean(learned)), 4),
        training_size=training_size,
        note=f"exact likelihood ratio, {CEILING_BATCHES * CEILING_PEOPLE} simulated people; no covariate tells the "
        "sex; at the training size: logistic regression on the levels and log energies of the networks",
    )


def _features(statistics: np.ndarray) -> np.ndarray:
    """(n, 16) levels and log energies, about normal."""
    levels, squares = np.split(statistics, 2, axis=1)
    return np.hstack([levels, np.log(squares)])


def simulate(
    size_name: str, path: Path, seed: int = 0, effect: float | None = None, progress: Progress = silent
) -> Cohort:
    """Write the twin's folder whole or not at all; at no time is more than one scan in memory.

    Parameters
    ----------
    size_name
        "small" or "full".
    seed
        Another seed draws other people from the same population.
    effect
        Factor on the planted effect: 1 when None, 0 for none.
    """
    if size_name not in SIZES:
        raise BadOption(f"no twin of size {size_name!r}", f"sizes are: {', '.join(SIZES)}")
    size = SIZES[size_name]
    design = VolumeDesign(size.side, 1.0 if effect is None else effect)
    labels = np.random.default_rng((seed, 0)).permutation(np.arange(size.subjects) % 2)
    with write_cohort(path, dtype="float16", grid=(size.side,) * 3) as writer:
        for number, label in enumerate(labels):
            progress("simulate hcp-volumes", number, len(labels))
            _add(writer, design, size, int(label), number, seed)
        progress("simulate hcp-volumes", len(labels), len(labels))
        train = size.subjects * ((size.folds or 5) - 1) // (size.folds or 5)
        writer.finish(_manifest(design, size, size_name, seed, ceiling(design, size.frames, train)))
    return Cohort.open(path)


def _add(writer: CohortWriter, design: VolumeDesign, size: VolumeSize, label: int, number: int, seed: int) -> None:
    """Draw and append one person's scan; its random numbers depend on the seed and the number only."""
    rng = np.random.default_rng((seed, 1, number))
    subject = f"twin-hcp-volumes-{seed}-{number:04d}"
    row = {
        "subject": subject,
        "site": "HCP",
        "age": float(rng.integers(*AGES)),
        "sex": SEXES[label],
        "motion": round(MOTION_MEDIAN * math.exp(MOTION_SPREAD * rng.standard_normal()), 4),
        "tr": TR,
    }
    writer.add(subject, design.draw_volume(label, size.frames, rng), row)


def _manifest(design: VolumeDesign, size: VolumeSize, size_name: str, seed: int, best: Ceiling) -> dict[str, Any]:
    """What cohort.json says beside the counts."""
    return {
        "name": f"hcp-volumes-{size_name}",
        "dataset": "hcp-volumes",
        "origin": "twin",
        "atlas": {"name": "voxels", "labels": [], "networks": []},
        "source": "ages and TR of the HCP young adult release; counts, motion and all of the images are assumed",
        "importer": {"format": "simulated", "generator": "brainbench.benchmark.simulate"},
        "left_out": {},
        "twin": {
            "version": VOLUMES,
            "size": size_name,
            "seed": seed,
            "effect": design.effect,
            "folds": size.folds,
            "ceilings": {"sex": asdict(best)},
        },
    }
