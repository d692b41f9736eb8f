"""L3: people and scans that a checkpoint was trained on, or that another cohort holds too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from ..contracts import Data, Method
from ..errors import BadData, BadOption
from ..files import write_text
from ..items import Items
from ..record import Finding
from ..splits import SplitManifest
from .detector import SCANS, Case, Detector, Result
from .fingerprint import FEWEST, Nearest, judge, nearest, similarities, within
from .look import has_series, look

SEEN = "subjects.json"

PRETRAINED = Detector("L3", "pretraining-overlap", "hashes of subjects and scans beside the checkpoint", covers=())
CARD = Detector("L3", "pretraining-data", "the data sets that the method's card names", covers=())
OTHER = Detector("L3", "other-cohort", "subject ids, contents and FC of the other cohort's scans", covers=SCANS)


class SeenSubjects(BaseModel):
    """The manifest beside a checkpoint: hashes of the subjects and of the scans that it was trained on.

    ``scans`` is empty in files that earlier versions wrote.
    """

    data: str
    subjects: frozenset[str]
    scans: frozenset[str] = frozenset()


def subject_hash(subject: object) -> str:
    """Hash under which a subject is listed beside a checkpoint."""
    return hashlib.sha256(f"brainbench subject {subject}".encode()).hexdigest()[:24]


def scan_hash(digest: object) -> str:
    """Hash under which a scan, known by the digest of its series, is listed beside a checkpoint."""
    return hashlib.sha256(f"brainbench scan {digest}".encode()).hexdigest()[:24]


def leave_manifest(
    folder: Path, data: str, subjects: Iterable[object], digests: Iterable[object] = (), start: Path | None = None
) -> None:
    """Write which subjects and scans a checkpoint was trained on, as hashes, beside the checkpoint.

    ``start`` is the checkpoint that the training started from: whom it has seen, this one has seen.
    """
    before = read_manifest(start) if start else None
    content = {
        "data": f"{before.data}+{data}" if before else data,
        "subjects": sorted(set(map(subject_hash, subjects)) | (before.subjects if before else set())),
        "scans": sorted(set(map(scan_hash, digests)) | (before.scans if before else set())),
    }
    write_text(folder / SEEN, json.dumps(content, indent=1))


def read_manifest(checkpoint: Path) -> SeenSubjects | None:
    """The manifest beside a checkpoint, or None. Raises `BadData` when it is damaged."""
    place = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / SEEN
    if not place.exists():
        return None
    try:
        return SeenSubjects.model_validate_json(place.read_text())
    except (OSError, ValueError):
        raise BadData(f"{place}: not a list of subjects", "take it from where the checkpoint came from") from None


def pretraining_overlap(checkpoint: Path, items: Items, split: SplitManifest, allowed: bool) -> Finding:
    """Test subjects, or test scans under another id, that the checkpoint was trained on.

    Raises `BadOption` when there are some and ``allowed`` is False.
    """
    found = seen_before(checkpoint, items, split)
    if found.level == "leak" and not allowed:
        raise BadOption(
            f"{checkpoint}: {found.message}",
            "use another checkpoint, or --allow-overlap for a row that is marked and not ranked",
        )
    return found.finding


def seen_before(checkpoint: Path, items: Items, split: SplitManifest) -> Result:
    """What a checkpoint's manifest says of the test items."""
    seen = read_manifest(checkpoint)
    if seen is None:
        return PRETRAINED.note(f"{checkpoint.name} comes without {SEEN}: its training subjects are not known")
    tested = sorted({item for ids in split.folds.values() for item in ids["test"]})
    table = items.table.loc[tested]
    subjects = table["subject"].astype(str)
    known = subjects.map(subject_hash).isin(seen.subjects)
    copied = table["digest"].map(scan_hash).isin(seen.scans) if "digest" in table else ~known & False
    total, both = subjects.nunique(), subjects[known].nunique()
    disguised = int((copied & ~known).sum())
    told = []
    if both:
        told.append(f"{both} of {total} test subjects were in the checkpoint's training set")
    if disguised:
        told.append(f"{disguised} test scans were in the checkpoint's training set under another id")
    if told:
        return PRETRAINED.leak(" and ".join(told), subjects=both, scans=disguised)
    return PRETRAINED.ok(
        f"none of the {total} test subjects is among the checkpoint's {len(seen.subjects)}", subjects=0, scans=0
    )


def card_overlap(case: Case, method: type[Method], checkpoint: Path | None) -> Result:
    """Whether the weights that a method brings were pretrained on the task's own data set."""
    named = method.card.pretraining
    if not named:
        return CARD.ok("the card names no pretraining data")
    told = ", ".join(named)
    if checkpoint is None and any(case.task.dataset.lower() == name.lower().replace(" ", "") for name in named):
        return CARD.note(f"the card names {told}: published weights of this method have seen this data set")
    return CARD.ok(f"the card names {told}, not {case.task.dataset}")


def other_cohort(case: Case, data: Data) -> Result:
    """People of the test set who are in another cohort, by id, by content, or by their connectivity."""
    tested = np.unique(np.concatenate([test for _, test in case.folds.values()]))
    ours, theirs = case.table.iloc[tested], data.items.table
    subjects = set(ours["subject"].astype(str)) & set(theirs["subject"].astype(str))
    copies = set(ours.get("digest", ())) & set(theirs.get("digest", ()))
    if subjects or copies:
        return OTHER.leak(
            f"{data.name} holds {len(subjects)} subject ids and {len(copies)} scans, byte for byte, of the test set",
            subjects=len(subjects),
            scans=len(copies),
        )
    labels = [items.meta.get("atlas", {}).get("labels") for items in (case.items, data.items)]
    if not (has_series(case.items) and has_series(data.items) and labels[0] == labels[1]):
        return OTHER.not_covered(
            f"no id or content in common with {data.name}; its atlas is another, so FC says nothing"
        )
    if len(tested) < FEWEST:
        return OTHER.not_covered(f"no id or content in common; fewer than {FEWEST} test scans to compare FC by")
    mine, other = case.look.fc[tested], look(data.items, case.progress).fc
    means = (case.look.fc.mean(axis=0, dtype=np.float64), other.mean(axis=0, dtype=np.float64))
    people = theirs["subject"].astype(str).to_numpy()
    parts = []
    for start, close in similarities(mine, other, (means[0].astype(np.float32), means[1].astype(np.float32))):
        best, top, gap = nearest(close, people)
        parts.append((np.arange(start, start + len(close)), best, top, gap))
        case.progress("fingerprint", start + len(close), len(tested))
    found = Nearest(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    same = within(case, means[0].astype(np.float32))
    return judge(OTHER, found, same, ours.index.to_numpy(), theirs.index.to_numpy())
