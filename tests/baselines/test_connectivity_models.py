"""kernel-ridge, cpm, pca-logistic and random-features: golden values and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge as KernelRidgePeer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from brainbench.baselines import METHODS
from brainbench.baselines.aims import ValueAim
from brainbench.baselines.cpm import CPM
from brainbench.baselines.kernel_ridge import LAMBDAS, KernelRidge, best_threshold
from brainbench.baselines.pca_logistic import PcaLogistic
from brainbench.baselines.random_features import ENCODERS, RandomFeatures
from brainbench.benchmark import fc
from brainbench.benchmark.contracts import TaskInfo, Train
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans

MODELS = {
    "kernel-ridge": KernelRidge,
    "cpm": CPM,
    "pca-logistic": PcaLogistic,
    "random-features": lambda: RandomFeatures(width=60),
}
EACH = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
NUMBER = TaskInfo("t", "regression", "fluid", (), ("age", "sex", "motion"))


def _ages(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """A number that is carried by the planted effect."""
    return 20 + 12 * labels + np.random.default_rng(seed).normal(0, 3, len(labels))


def _edges(scans: Scans) -> np.ndarray:
    return fc.edges(scans).astype(float)


@EACH
def test_planted_class_is_found(make, cohort, context, score):
    assert score(make(), cohort(160), context) > 0.8


@EACH
def test_three_classes(make, cohort, contexts, score):
    assert score(make(), cohort(180, classes=3), contexts(classes=3)) > 0.65


@EACH
def test_planted_number_is_found(make, cohort, contexts):
    scans, labels, groups = cohort(200)
    ages, context, rows = _ages(labels), contexts(kind="regression"), np.arange(200)
    method = make()
    method.fit(Train(scans.take(rows[:120]), ages[:120], groups[:120]), context)
    found = method.predict(scans.take(rows[120:]), context)
    assert found.shape == (80,)
    assert np.corrcoef(found, ages[120:])[0, 1] > 0.5
    assert np.abs(found - ages[120:]).mean() < np.abs(ages[:120].mean() - ages[120:]).mean()


@EACH
def test_shuffled_labels_give_chance(make, cohort, context, score):
    """Mean over six shuffles of 40 test scans: standard error about 0.04."""
    areas = []
    for seed in range(6):
        scans, labels, groups = cohort(160, seed=seed)
        areas.append(score(make(), (scans, np.random.default_rng([seed, 1]).permutation(labels), groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.12)


@EACH
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_same_seed_same_prediction_and_each_scan_alone(make, kind, cohort, contexts):
    scans, labels, groups = cohort(60)
    targets, context = (labels if kind == "classification" else _ages(labels)), contexts(kind=kind)
    first, second = make(), make()
    for one in (first, second):
        one.fit(Train(scans, targets, groups), context)
    whole = first.predict(scans, context)
    np.testing.assert_array_equal(whole, second.predict(scans, context))
    np.testing.assert_array_equal(whole[7:8], first.predict(scans.take(np.array([7])), context))


@EACH
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_few_scans_fall_back_and_say_so(make, kind, cohort, contexts):
    scans, labels, groups = cohort(8)
    targets, context = (labels if kind == "classification" else _ages(labels)), contexts(kind=kind)
    method = make()
    method.fit(Train(scans, targets, groups), context)
    assert "too few" in method.report()["note"]
    assert np.isfinite(method.predict(scans, context)).all()


@pytest.mark.parametrize("lam", [0.01, 3.0])
def test_kernel_ridge_equals_scikit_learn(cohort, contexts, lam):
    scans, labels, groups = cohort(70)
    ages, context, rows = _ages(labels), contexts(kind="regression"), np.arange(70)
    method = KernelRidge(lam=lam)
    method.fit(Train(scans.take(rows[:50]), ages[:50], groups[:50]), context)
    kernel = np.corrcoef(_edges(scans))
    peer = KernelRidgePeer(alpha=lam, kernel="precomputed").fit(kernel[:50, :50], ages[:50] - ages[:50].mean())
    expected = peer.predict(kernel[:, :50]) + ages[:50].mean()
    np.testing.assert_allclose(method.predict(scans, context), expected, atol=0.02)


def test_kernel_ridge_chooses_the_lambda_of_the_best_inner_r(cohort, contexts):
    scans, labels, groups = cohort(90, effect=0.4)
    ages, context = _ages(labels), contexts(kind="regression")
    method = KernelRidge()
    method.fit(Train(scans, ages, groups), context)
    kernel, scores = np.corrcoef(_edges(scans)), {}
    for lam in LAMBDAS:
        found = []
        for train, test in ValueAim().folds(ages, groups, context.seed):
            peer = KernelRidgePeer(alpha=lam, kernel="precomputed").fit(
                kernel[np.ix_(train, train)], ages[train] - ages[train].mean()
            )
            found.append(np.corrcoef(peer.predict(kernel[np.ix_(test, train)]), ages[test])[0, 1])
        scores[lam] = np.mean(found)
    assert scores[method.report()["lambda"]] == pytest.approx(max(scores.values()), abs=1e-4)
    assert method.report()["inner_r"]["1"] == pytest.approx(scores[1], abs=1e-3)


def test_kernel_ridge_threshold_is_where_the_probability_is_half(cohort, context):
    """One class is three times as frequent, so labels' midpoint is not the best threshold."""
    scans, labels, groups = cohort(160, effect=0.5)
    kept = np.flatnonzero((labels == 1) | (np.arange(160) % 3 == 0))
    scans, labels, groups = scans.take(kept), labels[kept], groups[kept]
    method = KernelRidge()
    method.fit(Train(scans, labels, groups), context)
    assert method.report()["threshold"] != 0
    decision, p = method.decide(scans, context)[:, 0], method.predict(scans, context)[:, 1]
    np.testing.assert_array_equal(p > 0.5, decision > 0)
    np.testing.assert_array_equal(np.argsort(p, kind="stable"), np.argsort(decision, kind="stable"))


