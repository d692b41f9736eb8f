"""From what a lab has to a cohort folder: one scan in memory at a time, nothing dropped silently."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import home
from ..contracts import LEAVES, Leaves, Progress, silent
from ..errors import BadData, BadOption, BrainbenchError
from ..registry import load_dataset
from .atlas import NOT_USED, UNUSED_TABLE, describe
from .cohort import Cohort, CohortWriter, write_cohort
from .formats import recognise, refuse_parent
from .layout import Layout, Options, Source
from .networks import NetworkFit
from .participants import find_participants
from .rows import Plan, first, join, scheme_of
from .rules import LeftOut, clean
from .scheme import MEASURES
from .withdrawn import leave_withdrawn_out

MAX_ODD = 0.1
"""Scans whose columns differ from the others' are left out up to this share; more is an error."""

VOXELS: dict[str, Any] = {"name": "voxels", "labels": [], "networks": []}
"""The atlas block of a cohort of images."""

NAME_RULE = "letters, digits, '-', '_' and '.'"


@dataclass
class ImportReport:
    """What an import did.

    Attributes
    ----------
    cohort
        The new cohort.
    format, recognised
        The format, and how it was told.
    participants
        The table that was joined, or "".
    left_out
        Scan or file -> reason.
    flags
        Scan -> findings.
    rows_without_scan
        Ids of the table's rows that no file belongs to.
    same_content
        Pairs of scans whose series are equal bit for bit.
    notes
        What else a person should know.
    """

    cohort: Cohort
    format: str
    recognised: str
    participants: str
    left_out: dict[str, str]
    flags: dict[str, str]
    rows_without_scan: list[str]
    same_content: list[tuple[str, str]]
    notes: list[str]


