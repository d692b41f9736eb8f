"""UK Biobank: resting-state fMRI of the imaging visits (instances 2 and 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ..contracts import DatasetCard
from .dataset import TwinnedCohort
from .scheme import SEX, Scheme
from .tables import find_column, is_missing

if TYPE_CHECKING:
    import pandas as pd

FIRST, REPEAT = 2, 3
"""Instances of the first and of the repeat imaging visit."""

FIELDS = {"age": 21003, "fluid": 20016, "site": 54, "motion": 25741}
"""Cohort column -> field that every visit has: age when attending, fluid intelligence score, assessment centre, mean
relative head motion of the resting-state scan (mm)."""

CENTRES = {"11025": "Cheadle", "11026": "Reading", "11027": "Newcastle", "11028": "Bristol"}
"""The imaging centres of field 54 (data coding 10)."""


def spellings(field: int, instance: int) -> tuple[str, ...]:
    """How the showcase, its R and Stata conversions and the Research Analysis Platform call a field's first value."""
    names = (
        f"{field}-{instance}.0",
        f"f.{field}.{instance}.0",
        f"p{field}_i{instance}",
        f"x{field}_{instance}_0",
        f"f_{field}_{instance}_0",
    )
    once = (f"p{field}",) if instance == 0 else ()
    return tuple(prefix + name for prefix in ("", "participant.") for name in (*names, *once))


def by_visit(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row a person and imaging visit: in those of the repeat visit the columns of the first hold its values."""
    import pandas as pd

    if find_column(table, ("session",)):
        return table, []
    repeat = table.copy()
    seen = pd.Series(False, index=table.index)
    for field in FIELDS.values():
        first, again = find_column(table, spellings(field, FIRST)), find_column(table, spellings(field, REPEAT))
        if first:
            repeat[first] = table[again] if again else ""
            seen |= ~repeat[first].map(is_missing)
    rows = pd.concat([table.assign(session=str(FIRST)), repeat[seen].assign(session=str(REPEAT))], ignore_index=True)
    return rows, [f"{int(seen.sum())} of {len(table)} people have values of the repeat imaging visit (instance 3)"]


def instances(labels: Collection[str]) -> Mapping[str, str]:
    """Session label -> instance: ``2``, ``3`` or, where sessions are counted from 1, ``01``, ``02``."""
    numbers = {label: int(label) for label in labels if label.isdecimal()}
    counted = 1 in numbers.values() or ("02" in labels and REPEAT not in numbers.values())
    return {label: str(numbers[label] + counted) if label in numbers else label for label in labels}


SCHEME = Scheme(
    subject_keys=("eid", "f.eid", "participant.eid", "n_eid", "participant_id", "subject"),
    columns={
        "session": ("session",),
        "sex": (*spellings(31, 0), "sex"),
        **{name: (*spellings(field, FIRST), name) for name, field in FIELDS.items()},
    },
    codes={
        "sex": {"0": "female", "1": "male", **SEX},
        "site": {
            **CENTRES,
            **{spelled: name for name in CENTRES.values() for spelled in (name, f"{name} (imaging)")},
        },
    },
    required=("sex",),
    subject_pattern=r"(\d{7})",
    session_pattern=r"\d{7}_\d{5}_([23])_\d",
    limits={"fluid": (0, 13)},
    prepare=by_visit,
    sessions=instances,
    first_session=str(FIRST),
    tr=0.735,
    tr_source="UK Biobank's imaging protocol (Miller et al. 2016)",
)


class UKB(TwinnedCohort):
    """UK Biobank."""

    name = "ukb"
    scheme = SCHEME
    card = DatasetCard(
        title="UK Biobank, brain imaging",
        summary="Resting-state fMRI of people in mid and late life, ages 44 to 82 at imaging, four centres with one "
        "protocol (490 frames, TR 0.735 s); some came a second time. Targets: sex, age, fluid intelligence score.",
        access="gated: an approved application (ukbiobank.ac.uk, Access Management System), then the Research Analysis "
        "Platform or a download; extract ROI series from field 20227, then `brainbench data import ukb PATH`",
        licence="UK Biobank Material Transfer Agreement: approved project only, nothing on individuals leaves the lab, "
        "withdrawn participants are removed",
        expected="one series a scan, named by eid and visit (1234567_20227_2_0, sub-1234567_ses-2, or "
        "sub-1234567_ses-01 with sessions counted from 1), and a table of fields: eid, 31-0.0 (sex, 0 female, 1 male), "
        "21003-2.0 (age), 20016-2.0 (fluid intelligence), 54-2.0 (centre), 25741-2.0 (head motion), and -3.0 for the "
        "repeat visit; also spelled f.31.0.0 or p31 and p21003_i2",
        citation="Miller et al. 2016, Nature Neuroscience 19:1523; Alfaro-Almagro et al. 2018, NeuroImage 166:400",
        counts="grows with each release; more than 40,000 people with resting-state fMRI",
        leaves="aggregates",
    )
