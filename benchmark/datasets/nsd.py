"""NSD, the Natural Scenes Dataset: responses of four brains to pictures of COCO; and its simulated twin."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..contracts import Ceiling, Data, Dataset, DatasetCard, Progress, silent
from ..errors import BadData, BadOption, DataMissing
from ..home import cohorts, twins
from ..simulate.versions import PICTURES
from .brainhub import GET, references
from .dataset import SIZES
from .response_manifest import MANIFEST
from .responses import ResponseCohort

PHOTOS = "photos"
"""Size of the twin that shows photographs."""


class NSD(Dataset):
    """NSD: one row a (brain, image)."""

    name = "nsd"
    card = DatasetCard(
        title="Natural Scenes Dataset (NSD)",
        summary="7T fMRI of people who saw COCO pictures, up to three times each; a response (beta) a voxel and trial.",
        access="gated: NSD Data Access Agreement and form at naturalscenesdataset.org, then Amazon S3; then "
        "`brainbench data import nsd PATH`. Captions and boxes: annotations of COCO 2017 at cocodataset.org. The test "
        "images' references alone: `brainbench data get brainhub`",
        licence="NSD Terms and Conditions (no redistribution); COCO's annotations CC BY 4.0, its photos under Flickr's "
        "terms",
        expected="NSD's own tree: nsddata_betas/ppdata/subjXX/func1pt8mm/betas_fithrf_GLMdenoise_RR/"
        "betas_sessionNN.hdf5 (or .nii.gz), nsddata/ppdata/subjXX/func1pt8mm/roi/{nsdgeneral,streams,prf-visualrois}"
        ".nii.gz, nsddata/experiments/nsd/{nsd_expdesign.mat,nsd_stim_info_merged.csv}, "
        "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5; and COCO's {captions,instances}_{train,val}2017.json. Or one "
        "HDF5 or NPZ file a brain: see docs/vision_data.md",
        citation="Allen et al. 2022, Nature Neuroscience 25:116",
        counts="subjects 1, 2, 5, 7 (all 40 sessions of 750 trials), 1.8 mm, 15724 / 14278 / 13039 / 12682 voxels of "
        "nsdgeneral; in the first 37 sessions 8859 training images a brain and 982 test images, which all saw",
        leaves="ids",
    )

    def installed(self) -> bool:
        """Whether responses have been imported."""
        return (cohorts() / self.name / MANIFEST).is_file()

    def load(self, source: str, progress: Progress = silent) -> Data:
        """The data from "real", "simulated", "simulated:SIZE", or "references". See `Dataset.load`.

        "references" are the captions and boxes of BrainHub for the test images, without responses and pictures.
        """
        kind, _, size = source.partition(":")
        if kind == "real" and not size:
            if not self.installed():
                raise DataMissing(
                    "nsd is not installed",
                    "real data:  brainbench data import nsd PATH\n  its simulated twin:  add  --data simulated\n"
                    f"  references alone:  {GET}   and add  --data references",
                )
            return data_of(ResponseCohort.open(cohorts() / self.name))
        if source == "references":
            return references()
        if kind == "simulated":
            return data_of(self.twin(size or SIZES[0], progress=progress))
        raise BadOption(
            f"--data {source}: no such source",
            "sources are: real, references, simulated, simulated:full, simulated:photos, simulated:IMAGES",
        )

    def twin(self, size: str, seed: int = 0, progress: Progress = silent) -> ResponseCohort:
        """The twin of a size, made when it is not there whole. Raises `BadOption` for an unknown size."""
        if size not in (*SIZES, PHOTOS) and not size.isdecimal():
            sizes = ", ".join((*SIZES, PHOTOS))
            raise BadOption(f"no twin of size {size!r}", f"sizes are: {sizes}, or a number of images")
        if size == PHOTOS:
            return photo_twin()
        path = twins() / (f"{self.name}-{size}" if seed == 0 else f"{self.name}-{size}-seed{seed}")
        with suppress(DataMissing, BadData):
            stored = ResponseCohort.open(path)
            if (stored.manifest.twin or {}).get("version") == PICTURES:
                return stored
        from ..simulate.nsd_twin import simulate

        simulate(size, path, seed, progress)
        return ResponseCohort.open(path)


def photo_twin() -> ResponseCohort:
    """The twin that shows photographs among drawn scenes. Raises `DataMissing` where it has not been made."""
    path = twins() / f"{NSD.name}-{PHOTOS}"
    try:
        return ResponseCohort.open(path)
    except DataMissing:
        hint = "make it:  brainbench data simulate nsd --photos DIR   (a folder with COCO's annotations and pictures)"
        raise DataMissing("no twin with photographs has been made", hint) from None


def make_photo_twin(photos: Path, seed: int, progress: Progress) -> ResponseCohort:
    """The small twin with COCO's photographs in the place of some drawn scenes, anew. Raises `BadData`."""
    from ..simulate.nsd_twin import simulate

    return simulate(SIZES[0], twins() / f"{NSD.name}-{PHOTOS}", seed, progress, photos)


def data_of(cohort: ResponseCohort) -> Data:
    """A folder of responses as a task gets it: origin, fingerprint, and of a twin its ceilings.

    Ceilings are told as target -> fields of `Ceiling`. Raises `BadData`.
    """
    manifest = cohort.manifest
    twin = manifest.twin or {}
    ceilings = {target: Ceiling(**ceiling) for target, ceiling in twin.get("ceilings", {}).items()}
    return Data(cohort.items(), manifest.name, manifest.origin, manifest.fingerprint, ceilings, twin.get("folds"))
