"""What real data hold sooner or later: short scans, dead ROIs, NaN, few of a class; and weights that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from .compare import judge
from .planted import Planted
from .trials import Answer, Trial
from .verdict import Verdict, fault, not_covered, note, ok

if TYPE_CHECKING:
    from .checks import Bench

SURVIVES, FEW, WEIGHTS = "survives", "few labels", "weights"
TOUCHED = 2
"""Test items that a trouble may touch: the first so many."""

SPOILT = 0.05
"""Share of shuffled pairings that may score as high on the items that no trouble touches."""

PICKLES = (".pkl", ".pickle", ".joblib", ".dill")

Found = Mapping[str, Answer]


def trials(bench: Bench, base: Answer) -> list[Trial]:
    """All troubles at once, few labels, and a start from the weights that the first run left."""
    planted = bench.planted
    out = [Trial(SURVIVES, _with(planted, *planted.troubles))]
    if planted.few:
        out.append(Trial(FEW, planted, train=planted.few))
    if bench.method.takes_checkpoint and any(base.saved.rglob("*")):
        out.append(Trial(WEIGHTS, planted, checkpoint=base.saved))
    return out


def _with(planted: Planted, *names: str) -> Planted:
    """The data with these troubles."""
    return replace(planted, items=reduce(lambda items, name: planted.troubles[name](items), names, planted.items))


def verdicts(bench: Bench, base: Answer, found: Found, learns: bool) -> Iterator[Verdict]:
    """One line for each trouble where there is any, else one for all."""
    yield from troubles(bench, found[SURVIVES], learns)
    yield few(found.get(FEW))
    yield weights(bench, base, found.get(WEIGHTS))


def troubles(bench: Bench, answer: Answer, learns: bool) -> Iterator[Verdict]:
    """Whether troubled items are predicted, and the others as well as before."""
    names = list(bench.planted.troubles)
    if answer.ok and not _spoilt(answer, learns):
        yield ok(SURVIVES, f"{', '.join(names)}: all items are predicted, and what is planted is still found")
        return
    alone = bench.trials.run([Trial(f"{SURVIVES} {name}", _with(bench.planted, name)) for name in names])
    broken = []
    for name, one in zip(names, alone, strict=True):
        verdict = _trouble(name, one, learns, name in bench.planted.refused)
        broken.append(verdict.level != "ok")
        yield verdict
    if not any(broken):
        told = answer.told if not answer.ok else "the planted signal is lost"
        yield note(SURVIVES, f"{', '.join(names)} each by itself, but not all together: {told}")


def _trouble(name: str, answer: Answer, learns: bool, refused: bool) -> Verdict:
    """One trouble by itself; where imports refuse it, a method need not bear it."""
    if answer.ok:
        if spoilt := _spoilt(answer, learns):
            return fault(SURVIVES, f"{name} of a few items spoil the predictions of the others: {spoilt}", _hint(name))
        return ok(SURVIVES, name)
    if answer.foreseen:
        return note(SURVIVES, f"{name}: it refuses all items of the fold: {answer.told}", _hint(name))
    if refused:
        return note(SURVIVES, f"{name}, which no import lets in: {answer.told}", _hint(name))
    return fault(SURVIVES, f"{name}: {answer.told}", _hint(name))


def _hint(name: str) -> str:
    return {
        "NaN": "imports fill or refuse NaN, data of other plugins may hold it: np.nan_to_num, or a mask",
        "constant ROIs": "divide by a standard deviation only where it is not 0; a correlation with such an ROI is 0",
        "constant voxels": "divide by a standard deviation only where it is not 0",
        "constant features": "divide by a standard deviation only where it is not 0",
        "short scans": "pad, or compute over the frames that there are: scans differ in length",
    }.get(name, "real data hold this")


def _spoilt(answer: Answer, learns: bool) -> str:
    """How badly the items that no trouble touches are predicted, where it matters; else ""."""
    ids = answer.trial.planted.test[TOUCHED:]
    found = judge(answer, ids)
    return str(found) if learns and found.p > SPOILT else ""


def few(answer: Answer | None) -> Verdict:
    """Whether a class (or brain, or film) of few is enough to go on."""
    if answer is None:
        return not_covered(FEW, "nothing is learned from labels")
    count = len(answer.trial.train or ())
    if answer.ok:
        return ok(FEW, f"learns from {count} items, with few of one sort among them")
    if answer.foreseen:
        return note(FEW, f"{count} items, with few of one sort, are refused: {answer.told}")
    return fault(
        FEW, f"{count} items, with few of one sort: {answer.told}",
        "with fewer of a class than inner folds, fall back to fixed settings and say so in report()",
    )  # fmt: skip


def weights(bench: Bench, base: Answer, answer: Answer | None) -> Verdict:
    """Whether weights are left without pickles, finite, and can be started from."""
    saved = sorted(file for file in base.saved.rglob("*") if file.is_file())
    if pickled := [file.name for file in saved if file.suffix in PICKLES]:
        return fault(WEIGHTS, f"{', '.join(pickled)}: pickles can hold code", "keep weights as .npz or .safetensors")
    if bad := [file.name for file in saved if not _finite(file)]:
        return fault(WEIGHTS, f"{', '.join(bad)}: holds values that are not finite", "look at the loss while it learns")
    if not bench.method.takes_checkpoint:
        if saved:
            hint = "set takes_checkpoint = True and start from context.checkpoint, or do not save"
            return note(WEIGHTS, f"leaves {len(saved)} files in context.save, and cannot start from them", hint)
        return ok(WEIGHTS, "keeps none")
    if answer is None:
        return note(WEIGHTS, "takes a checkpoint, and leaves none in context.save when it is fitted")
    if not answer.ok:
        return fault(WEIGHTS, f"cannot start from the weights that it left: {answer.told}")
    return ok(WEIGHTS, f"left in {len(saved)} files, and a new process starts from them: {judge(answer)}")


def _finite(file: object) -> bool:
    """Whether the arrays of a .npz or .npy file are finite; other files are not looked into."""
    path = str(file)
    if not path.endswith((".npz", ".npy")):
        return True
    with open(path, "rb") as stream:
        held = np.load(stream, allow_pickle=False)
        arrays = [held] if isinstance(held, np.ndarray) else [held[name] for name in held.files]
    return all(np.isfinite(one).all() for one in arrays if one.dtype.kind == "f")
