"""ridge: scikit-learn's numbers, the same through scans and through features, planted signals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from brainbench.baselines.aims import LabelAim, ValueAim
from brainbench.baselines.ridge import GRID, Ridge
from brainbench.benchmark import fc
from brainbench.benchmark.contracts import Train
from brainbench.benchmark.errors import BadOption

SIZES = [30, 120]
"""Fewer and more scans than the 45 edges of ten ROIs."""


def _ages(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """A number that is carried by the planted effect."""
    return 20 + 12 * labels + np.random.default_rng(seed).normal(0, 3, len(labels))


@pytest.fixture
def fitted(cohort, contexts):
    """A model fitted on ages or classes of a cohort, its scans and targets."""

    def fit(n: int, kind: str = "regression", classes: int = 2, effect: float = 0.8, **options):
        scans, labels, groups = cohort(n, effect=effect, classes=classes)
        targets = _ages(labels) if kind == "regression" else labels
        context = contexts(kind=kind, classes=classes)
        method = Ridge(**options)
        method.fit(Train(scans, targets, groups), context)
        return method, scans, targets, groups, context

    return fit


def _standardised(scans) -> np.ndarray:
    return StandardScaler().fit_transform(fc.edges(scans).astype(float))


@pytest.mark.parametrize("n", SIZES)
def test_numbers_equal_ridge_cv(fitted, n):
    method, scans, ages, groups, context = fitted(n)
    folds = ValueAim().folds(ages, groups, seed=0)
    peer = RidgeCV(sorted(GRID), cv=folds, scoring="neg_mean_squared_error").fit(_standardised(scans), ages)
    assert method.report()["alpha"] == pytest.approx(peer.alpha_)
    np.testing.assert_allclose(method.predict(scans, context), peer.predict(_standardised(scans)), atol=2e-3)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("classes", [2, 3])
def test_classes_equal_ridge_cv_on_labels(fitted, n, classes):
    method, scans, labels, _, context = fitted(n, "classification", classes)
    assert method.report()["alpha"] in GRID
    wanted = LabelAim(classes).wanted(labels)
    peer = RidgeCV([method.report()["alpha"]]).fit(_standardised(scans), wanted)
    expected = peer.predict(_standardised(scans)).reshape(n, -1)
    np.testing.assert_allclose(method.decide(scans, context), expected, atol=2e-4)


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize("n", [46, 90])
def test_streamed_equals_dual(fitted, monkeypatch, kind, n):
    """With more scans than edges, both ways: the inner scores, the choice and the predictions."""
    monkeypatch.setattr("brainbench.baselines.moments.BLOCK", 20)
    streamed, scans, targets, groups, context = fitted(n, kind)
    dual = Ridge()
    with monkeypatch.context() as patch:
        patch.setattr(Ridge, "_fit_streamed", lambda *_: pytest.fail("this is the dual way"))
        patch.setattr("brainbench.baselines.ridge.edges_of", lambda rois: n)
        dual.fit(Train(scans, targets, groups), context)
    first, second = streamed.report(), dual.report()
    assert first["alpha"] == second["alpha"]
    np.testing.assert_allclose(streamed.decide(scans, context), dual.decide(scans, context), atol=1e-3)
    name = "inner_mse" if kind == "regression" else "inner_auc"
    np.testing.assert_allclose(list(first[name].values()), list(second[name].values()), rtol=2e-3)


@pytest.mark.parametrize("n", [40, 160])
def test_planted_number_is_found(cohort, contexts, n):
    scans, labels, groups = cohort(n + 100)
    ages, context = _ages(labels), contexts(kind="regression")
    rows = np.arange(n + 100)
    method = Ridge()
    method.fit(Train(scans.take(rows[:n]), ages[:n], groups[:n]), context)
    found = method.predict(scans.take(rows[n:]), context)
    assert found.shape == (100,)
    assert np.corrcoef(found, ages[n:])[0, 1] > 0.5
    assert np.abs(found - ages[n:]).mean() < np.abs(ages[:n].mean() - ages[n:]).mean()


@pytest.mark.parametrize("classes", [2, 3])
def test_planted_class_is_found(cohort, contexts, score, classes):
    assert score(Ridge(), cohort(180, classes=classes), contexts(classes=classes)) > 0.7


@pytest.mark.parametrize("n", [56, 160])
def test_shuffled_labels_give_chance(cohort, context, score, n):
    areas = []
    for seed in range(6):
        scans, labels, groups = cohort(n, seed=seed)
        areas.append(score(Ridge(), (scans, np.random.default_rng([seed, 1]).permutation(labels), groups), context))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.16)


@pytest.mark.parametrize("n", SIZES)
def test_each_scan_by_itself_and_the_same_twice(fitted, n):
    method, scans, _, _, context = fitted(n)
    whole = method.predict(scans, context)
    np.testing.assert_array_equal(whole, fitted(n)[0].predict(scans, context))
    np.testing.assert_array_equal(whole[7:8], method.predict(scans.take(np.array([7])), context))


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_few_scans_fall_back_and_say_so(fitted, kind):
    method, scans, _, _, context = fitted(8, kind)
    assert method.report()["alpha"] == pytest.approx(10**1.5)
    assert "too few" in method.report()["note"]
    assert np.isfinite(method.predict(scans, context)).all()


@pytest.mark.parametrize("n", SIZES)
def test_a_given_alpha_needs_no_inner_folds(fitted, n):
    method, scans, ages, _, context = fitted(n, alpha=7.0)
    assert method.report() == {"alpha": 7.0, "slope": 1.0, "parameters": 46}
    peer = RidgeCV([7.0]).fit(_standardised(scans), ages)
    np.testing.assert_allclose(method.predict(scans, context), peer.predict(_standardised(scans)), atol=2e-3)
    with pytest.raises(BadOption):
        Ridge(alpha=0.0)
