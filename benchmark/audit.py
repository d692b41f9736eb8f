"""The leak audit: detectors that look for ways in which a score may be higher than it should be.

Each detector says which kinds it covers, and has a test with a planted leak in which it fires.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ValidationError

from .contracts import Task
from .errors import BadData, BadOption
from .files import write_text
from .items import Items
from .record import Finding
from .splits import SplitManifest

SEEN = "subjects.json"


class SeenSubjects(BaseModel):
    """The manifest beside a checkpoint: hashes of the subjects that it was trained on."""

    data: str
    subjects: frozenset[str]


def subject_hash(subject: object) -> str:
    """Hash under which a subject is listed beside a checkpoint."""
    return hashlib.sha256(f"brainbench subject {subject}".encode()).hexdigest()[:24]


def duplicate_scans(items: Items, split: SplitManifest) -> Finding:
    """Scans with the same content in train and test under different ids. Covers kinds with a digest."""
    if "digest" not in items.table:
        return Finding(detector="duplicate-scans", level="not covered", message="the data carry no content digests")
    digest = items.table["digest"]
    leaks = 0
    for ids in split.folds.values():
        train = set(digest.loc[list(ids["train"])])
        leaks += int(digest.loc[list(ids["test"])].isin(train).sum())
    if leaks:
        return Finding(
            detector="duplicate-scans",
            level="leak",
            message=f"{leaks} test scans are byte for byte in the training set under another id",
        )
    return Finding(detector="duplicate-scans", level="ok", message="no test scan is a copy of a training scan")


def group_crossing(split: SplitManifest) -> Finding:
    """The engine refuses a split that crosses a subject or family; this line says it was checked."""
    return Finding(
        detector="group-crossing",
        level="ok",
        message=f"no subject or family crosses any of the {len(split.folds)} folds",
    )


def site_imbalance(task: Task, items: Items) -> Finding | None:
    """How far site alone tells the class (Cramer's V). Covers classification with sites."""
    if task.kind != "classification" or "site" not in items.table:
        return None
    counts = pd.crosstab(items.table["site"], items.table[task.target]).to_numpy(float)
    if min(counts.shape) < 2:
        return None
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    v = float((((counts - expected) ** 2 / expected).sum() / counts.sum() / (min(counts.shape) - 1)) ** 0.5)
    return Finding(
        detector="site-and-class",
        level="note" if v > 0.1 else "ok",
        message=f"Cramer's V of site and class is {v:.2f}: read the row site-only beside this one",
    )


def audit(task: Task, items: Items, split: SplitManifest, overlap: Finding | None) -> tuple[Finding, ...]:
    """All findings for one task and split."""
    if not any(ids["train"] for ids in split.folds.values()):
        return (
            Finding(detector="labels", level="ok", message="nothing is trained on labels: methods saw inputs only"),
        )
    found: Iterable[Finding | None] = (
        group_crossing(split),
        duplicate_scans(items, split),
        site_imbalance(task, items),
        overlap,
    )
    return tuple(finding for finding in found if finding is not None)


def leave_manifest(folder: Path, data: str, subjects: Iterable[object]) -> None:
    """Write which subjects a checkpoint was trained on, as hashes, beside the checkpoint."""
    seen = SeenSubjects(data=data, subjects=frozenset(map(subject_hash, subjects)))
    content = {"data": seen.data, "subjects": sorted(seen.subjects)}
    write_text(folder / SEEN, json.dumps(content, indent=1))


def pretraining_overlap(checkpoint: Path, items: Items, split: SplitManifest, allowed: bool) -> Finding:
    """Test subjects that the checkpoint was trained on.

    Raises `BadOption` when there are some and ``allowed`` is False.
    """
    place = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / SEEN
    if not place.exists():
        return Finding(
            detector="pretraining-overlap",
            level="note",
            message=f"{checkpoint.name} comes without {SEEN}: its training subjects are not known",
        )
    try:
        seen = SeenSubjects.model_validate_json(place.read_text())
    except ValidationError:
        raise BadData(f"{place}: not a list of subjects", "take it from where the checkpoint came from") from None
    subjects = items.table["subject"].astype(str)
    test = {str(subjects.loc[item]) for ids in split.folds.values() for item in ids["test"]}
    both = sum(subject_hash(subject) in seen.subjects for subject in test)
    if not both:
        return Finding(
            detector="pretraining-overlap",
            level="ok",
            message=f"none of the {len(test)} test subjects is among the checkpoint's {len(seen.subjects)}",
        )
    message = f"{both} of {len(test)} test subjects were in the checkpoint's training set"
    if not allowed:
        raise BadOption(
            f"{checkpoint}: {message}",
            "use another checkpoint, or --allow-overlap for a row that is marked and not ranked",
        )
    return Finding(detector="pretraining-overlap", level="leak", message=message)
