"""What is wrong with a folder of responses, brain by brain: every trial and every picture is read once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Progress, silent
from ..errors import BadData
from ..items import ArrayRef
from .check import Finding
from .response_rows import rows_of_concepts
from .responses import ResponseCohort

AT_ONCE = 100
"""Trials in memory."""

REPEATS = 3
"""How often NSD showed an image."""

GENERAL = {"subj01": 15724, "subj02": 14278, "subj05": 13039, "subj07": 12682}
"""Voxels of nsdgeneral at 1.8 mm, as the decoders' code lists them."""


@dataclass
class ResponseReport:
    """What `check_responses` found.

    Attributes
    ----------
    cohort
        Name of the cohort.
    brains, images
        One row a brain and one a set of images, in numbers.
    findings
        ``subject`` is the brain, ``scan`` the image; those of all come first.
    left_out
        What the import left out, and why.
    """

    cohort: str
    brains: list[dict[str, Any]]
    images: list[dict[str, Any]]
    findings: list[Finding]
    left_out: dict[str, str]

    @property
    def errors(self) -> int:
        """Number of findings that make results wrong."""
        return sum(finding.level == "error" for finding in self.findings)

    def summary(self) -> str:
        """One line."""
        images = sum(row["images"] for row in self.images)
        warnings = len(self.findings) - self.errors
        return f"{self.cohort}: {images} images, {len(self.brains)} brains: {self.errors} errors, {warnings} warnings"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "errors": self.errors}


@dataclass
class _Look:
    """What a pass over one brain's trials found."""

    low: np.ndarray
    high: np.ndarray
    broken: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)


def check_responses(path: Path, progress: Progress = silent) -> ResponseReport:
    """Check a folder. Memory holds some trials, one picture and the tables.

    Raises `BadData` or `DataMissing` when the folder cannot be opened.
    """
    cohort = ResponseCohort.open(path)
    findings = [
        Finding("error", "", "", f"{name}: not what was written; import or simulate it again")
        for name in cohort.changed()
    ]
    images, rows = cohort.images(), cohort.rows()
    try:
        rows_of_concepts(cohort.items())
    except BadData as error:
        findings.append(Finding("error", "", "", error.message))
    findings += _images(images, rows)
    findings += _pictures(cohort, images, progress)
    brains = []
    for brain in cohort.manifest.brains:
        mine = rows[rows["brain"] == brain].set_index("image")
        told, found = _brain(cohort, brain, mine, images, progress)
        brains.append(told)
        findings += found
    findings.sort(key=lambda finding: (finding.subject, finding.level, finding.scan))
    return ResponseReport(cohort.manifest.name, brains, _sets(images), findings, cohort.manifest.left_out)


def _sets(images: pd.DataFrame) -> list[dict[str, Any]]:
    """What is known of the images of each set, in numbers."""
    return [
        {
            "set": str(name),
            "images": len(part),
            "pictures": int((part["offset"] >= 0).sum()),
            "captions": int(part["captions"].map(len).sum()),
            "blip2": int(part["blip2"].map(len).sum()),
            "descriptions": int((part["description"] != "").sum()),
            "questions": int(part["dialogue"].map(lambda text: len(json.loads(text))).sum()),
            "boxes": int(part["boxes"].map(lambda text: sum(map(len, json.loads(text).values()))).sum()),
        }
        for name, part in images.groupby("set")
    ]


def _images(images: pd.DataFrame, rows: pd.DataFrame) -> list[Finding]:
    """Images that lack something that others of their set have, and ids that do not fit."""
    found = []
    known = set(images.index)
    for brain, image in zip(rows["brain"], rows["image"], strict=True):
        if image not in known:
            found.append(Finding("error", str(brain), str(image), "responses to an image that is not in the table"))
    if alone := known - set(rows["image"]):
        found.append(Finding("warning", "", "", f"{_some(sorted(alone))} were shown to nobody"))
    lacks = {
        "no picture": images["offset"] < 0,
        "no caption": images["captions"].map(len) == 0,
        "no box": images["boxes"] == "{}",
    }
    for name, part in images.groupby("set"):
        for what, lacking in lacks.items():
            names = [str(image) for image in part.index[lacking[part.index]]]
            if names:
                every = len(names) == len(part)
                text = f"no {name} image has a {what[3:]}" if every else f"{_some(names)} of the {name} set: {what}"
                found.append(Finding("warning", "", "", text))
    return found


def _some(names: list[str]) -> str:
    """How many images, and the first of them."""
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} image{'s' if len(names) > 1 else ''} ({', '.join(names[:3])}{more})"


