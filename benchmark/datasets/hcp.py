"""Human Connectome Project: young adults (S1200), and HCP-Aging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import DatasetCard
from .dataset import TwinnedCohort
from .scheme import SEX, Scheme
from .tables import find_column

if TYPE_CHECKING:
    import pandas as pd

BANDS = ("22-25", "26-30", "31-35", "36+")
"""Years, in the column Age of the open table."""

JOIN = "the restricted table, which a second  --participants FILE  joins"


def without_bands(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table as it is; says so where ages are known as bands only."""
    band = find_column(table, ("age",))
    if find_column(table, ("age_in_yrs",)) or band is None or not table[band].isin(BANDS).any():
        return table, []
    return table, [f"ages are not known: column {band!r} holds bands of years; Age_in_Yrs is in {JOIN}"]


YOUNG_ADULT = Scheme(
    subject_keys=("subject", "participant_id", "subject_id", "id"),
    columns={
        "session": ("session",),
        "family": ("family_id", "mother_id", "family"),
        "age": ("age_in_yrs", "age"),
        "sex": ("gender", "sex"),
        "motion": ("movement_relativerms_mean", "motion", "mean_fd"),
        "fluid_composite": ("cogfluidcomp_ageadj", "fluid_composite"),
        "flanker": ("flanker_ageadj", "flanker"),
    },
    codes={"sex": SEX, "age": dict.fromkeys(BANDS, "n/a")},
    required=("sex",),
    subject_pattern=r"(?<!\d)(\d{6})(?!\d)",
    session_pattern=r"(?i)(rest\d)_?(?:acq-|dir-)?(lr|rl|ap|pa)(?![a-z])",
    advised={
        "family": f"warning: families are not known, so twins can be on both sides of a split; Family_ID is in {JOIN}",
    },
    prepare=without_bands,
    tr=0.72,
    tr_source="the HCP S1200 protocol (Smith et al. 2013)",
)

AGING = Scheme(
    subject_keys=("src_subject_id", "subject", "participant_id", "subjectkey"),
    columns={
        "site": ("site", "site_id"),
        "age": ("interview_age", "age"),
        "sex": ("sex", "gender"),
        "motion": ("movement_relativerms_mean", "motion", "mean_fd"),
        "fluid_composite": ("nih_fluidcogcomp_ageadjusted", "cogfluidcomp_ageadj", "fluid_composite"),
        "flanker": ("nih_flanker_ageadjusted", "flanker_ageadj", "flanker"),
    },
    codes={"sex": SEX},
    required=("sex", "age"),
    subject_pattern=r"(HCA\d+)",
    session_pattern=r"(?i)(rest\d)_?(?:acq-|dir-)?(ap|pa)(?![a-z])",
    limits={"age": (30, 110)},
    tr=0.8,
    tr_source="the HCP Lifespan protocol (Harms et al. 2018)",
)


class HCP(TwinnedCohort):
    """HCP Young Adult."""

    name = "hcp"
    scheme = YOUNG_ADULT
    card = DatasetCard(
        title="Human Connectome Project, young adults (S1200)",
        summary="Resting-state fMRI of healthy people of 22 to 37 years, many of them twins and siblings: four runs "
        "each (REST1 and REST2, phase encoding LR and RL, 1200 frames, TR 0.72 s), one scanner. Targets: sex, fluid "
        "composite, flanker.",
        access="gated: data-use terms at ConnectomeDB / BALSA (humanconnectome.org); ages in years and families are in "
        "the restricted table, for which one applies apart; extract ROI series, then `brainbench data import hcp PATH`",
        licence="WU-Minn HCP Open Access Data Use Terms, and Restricted Data Use Terms for ages and families",
        expected="one series a run, named 100307_REST1_LR (or sub-100307_ses-REST1LR), and the table of behaviour "
        "(Subject, Gender, CogFluidComp_AgeAdj, Flanker_AgeAdj); with a second --participants the restricted one "
        "(Age_in_Yrs, Family_ID or Mother_ID). Without it age is unknown, because the open table has bands of years "
        "only, and relatives cannot be kept on one side of a split. Movement_RelativeRMS_mean, where a table has it, "
        "is the motion",
        citation="Van Essen et al. 2013, NeuroImage 80:62; Smith et al. 2013, NeuroImage 80:144",
        counts="1206 people, 1113 of them with MRI; the fluid composite of nearly all",
        leaves="salted",
    )


class HCPAging(TwinnedCohort):
    """HCP-Aging."""

    name = "hcp-aging"
    scheme = AGING
    card = DatasetCard(
        title="Human Connectome Project, Lifespan: Aging",
        summary="Resting-state fMRI of people of 36 years and more who age typically (four runs of 488 frames, TR "
        "0.8 s), four sites. Targets: sex, age, fluid composite, flanker.",
        access="gated: NIMH Data Archive, collection 2847 (nda.nih.gov), with a data-use certification; extract ROI "
        "series, then `brainbench data import hcp-aging PATH`",
        licence="NIMH Data Archive Data Use Certification",
        expected="one series a scan, named by HCA id (HCA6002236_V1_MR), and NDA tables with src_subject_id, "
        "interview_age (months; 1200 stands for 90 years and more), sex, nih_fluidcogcomp_ageadjusted (cogcomp01), "
        "nih_flanker_ageadjusted (flanker01), site; several --participants are joined, and the row of descriptions "
        "below the header is passed over",
        citation="Bookheimer et al. 2019, NeuroImage 185:335; Harms et al. 2018, NeuroImage 183:972",
        counts="725 people in release 2.0",
        leaves="aggregates",
    )
