"""What is wrong with a cohort, subject by subject: every scan is read once."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from ..contracts import Progress
from ..errors import BadData
from ..items import Items
from .cohort import COLUMNS, Cohort, content_fingerprint
from .networks import NetworkFit, edge_values, sampled_edges
from .rules import MIN_FRAMES, constant

SIMILAR = 0.95
"""Correlation of two subjects' connectivity above which they are probably one recording."""

BLOCK = 1024
FRAMES_AT_ONCE, BOXES = 16, 8
"""Of images: frames in memory, and boxes along an axis whose means stand for ROIs."""

MAX_CLASSES = 12


@dataclass(frozen=True)
class Finding:
    """Something that is wrong ("error") or worth knowing ("warning") about one scan or the cohort."""

    level: str
    subject: str
    scan: str
    text: str


@dataclass
class CheckReport:
    """What `check_cohort` found.

    Attributes
    ----------
    cohort
        Name of the cohort.
    findings
        Sorted by subject; those of the cohort as a whole come first.
    by_site, series
        Counts of scans by site and class; frames, TR, zero-variance ROIs and sessions in numbers.
    left_out
        What the import left out, and why.
    scans, subjects
        How many were looked at.
    highest
        The two most similar scans of different subjects: (scan, scan, correlation of FC).
    """

    cohort: str
    findings: list[Finding]
    by_site: list[dict[str, Any]]
    series: list[dict[str, Any]]
    left_out: dict[str, str]
    scans: int
    subjects: int
    highest: tuple[str, str, float] | None = None

    @property
    def errors(self) -> int:
        """Number of findings that make results wrong."""
        return sum(finding.level == "error" for finding in self.findings)

    def summary(self) -> str:
        """One line."""
        near = (
            f"; most similar subjects: {self.highest[0]} and {self.highest[1]}, FC r = {self.highest[2]:.3f}"
            if self.highest
            else ""
        )
        return (
            f"{self.cohort}: {self.scans} scans of {self.subjects} subjects: {self.errors} errors, "
            f"{len(self.findings) - self.errors} warnings{near}"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "errors": self.errors}


@dataclass
class _Look:
    """What one pass over the series found."""

    fit: NetworkFit
    findings: list[Finding] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    flat: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def check_cohort(
    path: Path, *, similar: float = SIMILAR, progress: Progress = lambda label, done, total: None
) -> CheckReport:
    """Check a cohort folder. Memory holds one scan and two blocks of FC fingerprints, whatever the size.

    Raises `BadData` or `DataMissing` when the folder is no readable cohort.
    """
    cohort = Cohort.open(path)
    table, items = cohort.scans(), cohort.items()
    look = _Look(NetworkFit(cohort.manifest.atlas.get("networks", ())))
    # The fingerprints of all scans wait in a file, so that memory does not grow with the cohort.
    with tempfile.TemporaryFile() as store:
        _begin(look, path, cohort.manifest.data_offset)
        width = _read_all(look, items, store, progress)
        near, highest = _near_duplicates(store, width, table.iloc[look.rows], similar, progress)
    findings = [
        *_content(cohort, table, look),
        *([Finding("warning", "", "", problem)] if (problem := look.fit.problem()) else []),
        *look.findings,
        *_values(table),
        *_labels(table),
        *_duplicates(table),
        *near,
    ]
    findings.sort(key=lambda finding: (bool(finding.subject), finding.subject, finding.scan))
    return CheckReport(
        cohort.manifest.name,
        findings,
        by_site(table),
        _numbers(table, look.flat),
        cohort.manifest.left_out,
        len(table),
        table["subject"].nunique(),
        highest,
    )


def _begin(look: _Look, path: Path, offset: int) -> None:
    """Take the header of the series file into the digest."""
    with open(path / "series.npy", "rb") as file:
        look.digest.update(file.read(offset))


def _read_all(look: _Look, items: Items, store: IO[bytes], progress: Progress) -> int:
    """Read every scan once; returns the length of a fingerprint."""
    edges = None
    for row, (scan, record) in enumerate(items.table.iterrows()):
        progress("check", row, len(items))

        def found(level: str, text: str, subject: str = str(record["subject"]), scan: str = str(scan)) -> None:
            look.findings.append(Finding(level, subject, scan, text))

        try:
            series, digest = _read_scan(items, row, look)
        except BadData as error:
            found("error", error.message)
            continue
        if digest != record["digest"]:
            found("error", "the series is not the one that was imported")
        images = "volume" in items.arrays
        _series(series[:, ~constant(series)] if images and np.isfinite(series).all() else series, found, look)
        if edges is None:
            edges = sampled_edges(series.shape[1])
        values = edge_values(series, edges)
        look.fit.add_values(values, edges)
        vector = fingerprint(values)
        if vector is not None:
            store.write(vector.tobytes())
            look.rows.append(row)
    progress("check", len(items), len(items))
    return len(edges[0]) if edges is not None else 0


