"""From a copy that somebody has to installed parts; what fails is named, and the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ... import home
from ...contracts import Progress, silent
from ...errors import BadData, BadOption
from ..rows import MAX_TR
from .dataset import RecordingsDataset
from .files import Files
from .raw import Group, natural
from .store import Recordings, write


@dataclass
class ImportReport:
    """What an import did.

    Attributes
    ----------
    dataset
        Name of the data set.
    installed
        The parts that are installed now, in order.
    failed
        Part -> why it is not installed.
    left_out
        File -> why it was not used.
    missing
        Parts of which there is nothing.
    notes
        What else a person should know.
    """

    dataset: str
    installed: list[Recordings] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_recordings(
    dataset: RecordingsDataset,
    path: Path,
    *,
    orientation: str | None = None,
    tr: float | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Install all parts that are found in a folder or archive, or only the data set's one part.

    Parameters
    ----------
    orientation
        "source-target" or "target-source"; None for the layout's documented one.
    tr
        Seconds a frame, where neither files nor papers say.

    Raises
    ------
    BadData, BadOption
        When no part can be installed, and for an orientation or TR that must be stated and is not.
    """
    _check_tr(dataset, tr)
    report = ImportReport(dataset.name)
    with Files(path) as files:
        report.left_out.update(files.damaged | files.passed)
        groups, unusable = dataset.find(files)
        report.left_out.update(unusable)
        known = [group for group in groups if group.part in ([dataset.part] if dataset.part else dataset.parts)]
        report.left_out.update(
            {group.series[0]: "not a known part" for group in groups if group.part not in dataset.parts}
        )
        for done, candidates in enumerate(by_part := _by_part(dataset, files, known)):
            progress("import", done, len(by_part))
            _install(dataset, files, candidates, report, orientation, tr)
        progress("import", len(by_part), len(by_part))
    _refuse_nothing(dataset, path, report)
    report.installed.sort(key=lambda found: natural(found.manifest.part))
    have = {found.manifest.part for found in report.installed} | set(report.failed)
    report.missing = [part for part in ([dataset.part] if dataset.part else dataset.parts) if part not in have]
    return report


def _by_part(dataset: RecordingsDataset, files: Files, groups: list[Group]) -> list[list[Group]]:
    """The groups of each part, the best layout first; parts in the order in which an archive holds them."""
    place = {name: k for k, name in enumerate(files.names)}
    rank = list(dataset.layouts)
    groups = sorted(groups, key=lambda group: (group.part, rank.index(group.layout), place[group.series[0]]))
    found = [list(same) for _, same in groupby(groups, key=lambda group: group.part)]
    return sorted(found, key=lambda same: place[same[0].series[0]])


def _install(
    dataset: RecordingsDataset,
    files: Files,
    candidates: list[Group],
    report: ImportReport,
    orientation: str | None,
    tr: float | None,
) -> None:
    """Install a part from the first group that can be read."""
    part = candidates[0].part
    for tried, group in enumerate(candidates):
        layout = dataset.layouts[group.layout]
        resolved = layout.resolve(orientation)
        try:
            raw = dataset.read(files, group, resolved[0], tr)
        except BadData as error:
            report.failed.setdefault(part, _reason(group, error))
            continue
        target = home.cohorts() / f"{dataset.name}-{part}"
        source = f"{layout.title}: {_source(group)}"
        report.installed.append(
            write(target, raw, dataset=dataset.name, origin=dataset.origin, source=source, orientation=resolved)
        )
        if reason := report.failed.pop(part, ""):
            report.notes.append(f"{dataset.name}-{part}: another copy was used, because {reason}")
        for other in candidates[tried + 1 :]:
            report.notes.append(f"{dataset.name}-{part}: also found as {_source(other)}, which is not used")
        return


def _check_tr(dataset: RecordingsDataset, tr: float | None) -> None:
    """Raises `BadOption` for a TR that is lacking, not asked for, or impossible."""
    if dataset.says_tr and tr is not None:
        raise BadOption(f"the TR of {dataset.name} is known", "leave out --tr")
    if not dataset.says_tr and tr is None:
        raise BadOption(f"TR not stated: the files of {dataset.name} do not say it", "add  --tr SECONDS")
    if tr is not None and not 0 < tr <= MAX_TR:
        raise BadOption(f"a TR of {tr:g} s", f"--tr is in seconds, above 0 and at most {MAX_TR:g}")


def _reason(group: Group, error: BadData) -> str:
    """Why a group cannot be read, with the file."""
    named = error.message.startswith((*group.series[:1], group.graph or group.series[0]))
    hint = f" ({error.hint})" if error.hint else ""
    return f"{'' if named else _source(group) + ': '}{error.message}{hint}"


def _source(group: Group) -> str:
    """The files of a group, in short."""
    first = group.series[0]
    return first if len(group.series) == 1 else f"{first} and {len(group.series) - 1} more"


def _refuse_nothing(dataset: RecordingsDataset, path: Path, report: ImportReport) -> None:
    """Raises `BadData` when no part is installed."""
    if report.installed:
        return
    wanted = f"{dataset.name}:{dataset.part}" if dataset.part else dataset.name
    reasons = [f"{part}: {reason}" for part, reason in {**report.failed, **report.left_out}.items()]
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise BadData(f"{path}: nothing of {wanted} can be imported: {reasons[0]}{more}", "give another copy")
    expected = "; or ".join(layout.title for layout in dataset.layouts.values())
    raise BadData(f"{path}: no files of {wanted}", f"expected: {expected}")