def _pictures(cohort: ResponseCohort, images: pd.DataFrame, progress: Progress) -> list[Finding]:
    """Pictures that are the same under two ids; across sets that gives test images away."""
    seen: dict[bytes, str] = {}
    found = []
    sets = dict(zip(map(str, images.index), images["set"], strict=True))
    for done, (image, reference) in enumerate(cohort.pictures(images).items()):
        progress("pictures", done, len(images))
        if reference is None:
            continue
        first = seen.setdefault(hashlib.sha256(reference.read().tobytes()).digest(), image)
        if first != image:
            level = "warning" if sets[first] == sets[image] else "error"
            found.append(Finding(level, "", image, f"the same picture as {first}"))
    progress("pictures", len(images), len(images))
    return found


def _brain(
    cohort: ResponseCohort, brain: str, rows: pd.DataFrame, images: pd.DataFrame, progress: Progress
) -> tuple[dict[str, Any], list[Finding]]:
    """One brain in numbers, and what is wrong with it."""
    held = rows[rows["start"] >= 0]
    test = images.index[images["set"].eq("test")]
    space = cohort.manifest.spaces.get(brain)
    repeats = Counter(held["repeats"][held.index.isin(test)].tolist())
    row = {
        "brain": brain,
        "grid": " x ".join(map(str, space.shape)) if space else "",
        "mm": space.mm if space else "",
        "voxels": space.voxels if space else 0,
        "trials": space.trials if space else 0,
        "training images": len(held) - sum(repeats.values()),
        "test images": sum(repeats.values()),
        "test repeats": ", ".join(f"{count} x {times}" for times, count in sorted(repeats.items(), reverse=True)),
    }
    if space is None:
        return row, [Finding("warning", brain, "", "no responses: texts and boxes only")]
    found = _coverage(brain, rows, held, test, repeats)
    expected = GENERAL.get(brain, space.voxels) if cohort.manifest.origin == "real" else space.voxels
    if space.voxels != expected:
        found.append(Finding("warning", brain, "", f"{space.voxels} voxels; nsdgeneral of NSD has {expected}"))
    return row, found + _trials(cohort, brain, held, progress)


def _coverage(
    brain: str, rows: pd.DataFrame, held: pd.DataFrame, test: pd.Index, repeats: Counter[int]
) -> list[Finding]:
    """Images without responses, and test images that were seen less often than they should have been."""
    found = []
    if bare := [str(image) for image in rows.index[rows["start"] < 0]]:
        found.append(Finding("warning", brain, "", f"{_some(bare)} without responses"))
    if lost := [str(image) for image in test if image not in held.index]:
        found.append(Finding("warning", brain, "", f"{_some(lost)} of the test set were not shown"))
    if few := {times: count for times, count in sorted(repeats.items()) if times < REPEATS}:
        told = ", ".join(f"{count} {'once' if times == 1 else 'twice'}" for times, count in few.items())
        found.append(
            Finding(
                "warning", brain, "", f"test images seen fewer than {REPEATS} times: {told} of {sum(repeats.values())}"
            )
        )
    return found


def _trials(cohort: ResponseCohort, brain: str, held: pd.DataFrame, progress: Progress) -> list[Finding]:
    """NaN, trials that are all zero, and voxels that never vary."""
    found = []
    try:
        cohort.index(brain)
    except BadData as error:
        found.append(Finding("error", brain, "", error.message))
    look = _read_trials(cohort.trials(brain), brain, progress)
    starts = held["start"].to_numpy()
    order = np.argsort(starts)
    names = held.index.to_numpy()[order]

    def images(trials: list[int]) -> str:
        hit = names[np.searchsorted(starts[order], trials, side="right") - 1]
        return _some(sorted({str(name) for name in hit}))

    if look.broken:
        found.append(
            Finding("error", brain, "", f"NaN or infinity in {len(look.broken)} trials: {images(look.broken)}")
        )
    if look.silent:
        found.append(Finding("error", brain, "", f"{len(look.silent)} trials are all zero: {images(look.silent)}"))
    constant = int((look.low >= look.high).sum())
    if constant == len(look.low):
        found.append(Finding("error", brain, "", "no voxel varies"))
    elif constant:
        found.append(Finding("warning", brain, "", f"{constant} of {len(look.low)} voxels never vary"))
    return found


def _read_trials(trials: ArrayRef, brain: str, progress: Progress) -> _Look:
    """Lowest and highest value of each voxel, and trials that are broken or all zero."""
    count, voxels = trials.shape
    look = _Look(np.full(voxels, np.inf, np.float32), np.full(voxels, -np.inf, np.float32))
    for first in range(0, count, AT_ONCE):
        progress(brain, first, count)
        values = trials.rows(first, min(first + AT_ONCE, count)).read().astype(np.float32)
        whole = np.isfinite(values).all(axis=1)
        look.broken += [first + int(k) for k in np.flatnonzero(~whole)]
        look.silent += [first + int(k) for k in np.flatnonzero((values == 0).all(axis=1))]
        kept = values[whole]
        look.low = np.minimum(look.low, kept.min(axis=0, initial=np.inf))
        look.high = np.maximum(look.high, kept.max(axis=0, initial=-np.inf))
    progress(brain, count, count)
    return look
