"""What a data set's participants table calls things, and what its codes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MISSING = frozenset({"", "n/a", "na", "nan", "#n/a", "-9999", "-9999.0", "no_filename"})
"""Cells (lower case) that mean: not known."""

NUMBERS = ("age", "motion", "tr")
"""Cohort columns that hold numbers."""

TEXTS = ("subject", "session", "family", "site", "sex")
"""Cohort columns that hold text and are empty where nothing is known."""

SEX = {"m": "male", "male": "male", "f": "female", "female": "female"}


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
    subject_pattern
        Regular expression whose first group is the subject's number inside a scan id; "" for none.
    site_tr
        Site -> seconds a frame, where the files themselves do not say.
    site_tr_source
        Where those come from, and how far they can be trusted.
    """

    scan_keys: tuple[str, ...] = ("scan", "scan_id", "file_id")
    subject_keys: tuple[str, ...] = ("subject", "participant_id", "subject_id", "sub_id", "id")
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    subject_pattern: str = ""
    site_tr: Mapping[str, float] = field(default_factory=dict)
    site_tr_source: str = ""


GENERIC_COLUMNS = {
    "session": ("session", "session_id", "ses"),
    "family": ("family", "family_id"),
    "site": ("site", "site_id", "scan_site_id", "center"),
    "age": ("age", "age_at_scan", "scan_age"),
    "sex": ("sex", "gender"),
    "motion": ("motion", "mean_fd", "func_mean_fd", "meanfd"),
    "tr": ("tr", "repetition_time", "repetitiontime"),
}

OWN = Scheme(columns=GENERIC_COLUMNS, codes={"sex": SEX})
"""A lab's own cohort: the usual names, and no guess at what numbers stand for."""

ABIDE = Scheme(
    scan_keys=("file_id", "scan", "scan_id"),
    subject_keys=("sub_id", "participant_id", "subject", "anonymized id"),
    columns={**GENERIC_COLUMNS, "diagnosis": ("dx_group", "diagnosis", "dx")},
    codes={
        "diagnosis": {"1": "autism", "2": "control", "autism": "autism", "control": "control"},
        "sex": {"1": "male", "2": "female", **SEX},
    },
    required=("diagnosis",),
    subject_pattern=r"(\d{5,7})(?=$|_)",
    # CMU is not listed: it has scans of 240 and of 320 frames (before the first four are dropped), which last
    # equally long only if their TR differs. Sources disagree on SBL.
    site_tr={
        "CALTECH": 2.0,
        "KKI": 2.5,
        "LEUVEN_1": 1.656,
        "LEUVEN_2": 1.656,
        "MAX_MUN": 3.0,
        "NYU": 2.0,
        "OHSU": 2.5,
        "OLIN": 1.5,
        "PITT": 1.5,
        "SDSU": 2.0,
        "STANFORD": 2.0,
        "TRINITY": 2.0,
        "UCLA_1": 3.0,
        "UCLA_2": 3.0,
        "UM_1": 2.0,
        "UM_2": 2.0,
        "USM": 2.0,
        "YALE": 2.0,
    },
    site_tr_source="scan parameter sheets of the ABIDE I sites, assumed to hold for every scan of a site; "
    "CMU and SBL are left empty because sources disagree",
)
"""ABIDE I and II phenotypic tables (Di Martino et al. 2014, 2017): DX_GROUP 1 autism, 2 control."""

SCHEMES: Mapping[str, Scheme] = {"abide1": ABIDE, "abide2": ABIDE}


def scheme(dataset: str) -> Scheme:
    """The scheme of a data set; the generic one for a lab's own cohort."""
    return SCHEMES.get(dataset, OWN)
