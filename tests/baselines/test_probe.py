"""The probe on frozen features: scikit-learn's numbers, planted signals, each scan by itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from brainbench.baselines.aims import ValueAim
from brainbench.baselines.probe import fit_probe
from brainbench.benchmark.contracts import TaskInfo, silent
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.metrics.classification import AUC

BINARY = TaskInfo("t", "classification", "y", ("a", "b"))
THREE = TaskInfo("t", "classification", "y", ("a", "b", "c"))
NUMBER = TaskInfo("t", "regression", "y")


def _data(n: int, p: int, task: TaskInfo, seed: int = 0, effect: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of unlike means and scales; the first three carry the target."""
    rng = np.random.default_rng(seed)
    targets = rng.normal(100, 15, n) if task.kind == "regression" else rng.permutation(np.arange(n) % len(task.classes))
    features = rng.normal(size=(n, p))
    signal = (targets - targets.mean()) / targets.std()
    features[:, :3] += effect * signal[:, None] * (np.ones(3) if task is not THREE else np.array([1, -1, 1]))
    if task is THREE:
        features[:, 3] += effect * 2 * (targets == 1)
    return (features * rng.uniform(0.1, 10, p) + rng.normal(0, 50, p)).astype(np.float32), targets


def _fit(features, targets, task, **options):
    return fit_probe(features, targets, np.arange(len(targets)), task, 0, silent, **options)


@pytest.mark.parametrize("p", [30, 300])
def test_classes_equal_scikit_learn(p):
    """On features of unit mean square norm, which is how C is scaled here."""
    features, labels = _data(120, p, BINARY)
    probe = _fit(features, labels, BINARY)
    peer = LogisticRegression(C=probe.facts()["C"], tol=1e-8, max_iter=10000)
    scaler = StandardScaler().fit(features)
    peer.fit(scaler.transform(features) / np.sqrt(p), labels)
    log_odds = peer.decision_function(scaler.transform(features) / np.sqrt(p)) * probe.facts()["slope"]
    np.testing.assert_allclose(probe.predict(features)[:, 1], 1 / (1 + np.exp(-log_odds)), atol=2e-3)


@pytest.mark.parametrize("p", [30, 300])
def test_numbers_equal_scikit_learn(p):
    features, values = _data(120, p, NUMBER)
    probe = _fit(features, values, NUMBER)
    peer = make_pipeline(StandardScaler(), Ridge(alpha=probe.facts()["alpha"] * p)).fit(features, values)
    np.testing.assert_allclose(probe.predict(features), peer.predict(features), atol=0.05)


def test_rbf_equals_scikit_learn():
    features, labels = _data(120, 40, BINARY)
    probe = _fit(features, labels, BINARY, kind="rbf-svm")
    peer = make_pipeline(StandardScaler(), SVC(C=probe.facts()["C"])).fit(features, labels)
    log_odds = peer.decision_function(features) * probe.facts()["slope"]
    np.testing.assert_allclose(probe.predict(features)[:, 1], 1 / (1 + np.exp(-log_odds)), atol=2e-3)
    features, values = _data(120, 40, NUMBER)
    probe = _fit(features, values, NUMBER, kind="rbf-svm")
    peer = make_pipeline(StandardScaler(), SVR(C=probe.facts()["C"]))
    peer.fit(features, (values - values.mean()) / values.std())
    np.testing.assert_allclose(probe.predict(features), peer.predict(features) * values.std() + values.mean(), atol=0.1)


@pytest.mark.parametrize("kind", ["linear", "rbf-svm"])
@pytest.mark.parametrize("task", [BINARY, THREE])
def test_planted_signal_is_found_and_shuffled_labels_give_chance(task, kind):
    features, labels = _data(300, 40, task)
    probe = _fit(features[:200], labels[:200], task, kind=kind)
    assert AUC().score(labels[200:], probe.predict(features[200:])) > 0.85
    areas = []
    for seed in range(4):
        shuffled = np.random.default_rng(seed).permutation(labels)
        probe = _fit(features[:200], shuffled[:200], task, kind=kind)
        areas.append(AUC().score(shuffled[200:], probe.predict(features[200:])))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.09)


@pytest.mark.parametrize("kind", ["linear", "rbf-svm"])
@pytest.mark.parametrize("task", [BINARY, NUMBER])
def test_each_scan_by_itself_and_the_same_twice(task, kind):
    features, targets = _data(80, 20, task)
    first, second = (_fit(features, targets, task, kind=kind) for _ in range(2))
    whole = first.predict(features)
    np.testing.assert_array_equal(whole, second.predict(features))
    np.testing.assert_array_equal(whole[5:6], first.predict(features[5:6]))


def test_numbers_are_found_in_their_units():
    features, values = _data(300, 40, NUMBER)
    for kind in ("linear", "rbf-svm"):
        found = _fit(features[:200], values[:200], NUMBER, kind=kind).predict(features[200:])
        assert np.corrcoef(found, values[200:])[0, 1] > 0.75
        assert np.abs(found - values[200:]).mean() < 0.75 * np.abs(values[:200].mean() - values[200:]).mean()


def test_few_scans_fall_back_and_say_so():
    for task in (BINARY, NUMBER):
        features, targets = _data(6, 20, task)
        probe = _fit(features, targets, task)
        assert "too few" in probe.facts()["note"]
        assert np.isfinite(probe.predict(features)).all()


def test_constant_features_and_targets_are_harmless():
    features, values = _data(40, 12, NUMBER)
    features[:, 4] = 7
    assert np.isfinite(_fit(features, values, NUMBER).predict(features)).all()
    np.testing.assert_allclose(_fit(features, np.full(40, 3.0), NUMBER).predict(features), 3)


def test_folds_of_numbers_cut_no_group():
    groups = np.repeat(np.arange(24), 3)
    folds = ValueAim().folds(np.arange(72.0), groups, seed=1)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(72))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
    assert ValueAim().folds(np.arange(72.0), groups // 4, seed=1) == []


def test_unknown_kind_is_refused():
    features, labels = _data(20, 5, BINARY)
    with pytest.raises(BadOption, match="forest"):
        _fit(features, labels, BINARY, kind="forest")
