"""What a data set's participants table calls things, and what its codes mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MISSING = frozenset({"", "n/a", "na", "nan", "#n/a", "-9999", "-9999.0", "-999", "-999.0", "no_filename"})
"""Cells (lower case) that mean: not known."""

MEASURES = ("age", "motion", "tr")
"""Cohort columns that hold numbers and that every cohort has."""

SCORES = ("fluid", "fluid_composite", "flanker", "apoe4")
"""Labels that are numbers: UK Biobank's fluid intelligence score, the age-adjusted NIH Toolbox scores (mean 100,
deviation 15), and the number of APOE e4 alleles."""

NUMBERS = MEASURES + SCORES
"""Cohort columns that hold numbers; NaN where nothing is known."""

TEXTS = ("subject", "session", "family", "site", "sex")
"""Cohort columns that hold text and are empty where nothing is known."""

SEX = {"m": "male", "male": "male", "f": "female", "female": "female"}

LIMITS = {"age": (0.0, 130.0)}
"""Smallest and largest value that a cohort column may hold, in its unit."""

MONTHS = ("interview_age",)
"""Table columns that hold months: so the NIMH Data Archive defines it for all its tables."""

Prepare = Callable[["pd.DataFrame"], tuple["pd.DataFrame", list[str]]]
"""Takes a participants table, all cells text; returns the table to use, and notes for the report."""

Sessions = Callable[[Collection[str]], Mapping[str, str]]
"""Takes all session labels of the files, or of the table; returns what each is called to compare them."""


@dataclass(frozen=True)
class Scheme:
    """How to read a participants table.

    Attributes
    ----------
    scan_keys
        Names of the column that identifies a scan; the first one in the table counts.
    subject_keys
        Names of the column that identifies a person.
    columns
        Cohort column -> the names it goes by, best first. Matching ignores case and blanks.
    codes
        Cohort column -> code in the table -> value in the cohort.
    required
        Cohort columns without which an import makes no sense.
    advised
        Cohort column -> what a person should know where the table lacks it.
    subject_pattern
        Regular expression whose groups, joined, are the subject's id inside a scan's name; "" for none.
    session_pattern
        The same for the session, its groups joined by ``_``, where a file's name has no ``ses-``.
    months
        Table columns (lower case) that hold months and become years.
    limits
        Cohort column -> smallest and largest possible value, beside those of `LIMITS`.
    left_out
        Column -> cell -> why a scan with that cell is left out. The column ``qc`` serves this alone and does not
        enter the cohort.
    prepare
        Turns the table as it is handed out into one row a person and visit; None where it is that already.
    sessions
        Makes the session labels of files and of the table comparable; None where any difference is passed over. With
        it, a scan of a session without a row is left out.
    first_session
        What a scan without a session label is taken for, where the table has several rows of its subject.
    site_tr
        Site -> seconds a frame, where the files themselves do not say.
    tr
        Seconds a frame of the study's protocol; None where it has none that holds for all.
    tr_source
        Where those come from, and how far they can be trusted.
    """

    scan_keys: tuple[str, ...] = ("scan", "scan_id", "file_id")
    subject_keys: tuple[str, ...] = ("subject", "participant_id", "subject_id", "sub_id", "id")
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    advised: Mapping[str, str] = field(default_factory=dict)
    subject_pattern: str = ""
    session_pattern: str = ""
    months: tuple[str, ...] = MONTHS
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prepare: Prepare | None = None
    sessions: Sessions | None = None
    first_session: str = ""
    site_tr: Mapping[str, float] = field(default_factory=dict)
    tr: float | None = None
    tr_source: str = ""

    def rules(self) -> list[str]:
        """The rules of `left_out` in words."""
        return [
            f"scans whose {name!r} is {cell} are left out: {reason}"
            for name, cells in self.left_out.items()
            for cell, reason in cells.items()
        ]


GENERIC_COLUMNS = {
    "session": ("session", "session_id", "ses"),
    "family": ("family", "family_id"),
    "site": ("site", "site_id", "scan_site_id", "center"),
    "age": ("age", "age_at_scan", "scan_age", "interview_age"),
    "sex": ("sex", "gender"),
    "motion": ("motion", "mean_fd", "func_mean_fd", "meanfd"),
    "tr": ("tr", "repetition_time", "repetitiontime"),
}

LABELS = ("diagnosis", "diagnosis_code", "adhd_type", *SCORES)
"""Labels of the cohorts that are known here; a lab's own table may hold them under the same names."""

OWN = Scheme(columns={**GENERIC_COLUMNS, **{name: (name,) for name in LABELS}}, codes={"sex": SEX})
"""A lab's own cohort: the usual names, and no guess at what numbers stand for."""
