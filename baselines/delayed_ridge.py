"""Ridge regression on delayed features of a film: the standard linear encoding model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.errors import needing
from ..benchmark.kinds.encoding import Measured, Run, Runs
from .encoding_rows import Delays, known, parcels_of, people, stimulus_folds, used_streams
from .gram_ridge import Gathered, LinearMap, Moments, fit_folds
from .stream_pca import reduced_streams

GRID = np.logspace(-4, 2, 10)
"""Penalties, times the number of training TRs of a subject."""

Lesson = tuple[int, np.ndarray, dict[str, np.ndarray]]
"""Fold of a run, its inputs (time, column) and, of each subject, its responses (time, parcel)."""


@dataclass
class DelayedRidge(Method):
    """Streams reduced by PCA, each at several delays; ridge with a penalty for each parcel.

    Attributes
    ----------
    streams
        Names of streams, separated by commas; "" for all.
    components
        Principal components of a stream; one with fewer columns keeps them all.
    delays
        A response is explained by the chunks 1 to so many TRs before it.
    folds
        Inner folds of whole stimuli that choose the penalties.
    solver
        "moments" (our own, which never holds the design in memory) or "himalaya", which does.
    """

    streams: str = ""
    components: int = 64
    delays: int = 5
    folds: int = 5
    solver: Literal["moments", "himalaya"] = "moments"

    card: ClassVar[Card] = Card(
        title="Delayed ridge",
        summary="Ridge regression, one a subject, from principal components of all feature streams at delays of 1 to 5 "
        "TRs to the parcels, with a penalty for each parcel.",
        paper="Huth et al., Nature 2016 (delayed features); himalaya: Dupre la Tour et al., NeuroImage 2022",
        parameters="(streams x components x delays + 1) x parcels for each subject",
        notes="Streams are standardised, reduced by PCA on the training films and scaled to the same mean variance; "
        "parts of a stream (tokens) are averaged. Penalties, 1e-4 to 100 times the number of TRs, by the squared error "
        "in five folds of stimuli (of one stimulus alone, the middle one). Features are 0 before a run starts; their "
        "last row stands beyond their end.",
    )
    supports: ClassVar[tuple[str, ...]] = ("encoding",)

    def fit(self, train: Train, context: Context) -> None:
        """One pass over the runs for all subjects."""
        runs: Runs = train.inputs
        names = used_streams(runs, self.streams)
        self._reduced = reduced_streams(runs, dict.fromkeys(names, self.components), context, evened=True)
        self._delays = Delays(self._reduced.widths, self.delays)
        fold = stimulus_folds(train.groups, self.folds, context.seed)
        self._models: dict[str, LinearMap] = {}
        self._inner: dict[str, np.ndarray] = {}
        learn = self._by_moments if self.solver == "moments" else self._by_himalaya
        learn(train.targets, fold, context)

    def _lessons(self, measured: Measured, fold: np.ndarray, context: Context) -> Iterator[Lesson]:
        for row in range(len(measured)):
            context.progress("products", row, len(measured))
            if held := measured[row]:
                frames = max(map(len, held.values()))
                yield int(fold[row]), self._delays(self._reduced.train(row), frames), held

    def _by_moments(self, measured: Measured, fold: np.ndarray, context: Context) -> None:
        subjects = people(measured)
        gathered = Gathered(subjects, int(fold.max()) + 1, self._delays.columns, parcels_of(measured))
        for number, x, held in self._lessons(measured, fold, context):
            gathered.add(number, x, held)
        for done, subject in enumerate(subjects):
            context.progress("ridge", done, len(subjects))
            self._models[subject], self._inner[subject] = self.solve(gathered.folds.pop(subject), context)

    def _by_himalaya(self, measured: Measured, fold: np.ndarray, context: Context) -> None:
        for subject in people(measured):
            lessons = [
                (number, x[: len(held[subject])], held[subject])
                for number, x, held in self._lessons(measured, fold, context)
                if subject in held
            ]
            x, y = (np.concatenate([lesson[part] for lesson in lessons]) for part in (1, 2))
            rows = np.concatenate([np.full(len(x), number) for number, x, _ in lessons])
            self._models[subject], self._inner[subject] = self.solve_rows(x, y, rows, context)

    def solve(self, folds: Sequence[Moments], context: Context) -> tuple[LinearMap, np.ndarray]:
        """A subject's model from the moments of each fold, and the held-out correlation (parcels,)."""
        return fit_folds(folds, GRID * sum(fold.count for fold in folds))

    def solve_rows(
        self, x: np.ndarray, y: np.ndarray, fold: np.ndarray, context: Context
    ) -> tuple[LinearMap, np.ndarray]:
        """The same by himalaya, from rows (n, columns), responses (n, parcels) and the fold of each row (n,)."""
        with needing("encoding", "himalaya"):
            from himalaya.ridge import RidgeCV
        model = RidgeCV(GRID * len(x), fit_intercept=True, cv=splitter(fold), solver_params={"n_alphas_batch": 1})
        model.fit(x, y)
        found = LinearMap(model.coef_, model.intercept_, np.asarray(model.best_alphas_, float))
        return found, np.full(y.shape[1], np.nan)

    def predict(self, test: Runs, context: Context) -> list[dict[str, np.ndarray]]:
        """One entry a run."""
        return [self._predict(run) for run in test]

    def _predict(self, run: Run) -> dict[str, np.ndarray]:
        x = self._delays(self._reduced.test(run), max(run.frames.values(), default=0))
        return {subject: known(self._models, subject)(x[:frames]) for subject, frames in run.frames.items()}

    def report(self) -> dict[str, Any]:
        """Parameters, streams, penalties by the number of TRs, and the correlation in the inner folds."""
        inner = {subject: _mean(values) for subject, values in self._inner.items()}
        told = [value for value in inner.values() if value is not None]
        return {
            "parameters": sum(model.weights.size + model.offset.size for model in self._models.values()),
            "components": dict(self._reduced.widths),
            "alpha": {subject: float(np.median(model.alphas)) for subject, model in self._models.items()},
            "validation_r": float(np.mean(told)) if told else None,
            "validation_r_by_subject": inner,
        }


def splitter(fold: np.ndarray) -> Any:
    """scikit-learn's form of folds (n,)."""
    from sklearn.model_selection import PredefinedSplit

    return PredefinedSplit(fold)


def _mean(values: np.ndarray) -> float | None:
    """Mean over parcels; None where nothing was held out."""
    return None if np.isnan(values).any() else float(values.mean())
