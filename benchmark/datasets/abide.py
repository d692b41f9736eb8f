"""ABIDE I and ABIDE II."""

from __future__ import annotations

from pathlib import Path

from ..contracts import DatasetCard, Progress
from .cohort import Cohort
from .dataset import CohortDataset

LICENCE = "CC BY-NC-SA 3.0: non-commercial use, cite the collection and its sites"

CODES = "columns DX_GROUP (1 autism, 2 control), SEX (1 male, 2 female), AGE_AT_SCAN, SITE_ID"


class _Abide(CohortDataset):
    """What both collections share: their twins come from one generator."""

    def simulate(self, size: str, path: Path, seed: int, progress: Progress) -> Cohort:
        """Write the twin's folder."""
        from ..simulate.abide import simulate

        return simulate(self.name, size, path, seed, progress=progress)

    def twin_version(self) -> int:
        """Version of the generator."""
        from ..simulate.twin import VERSION

        return VERSION


class ABIDE1(_Abide):
    """ABIDE I."""

    name = "abide1"
    open_access = True
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
    )


class ABIDE2(_Abide):
    """ABIDE II."""

    name = "abide2"
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
    )
