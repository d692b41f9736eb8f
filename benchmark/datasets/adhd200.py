"""ADHD-200."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import DatasetCard
from .dataset import TwinnedCohort
from .scheme import SEX, Scheme
from .tables import is_missing

if TYPE_CHECKING:
    import pandas as pd

SITES = {
    "1": "Peking",
    "2": "Brown",
    "3": "KKI",
    "4": "NeuroIMAGE",
    "5": "NYU",
    "6": "OHSU",
    "7": "Pittsburgh",
    "8": "WashU",
}
"""Codes of the column Site."""

TYPES = {"0": "control", "1": "combined", "2": "hyperactive", "3": "inattentive"}
"""Codes of the column DX."""

RUN_QUALITY = "qc_rest"


def any_run(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Joins a site's columns QC_Rest_1 to QC_Rest_4: 0 where every run that is rated failed."""
    runs = [column for column in table.columns if str(column).lower().startswith(f"{RUN_QUALITY}_")]
    if not runs:
        return table, []
    rated = table[runs].map(lambda cell: None if is_missing(cell) else cell not in ("0", "0.0"))
    joined = ["" if not row.notna().any() else str(int(row.dropna().any())) for _, row in rated.iterrows()]
    return table.assign(**{RUN_QUALITY: joined}), []


SCHEME = Scheme(
    scan_keys=("scan", "scan_id", "file_id"),
    subject_keys=("scandir.id", "scandir id", "scandirid", "scandir_id", "participant_id", "subject"),
    columns={
        "session": ("session",),
        "site": ("site",),
        "age": ("age",),
        "sex": ("gender", "sex"),
        "motion": ("motion", "mean_fd", "func_mean_fd"),
        "diagnosis": ("dx", "diagnosis"),
        "adhd_type": ("dx", "adhd_type"),
        "qc": ("qc_athena", RUN_QUALITY, "qc_niak"),
    },
    codes={
        "site": {**SITES, **{name: name for name in SITES.values()}},
        "sex": {"0": "female", "1": "male", **SEX},
        "diagnosis": {
            **{code: "control" if kind == "control" else "ADHD" for code, kind in TYPES.items()},
            "control": "control",
            "adhd": "ADHD",
        },
        "adhd_type": {
            **TYPES,
            **{kind: kind for kind in TYPES.values()},
            **dict.fromkeys(("adhd", "pending", "withheld"), "n/a"),
        },
    },
    required=("diagnosis",),
    subject_pattern=r"(\d{5,7})(?=$|_)",
    left_out={
        "diagnosis": {"pending": "the diagnosis is not given", "withheld": "the diagnosis is not given"},
        "qc": {"0": "failed quality control"},
    },
    prepare=any_run,
    site_tr={
        "Peking": 2.0,
        "Brown": 2.0,
        "KKI": 2.5,
        "NeuroIMAGE": 1.96,
        "NYU": 2.0,
        "OHSU": 2.5,
        "Pittsburgh": 1.5,
        "WashU": 2.5,
    },
    tr_source="scan parameters of the ADHD-200 sites, assumed to hold for every scan of a site; Brown's is assumed",
)


class ADHD200(TwinnedCohort):
    """ADHD-200."""

    name = "adhd200"
    scheme = SCHEME
    card = DatasetCard(
        title="ADHD-200 Sample",
        summary="Resting-state fMRI of children and adolescents with ADHD and controls, eight sites, ages 7 to 22. "
        "Targets: diagnosis (control, ADHD) and type (combined, hyperactive, inattentive).",
        access="registration at NITRC (nitrc.org/projects/neurobureau): ROI series of the Athena pipeline, "
        "ADHD200_CC200_TCs_filtfix.tar.gz, and adhd200_preprocessed_phenotypics.tsv; unpack, then `brainbench data "
        "import adhd200 PATH`",
        licence="INDI terms (CC BY-NC): non-commercial use, cite the ADHD-200 Consortium and the Neuro Bureau",
        expected="Athena's folders SITE/SUBJECT/sfnwmrdaSUBJECT_session_1_rest_1_cc200_TCs.1D (or one series a scan, "
        "named by ScanDir.ID), and adhd200_preprocessed_phenotypics: ScanDir.ID, Site (1 to 8), Gender (0 female, 1 "
        "male), Age, DX (0 control, 1 combined, 2 hyperactive, 3 inattentive, pending), QC_Athena. Scans that failed "
        "quality control (QC_Athena 0, or all QC_Rest 0) or whose DX is pending are left out, each with its reason; "
        "--column qc=QC_NIAK takes another column, --code qc:0=kept keeps them",
        citation="ADHD-200 Consortium 2012, Frontiers in Systems Neuroscience 6:62; Bellec et al. 2017, NeuroImage "
        "144:275 (preprocessed)",
        counts="770 rows of the phenotypic table: 487 control, 161 combined, 11 hyperactive, 111 inattentive; 290 "
        "female, 479 male, one not known",
        leaves="ids",
    )
