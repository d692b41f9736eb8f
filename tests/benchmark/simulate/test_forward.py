"""The forward model: inputs, neural and balloon equations, sampling and filters."""

from __future__ import annotations

import numpy as np
import pytest
from perf.bench_forward import both

from brainbench.benchmark.errors import BrainbenchError
from brainbench.benchmark.simulate.forward import (
    STEP,
    BadSimulation,
    Balloon,
    Hemodynamics,
    Inputs,
    Neural,
    TwoState,
    high_pass_butterworth,
    high_pass_local_linear,
    input_height,
    sample_steps,
    stability,
)

CHAIN = np.array([[[0.0, 0.5, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]])


def rngs(stream: int, subjects: int = 1) -> list[np.random.Generator]:
    return [np.random.default_rng((stream, subject)) for subject in range(subjects)]


def inputs(nodes: int, steps: int, subjects: int = 1, height: float = 20.0) -> Inputs:
    return Inputs(TwoState(), height, nodes, steps, rngs(0, subjects), rngs(1, subjects))


def constant(value: float, cells: int = 1) -> np.ndarray:
    return np.full(cells, value)


def test_input_height_is_the_published_one() -> None:
    assert input_height(20.0) == pytest.approx(7.613, abs=5e-4)


def test_inputs_have_the_chains_law() -> None:
    steps = 400_000
    up = inputs(20, steps).read(steps)[0] > 10
    assert not up[0].any()
    assert up.mean() == pytest.approx(0.1 / 0.5, abs=0.02)
    ends = (up[:-1] & ~up[1:]).sum()
    assert up.sum() / ends * STEP == pytest.approx(2.5, rel=0.05)


def test_input_noise_is_a_twentieth_of_the_height() -> None:
    values = inputs(20, 20_000).read(20_000)[0]
    assert values[values < 10].std() == pytest.approx(1.0, rel=0.02)
    assert values[values > 10].mean() == pytest.approx(20.0, abs=0.05)


def test_inputs_do_not_depend_on_how_they_are_read_or_on_other_subjects() -> None:
    whole = inputs(3, 9000, subjects=3).read(9000)
    parts = inputs(3, 9000, subjects=2)
    assert np.array_equal(whole[:2], np.concatenate([parts.read(n) for n in (1, 2999, 6000)], axis=1))


def test_equals_the_plain_loop_of_the_equations() -> None:
    weights = np.random.default_rng(3).uniform(-0.3, 0.4, (2, 4, 4)) * (1 - np.eye(4))
    ours, plain, _ = both(weights, sigma=20.0, minutes=1.0, tr=2.0)
    assert ours.shape == (30, 2, 4)
    assert ours.std() > 0.5
    np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("struck", "reached"), [(0, {0, 1, 2}), (1, {1, 2}), (2, {2})])
def test_activity_flows_from_source_to_target_only(struck: int, reached: set[int]) -> None:
    drive = np.random.default_rng(0).random((200, 3))
    other = drive.copy()
    other[50, struck] += 1.0
    change = np.abs(Neural(CHAIN, 20.0).run(other) - Neural(CHAIN, 20.0).run(drive)).max(axis=0)
    assert set(np.flatnonzero(change > 1e-6)) == reached


def test_activity_settles_at_the_fixed_point() -> None:
    drive = np.tile([2.0, -0.5, 3.0], (2000, 1))
    settled = Neural(CHAIN, 20.0).run(drive)[-1]
    np.testing.assert_allclose(settled, drive[0] / 20 @ np.linalg.inv(np.eye(3) - CHAIN[0]), rtol=1e-9)


def test_changing_weights_act_from_their_step_on() -> None:
    drive, moving = np.ones((100, 3)), np.tile(CHAIN, (100, 1, 1, 1))
    moving[60:, 0, 1, 2] = 0.0
    change = Neural(CHAIN, 20.0).run(drive, moving) - Neural(CHAIN, 20.0).run(drive)
    assert not change[:61].any()
    assert (change[61:, 2] < 0).all()
    assert not change[:, :2].any()


