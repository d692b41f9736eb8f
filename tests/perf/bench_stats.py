"""Intervals by bootstrap, calibration and identification: ours beside loops and torchmetrics.

Run: ``python tests/perf/bench_stats.py``; with ``torchmetrics`` installed its BootStrapper is run too. 2,000 resamples
of subjects, scores with ties. The bound of a bootstrap is that of writing each resample's counts (2 bytes a subject)
and reading them once; that of identification, its one product of 982 x 982 vectors of 768.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from bounds import Row, bound, race, table
from sklearn.metrics import roc_auc_score

from brainbench.benchmark.metrics.classification import AUC, CalibrationError
from brainbench.benchmark.metrics.identification import likeness_of, two_way
from brainbench.benchmark.stats import RESAMPLES, Scored, bootstrap

IMAGES, WIDTH = 982, 768


def scored(n: int) -> Scored:
    """Subjects of two classes, half of them well told apart."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(n) % 2)
    score = np.clip(np.round(0.7 * rng.random(n) + 0.3 * truth, 2), 0, 1)
    return Scored(truth, np.c_[1 - score, score], [str(i) for i in range(n)])


def loop(fold: Scored, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of scikit-learn's AUC by resampling subjects one resample at a time."""
    rng, n = np.random.default_rng(seed), len(fold.truth)
    rows = (rng.integers(0, n, n) for _ in range(RESAMPLES))
    score = fold.prediction[:, 1]
    low, high = np.quantile([roc_auc_score(fold.truth[row], score[row]) for row in rows], [0.025, 0.975])
    return float(low), float(high)


def torchmetrics_interval(fold: Scored, metric: str) -> tuple[float, float]:
    """The same by torchmetrics, of one of its binary metrics."""
    import torch
    from torchmetrics import classification
    from torchmetrics.wrappers import BootStrapper

    options = {"n_bins": 15} if metric == "BinaryCalibrationError" else {}
    torch.manual_seed(0)
    tails, one = torch.tensor([0.025, 0.975]), getattr(classification, metric)(**options)
    strapper = BootStrapper(one, RESAMPLES, sampling_strategy="multinomial", quantile=tails)
    strapper.update(torch.from_numpy(fold.prediction[:, 1]).float(), torch.from_numpy(fold.truth))
    low, high = strapper.compute()["quantile"].tolist()
    return low, high


def intervals(n: int) -> list[Row]:
    """AUC with its interval for n subjects."""
    fold = scored(n)
    said: dict[str, tuple[float, float]] = {}
    cases: dict[str, Callable[[], object]] = {"scikit-learn loop": lambda: said.update(loop=loop(fold))}
    if importlib.util.find_spec("torchmetrics"):
        cases["torchmetrics"] = lambda: said.update(torchmetrics=torchmetrics_interval(fold, "BinaryAUROC"))
    ours, seconds = race({"": lambda: bootstrap(AUC(), [fold])}, 5)[""], race(cases, 1)
    found = bootstrap(AUC(), [fold])
    told = ", ".join(f"{name} {low:.3f} to {high:.3f}" for name, (low, high) in said.items())
    print(f"{n} subjects: ours {found.low:.3f} to {found.high:.3f}, {told}")
    least = bound(moved=RESAMPLES * n * 4)
    return [Row(f"AUC with interval, {n} subjects", name, ours, seconds[name], least) for name in cases]


def calibration(n: int) -> list[Row]:
    """ECE with its interval."""
    fold = scored(n)
    cases = {"ours": lambda: bootstrap(CalibrationError(), [fold])}
    if importlib.util.find_spec("torchmetrics"):
        cases["torchmetrics"] = lambda: torchmetrics_interval(fold, "BinaryCalibrationError")
    seconds, peers = race(cases, 2), [name for name in cases if name != "ours"] or [""]
    case, least = f"ECE with interval, {n} subjects", bound(moved=RESAMPLES * n * 4)
    return [Row(case, peer, seconds["ours"], seconds.get(peer, float("nan")), least) for peer in peers]


def identification() -> list[Row]:
    """Two-way identification from the vectors of all images."""
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((IMAGES, WIDTH), dtype=np.float32)
    found = seen + 5 * rng.standard_normal((IMAGES, WIDTH), dtype=np.float32)

    def stacked() -> float:
        block = np.corrcoef(seen, found)[:IMAGES, IMAGES:]
        return float(np.mean((block < np.diag(block)).sum(0)) / (IMAGES - 1))

    cases = {"ours": lambda: float(two_way(likeness_of(seen, found).matrix).mean()), "stacked corrcoef": stacked}
    np.testing.assert_allclose(cases["ours"](), stacked(), atol=1e-6)
    seconds = race(cases, 5)
    least = bound(moved=2 * seen.nbytes + 8 * IMAGES**2, done=2 * IMAGES**2 * WIDTH)
    return [Row("two-way identification, 982", "stacked corrcoef", seconds["ours"], seconds["stacked corrcoef"], least)]


def main() -> None:
    """Print the intervals, which must agree, and the table."""
    rows = [row for n in (200, 1000, 5000) for row in intervals(n)]
    print(table([*rows, *calibration(1000), *identification()]))


if __name__ == "__main__":
    main()