def _read_scan(items: Items, row: int, look: _Look) -> tuple[np.ndarray, str]:
    """(time, roi) float32 of a scan and the digest of what is stored; of images the means of `regions`.

    Images are read a few frames at a time.
    """
    name = "volume" if "volume" in items.arrays else "series"
    frames = int(items.table["frames"].iloc[row])
    step = FRAMES_AT_ONCE if name == "volume" else frames
    digest = hashlib.sha256()
    parts = []
    for start in range(0, frames, step):
        raw = items.read(name, row, (start, min(start + step, frames)))
        data = raw.tobytes()
        look.digest.update(data)
        digest.update(data)
        parts.append(regions(raw.astype(np.float32)) if raw.ndim == 4 else raw.astype(np.float32))
    return np.concatenate(parts), digest.hexdigest()


def regions(volumes: np.ndarray) -> np.ndarray:
    """(time, region) means of images (time, x, y, z) over boxes, at most `BOXES` along each axis."""
    for axis in (1, 2, 3):
        edges = np.unique(np.linspace(0, volumes.shape[axis], BOXES, endpoint=False).astype(int))
        widths = np.diff([*edges, volumes.shape[axis]]).reshape([-1 if k == axis else 1 for k in range(4)])
        volumes = np.add.reduceat(volumes, edges, axis=axis) / widths
    return volumes.reshape(len(volumes), -1)


def _series(series: np.ndarray, found: Any, look: _Look) -> None:
    """Findings in one series."""
    bad = int((~np.isfinite(series)).any(axis=1).sum())
    if bad:
        found("error", f"NaN or infinity in {bad} of {len(series)} frames")
        return
    flat = int(constant(series).sum())
    if flat == series.shape[1]:
        found("error", "no ROI varies over time")
    elif flat:
        look.flat.append(flat)
        found("warning", f"{flat} of {series.shape[1]} ROIs have zero variance; they correlate 0 with all others")
    if len(series) < MIN_FRAMES:
        found("warning", f"{len(series)} frames, fewer than {MIN_FRAMES}")


def fingerprint(values: np.ndarray | None) -> np.ndarray | None:
    """Centred FC values of unit length, float32, so that products are correlations; None without variance."""
    if values is None:
        return None
    centred = values - (values.mean() if len(values) else 0)
    norm = float(np.linalg.norm(centred))
    return (centred / norm).astype(np.float32) if norm > 0 else None


