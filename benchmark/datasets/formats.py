"""Which importer a folder is for, and what to say when it is for none."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ..errors import BadData, BadOption
from .layout import Options
from .participants import find_participants
from .scheme import Scheme

FORMATS = {
    "abide-npz": "from_npz",
    "abide-1d": "from_1d",
    "athena-1d": "from_athena",
    "bids": "from_bids",
    "volumes": "from_volumes",
    "nifti": "from_nifti",
    "table": "from_table",
}
"""Format -> module with ``recognise(folder, options)`` and ``find(folder, options)``, in the order they are tried."""


def recognise(path: Path, format: str, options: Options) -> tuple[ModuleType, str, str]:
    """The importer of a folder, its format, and how it was told. Raises `BadData` or `BadOption`."""
    if format != "auto" and format not in FORMATS:
        raise BadOption(f"no format {format!r}", f"formats are: auto, {', '.join(FORMATS)}")
    if path.is_file():
        raise BadData(f"{path}: a file, not a folder", f"give the folder that holds the series, such as {path.parent}")
    if not path.is_dir():
        raise BadData(f"{path}: no such folder", "give the folder that holds the series")
    if format != "auto":
        return import_module(f".{FORMATS[format]}", __package__), format, "as asked"
    for kind, file in FORMATS.items():
        module = import_module(f".{file}", __package__)
        if reason := module.recognise(path, options):
            return module, kind, reason
    raise BadData(
        f"{path}: no known format in this folder; {_holds(path)}",
        "point to the folder that holds the series; formats:  brainbench data import --help",
    )


def _holds(path: Path) -> str:
    """What lies in a folder, by the endings of its files."""
    endings = Counter(file.suffix or "no ending" for file in path.rglob("*") if file.is_file())
    counts = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))
    return f"its files: {counts}" if counts else "it is empty"


def refuse_parent(path: Path, known: Scheme) -> None:
    """Raise `BadData` when the participants table lies in a folder below and none lies here."""
    if find_participants(path, known):
        return
    below = sorted(folder for folder in path.iterdir() if folder.is_dir() and find_participants(folder, known))
    if below:
        raise BadData(
            f"{path}: no participants table here; there is one in: {', '.join(folder.name for folder in below[:5])}",
            f"import that folder ({below[0]}), or name the table with  --participants FILE",
        )
