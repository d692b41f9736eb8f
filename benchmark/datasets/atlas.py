"""Names and networks of a series' columns.

``craddock_networks.csv`` gives a network to each label of the Craddock atlases CC200 and CC400 (Craddock et al. 2012,
Human Brain Mapping 33:1914). Each voxel of the Preprocessed Connectomes Project's 3 mm volume is looked up, by its
position in MNI152 (affines read with nibabel, nearest voxel), in the 2 mm volume of Schaefer-400 (7 networks) with
Tian S3; the network of most voxels is taken, and ``share`` is its part of all the label's voxels. Labels with under
20 % of their voxels in any parcel are ``Other``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import BadData
from .tables import find_column, is_missing, read_table

SCHAEFER = re.compile(r"^(?:(?:7|17)Networks_)?[LR]H_([A-Za-z]+)(?:_|$)")
TIAN = re.compile(r"^[A-Za-z]+(?:-[A-Za-z0-9]+)*-[lr]h$")
NETWORK_COLUMNS = ("network", "yeo7_name", "network_name", "network_label", "yeo17_name")
INDEX_COLUMNS = ("index", "id", "value", "roi_number")
NAME_COLUMNS = ("label", "name", "roi_name", "roi")
CRADDOCK = ("cc200", "cc400")
UNUSED_TABLE = "roi_to_yeo.csv"
"""A table that lies beside some copies of ABIDE I."""

NOT_USED = (
    f"{UNUSED_TABLE} is not used by itself: the one known from copies of ABIDE I counts labels of CC400, not columns "
    "(joined to the columns in order it does not fit the series); a table can be forced with --atlas-table FILE"
)

MIN_KNOWN = 0.9
"""A table is joined by number or name when it knows this share of the columns' labels."""


def networks_from_names(labels: Sequence[str]) -> list[str]:
    """Networks out of Schaefer's names (``7Networks_LH_Vis_1``); empty when fewer than half have one.

    Tian's subcortical names (``HIP-body-rh``) become ``Subcortex``, others ``Other``.
    """
    found = [SCHAEFER.match(label) for label in labels]
    if sum(hit is not None for hit in found) * 2 < len(labels):
        return []
    return [
        hit[1] if hit else "Subcortex" if TIAN.match(label) else "Other"
        for hit, label in zip(found, labels, strict=True)
    ]


@cache
def _craddock(atlas: str) -> dict[str, str]:
    """Label -> network of an atlas of `CRADDOCK`."""
    text = files(__package__).joinpath("craddock_networks.csv").read_text(encoding="utf-8")
    return {row["label"]: row["network"] for row in csv.DictReader(text.splitlines()) if row["atlas"] == atlas}


def craddock_networks(atlas: str, labels: Sequence[str]) -> list[str]:
    """Networks of columns labelled with the numbers of ``cc200`` or ``cc400`` (``12`` or ``#12``).

    Empty where a label is none of the atlas's.
    """
    known = _craddock(atlas)
    numbers = [label.lstrip("#").strip() for label in labels]
    return [known[number] for number in numbers] if all(number in known for number in numbers) else []


def describe(name: str, labels: Sequence[str], table: Path | None, labelled: bool) -> tuple[dict[str, Any], str]:
    """The atlas block of a cohort (name, labels, networks), and where its networks come from.

    Parameters
    ----------
    name
        Name of the atlas.
    labels
        One a column.
    table
        Table with one row a column, in the columns' order, or with a column of the same names.
    labelled
        Whether the labels come from the data, so that a table is joined by name first.
    """
    names = list(labels)
    networks, how = networks_from_names(names), ""
    if table is not None:
        names, networks, how = _from_table(table, names, labelled)
    elif labelled and name.lower() in CRADDOCK and (known := craddock_networks(name.lower(), names)):
        networks, how = known, f"networks of {name} by label, from its overlap with Schaefer-400 (7 networks) + Tian S3"
    return {"name": name, "labels": names, "networks": networks}, how


def _from_table(path: Path, labels: list[str], labelled: bool) -> tuple[list[str], list[str], str]:
    """Labels and networks with the help of a table, and how it was joined."""
    table = read_table(path)
    network, name = find_column(table, NETWORK_COLUMNS), find_column(table, NAME_COLUMNS)
    if network is None and name is None:
        raise BadData(
            f"{path.name}: no column of networks or names; it has: {', '.join(table.columns)}",
            f"call one of them {NETWORK_COLUMNS[0]!r}",
        )
    index = find_column(table, INDEX_COLUMNS)
    by_index = _order(table, index, labels) if labelled else None
    by_name = _order(table, name, labels) if labelled and by_index is None else None
    order = by_index or by_name
    how = f"networks from {path.name} by its column {index if by_index else name!r}"
    if order is None:
        if len(table) != len(labels):
            raise BadData(f"{path.name}: {len(table)} rows for {len(labels)} ROIs", "give the table of the same atlas")
        order, how = list(range(len(labels))), f"networks from {path.name}, its rows in the order of the columns"
    lacking = order.count(None)
    how += f"; {lacking} ROIs are not in it" if lacking else ""
    networks = [_cell(table, network, row) or "Unknown" for row in order] if network else []
    rename = name and (by_index or not labelled)
    names = [_cell(table, name, row) or label for row, label in zip(order, labels, strict=True)] if rename else labels
    return names, networks or networks_from_names(names), how


def _cell(table: pd.DataFrame, column: str | None, row: int | None) -> str:
    """A cell; empty where it is missing."""
    cell = "" if row is None or column is None else str(table[column].iloc[row])
    return "" if is_missing(cell) else cell


def _order(table: pd.DataFrame, column: str | None, labels: list[str]) -> list[int | None] | None:
    """Row of each label in a column that knows nearly all of them; None for a label without a row."""
    if column is None:
        return None
    rows = {cell: row for row, cell in enumerate(table[column])}
    order = [rows.get(label.lstrip("#").strip()) for label in labels]
    return order if len(labels) - order.count(None) >= MIN_KNOWN * len(labels) else None