def test_unstable_networks_and_rates_are_refused() -> None:
    loop = np.array([[[0.0, 1.2], [1.2, 0.0]]])
    assert stability(loop)[0] == pytest.approx(0.2)
    with pytest.raises(BadSimulation, match="subject 1 is unstable"):
        Neural(np.concatenate([loop / 2, loop]), 20.0)
    with pytest.raises(BadSimulation, match="sigma"):
        Neural(CHAIN, 500.0)
    assert issubclass(BadSimulation, BrainbenchError)


def test_balloon_settles_at_its_fixed_point() -> None:
    z, gamma, alpha, extraction = 0.6, 0.4, 0.32, 0.34
    balloon = Balloon(Hemodynamics(*(constant(v) for v in (0.65, gamma, 0.98, alpha, extraction))))
    assert balloon.bold()[0] == 0.0
    balloon.run(np.full((40_000, 1), z))
    flow = 1 + z / gamma
    volume = flow**alpha
    oxygen = volume * (1 - (1 - extraction) ** (1 / flow)) / extraction
    bold = 4 * (7 * extraction * (1 - oxygen) + 2 * (1 - oxygen / volume) + (2 * extraction - 0.2) * (1 - volume))
    assert balloon.bold()[0] == pytest.approx(bold, rel=1e-6)
    assert bold > 2


def test_balloon_survives_an_undershoot_to_zero_flow() -> None:
    balloon = Balloon(Hemodynamics(*(constant(v) for v in (0.1, 0.41, 0.98, 0.32, 0.34))))
    balloon.run(np.repeat([3.0, 0.0, 3.0, 0.0], 2000)[:, None])
    assert np.isfinite(balloon.bold()).all()


def test_hemodynamic_draws_follow_their_law() -> None:
    drawn = Hemodynamics.draw(50, 4.0, rngs(2, 200))
    means = [drawn.kappa.mean(), drawn.gamma.mean(), drawn.alpha.mean(), drawn.extraction.mean()]
    np.testing.assert_allclose(means, [0.65, 0.41, 0.32, 0.34], atol=0.005)
    assert drawn.kappa.var() == pytest.approx(0.0148, rel=0.1)
    assert np.cov(drawn.alpha, drawn.extraction)[0, 1] == pytest.approx(4 * 0.0001, rel=0.1)
    assert drawn.tau.min() == 0.1
    fixed = Hemodynamics.draw(5, 0.0, rngs(2, 20))
    assert fixed.tau.std() == pytest.approx(0, abs=1e-12)
    assert fixed.kappa.std() > 0.05
    with pytest.raises(BadSimulation, match="hrf_spread"):
        Hemodynamics.draw(5, -1.0, rngs(2))


@pytest.mark.parametrize(("tr", "scans", "first"), [(3, 200, 600), (1.2, 500, 240), (0.25, 2400, 50)])
def test_sampling(tr: float, scans: int, first: int) -> None:
    steps = sample_steps(10.0, tr)
    assert (len(steps), steps[0], steps[-1]) == (scans, first, 120_000)


@pytest.mark.parametrize("high_pass", [high_pass_butterworth, high_pass_local_linear])
def test_filters_remove_slow_and_keep_fast(high_pass) -> None:
    time = np.arange(400) * 3.0
    slow, fast = np.sin(2 * np.pi * time / 1200), np.sin(2 * np.pi * time / 30)
    filtered = high_pass(np.stack([slow + 5, fast + 5], axis=1), 3.0)
    assert filtered[100:-100, 0].std() < 0.15 * slow.std()
    assert filtered[100:-100, 1].std() == pytest.approx(fast.std(), rel=0.05)
    np.testing.assert_allclose(filtered.mean(axis=0), 0, atol=1e-12)


def test_local_linear_filter_removes_a_line_whole() -> None:
    line = (0.3 * np.arange(300.0) - 7)[:, None]
    np.testing.assert_allclose(high_pass_local_linear(line, 1.2), 0, atol=1e-9)


def test_butterworth_is_causal_after_the_mean_is_removed() -> None:
    series = np.zeros((200, 1))
    series[100], series[150] = 1.0, -1.0
    filtered = high_pass_butterworth(series, 3.0)
    assert np.ptp(filtered[:100]) == pytest.approx(0, abs=1e-12)
    with pytest.raises(BadSimulation, match="tr"):
        high_pass_butterworth(series, 100.0)
