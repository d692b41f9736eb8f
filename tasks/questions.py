"""Several questions at once, and open questions, on the targets that a cohort has.

The paradigms of fMRI-LM: MQMA (answers in a fixed order with "|" between them) and open-ended (free text that
covers a list of fields). The paper's fields of UK Biobank, HCP Aging and ADNI are here as far as the cohorts'
tables hold them, without amyloid; those of the other cohorts are ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..benchmark.contracts import Fold, Task
from ..benchmark.splits import KFold
from .autism import ABIDE1_ASD, ABIDE2_ASD
from .labels import column
from .phenotypes import ADHD, APOE4, CN_MCI_AD, COHORTS, COMPOSITE, FLANKER, TOOLBOX, UKB_FLUID, age_group, sex, status
from .regimes import SPLITS
from .scans import DESCRIPTION

if TYPE_CHECKING:
    import pandas as pd

TARGET = "answers"

ASKED: dict[str, dict[str, Task]] = {
    "abide1": {"sex": sex("abide1"), "age_group": age_group("abide1"), "diagnosis": ABIDE1_ASD},
    "abide2": {"sex": sex("abide2"), "age_group": age_group("abide2"), "diagnosis": ABIDE2_ASD},
    "adhd200": {"sex": sex("adhd200"), "age_group": age_group("adhd200"), "diagnosis": ADHD},
    "ukb": {
        "sex": sex("ukb"),
        "age_group": age_group("ukb"),
        "fluid_status": status("ukb", "fluid", "fluid intelligence", UKB_FLUID),
    },
    "hcp": {
        "sex": sex("hcp"),
        "fluid_composite_status": status("hcp", *COMPOSITE, TOOLBOX),
        "flanker_status": status("hcp", *FLANKER, TOOLBOX),
    },
    "hcp-aging": {
        "sex": sex("hcp-aging"),
        "age_group": age_group("hcp-aging"),
        "fluid_composite_status": status("hcp-aging", *COMPOSITE, TOOLBOX),
        "flanker_status": status("hcp-aging", *FLANKER, TOOLBOX),
    },
    "abcd": {
        "sex": sex("abcd"),
        "fluid_composite_status": status("abcd", *COMPOSITE, TOOLBOX),
        "flanker_status": status("abcd", *FLANKER, TOOLBOX),
    },
    "adni": {"sex": sex("adni"), "age_group": age_group("adni"), "diagnosis": CN_MCI_AD, "apoe4": APOE4},
}
"""Cohort -> field -> the task of the suite that asks it alone, whose classes and rule are taken."""

FREE = ("site", "motion", "frames")
"""Covariates that give no field away: age and sex are fields."""


@dataclass(frozen=True)
class Gathered:
    """The truth of several fields as JSON. A field that is not known of a person is left out.

    Attributes
    ----------
    rules
        Field -> (the column that holds it, the rule that makes it where there is one).
    """

    rules: Mapping[str, tuple[str, Callable[[pd.DataFrame], pd.Series] | None]]

    @property
    def sources(self) -> tuple[str, ...]:
        """Columns of the cohort that the truth is made from, whatever its fields are called."""
        made = [
            getattr(rule, "sources", None) or (getattr(rule, "source", held),) for held, rule in self.rules.values()
        ]
        return tuple(dict.fromkeys(name for names in made for name in names))

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        """One JSON text a row. Raises `BadData` where the cohort lacks a column."""
        import pandas as pd

        columns = {name: rule(table) if rule else column(table, held) for name, (held, rule) in self.rules.items()}
        known = {name: values.where(values.notna() & (values.astype(str) != "")) for name, values in columns.items()}
        rows = pd.DataFrame(known, index=table.index).to_dict("records")
        told = [json.dumps({name: str(value) for name, value in row.items() if pd.notna(value)}) for row in rows]
        return pd.Series(told, index=table.index, dtype=object)


@dataclass(frozen=True)
class KFoldByField(KFold):
    """Folds stratified by pooled site and by one field of the truth."""

    field: str = ""

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """The folds; a person of whom the field is not known is a stratum of its own."""
        values = table[target].map(lambda text: json.loads(text).get(self.field, ""))
        return super().folds(table.assign(**{target: values}), target, seed)


PARADIGMS = {
    "multi": (
        "several questions at once",
        "Asked in one prompt, answered in the order of the questions with '|' between the answers.",
    ),
    "open": ("open question", "Asked in one open sentence, answered in free text that a deterministic matcher reads."),
}


def asked(dataset: str, paradigm: str) -> Task:
    """All fields of a cohort asked together."""
    singles = ASKED[dataset]
    title, how = PARADIGMS[paradigm]
    told = "; ".join(f"{name}: {', '.join(task.classes)}" for name, task in singles.items())
    return Task(
        name=f"{dataset}-{paradigm}",
        title=f"{title.capitalize()}, {COHORTS[dataset].title}",
        description=f"Fields: {told}. {how} Prompts at test are in other words than in training. {DESCRIPTION}",
        family="questions",
        version=1,
        kind="questions",
        dataset=dataset,
        target=TARGET,
        fields={name: task.classes for name, task in singles.items()},
        paradigm=paradigm,
        covariates=FREE,
        split=KFoldByField(5, field=next(iter(singles))),
        metrics=(
            "field-accuracy",
            "balanced-field-accuracy",
            "all-fields-accuracy",
            "fields-auc",
            "answered-rate",
            *(f"balanced-field-accuracy:{name}" for name in singles),
        ),
        regimes=SPLITS,
        label=Gathered({name: (task.target, task.label) for name, task in singles.items()}),
        inputs=("series",),
    )


DECLARED = {task.name: task for task in (asked(name, paradigm) for name in ASKED for paradigm in PARADIGMS)}
"""Task name -> task."""
