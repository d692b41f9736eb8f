"""Cohorts of 4-D images."""

from __future__ import annotations

from pathlib import Path

from ..contracts import DatasetCard, Progress
from ..simulate.versions import VOLUMES
from .cohort import Cohort
from .dataset import CohortDataset
from .hcp import YOUNG_ADULT


class HCPVolumes(CohortDataset):
    """Resting-state images of the HCP young adults, for methods that read voxels."""

    name = "hcp-volumes"
    scheme = YOUNG_ADULT
    card = DatasetCard(
        title="Human Connectome Project, young adults: 4-D images",
        summary="Preprocessed resting-state images in MNI space at 2 mm, on a grid of 96 x 96 x 96 voxels.",
        access="gated: data-use terms at ConnectomeDB / BALSA (humanconnectome.org), restricted ones for ages and "
        "families; then `brainbench data import hcp-volumes PATH --format volumes`",
        licence="WU-Minn HCP Open Access Data Use Terms, and Restricted Data Use Terms for ages and families",
        expected="one image a run, rfMRI_REST1_LR_hp2000_clean.nii.gz under a BIDS name such as sub-100307/func/"
        "sub-100307_ses-REST1LR_task-rest_space-MNI152NLin6Asym_bold.nii.gz, and the tables of hcp. Images are cropped "
        "or padded to 96 x 96 x 96 voxels (--grid N for another cube) and normalised when they are imported",
        citation="Van Essen et al. 2013, NeuroImage 80:62; Glasser et al. 2013, NeuroImage 80:105",
        counts="1206 people, 1113 of them with MRI; four runs of 1200 frames at TR 0.72 s, each about 2.1 GB on disk",
        leaves="salted",
    )

    def simulate(self, size: str, path: Path, seed: int, progress: Progress) -> Cohort:
        """Write the twin's folder."""
        from ..simulate.volumes import simulate

        return simulate(size, path, seed, progress=progress)

    def twin_version(self) -> int:
        """Version of the generator."""
        return VOLUMES
