"""majority, confounds, site-only and motion-only."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.baselines.confounds import Confounds, MotionOnly, SiteOnly
from brainbench.baselines.majority import Majority
from brainbench.benchmark.contracts import TaskInfo, Train
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans

FLOORS = [Confounds, SiteOnly, MotionOnly]
MODELS = ["boosting", "logistic"]


def _with(scans: Scans, covariates: tuple[str, ...] = ("age", "sex", "site", "motion"), **columns) -> Scans:
    """The same scans with other covariate columns."""
    items = scans._items
    return Scans(Items(items.table.assign(**columns), items.arrays, items.meta), covariates)


def test_majority_predicts_the_training_shares(cohort, context):
    scans, _, groups = cohort(10)
    method = Majority()
    method.fit(Train(scans, np.array([1, 0, 0, 0, 0, 1, 0, 0, 0, 0]), groups), context)
    np.testing.assert_allclose(method.predict(scans, context), np.tile([0.8, 0.2], (10, 1)))
    assert method.report() == {"prediction": [0.8, 0.2]}


def test_majority_of_a_regression_is_the_mean(cohort, contexts):
    scans, _, groups = cohort(4)
    method, context = Majority(), contexts(kind="regression")
    method.fit(Train(scans, np.array([1.0, 2.0, 3.0, 6.0]), groups), context)
    assert method.predict(scans, context).tolist() == [3.0] * 4


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", FLOORS)
def test_planted_covariate_is_found_and_absent_ones_give_chance(method, model, cohort, context, score):
    scans, labels, groups = cohort(400, effect=3.0)
    planted = _with(scans, site=np.where(labels == 1, "A", "B"), motion=labels + 0.0, age=labels + 9.0)
    assert score(method(model=model), (planted, labels, groups), context) > 0.95
    # The scans hold a strong effect, which these methods must not see.
    assert score(method(model=model), (scans, labels, groups), context) == pytest.approx(0.5, abs=0.17)


@pytest.mark.parametrize("model", MODELS)
def test_shuffled_labels_give_chance(model, cohort, context, score):
    scans, labels, groups = cohort(400)
    planted = _with(scans, motion=labels + 0.0)
    shuffled = np.random.default_rng(1).permutation(labels)
    assert score(Confounds(model), (planted, shuffled, groups), context) == pytest.approx(0.5, abs=0.17)


@pytest.mark.parametrize("model", MODELS)
def test_missing_values_and_new_sites(model, cohort, context):
    scans, labels, groups = cohort(80)
    site = np.where(labels == 1, "A", "B")
    train = _with(scans, site=site, age=np.where(np.arange(80) % 3, 20.0, np.nan), sex=None)
    test = _with(scans, site="elsewhere", age=np.nan, motion=np.nan, sex="")
    method = SiteOnly(model=model)
    method.fit(Train(train, labels, groups), context)
    new = method.predict(test, context)
    assert np.ptp(new[:, 1]) == 0
    whole = Confounds(model)
    whole.fit(Train(train, labels, groups), context)
    assert np.isfinite(whole.predict(test, context)).all()


def test_new_site_gets_a_pooled_estimate(cohort, context):
    scans, labels, groups = cohort(90)
    method = SiteOnly()
    method.fit(Train(_with(scans, site=np.where(labels == 1, "A", "B")), labels, groups), context)
    assert method.predict(_with(scans, site="new"), context)[0, 1] == pytest.approx(0.5, abs=0.1)


def test_a_column_without_any_value(cohort, context):
    scans, labels, groups = cohort(40)
    empty = _with(scans, age=np.nan, tr=np.nan)
    for model in MODELS:
        method = Confounds(model)
        method.fit(Train(empty, labels, groups), context)
        assert np.isfinite(method.predict(empty, context)).all()


def test_only_what_the_task_shows_is_read(cohort, context):
    scans, labels, groups = cohort(40)
    method = Confounds()
    method.fit(Train(_with(scans, ("age",)), labels, groups), context)
    assert method.report()["columns"] == ["age", "frames", "tr"]
    for floor, column in ((SiteOnly(), "site"), (MotionOnly(), "motion")):
        assert column in (floor.skip(TaskInfo("t", "classification", "y", ("a", "b"), ("age",))) or "")
        assert floor.skip(TaskInfo("t", "classification", "y", ("a", "b"), ("age", column))) is None


def test_a_cohort_without_the_column_is_named(cohort, context):
    scans, labels, groups = cohort(20)
    with pytest.raises(BadData, match="motion"):
        MotionOnly().fit(Train(_with(scans, ("age", "site")), labels, groups), context)
    with pytest.raises(BadOption, match="forest"):
        Confounds(model="forest")


def test_a_class_that_training_lacks_gets_no_probability(cohort, contexts):
    scans, labels, groups = cohort(60)
    method, context = Confounds("logistic"), contexts(classes=3)
    method.fit(Train(scans, labels, groups), context)
    prediction = method.predict(scans, context)
    assert (prediction[:, 2] == 0).all()
    np.testing.assert_allclose(prediction.sum(axis=1), 1)


@pytest.mark.parametrize("model", MODELS)
def test_a_single_training_class_is_predicted_for_all_with_a_note(model, cohort, context):
    scans, _, groups = cohort(12)
    method = Confounds(model=model)
    method.fit(Train(scans, np.ones(12, int), groups), context)
    np.testing.assert_array_equal(method.predict(scans, context), np.tile([0.0, 1.0], (12, 1)))
    assert "one class" in method.report()["note"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", FLOORS)
def test_numbers_are_predicted_from_a_planted_covariate(method, model, cohort, contexts):
    scans, _, groups = cohort(300)
    values = 100 + 15 * np.random.default_rng(0).normal(size=300)
    planted = _with(scans, site=np.where(values > 100, "A", "B"), motion=values / 500, age=values / 10)
    rows, context, one = np.arange(300), contexts(kind="regression"), method(model=model)
    one.fit(Train(planted.take(rows[:200]), values[:200], groups[:200]), context)
    found = one.predict(planted.take(rows[200:]), context)
    assert found.shape == (100,)
    assert np.corrcoef(found, values[200:])[0, 1] > 0.75
    assert np.abs(found - values[200:]).mean() < 0.7 * np.abs(values[:200].mean() - values[200:]).mean()
    one.fit(Train(scans, values, groups), context)
    shuffled = one.predict(_with(scans, site="elsewhere", motion=np.nan, age=np.nan), context)
    assert np.isfinite(shuffled).all()


def test_ridge_on_covariates_equals_scikit_learn(cohort, contexts):
    scans, _, groups = cohort(60)
    values, context = np.random.default_rng(0).normal(size=60), contexts(kind="regression")
    method = MotionOnly()
    method.fit(Train(scans, values, groups), context)
    motion = scans.covariates["motion"].to_numpy()
    scaled = (motion - motion.mean()) / motion.std()
    slope = scaled @ (values - values.mean()) / (scaled @ scaled + 1)
    np.testing.assert_allclose(method.predict(scans, context), values.mean() + slope * scaled)
