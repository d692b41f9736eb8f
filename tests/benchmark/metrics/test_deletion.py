"""The deletion test: a planted concept is found, a random map is worth nothing."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.benchmark.kinds.localisation import Judge, Probe
from brainbench.benchmark.metrics.deletion import Deletion, MapAUC, strongest

VOXELS = 200


@pytest.fixture(scope="module")
def judged():
    """400 responses; voxels 0-9 carry the first concept, 10-19 the second, all others noise."""
    rng = np.random.default_rng(0)
    shown = rng.random((400, 2)) < 0.5
    responses = rng.normal(size=(400, VOXELS)).astype(np.float32)
    responses[:, :10] += 2 * shown[:, :1]
    responses[:, 10:20] += 2 * shown[:, 1:]
    return Judge.fitted(responses, shown.astype(float)), responses, shown


def probes(judged, relevance=None):
    judge, responses, shown = judged
    both = np.flatnonzero(shown.all(axis=1))
    return [Probe(judge.scaled(responses[k]), judge.weights[0], judge.weights[1:], relevance) for k in both]


def test_the_true_voxels_are_worth_more_than_any_others(judged):
    truth = probes(judged)
    right, wrong = np.zeros(VOXELS), np.zeros(VOXELS)
    right[:10], wrong[10:20] = 1, 1
    random = [np.random.default_rng(k).random(VOXELS) for k in range(len(truth))]
    assert Deletion().score(truth, [right] * len(truth)) > 0.5
    assert Deletion().score(truth, [wrong] * len(truth)) < -0.3
    assert abs(Deletion().score(truth, random)) < 0.1


def test_a_constant_map_is_worth_nothing(judged):
    truth = probes(judged)
    assert abs(Deletion().score(truth, [np.ones(VOXELS)] * len(truth))) < 0.1


def test_voxels_that_carry_whatever_is_there_are_worth_nothing():
    """Voxels 20-59 respond to every image alike: where the concept is seen alone, naming them must not pay."""
    rng = np.random.default_rng(1)
    shown = rng.random((600, 2)) < 0.3
    responses = rng.normal(size=(600, VOXELS)).astype(np.float32)
    responses[:, 20:60] += shown.sum(axis=1, keepdims=True)
    judge = Judge.fitted(responses, shown.astype(float))
    truth = []
    for k in np.flatnonzero(shown[:, 0]):
        kept = judge.weights[1:] if shown[k, 1] else np.zeros((0, VOXELS), np.float32)
        truth.append(Probe(judge.scaled(responses[k]), judge.weights[0], kept, None))
    loud = [np.abs(probe.response) * ((np.arange(VOXELS) >= 20) & (np.arange(VOXELS) < 60)) for probe in truth]
    assert abs(Deletion().score(truth, loud)) < 0.15
    alone = [probe for probe in truth if not len(probe.kept)]
    assert np.isnan(Deletion().items(alone, [np.ones(VOXELS)] * len(alone))).all()
    assert f"{len(truth) - len(alone)} of {len(truth)} items" in Deletion().made_with(truth)


def test_voxels_that_never_vary_do_no_harm(judged):
    _, responses, shown = judged
    dead = np.concatenate([responses, np.full((400, 3), 7, np.float32)], axis=1)
    judge = Judge.fitted(dead, shown.astype(float))
    assert np.isfinite(judge.weights).all()
    assert judge.scaled(dead[0])[-3:].tolist() == [0, 0, 0]


def test_map_auc_by_hand():
    relevance = np.zeros(20)
    relevance[:2] = 1, 2
    truth = [Probe(np.zeros(20), np.zeros(20), np.zeros((0, 20)), relevance)]
    assert MapAUC().score(truth, [relevance]) == 1
    assert MapAUC().score(truth, [-relevance]) == 0
    assert MapAUC().score(truth, [np.zeros(20)]) == 0.5
    assert np.isnan(MapAUC().score(probes_without(truth), [relevance]))


def probes_without(truth):
    return [Probe(one.response, one.reader, one.kept, None) for one in truth]


def test_ties_are_not_broken_by_position():
    assert len(strongest(np.zeros(100), 0.05)) == 5
    assert strongest(np.zeros(100), 0.05).tolist() != [0, 1, 2, 3, 4]


def test_real_data_have_no_true_maps_and_are_judged_all_the_same():
    import json

    import pandas as pd

    from brainbench import Items, TaskInfo
    from brainbench.benchmark.kinds.localisation import Localisation

    rng = np.random.default_rng(0)
    names = [f"i{k}" for k in range(20)]
    shown = [("dog", "tree") if k % 2 else ("cat", "tree") for k in range(20)]
    boxes = [json.dumps({name: [[0, 0, 1, 1]] for name in both}) for both in shown]
    table = pd.DataFrame({"subject": names, "subject_space": "subj01", "concept": "dog", "boxes": boxes}, index=names)
    arrays = {"response": [rng.normal(size=(3, 30)) for _ in names], "relevance": [None] * 20}
    items = Items(table, arrays, {})
    truth = Localisation().truth(items.take(range(1, 4, 2)), items, TaskInfo("t", "localisation", "relevance"))
    assert [probe.relevance for probe in truth] == [None, None]
    assert np.isfinite(Deletion().score(truth, [rng.random(30)] * 2))