def import_cohort(
    dataset: str,
    path: Path,
    *,
    name: str | None = None,
    format: str = "auto",
    options: Options | None = None,
    target: Path | None = None,
    leaves: Leaves | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Import a folder as a cohort.

    Parameters
    ----------
    dataset
        Data set whose column names and codes hold ("abide1", ...), or "own".
    path
        The lab's folder.
    name
        Name of the cohort; the data set's when None.
    format
        One of `formats.FORMATS`, or "auto".
    options
        See `Options`.
    target
        The cohort's folder; ``cohorts()/name`` when None.
    leaves
        What may leave the lab of records on it; as the data set's card says when None.

    Raises
    ------
    BadData, BadOption
        When nothing sound can be made of the folder. What is wrong with single scans goes into the
        report instead.
    """
    options = options or Options()
    name = cohort_name(dataset, name)
    known = scheme_of(dataset)
    refuse_laxer(dataset, leaves)
    if options.more_tables and options.participants is None:
        raise BadOption("further tables without a first one", "name all with  --participants FILE --participants FILE")
    asked = options.participants
    if asked is None and path.is_dir():
        options = replace(options, participants=find_participants(path, known))
    module, kind, recognised = recognise(path, format, options)
    if asked is None and kind == "table":
        refuse_parent(path, known)
    layout: Layout = module.find(path, options)
    if not layout.sources:
        why = first(layout.left_out)
        raise BadData(
            f"{path}: no series of format {kind}" + (f": {why}" if why else ""),
            "copy these files again" if why else "leave out --format, so that the format is told from the files",
        )
    _refuse_twice(layout.sources)
    plan = join(layout, known, options)
    leave_withdrawn_out(plan, dataset, name)
    _same_columns(plan)
    atlas = VOXELS if layout.grid else _atlas(layout, plan, path, options)
    importer = {
        "format": kind,
        "recognised": recognised,
        "participants": plan.participants,
        "rules": [*layout.rules, *known.rules()],
        "min_frames": options.min_frames,
        "rows_without_scan": plan.rows_without_scan,
        "notes": plan.notes,
    }
    folder = target or home.cohorts() / name
    _note_replaced(plan, folder, path)
    flags, same = _write(
        folder,
        plan,
        options,
        layout.grid,
        progress,
        dataset=dataset,
        name=name,
        origin="real",
        atlas=atlas,
        source=str(path.resolve()),
        importer=importer,
        leaves=leaves,
    )
    return ImportReport(
        Cohort.open(folder),
        kind,
        recognised,
        plan.participants,
        plan.left_out,
        flags,
        plan.rows_without_scan,
        same,
        plan.notes,
    )


def _note_replaced(plan: Plan, folder: Path, path: Path) -> None:
    """Say that another folder's cohort had this name until now."""
    try:
        before = Cohort.open(folder).manifest
    except BrainbenchError:
        return
    if before.source != str(path.resolve()):
        plan.notes.append(f"replaces the cohort {before.name} of {before.scans} scans from {before.source}")


def refuse_laxer(dataset: str, leaves: Leaves | None) -> None:
    """Raise `BadOption` where more is to leave a lab than the data set's agreement lets out."""
    if leaves is None:
        return
    allowed = load_dataset(dataset).card.leaves
    if dataset != "own" and LEAVES.index(leaves) < LEAVES.index(allowed):
        raise BadOption(
            f"--leaves {leaves}: the agreement of {dataset} lets out no more than {allowed}",
            "leave the option out, or import your own scans as  own",
        )


def cohort_name(dataset: str, name: str | None) -> str:
    """A cohort's name, safe as a folder's name. Raises `BadOption`."""
    name = name or dataset
    if name == "own":
        raise BadOption("a cohort of your own needs a name", "add  --name my-cohort")
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or not name.isascii() or name[0] in ".-":
        raise BadOption(f"{name!r} cannot name a cohort", f"use {NAME_RULE}, beginning with a letter or digit")
    return name


def _refuse_twice(sources: Sequence[Source]) -> None:
    """Two files that claim one scan id: only a person can say which is right."""
    files: dict[str, list[str]] = {}
    for source in sources:
        files.setdefault(source.id.scan, []).append(source.file)
    twice = {scan: names for scan, names in files.items() if len(names) > 1}
    if twice:
        scan, names = next(iter(twice.items()))
        raise BadData(
            f"{len(twice)} scan ids occur more than once; {scan!r} in {', '.join(names[:4])}",
            "import one folder at a time, rename the files, or choose with --atlas / --select",
        )


def _same_columns(plan: Plan) -> None:
    """Leave out the few scans whose ROIs differ; raises `BadData` where it is not a few."""
    if not plan.sources:
        raise BadData(f"no scan is left to import: {first(plan.left_out)}", "name the right table: --participants FILE")
    counts = Counter(source.labels for source in plan.sources)
    usual, _ = counts.most_common(1)[0]
    odd = [source for source in plan.sources if source.labels != usual]
    if len(odd) > MAX_ODD * len(plan.sources):
        widths = Counter(len(source.labels) for source in plan.sources)
        shown = ", ".join(f"{source.id.scan} ({len(source.labels)})" for source in odd[:5])
        raise BadData(
            f"scans do not share their ROIs: {dict(widths.most_common(5))} scans by number of ROIs, "
            f"{len(counts)} different sets of labels; {len(odd)} differ from the most frequent, such as {shown}",
            "put the files of one atlas into a folder of their own, and import that folder",
        )
    for source in odd:
        same = len(source.labels) == len(usual)
        plan.left_out[source.id.scan] = (
            "other ROI labels than the other scans"
            if same
            else f"{len(source.labels)} ROIs, the other scans have {len(usual)}"
        )
    keep = [k for k, source in enumerate(plan.sources) if source.labels == usual]
    plan.sources, plan.rows = [plan.sources[k] for k in keep], [plan.rows[k] for k in keep]


def _atlas(layout: Layout, plan: Plan, path: Path, options: Options) -> dict[str, Any]:
    """The atlas block of the manifest."""
    asked = options.atlas or ""
    name = layout.atlas if Path(asked).suffix or asked.lower() in ("", layout.atlas.lower()) else asked
    atlas, how = describe(name, plan.sources[0].labels, options.atlas_table, layout.labelled)
    if how:
        plan.notes.append(how)
    if options.atlas_table is None and (path / UNUSED_TABLE).is_file():
        plan.notes.append(NOT_USED)
    if name == "unknown":
        plan.notes.append("the atlas has no name, so other cohorts cannot be compared; give it with --atlas NAME")
    return atlas


def _write(
    folder: Path,
    plan: Plan,
    options: Options,
    grid: tuple[int, int, int] | None,
    progress: Progress,
    **manifest: Any,
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Read, clean and append one scan after the other; returns flags and pairs of equal content."""
    half = all(source.dtype == "float16" for source in plan.sources)
    rois = len(plan.sources[0].labels)
    with write_cohort(folder, rois=rois, dtype="float16" if half else "float32", grid=grid) as writer:
        fit = NetworkFit(manifest["atlas"]["networks"])
        same = _add_all(writer, plan, options, fit, progress)
        if problem := fit.problem():
            plan.notes.append(f"warning: {problem}")
        writer.finish({**manifest, "left_out": plan.left_out})
        return {scan: text for scan, text in writer.flags().items() if text}, same


def _add_all(
    writer: CohortWriter, plan: Plan, options: Options, fit: NetworkFit, progress: Progress
) -> list[tuple[str, str]]:
    """Append what can be kept; returns pairs of scans with the same content."""
    seen: dict[str, str] = {}
    same = []
    for k, (source, row) in enumerate(zip(plan.sources, plan.rows, strict=True)):
        progress("import", k, len(plan.sources))
        scan = source.id.scan
        try:
            series, flags = _read(source, options.min_frames)
        except LeftOut as reason:
            plan.left_out[scan] = f"{source.file}: {reason}"
            continue
        fit.add(series)
        digest = writer.add(scan, series, {**_complete(row), "flags": ",".join(flags)})
        if digest in seen:
            same.append((seen[digest], scan))
            writer.flag(seen[digest], f"same-content-as:{scan}")
            writer.flag(scan, f"same-content-as:{seen[digest]}")
        seen.setdefault(digest, scan)
    progress("import", len(plan.sources), len(plan.sources))
    if not writer.flags():
        raise BadData(f"no scan could be imported: {first(plan.left_out)}", "mend the files, or see --min-frames")
    return same


def _read(source: Source, min_frames: int) -> tuple[np.ndarray, list[str]]:
    """One series after the rules. Raises `LeftOut`."""
    try:
        series = source.read()
    except OSError as error:
        raise LeftOut(f"cannot be read: {error.strerror or error}") from None
    if not source.labels:
        return series, []  # the voxels of an image, which its reader has judged
    if series.ndim == 2 and series.shape[1] != len(source.labels):
        raise LeftOut(f"{series.shape[1]} columns where the header names {len(source.labels)}")
    return clean(series, min_frames)


def _complete(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in which every number column is there, so that its type does not depend on the first scan."""
    return {**{name: math.nan for name in MEASURES}, **row}
