"""Preprocessed Connectomes: one ``SITE_SUBJECT_rois_ATLAS.1D`` file a scan, header of ROI labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ..errors import BadOption
from .abide import SCHEME
from .layout import Layout, Options, Source
from .participants import ScanId, find_participants
from .rules import LeftOut
from .scheme import Scheme
from .text import read_text, read_text_header

NAME = re.compile(r"^(?P<scan>.+)_rois_(?P<atlas>[A-Za-z0-9-]+)\.1D$")
"""Such as ``Pitt_0050003_rois_cc400.1D``; the part before ``_rois_`` is the table's FILE_ID."""


def recognise(folder: Path, _options: Options) -> str | None:
    """Why a folder is of this format; None where it is not."""
    found = next((path for path in folder.rglob("*.1D") if NAME.match(path.name)), None)
    return f"files such as {found.name}" if found else None


def find(folder: Path, options: Options) -> Layout:
    """All .1D files below a folder, of one atlas."""
    named = [(path, hit) for path in sorted(folder.rglob("*.1D")) if (hit := NAME.match(path.name))]
    atlas = choose_atlas({hit["atlas"] for _, hit in named}, options.atlas)
    layout = Layout([], atlas=atlas)
    chosen = [(path, hit["scan"]) for path, hit in named if hit["atlas"] == atlas]
    for path, scan in chosen:
        add_text(layout, folder, path, ScanId(scan))
    layout.participants = nearest_table(folder, (path.parent for path, _ in chosen), SCHEME)
    return layout


def add_text(layout: Layout, folder: Path, path: Path, scan: ScanId) -> None:
    """Add one text file of series, looking at its header only; why one cannot be read goes to ``left_out``."""
    file = str(path.relative_to(folder))
    try:
        header = read_text_header(path)
    except LeftOut as reason:
        layout.left_out[file] = str(reason)
        return
    layout.sources.append(Source(scan, file, header.labels, "float32", partial(read_text, path)))
    layout.labelled &= header.labelled


def choose_atlas(found: Iterable[str], wanted: str | None) -> str:
    """The atlas asked for, or the only one there is. Raises `BadOption` that lists them."""
    names = sorted(set(found))
    by_name = {name.lower(): name for name in names}
    if wanted is not None and wanted.lower() in by_name:
        return by_name[wanted.lower()]
    if wanted is not None and names:
        raise BadOption(f"no files of atlas {wanted!r}; there are: {', '.join(names)}", "choose one with --atlas NAME")
    if len(names) > 1:
        raise BadOption(f"several atlases: {', '.join(names)}", f"choose one:  --atlas {names[0]}")
    return names[0] if names else "unknown"


def nearest_table(folder: Path, places: Iterable[Path], known: Scheme) -> Path | None:
    """The participants table in the folder, or on the way from it to the files."""
    for place in dict.fromkeys(places):
        between = [place, *(parent for parent in place.parents if parent.is_relative_to(folder))]
        for step in reversed(between):
            if table := find_participants(step, known):
                return table
    return None
