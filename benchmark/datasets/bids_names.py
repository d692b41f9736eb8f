"""File names and side-cars as BIDS has them: entities, inheritance, tables of sessions and motion."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData
from .participants import ScanId
from .rules import LeftOut
from .tables import find_column, is_missing, read_table

IDENTITY = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
"""Entities that tell recordings apart; others tell how a recording was processed."""

ATLAS_ENTITIES = ("atlas", "seg", "parc")
MAX_JSON_BYTES = 1 << 20
MOTION_COLUMNS = ("framewise_displacement", "FramewiseDisplacement")


@dataclass(frozen=True)
class Name:
    """A file name taken apart: ``sub-01_task-rest_bold.nii.gz``."""

    entities: dict[str, str]
    suffix: str
    extension: str

    @property
    def identity(self) -> str:
        """The recording it belongs to, such as ``sub-01_task-rest``."""
        return "_".join(f"{key}-{self.entities[key]}" for key in IDENTITY if key in self.entities)

    @property
    def atlas(self) -> str | None:
        """Name of the atlas, where the name holds one."""
        return next((self.entities[key] for key in ATLAS_ENTITIES if key in self.entities), None)


def parse(name: str) -> Name:
    """Take a file name apart. Parts that are no ``key-value`` pairs are passed over."""
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    entities: dict[str, str] = {}
    for part in [*parts, suffix] if "-" in suffix else parts:
        key, dash, value = part.partition("-")
        if dash and key.isalnum() and value:
            entities.setdefault(key, value)
    return Name(entities, "" if "-" in suffix else suffix, dot + extension)


def scan_of(scan: str, text: str = "", subject: str = "") -> ScanId:
    """A scan's id with the subject and session that its name (or ``text``) tells, if it does."""
    entities = parse(text or scan).entities
    return ScanId(scan, subject or entities.get("sub", ""), entities.get("ses", ""))


@dataclass
class Tree:
    """All files of a folder, by what they are good for.

    Attributes
    ----------
    root
        The folder.
    files
        Every file with its name taken apart, sorted.
    """

    root: Path
    files: list[tuple[Path, Name]]
    _sidecars: dict[Path, list[tuple[Path, Name]]] = field(default_factory=dict)
    _motion: dict[str, list[tuple[Path, Name]]] = field(default_factory=dict)
    _sessions: dict[Path, dict[str, dict[str, str]]] = field(default_factory=dict)

    @classmethod
    def walk(cls, root: Path) -> Tree:
        """Look at every file name below a folder; hidden folders are passed over."""
        tree = cls(root, sorted(_walk(root), key=lambda entry: entry[0]))
        for path, name in tree.files:
            if name.extension == ".json":
                tree._sidecars.setdefault(path.parent, []).append((path, name))
            if is_confounds(name) or (name.suffix == "motion" and name.extension == ".tsv"):
                tree._motion.setdefault(name.identity, []).append((path, name))
        return tree

    def repetition_time(self, path: Path, name: Name) -> float:
        """TR in seconds from the side-car of a file or one that it inherits; NaN where none says.

        Nearest first: the file's folder, then its parents up to the root (BIDS inheritance principle).
        """
        place = path.parent
        while place.is_relative_to(self.root):
            fitting = [(other, file) for file, other in self._sidecars.get(place, []) if _applies(other, name)]
            for _, file in sorted(fitting, key=lambda pair: (pair[0].suffix != name.suffix, -len(pair[0].entities))):
                tr = _repetition_time(_read_json(file))
                if not math.isnan(tr):
                    return tr
            place = place.parent
        return float("nan")

    def confounds(self, name: Name) -> Path | None:
        """The confounds or motion table of a recording; the one of fMRIPrep before others."""
        found = sorted(
            self._motion.get(name.identity, []), key=lambda entry: (entry[1].suffix == "motion", len(entry[1].entities))
        )
        return found[0][0] if found else None

    def motion(self, name: Name) -> float:
        """Mean framewise displacement in mm of a recording; NaN where no table has it."""
        for path, _ in self._motion.get(name.identity, []):
            table = read_table(path)
            column = find_column(table, MOTION_COLUMNS)
            if column is None:
                continue
            values = [_float(cell) for cell in table[column] if not is_missing(cell)]
            if values and np.isfinite(values).all():
                return float(np.mean(values))
        return float("nan")

    def session(self, name: Name) -> dict[str, str]:
        """The row of ``sub-X_sessions.tsv`` for a recording's session, as text; empty where there is none."""
        if "sub" not in name.entities or "ses" not in name.entities:
            return {}
        subject = f"sub-{name.entities['sub']}"
        path = self.root / subject / f"{subject}_sessions.tsv"
        if path not in self._sessions:
            self._sessions[path] = _sessions(path) if path.is_file() else {}
        return self._sessions[path].get(name.entities["ses"], {})


