"""The leak audit: detectors that look for ways in which a score may be higher than it should be.

Each detector says which traps and kinds it covers, and has a test with a planted leak in which it fires
and a clean set in which it does not. Those here run with every run; `report` runs all.
"""

from __future__ import annotations

from ..contracts import Task
from ..items import Items
from ..record import Finding
from ..splits import SplitManifest
from ..withheld import missing
from .alone import length_alone, motion_alone, site_alone
from .copies import duplicate_scans, group_crossing, shared_frames
from .detector import Case, Result
from .overlap import SEEN, leave_manifest, pretraining_overlap
from .site import site_imbalance

__all__ = ["SEEN", "Case", "Result", "audit", "leave_manifest", "pretraining_overlap"]


def audit(task: Task, items: Items, split: SplitManifest, overlap: Finding | None) -> tuple[Finding, ...]:
    """What is looked for with every run: one read of the series at most, and the table."""
    if not any(ids["train"] for ids in split.folds.values()):
        told = (
            "no label of this task was shown" if task.few else "nothing is trained on labels: methods saw inputs only"
        )
        return (Finding(detector="labels", level="ok", message=told), *([overlap] if overlap else []))
    case = Case(task, items, split)
    always = (group_crossing(case), duplicate_scans(case))
    if task.few or missing(task, items):  # too few people train for a floor to be learned, or none can be scored
        return (*(result.finding for result in always), *([overlap] if overlap else []))
    where_covered = (look(case) for look in (shared_frames, site_imbalance, site_alone, motion_alone, length_alone))
    found = [result.finding for result in (*always, *(result for result in where_covered if covered(result)))]
    return (*found, overlap) if overlap else tuple(found)


def covered(result: Result) -> bool:
    """Whether a detector could look."""
    return result.level != "not covered"
