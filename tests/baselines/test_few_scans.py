"""Every registered method on two, four or ten labelled scans: it runs, says what it could not tune, and is not sure."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from tiny_cohort import build_cohort

import brainbench.baselines
import brainbench.methods
from brainbench.baselines.aims import FEW, ClassAim, ValueAim
from brainbench.baselines.confounds import Confounds, MotionOnly
from brainbench.baselines.kernel import GramFeatures, Logistic, standardise_columns
from brainbench.baselines.moments import StreamedRidge
from brainbench.benchmark.cells import configure, option_fields
from brainbench.benchmark.contracts import Source, Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.kinds.scans import Scans
from brainbench.benchmark.registry import load_method

pytest.importorskip("torch", reason="the extra torch is not installed")

REGISTERED = {name: load_method(name)[0] for name in (*brainbench.baselines.METHODS, *brainbench.methods.METHODS)}
QUICK = {"lm": "tiny-random", "lm_layers": "0", "epochs": "2", "depths": "[1, 1]", "heads": "[1, 2]"}
SWIFT = {"frames": "8", "patches": "2", "width": "8", "window": "4", **QUICK}
NOTHING_TO_TUNE = {"majority", "site-only", "motion-only", "fmri-lm", "fcn-llm"}
TUNED_ON_SOURCES = {"fc-transfer"}
LEARNS_NO_WEIGHTS_BY_STEPS = (
    *("majority", "confounds", "site-only", "motion-only", "fc-logistic", "fc-svm", "tangent-logistic", "ridge"),
    *("kernel-ridge", "cpm", "pca-logistic", "random-features"),
)


def supporting(kind: str) -> list[str]:
    return [name for name, method in REGISTERED.items() if kind in method.supports]


def make(name: str):
    method = REGISTERED[name]
    known, quick = option_fields(method), SWIFT if name == "swift" else QUICK
    _, options = configure(method, None, {key: quick[key] for key in quick if key in known and not (
        key in ("depths", "heads") and name != "swift")})  # fmt: skip
    return method(**options)


@cache
def volumes(n: int) -> Scans:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"tr": 1.0, "frames": 16}, index=[f"s{k}" for k in range(n)])
    arrays = [rng.standard_normal((16, 4, 4, 4)).astype(np.float16) for _ in range(n)]
    return Scans(Items(table, {"volume": arrays}, {"atlas": {"name": "voxels", "labels": []}}), ())


def data_of(name: str, scans: Scans) -> Scans:
    return volumes(len(scans)) if "volume" in REGISTERED[name].reads else scans


def fitted(name: str, scans: Scans, targets: np.ndarray, rows: np.ndarray, context):
    """The method after learning from some of the scans, and its prediction of all others."""
    method, scans = make(name), data_of(name, scans)
    train = Train(scans.take(rows), targets[rows], np.arange(len(rows)))
    told = type(context)(**{**vars(context), "support": train})
    if name in TUNED_ON_SOURCES:
        told = type(told)(**{**vars(told), "sources": {"other": source(context)}})
    method.fit(train, told)
    test = scans.take(np.setdiff1d(np.arange(len(scans)), rows))
    return method, method.predict(test, told), test, told


def source(context) -> Source:
    scans, labels, groups = build_cohort(30, classes=len(context.task.classes), seed=5)
    return Source(context.task, Train(scans, labels, groups))


def balanced(labels: np.ndarray, k: int) -> np.ndarray:
    classes = np.unique(labels)
    return np.concatenate([np.flatnonzero(labels == c)[: k // len(classes)] for c in classes])


@pytest.mark.parametrize("k", [2, 4, 10])
@pytest.mark.parametrize("name", supporting("classification"))
def test_classes_from_few_scans(name, k, cohort, context):
    scans, labels, _ = cohort(24)
    rows = balanced(labels, k)
    method, prediction, test, told = fitted(name, scans, labels, rows, context)
    get_kind("classification").check(prediction, test._items, context.task)
    # What is said of a scan does not depend on which others are asked about.
    np.testing.assert_allclose(method.predict(test.take(np.array([3])), told), prediction[3:4], atol=1e-5)
    assert ("too few" in str(method.report()) or "fewer" in str(method.report())) == (
        name not in NOTHING_TO_TUNE | TUNED_ON_SOURCES
    )


@pytest.mark.parametrize("name", supporting("classification"))
def test_three_classes_from_three_scans(name, cohort, contexts):
    scans, labels, _ = cohort(18, classes=3)
    context = contexts(classes=3)
    _, prediction, test, _ = fitted(name, scans, labels, balanced(labels, 3), context)
    get_kind("classification").check(prediction, test._items, context.task)


@pytest.mark.parametrize("k", [4, 10])
@pytest.mark.parametrize("name", supporting("regression"))
def test_numbers_from_few_scans(name, k, cohort, contexts):
    scans, _, _ = cohort(24)
    context, ages = contexts(kind="regression"), scans.covariates["age"].to_numpy()
    _, prediction, test, _ = fitted(name, scans, ages, np.arange(k), context)
    get_kind("regression").check(prediction, test._items, context.task)
    assert np.abs(prediction - ages.mean()).max() < 200


@pytest.mark.parametrize("k", [2, 4, 10])
@pytest.mark.parametrize("name", LEARNS_NO_WEIGHTS_BY_STEPS)
def test_probabilities_learned_from_nothing_are_not_sure(name, k, cohort, context):
    """With shuffled labels the log loss stays near a coin's 0.69; a model that is sure costs more than 1."""
    losses = []
    for seed in range(6):
        scans, labels, _ = cohort(40, seed=seed)
        labels = np.random.default_rng([seed, 1]).permutation(labels)
        rows = balanced(labels, k)
        _, prediction, _, _ = fitted(name, scans, labels, rows, context)
        truth = np.delete(labels, rows)
        losses.append(-np.log(np.maximum(prediction[np.arange(len(truth)), truth], 1e-12)).mean())
    assert np.mean(losses) < 1.05


