"""ADHD-200 as the Athena pipeline hands it out: ``sfnwmrda0010001_session_1_rest_1_cc200_TCs.1D``, one file a run.

AFNI's 3dROIstats wrote them: tab-separated, header ``File``, ``Sub-brick``, ``Mean_1``, ``Mean_2`` ... A leading
``sf`` means band-pass filtered (0.009 to 0.08 Hz), a leading ``s`` alone not filtered (Bellec et al. 2017, NeuroImage
144:275). The parcellations CC200 and CC400 are this project's own, with other regions than those of ABIDE's files.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadOption
from .adhd200 import SCHEME
from .from_1d import add_text, choose_atlas, nearest_table
from .layout import Layout, Options
from .participants import ScanId

NAME = re.compile(
    r"^s(?P<filtered>f?)nwmrda(?P<scan>(?P<subject>\d+)_session_(?P<session>\d+)_rest_\d+)_(?P<atlas>[A-Za-z0-9]+)_TCs\.1D$"
)

FILTER = "filter"
"""Asked for with ``--select filter=yes`` (the default) or ``filter=no``."""


def recognise(folder: Path, _options: Options) -> str | None:
    """Why a folder is of this format; None where it is not."""
    found = next((path for path in folder.rglob("*_TCs.1D") if NAME.match(path.name)), None)
    return f"files such as {found.name}" if found else None


def find(folder: Path, options: Options) -> Layout:
    """All runs below a folder, of one atlas; filtered ones where both are there."""
    named = [(path, hit) for path in sorted(folder.rglob("*_TCs.1D")) if (hit := NAME.match(path.name))]
    atlas = choose_atlas({_atlas(hit) for _, hit in named}, options.atlas)
    named = [(path, hit) for path, hit in named if _atlas(hit) == atlas]
    filtered = _filtered(named, options)
    layout = Layout([], atlas=atlas)
    layout.notes.append(f"{'band-pass filtered' if filtered else 'unfiltered'} series of the Athena pipeline")
    chosen = [(path, hit) for path, hit in named if bool(hit["filtered"]) == filtered]
    for path, hit in chosen:
        add_text(layout, folder, path, ScanId(hit["scan"], hit["subject"], hit["session"]))
    layout.participants = nearest_table(folder, (path.parent for path, _ in chosen), SCHEME)
    return layout


def _atlas(hit: re.Match[str]) -> str:
    """Name of an atlas; the project's own parcellations are not those of the same name elsewhere."""
    return f"adhd200-{hit['atlas']}" if hit["atlas"].lower().startswith("cc") else hit["atlas"]


def _filtered(named: list[tuple[Path, re.Match[str]]], options: Options) -> bool:
    """Whether filtered series are wanted. Raises `BadOption` for what is not there."""
    have = {bool(hit["filtered"]) for _, hit in named}
    asked = options.select.get(FILTER)
    if set(options.select) - {FILTER} or asked not in (None, "yes", "no"):
        raise BadOption("--select: files of the Athena pipeline differ by filter only", "write  --select filter=no")
    wanted = asked == "yes" if asked else True in have
    if wanted not in have:
        raise BadOption(f"no {'filtered' if wanted else 'unfiltered'} series here", "leave out  --select filter=...")
    return wanted
