"""How ``brainbench data`` prints what it found."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from .. import home
from ..datasets.cohort import Cohort, installed
from ..datasets.movie_manifest import MANIFEST as MOVIES
from ..datasets.recordings.store import MANIFEST
from ..datasets.response_manifest import MANIFEST as RESPONSES
from ..errors import BrainbenchError, DataMissing, PluginBroken
from .options import errors, out
from .recordings_rows import by_dataset, installed_names, parts_installed, recordings_rows, refuse_missing

if TYPE_CHECKING:
    from ..datasets.check import CheckReport
    from ..datasets.importer import ImportReport

SHOWN = 20

CARD = ("summary", "counts", "access", "licence", "expected", "citation")
"""What a program gets of a data set's card."""

PRINTED = ("counts", "access", "licence", "expected")
"""What a person gets of it."""


def find_cohort(name: str) -> Path:
    """The folder of a cohort, network or twin by its name (``netsim-1`` or ``netsim:1``), or a path to one.

    Raises `DataMissing`.
    """
    from .movie_views import movie_names, refuse_missing_movies
    from .response_views import refuse_missing_responses, response_names

    places = [home.cohorts(), home.twins()]
    named = [place / spelled for spelled in (name, name.replace(":", "-")) for place in places]
    for folder in (*named, Path(name)):
        if any((folder / manifest).is_file() for manifest in ("cohort.json", MANIFEST, RESPONSES, MOVIES)):
            return folder
    refuse_missing(name)
    refuse_missing_responses(name)
    refuse_missing_movies(name)
    cohorts = [path.name for place in places for path in installed(place)]
    have = ", ".join([*cohorts, *installed_names(), *response_names(), *movie_names()])
    raise DataMissing(
        f"no cohort {name!r} below {home.home()} (there are: {have or 'none'})", "see `brainbench data list`"
    )


def print_listing(as_json: bool) -> None:
    """Installed cohorts and twins, and the known data sets."""
    from .movie_views import movie_rows
    from .response_views import response_rows

    cohorts = [_cohort_row(path) for folder in (home.cohorts(), home.twins()) for path in installed(folder)]
    networks, responses, movies = recordings_rows(), response_rows(), movie_rows()
    known = list(_known())
    if as_json:
        listing = {"home": str(home.home()), "cohorts": cohorts, "networks": networks, "responses": responses}
        listing |= {"movies": movies, "datasets": known}
        print(json.dumps(listing, indent=1))
        return
    console = out()
    console.print(f"installed below {home.home()}:", markup=False, soft_wrap=True)
    if cohorts:
        print_rows(cohorts)
    if networks:
        print_rows(by_dataset(networks))
    if responses:
        print_rows(responses)
    if movies:
        print_rows(movies)
    if not (cohorts or networks or responses or movies):
        console.print("  nothing yet; every task runs on its simulated twin all the same")
    console.print("\nknown data sets:")
    for entry in known:
        state = entry["parts"] or ("installed" if entry["installed"] else "not installed")
        console.print(f"[bold]{escape(entry['dataset'])}[/bold]  {escape(entry['title'])}  ({state})")
        for key in PRINTED:
            if entry[key]:
                console.print(f"    {key}: {entry[key]}", markup=False, soft_wrap=True)
    console.print("[bold]own[/bold]  your own cohort\n    brainbench data import own PATH --name my-cohort")


def _cohort_row(path: Path) -> dict[str, Any]:
    try:
        manifest = Cohort.open(path).manifest
    except BrainbenchError as error:
        return {
            "cohort": path.name,
            "dataset": "",
            "origin": f"damaged: {error.message}",
            "scans": 0,
            "subjects": 0,
            "rois": 0,
            "atlas": "",
            "left out": 0,
        }
    return {
        "cohort": path.name,
        "dataset": manifest.dataset,
        "origin": manifest.origin,
        "scans": manifest.scans,
        "subjects": manifest.subjects,
        "rois": manifest.rois,
        "atlas": manifest.atlas.get("name", ""),
        "left out": len(manifest.left_out),
    }


