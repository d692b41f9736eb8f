"""Rows of ``brainbench data list`` for networks: many parts in few lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import home
from ..contracts import Dataset
from ..datasets.recordings.dataset import RecordingsDataset
from ..datasets.recordings.raw import natural
from ..datasets.recordings.store import Recordings, installed
from ..errors import BrainbenchError, DataMissing, UnknownName
from ..registry import entries, load_dataset


def installed_names() -> list[str]:
    """Names of all installed networks and their twins."""
    return [path.name for place in (home.cohorts(), home.twins()) for path in installed(place)]


def networks_named(name: str) -> RecordingsDataset | None:
    """The data set of networks, or the part of it, that a name means (``netsim``, ``netsim:1``, ``netsim-1``), or None.

    Raises `UnknownName` for ``netsim:99``, a part that there is not.
    """
    for mark in ":-":
        base, _, part = name.partition(mark)
        if base not in entries("datasets"):
            continue
        found = load_dataset(base)
        if not isinstance(found, RecordingsDataset):
            return None
        try:
            return type(found)(part)
        except UnknownName:
            if mark == ":":
                raise
    return None


def refuse_missing(name: str) -> None:
    """Raises `DataMissing` with what brings it, for a name of networks of which no folder was found."""
    networks = networks_named(name)
    if networks is None:
        return
    if networks.part or not networks.installed():
        what = f"{networks.name}:{networks.part}" if networks.part else networks.name
        twin = f"{networks.name}:{networks.part or networks.parts[0]}"
        hint = f"{networks.how_to_get()}\n  a simulated twin:  brainbench data simulate {twin}"
        raise DataMissing(f"{what} is not installed below {home.home()}", hint)
    have = networks.installed_parts()
    raise DataMissing(
        f"{name} is no folder but {len(have)} installed parts: {listed(have)}",
        f"name one, such as  {networks.name}:{have[0]}",
    )


def part_folders(name: str) -> list[Path]:
    """The installed parts of a data set of networks that is named without a part, else nothing."""
    networks = networks_named(name)
    if networks is None or networks.part:
        return []
    return [home.cohorts() / f"{networks.name}-{part}" for part in networks.installed_parts()]


def recordings_rows() -> list[dict[str, Any]]:
    """One row for every installed network and twin; a damaged one says so."""
    rows = []
    for path in (path for place in (home.cohorts(), home.twins()) for path in installed(place)):
        try:
            manifest = Recordings.open(path).manifest
        except BrainbenchError as error:
            row = {"dataset": "", "part": "", "origin": f"damaged: {error.message}"}
            rows.append({"name": path.name, **row, "subjects": 0, "nodes": 0, "frames": 0, "left out": 0})
            continue
        rows.append(
            {
                "name": path.name,
                "dataset": manifest.dataset,
                "part": manifest.part,
                "origin": manifest.origin,
                "subjects": len(manifest.subjects),
                "nodes": len(manifest.nodes),
                "frames": max(subject.frames for subject in manifest.subjects),
                "left out": len(manifest.left_out),
            }
        )
    return sorted(rows, key=lambda row: natural(row["name"]))


def by_dataset(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each data set and origin; what is damaged keeps a row of its own."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["dataset"], row["origin"], "" if row["dataset"] else row["name"]].append(row)
    return [
        {
            "networks": dataset or name,
            "origin": origin,
            "parts": listed(sorted({row["part"] for row in group}, key=natural)) if dataset else "",
            "subjects": _range(group, "subjects"),
            "nodes": _range(group, "nodes"),
            "frames": _range(group, "frames"),
            "left out": sum(row["left out"] for row in group),
        }
        for (dataset, origin, name), group in groups.items()
    ]


def _range(rows: Sequence[dict[str, Any]], key: str) -> str:
    """The smallest and the largest of a number."""
    low, high = min(row[key] for row in rows), max(row[key] for row in rows)
    return str(low) if low == high else f"{low} to {high}"


def listed(parts: Sequence[str]) -> str:
    """Names of parts in order, runs of three and more numbers as ``1-5``."""
    runs: list[list[str]] = []
    for part in parts:
        if runs and part.isdigit() and runs[-1][-1].isdigit() and int(part) == int(runs[-1][-1]) + 1:
            runs[-1].append(part)
        else:
            runs.append([part])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def parts_installed(dataset: Dataset) -> str:
    """How many parts of a data set of networks are installed; "" for others."""
    if not isinstance(dataset, RecordingsDataset):
        return ""
    have = dataset.installed_parts()
    return f"{len(have)} of {len(dataset.parts)} parts installed"
