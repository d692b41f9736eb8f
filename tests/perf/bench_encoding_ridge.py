"""Ridge from films to 1,000 parcels at the challenge's size: ours beside himalaya and scikit-learn.

Run: ``python tests/perf/bench_encoding_ridge.py``. One subject, about 65 hours (157,000 TRs in 270 runs), five streams
of 64 components at five delays (1,600 columns), ten penalties, one for each parcel. Every case is a process of its own,
reads the same reduced streams and responses, and ends with weights; the penalties and weights must agree with ours.

himalaya multiplies held-out rows by training rows: with five folds at full size that is 16 GB and an hour, so at full
size one film is held out, and five folds are compared on the first 10,000 TRs. scikit-learn has no penalty for each
parcel with folds; its loop runs over penalties (and folds), 20 parcels at once, and by leave-one-out it is asked for 20
parcels, where ours does all.

Data are random with the same autocorrelation in every stream; ``--twin FOLDER`` takes a simulated cohort instead, and
tells what reducing its streams takes. ``--trs N`` takes fewer, ``--only WORD`` the cases that hold a word,
``--threads N`` other than two threads.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bounds import bound
from tabulate import tabulate
from turns import apart

TRS, RUN, STREAMS, COMPONENTS, DELAYS, PARCELS, FEW = 157_000, 580, 5, 64, 5, 1000, 20
SHORT, FOLDS, FILM = 10_000, 5, 0.03
ALPHAS = np.logspace(1, 7, 10)
FOLDER = "BRAINBENCH_BENCH_RIDGE"
AGREE = 0.98
"""Share of parcels whose penalty must be that of the peer."""


def make(folder: Path, trs: int) -> None:
    """Write random streams and responses, run by run."""
    rng = np.random.default_rng(0)
    columns, sizes = STREAMS * COMPONENTS, np.linspace(2, 0.3, COMPONENTS)
    weights = rng.normal(size=(columns, PARCELS)).astype(np.float32) / np.sqrt(columns) / 3
    lengths = [RUN] * (trs // RUN)
    with open(folder / "streams.f32", "wb") as streams, open(folder / "responses.f32", "wb") as responses:
        for length in lengths:
            x = rng.standard_normal((length, columns), np.float32)
            for t in range(1, length):
                x[t] += 0.7 * x[t - 1]
            x *= np.tile(sizes, STREAMS).astype(np.float32)
            y = 2 * rng.standard_normal((length, PARCELS), np.float32)
            y[3:] += x[:-3] @ weights
            streams.write(x.tobytes())
            responses.write(y.tobytes())
    (folder / "lengths.json").write_text(json.dumps(lengths))


def make_from_twin(folder: Path, twin: Path) -> None:
    """Reduce the streams of a cohort's measured runs and write them beside the first subject's responses."""
    from brainbench.baselines.encoding_rows import used_streams
    from brainbench.baselines.stream_pca import reduced_streams
    from brainbench.benchmark.contracts import Context
    from brainbench.benchmark.datasets.movies import MovieCohort
    from brainbench.benchmark.kinds import get_kind
    from brainbench.benchmark.registry import load_task

    task = load_task("algonauts2025-friends")[0]
    assert task.derive is not None
    items = task.derive(MovieCohort.open(twin).items())
    items = items.take(np.flatnonzero(items.table["set"] == "train"))
    kind = get_kind("encoding")
    runs, measured = kind.view(items, task.info), kind.targets(items, task.info)
    start, busy = time.perf_counter(), time.process_time()
    wanted = dict.fromkeys(used_streams(runs, ""), COMPONENTS)
    reduced = reduced_streams(runs, wanted, Context(task.info, 0, folder), evened=True)
    wall, processor = time.perf_counter() - start, time.process_time() - busy
    rows = sum(measured.frames(row, runs.subjects[0]) for row in range(len(runs)))
    print(f"reducing {len(wanted)} streams of {rows} TRs: {wall:.0f} s, {processor:.0f} processor s, {peak():.2f} GB")
    lengths = []
    with open(folder / "streams.f32", "wb") as streams, open(folder / "responses.f32", "wb") as responses:
        for row in range(len(runs)):
            if not (frames := measured.frames(row, runs.subjects[0])):
                continue
            held = reduced.train(row)
            at = np.arange(frames)
            parts = [held[name][np.minimum(at, len(held[name]) - 1)] for name in wanted]
            streams.write(np.concatenate(parts, axis=1).tobytes())
            responses.write(measured.read(row, runs.subjects[0]).tobytes())
            lengths.append(frames)
    (folder / "lengths.json").write_text(json.dumps(lengths))


def runs(limit: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs (time, 1600) and responses (time, parcel) of each run, float32, of the first TRs alone if asked."""
    from brainbench.baselines.encoding_rows import Delays

    folder, width = Path(os.environ[FOLDER]), COMPONENTS
    design = Delays({str(number): width for number in range(STREAMS)}, DELAYS)
    total = 0
    with open(folder / "streams.f32", "rb") as streams, open(folder / "responses.f32", "rb") as responses:
        for length in json.loads((folder / "lengths.json").read_text()):
            x = np.fromfile(streams, np.float32, length * STREAMS * width).reshape(length, -1)
            y = np.fromfile(responses, np.float32, length * PARCELS).reshape(length, -1)
            parts = {str(number): x[:, number * width :][:, :width] for number in range(STREAMS)}
            yield design(parts, length), y
            total += length
            if limit and total >= limit:
                return


