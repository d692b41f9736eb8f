"""L7, L13: with shuffled labels the whole pipeline must score at chance.

Labels are shuffled within each site before anything else is made of the cohort: the task's own steps
(`Task.label`, `Task.derive`), the split, training and scoring all see shuffled labels, as Rosenblatt
et al. 2024 and the specification of permutation tests ask. What was selected by the labels before the
data were imported lies outside the pipeline and cannot be seen here.

The statistic is the agreement among scans of one site and fold (AUC over such pairs; for numbers
Pearson r of deviations from the site's mean), whose expectation is exactly chance under this shuffle
even where sites differ in their share of classes and a model reads the site.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..contracts import Task
from ..errors import BadData
from ..files import write_text
from ..loading import cut, load
from ..store import cell_folder
from .bench import Ask, Bench
from .detector import LABELLED, Case, Detector, Result
from .labels import Agreement
from .said import as_columns, inside

SHUFFLES = 100
FEWEST = 5
BUDGET = 600.0
"""Seconds that shuffles may take where no number is asked for."""

SIGMAS = 3.0

ENOUGH = 20
"""Shuffles whose own spread is trusted."""

WIDER = 1.5
"""With fewer, the spread is at least so many Mann-Whitney errors: models of overlapping training sets err
together (1.3 measured with a linear probe on 699 scans of 14 sites, 5 folds)."""

SHUFFLE = Detector("L7, L13", "label-shuffle", "the whole pipeline on labels shuffled within site")


def shuffled_task(task: Task, seed: int | None) -> Task:
    """The task with its labels shuffled within site before anything is made of them; as it is for None."""
    return task if seed is None else replace(task, label=partial(shuffled, task, seed))


def shuffled(task: Task, seed: int, table: pd.DataFrame) -> pd.Series:
    """The target's column, shuffled within site.

    A label that all scans of a subject share moves with the subject; one that differs between a subject's
    scans is shuffled among these.
    """
    if task.label is None and task.target not in table:
        raise BadData(f"the cohort has no column {task.target!r}", "import it again with a table that holds it")
    label = (task.label(table) if task.label else table[task.target]).copy()
    rng = np.random.default_rng(seed)
    known = table[label.notna().to_numpy()].assign(_label=label.dropna())
    if (known.groupby("subject")["_label"].nunique() > 1).any():
        blocks = known.groupby("subject")["_label"]
        return label.where(label.isna(), blocks.transform(lambda part: rng.permutation(part.to_numpy())))
    people = known.groupby("subject", sort=True).first()
    site = people["site"].astype(str) if "site" in people else pd.Series("", index=people.index)
    moved = people["_label"].groupby(site, sort=True).transform(lambda part: rng.permutation(part.to_numpy()))
    return known["subject"].map(moved).reindex(table.index)


def label_shuffle(
    case: Case, bench: Bench, source: str, folds: int | None, shuffles: int | None, budget: float = BUDGET
) -> Result:
    """Score of the pipeline on shuffled labels: its mean must be chance, within its error.

    ``shuffles`` None runs 100, or as many as fit into ``budget`` seconds by the time of the first, at least
    five. Finished shuffles are kept in the store, so the same command continues.
    """
    if case.task.kind not in LABELLED:
        return SHUFFLE.not_covered(f"the truth of {case.task.kind} is no class or number")
    start = time.monotonic()
    pipeline = _Pipeline(case, bench, source, folds)
    real = pipeline.score(None)
    if isinstance(real, str):
        return SHUFFLE.not_covered(real)
    scores: list[Agreement] = []
    planned = shuffles or SHUFFLES
    while len(scores) < planned:
        case.progress("shuffles", len(scores), planned)
        score = pipeline.score(len(scores))
        if isinstance(score, str):
            return SHUFFLE.not_covered(f"shuffle {len(scores) + 1}: {score}")
        scores.append(score)
        if shuffles is None and time.monotonic() - start > budget and len(scores) >= FEWEST:
            break
    case.progress("shuffles", len(scores), len(scores))
    return _verdict(real, scores, planned, budget)


def _verdict(real: Agreement, scores: list[Agreement], planned: int, budget: float) -> Result:
    """Compare the mean of the shuffles with chance."""
    values = np.array([score.value for score in scores if not math.isnan(score.value)])
    if not len(values) or math.isnan(real.value):
        return SHUFFLE.not_covered("no site and fold holds two different labels")
    floor = WIDER * float(np.mean([score.error for score in scores])) if len(values) < ENOUGH else 0.0
    spread = max(float(values.std(ddof=1)) if len(values) > 1 else 0.0, floor)
    error = spread / math.sqrt(len(values))
    mean, high = float(values.mean()), float(np.quantile(values, 0.95))
    chance = real.chance
    fewer = f" (of {planned}: {budget:.0f} s were spent)" if len(scores) < planned else ""
    told = (
        f"{real.metric} within site {real.value:.3f} on the true labels; {len(values)} shuffles{fewer}: "
        f"mean {mean:.3f} ± {error:.3f} (chance {chance:.2f}), 95th percentile {high:.3f}"
    )
    figures = {"real": real.value, "mean": mean, "error": error, "percentile95": high, "shuffles": len(values)}
    if mean > chance + SIGMAS * error:
        return SHUFFLE.leak(f"{told}: shuffled labels are predicted, so the pipeline has seen them", **figures)
    if mean < chance - SIGMAS * error:
        return SHUFFLE.note(f"{told}: below chance, as folds of few people tend to be", **figures)
    return SHUFFLE.ok(told, **figures)


class _Pipeline:
    """The task from loading to the score, for one method, with finished passes kept."""

    def __init__(self, case: Case, bench: Bench, source: str, folds: int | None) -> None:
        self._case, self._bench, self._source, self._folds = case, bench, source, folds
        content = [case.task.name, case.task.version, case.split.hash, bench.seed, case.seed, folds, bench.device]
        spec = bench.spec.model_dump(mode="json", exclude={"name", "preset"})
        text = json.dumps([content, spec], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        self._file: Path = bench.store.path / "audit" / f"shuffles-{key}.json"
        self._done: dict[str, list[float]] = json.loads(self._file.read_text()) if self._file.is_file() else {}

    def score(self, shuffle: int | None) -> Agreement | str:
        """Agreement within site and fold of one pass over all folds, or why there is none."""
        name = "true" if shuffle is None else str(shuffle)
        if name not in self._done:
            found = self._compute(shuffle)
            if isinstance(found, str):
                return found
            self._done[name] = [found.value, found.error]
            write_text(self._file, json.dumps(self._done))
        labels = self._case.labels
        value, error = self._done[name]
        return Agreement(value, error, labels.chance, labels.metric)

    def _compute(self, shuffle: int | None) -> Agreement | str:
        case = self._case
        seed = None if shuffle is None else int(np.random.SeedSequence([case.seed, shuffle]).generate_state(1)[0])
        task = shuffled_task(case.task, seed)
        loaded = load(task, self._source, case.progress)
        split = cut(task, loaded, self._folds)
        own = Case(task, loaded.items, split, case.seed)
        rows, folds, scores = [], [], []
        asks = [Ask(cell_folder(name, 0), task, loaded.items, split, name) for name in own.folds]
        for number, answer in enumerate(self._bench.run(asks)):
            if answer.outcome.status != "ok":
                return f"{answer.ask.fold} {answer.outcome.status}: {answer.outcome.reason}"
            rows.append(own.table.index.get_indexer(pd.Index(list(answer.ids))))
            folds.append(np.full(len(rows[-1]), number))
            scores.append(as_columns(own, answer.prediction))
        site = own.column("site")
        row = np.concatenate(rows)
        strata = np.zeros(len(row)) if site is None else pd.factorize(site)[0][row]
        return inside(own, row, np.concatenate(scores), strata, np.concatenate(folds))