def is_confounds(name: Name) -> bool:
    """Whether a file is a table of confounds, whose suffix may be ``timeseries`` as well."""
    return (
        name.extension == ".tsv"
        and name.suffix in ("timeseries", "regressors")
        and name.entities.get("desc") == "confounds"
    ) or name.suffix == "regressors"


def _walk(root: Path) -> Iterator[tuple[Path, Name]]:
    for place, folders, files in os.walk(root):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        for file in files:
            if not file.startswith("."):
                yield Path(place) / file, parse(file)


def _applies(sidecar: Name, name: Name) -> bool:
    """Whether a JSON file speaks of a recording: every entity of it that matters is the file's."""
    if sidecar.suffix == name.suffix:
        return all(name.entities.get(key) == value for key, value in sidecar.entities.items())
    own = {key: value for key, value in sidecar.entities.items() if key in IDENTITY}
    return sidecar.suffix == "bold" and all(name.entities.get(key) == value for key, value in own.items())


def _read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object, or nothing where the file holds none."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _repetition_time(content: Mapping[str, Any]) -> float:
    """RepetitionTime, or the inverse of SamplingFrequency."""
    for key in ("RepetitionTime", "SamplingFrequency"):
        value = content.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
            return float(value) if key == "RepetitionTime" else 1 / float(value)
    return float("nan")


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _sessions(path: Path) -> dict[str, dict[str, str]]:
    """Session label -> row of a sessions table."""
    table = read_table(path)
    key = find_column(table, ("session_id", "session"))
    if key is None:
        raise BadData(f"{path}: no column session_id; it has: {', '.join(table.columns)}")
    rows = {}
    for row in table.to_dict("records"):
        label = str(row.pop(key)).removeprefix("ses-")
        rows[label] = {str(name): str(cell) for name, cell in row.items() if not is_missing(str(cell))}
    return rows


def one_each(files: list[tuple[Path, Name]]) -> None:
    """Raise `BadData` where a recording has several processed versions to choose from."""
    by_identity: dict[str, list[Name]] = {}
    for _, name in files:
        by_identity.setdefault(name.identity, []).append(name)
    for identity, names in by_identity.items():
        if len(names) > 1:
            differ = {
                key: sorted({name.entities.get(key, "-") for name in names})
                for key in {key for name in names for key in name.entities}
            }
            differ = {key: values for key, values in sorted(differ.items()) if len(values) > 1}
            key, values = next(iter(differ.items()), ("space", ["..."]))
            shown = "; ".join(f"{key}: {', '.join(values)}" for key, values in differ.items()) or "in two folders"
            raise BadData(
                f"{identity}: {len(names)} versions of one recording ({shown})",
                f"choose one:  --select {key}={values[-1]}",
            )


def selected(files: list[tuple[Path, Name]], select: Mapping[str, str]) -> list[tuple[Path, Name]]:
    """Files whose entities have the values asked for. Raises `BadData` that lists the values there are."""
    for key, value in select.items():
        have = sorted({name.entities[key] for _, name in files if key in name.entities})
        wanted = value.removeprefix(f"{key}-")
        files = [(path, name) for path, name in files if name.entities.get(key) == wanted]
        if not files:
            raise BadData(
                f"no file has {key}-{wanted}; values of {key!r}: {', '.join(have) or 'none'}",
                f"change  --select {key}=...",
            )
    return files


def quiet_motion(tree: Tree, name: Name) -> float:
    """`Tree.motion`, NaN where the table cannot be read."""
    try:
        return tree.motion(name)
    except (BadData, LeftOut):
        return float("nan")
