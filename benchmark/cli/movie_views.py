"""How ``brainbench data`` treats responses to movies (algonauts2025): import, check and list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .. import home
from ..datasets.movies import MovieCohort, installed
from ..errors import BrainbenchError, DataMissing
from .data_views import print_rows, say_listed
from .options import errors, out

if TYPE_CHECKING:
    from ..datasets.algonauts_import import AlgonautsReport
    from ..datasets.movie_check import MovieReport

SETS = ("algonauts2025",)
"""Data sets of responses to movies."""


def say(text: str) -> None:
    """A line on standard output."""
    out().print(text, markup=False, highlight=False, soft_wrap=True)


def print_movie_import(report: AlgonautsReport, as_json: bool) -> None:
    """What an import did, and what comes next."""
    manifest = report.cohort.manifest
    if as_json:
        told = {
            "cohort": manifest.name,
            "path": str(report.cohort.path),
            "runs": manifest.runs,
            "parcels": len(manifest.parcels),
            "subjects": report.subjects,
            "fingerprint": manifest.fingerprint,
            "left_out": report.left_out,
            "notes": report.notes,
        }
        print(json.dumps(told, indent=1))
        return
    print_rows(report.subjects)
    say(f"{manifest.runs} runs, {len(manifest.parcels)} parcels, TR {manifest.tr} s")
    for note in report.notes:
        say(f"note: {note}")
    say_listed(say, "left out", [f"{what}: {why}" for what, why in report.left_out.items()])
    say(f"in {report.cohort.path}, every reason in its movies.json")
    errors().print(
        f"next:  brainbench data check {manifest.name}\n      brainbench features add DIR   (or extract them first: "
        "brainbench features extract --help)",
        markup=False,
        soft_wrap=True,
    )


def print_movie_check(report: MovieReport, as_json: bool) -> None:
    """What a check found, by movie and subject."""
    if as_json:
        print(json.dumps(report.as_json(), indent=1))
        return
    tables = {
        "runs that each subject has (or is to be predicted in)": report.movies,
        "responses": report.subjects,
        "r between two showings, mean over parcels": report.repeats,
        "features": report.streams,
    }
    for title, rows in tables.items():
        if rows:
            out().print(f"{title}:", markup=False, highlight=False)
            print_rows(rows)
            out().print()
    for finding in report.findings:
        place = " ".join(part for part in (finding.subject, finding.scan) if part) or report.cohort
        style = "red" if finding.level == "error" else ""
        out().print(f"{place}: {finding.level}: {finding.text}", style=style, markup=False, soft_wrap=True)
    say_listed(say, "left out by the import", [f"{what}: {why}" for what, why in report.left_out.items()])
    say(f"\n{report.summary()}")


def movie_rows() -> list[dict[str, Any]]:
    """One row for every installed folder of movie responses and twin; a damaged one says so."""
    rows = []
    for path in (path for place in (home.cohorts(), home.twins()) for path in installed(place)):
        try:
            cohort = MovieCohort.open(path)
            manifest, streams = cohort.manifest, len(cohort.manifest.streams) + cohort.added
        except BrainbenchError as error:
            row = {"dataset": "", "origin": f"damaged: {error.message}", "subjects": 0, "runs": 0, "hours": 0}
            rows.append({"movies": path.name, **row, "parcels": 0, "streams": 0, "left out": 0})
            continue
        most = max(manifest.blocks[f"responses/{subject}"].rows for subject in manifest.subjects)
        rows.append(
            {
                "movies": path.name,
                "dataset": manifest.dataset,
                "origin": manifest.origin,
                "subjects": len(manifest.subjects),
                "runs": manifest.runs,
                "hours": round(most * manifest.tr / 3600, 1),
                "parcels": len(manifest.parcels),
                "streams": streams,
                "left out": len(manifest.left_out),
            }
        )
    return rows


def movie_names() -> list[str]:
    """Names of all installed folders of movie responses and their twins."""
    return [path.name for place in (home.cohorts(), home.twins()) for path in installed(place)]


def refuse_missing_movies(name: str) -> None:
    """Raises `DataMissing` with what brings it, for the name of a data set of movies."""
    if name in SETS:
        raise DataMissing(
            f"{name} is not installed below {home.home()}",
            f"brainbench data get {name}   then  brainbench data import {name} ./{name}\n"
            f"  its simulated twin:  brainbench data simulate {name}   then  brainbench data check {name}-small",
        )
