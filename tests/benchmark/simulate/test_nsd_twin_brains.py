from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label
from scipy.stats import multivariate_normal

from brainbench.benchmark.simulate.brains import (
    GRIDS,
    MM,
    NAMES,
    REPEATS,
    SILENT,
    Reader,
    anatomy,
    make_brain,
)
from brainbench.benchmark.simulate.scene_bank import scene_bank
from brainbench.benchmark.simulate.scenes import CONCEPTS
from brainbench.benchmark.simulate.seeing import BLOCKS, CELLS, CHANNELS, COLUMNS, SEMANTIC


@pytest.fixture(scope="module")
def bank():
    return scene_bank()


@pytest.fixture(scope="module")
def brains(bank):
    return {name: make_brain(name, GRIDS[name], MM, bank.moments) for name in NAMES}


def volume(brain, values):
    out = np.zeros(int(np.prod(brain.shape)))
    out[brain.index] = values
    return out.reshape(brain.shape)


def test_brains_differ_in_grid_and_size_and_each_roi_is_one_piece(brains):
    sizes = {name: len(brain.index) for name, brain in brains.items()}
    assert len(set(sizes.values())) == 4
    assert len({brain.shape for brain in brains.values()}) == 4
    assert all(500 <= size <= 1000 for size in sizes.values()), sizes
    for brain in brains.values():
        assert (np.diff(brain.index) > 0).all()
        assert brain.index[-1] < np.prod(brain.shape)
        assert brain.rois["nsdgeneral"].all()
        assert not (brain.rois["early"] & brain.rois["ventral"]).any()
        for name, mask in brain.rois.items():
            assert 0.2 < mask.mean() <= 1, name
            assert label(volume(brain, mask))[1] == 1, f"{brain.name} {name} is in pieces"
        middle = [places.mean() for places in np.nonzero(volume(brain, np.ones(len(brain.index))))]
        assert middle[1] < 0.35 * brain.shape[1], "nsdgeneral is at the back"
        ventral = [places.mean() for places in np.nonzero(volume(brain, brain.rois["ventral"]))]
        assert ventral[2] < middle[2], "ventral is low"


def test_noise_ceilings_are_as_promised_and_as_measured(brains, bank):
    for brain in brains.values():
        promised = brain.noise_ceiling(bank.moments)
        loud = promised > 0
        assert abs((~loud).mean() - SILENT) < 0.02
        assert 0.20 < np.median(promised[loud]) < 0.40
        assert promised[loud].std() > 0.1
    brain = brains["subj01"]
    rng = np.random.default_rng(0)
    signal = brain.signal(bank.features[:900])
    trials = np.stack([brain.noisy(signal, rng, rng.standard_normal((900, 3))) for _ in range(REPEATS)])
    noise = trials.var(axis=0, ddof=1).mean(axis=0)
    total = trials.mean(axis=0).var(axis=0, ddof=1)
    measured = 1 - noise / REPEATS / total
    promised = brain.noise_ceiling(bank.moments)
    assert np.corrcoef(measured, promised)[0, 1] > 0.95
    assert abs(measured - promised).mean() < 0.05
    single = brain.noise_ceiling(bank.moments, 1)
    assert (single[promised > 0] < promised[promised > 0]).all()
    assert 0.5 < trials.std(axis=(0, 1)).mean() < 5, "percent signal change"


def test_the_likelihood_is_that_of_the_generator(brains, bank):
    brain = brains["subj07"]
    few = np.arange(0, len(brain.index), 25)
    small = replace(
        brain,
        index=brain.index[few],
        weights=brain.weights[few],
        baseline=brain.baseline[few],
        noise=brain.noise[few],
        drift=brain.drift[few],
    )
    features = bank.features[:6]
    responses = small.trial_means(features[:3], np.random.default_rng(1))
    found = Reader(small).log_likelihood(responses, features)
    exact = np.array(
        [
            [multivariate_normal(mean, small.covariance()).logpdf(y) for mean in small.signal(features)]
            for y in responses
        ]
    )
    assert np.allclose(found - found[:, :1], exact - exact[:, :1], atol=1e-6)
    means = small.trial_means(np.repeat(features[:1], 20_000, axis=0), np.random.default_rng(2))
    assert np.allclose(means.mean(axis=0), small.signal(features[:1])[0], atol=0.05)
    assert np.allclose(np.cov(means.T), small.covariance(), atol=0.15)


