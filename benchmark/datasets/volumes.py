"""Cohorts of 4-D images."""

from __future__ import annotations

from pathlib import Path

from ..contracts import DatasetCard, Progress
from .cohort import Cohort
from .dataset import CohortDataset


class HCPVolumes(CohortDataset):
    """Resting-state images of the HCP young adults, for methods that read voxels."""

    name = "hcp-volumes"
    card = DatasetCard(
        title="Human Connectome Project, young adults: 4-D images",
        summary="Preprocessed resting-state images in MNI space at 2 mm, on a grid of 96 x 96 x 96 voxels.",
        access="registration at db.humanconnectome.org (restricted data for exact ages and families); then "
        "`brainbench data import hcp-volumes PATH --format volumes`",
        licence="WU-Minn HCP Consortium Open Access Data Use Terms",
        expected="BIDS-like sub-*/[ses-*/]func/sub-*_task-rest_*space-MNI152NLin6Asym_*_bold.nii.gz (HCP: "
        "rfMRI_REST1_LR_hp2000_clean.nii.gz under such names) and participants.tsv: participant_id, sex, age, family",
        citation="Van Essen et al. 2013, NeuroImage 80:62; Glasser et al. 2013, NeuroImage 80:105",
        counts="1,206 people aged 22 to 37; 1,200 frames a run at TR 0.72 s; about 2 GB a run on disk",
    )

    def simulate(self, size: str, path: Path, seed: int, progress: Progress) -> Cohort:
        """Write the twin's folder."""
        from ..simulate.volumes import simulate

        return simulate(size, path, seed, progress=progress)

    def twin_version(self) -> int:
        """Version of the generator."""
        from ..simulate.volumes import VERSION

        return VERSION
