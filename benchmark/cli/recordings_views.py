"""How ``brainbench data`` prints what it found about networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from ..errors import BrainbenchError
from .data_views import print_rows, say_listed
from .options import errors, out
from .recordings_rows import listed

if TYPE_CHECKING:
    from ..datasets.recordings.checks import RecordingsReport
    from ..datasets.recordings.importer import ImportReport
    from ..datasets.recordings.store import Recordings


def print_recordings_import(report: ImportReport, as_json: bool) -> None:
    """Which networks were installed, how their graphs were read, and what is missing."""
    if as_json:
        print(json.dumps(_as_json(report), indent=1))
        return
    console = out()

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    print_rows([_row(found) for found in report.installed])
    for text in sorted({_orientation(found) for found in report.installed}):
        say(text)
    if len(truths := {found.manifest.truth for found in report.installed}) == 1 and "reference" in (
        truth := truths.pop()
    ):
        say(f"graph: {truth}; scores are agreement with it")
    subjects = {
        f"{found.manifest.name} {subject}": reason
        for found in report.installed
        for subject, reason in found.manifest.left_out.items()
    }
    say_listed(say, "subjects left out", [f"{subject}: {reason}" for subject, reason in subjects.items()])
    say_listed(say, "not installed", [f"{report.dataset}-{part}: {why}" for part, why in report.failed.items()])
    say_listed(say, "files not used", [f"{name}: {why}" for name, why in report.left_out.items()])
    say_listed(say, "notes", report.notes)
    if report.missing:
        say(f"missing: {len(report.missing)}: {listed(report.missing)}")
    first = report.installed[0]
    say(f"in {first.path.parent}")
    errors().print(f"next:  brainbench data check {first.manifest.name}", markup=False)


def _row(found: Recordings) -> dict[str, Any]:
    """One installed network."""
    manifest = found.manifest
    frames = sorted({subject.frames for subject in manifest.subjects})
    return {
        "installed": manifest.name,
        "subjects": len(manifest.subjects),
        "nodes": len(manifest.nodes),
        "frames": str(frames[0]) if len(frames) == 1 else f"{frames[0]} to {frames[-1]}",
        "TR": f"{manifest.tr:g}" if manifest.tr else "none",
        "edges": " or ".join(str(count) for count in sorted({len(graph) for graph in manifest.graphs})),
        "graphs": len(manifest.graphs),
        "left out": len(manifest.left_out),
        "files": manifest.source.partition(":")[0],
    }


def _orientation(found: Recordings) -> str:
    """How the graph of a kind of files was read."""
    orientation = found.manifest.orientation
    return f"orientation of {found.manifest.source.partition(':')[0]}: {orientation.found} ({orientation.how})"


def _as_json(report: ImportReport) -> dict[str, Any]:
    """Plain JSON values."""
    return {
        "dataset": report.dataset,
        "installed": [
            {
                "name": found.manifest.name,
                "path": str(found.path),
                "source": found.manifest.source,
                "orientation": found.manifest.orientation.model_dump(),
                "subjects": len(found.manifest.subjects),
                "nodes": len(found.manifest.nodes),
                "graphs": len(found.manifest.graphs),
                "fingerprint": found.manifest.fingerprint,
                "left_out": found.manifest.left_out,
            }
            for found in report.installed
        ],
        "failed": report.failed,
        "left_out": report.left_out,
        "missing": report.missing,
        "notes": report.notes,
    }


def print_recordings_check(report: RecordingsReport, as_json: bool) -> None:
    """What a check found, subject by subject."""
    if as_json:
        print(json.dumps(report.as_json(), indent=1))
        return
    console = out()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for key, value in report.facts.items():
        table.add_row(key, escape(str(value)))
    console.print(table)
    for finding in report.findings:
        style = "red" if finding.level == "error" else ""
        console.print(f"{finding.subject}: {finding.level}: {finding.text}", style=style, markup=False, soft_wrap=True)
    if report.left_out:
        console.print(f"left out by the import: {len(report.left_out)}")
        for subject, why in report.left_out.items():
            console.print(f"  {subject}: {why}", markup=False, soft_wrap=True)
    console.print(f"\n{report.summary()}", markup=False, soft_wrap=True)


def print_parts_check(folders: Sequence[Path], as_json: bool) -> int:
    """Check several networks, one line each; a damaged one is an error. Returns how many have errors."""
    from ..datasets.recordings.checks import check_recordings

    wrong, found = 0, []
    for folder in folders:
        try:
            report = check_recordings(folder)
        except BrainbenchError as error:
            found.append({"name": folder.name, "errors": 1, "damaged": error.message})
            line, bad = f"{folder.name}: damaged: {error.message}", True
        else:
            found.append(report.as_json())
            line, bad = report.summary(), report.errors > 0
        wrong += bad
        if not as_json:
            out().print(line, style="red" if bad else "", markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps(found, indent=1))
    elif wrong:
        errors().print(f"next:  brainbench data check {_first_wrong(found)}", markup=False)
    return wrong


def _first_wrong(found: Sequence[dict[str, Any]]) -> str:
    """Name of the first network with errors."""
    return next(str(each["name"]) for each in found if each["errors"])
