"""The step from ROI series to a model's input: golden values, safety, statistics of training scans only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import interp1d

from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.kinds.scans import Scan
from brainbench.benchmark.preprocess import (
    VARIANTS,
    Fitted,
    Preprocess,
    SiteScale,
    resample,
    robust_z,
    to_frames,
    variant,
    z_score,
)

ROIS = 6


class Listed:
    """Scans in memory."""

    def __init__(self, scans: list[Scan]) -> None:
        self.scans = scans

    def __len__(self) -> int:
        return len(self.scans)

    def __iter__(self) -> Iterator[Scan]:
        return iter(self.scans)


def draw(count: int = 8, seed: int = 0, centred: bool = False) -> list[Scan]:
    """Scans of uneven length at two sites, the second twice as loud."""
    rng = np.random.default_rng(seed)
    scans = []
    for k in range(count):
        site = "AB"[k % 2]
        level = 0 if centred else rng.normal(1000, 50, ROIS)
        series = level + (1 + (site == "B")) * rng.normal(0, 10, (int(rng.integers(90, 260)), ROIS))
        if centred:
            series -= series.mean(axis=0)
        scans.append(Scan(series.astype(np.float32), 2.0, {"site": site}))
    return scans


def test_robust_z_is_the_stated_formula_and_survives_bad_columns():
    rng = np.random.default_rng(0)
    series = rng.normal(100, 7, (200, 5)).astype(np.float32)
    series[3, 0] = 1e6  # an outlier is clipped and does not move the scale
    series[:, 1] = 42
    series[5:9, 2] = np.nan
    series[:, 3] = np.nan
    series[:, 4] = 0
    series[7, 4] = 1  # quartiles coincide
    z = robust_z(series)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 10
    assert z[3, 0] == 10
    column = series[:, 0]
    expected = (column[10] - np.median(column)) / (stats.iqr(column) / 1.349)
    assert z[10, 0] == pytest.approx(expected, rel=1e-4)
    assert not z[:, [1, 3]].any()
    assert not z[5:9, 2].any()
    assert z[7, 4] == 10


def test_z_score_equals_scipy_by_roi_and_over_the_scan():
    series = np.random.default_rng(0).normal(5, 3, (40, 4)).astype(np.float32)
    np.testing.assert_allclose(z_score(series), stats.zscore(series), atol=1e-5)
    np.testing.assert_allclose(z_score(series, whole=True), stats.zscore(series, axis=None), atol=1e-5)
    series[:, 1] = 7
    series[3, 2] = np.nan
    found = z_score(series)
    assert not found[:, 1].any()
    assert found[3, 2] == 0
    np.testing.assert_allclose(np.delete(found[:, 2], 3), stats.zscore(np.delete(series[:, 2], 3)), atol=1e-5)


@pytest.mark.parametrize(("tr", "to"), [(0.72, 2.0), (3.0, 2.0), (2.5, 0.8)])
def test_resampling_is_linear_interpolation_on_a_grid_of_seconds(tr, to):
    series = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    times = np.arange(0, 49 * tr + 1e-9, to)
    expected = interp1d(np.arange(50) * tr, series, axis=0, fill_value="extrapolate")(times)
    found = resample(series, tr, to)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_series_of_the_wanted_or_an_unknown_tr_stay_as_they_are():
    series = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    for tr in (2.0, math.nan, 0.0):
        assert resample(series, tr, 2.0) is series
    every_third = resample(series, 0.735, 2.205)
    np.testing.assert_allclose(every_third, series[::3], atol=1e-6)


def test_frames_are_cut_or_lengthened_in_four_ways():
    ramp = np.arange(10, dtype=np.float32)[:, None]
    assert np.array_equal(to_frames(ramp, 4), ramp[:4])
    assert np.allclose(to_frames(ramp, 19)[:, 0], np.arange(19) / 2)
    assert to_frames(ramp[:1], 5).shape == (5, 1)
    assert to_frames(ramp[:3], 6, "nearest")[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert to_frames(ramp[:3], 5, "edge")[:, 0].tolist() == [0, 1, 2, 2, 2]
    assert to_frames(ramp[1:4], 5, "zero")[:, 0].tolist() == [1, 2, 3, 0, 0]


def test_nearest_stretch_is_that_of_torch():
    torch = pytest.importorskip("torch")
    series = np.random.default_rng(0).normal(size=(87, 3)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(series.T)[None], size=160, mode="nearest")[0].T
    np.testing.assert_array_equal(to_frames(series, 160, "nearest"), theirs.numpy())


def test_unseen_site_gets_the_pooled_scale():
    scale = SiteScale.fit(np.array([1.0, 1.0, 9.0, 9.0]), ["a", "a", "b", "b"])
    assert scale.of(["a", "b", "c"]).tolist() == pytest.approx([1, 3, math.sqrt(5)])


def test_site_scale_brings_sites_to_unit_deviation():
    how = Preprocess(within="none", across="site")
    scans = draw(centred=True)
    fitted = how.fit(Listed(scans))
    assert fitted.site is not None
    by_site = {
        site: np.concatenate([fitted(s).ravel() for s in scans if s.covariates["site"] == site]) for site in "AB"
    }
    for values in by_site.values():
        assert values.std() == pytest.approx(1, abs=1e-3)
    elsewhere = replace(scans[0], covariates={"site": "C"})
    np.testing.assert_allclose(
        fitted(elsewhere) * fitted.site.pooled, fitted(scans[0]) * fitted.site.sites["A"], rtol=1e-5
    )


def test_statistics_of_time_means_are_medians_and_iqrs_over_scans():
    scans = draw()
    means = np.stack([scan.series.mean(axis=0) for scan in scans])
    brain_jepa = replace(VARIANTS["brain-jepa"], tr=None).fit(Listed(scans))
    np.testing.assert_allclose(brain_jepa.centre, np.median(means, axis=0), rtol=1e-5)
    np.testing.assert_allclose(brain_jepa.scale, stats.iqr(means, axis=0), rtol=1e-4)
    expected = (scans[0].series[:90] - np.median(means, axis=0)) / stats.iqr(means, axis=0)
    np.testing.assert_allclose(brain_jepa(scans[0])[:90], expected[:160], atol=1e-4)
    snapshot = VARIANTS["fmri-lm-snapshot"].fit(Listed(scans))
    assert snapshot.centre.tolist() == pytest.approx([np.median(means)], rel=1e-5)
    assert snapshot.scale.tolist() == pytest.approx([stats.iqr(means)], rel=1e-4)


def test_brainlm_scales_by_all_values_of_a_roi():
    scans = draw()
    values = np.concatenate([scan.series for scan in scans])
    fitted = VARIANTS["brainlm"].fit(Listed(scans))
    np.testing.assert_allclose(fitted.centre, np.median(values, axis=0), rtol=1e-5)
    np.testing.assert_allclose(fitted.scale, stats.iqr(values, axis=0), rtol=1e-4)
    long = next(scan for scan in scans if len(scan.series) >= 200)
    expected = (long.series[:200] - np.median(values, axis=0)) / stats.iqr(values, axis=0) / 5.643
    np.testing.assert_allclose(fitted(long), expected, atol=1e-4)


def test_many_scans_are_sampled_evenly_for_the_values_of_a_roi(monkeypatch):
    from brainbench.benchmark import preprocess

    scans = draw(40)
    whole = VARIANTS["brainlm"].fit(Listed(scans))
    monkeypatch.setattr(preprocess, "SAMPLED_FRAMES", 2000)
    some = VARIANTS["brainlm"].fit(Listed(scans))
    np.testing.assert_allclose(some.centre, whole.centre, rtol=0.01)
    np.testing.assert_allclose(some.scale, whole.scale, rtol=0.15)


@pytest.mark.parametrize("name", ["brain-jepa", "fmri-lm-snapshot"])
def test_series_that_are_already_centred_are_not_blown_up(name):
    scans = draw(centred=True)
    fitted = VARIANTS[name].fit(Listed(scans))
    assert 0.5 < fitted(scans[0]).std() < 2


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_gives_finite_frames_for_dead_and_missing_values(name):
    scans = draw()
    for scan in scans:
        scan.series[:, 1] = 0
        scan.series[:, 2] = np.nan
        scan.series[4, 3] = np.inf
    fitted = VARIANTS[name].fit(Listed(scans))
    for scan in (*scans, replace(scans[0], tr=math.nan, covariates={})):
        values = fitted(scan)
        assert values.shape == (VARIANTS[name].frames, ROIS)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values[:, 1].std() < 1e-3
        assert not values[:, 2].any()
    assert values[:, 0].std() > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_statistics_are_those_of_training_scans_and_of_nothing_else(name):
    """Scans that are read later, however strange, move neither the statistics nor another scan's input."""
    train, strange = draw(), Scan(np.full((200, ROIS), 1e7, np.float32), 1.0, {"site": "A"})
    fitted = VARIANTS[name].fit(Listed(train))
    told, before = fitted.to_json(), fitted(train[0])
    fitted(strange)
    assert fitted.to_json() == told
    np.testing.assert_array_equal(fitted(train[0]), before)
    again = VARIANTS[name].fit(Listed([*train, strange]))
    assert (again.to_json() == told) == (VARIANTS[name].across == "none")


@pytest.mark.parametrize("name", VARIANTS)
def test_statistics_survive_json(name):
    scans = draw()
    fitted = VARIANTS[name].fit(Listed(scans))
    again = Fitted.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(again(scans[3]), fitted(scans[3]))


def test_what_cannot_work_is_refused():
    with pytest.raises(BadOption, match="brain-jepa"):
        variant("brain-jepe")
    with pytest.raises(BadOption, match="within='mad'"):
        Preprocess(within="mad")
    with pytest.raises(BadOption, match="frames=0"):
        Preprocess(frames=0)
    with pytest.raises(BadData, match="no training scan"):
        Preprocess().fit(Listed([]))
    with pytest.raises(BadData, match="not the settings"):
        Fitted.from_json({"how": {}})
    fitted = VARIANTS["brainlm"].fit(Listed(draw()))
    with pytest.raises(BadData, match="4 ROIs"):
        fitted(Scan(np.zeros((50, 4), np.float32), 2.0, {}))
