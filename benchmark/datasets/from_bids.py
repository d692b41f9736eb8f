"""BIDS derivatives: ``sub-*[_ses-*]*_timeseries.tsv`` as XCP-D, or fMRIPrep and nilearn, leave them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from .bids_names import Name, Tree, is_confounds, one_each, parse, quiet_motion, selected
from .from_1d import choose_atlas
from .layout import Layout, Options, Source
from .participants import ScanId
from .rules import LeftOut
from .text import read_text, read_text_header

PATTERN = "sub-*_timeseries.tsv"


def is_series(name: Name) -> bool:
    """Whether a file holds ROI series."""
    return (
        name.suffix == "timeseries" and name.extension == ".tsv" and "sub" in name.entities and not is_confounds(name)
    )


def recognise(folder: Path, _options: Options) -> str | None:
    """Why a folder is of this format; None where it is not."""
    found = next((path.name for path in folder.rglob(PATTERN) if is_series(parse(path.name))), None)
    return f"files such as {found}" if found else None


def find(folder: Path, options: Options) -> Layout:
    """All series of one atlas below a folder."""
    tree = Tree.walk(folder)
    files = selected([(path, name) for path, name in tree.files if is_series(name)], options.select)
    atlases = {name.atlas for _, name in files if name.atlas}
    atlas = choose_atlas(atlases, options.atlas if atlases else None)
    files = [(path, name) for path, name in files if not atlases or name.atlas == atlas]
    one_each(files)
    participants = folder / "participants.tsv"
    layout = Layout([], atlas=atlas, participants=participants if participants.is_file() else None)
    for path, name in files:
        _add(layout, tree, path, name)
    tasks = sorted({name.entities["task"] for _, name in files if "task" in name.entities})
    if len(tasks) > 1:
        layout.notes.append(f"scans of several tasks: {', '.join(tasks)}; one can be chosen with --select task=NAME")
    return layout


def _add(layout: Layout, tree: Tree, path: Path, name: Name) -> None:
    """Add one file, looking at its header, side-cars and motion."""
    file = str(path.relative_to(tree.root))
    try:
        header = read_text_header(path)
    except LeftOut as reason:
        layout.left_out[file] = str(reason)
        return
    layout.labelled &= header.labelled
    layout.sources.append(
        Source(
            scan_id(tree, name),
            file,
            header.labels,
            "float32",
            partial(read_text, path),
            tr=tree.repetition_time(path, name),
            motion=quiet_motion(tree, name),
        )
    )


def scan_id(tree: Tree, name: Name) -> ScanId:
    """A recording's id, such as ``sub-01_ses-2_task-rest``, with its session's row."""
    return ScanId(name.identity, name.entities.get("sub", ""), name.entities.get("ses", ""), tree.session(name))
