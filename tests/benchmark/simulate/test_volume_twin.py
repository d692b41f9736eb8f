"""The twin of 4-D images: its ratio is exact, its ceiling is right, its images carry no more than they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.datasets.dataset import data_of
from brainbench.benchmark.datasets.volumes import HCPVolumes
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.simulate.volumes import (
    ALPHA,
    LEVEL_SD,
    LEVEL_SHIFT,
    SIGNS,
    SIZES,
    VolumeDesign,
    simulate,
)

FRAMES = SIZES["small"].frames
DESIGN = VolumeDesign(SIZES["small"].side)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return simulate("small", tmp_path_factory.mktemp("twin") / "t", seed=3)


def labels(twin: Cohort) -> np.ndarray:
    return (twin.scans()["sex"] == "male").to_numpy(int)


def statistics(twin: Cohort) -> np.ndarray:
    items = twin.items()
    return np.array([DESIGN.statistics(items.read("volume", row)) for row in range(len(items))])


def test_ratio_is_the_integral_over_energies():
    """One network's log ratio by numerical integration of the chi-square law over the inverse-gamma prior."""
    found = DESIGN.draw_statistics(np.array([0, 1, 1]), FRAMES, np.random.default_rng(0))
    grid = np.exp(np.linspace(-6, 6, 20001))

    def marginal(square: float, scale: float) -> float:
        prior = scale**ALPHA * grid ** (-ALPHA - 1) * np.exp(-scale / grid)
        likelihood = grid ** (-(FRAMES - 1) / 2) * np.exp(-square / grid / 2)
        return float(np.log(np.trapezoid(prior * likelihood, grid)))

    zero, one = DESIGN.scales(np.array([0, 1]))
    wanted = [
        sum(marginal(s, b1) - marginal(s, b0) for s, b0, b1 in zip(row[8:], zero, one, strict=True))
        + (norm.logpdf(row[:8], SIGNS * LEVEL_SHIFT, LEVEL_SD) - norm.logpdf(row[:8], 0, LEVEL_SD)).sum()
        for row in found
    ]
    np.testing.assert_allclose(DESIGN.log_ratio(found, FRAMES), wanted, atol=1e-4)


def test_stored_images_hold_the_statistics_of_their_law(twin):
    found, label = statistics(twin), labels(twin)
    drawn = DESIGN.draw_statistics(np.arange(40_000) % 2, FRAMES, np.random.default_rng(1))
    for k in (0, 1):
        ours, law = found[label == k], drawn[k::2]
        error = law.std(axis=0) / np.sqrt(len(ours))
        assert (np.abs(ours.mean(axis=0) - law.mean(axis=0)) < 4 * error).all()
        np.testing.assert_allclose(ours.std(axis=0), law.std(axis=0), rtol=0.35)


def test_float16_changes_the_ratio_little():
    rng = np.random.default_rng(2)
    volume = DESIGN.draw_volume(1, FRAMES, rng)
    exact, stored = (DESIGN.statistics(v)[None] for v in (volume, volume.astype(np.float16)))
    assert DESIGN.log_ratio(exact, FRAMES) == pytest.approx(DESIGN.log_ratio(stored, FRAMES), abs=5e-3)


def test_ceiling_is_what_the_exact_ratio_reaches(twin):
    ceiling = data_of(twin).ceilings["sex"]
    assert 0.88 < ceiling.at_training_size < ceiling.value < 0.96
    assert ceiling.error < 0.002
    ratio = DESIGN.log_ratio(statistics(twin), FRAMES)
    score = AUC().score(labels(twin), np.stack([-ratio, ratio], axis=1))
    assert score == pytest.approx(ceiling.value, abs=0.06)


def test_without_effect_nothing_tells_the_sex():
    none = VolumeDesign(16, effect=0.0)
    found = none.draw_statistics(np.array([0, 1]), FRAMES, np.random.default_rng(0))
    np.testing.assert_allclose(none.log_ratio(found, FRAMES), 0, atol=1e-9)


def test_background_is_the_minimum_and_every_network_has_voxels(twin):
    volume = twin.items().read("volume", 0)
    outside = volume[:, ~DESIGN.brain]
    assert (outside == volume.min()).all()
    assert np.bincount(DESIGN.network + 1, minlength=9).min() > 20


def test_same_seed_same_content(twin, tmp_path):
    again = simulate("small", tmp_path / "again", seed=3)
    assert again.manifest.fingerprint == twin.manifest.fingerprint
    assert simulate("small", tmp_path / "other", seed=4).manifest.fingerprint != twin.manifest.fingerprint


def test_data_set_makes_and_keeps_its_twin(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path))
    data = HCPVolumes().load("simulated")
    assert (data.origin, data.folds, len(data.items)) == ("twin", 2, 200)
    assert set(data.items.arrays) == {"volume"}
    assert HCPVolumes().load("simulated").fingerprint == data.fingerprint


def test_unknown_size(tmp_path: Path):
    with pytest.raises(BadOption, match="small, full"):
        simulate("huge", tmp_path / "t")