def test_best_threshold():
    decisions = np.array([-0.9, -0.8, -0.7, -0.2, 0.3, 0.5])
    assert best_threshold(np.array([0, 0, 1, 1, 1, 1]), decisions) == pytest.approx(-0.75)
    assert best_threshold(np.array([0, 1]), np.zeros(2)) == 0


def _with_age(cohort, effect: float):
    """Scans whose connectivity follows age, and a score that follows age only."""
    scans, labels, groups = cohort(240)
    rng = np.random.default_rng(3)
    table = scans._items.table.assign(age=_ages(labels))
    scans = Scans(Items(table, scans._items.arrays, scans._items.meta), NUMBER.covariates)
    return scans, effect * table["age"].to_numpy() + rng.normal(0, 1, 240), groups


def test_nuisance_takes_out_what_age_explains(cohort, contexts):
    scans, values, groups = _with_age(cohort, 0.5)
    rows, context = np.arange(240), contexts(kind="regression")
    context = type(context)(NUMBER, 0, context.workdir)
    r = {}
    for nuisance in (False, True):
        method = KernelRidge(nuisance=nuisance)
        method.fit(Train(scans.take(rows[:160]), values[:160], groups[:160]), context)
        r[nuisance] = np.corrcoef(method.predict(scans.take(rows[160:]), context), values[160:])[0, 1]
        assert method.report()["nuisance"] is nuisance
    assert r[False] > 0.5
    assert abs(r[True]) < 0.35


def test_nuisance_is_never_taken_out_of_age_and_sex(cohort, contexts):
    scans, values, groups = _with_age(cohort, 1.0)
    context = contexts(kind="regression")
    for task in (TaskInfo("t", "regression", "age"), TaskInfo("t", "classification", "sex", ("a", "b"))):
        method = KernelRidge(nuisance=True)
        assert method.skip(task) is None
        targets = values if task.kind == "regression" else (values > np.median(values)).astype(int)
        method.fit(Train(scans, targets, groups), type(context)(task, 0, context.workdir))
        assert method.report()["nuisance"] is False
    assert "age" in (KernelRidge(nuisance=True).skip(TaskInfo("t", "regression", "fluid")) or "")


def _cpm_by_hand(edges, y, p, motion=None, mean=False, classes=False):
    """A plain loop over edges; returns a function of edges."""
    positive, negative = [], []
    for edge in range(edges.shape[1]):
        x, freedom = edges[:, edge], len(y) - 2
        if motion is None:
            r, value = stats.pearsonr(x, y)
        else:
            line = LinearRegression()
            left, right = (v - line.fit(motion[:, None], v).predict(motion[:, None]) for v in (x, y.astype(float)))
            r, freedom = stats.pearsonr(left, right)[0], freedom - 1
            value = 2 * stats.t.sf(abs(r) * np.sqrt(freedom / (1 - r * r)), freedom)
        if value < p:
            (positive if r > 0 else negative).append(edge)
    combine = np.mean if mean else np.sum

    def summary(some):
        return np.c_[
            combine(some[:, positive], axis=1) if positive else np.zeros(len(some)),
            combine(some[:, negative], axis=1) if negative else np.zeros(len(some)),
        ]

    sums = summary(edges)
    if classes:
        mu, sd = sums.mean(axis=0), np.where(sums.std(axis=0) > 0, sums.std(axis=0), 1)
        model = LogisticRegression(C=1.0, tol=1e-8).fit((sums - mu) / sd, y)
        return lambda some: model.predict_proba((summary(some) - mu) / sd)[:, 1], (len(positive), len(negative))
    model = LinearRegression().fit(sums, y)
    return lambda some: model.predict(summary(some)), (len(positive), len(negative))


