"""How ``brainbench data`` treats responses to images (nsd, brainhub): import, check and list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import home
from ..datasets.responses import ResponseCohort, installed
from ..errors import BadOption, BrainbenchError, DataMissing
from .data_views import print_rows, say_listed
from .options import errors, out

if TYPE_CHECKING:
    from ..contracts import Progress
    from ..datasets.brainhub import BrainHubReport
    from ..datasets.nsd_import import NsdReport
    from ..datasets.response_check import ResponseReport

SETS = ("nsd", "brainhub")
"""Data sets of responses to images."""


def run_import(dataset: str, path: Path, options: Mapping[str, Any], progress: Progress) -> NsdReport | BrainHubReport:
    """Import one of `SETS`. ``options`` are the fields of `nsd_layout.Options` that a person gave."""
    from ..datasets.brainhub import import_brainhub
    from ..datasets.nsd_import import import_nsd
    from ..datasets.nsd_layout import Options

    given = {name: value for name, value in options.items() if value is not None}
    if dataset == "nsd":
        return import_nsd(path, Options(**given), progress=progress)
    if given:
        raise BadOption(f"brainhub takes no --{min(given)}", "leave it out")
    return import_brainhub(path)


def print_response_import(report: NsdReport | BrainHubReport, as_json: bool) -> None:
    """What an import did, and what comes next."""
    from ..datasets.nsd_import import NsdReport

    manifest = report.cohort.manifest
    nsd = isinstance(report, NsdReport)
    told: dict[str, Any] = {
        "cohort": manifest.name,
        "path": str(report.cohort.path),
        "images": manifest.images,
        "fingerprint": manifest.fingerprint,
        "left_out": manifest.left_out,
        "notes": report.notes,
    }
    if isinstance(report, NsdReport):
        told |= {"layout": report.layout, "brains": report.brains}
    else:
        told |= {"captions": report.captions, "boxes": report.boxes}
    if as_json:
        print(json.dumps(told, indent=1))
        return

    def say(text: str) -> None:
        out().print(text, markup=False, soft_wrap=True)

    if nsd:
        print_rows(told["brains"])
        say(f"{manifest.images} images; files: {told['layout']}; kept as {manifest.dtype[1:]}")
    else:
        say(f"{manifest.images} images, {told['captions']} captions, {told['boxes']} boxes")
    for note in report.notes:
        say(f"note: {note}")
    say_listed(say, "left out", [f"{what}: {why}" for what, why in manifest.left_out.items()])
    say(f"in {report.cohort.path}, every reason in its responses.json")
    errors().print(f"next:  brainbench data check {manifest.name}", markup=False)


def print_response_check(report: ResponseReport, as_json: bool) -> None:
    """What a check found, brain by brain."""
    if as_json:
        print(json.dumps(report.as_json(), indent=1))
        return
    console = out()
    print_rows(report.brains)
    console.print()
    print_rows(report.images)
    console.print()
    for finding in report.findings:
        place = " ".join(part for part in (finding.subject, finding.scan) if part) or report.cohort
        style = "red" if finding.level == "error" else ""
        console.print(f"{place}: {finding.level}: {finding.text}", style=style, markup=False, soft_wrap=True)
    if report.left_out:
        console.print(f"left out by the import: {len(report.left_out)}")
        for what, why in report.left_out.items():
            console.print(f"  {what}: {why}", markup=False, soft_wrap=True)
    console.print(f"\n{report.summary()}", markup=False, soft_wrap=True)


def response_rows() -> list[dict[str, Any]]:
    """One row for every installed folder of responses and twin; a damaged one says so."""
    rows = []
    for path in (path for place in (home.cohorts(), home.twins()) for path in installed(place)):
        try:
            manifest = ResponseCohort.open(path).manifest
        except BrainbenchError as error:
            row = {"dataset": "", "origin": f"damaged: {error.message}", "brains": 0, "images": 0, "trials": 0}
            rows.append({"responses": path.name, **row, "voxels": "", "left out": 0})
            continue
        voxels = sorted(space.voxels for space in manifest.spaces.values())
        rows.append(
            {
                "responses": path.name,
                "dataset": manifest.dataset,
                "origin": manifest.origin,
                "brains": len(manifest.brains),
                "images": manifest.images,
                "trials": sum(space.trials for space in manifest.spaces.values()),
                "voxels": " to ".join(map(str, sorted({voxels[0], voxels[-1]}))) if voxels else "none",
                "left out": len(manifest.left_out),
            }
        )
    return rows


def response_names() -> list[str]:
    """Names of all installed folders of responses and their twins."""
    return [path.name for place in (home.cohorts(), home.twins()) for path in installed(place)]


def refuse_missing_responses(name: str) -> None:
    """Raises `DataMissing` with what brings it, for the name of a data set of responses."""
    if name in SETS:
        steps = {"nsd": "brainbench data import nsd PATH\n  its simulated twin:  brainbench data simulate nsd"}
        brainhub = "brainbench data get brainhub   then  brainbench data import brainhub ./brainhub"
        raise DataMissing(f"{name} is not installed below {home.home()}", f"import it:  {steps.get(name, brainhub)}")
