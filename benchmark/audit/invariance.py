"""L5, L6, L8, L14, L15: what is learned must not change with the test set.

A fold is run twice in the real worker process, once with half of its test items replaced by noise
(same shapes, other values, other covariates). Predictions of the other half, and weights that the
method leaves, must be the same bit for bit: a scaler, reference, harmonisation or regression that
saw test items would change them, and so would a look into the staged test file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import digest_file
from ..items import Items
from ..kinds import get_kind
from .bench import Answer, Ask, Bench
from .detector import LABELLED, Case, Detector, Result

COVERED = (*LABELLED, "captioning", "description", "reasoning", "reconstruction", "localisation")

WEIGHTS = (".safetensors", ".pt", ".pth", ".npz", ".npy", ".bin")
"""Endings of files that hold weights; others may hold times and paths."""

MAX_BYTES = 1 << 30
"""Noise that is held in memory; of larger test items fewer are replaced."""

INVARIANCE = Detector(
    "L5, L6, L8, L14, L15",
    "invariance",
    "predictions and saved weights of one fold, with half of its test items replaced by noise",
    covers=COVERED,
)


def invariance(case: Case, bench: Bench) -> Result:
    """Run one fold on the true test set and on one that is half noise, and compare bit for bit."""
    if case.task.kind not in COVERED:
        return INVARIANCE.not_covered(f"items of {case.task.kind} are predicted apart or have no order of their own")
    name, (_, test) = min(case.folds.items(), key=lambda fold: len(fold[1][0]))
    if len(test) < 2:
        return INVARIANCE.not_covered("a test set of one item: nothing can be replaced beside it")
    noisy, replaced = with_noise(case, test)
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place, run) for run in ("true", "noise", "again")]
        asks = [
            Ask("true", case.task, case.items, case.split, name, folders[0]),
            Ask("noise", case.task, noisy, case.split, name, folders[1]),
        ]
        answers = _run(case, bench, asks)
        if broken := next((answer for answer in answers.values() if answer.outcome.status != "ok"), None):
            return _failed(broken)
        untouched = [item for item in answers["true"].ids if item not in replaced]
        moved = _differ(answers["true"], answers["noise"], untouched)
        weights = differing_weights(folders[0], folders[1])
        if moved or weights:
            again = _run(case, bench, [Ask("again", case.task, case.items, case.split, name, folders[2])])["again"]
            if again.outcome.status != "ok":
                return _failed(again)
            if _differ(answers["true"], again, untouched) or differing_weights(folders[0], folders[2]):
                return INVARIANCE.note(
                    "two runs on the same data differ: the method is not deterministic, so nothing can be told"
                )
        saved = sum(file.suffix in WEIGHTS for file in folders[0].rglob("*"))
    return _verdict(name, len(replaced), len(untouched), moved, weights, saved)


def _verdict(fold: str, replaced: int, untouched: int, moved: int, weights: list[str], saved: int) -> Result:
    """The comparison in words."""
    figures = {"replaced": replaced, "untouched": untouched, "moved": moved, "weights": len(weights)}
    if moved:
        return INVARIANCE.leak(
            f"{fold}: {moved} of {untouched} untouched test items are predicted differently when {replaced} others "
            "are replaced by noise: the test set is used for more than predicting each item",
            **figures,
        )
    if weights:
        return INVARIANCE.leak(f"{fold}: saved weights change with the test set: {', '.join(weights)}", **figures)
    told = f", and {saved} weight files are" if saved else "; the method saves no weights"
    return INVARIANCE.ok(
        f"{fold}: predictions of {untouched} items are the same bit for bit with {replaced} others replaced{told}",
        **figures,
    )


def _run(case: Case, bench: Bench, asks: list[Ask]) -> dict[str, Answer]:
    answers = {}
    for number, answer in enumerate(bench.run(asks)):
        answers[answer.ask.name] = answer
        case.progress("invariance", number + 1, len(asks))
    return answers


def _failed(answer: Answer) -> Result:
    """The finding where a cell did not end well."""
    reason = f"the {answer.ask.name} run {answer.outcome.status}: {answer.outcome.reason}"
    if answer.ask.name == "noise":
        return INVARIANCE.note(f"{reason}; it ran on the true test set, so one item's content reaches the others' row")
    return INVARIANCE.not_covered(reason)


def _differ(one: Answer, other: Answer, ids: list[str]) -> int:
    """Number of items whose predictions are not the same bit for bit."""
    place = [{item: row for row, item in enumerate(answer.ids)} for answer in (one, other)]
    return sum(
        not np.array_equal(np.asarray(one.prediction[place[0][item]]), np.asarray(other.prediction[place[1][item]]))
        for item in ids
    )


def differing_weights(one: Path, other: Path) -> list[str]:
    """Weight files of two folders that differ or that only one holds."""
    names = {str(file.relative_to(root)) for root in (one, other) for file in root.rglob("*") if file.suffix in WEIGHTS}
    return sorted(name for name in names if not _same_file(one / name, other / name))


def _same_file(one: Path, other: Path) -> bool:
    """Equal bytes; equal arrays for .npz, which holds times."""
    if not (one.is_file() and other.is_file()):
        return False
    if digest_file(one) == digest_file(other):
        return True
    if one.suffix != ".npz":
        return False
    with np.load(one, allow_pickle=False) as a, np.load(other, allow_pickle=False) as b:
        return set(a.files) == set(b.files) and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a.files)


def with_noise(case: Case, test: np.ndarray) -> tuple[Items, set[str]]:
    """The items with half of the test rows replaced by noise, and the ids of these rows."""
    rng = np.random.default_rng(case.seed)
    names = [name for name in case.items.arrays if _is_input(case, name)]
    arrays = {name: list(values) for name, values in case.items.arrays.items()}
    replaced, size = [], 0
    for row in rng.permutation(test)[: max(1, len(test) // 2)]:
        replaced.append(int(row))
        for name in names:
            if arrays[name][row] is not None:
                arrays[name][row] = noise_like(case.items.read(name, int(row)), rng)
                size += arrays[name][row].nbytes
        if size > MAX_BYTES:
            break
    table = case.table.copy()
    for name in case.task.covariates:
        if name in table and name not in ("tr", "frames"):
            table[name] = _other_values(table[name], np.array(replaced), rng)
    return Items(table, arrays, case.items.meta), {str(case.table.index[row]) for row in replaced}


def _is_input(case: Case, name: str) -> bool:
    """Whether an array is shown to methods."""
    inputs = get_kind(case.task.kind).inputs
    return name in inputs or name.startswith(tuple(field for field in inputs if field.endswith(("/", ":"))) or "\0")


def noise_like(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of the same shape and type, three times as wide and away from the array's mean."""
    values = np.nan_to_num(array.astype(np.float64))
    spread = float(values.std()) or 1.0
    noise = values.mean() + spread + 3 * spread * rng.normal(size=array.shape)
    if np.issubdtype(array.dtype, np.integer):
        noise = noise.round()
    limits = np.finfo(array.dtype) if np.issubdtype(array.dtype, np.floating) else np.iinfo(array.dtype)
    out: np.ndarray = np.clip(noise, float(limits.min), float(limits.max)).astype(array.dtype)
    return out


def _other_values(column: pd.Series, rows: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """A covariate with values of other people in some rows, and numbers moved besides."""
    column = column.copy()
    known = column[column.notna()].to_numpy()
    if not len(known):
        return column
    drawn = rng.choice(known, len(rows))
    if pd.api.types.is_float_dtype(column):
        drawn = drawn + float(np.std(known.astype(float))) * (1 + rng.random(len(rows)))
    column.iloc[rows] = drawn
    return column
