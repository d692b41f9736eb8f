"""The whole audit of a task, and of a method on it: every detector, one result each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..contracts import Data, Method, Progress, silent
from ..datasets.dataset import load_cohort
from ..errors import BadOption
from ..loading import choose_source, cut, load
from ..registry import load_task
from ..splits import HALVES
from ..store import Store
from . import alone, copies, fingerprint, grouping, intensity, motion, overlap, site, staged, words
from .bench import Bench
from .detector import Case, Detector, Result
from .invariance import INVARIANCE, invariance
from .said import find_record, find_site_out, read_said
from .shuffle import SHUFFLE, label_shuffle

DATA: tuple[Callable[[Case], Result], ...] = (
    copies.group_crossing,
    copies.duplicate_scans,
    copies.shared_frames,
    fingerprint.same_person,
    grouping.ungrouped_split,
    copies.families,
    site.site_imbalance,
    alone.site_alone,
    site.site_in_scans,
    alone.motion_alone,
    alone.length_alone,
    intensity.raw_intensity,
    alone.covariate_proxies,
    staged.staged_test_set,
)
"""Detectors that need the data only."""

OF_RECORDS: tuple[Detector, ...] = (site.SITES, site.GAP, motion.FOLLOWS, motion.MATCHED, words.PROMPTS)
"""Detectors that need a record of the method."""


@dataclass(frozen=True)
class Wanted:
    """What is audited.

    Attributes
    ----------
    task, data, folds, seed
        As of a run; the seed is the audit's.
    checkpoint, against
        Weights whose subjects are compared, and another cohort whose people are.
    shuffles
        Number of label shuffles; None decides by the time that one takes.
    """

    task: str
    data: str = "auto"
    folds: int | None = None
    seed: int = 0
    checkpoint: Path | None = None
    against: str | None = None
    shuffles: int | None = None


@dataclass(frozen=True)
class Opened:
    """A task that is ready to be audited, the source of its data, a sentence where it was chosen, a second cohort."""

    case: Case
    source: str
    note: str
    other: Data | None


def open_case(wanted: Wanted, progress: Progress = silent) -> Opened:
    """Load and split the data of a task. Raises `DataMissing`, `BadData` or `BadOption` with what to do."""
    task, _ = load_task(wanted.task)
    if task.few:
        base = task.name.partition("@")[0]
        raise BadOption(f"{task.name} shows too few labels to be audited by itself", f"audit its data:  --task {base}")
    if wanted.checkpoint and not wanted.checkpoint.exists():
        raise BadOption(f"--checkpoint {wanted.checkpoint}: no such file", "name a file, or the folder of a checkpoint")
    other = load_cohort(wanted.against) if wanted.against else None
    source, note = choose_source([task], wanted.data)
    loaded = load(task, source, progress)
    case = Case(task, loaded.items, cut(task, loaded, wanted.folds), wanted.seed, progress)
    return Opened(case, source, note, other)


def audit_all(opened: Opened, wanted: Wanted, bench: Bench | None) -> Iterator[Result]:
    """Results in the order of the traps' groups: data, pretraining, the method's record, the method itself."""
    case = opened.case
    trained = [name for name in case.split.folds if name != HALVES and case.split.folds[name]["train"]]
    if not trained:
        yield Detector("L1", "labels", "the split", covers=()).ok(
            "nothing is trained on labels: methods saw inputs only"
        )
        return
    for detect in DATA:
        yield detect(case)
    if opened.other:
        yield overlap.other_cohort(case, opened.other)
    else:
        yield overlap.OTHER.not_covered("no second cohort is given:  --against COHORT")
    yield from _pretraining(case, wanted, bench.method if bench else None)
    if bench is None:
        for detector in (*OF_RECORDS, INVARIANCE, SHUFFLE):
            yield detector.not_covered("no method is given:  --method M")
        return
    yield from of_record(case, bench)
    yield invariance(case, bench)
    yield label_shuffle(case, bench, opened.source, wanted.folds, wanted.shuffles)


def _pretraining(case: Case, wanted: Wanted, method: type[Method] | None) -> Iterator[Result]:
    """What is known of the weights that a method starts from."""
    if wanted.checkpoint:
        yield overlap.seen_before(wanted.checkpoint, case.items, case.split)
    else:
        yield overlap.PRETRAINED.not_covered("no weights are given:  --checkpoint FILE")
    if method:
        yield overlap.card_overlap(case, method, wanted.checkpoint)


def of_record(case: Case, bench: Bench) -> Iterator[Result]:
    """What a method's record in the store shows; not covered where there is none."""
    store: Store = bench.store
    record = find_record(store, case.task.name, case.split.data, bench.spec)
    if record is None:
        how = f"no record; make one:  brainbench run --task {case.task.name} --method {bench.spec.ref}"
        yield from (detector.not_covered(how) for detector in OF_RECORDS)
        return
    if case.task.kind in motion.FOLLOWS.covers:
        said = read_said(case, store, record)
        looks: tuple[Callable[..., Result], ...] = (site.score_by_site, motion.score_and_motion, motion.motion_matched)
        yield from (look(case, said) for look in looks)
    else:
        reason = f"the truth of {case.task.kind} is no class or number"
        yield from (detector.not_covered(reason) for detector in (site.SITES, motion.FOLLOWS, motion.MATCHED))
    yield site.site_out_gap(case, record, find_site_out(store, record))
    yield words.label_in_prompts(case, record)