@pytest.mark.parametrize("options", [{}, {"summary": "mean"}, {"given_motion": True}])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_cpm_equals_a_plain_loop(cohort, contexts, kind, options):
    scans, labels, groups = cohort(80, effect=0.5)
    targets = labels if kind == "classification" else _ages(labels)
    rows, context = np.arange(80), contexts(kind=kind)
    method = CPM(p=0.05, **options)
    method.fit(Train(scans.take(rows[:60]), targets[:60], groups[:60]), context)
    motion = scans.covariates["motion"].to_numpy()[:60] if options.get("given_motion") else None
    edges = _edges(scans)
    expected, counts = _cpm_by_hand(
        edges[:60], targets[:60], 0.05, motion, options.get("summary") == "mean", kind == "classification"
    )
    assert (method.report()["positive_edges"], method.report()["negative_edges"]) == ([counts[0]], [counts[1]])
    assert counts[0] > 0
    found = method.predict(scans, context)
    found = found[:, 1] if kind == "classification" else found
    np.testing.assert_allclose(found, expected(edges), atol=2e-3)


def test_cpm_without_edges_predicts_the_training_mean(cohort, contexts):
    scans, labels, groups = cohort(40)
    method, context = CPM(p=1e-30), contexts(kind="regression")
    method.fit(Train(scans, _ages(labels), groups), context)
    np.testing.assert_allclose(method.predict(scans, context), _ages(labels).mean())
    classes = contexts()
    method.fit(Train(scans, (np.arange(40) < 10).astype(int), groups), classes)
    np.testing.assert_allclose(method.predict(scans, classes)[:, 1], 0.25)
    assert method.report()["positive_edges"] == [0]


def test_cpm_chooses_its_threshold_by_inner_folds(cohort, contexts):
    scans, labels, groups = cohort(60, effect=0.5)
    method, context = CPM(), contexts(kind="regression")
    method.fit(Train(scans, _ages(labels), groups), context)
    assert method.report()["p"] in (0.05, 0.01, 0.005, 0.001)
    assert set(method.report()["inner_mse"]) == {"0.05", "0.01", "0.005", "0.001"}


@pytest.mark.parametrize("components", [3, 8, 500])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_pca_equals_a_scikit_learn_pipeline(cohort, contexts, kind, components):
    scans, labels, groups = cohort(70)
    targets = labels if kind == "classification" else _ages(labels)
    rows, context = np.arange(70), contexts(kind=kind)
    method = PcaLogistic(components=components, C=2.0)
    method.fit(Train(scans.take(rows[:40]), targets[:40], groups[:40]), context)
    edges = _edges(scans)
    edges /= np.sqrt(((edges[:40] - edges[:40].mean(axis=0)) ** 2).sum(axis=1).mean())
    last = LogisticRegression(C=2.0, tol=1e-8, max_iter=10000) if kind == "classification" else Ridge(alpha=0.5)
    peer = make_pipeline(PCA(min(components, 39), svd_solver="full"), last).fit(edges[:40], targets[:40])
    expected = peer.decision_function(edges) if kind == "classification" else peer.predict(edges)
    np.testing.assert_allclose(method.decide(scans, context)[:, 0], expected, atol=5e-3)


def test_pca_tunes_both_or_one(cohort, context):
    scans, labels, groups = cohort(60)
    for options, size in (({}, 15), ({"C": 1.0}, 3), ({"components": 5}, 5)):
        method = PcaLogistic(**options)
        method.fit(Train(scans, labels, groups), context)
        assert len(method.report()["inner_auc"]) == size


def test_random_projections_keep_distances_and_differ_by_seed(cohort, contexts):
    scans, labels, groups = cohort(40)
    method, seen = RandomFeatures(width=4000), []
    for seed in (0, 1):
        context = contexts(seed=seed)
        method.fit(Train(scans, labels, groups), context)
        seen.append(method._project(scans, context, 7))
    edges = _edges(scans)
    np.testing.assert_allclose((seen[0] ** 2).sum(axis=1), (edges**2).sum(axis=1), rtol=0.15)
    assert np.abs(seen[0] - seen[1]).max() > 0.1


@pytest.mark.parametrize("make", [
    lambda: KernelRidge(lam=0.0), lambda: CPM(p=1.0), lambda: CPM(summary="median"), lambda: PcaLogistic(components=0),
    lambda: PcaLogistic(C=-1.0), lambda: RandomFeatures(width=0), lambda: RandomFeatures(encoder="forest"),
])  # fmt: skip
def test_impossible_options_are_refused(make):
    with pytest.raises(BadOption):
        make()


def test_selection_given_motion_needs_the_column():
    assert "motion" in (CPM(given_motion=True).skip(TaskInfo("t", "regression", "fluid")) or "")
    assert CPM(given_motion=True).skip(NUMBER) is None


@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name in METHODS])
def test_an_untrained_encoder_is_probed_without_its_checkpoint(cohort, context, encoder):
    """Ten ROIs: networks that need an atlas of their own say so."""
    pytest.importorskip("torch")
    scans, labels, groups = cohort(24)
    method = RandomFeatures(encoder=encoder)
    if encoder in ("brain-jepa", "brainlm"):
        assert method._untrained().init == "published"
    if method.skip(context.task) is None:
        method.fit(Train(scans, labels, groups), replace(context, checkpoint=Path("/nowhere")))
        assert method.predict(scans, context).shape == (24, 2)
        assert method.report()["encoder"] == encoder
