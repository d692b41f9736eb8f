"""Twins by the name of their data set."""

from __future__ import annotations

from ..contracts import Progress
from ..errors import BadOption
from ..registry import load_dataset
from .cohort import Cohort
from .dataset import CohortDataset
from .nsd import NSD
from .recordings.dataset import RecordingsDataset
from .recordings.store import Recordings
from .responses import ResponseCohort


def make_twin(dataset: str, size: str, seed: int, progress: Progress) -> Cohort | Recordings | ResponseCohort:
    """The simulated twin of a data set, made when it is not there yet.

    Raises `UnknownName` for an unknown data set and `BadOption` for one without a twin, for an
    unknown size, or for a data set in parts without the part.
    """
    found = load_dataset(dataset)
    if not isinstance(found, CohortDataset | RecordingsDataset | NSD):
        raise BadOption(f"{dataset} has no simulated twin", "see `brainbench data list`")
    return found.twin(size, seed, progress)
