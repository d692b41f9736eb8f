"""What is wrong with installed recordings, subject by subject, and what a reader should know of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import Progress, silent
from ..check import Finding
from .raw import unusable
from .store import Manifest, Recordings


@dataclass
class RecordingsReport:
    """What `check_recordings` found.

    Attributes
    ----------
    name
        Name of the folder.
    facts
        Sizes and moments, in words and numbers.
    findings
        Sorted by subject; those of all come first.
    left_out
        What the import left out, and why.
    """

    name: str
    facts: dict[str, Any]
    findings: list[Finding]
    left_out: dict[str, str]

    @property
    def errors(self) -> int:
        """Number of findings that make results wrong."""
        return sum(finding.level == "error" for finding in self.findings)

    def summary(self) -> str:
        """One line."""
        warnings = len(self.findings) - self.errors
        return f"{self.name}: {self.facts['subjects']} subjects: {self.errors} errors, {warnings} warnings"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "errors": self.errors}


def check_recordings(path: Path, progress: Progress = silent) -> RecordingsReport:
    """Read all recordings of a folder. Raises `BadData` when the manifest or the file's size is wrong."""
    found = Recordings.open(path)
    manifest = found.manifest
    findings = [
        Finding("error", name, name, "the series is not the one that was written: edited") for name in found.changed()
    ]
    moments = []
    for done, subject in enumerate(manifest.subjects):
        progress("check", done, len(manifest.subjects))
        values = found.series(subject)
        if reason := unusable(values, manifest.nodes):
            findings.append(Finding("error", subject.name, subject.name, reason))
        else:
            moments.append(_moments(values))
    progress("check", len(manifest.subjects), len(manifest.subjects))
    findings += _duplicates(manifest)
    findings.sort(key=lambda finding: finding.subject)
    return RecordingsReport(manifest.name, _facts(found, moments), findings, manifest.left_out)


def _moments(series: np.ndarray) -> tuple[float, float]:
    """Mean over nodes of the SD and of the lag-1 autocorrelation."""
    centred = series - series.mean(axis=0)
    power = (centred**2).sum(axis=0)
    lagged = (centred[1:] * centred[:-1]).sum(axis=0)
    return float(series.std(axis=0).mean()), float((lagged / power).mean())


def _duplicates(manifest: Manifest) -> list[Finding]:
    """Recordings that are equal bit for bit."""
    same = defaultdict(list)
    for subject in manifest.subjects:
        same[subject.digest].append(subject.name)
    return [
        Finding("warning", names[0], names[0], f"the same recording as {', '.join(names[1:])}")
        for names in same.values()
        if len(names) > 1
    ]


def _facts(found: Recordings, moments: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The table of a report."""
    manifest = found.manifest
    graphs = [found.graph(subject) for subject in manifest.subjects]
    facts = {
        "data set": f"{manifest.dataset}:{manifest.part}",
        "origin": manifest.origin,
        "source": manifest.source,
        "orientation": f"{manifest.orientation.found} ({manifest.orientation.how}); stored as source-target",
        "subjects": len(manifest.subjects),
        "frames": spread([subject.frames for subject in manifest.subjects], str),
        "nodes": len(manifest.nodes),
        "TR": f"{manifest.tr:g} s" if manifest.tr else "none: the rows are no time series",
        "truth": manifest.truth,
        "edges": spread([int(graph.sum()) for graph in graphs], str),
        "distinct graphs": len(manifest.graphs),
        "SD": spread([sd for sd, _ in moments], "{:.3f}".format),
        "lag-1 autocorrelation": spread([lag for _, lag in moments], "{:.3f}".format),
        "order of nodes": _order(graphs),
    }
    if manifest.tr is None and all(_acyclic(graph) for graph in graphs):
        from ...simulate.quad import varsortability

        values = [varsortability(found.series(s), graph) for s, graph in zip(manifest.subjects, graphs, strict=True)]
        shown = spread(values, "{:.2f}".format)
        facts["varsortability"] = f"{shown}; away from 0.5, variances give the order away: z-score first"
    return facts


def spread(values: Sequence[float], show: Callable[[Any], str]) -> str:
    """A number, or the mean and range of several different ones."""
    if not values:
        return "none"
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{np.mean(values):.3g} ({low} to {high})"


def _order(graphs: Sequence[np.ndarray]) -> str:
    """Whether the order of nodes in the files gives the directions away."""
    if all(not np.tril(graph).any() for graph in graphs):
        return "topological: all edges lead to a later node, so methods are shown nodes in random order"
    return "not topological" if all(_acyclic(graph) for graph in graphs) else "not topological; the graph has cycles"


def _acyclic(graph: np.ndarray) -> bool:
    """Whether repeated removal of nodes without parents empties a graph."""
    left = graph
    while len(left):
        inner = left.any(axis=0)
        if inner.all():
            return False
        left = left[np.ix_(inner, inner)]
    return True
