"""What age, sex, site, motion and scan length alone predict: the row that a brain model must beat.

`Confounds` reads every covariate that the task allows, the number of frames and the TR;
`SiteOnly` and `MotionOnly` read one column. Missing values get the training set's median (numbers)
or a category of their own (words); a site that training never saw gets no site effect, that is, the
pooled estimate. With few scans a number counts as at most three training standard deviations from the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, TaskInfo, Train
from ..benchmark.errors import BadData, BadOption
from .aims import FEW

if TYPE_CHECKING:
    import pandas as pd

    from ..benchmark.kinds.scans import Scans

MODELS = ("boosting", "logistic")
UNKNOWN = "unknown"
FEW_TO_SPLIT = 40
"""Boosting has 20 scans or more in a leaf, so it cannot split fewer than these."""
FURTHEST = 3.0


def covariate_table(scans: Scans, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """Covariates (n, columns) as floats or words; all that the view shows where ``columns`` is None.

    Raises `BadData` when the cohort lacks a column.
    """
    import pandas as pd

    table = scans.covariates.assign(frames=scans.frames, tr=scans.tr)
    missing = [name for name in columns or () if name not in table]
    if missing:
        raise BadData(f"the cohort has no column {missing[0]!r}", "import it again with a participants table that has")
    table = table[list(columns)] if columns else table
    return pd.DataFrame({str(name): _column(table[name]) for name in table})


def _column(values: pd.Series) -> pd.Series:
    """Numbers as floats with NaN; anything else as words, with one word for the unknown."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float)
    words = values.astype(object).where(values.notna(), UNKNOWN).astype(str)
    return words.where(words.str.strip() != "", UNKNOWN)


def build_coding(table: pd.DataFrame) -> Any:
    """Imputation, scaling and one-hot coding of a covariate table, to be fitted on training rows."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    numbers = [name for name in table if pd.api.types.is_float_dtype(table[name])]
    words = [name for name in table if name not in numbers]
    furthest = FURTHEST if len(table) < FEW else np.inf
    limit = FunctionTransformer(np.clip, kw_args={"a_min": -furthest, "a_max": furthest})
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_column_transformer(
        (make_pipeline(impute, StandardScaler(), limit), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )


def build_pipeline(table: pd.DataFrame, model: str, kind: str, seed: int) -> Any:
    """Coding and a classifier or regressor as one scikit-learn pipeline, to be fitted on training rows.

    ``model`` is one of `MODELS`, or "constant" for the class that all rows have.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    if model == "constant":
        last = DummyClassifier(strategy="prior")
    elif kind == "regression":
        last = HistGradientBoostingRegressor(random_state=seed) if model == "boosting" else Ridge(alpha=1.0)
    elif model == "boosting":
        last = HistGradientBoostingClassifier(random_state=seed)
    else:
        last = LogisticRegression(max_iter=5000)
    return make_pipeline(build_coding(table), last)


class Nuisance:
    """What covariates explain linearly in the targets of training scans.

    Attributes
    ----------
    residual
        (n,) targets less what the covariates explain; the mean is kept.
    """

    def __init__(self, scans: Scans, columns: tuple[str, ...], targets: np.ndarray) -> None:
        from sklearn.linear_model import LinearRegression

        table = covariate_table(scans, columns)
        design = build_coding(table).fit_transform(table)
        explained = LinearRegression().fit(design, targets).predict(design)
        self.residual: np.ndarray = targets - explained + targets.mean()


@dataclass
class Confounds(Method):
    """Covariates only.

    Attributes
    ----------
    model
        "boosting" (histogram gradient boosting, scikit-learn's defaults) or "logistic" (L2, C = 1); on
        regression the latter is ridge with alpha = 1.
    """

    model: str = "boosting"

    columns: ClassVar[tuple[str, ...] | None] = None
    card: ClassVar[Card] = Card(
        title="Confounds only",
        summary="Age, sex, site, motion, frames and TR, as far as the task allows them; the scan is not read.",
        uses_covariates=("age", "sex", "site", "motion", "frames", "tr"),
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "boosting": {"model": "boosting"},
        "logistic": {"model": "logistic"},
    }

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise BadOption(f"model={self.model!r} is not known", f"choose one of: {', '.join(MODELS)}")

    def skip(self, task: TaskInfo) -> str | None:
        """A task that does not show the column cannot be run."""
        hidden = [name for name in self.columns or () if name not in task.covariates]
        return f"the task does not show {', '.join(hidden)}" if hidden else None

    def fit(self, train: Train, context: Context) -> None:
        """Fit imputation, coding and model."""
        table, kind = covariate_table(train.inputs, self.columns), context.task.kind
        targets = np.asarray(train.targets, dtype=float if kind == "regression" else int)
        self._model, self._note = self._possible(targets, kind)
        self._pipeline = build_pipeline(table, self._model, kind, context.seed).fit(table, targets)
        self._read = list(table)

    def _possible(self, targets: np.ndarray, kind: str) -> tuple[str, str]:
        """The model that can be fitted to these scans, and why it is another than was asked for."""
        if kind != "regression" and len(np.unique(targets)) == 1:
            return "constant", "training has one class, which is predicted for all"
        if self.model == "boosting" and len(targets) < FEW_TO_SPLIT:
            return "logistic", f"boosting cannot split fewer than {FEW_TO_SPLIT} scans: the linear model instead"
        return self.model, ""

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), 0 for a class that training never saw; or values (n,)."""
        table = covariate_table(test, self.columns)
        if context.task.kind == "regression":
            values: np.ndarray = self._pipeline.predict(table)
            return values
        out = np.zeros((len(test), len(context.task.classes)))
        out[:, self._pipeline.classes_] = self._pipeline.predict_proba(table)
        return out

    def report(self) -> dict[str, Any]:
        """The columns that were read, and a note where another model had to be fitted."""
        return {"model": self._model, "columns": self._read} | ({"note": self._note} if self._note else {})


@dataclass
class SiteOnly(Confounds):
    """The acquisition site only."""

    model: str = "logistic"

    columns: ClassVar[tuple[str, ...] | None] = ("site",)
    card: ClassVar[Card] = Card(
        title="Site only",
        summary="The class shares (or mean) of each site; chance where test sites are new.",
        uses_covariates=("site",),
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "logistic": {"model": "logistic"},
        "boosting": {"model": "boosting"},
    }


@dataclass
class MotionOnly(Confounds):
    """Head motion (mean framewise displacement) only."""

    model: str = "logistic"

    columns: ClassVar[tuple[str, ...] | None] = ("motion",)
    card: ClassVar[Card] = Card(
        title="Motion only",
        summary="Mean framewise displacement, and nothing else.",
        uses_covariates=("motion",),
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = SiteOnly.presets
