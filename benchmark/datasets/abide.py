"""ABIDE I and ABIDE II."""

from __future__ import annotations

from ..contracts import DatasetCard
from .dataset import TwinnedCohort
from .scheme import GENERIC_COLUMNS, SEX, Scheme

LICENCE = "CC BY-NC-SA 3.0: non-commercial use, cite the collection and its sites"

CODES = "columns DX_GROUP (1 autism, 2 control), SEX (1 male, 2 female), AGE_AT_SCAN, SITE_ID"

SCHEME = Scheme(
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
    tr_source="scan parameter sheets of the ABIDE I sites, assumed to hold for every scan of a site; "
    "CMU and SBL are left empty because sources disagree",
)
"""ABIDE I and II phenotypic tables (Di Martino et al. 2014, 2017): DX_GROUP 1 autism, 2 control."""


class ABIDE1(TwinnedCohort):
    """ABIDE I."""

    name = "abide1"
    open_access = True
    scheme = SCHEME
    card = DatasetCard(
        title="Autism Brain Imaging Data Exchange I",
        summary="Resting-state fMRI of autistic people and controls, 20 collections of 17 sites, ages 6 to 64.",
        access="open: `brainbench data get abide1` takes the ROI series of the Preprocessed Connectomes Project",
        licence=LICENCE,
        expected="Preprocessed Connectomes .1D files (one a scan) or npz files with one array a scan, and "
        f"Phenotypic_V1_0b_preprocessed1.csv: FILE_ID, {CODES}; func_mean_fd for motion",
        citation="Di Martino et al. 2014, Molecular Psychiatry 19:659; Craddock et al. 2013, Frontiers in "
        "Neuroinformatics (Preprocessed Connectomes Project)",
        counts="1112 scans: 539 autism, 573 control; 948 male, 164 female",
        leaves="ids",
        open=True,
    )


class ABIDE2(TwinnedCohort):
    """ABIDE II."""

    name = "abide2"
    scheme = SCHEME
    card = DatasetCard(
        title="Autism Brain Imaging Data Exchange II",
        summary="Resting-state fMRI of autistic people and controls, 19 collections, ages 5 to 64.",
        access="registration at NITRC / INDI (fcon_1000.projects.nitrc.org/indi/abide/abide_II.html); extract ROI "
        "series from the scans, then `brainbench data import abide2 PATH`",
        licence=LICENCE,
        expected="BIDS derivatives with *_timeseries.tsv, or one table of series a scan, and "
        f"ABIDEII_Composite_Phenotypic.csv: SUB_ID, {CODES}",
        citation="Di Martino et al. 2017, Scientific Data 4:170010",
        counts="1114 rows of the composite table: 521 autism, 593 control; 856 male, 258 female",
        leaves="ids",
    )
