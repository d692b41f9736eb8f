"""What a method said of every test scan, from its record in the store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cells import MethodSpec
from ..kinds import get_kind
from ..record import Record
from ..store import Finished, Store, read_cell
from .detector import Case
from .labels import Agreement


@dataclass(frozen=True)
class Said:
    """Scores of test scans, mean over seeds.

    Attributes
    ----------
    rows, fold
        (m,) positions of the scans, and number of the fold that tested each.
    score, ranks
        (m, k) as `Labels.columns`; and their ranks within the fold in 0 .. 1, which folds' models share.
    """

    rows: np.ndarray
    fold: np.ndarray
    score: np.ndarray

    @property
    def ranks(self) -> np.ndarray:
        """Ranks of the scores within each fold."""
        from scipy.stats import rankdata

        out = np.empty(self.score.shape)
        for fold in np.unique(self.fold):
            mine = self.fold == fold
            out[mine] = (rankdata(self.score[mine], axis=0) - 0.5) / mine.sum()
        return out

    def inside(self, case: Case, strata: np.ndarray) -> Agreement:
        """Agreement within strata (m,) and folds, so that neither a site nor a fold's model scores."""
        return inside(case, self.rows, self.score, strata, self.fold)


def inside(case: Case, rows: np.ndarray, score: np.ndarray, strata: np.ndarray, fold: np.ndarray) -> Agreement:
    """AUC over the pairs of scans of one stratum and fold, or Pearson r of deviations from their means.

    The error is the standard error when there is nothing to find. ``rows``, ``strata``, ``fold`` are (m,),
    ``score`` is (m, k).
    """
    import pandas as pd

    labels = case.labels
    cell = pd.MultiIndex.from_arrays([strata, fold]).factorize()[0]
    parts = [np.flatnonzero(cell == k) for k in range(cell.max() + 1)]
    if not labels.classes:
        truth, said = (
            np.concatenate([values[part] - values[part].mean(axis=0) for part in parts])
            for values in (labels.columns[rows], score)
        )
        free = max(len(rows) - len(parts), 2)
        norm = float(np.sqrt((truth**2).sum() * (said**2).sum()))
        value = float((truth * said).sum()) / norm if norm > 0 else float("nan")
        return Agreement(value, free**-0.5, 0.0, labels.metric)
    won = np.zeros(labels.columns.shape[1])
    pairs, spread = won.copy(), won.copy()
    for part in parts:
        truth = labels.columns[rows[part]]
        count = truth.sum(axis=0) * (1 - truth).sum(axis=0)
        for k in np.flatnonzero(count):
            won[k] += count[k] * labels._auc(truth[:, k], score[part, k])
        pairs += count
        spread += count * (len(part) + 1) / 12
    known = pairs > 0
    if not known.any():
        return Agreement(float("nan"), float("nan"), 0.5, labels.metric)
    error = float((np.sqrt(spread[known]) / pairs[known]).mean())
    return Agreement(float((won[known] / pairs[known]).mean()), error, 0.5, labels.metric)


def find_record(store: Store, task: str, fingerprint: str, spec: MethodSpec) -> Record | None:
    """The newest complete record of a method and its options on a task and data; of other options if none."""
    found = [
        record
        for record in store.records(lambda place: (place.task, place.fingerprint) == (task, fingerprint))
        if record.method.ref == spec.ref and record.status == "ok"
    ]
    found.sort(key=lambda record: (record.method.options == spec.options, record.environment.created))
    return found[-1] if found else None


def find_site_out(store: Store, like: Record) -> Record | None:
    """The newest record of the same method and options with sites left out."""
    prefix = like.task.name.partition("@")[0] + "@site-out"
    found = [
        record
        for record in store.records(
            lambda place: place.task.startswith(prefix) and place.fingerprint == like.data.fingerprint
        )
        if (record.method.ref, record.method.options) == (like.method.ref, like.method.options)
        and record.status == "ok"
    ]
    return max(found, key=lambda record: record.environment.created, default=None)


def read_said(case: Case, store: Store, record: Record) -> Said:
    """Read a record's predictions."""
    import pandas as pd

    cells = [read_cell(path) for path in sorted((store.path / "records" / record.id / "cells").glob("*"))]
    by_fold: dict[str, list[Finished]] = {}
    for cell in cells:
        if cell is not None:
            by_fold.setdefault(cell.cell.fold, []).append(cell)
    rows, folds, scores = [], [], []
    for number, done in enumerate(by_fold.values()):
        rows.append(case.table.index.get_indexer(pd.Index(list(done[0].ids))))
        folds.append(np.full(len(rows[-1]), number))
        scores.append(np.mean([as_columns(case, load_prediction(case, cell)) for cell in done], axis=0))
    return Said(np.concatenate(rows), np.concatenate(folds), np.concatenate(scores))


def load_prediction(case: Case, cell: Finished) -> np.ndarray:
    """The prediction of a finished cell."""
    prediction: np.ndarray = get_kind(case.task.kind).load(cell.folder / "prediction", case.task.info)
    return prediction


def as_columns(case: Case, prediction: np.ndarray) -> np.ndarray:
    """A prediction of classes or numbers in the columns of `Labels`."""
    if not case.labels.classes:
        return prediction[:, None]
    return prediction[:, 1:] if case.labels.classes == 2 else prediction
