"""What is missing or wrong in a folder of movie responses, by movie and subject: every response is read once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Progress, silent
from ..errors import BadData
from ..items import ArrayRef, Items
from .algonauts_tree import MISSING, MOVIES
from .check import Finding
from .movie_manifest import FEATURES, FRAMES
from .movies import MovieCohort

LONGER = 5
"""Responses last a TR or two longer than features; by more than this, or shorter, is worth a look."""

UNEQUAL = 5
"""TRs by which the subjects' responses to one run may differ in number."""

OFFSET = 0.25
"""Mean of a run, in its own standard deviations, above which a parcel is not centred: offsets then enter r."""


@dataclass
class MovieReport:
    """What `check_movies` found.

    Attributes
    ----------
    cohort
        Name of the cohort.
    movies
        One row a movie: runs, and how many of them each subject has.
    subjects
        One row a subject: runs, hours, and how the responses are scaled.
    repeats
        One row a (movie, subject) that was shown twice: mean over parcels of r between the showings.
    streams
        One row a stream of features: coverage, and how much longer responses are.
    findings
        ``subject`` is the subject, ``scan`` the run or movie; those of all come first.
    left_out
        What the import left out, and why.
    """

    cohort: str
    movies: list[dict[str, Any]] = field(default_factory=list)
    subjects: list[dict[str, Any]] = field(default_factory=list)
    repeats: list[dict[str, Any]] = field(default_factory=list)
    streams: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """Number of findings that make results wrong."""
        return sum(finding.level == "error" for finding in self.findings)

    def summary(self) -> str:
        """One line."""
        runs = sum(row["runs"] for row in self.movies)
        warnings = len(self.findings) - self.errors
        return f"{self.cohort}: {runs} runs, {len(self.subjects)} subjects: {self.errors} errors, {warnings} warnings"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "errors": self.errors}


def check_movies(path: Path, progress: Progress = silent) -> MovieReport:
    """Check a folder. Memory holds two runs of responses and the tables.

    Raises `BadData` or `DataMissing` when the folder cannot be opened.
    """
    cohort = MovieCohort.open(path)
    runs = cohort.runs()
    report = MovieReport(cohort.manifest.name, left_out=cohort.manifest.left_out)
    report.findings += [
        Finding("error", "", "", f"{name}: not what was written; import or simulate it again")
        for name in cohort.changed()
    ]
    report.movies = [_movie(movie, runs, cohort.manifest.subjects) for movie in _ordered(runs["movie"])]
    report.findings += _missing(cohort, runs)
    report.findings += _unequal(runs, cohort.manifest.subjects)
    seen: dict[bytes, str] = {}
    for subject in cohort.manifest.subjects:
        row, found = _subject(cohort, subject, seen, progress)
        report.subjects.append(row)
        report.findings += found
        report.repeats += repeats(cohort, runs, subject)
    rows, found = _streams(cohort)
    report.streams = rows
    report.findings += found
    report.findings.sort(key=lambda finding: (finding.subject, finding.level, finding.scan))
    return report


def _ordered(movies: Iterable[str]) -> list[str]:
    """Movies in the order of the challenge, others after them."""
    have = set(movies)
    return [movie for movie in MOVIES if movie in have] + sorted(have - set(MOVIES))


def _movie(movie: str, runs: pd.DataFrame, subjects: list[str]) -> dict[str, Any]:
    """Runs of a movie, and how many of them each subject has (or is to be predicted in)."""
    mine = runs[runs["movie"] == movie]
    columns = [f"{FRAMES}{subject}" for subject in subjects]
    row: dict[str, Any] = {
        "movie": movie,
        "series": mine["series"].iloc[0],
        "runs": len(mine),
        "TRs": int(mine[columns].max(axis=1).sum()),
    }
    for subject, column in zip(subjects, columns, strict=True):
        row[subject] = f"{int((mine[column] > 0).sum())}/{len(mine)}"
    return row


