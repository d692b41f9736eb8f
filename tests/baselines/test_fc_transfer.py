"""fc-transfer: sources with the same classes, zero labelled scans, cohorts with an offset, when it is skipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from brainbench.baselines.fc_linear import FcLogistic
from brainbench.baselines.fc_transfer import FcTransfer, together
from brainbench.benchmark import fc
from brainbench.benchmark.contracts import Source, Train
from brainbench.benchmark.errors import BadOption, Skipped
from brainbench.benchmark.metrics.classification import AUC


def empty(scans) -> Train:
    return Train(scans.take(np.array([], dtype=int)), np.array([], dtype=int), np.array([], dtype=int))


def lend(context, **sources):
    """The context with sources (scans, labels, groups)."""
    lent = {name: Source(context.task, Train(*each)) for name, each in sources.items()}
    return replace(context, sources=lent, support=None)


def test_zero_shots_are_learned_from_the_source(cohort, context):
    scans, labels, _ = cohort(60, seed=1)
    method, told = FcTransfer(), lend(context, other=cohort(80, seed=2))
    method.fit(empty(scans), told)
    assert AUC().score(labels, method.predict(scans, told)) > 0.9
    assert method.report()["source_scans"] == {"other": 80}
    assert method.report()["labelled_scans"] == 0


def test_without_labels_it_is_logistic_regression_on_the_source(cohort, context):
    scans, _, _ = cohort(30, seed=1)
    source = cohort(40, seed=2)
    method, alone, told = FcTransfer(C=1.0), FcLogistic(C=1.0), lend(context, other=source)
    method.fit(empty(scans), told)
    alone.fit(Train(*source), context)
    np.testing.assert_allclose(method.predict(scans, told), alone.predict(scans, context), atol=1e-5)


def test_labelled_scans_count_like_those_of_the_source(cohort, context):
    source, (scans, labels, groups) = cohort(40, seed=2), cohort(30, seed=1)
    method, alone, told = FcTransfer(C=1.0), FcLogistic(C=1.0), lend(context, other=source)
    method.fit(Train(scans, labels, groups), told)
    alone.fit(together([Train(*source), Train(scans, labels, groups)]), context)
    np.testing.assert_allclose(method.predict(scans, told), alone.predict(scans, context), atol=1e-5)
    assert method.report()["labelled_scans"] == 30


def test_classes_are_matched_by_name(cohort, context):
    scans, labels, _ = cohort(60, seed=1)
    source, other_labels, groups = cohort(80, seed=2)
    turned = replace(context.task, classes=context.task.classes[::-1])
    lent = {"turned": Source(turned, Train(source, 1 - other_labels, groups))}
    method, told = FcTransfer(), replace(context, sources=lent)
    method.fit(empty(scans), told)
    assert AUC().score(labels, method.predict(scans, told)) > 0.9


@pytest.mark.parametrize("classes", [(), ("class0", "class2"), ("class0", "class1", "class2")])
def test_sources_of_other_classes_are_not_used(classes, cohort, context):
    scans, _, _ = cohort(20)
    lent = {"other-task": Source(replace(context.task, classes=classes), Train(*cohort(20)))} if classes else {}
    with pytest.raises(Skipped, match="no source has the classes class0, class1") as caught:
        FcTransfer().fit(empty(scans), replace(context, sources=lent))
    assert ("other-task" if classes else "none") in str(caught.value)


@pytest.mark.parametrize("labelled", [0, 20])
def test_centring_subtracts_each_cohorts_own_mean(labelled, cohort, context):
    scans, labels, groups = cohort(30, seed=1)
    one, two = cohort(40, seed=2), cohort(30, effect=0.3, seed=3)
    method, told = FcTransfer(C=1.0, centre="cohort"), lend(context, one=one, two=two)
    rows = np.arange(labelled)
    method.fit(Train(scans.take(rows), labels[rows], groups[rows]), told)
    parts = [fc.edges(each).astype(float) for each in (one[0], two[0], *([scans.take(rows)] if labelled else []))]
    means = [part.mean(axis=0) for part in parts]
    features = np.concatenate([part - mean for part, mean in zip(parts, means, strict=True)])
    scale = np.sqrt((features**2).sum(axis=1).mean())
    peer = LogisticRegression(C=1.0, tol=1e-8, max_iter=10000)
    peer.fit(features / scale, np.concatenate([one[1], two[1], labels[rows]]))
    moved = means[-1] if labelled else np.mean(means, axis=0)
    expected = peer.decision_function((fc.edges(scans) - moved) / scale)
    np.testing.assert_allclose(method.decide(scans, told)[:, 0], expected, atol=5e-3)


def test_no_test_scan_moves_the_centre(cohort, context):
    scans, labels, groups = cohort(30, seed=1)
    told = lend(context, one=cohort(40, seed=2), two=cohort(40, seed=3))
    for train in (empty(scans), Train(scans, labels, groups)):
        method = FcTransfer(centre="cohort")
        method.fit(train, told)
        whole = method.predict(scans, told)
        np.testing.assert_array_equal(whole[4:5], method.predict(scans.take(np.array([4])), told))


def test_groups_of_cohorts_stay_apart(cohort):
    one, two = (Train(*cohort(10, seed=seed, scans=2)) for seed in (1, 2))
    joined = together([one, two, empty(one.inputs)])
    assert len(joined.inputs) == 40
    assert len(np.unique(joined.groups)) == 20
    np.testing.assert_array_equal(joined.targets, np.concatenate([one.targets, two.targets]))
    np.testing.assert_array_equal(joined.inputs.series(25), two.inputs.series(5))


def test_an_unknown_centre_is_refused():
    with pytest.raises(BadOption, match="centre='site'"):
        FcTransfer(centre="site")  # type: ignore[arg-type]
