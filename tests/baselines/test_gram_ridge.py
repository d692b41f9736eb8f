"""Ridge from moments gives what libraries give that hold all rows."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.baselines.gram_ridge import (
    Gathered,
    LinearMap,
    Moments,
    Spectrum,
    fit_folds,
    fit_leave_one_out,
    leave_one_out,
    solve,
    validate,
)

ALPHAS = np.array([1e6, 1e5, 1e4, 1e3, 1e2, 10, 1, 0.5, 0.1, 0.05, 0.01])
FOLDS = 5


def problem(rows: int = 400, columns: int = 30, targets: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated columns that are not centred, and targets from barely to well explained."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + 1
    x[:, :5] *= 0.05
    signal = x @ rng.normal(size=(columns, targets)) * np.logspace(-2, 0.3, targets)
    return x, signal + 4 * rng.normal(size=(rows, targets)) + 3


def in_folds(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> list[Moments]:
    out = []
    for number in range(fold.max() + 1):
        moments = Moments.none(x.shape[1], y.shape[1])
        for part in np.array_split(np.flatnonzero(fold == number), 3):  # as runs come
            moments.add(x[part], y[part])
        out.append(moments)
    return out


def uneven_folds(rows: int) -> np.ndarray:
    return np.sort(np.random.default_rng(1).choice(FOLDS, rows, p=[0.1, 0.3, 0.2, 0.15, 0.25]))


def test_folds_choose_and_solve_as_himalaya() -> None:
    himalaya = pytest.importorskip("himalaya.ridge")
    from sklearn.model_selection import PredefinedSplit

    x, y = problem()
    fold = uneven_folds(len(x))
    cv = PredefinedSplit(fold)
    peer = himalaya.RidgeCV(ALPHAS, fit_intercept=True, cv=cv).fit(x, y)
    ours, r = fit_folds(in_folds(x, y, fold), ALPHAS)
    np.testing.assert_allclose(ours.alphas, peer.best_alphas_, rtol=1e-6)
    assert len(set(ours.alphas)) > 3
    np.testing.assert_allclose(ours.weights, peer.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.offset, peer.intercept_, atol=1e-5)
    assert r[0] < 0.5 < 0.9 < r[-1]


def test_scores_of_folds_are_those_of_predictions_over_time() -> None:
    from sklearn.linear_model import Ridge

    x, y = problem(rows=150)
    fold = uneven_folds(len(x))
    found = validate(in_folds(x, y, fold), ALPHAS)
    for row, alpha in enumerate(ALPHAS):
        error, r = [], []
        for number in range(FOLDS):
            test = fold == number
            predicted = Ridge(alpha).fit(x[~test], y[~test]).predict(x[test])
            error.append(((predicted - y[test]) ** 2).mean(axis=0))
            r.append([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, y[test].T, strict=True)])
        np.testing.assert_allclose(found.error[row], np.mean(error, axis=0), rtol=1e-5)
        np.testing.assert_allclose(found.r[row], np.mean(r, axis=0), atol=1e-5)


@pytest.mark.parametrize("rows", [400, 45])
def test_leave_one_out_chooses_and_solves_as_scikit_learn(rows: int) -> None:
    from sklearn.linear_model import RidgeCV

    x, y = problem(rows)
    blocks = lambda: ((x[k : k + 70], y[k : k + 70]) for k in range(0, rows, 70))  # noqa: E731
    peer = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, y)
    ours = fit_leave_one_out(blocks, x.shape[1], y.shape[1], ALPHAS)
    np.testing.assert_array_equal(ours.alphas, peer.alpha_)
    assert len(set(ours.alphas)) > 3
    np.testing.assert_allclose(ours.weights, peer.coef_.T, atol=1e-5)
    np.testing.assert_allclose(ours.offset, peer.intercept_, atol=1e-4)


def test_leave_one_out_errors_are_those_of_as_many_fits() -> None:
    from sklearn.linear_model import Ridge

    x, y = problem(rows=40, columns=6, targets=3)
    moments = Moments.none(6, 3)
    moments.add(x, y)
    found = leave_one_out(lambda: [(x, y)], Spectrum.of(moments), np.array([5.0]))[0]
    errors = []
    for row in range(len(x)):
        rest = np.arange(len(x)) != row
        errors.append((Ridge(5.0).fit(x[rest], y[rest]).predict(x[[row]])[0] - y[row]) ** 2)
    np.testing.assert_allclose(found, np.mean(errors, axis=0), rtol=1e-9)


def test_single_precision_rows_choose_as_double_precision_ones() -> None:
    x, y = problem()
    exact = fit_leave_one_out(lambda: [(x, y)], 30, 12, ALPHAS)
    single = x.astype(np.float32), y.astype(np.float32)
    rough = fit_leave_one_out(lambda: [single], 30, 12, ALPHAS)
    np.testing.assert_allclose(rough.weights, exact.weights, atol=2e-3 * np.abs(exact.weights).max())


def test_moments_add_subtract_and_scale() -> None:
    x, y = problem(rows=60, columns=5, targets=2)
    parts = in_folds(x, y, np.repeat([0, 1, 2], 20))
    rest = Moments.joined(parts).less(parts[1])
    keep = np.r_[:20, 40:60]
    scale = np.array([1, 2, 0, 0.5, 3])
    direct = Moments.none(5, 1)
    direct.add(x[keep] * scale, y[keep][:, [1]])
    told = rest.scaled(scale).of(np.array([False, True]))
    for name in ("count", "x", "y", "yy", "xx", "xy"):
        np.testing.assert_allclose(getattr(told, name), getattr(direct, name), atol=1e-9)


def test_subjects_of_different_lengths_share_products() -> None:
    x, y = problem(rows=50, columns=4, targets=3)
    gathered = Gathered(["a", "b", "c"], 2, 4, 3)
    gathered.add(0, x[:30], {"a": y[:30], "b": y[:27]})
    gathered.add(1, x[30:], {"b": y[30:49], "c": y[30:50]})
    for name, parts in {"a": [(0, 30), None], "b": [(0, 27), (30, 49)], "c": [None, (30, 50)]}.items():
        for found, part in zip(gathered.folds[name], parts, strict=True):
            direct = Moments.none(4, 3)
            if part:
                direct.add(x[slice(*part)], y[slice(*part)])
            assert found.count == direct.count
            np.testing.assert_allclose(found.xx, direct.xx, atol=1e-9)
            np.testing.assert_allclose(found.xy, direct.xy, atol=1e-9)


def test_columns_without_variance_get_no_weight_at_any_penalty() -> None:
    x, y = problem(rows=50, columns=4, targets=3)
    moments = Moments.none(6, 3)
    moments.add(np.column_stack([x, np.zeros(50), np.ones(50)]), y)
    found = solve(moments, np.full(3, 0.0))
    assert np.isfinite(found.weights).all()
    np.testing.assert_allclose(found.weights[4:], 0, atol=1e-6)
    residual = y - found(np.column_stack([x, np.zeros(50), np.ones(50)]))
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=1e-4)


def test_one_fold_takes_the_middle_penalty_and_tells_no_correlation() -> None:
    x, y = problem(rows=50, columns=4, targets=3)
    only, empty = in_folds(x, y, np.zeros(50, int))[0], Moments.none(4, 3)
    found, r = fit_folds([only, empty], [1.0, 100.0, 10.0])
    assert isinstance(found, LinearMap)
    assert set(found.alphas) == {10.0}
    assert np.isnan(r).all()


def test_constant_targets_have_correlation_zero() -> None:
    x, y = problem(rows=100, columns=4, targets=3)
    y[:, 1] = 7
    scores = validate(in_folds(x, y, np.repeat(np.arange(5), 20)), np.array([1.0]))
    assert scores.r[0, 1] == 0
    np.testing.assert_allclose(scores.error[0, 1], 0, atol=1e-9)
