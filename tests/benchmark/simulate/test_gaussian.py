"""The generator's likelihood ratio is exact, and its scans look like connectivity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, linalg, stats

from brainbench.benchmark.simulate.abide import EFFECT, PAIRS
from brainbench.benchmark.simulate.atlas import NETWORKS, twin_atlas
from brainbench.benchmark.simulate.ceiling import auc
from brainbench.benchmark.simulate.gaussian import Design, autoregressive, coefficient, whiten


@pytest.fixture(scope="module")
def design() -> Design:
    return Design(twin_atlas(60), PAIRS, EFFECT)


def scan(design: Design, label: int, seed: int, frames: int = 60, motion: float = 0.1) -> np.ndarray:
    return design.draw_series(label, frames, 2.0, motion, 5, np.random.default_rng(seed))


def network_signals(design: Design, series: np.ndarray) -> np.ndarray:
    baseline, gain, _ = design.site(5)
    return ((series - baseline) / gain) @ design.averages


def marginal(design: Design, latent: np.ndarray, label: int, tr: float) -> float:
    """log p(latent signals | label) from the dense covariance in time, energies integrated numerically."""
    frames = len(latent)
    covariance = linalg.toeplitz(coefficient(tr) ** np.arange(frames))
    total = 0.0
    for signal, scale in zip(latent.T, design.scales(np.array([label]))[0], strict=True):
        quadratic = signal @ np.linalg.solve(covariance, signal)

        def log_joint(v: np.ndarray, q: float = quadratic, s: float = scale) -> np.ndarray:
            gaussian = -0.5 * (frames * np.log(2 * np.pi * v) + np.linalg.slogdet(covariance)[1] + q / v)
            return gaussian + stats.invgamma.logpdf(v, design.alpha, scale=s)

        grid = np.geomspace(1e-3, 1e2, 200_001)
        values = log_joint(grid)
        top = values.max()
        total += top + np.log(integrate.trapezoid(np.exp(values - top), grid))
    return float(total)


@pytest.mark.parametrize("label", [0, 1])
def test_ratio_of_a_scan_is_the_integral_over_energies(design: Design, label: int) -> None:
    series = scan(design, label, seed=3 + label, frames=40)
    latent = np.linalg.solve(design.to_networks, network_signals(design, series).T).T
    closed = design.log_ratio(design.energies(series, 2.0, 5)[None], np.array([40]))[0]
    integral = marginal(design, latent, 1, 2.0) - marginal(design, latent, 0, 2.0)
    assert closed == pytest.approx(integral, abs=1e-4)


def test_density_of_a_statistic_is_a_scaled_beta_prime(design: Design) -> None:
    frames = 90
    draws = design.draw_energies(np.ones(20_000, int), np.full(20_000, frames), np.random.default_rng(0))
    for k, scale in enumerate(design.scales(np.array([1]))[0]):
        law = stats.betaprime(frames / 2, design.alpha, scale=2 * scale)
        assert stats.kstest(draws[:, k], law.cdf).pvalue > 1e-4


def test_scans_and_direct_draws_have_the_same_statistics(design: Design) -> None:
    frames, count = 60, 400
    taken = np.array([design.energies(scan(design, 1, seed, frames), 2.0, 5) for seed in range(count)])
    drawn = design.draw_energies(np.ones(4000, int), np.full(4000, frames), np.random.default_rng(1))
    for k in range(len(NETWORKS)):
        assert stats.ks_2samp(taken[:, k], drawn[:, k]).pvalue > 1e-4


def test_the_label_moves_network_signals_only(design: Design) -> None:
    control, autism = scan(design, 0, seed=7), scan(design, 1, seed=7)
    baseline, gain, _ = design.site(5)
    own = [
        (series - baseline) / gain - network_signals(design, series)[:, design.atlas.network]
        for series in (control, autism)
    ]
    np.testing.assert_allclose(own[0], own[1], atol=1e-10)
    assert np.abs(control - autism).max() > 0.1


def test_motion_does_not_touch_the_statistics(design: Design) -> None:
    still, moving = scan(design, 1, seed=4, motion=0.0), scan(design, 1, seed=4, motion=1.0)
    np.testing.assert_allclose(design.energies(still, 2.0, 5), design.energies(moving, 2.0, 5), rtol=1e-8)
    assert moving.std() > 1.5 * still.std()


def test_whitening_undoes_the_time_course() -> None:
    series = autoregressive(np.random.default_rng(0), 20_000, 1, 2.0)[:, 0]
    white = whiten(series[:, None], 2.0)[:, 0]
    assert np.corrcoef(series[1:], series[:-1])[0, 1] == pytest.approx(coefficient(2.0), abs=0.02)
    assert np.corrcoef(white[1:], white[:-1])[0, 1] == pytest.approx(0, abs=0.02)
    assert series.var() == pytest.approx(1, abs=0.05)


def test_no_effect_means_no_ratio(design: Design) -> None:
    none = replace(design, effect=0.0)
    energies = none.draw_energies(np.ones(50, int), np.full(50, 100), np.random.default_rng(0))
    np.testing.assert_allclose(none.log_ratio(energies, np.full(50, 100)), 0, atol=1e-9)


def test_shuffled_labels_give_chance(design: Design) -> None:
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 40_000)
    frames = np.full(len(label), 150)
    ratio = design.log_ratio(design.draw_energies(label, frames, rng), frames)
    assert auc(label, ratio) > 0.85
    assert auc(rng.permutation(label), ratio) == pytest.approx(0.5, abs=0.01)


def test_a_likelihood_ratio_is_calibrated(design: Design) -> None:
    """E[p1/p0 | label 0] is one: it holds for an exact ratio and for nothing else."""
    mild = replace(design, effect=0.1)
    frames = np.full(200_000, 120)
    ratio = mild.log_ratio(mild.draw_energies(np.zeros(len(frames), int), frames, np.random.default_rng(3)), frames)
    assert np.exp(ratio).mean() == pytest.approx(1, abs=0.02)


def test_connectivity_has_networks_and_the_planted_change(design: Design) -> None:
    network = design.atlas.network
    same = (network[:, None] == network) & ~np.eye(len(network), dtype=bool)
    mean = [np.mean([np.corrcoef(scan(design, label, seed, 150).T) for seed in range(40)], axis=0) for label in (0, 1)]
    assert 0.3 < mean[0][same].mean() < 0.5
    assert 0.0 < mean[0][network[:, None] != network].mean() < 0.2
    for pair in PAIRS:
        block = np.ix_(network == NETWORKS.index(pair.a), network == NETWORKS.index(pair.b))
        assert pair.sign * (mean[1][block].mean() - mean[0][block].mean()) > 0.02


@pytest.mark.parametrize("rois", [60, 100, 450])
def test_atlases_keep_the_networks(rois: int) -> None:
    atlas = twin_atlas(rois)
    assert len(set(atlas.labels)) == atlas.rois == rois
    sizes = np.bincount(atlas.network, minlength=8)
    public = np.array([61, 77, 46, 47, 26, 52, 91, 50])
    assert np.abs(sizes - public * rois / 450).max() <= 1.5


def test_what_a_roi_has_of_its_own_sums_to_zero_over_its_network(design: Design) -> None:
    own = design._own(40, 2.0, 0.5, 1.1, np.random.default_rng(0))
    np.testing.assert_allclose(own @ design.averages, 0, atol=1e-12)
    assert own.std() > 0.5
