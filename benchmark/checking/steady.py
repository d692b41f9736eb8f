"""Does it learn, does the same seed give the same, and is each item predicted by itself?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..audit.invariance import noise_like
from ..items import Items
from ..kinds import get_kind
from .compare import TOLERANCE, judge, moved
from .planted import Planted, with_truth_of
from .trials import Answer, Trial
from .verdict import Verdict, fault, note, ok

if TYPE_CHECKING:
    from .checks import Bench

LEARNS, SAME, SEEDS, ALONE = "learns", "same seed", "other seed", "each item alone"
CHANCE = 0.01
"""Share of shuffled pairings that may score as high as a method which has learned something."""

ROUNDING = 1e-5
"""Difference between two runs with one seed, as a share of the spread, that is told as rounding."""

Found = Mapping[str, Answer]


def learned(base: Answer) -> Verdict:
    """Whether the planted signal is found."""
    found = judge(base)
    if found.p <= CHANCE:
        return ok(LEARNS, f"finds what is planted: {found}", score=found.score, chance=found.chance, p=found.p)
    constant = not moved_within(base)
    told = "it predicts the same for every item" if constant else "its predictions do not follow the truth"
    return fault(
        LEARNS, f"finds nothing of a strong planted signal: {found}; {told}",
        "right for a floor that reads no input; of a model, look at how labels and items are paired in fit",
        score=found.score, chance=found.chance, p=found.p,
    )  # fmt: skip


def moved_within(base: Answer) -> bool:
    """Whether any two items are predicted differently."""
    from .compare import distance, item

    first = item(base.prediction, 0)
    return any(distance(first, item(base.prediction, row)) > 0 for row in range(1, len(base.ids)))


def trials(bench: Bench) -> list[Trial]:
    """The runs that the verdicts below compare with the first."""
    planted = bench.planted
    swapped = with_truth_of(planted.items, np.roll(np.arange(len(planted.items)), 1), planted.task)
    out = [Trial(SAME, planted, bait=swapped), Trial(SEEDS, planted, seed=1)]
    if not get_kind(planted.task.kind).apart:
        out.append(_company(bench, ALONE, {"order", "noise", "fewer", "covariates"}))
    return out


def same_seed(bench: Bench, base: Answer, found: Found) -> Iterator[Verdict]:
    """The same cell in another process; the labels that lie about were other ones."""
    again = found[SAME]
    if not again.ok:
        yield fault(SAME, f"the same run ended otherwise in another process: {again.told}")
        return
    if not moved(base, again).max():
        yield ok(SAME, "the same predictions bit for bit in another process")
        return
    (third,) = bench.trials.run([Trial("third run", bench.planted)])
    largest = float(moved(base, third).max()) if third.ok else float("inf")
    if not largest:
        yield fault(
            "labels", "predictions change when the labels that lie in $BRAINBENCH_HOME and $BRAINBENCH_STORE change",
            "read nothing but what fit and predict are given",
        )  # fmt: skip
    elif largest < ROUNDING:
        yield note(SAME, f"two runs differ by {largest:.0e} of the predictions' spread, which is rounding")
    else:
        yield fault(
            SAME, f"two runs with one seed differ by {_share(largest)}",
            "take all randomness from context.seed: np.random.default_rng(context.seed), random_state=context.seed, "
            "torch.manual_seed(context.seed); do not loop over sets, whose order changes from process to process",
            moved=largest,
        )  # fmt: skip


def other_seed(bench: Bench, base: Answer, found: Found) -> Verdict:
    """Whether `Method.seeded` tells the truth."""
    other = found[SEEDS]
    if not other.ok:
        return fault(SEEDS, f"seed 1 ended otherwise than seed 0: {other.told}")
    largest = float(moved(base, other).max())
    if largest > ROUNDING and not bench.method.seeded:
        return fault(
            SEEDS, f"seeded = False, and yet another seed moves predictions by {_share(largest)}", "set seeded = True"
        )
    if largest == 0 and bench.method.seeded:
        return note(
            SEEDS, "another seed gives the same predictions", "set seeded = False: it is then run once, not once a seed"
        )
    told = f"moves predictions by {_share(largest)}" if largest else "changes nothing, as seeded = False says"
    return ok(SEEDS, f"another seed {told}", moved=largest)


def _share(moved: float) -> str:
    """A difference in words."""
    return "other words or shapes" if np.isinf(moved) else f"{moved:.2g} of their spread"


WAYS = {
    "order": "when the test items stand in another order",
    "noise": "when other test items hold noise",
    "fewer": "when fewer test items stand beside them",
    "covariates": "when covariates change, though the card says that none is read",
}
HINTS = {
    "order": "predict each item from its own input: neither its position nor a generator that runs over items",
    "noise": "fit scalers, references and batch statistics in fit: model.eval() before predicting",
    "fewer": "do not standardise over the test set; model.eval() before predicting",
    "covariates": 'name what is read on the card: uses_covariates = ("age", "site")',
}


def company(bench: Bench, base: Answer, found: Found) -> Iterator[Verdict]:
    """Whether an item's prediction depends on which others are tested with it."""
    if ALONE not in found:
        yield ok(ALONE, "each item is predicted by a method object of its own")
        return
    both, kept = found[ALONE], kept_items(bench.planted)
    if both.ok and moved(base, both, kept).max() <= TOLERANCE:
        told = "order, noise beside them" + (", covariates" if "covariates" in _ways(bench) else "")
        yield ok(ALONE, f"{len(kept)} items keep their predictions in another company: {told}")
        return
    ways = [way for way in WAYS if way in _ways(bench)]
    answers = bench.trials.run([_company(bench, f"{ALONE}, {way}", {way}) for way in ways])
    faults = [verdict for way, answer in zip(ways, answers, strict=True) for verdict in _way(way, base, answer, kept)]
    yield from faults
    if not faults:
        yield note(ALONE, "predictions move in another company, and no single change of it moves them")