def _missing(cohort: MovieCohort, runs: pd.DataFrame) -> list[Finding]:
    """Runs that others have, and movies that nobody has."""
    found = []
    absent = [movie for movie in MOVIES if movie not in set(runs["movie"])]
    if absent and cohort.manifest.origin == "real":
        found.append(Finding("warning", "", "", f"no run of {', '.join(absent)}"))
    for subject in cohort.manifest.subjects:
        lost = runs[runs[f"{FRAMES}{subject}"] == 0]
        known = set(MISSING.get(subject, ())) if cohort.manifest.dataset == "algonauts2025" else set()
        for movie in _ordered(lost["movie"]):
            mine = lost[lost["movie"] == movie]
            plain = [str(run) for run in mine.index if run not in known]
            told = [str(run) for run in mine.index if run in known]
            if plain:
                found.append(Finding("warning", subject, movie, f"lacks {_runs(plain)}: {_some(plain)}"))
            if told:
                found.append(Finding("warning", subject, movie, f"{_some(told)}: missing, as in the release"))
    return found


def _runs(names: list[str]) -> str:
    return "1 run" if len(names) == 1 else f"{len(names)} runs"


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _unequal(runs: pd.DataFrame, subjects: list[str]) -> list[Finding]:
    """Runs of which one subject has many more TRs than another."""
    table = runs[[f"{FRAMES}{subject}" for subject in subjects]]
    most, least = table.max(axis=1), table.where(table > 0).min(axis=1)
    return [
        Finding("warning", "", str(run), f"{int(least[run])} to {int(most[run])} TRs in different subjects")
        for run in runs.index[most - least > UNEQUAL]
    ]


@dataclass
class _Look:
    """What a pass over one subject's responses found, by run; ``seen`` is of all subjects."""

    seen: dict[bytes, str]
    spread: list[np.ndarray] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    shifted: list[str] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)
    offset: float = 0.0

    def take(self, subject: str, run: str, values: np.ndarray) -> None:
        """Look at a run's (time, parcel) responses."""
        first = self.seen.setdefault(hashlib.sha256(values.tobytes()).digest(), f"{subject} {run}")
        if first != f"{subject} {run}":
            self.copies[run] = first
        lost = int((~np.isfinite(values)).sum())
        if lost:
            self.broken[run] = f"{lost} of {values.size} values are not finite"
            return
        scale = values.std(axis=0)
        if (scale == 0).any():
            self.silent.append(f"{run} ({int((scale == 0).sum())})")
        offset = float((np.abs(values.mean(axis=0)) / np.where(scale > 0, scale, 1)).max())
        if offset > OFFSET:
            self.shifted.append(run)
        self.offset = max(self.offset, offset)
        self.spread.append(scale)

    def findings(self, subject: str) -> list[Finding]:
        """What is wrong."""
        found = [Finding("error", subject, run, text) for run, text in self.broken.items()]
        found += [Finding("error", subject, run, f"the same values as {first}") for run, first in self.copies.items()]
        if self.silent:
            text = f"parcels that never vary in {_runs(self.silent)}: {_some(self.silent)}"
            found.append(Finding("warning", subject, "", text))
        if self.shifted:
            text = f"parcels whose mean is not 0 in {_runs(self.shifted)} (up to {self.offset:.2g} sd): offsets "
            text += f"between runs enter r: {_some(self.shifted)}"
            found.append(Finding("warning", subject, "", text))
        return found


def _subject(
    cohort: MovieCohort, subject: str, seen: dict[bytes, str], progress: Progress
) -> tuple[dict[str, Any], list[Finding]]:
    """One subject in numbers, and what is wrong with the responses."""
    look, refs = _Look(seen), cohort.responses(subject)
    for done, (run, ref) in enumerate(refs.items()):
        progress(subject, done, len(refs))
        look.take(subject, run, ref.read().astype(np.float64))
    progress(subject, len(refs), len(refs))
    frames = sum(ref.shape[0] for ref in refs.values())
    typical = np.median(look.spread, axis=0) if look.spread else np.zeros(1)
    row = {
        "subject": subject,
        "runs": len(refs),
        "TRs": frames,
        "hours": round(frames * cohort.manifest.tr / 3600, 1),
        "sd of parcels": f"{typical.min():.2f} to {typical.max():.2f}",
        "largest mean": f"{look.offset:.2f} sd",
    }
    return row, look.findings(subject)