def fold_of(number: int, folds: int) -> int:
    """Fold of a run: dealt in turn, or 1 for the share of runs that make a film."""
    return number % folds if folds > 1 else int(number % round(1 / FILM) == 0)


def ours(folds: int, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Penalties (parcels,) and weights (1600, parcels) from moments."""
    from brainbench.baselines.gram_ridge import Moments, fit_folds, held_out, solve

    parts = [Moments.none(STREAMS * COMPONENTS * DELAYS, PARCELS) for _ in range(max(folds, 2))]
    for number, (x, y) in enumerate(runs(limit)):
        parts[fold_of(number, folds)].add(x, y)
    if folds > 1:
        found = fit_folds(parts, ALPHAS)[0]
    else:
        chosen = held_out(parts[0], parts[1], ALPHAS).best(ALPHAS)[0]
        found = solve(Moments.joined(parts), chosen)
    return found.alphas, found.weights


def ours_leave_one_out() -> tuple[np.ndarray, np.ndarray]:
    """The same by leave-one-out, as the challenge's baseline does."""
    from brainbench.baselines.gram_ridge import fit_leave_one_out

    found = fit_leave_one_out(lambda: runs(None), STREAMS * COMPONENTS * DELAYS, PARCELS, ALPHAS)
    return found.alphas, found.weights


def whole(limit: int | None, folds: int, parcels: int = PARCELS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All inputs, responses and the fold of each row; -1 for rows that are never held out, where one film is."""
    parts = [(x, y[:, :parcels].copy(), number) for number, (x, y) in enumerate(runs(limit))]
    rows = [np.full(len(x), fold_of(number, folds)) for x, _, number in parts]
    y = np.concatenate([part[1] for part in parts])
    x = np.empty((len(y), parts[0][0].shape[1]), np.float32)
    start = 0
    while parts:  # a run is let go as soon as it is copied
        part = parts.pop(0)[0]
        x[start : start + len(part)] = part
        start += len(part)
    fold = np.concatenate(rows)
    return x, y, fold if folds > 1 else np.where(fold == 1, 0, -1)


def himalaya(folds: int, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """himalaya's RidgeCV with one penalty in memory at a time."""
    from himalaya.ridge import RidgeCV
    from sklearn.model_selection import PredefinedSplit

    x, y, fold = whole(limit, folds)
    split = PredefinedSplit(fold)
    model = RidgeCV(ALPHAS, fit_intercept=True, cv=split, solver_params={"n_alphas_batch": 1}).fit(x, y)
    return np.asarray(model.best_alphas_), model.coef_


def scikit_learn(folds: int, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A loop over folds and penalties, 20 parcels at once."""
    from sklearn.linear_model import Ridge

    x, y, fold = whole(limit, folds, FEW)
    error = np.zeros((len(ALPHAS), FEW))
    for number in range(fold.max() + 1):
        train, test = fold != number, fold == number
        held, learned = x[test], x[train]
        for row, alpha in enumerate(ALPHAS):
            predicted = Ridge(alpha, solver="cholesky").fit(learned, y[train]).predict(held)
            error[row] += ((predicted - y[test]) ** 2).mean(axis=0)
        del learned
    chosen = ALPHAS[error.argmin(axis=0)]
    weights = np.empty((x.shape[1], FEW), np.float32)
    for alpha in np.unique(chosen):
        model = Ridge(alpha, solver="cholesky").fit(x, y[:, chosen == alpha])
        weights[:, chosen == alpha] = np.atleast_2d(model.coef_).T
    return chosen, weights


def scikit_learn_leave_one_out() -> tuple[np.ndarray, np.ndarray]:
    """RidgeCV by leave-one-out for 20 parcels."""
    from sklearn.linear_model import RidgeCV

    x, y, _ = whole(None, 1, FEW)
    model = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, y)
    return model.alpha_, model.coef_.T


CASES: dict[str, tuple[Callable[[], tuple[np.ndarray, np.ndarray]], str]] = {
    "ours, one film held out": (lambda: ours(1), ""),
    "himalaya, one film held out": (lambda: himalaya(1), "ours, one film held out"),
    "scikit-learn loop, 20 parcels, one film held out": (lambda: scikit_learn(1), "ours, one film held out"),
    "ours, 5 folds": (lambda: ours(FOLDS), ""),
    "ours, 5 folds, 10,000 TRs": (lambda: ours(FOLDS, SHORT), ""),
    "himalaya, 5 folds, 10,000 TRs": (lambda: himalaya(FOLDS, SHORT), "ours, 5 folds, 10,000 TRs"),
    "scikit-learn loop, 20 parcels, 5 folds, 10,000 TRs": (
        lambda: scikit_learn(FOLDS, SHORT),
        "ours, 5 folds, 10,000 TRs",
    ),
    "ours, leave-one-out": (ours_leave_one_out, ""),
    "scikit-learn, leave-one-out, 20 parcels": (scikit_learn_leave_one_out, "ours, leave-one-out"),
}
"""Case -> what makes its penalties and weights, and the case of ours that it stands beside."""


def peak() -> float:
    """Peak memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def case(name: str) -> None:
    """Print seconds, processor seconds and peak memory of one case, and leave its result."""
    start, busy = time.perf_counter(), time.process_time()
    alphas, weights = CASES[name][0]()
    wall, processor = time.perf_counter() - start, time.process_time() - busy
    np.savez(Path(os.environ[FOLDER]) / f"{name}.npz", alphas=alphas, weights=weights)
    print(json.dumps({"wall": wall, "processor": processor, "gb": peak(), "bound": least(name)}))


def least(name: str) -> float:
    """The bound of a case: products of inputs (symmetric) with themselves and with responses, once for each row."""
    rows = sum(json.loads((Path(os.environ[FOLDER]) / "lengths.json").read_text()))
    rows = min(rows, SHORT) if "10,000 TRs" in name else rows
    columns, parcels = STREAMS * COMPONENTS * DELAYS, FEW if "20 parcels" in name else PARCELS
    return bound(moved=4 * rows * (STREAMS * COMPONENTS + parcels), done=rows * columns * (columns + 2 * parcels))


def agreement(folder: Path, name: str, other: str) -> tuple[float, float]:
    """Share of parcels with the same penalty, and the correlation of their weights."""
    with np.load(folder / f"{name}.npz") as peer, np.load(folder / f"{other}.npz") as own:
        count = len(peer["alphas"])
        same = np.isclose(peer["alphas"], own["alphas"][:count], rtol=1e-3)
        a, b = peer["weights"][:, same].ravel(), own["weights"][:, :count][:, same].ravel()
        return float(same.mean()), float(np.corrcoef(a, b)[0, 1])


def table(wanted: list[str], folder: Path) -> tuple[list[list[Any]], bool]:
    """A row a case, and whether all peers agree with ours."""
    rows, good, known = [], True, {}
    for name in wanted:
        found = known[name] = apart(__file__, name)
        row = [name, found["wall"], found["processor"], found["gb"], found["bound"], found["bound"] / found["wall"]]
        if (other := CASES[name][1]) in known:
            same, r = agreement(folder, name, other)
            good &= same >= AGREE and r > 0.999
            row += [*(found[key] / known[other][key] for key in ("wall", "processor", "gb")), same, r]
        rows.append(row)
        print(f"{name}: {found}", flush=True)
    return rows, good


def main() -> None:
    """Print a table; the exit status says whether all agree."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trs", type=int, default=TRS)
    parser.add_argument("--twin", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case")
    parser.add_argument("--only", default="", help="cases that hold this word")
    told = parser.parse_known_args()[0]
    if told.case:
        case(told.case)
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(told.threads)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        if told.twin:
            make_from_twin(Path(folder), told.twin)
        else:
            make(Path(folder), told.trs)
        rows, good = table([name for name in CASES if told.only in name], Path(folder))
    heads = [
        "case", "seconds", "processor s", "GB", "bound s", "share of bound", "times ours: seconds", "processor s", "GB",
        "same penalty", "r",
    ]  # fmt: skip
    print(
        f"{STREAMS * COMPONENTS * DELAYS} columns, {PARCELS} parcels, {len(ALPHAS)} penalties, {told.threads} threads"
    )
    print(tabulate(rows, heads, floatfmt=".3g"))
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