def _known() -> Any:
    """Cards of the data sets that plugins provide; a broken plugin shows its error."""
    from ..registry import load_all

    for entry, found in load_all("datasets"):
        if isinstance(found, PluginBroken):
            yield {
                "dataset": entry.name,
                "title": f"broken: {found.message}",
                "installed": False,
                "parts": "",
                **dict.fromkeys(CARD, ""),
            }
        else:
            dataset = found()
            card = dataset.card
            yield {
                "dataset": entry.name,
                "title": card.title,
                "installed": dataset.installed(),
                "parts": parts_installed(dataset),
                **{key: getattr(card, key) for key in CARD},
            }


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Rows as a table."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for key, value in rows[0].items():
        table.add_column(key, justify="right" if isinstance(value, int) else "left")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    out().print(table)


def print_import(report: ImportReport, as_json: bool) -> None:
    """What an import did, and what comes next."""
    manifest = report.cohort.manifest
    if as_json:
        print(
            json.dumps(
                {
                    "cohort": manifest.name,
                    "path": str(report.cohort.path),
                    "format": report.format,
                    "recognised": report.recognised,
                    "participants": report.participants,
                    "scans": manifest.scans,
                    "subjects": manifest.subjects,
                    "rois": manifest.rois,
                    "fingerprint": manifest.fingerprint,
                    "left_out": report.left_out,
                    "flags": report.flags,
                    "rows_without_scan": report.rows_without_scan,
                    "same_content": report.same_content,
                    "notes": report.notes,
                },
                indent=1,
            )
        )
        return
    console = out()

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    say(
        f"cohort {manifest.name}: {manifest.scans} scans of {manifest.subjects} subjects, {manifest.rois} ROIs "
        f"({manifest.atlas['name']}), {manifest.dtype[1:]}"
    )
    say(f"format {report.format} ({report.recognised}); participants: {report.participants or 'none'}")
    for note in report.notes:
        say(f"note: {note}")
    say_listed(say, "left out", [f"{scan}: {why}" for scan, why in report.left_out.items()])
    say_listed(say, "same content under two ids", [f"{first} = {second}" for first, second in report.same_content])
    kinds = Counter(part.partition(":")[0] for text in report.flags.values() for part in text.split(","))
    for kind, count in sorted(kinds.items()):
        say(f"flag {kind}: {count} scans")
    if report.rows_without_scan:
        some = ", ".join(report.rows_without_scan[:5])
        say(f"rows of the table without a scan: {len(report.rows_without_scan)}, such as {some}")
    say(f"in {report.cohort.path}, every reason in its cohort.json")
    errors().print(f"next:  brainbench data check {manifest.name}", markup=False)


def say_listed(say: Any, title: str, lines: list[str]) -> None:
    """A titled list, cut after `SHOWN` lines."""
    if lines:
        say(f"{title}: {len(lines)}")
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  and {len(lines) - SHOWN} more")


def print_check(report: CheckReport, as_json: bool) -> None:
    """What a check found, subject by subject."""
    if as_json:
        print(json.dumps(report.as_json(), indent=1))
        return
    console = out()
    if report.findings:
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
        for name in ("subject", "scan", "level", "finding"):
            table.add_column(name)
        for finding in report.findings:
            style = "red" if finding.level == "error" else ""
            table.add_row(*map(escape, (finding.subject, finding.scan, finding.level, finding.text)), style=style)
        console.print(table)
    for title, rows in (("scans by site and class", report.by_site), ("series", report.series)):
        if rows:
            console.print(f"\n[bold]{title}[/bold]")
            print_rows(rows)
    if report.left_out:
        console.print(f"\nleft out by the import: {len(report.left_out)}")
        for scan, why in report.left_out.items():
            console.print(f"  {scan}: {why}", markup=False, soft_wrap=True)
    console.print(f"\n{report.summary()}", markup=False, soft_wrap=True)
