"""Signal measures: planted frequencies, amplitudes and autocorrelation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from brainbench.benchmark.describe import components as c
from brainbench.benchmark.describe.networks import Networks
from brainbench.benchmark.describe.scan import Frame, ScanData

TWO = Networks(("slow", "fast"), np.array([0, 0, 0, 1, 1, 1]))


def waves(tr: float, seconds: float = 600, seed: int = 0) -> np.ndarray:
    """Three ROIs at 0.03 Hz with amplitude 1, and three at 0.2 Hz with amplitude 3, in little noise."""
    time = np.arange(0, seconds, tr)[:, None]
    rng = np.random.default_rng(seed)
    frequency, amplitude = np.repeat([0.03, 0.2], 3), np.repeat([1.0, 3.0], 3)
    wave = amplitude * np.sin(2 * np.pi * (frequency * time + rng.uniform(size=6)))
    return (wave + 0.1 * rng.normal(size=wave.shape) + 50).astype(np.float32)


def told(series: np.ndarray, tr: float, networks: Networks = TWO) -> dict[str, float]:
    return dict(zip(c.names(networks), c.measure(ScanData(series, tr), Frame(networks)), strict=True))


@pytest.mark.parametrize("tr", [0.72, 1.5, 2.0])
def test_planted_frequencies_are_found_at_every_tr(tr: float) -> None:
    found = told(waves(tr), tr)
    assert found["slow to fast power of slow"] > 1.3
    assert found["slow to fast power of fast"] < -1.3
    assert found["fALFF of slow"] > 0.5
    assert found["fALFF of fast"] < 0.2


def test_a_wrong_tr_moves_the_bands() -> None:
    series = waves(2.0)
    assert told(series, 0.2)["slow to fast power of slow"] < told(series, 2.0)["slow to fast power of slow"] - 1


def test_without_a_tr_bands_are_unknown_and_the_rest_is_there() -> None:
    found = told(waves(2.0), float("nan"))
    unknown = {name for name, value in found.items() if np.isnan(value)}
    assert unknown == {f"{what} of {net}" for what in ("slow to fast power", "fALFF") for net in TWO.names}


def test_a_tr_too_long_for_a_fast_band_is_told() -> None:
    found = told(waves(6.0), 6.0)
    assert np.isnan(found["slow to fast power of slow"])
    assert np.isfinite(found["fALFF of slow"])


def test_white_noise_has_the_power_of_the_bands_widths() -> None:
    series = np.random.default_rng(0).normal(size=(20000, 6))
    series -= series.mean(axis=0)
    assert c.slow_to_fast(series, 2.0) == pytest.approx(np.log10(0.09 / 0.15), abs=0.05)
    assert c.falff(series, 2.0) == pytest.approx(0.07 / 0.25, abs=0.01)
    assert c.autocorrelation(series) == pytest.approx(0, abs=0.03)


def test_welch_is_scipys() -> None:
    series = np.random.default_rng(1).normal(size=(180, 3))
    series -= series.mean(axis=0)
    frequency, power = signal.welch(signal.detrend(series[:, 1]), fs=0.5, nperseg=64)
    slow, fast = (frequency >= 0.01) & (frequency < 0.1), (frequency >= 0.1) & (frequency <= 0.25)
    assert c.slow_to_fast(series, 2.0)[1] == pytest.approx(np.log10(power[slow].sum() / power[fast].sum()))


def test_amplitude_and_spread_are_relative_to_the_scan() -> None:
    found, scaled = told(waves(2.0), 2.0), told(1000 * waves(2.0), 2.0)
    assert found["spread of fast"] / found["spread of slow"] == pytest.approx(3, rel=0.05)
    assert found["spread of fast"] ** 2 + found["spread of slow"] ** 2 == pytest.approx(2, rel=1e-3)
    assert found["amplitude of fast"] / found["spread of fast"] == pytest.approx(2 * 2**0.5 / np.pi, rel=0.02)
    assert list(scaled.values()) == pytest.approx(list(found.values()), rel=1e-3, abs=1e-4)


def test_autocorrelation_and_extremes() -> None:
    rng = np.random.default_rng(0)
    values = np.zeros((4000, 2))
    for k in range(1, 4000):
        values[k] = [0.8, -0.3] * values[k - 1] + rng.normal(size=2)
    assert c.autocorrelation(values - values.mean(0)) == pytest.approx([0.8, -0.3], abs=0.05)
    plain = values[:, 0]
    expected = np.corrcoef(plain[:-1], plain[1:])[0, 1]
    assert c.autocorrelation(values - values.mean(0))[0] == pytest.approx(expected)
    spiky = np.random.default_rng(2).normal(size=(200, 6)).astype(np.float32)
    spiky[:5, :3] = 30
    found = told(spiky, 2.0)
    assert found["share of extremes of slow"] == pytest.approx(5 / 200)
    assert found["share of extremes of fast"] < 0.01


def test_coupling_is_that_of_the_networks_mean_signals() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(300, 1))
    series = (rng.normal(size=(300, 6)) + shared).astype(np.float32)
    z = (series - series.mean(0)) / series.std(0)
    r = np.corrcoef(z[:, :3].mean(1), z[:, 3:].mean(1))[0, 1]
    assert told(series, 2.0)["coupling of slow and fast"] == pytest.approx(np.arctanh(r), abs=1e-4)


def test_a_network_without_signal_is_unknown() -> None:
    series = waves(2.0)
    series[:, 3:] = 1
    found = told(series, 2.0)
    assert all(np.isnan(value) for name, value in found.items() if "fast" in name.split(" of ")[-1])
    assert np.isfinite(found["amplitude of slow"])


def test_every_measure_is_told_once() -> None:
    columns = [column for aspect in c.aspects(TWO) for column in aspect.columns]
    assert sorted(columns) == list(range(len(c.names(TWO))))
