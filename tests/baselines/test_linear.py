"""fc-logistic, fc-svm and tangent-logistic: exactness, planted signals, nothing from the test set."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from brainbench.baselines.aims import fit_slope, inner_folds, probabilities
from brainbench.baselines.fc_linear import FcLogistic, FcSvm
from brainbench.baselines.kernel import GramFeatures
from brainbench.baselines.tangent import TangentLogistic, covariance, geometric_mean, reference
from brainbench.benchmark import fc
from brainbench.benchmark.contracts import Train
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.metrics.classification import AUC

METHODS = [FcLogistic, FcSvm, TangentLogistic]


def _silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.mark.parametrize("method", METHODS)
def test_planted_signal_is_found(method, cohort, context, score):
    assert score(method(), cohort(160), context) > 0.85


@pytest.mark.parametrize("method", METHODS)
def test_shuffled_labels_give_chance(method, cohort, context, score):
    """Mean over five shuffles of 40 test scans: standard error about 0.04."""
    areas = []
    for seed in range(5):
        scans, labels, groups = cohort(160, seed=seed)
        shuffled = np.random.default_rng([seed, 1]).permutation(labels)
        areas.append(score(method(), (scans, shuffled, groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.13)


@pytest.mark.parametrize("method", METHODS)
def test_three_classes(method, cohort, contexts, score):
    assert score(method(), cohort(180, classes=3), contexts(classes=3)) > 0.7


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_prediction_and_each_scan_alone(method, cohort, context):
    scans, labels, groups = cohort(60)
    first, second = method(), method()
    for one in (first, second):
        one.fit(Train(scans, labels, groups), context)
    whole = first.predict(scans, context)
    np.testing.assert_array_equal(whole, second.predict(scans, context))
    # A scan's prediction does not depend on what else is predicted.
    np.testing.assert_array_equal(whole[7:8], first.predict(scans.take(np.array([7])), context))


@pytest.mark.parametrize("method", METHODS)
def test_few_scans_fall_back_to_a_fixed_c_and_say_so(method, cohort, context):
    scans, labels, groups = cohort(8)
    fitted = method()
    fitted.fit(Train(scans, labels, groups), context)
    assert fitted.report()["C"] == 1
    assert "too few" in fitted.report()["note"]
    assert np.isfinite(fitted.predict(scans, context)).all()


def test_report_tells_what_was_chosen(cohort, context):
    scans, labels, groups = cohort(60)
    nested, fixed = FcSvm(), FcSvm(C=1.0)
    for one in (nested, fixed):
        one.fit(Train(scans, labels, groups), context)
    assert nested.report()["C"] in FcSvm.grid
    assert set(nested.report()["inner_auc"]) == {f"{C:g}" for C in FcSvm.grid}
    assert fixed.report() == {"C": 1.0, "slope": 1.0, "parameters": 46}


@pytest.mark.parametrize("classes", [2, 3])
def test_svm_equals_scikit_learn_on_the_features(cohort, contexts, classes):
    scans, labels, groups = cohort(70, effect=0.3, classes=classes)
    method, context = FcSvm(C=0.7, clip=0.999), contexts(classes=classes)
    method.fit(Train(scans, labels, groups), context)
    features = fc.edges(scans, clip=0.999).astype(float)
    centred = features - features.mean(axis=0)
    scale = (centred**2).sum(axis=1).mean()
    for column, k in enumerate([1] if classes == 2 else range(classes)):
        peer = SVC(C=0.7, kernel="linear", tol=1e-5).fit(centred / np.sqrt(scale), labels == k)
        expected = peer.decision_function(centred / np.sqrt(scale))
        np.testing.assert_allclose(method.decide(scans, context)[:, column], expected, atol=5e-3)


@pytest.mark.parametrize("standardise", [False, True])
def test_logistic_equals_scikit_learn_on_the_features(cohort, context, standardise):
    scans, labels, groups = cohort(50, effect=0.3)
    method = FcLogistic(C=3.0, standardise=standardise)
    method.fit(Train(scans, labels, groups), context)
    features = fc.edges(scans).astype(float)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) if standardise else 1)
    features /= np.sqrt((features**2).sum(axis=1).mean())
    peer = LogisticRegression(C=3.0, tol=1e-8, max_iter=10000).fit(features, labels)
    np.testing.assert_allclose(method.decide(scans, context)[:, 0], peer.decision_function(features), atol=5e-3)


def test_probability_is_a_strict_map_of_the_decision(cohort, context):
    scans, labels, groups = cohort(60, effect=0.3)
    method = FcSvm()
    method.fit(Train(scans, labels, groups), context)
    decision, p = method.decide(scans, context)[:, 0], method.predict(scans, context)
    assert len(np.unique(p[:, 1])) == len(np.unique(decision))
    np.testing.assert_array_equal(np.argsort(p[:, 1], kind="stable"), np.argsort(decision, kind="stable"))
    np.testing.assert_array_equal(p[:, 1] > 0.5, decision > 0)
    assert AUC().score(labels, p) == AUC().score(labels, np.c_[-decision, decision])


def test_gram_features_change_their_input_in_place():
    features = np.random.default_rng(0).normal(3, 2, (20, 50)).astype(np.float32)
    raw = features.copy()
    gram = GramFeatures.centre(features, standardise=True)
    assert gram.centred is features
    assert np.trace(gram.gram) == pytest.approx(20)
    weights = gram.weights(np.eye(20)[:, :1])
    np.testing.assert_allclose(raw @ weights - gram.mean @ weights, gram.gram[:, :1], atol=1e-4)


def test_inner_folds_cut_no_subject():
    groups = np.repeat(np.arange(30), 3)
    labels = (groups % 2).astype(int)
    for train, test in inner_folds(labels, groups, seed=0):
        assert not set(groups[train]) & set(groups[test])
        assert set(labels[train]) == set(labels[test]) == {0, 1}
    assert inner_folds(labels, groups // 8, seed=0) == []


def test_slope_recovers_the_scale_of_log_odds():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20000)
    labels = (rng.random(20000) < 1 / (1 + np.exp(-logit))).astype(int)
    assert fit_slope(logit[:, None] / 4, labels) == pytest.approx(4, rel=0.05)
    np.testing.assert_allclose(probabilities(np.array([[0.0], [2.0]]), 1.5)[:, 1], [0.5, 1 / (1 + np.exp(-3))])


@pytest.mark.parametrize("options", [{"C": 0.0}, {"C": -1.0}, {"clip": 1.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(BadOption):
        FcSvm(**options)


def test_reference_equals_nilearn(cohort):
    connectome = pytest.importorskip("nilearn.connectome")
    scans, _, _ = cohort(70)
    series = [scans.series(row) for row in range(len(scans))]
    standard = [(values - values.mean(0)) / values.std(0) for values in series]
    peer = connectome.ConnectivityMeasure(kind="tangent", vectorize=True, standardize=False)
    expected = peer.fit_transform(standard)
    mean = reference(np.stack([covariance(values) for values in series]), _silent)
    np.testing.assert_allclose(mean, peer.mean_, atol=1e-4)
    method = TangentLogistic()
    from brainbench.benchmark.contracts import Context, TaskInfo

    vectors = method.learn_features(scans, Context(TaskInfo("toy", "classification", "label"), 0, None))
    # nilearn takes the lower triangle row by row: the same cells in another order.
    np.testing.assert_allclose(np.sort(vectors, axis=1), np.sort(expected, axis=1), atol=5e-4)


def test_geometric_mean_of_commuting_matrices_is_that_of_their_eigenvalues():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    values = rng.uniform(0.2, 5, (9, 6))
    matrices = np.stack([(basis * row) @ basis.T for row in values]).astype(np.float32)
    mean = geometric_mean(matrices, matrices.mean(axis=0), _silent)
    np.testing.assert_allclose(mean, (basis * np.exp(np.log(values).mean(axis=0))) @ basis.T, atol=1e-4)


def test_dead_rois_and_scaling_do_not_break_the_covariance():
    series = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    series[:, 2], series[:, 4] = 7, np.nan
    matrix = covariance(series)
    assert np.linalg.eigvalsh(matrix).min() > 0
    np.testing.assert_allclose(covariance(1000 + 30 * series), matrix, atol=1e-3)
