"""Twins by the name of their data set."""

from __future__ import annotations

from pathlib import Path

from ..contracts import Progress
from ..errors import BadOption
from ..registry import load_dataset
from .algonauts import Algonauts, make_given_twin
from .cohort import Cohort
from .dataset import SIZES, CohortDataset
from .movies import MovieCohort
from .nsd import NSD, make_photo_twin
from .recordings.dataset import RecordingsDataset
from .recordings.store import Recordings
from .responses import ResponseCohort


def make_twin(
    dataset: str,
    size: str,
    seed: int,
    progress: Progress,
    photos: Path | None = None,
    features: Path | None = None,
) -> Cohort | Recordings | ResponseCohort | MovieCohort:
    """The simulated twin of a data set, made when it is not there yet.

    Raises `UnknownName` for an unknown data set and `BadOption` for one without a twin, for an
    unknown size, or for a data set in parts without the part.
    """
    found = load_dataset(dataset)
    if photos:
        if not isinstance(found, NSD) or size != SIZES[0]:
            raise BadOption("--photos is for the small twin of nsd", "brainbench data simulate nsd --photos DIR")
        return make_photo_twin(photos, seed, progress)
    if features:
        if not isinstance(found, Algonauts) or size != SIZES[0]:
            raise BadOption(
                "--features is for the twin of algonauts2025, without --size",
                "brainbench data simulate algonauts2025 --features DIR",
            )
        return make_given_twin(features, seed, progress)
    if not isinstance(found, CohortDataset | RecordingsDataset | NSD | Algonauts):
        raise BadOption(f"{dataset} has no simulated twin", "see `brainbench data list`")
    return found.twin(size, seed, progress)
