"""The generator's likelihood ratio is exact, and its scans look like connectivity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, linalg, stats

from brainbench.benchmark.simulate.atlas import NETWORKS, twin_atlas
from brainbench.benchmark.simulate.ceiling import auc
from brainbench.benchmark.simulate.gaussian import (
    PAIRS,
    Design,
    Plant,
    Single,
    autoregressive,
    coefficient,
    whiten,
)

PLANTS = (
    Plant("diagnosis", 0.28, PAIRS),
    Plant("sex", 0.7, (Single("SalVentAttn", 1),)),
    Plant("age", 0.4, (Single("Limbic", -1),)),
)


@pytest.fixture(scope="module")
def design() -> Design:
    return Design(twin_atlas(60), PLANTS)


def scales(design: Design, count: int = 1, **traits: float) -> np.ndarray:
    """(count, 8) scales of people with these traits, others 0."""
    values = {"diagnosis": 0.0, "sex": 0.0, "age": 0.0} | traits
    return design.scales({name: np.full(count, value) for name, value in values.items()})


def ratio(design: Design, energies: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(n,) log p(S | diagnosis 1) - log p(S | diagnosis 0)."""
    found = design.log_likelihood("diagnosis", np.array([0.0, 1.0]), energies, frames)
    return np.asarray(found[:, 1] - found[:, 0])


def with_effect(design: Design, effect: float) -> Design:
    """The design with another effect of the diagnosis."""
    return replace(design, plants=(replace(design.plants[0], effect=effect), *design.plants[1:]))


def scan(design: Design, label: int, seed: int, frames: int = 60, motion: float = 0.1) -> np.ndarray:
    scale = scales(design, diagnosis=label)[0]
    return design.draw_series(scale, frames, 2.0, motion, 5, np.random.default_rng(seed))


def network_signals(design: Design, series: np.ndarray) -> np.ndarray:
    baseline, gain, _ = design.site(5)
    return np.asarray(((series - baseline) / gain) @ design.averages)


def marginal(design: Design, latent: np.ndarray, scale_of: np.ndarray, tr: float) -> float:
    """log p(latent signals | scales (8,)) from the dense covariance in time, energies integrated numerically."""
    frames = len(latent)
    covariance = linalg.toeplitz(coefficient(tr) ** np.arange(frames))
    total = 0.0
    for signal, scale in zip(latent.T, scale_of, strict=True):
        quadratic = signal @ np.linalg.solve(covariance, signal)

        def log_joint(v: np.ndarray, q: float = quadratic, s: float = scale) -> np.ndarray:
            gaussian = -0.5 * (frames * np.log(2 * np.pi * v) + np.linalg.slogdet(covariance)[1] + q / v)
            return np.asarray(gaussian + stats.invgamma.logpdf(v, design.alpha, scale=s))

        grid = np.geomspace(1e-3, 1e2, 200_001)
        values = log_joint(grid)
        top = values.max()
        total += top + np.log(integrate.trapezoid(np.exp(values - top), grid))
    return float(total)


@pytest.mark.parametrize("label", [0, 1])
def test_ratio_of_a_scan_is_the_integral_over_energies(design: Design, label: int) -> None:
    series = scan(design, label, seed=3 + label, frames=40)
    latent = np.linalg.solve(design.to_networks, network_signals(design, series).T).T
    closed = ratio(design, design.energies(series, 2.0, 5)[None], np.array([40]))[0]
    one, zero = (marginal(design, latent, scales(design, diagnosis=k)[0], 2.0) for k in (1, 0))
    assert closed == pytest.approx(one - zero, abs=1e-4)


def test_the_likelihood_is_a_product_over_traits(design: Design) -> None:
    """log p(S | diagnosis, sex, age) differs between two people by the sum of the traits' differences."""
    series = scan(design, 1, seed=9, frames=40)
    latent = np.linalg.solve(design.to_networks, network_signals(design, series).T).T
    energies, frames = design.energies(series, 2.0, 5)[None], np.array([40])
    a, b = {"diagnosis": 1.0, "sex": 0.0, "age": -1.3}, {"diagnosis": 0.0, "sex": 1.0, "age": 0.8}
    parts = [design.log_likelihood(name, np.array([a[name], b[name]]), energies, frames)[0] for name in a]
    whole = [marginal(design, latent, scales(design, 1, **traits)[0], 2.0) for traits in (a, b)]
    assert sum(part[0] - part[1] for part in parts) == pytest.approx(whole[0] - whole[1], abs=2e-4)


def test_an_energy_has_one_owner_only() -> None:
    with pytest.raises(ValueError, match="two owners"):
        Design(twin_atlas(60), (*PLANTS, Plant("fluid", 0.1, (Single("Limbic", 1),))))


def test_density_of_a_statistic_is_a_scaled_beta_prime(design: Design) -> None:
    frames = 90
    scale_of = scales(design, 20_000, diagnosis=1, sex=1, age=-0.7)
    draws = design.draw_energies(scale_of, np.full(20_000, frames), np.random.default_rng(0))
    for k, scale in enumerate(scale_of[0]):
        law = stats.betaprime(frames / 2, design.alpha, scale=2 * scale)
        assert stats.kstest(draws[:, k], law.cdf).pvalue > 1e-4


def test_scans_and_direct_draws_have_the_same_statistics(design: Design) -> None:
    frames, count = 60, 400
    taken = np.array([design.energies(scan(design, 1, seed, frames), 2.0, 5) for seed in range(count)])
    drawn = design.draw_energies(scales(design, 4000, diagnosis=1), np.full(4000, frames), np.random.default_rng(1))
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
    none, frames = with_effect(design, 0.0), np.full(50, 100)
    energies = none.draw_energies(scales(none, 50, diagnosis=1), frames, np.random.default_rng(0))
    np.testing.assert_allclose(ratio(none, energies, frames), 0, atol=1e-9)


def test_shuffled_labels_give_chance(design: Design) -> None:
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 40_000)
    frames = np.full(len(label), 150)
    nothing = np.zeros(len(label))
    scale = design.scales({"diagnosis": label, "sex": nothing, "age": nothing})
    found = ratio(design, design.draw_energies(scale, frames, rng), frames)
    assert auc(label, found) > 0.85
    assert auc(rng.permutation(label), found) == pytest.approx(0.5, abs=0.01)


def test_a_likelihood_ratio_is_calibrated(design: Design) -> None:
    """E[p1/p0 | label 0] is one: it holds for an exact ratio and for nothing else."""
    mild, frames = with_effect(design, 0.1), np.full(200_000, 120)
    energies = mild.draw_energies(scales(mild, len(frames)), frames, np.random.default_rng(3))
    assert np.exp(ratio(mild, energies, frames)).mean() == pytest.approx(1, abs=0.02)


def test_a_trait_on_a_single_network_moves_the_correlation_within_it(design: Design) -> None:
    members = design.atlas.network == NETWORKS.index("SalVentAttn")
    block = np.ix_(members, members)

    def within(sex: float) -> float:
        series = [
            design.draw_series(scales(design, sex=sex)[0], 150, 2.0, 0.1, 5, np.random.default_rng(seed))
            for seed in range(30)
        ]
        return float(np.mean([np.corrcoef(scan_of.T)[block].mean() for scan_of in series]))

    assert within(1.0) > within(0.0) + 0.03


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
