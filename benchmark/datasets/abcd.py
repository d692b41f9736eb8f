"""Adolescent Brain Cognitive Development study."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ..contracts import DatasetCard
from .dataset import TwinnedCohort
from .scheme import SEX, Scheme
from .tables import find_column

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "baselineyear1arm1"

RELEASE_6 = {"00a": BASELINE, "02a": "2yearfollowupyarm1", "04a": "4yearfollowupyarm1", "06a": "6yearfollowupyarm1"}
"""Session labels since release 6 -> event names before, without blanks and underscores."""


def events(labels: Collection[str]) -> Mapping[str, str]:
    """Session label -> event, so that ``baseline_year_1_arm_1`` is ``baselineYear1Arm1`` and ``00A``."""
    plain = {label: re.sub(r"[^a-z0-9]", "", label.lower()) for label in labels}
    return {label: RELEASE_6.get(event, event) for label, event in plain.items()}


def plain_ids(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Subjects written as in file names, ``NDARINV...`` without the underscore."""
    subject = find_column(table, SUBJECTS)
    if subject:
        table = table.assign(**{subject: table[subject].str.replace("NDAR_INV", "NDARINV", regex=False)})
    return table, []


SUBJECTS = ("src_subject_id", "subjectkey", "participant_id", "subject")

SCHEME = Scheme(
    subject_keys=SUBJECTS,
    columns={
        "session": ("eventname", "session_id", "session"),
        "family": ("rel_family_id", "family_id", "family"),
        "site": ("site_id_l", "site"),
        "age": ("interview_age", "age"),
        "sex": ("sex", "gender"),
        "motion": ("rsfmri_c_ngd_meanmotion", "rsfmri_var_meanmotion", "rsfmri_meanmotion", "motion"),
        "fluid_composite": ("nihtbx_fluidcomp_agecorrected", "fluid_composite"),
        "flanker": ("nihtbx_flanker_agecorrected", "flanker"),
        "qc": ("imgincl_rsfmri_include", "qc"),
    },
    codes={"sex": SEX},
    required=("sex",),
    subject_pattern=r"(NDAR)_?(INV[A-Za-z0-9]{8})",
    limits={"age": (5, 25)},
    left_out={"qc": {"0": "not recommended for use by the study"}},
    advised={
        "family": "warning: families are not known, so twins can be on both sides of a split; a second  --participants "
        "FILE  with rel_family_id joins them"
    },
    prepare=plain_ids,
    sessions=events,
    first_session=BASELINE,
    tr=0.8,
    tr_source="the ABCD protocol (Casey et al. 2018)",
)


class ABCD(TwinnedCohort):
    """ABCD."""

    name = "abcd"
    scheme = SCHEME
    card = DatasetCard(
        title="Adolescent Brain Cognitive Development study",
        summary="Resting-state fMRI of children from 9 or 10 years on, 21 sites, repeated every two years, with twins "
        "and siblings (up to four runs of 383 frames, TR 0.8 s). Targets: sex, fluid composite, flanker.",
        access="gated: NIH Brain Development Cohorts data hub (nbdc-datahub.org; before 2025 the NIMH Data Archive) "
        "with a data-use certification; extract ROI series, then `brainbench data import abcd PATH`",
        licence="ABCD Data Use Certification: approved project only",
        expected="one series a scan, named sub-NDARINV..._ses-baselineYear1Arm1 (or ses-00A), and tables with "
        "src_subject_id or subjectkey, eventname, interview_age (months), sex, site_id_l, rel_family_id, "
        "nihtbx_fluidcomp_agecorrected, nihtbx_flanker_agecorrected, rsfmri_c_ngd_meanmotion (before release 4 "
        "rsfmri_var_meanmotion); several --participants are joined by subject and event. Scans whose "
        "imgincl_rsfmri_include is 0 are left out",
        citation="Casey et al. 2018, Developmental Cognitive Neuroscience 32:43; Hagler et al. 2019, NeuroImage 202:"
        "116091",
        counts="11,868 children at baseline; fewer with usable resting-state fMRI, by release",
        leaves="aggregates",
    )