def test_the_linear_estimate_is_the_best_one(brains, bank):
    """Its error is orthogonal to the responses, over scenes and noise."""
    brain, rng = brains["subj05"], np.random.default_rng(3)
    responses = brain.trial_means(bank.features, rng)
    column = COLUMNS["place:sea"]
    error = bank.features[:, column] - Reader(brain).estimate(responses, bank.moments)[:, column]
    slopes = [np.corrcoef(error, responses[:, voxel])[0, 1] for voxel in range(0, len(brain.index), 10)]
    assert np.abs(slopes).max() < 5 / np.sqrt(len(error))
    assert error.var() < 0.5 * bank.features[:, column].var()


def test_a_part_of_the_features_is_read_with_the_others_integrated_out(brains, bank):
    """With all features known in distribution only, the likelihood still finds scenes of the same place."""
    brain, rng = brains["subj02"], np.random.default_rng(4)
    seen = bank.features[:60]
    likelihood = Reader(brain).part_log_likelihood(
        brain.trial_means(seen, rng), bank.features[60:], SEMANTIC, bank.moments
    )
    best = bank.features[60:][likelihood.argmax(axis=1)]
    place = BLOCKS["place"]
    assert (best[:, place].argmax(axis=1) == seen[:, place].argmax(axis=1)).mean() > 0.9


def test_the_visual_field_is_crossed_and_upside_down(brains):
    _, _, places = anatomy("subj01", GRIDS["subj01"])
    brain = brains["subj01"]
    light = np.abs(brain.weights[:, BLOCKS["early"]].reshape(-1, CELLS, CELLS, CHANNELS)).sum(axis=-1)
    early = brain.rois["early"] & (light.sum(axis=(1, 2)) > 0)
    right_half = light[:, :, CELLS // 2 :].sum(axis=(1, 2)) / light.sum(axis=(1, 2)).clip(1e-9)
    lower_half = light[:, CELLS // 2 :].sum(axis=(1, 2)) / light.sum(axis=(1, 2)).clip(1e-9)
    assert np.corrcoef(places.points[early, 0], right_half[early])[0, 1] < -0.8
    assert np.corrcoef(places.points[early, 2], lower_half[early])[0, 1] > 0.8


def test_relevance_is_the_effect_of_a_concept(brains, bank):
    brain = brains["subj01"]
    before, after = bank.moments.mean.copy(), bank.moments.mean.copy()
    after[[COLUMNS["concept:dog"], COLUMNS["group:animal"]]] += 1
    change = brain.signal(after[None])[0] - brain.signal(before[None])[0]
    assert np.allclose(brain.relevance("dog"), np.abs(change))
    silent = brain.noise_ceiling(bank.moments) == 0
    for one in brains.values():
        maps = {concept: one.relevance(concept) for concept in CONCEPTS}
        carrying = [float((values > 0).mean()) for values in maps.values()]
        assert min(carrying) > 0.1, "patches are large enough for the tenth that is asked for"
        assert max(carrying) < 0.5
    assert (brain.relevance("dog")[silent] == 0).all()
    assert (brain.relevance("dog") != brain.relevance("boat")).any()
    assert brain.relevance("toaster").sum() == 0, "no scene holds one"


def test_brains_share_maps_in_part(brains):
    """Near voxels of two brains have similar weights, more so than with another feature's map, and not the same."""
    places = {name: anatomy(name, GRIDS[name])[2].points for name in ("subj01", "subj05")}
    away = np.linalg.norm(places["subj01"][:, None] - places["subj05"][None], axis=-1)
    near = away.argmin(axis=1)
    first, second = brains["subj01"].weights, brains["subj05"].weights[near]

    def likeness(a, b):
        return np.mean(
            [np.corrcoef(first[:, COLUMNS[x]], second[:, COLUMNS[y]])[0, 1] for x, y in zip(a, b, strict=True)]
        )

    names = [f"place:{place}" for place in ("sea", "beach", "field", "street", "snow", "room", "table", "sky")]
    same, other = likeness(names, names), likeness(names, names[1:] + names[:1])
    assert 0.3 < same < 0.85
    assert same > other + 0.3


def test_a_brain_is_the_same_at_every_call(brains, bank):
    again = make_brain("subj07", GRIDS["subj07"], MM, bank.moments)
    assert np.array_equal(again.weights, brains["subj07"].weights)
    assert np.array_equal(again.drift, brains["subj07"].drift)