def repeats(cohort: MovieCohort, runs: pd.DataFrame, subject: str) -> list[dict[str, Any]]:
    """Plain Pearson r between the first two showings of each movie: mean and highest over parcels.

    Runs of a movie are put end to end, each cut to the shorter showing.
    """
    refs = cohort.responses(subject)
    found = []
    for movie in _ordered(runs.loc[runs["showing"] > 1, "movie"]):
        mine = runs[runs["movie"] == movie]
        pairs = [
            (refs[first], refs[second])
            for _, shown in mine.groupby("stimulus")
            if (first := _showing(shown, 1)) in refs and (second := _showing(shown, 2)) in refs
        ]
        if pairs:
            r = _correlation(pairs)
            row = {"movie": movie, "subject": subject, "runs": len(pairs)}
            found.append({**row, "r": round(float(r.mean()), 3), "highest parcel": round(float(r.max()), 3)})
    return found


def _showing(shown: pd.DataFrame, number: int) -> str:
    rows = shown.index[shown["showing"] == number]
    return str(rows[0]) if len(rows) else ""


def _correlation(pairs: list[tuple[ArrayRef, ArrayRef]]) -> np.ndarray:
    """(parcels,) r over all pairs put end to end; 0 where a parcel never varies. One pair in memory at a time."""
    sums = np.zeros((5, pairs[0][0].shape[1]))
    count = 0
    for first, second in pairs:
        frames = min(first.shape[0], second.shape[0])
        x, y = (ref.rows(0, frames).read().astype(np.float64) for ref in (first, second))
        sums += [x.sum(axis=0), y.sum(axis=0), (x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)]
        count += frames
    x, y, xx, yy, xy = sums / count
    scale = np.sqrt(np.clip(xx - x * x, 0, None) * np.clip(yy - y * y, 0, None))
    r: np.ndarray = np.divide(xy - x * y, scale, out=np.zeros_like(scale), where=scale > 1e-12)
    return r


def _streams(cohort: MovieCohort) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Coverage of each stream, and the lengths of responses beside it."""
    try:
        items = cohort.items()
    except BadData as error:
        return [], [Finding("error", "", "", error.message)]
    rows, findings = [], []
    for name in items.arrays:
        if name.startswith(FEATURES):
            row, found = _stream(items, name)
            rows.append(row)
            findings += found
    if not rows:
        text = "no features of the films: brainbench features extract, then  brainbench features add DIR"
        findings.append(Finding("warning", "", "", text))
    return rows, findings


def _stream(items: Items, name: str) -> tuple[dict[str, Any], list[Finding]]:
    stream, found = name.removeprefix(FEATURES), []
    refs = items.arrays[name]
    frames = items.table[[column for column in items.table if str(column).startswith(FRAMES)]].max(axis=1)
    have = np.array([ref is not None for ref in refs])
    longer = pd.Series(
        [int(frames.iloc[row]) - ref.shape[0] for row, ref in enumerate(refs) if ref is not None],
        index=items.table.index[have],
    )
    strange = longer[(longer < 0) | (longer > LONGER)]
    if len(strange):
        told = _some([f"{run} ({by:+d})" for run, by in strange.items()])
        found.append(Finding("warning", "", stream, f"features and responses differ in length: {told}"))
    for movie in _ordered(items.table["movie"]):
        mine = (items.table["movie"] == movie).to_numpy()
        lost = [str(run) for run in items.table.index[mine & ~have]]
        if lost:
            count = f"all {len(lost)}" if len(lost) == mine.sum() else f"{len(lost)} of {mine.sum()}"
            found.append(Finding("warning", "", stream, f"lacks {count} runs of {movie}: {_some(lost)}"))
    first = next(ref for ref in refs if ref is not None)
    row = {
        "stream": stream,
        "dimensions": " x ".join(map(str, first.shape[1:])),
        "type": np.dtype(first.dtype).name,
        "runs": f"{int(have.sum())}/{len(have)}",
        "responses longer by": f"{longer.min()} to {longer.max()} TRs" if len(longer) else "",
    }
    return row, found
