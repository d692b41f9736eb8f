"""A lab's own cohort, imported under a name of its own: ``own:NAME`` in a task."""

from __future__ import annotations

from ..contracts import Data, DatasetCard, Progress, silent
from ..errors import BadOption
from ..home import cohorts
from .dataset import CohortDataset, load_cohort


class OwnCohort(CohortDataset):
    """An imported cohort; it has no simulated twin.

    Attributes
    ----------
    name
        ``own:NAME``.
    """

    name = "own"
    parts = ("NAME",)
    card = DatasetCard(
        title="Your own cohort",
        summary="Scans of your own with a participants table, under a name that you choose.",
        access="brainbench data import own PATH --name NAME",
        licence="yours",
        expected="BIDS derivatives, NIfTI with an atlas, or one table of series a scan; see docs/cohorts.md",
        leaves="aggregates",
    )

    def __init__(self, cohort: str = "") -> None:
        self.cohort = cohort
        self.name = f"own:{cohort}" if cohort else "own"

    def installed(self) -> bool:
        """Whether a cohort of this name is on this machine."""
        return (cohorts() / self.cohort / "cohort.json").exists() if self.cohort else False

    def load(self, source: str, progress: Progress = silent) -> Data:
        """The imported cohort. Raises `DataMissing` with the command that brings it, `BadOption` for a twin."""
        if source != "real":
            raise BadOption(f"{self.name} has no simulated twin", "use  --data real")
        if not self.cohort:
            raise BadOption("data set 'own': which cohort?", "write  own:NAME  in the task")
        return load_cohort(self.cohort)