def kept_items(planted: Planted) -> tuple[str, ...]:
    """The test items whose predictions are compared; the others change."""
    return planted.test[len(planted.test) // 2 :]


def _way(way: str, base: Answer, answer: Answer, kept: Sequence[str]) -> Iterator[Verdict]:
    """A fault where one change of the company changes the predictions of the kept items."""
    if not answer.ok:
        yield fault(ALONE, f"{WAYS[way]} it ends otherwise: {answer.told}", HINTS[way])
        return
    difference = moved(base, answer, kept)
    if difference.max() > TOLERANCE:
        count, largest = int((difference > TOLERANCE).sum()), float(difference.max())
        yield fault(
            ALONE, f"{count} of {len(kept)} items are predicted differently {WAYS[way]} (by {_share(largest)})",
            HINTS[way], moved=largest,
        )  # fmt: skip


def _ways(bench: Bench) -> set[str]:
    """What can be changed."""
    quiet = bench.method.card.uses_covariates or not bench.planted.task.covariates
    return {"order", "noise", "fewer"} | (set() if quiet else {"covariates"})


def _company(bench: Bench, name: str, ways: set[str]) -> Trial:
    """A run in which the kept test items stand in another company. `WAYS` says in which."""
    planted, ways = bench.planted, ways & _ways(bench)
    kept = kept_items(planted)
    others = planted.test[: len(planted.test) - len(kept)]
    if "fewer" in ways:
        others = others[len(others) // 2 :]
    items = planted.items
    if "noise" in ways:
        items = _with_noise(planted, items, planted.rows(others))
    if "covariates" in ways:
        items = _with_covariates(planted, items, planted.rows(kept))
    order = "another order" if "order" in ways else ""
    return Trial(name, replace(planted, items=items), test=(*others, *kept), order=order)


def _with_noise(planted: Planted, items: Items, rows: np.ndarray) -> Items:
    """The items with noise for inputs in some rows."""
    rng = np.random.default_rng(7)
    inputs = get_kind(planted.task.kind).inputs
    families = tuple(name for name in inputs if name.endswith(("/", ":"))) or ("\0",)
    arrays = {name: list(values) for name, values in items.arrays.items()}
    for name, values in arrays.items():
        if name in inputs or name.startswith(families):
            for row in rows:
                if values[row] is not None:
                    values[row] = noise_like(items.read(name, int(row)), rng)
    return Items(items.table, arrays, items.meta)


def _with_covariates(planted: Planted, items: Items, rows: np.ndarray) -> Items:
    """The items with other values of the covariates that the task shows, in some rows."""
    table = items.table.copy()
    for name in planted.task.covariates:
        values = table[name].to_numpy().copy()
        moved = values[rows][::-1]
        values[rows] = moved + moved.std() if np.issubdtype(values.dtype, np.number) else moved
        table[name] = values
    return Items(table, items.arrays, items.meta)