def test_two_scans_that_agree_in_a_column_make_no_outlier_of_a_third():
    features = np.array([[1.0, 5.0], [1.0 + 1e-5, 7.0]], np.float32)
    mean, spread = standardise_columns(features)
    np.testing.assert_allclose(spread, np.sqrt((1 + 0) / 2), rtol=1e-4)
    np.testing.assert_allclose(mean, [1, 6], rtol=1e-4)
    many = np.random.default_rng(0).normal(0, [1, 9], (FEW, 2)).astype(np.float32)
    assert standardise_columns(many)[1][1] > 5 * standardise_columns(many)[1][0]


def test_both_ways_to_fit_ridge_share_one_spread_of_few_scans():
    features = np.random.default_rng(0).normal(3, [1, 2, 5], (FEW - 2, 3))
    wanted = features @ np.array([[1.0], [0.5], [0.0]])
    streamed = StreamedRidge(lambda rows: features[rows], wanted, [2.0], lambda done, total: None)
    _, spread = standardise_columns(features.astype(np.float32))
    np.testing.assert_allclose(streamed._spread, spread, rtol=1e-5)


def test_ridge_on_two_scans_beats_chance_where_one_edge_tells_the_class(cohort, context):
    """With a spread for each edge two scans say nothing: every edge stands at 1 and -1."""
    from brainbench.benchmark.metrics.classification import AUC

    areas = []
    for seed in range(10):
        scans, labels, _ = cohort(60, effect=1.5, seed=seed)
        rows = balanced(labels, 2)
        _, prediction, _, _ = fitted("ridge", scans, labels, rows, context)
        areas.append(AUC().score(np.delete(labels, rows), prediction))
    assert np.mean(areas) > 0.75


def test_inner_folds_need_twenty_groups():
    labels, numbers = np.arange(FEW) % 2, np.arange(float(FEW))
    for aim, targets in ((ClassAim(2), labels), (ValueAim(), numbers)):
        assert len(aim.folds(targets, np.arange(FEW), seed=0)) == 5
        assert aim.folds(targets[1:], np.arange(FEW - 1), seed=0) == []
        assert aim.folds(targets, np.arange(FEW) // 2, seed=0) == []


def test_boosting_says_that_it_cannot_split_few_scans(cohort, context):
    scans, labels, groups = cohort(60)
    few, enough = Confounds(), Confounds()
    few.fit(Train(scans.take(np.arange(39)), labels[:39], groups[:39]), context)
    enough.fit(Train(scans, labels, groups), context)
    assert few.report()["model"] == "logistic"
    assert "fewer than 40" in few.report()["note"]
    assert enough.report()["model"] == "boosting"
    assert "note" not in enough.report()


def test_a_number_far_from_few_training_scans_counts_as_three_deviations(cohort, context):
    scans, _, _ = cohort(6)
    table = scans._items.table.assign(motion=[0.10, 0.11, 5.0, 50.0, 0.105, 0.0])
    scans = Scans(Items(table, scans._items.arrays, scans._items.meta), ("motion",))
    method = MotionOnly()
    method.fit(Train(scans.take(np.array([0, 1])), np.array([0, 1]), np.arange(2)), context)
    high = method.predict(scans, context)[:, 1]
    assert high[2] == high[3] < 0.95
    assert high[5] < 0.5 == pytest.approx(high[4])


def test_gram_of_few_scans_is_finite_where_they_are_equal():
    gram = GramFeatures.centre(np.ones((2, 4), np.float32), standardise=True)
    assert np.isfinite(gram.gram).all()
    assert np.isfinite(gram.centred).all()
    assert Logistic(gram.gram).solve(np.arange(2), np.array([0, 1]), 1.0)[1] == pytest.approx(0, abs=1e-6)