def _blocks(store: IO[bytes], width: int, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Fingerprints from the file, a block at a time."""
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        store.seek(start * width * 4)
        yield start, np.frombuffer(store.read(size * width * 4), np.float32).reshape(size, width)


def _near_duplicates(
    store: IO[bytes], width: int, table: pd.DataFrame, similar: float, progress: Progress
) -> tuple[list[Finding], tuple[str, str, float] | None]:
    """Pairs of scans of different subjects whose connectivity is almost the same, and the closest pair."""
    people, digests = table["subject"].to_numpy(str), table["digest"].to_numpy(str)
    scans = [str(scan) for scan in table.index]
    findings: list[Finding] = []
    highest: tuple[str, str, float] | None = None
    count = len(table)
    if width < 2:
        return findings, None
    for start, left in _blocks(store, width, count):
        progress("compare", start, count)
        for other, right in _blocks(store, width, start + len(left)):
            close = left @ right.T
            later = np.arange(start, start + len(left))[:, None] > np.arange(other, other + len(right))[None]
            strangers = people[start : start + len(left), None] != people[None, other : other + len(right)]
            close = np.where(later & strangers, close, -1)
            i, j = np.unravel_index(int(close.argmax()), close.shape)
            if close[i, j] > (highest[2] if highest else -1):
                highest = scans[other + j], scans[start + i], float(close[i, j])
            for a, b in zip(*np.nonzero(close > similar), strict=True):
                if digests[start + a] != digests[other + b]:
                    findings.append(
                        Finding(
                            "warning",
                            people[start + a],
                            scans[start + a],
                            f"near-duplicate of {scans[other + b]} (subject {people[other + b]}): "
                            f"FC r = {close[a, b]:.3f}",
                        )
                    )
    progress("compare", count, count)
    return findings, highest


def _content(cohort: Cohort, table: pd.DataFrame, look: _Look) -> list[Finding]:
    """Whether the content is still what was imported."""
    now = content_fingerprint(look.digest.hexdigest(), table, cohort.manifest.atlas)
    if now == cohort.manifest.fingerprint:
        return []
    return [
        Finding(
            "error",
            "",
            "",
            f"fingerprint {now}, the manifest says {cohort.manifest.fingerprint}: "
            "the files were changed; import the cohort again",
        )
    ]


def _values(table: pd.DataFrame) -> list[Finding]:
    """Values that scans lack, and flags of the importer; what all lack is said once."""
    findings = []
    for name in ("site", "age", "sex", "motion", "tr"):
        missing = table[name].isna() | (table[name] == "")
        if missing.all():
            findings.append(Finding("warning", "", "", f"{name} ({COLUMNS[name]}) is not known of any scan"))
        else:
            findings += [
                Finding("warning", str(table["subject"][scan]), str(scan), f"{name} is not known")
                for scan in table.index[missing]
            ]
    for scan, subject, flags in zip(table.index, table["subject"], table["flags"], strict=True):
        told = [flag for flag in str(flags).split(",") if flag and not flag.startswith(("zero-var", "same-content"))]
        findings += [Finding("warning", str(subject), str(scan), flag) for flag in told]
    return findings


def label_columns(table: pd.DataFrame) -> list[str]:
    """Columns that hold labels."""
    return [str(name) for name in table.columns if name not in COLUMNS]


def _labels(table: pd.DataFrame) -> list[Finding]:
    """Missing labels."""
    names = label_columns(table)
    known = [name for name in ("age", "sex") if (table[name].notna() & (table[name] != "")).any()]
    findings = []
    if not names and not known:
        findings.append(Finding("warning", "", "", "the cohort has no label, age or sex, so no task can use it"))
    for name in names:
        findings += [
            Finding("warning", str(table["subject"][scan]), str(scan), f"no {name}")
            for scan in table.index[table[name].isna()]
        ]
    return findings


def _duplicates(table: pd.DataFrame) -> list[Finding]:
    """Scans with the same content."""
    findings = []
    for _, group in table[table["digest"].duplicated(keep=False)].groupby("digest"):
        level = "error" if group["subject"].nunique() > 1 else "warning"
        for scan in group.index:
            others = ", ".join(str(other) for other in group.index if other != scan)
            findings.append(Finding(level, str(group["subject"][scan]), str(scan), f"same content as {others}"))
    return findings


def by_site(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Scans, subjects and classes at each site."""
    names = [
        name
        for name in label_columns(table)
        if not pd.api.types.is_numeric_dtype(table[name]) and table[name].nunique() <= MAX_CLASSES
    ]
    rows = []
    for site, part in table.groupby("site"):
        row: dict[str, Any] = {
            "site": str(site) or "unknown",
            "scans": len(part),
            "subjects": part["subject"].nunique(),
        }
        for name in names:
            row |= {
                f"{name}={value}": int((part[name] == value).sum()) for value in sorted(table[name].dropna().unique())
            }
        rows.append(row)
    return rows


def _numbers(table: pd.DataFrame, flat: list[int]) -> list[dict[str, Any]]:
    """Frames, TR, sessions and zero-variance ROIs in numbers."""
    frames = table["frames"]
    tr = Counter("unknown" if np.isnan(value) else f"{value:g} s" for value in table["tr"])
    sessions = Counter(table.groupby("subject").size())
    return [
        {"of": "frames", "values": f"{frames.min()} to {frames.max()}, median {frames.median():g}"},
        {"of": "TR", "values": ", ".join(f"{key}: {count}" for key, count in sorted(tr.items()))},
        {"of": "scans of a subject", "values": ", ".join(f"{k}: {n} subjects" for k, n in sorted(sessions.items()))},
        {
            "of": "zero-variance ROIs",
            "values": f"{len(flat)} scans, {min(flat)} to {max(flat)} of their ROIs" if flat else "none",
        },
    ]
