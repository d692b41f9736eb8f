"""Names and networks of a series' columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import BadData
from .tables import find_column, is_missing, read_table

SCHAEFER = re.compile(r"^(?:(?:7|17)Networks_)?[LR]H_([A-Za-z]+)(?:_|$)")
TIAN = re.compile(r"^[A-Za-z]+(?:-[A-Za-z0-9]+)*-[lr]h$")
NETWORK_COLUMNS = ("network", "yeo7_name", "network_name", "network_label", "yeo17_name")
INDEX_COLUMNS = ("index", "id", "value")
NAME_COLUMNS = ("label", "name", "roi_name", "roi")


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


def describe(name: str, labels: Sequence[str], table: Path | None, labelled: bool) -> dict[str, Any]:
    """The atlas block of a cohort: name, labels and networks.

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
    networks = networks_from_names(names)
    if table is not None:
        names, networks = _from_table(table, names, labelled)
    return {"name": name, "labels": names, "networks": networks}


def _from_table(path: Path, labels: list[str], labelled: bool) -> tuple[list[str], list[str]]:
    """Labels and networks with the help of a table."""
    table = read_table(path)
    network, name = find_column(table, NETWORK_COLUMNS), find_column(table, NAME_COLUMNS)
    if network is None and name is None:
        raise BadData(
            f"{path.name}: no column of networks or names; it has: {', '.join(table.columns)}",
            f"call one of them {NETWORK_COLUMNS[0]!r}",
        )
    index = find_column(table, INDEX_COLUMNS)
    by_index = _order(table, index, labels) if labelled else None
    order = by_index or (_order(table, name, labels) if labelled else None)
    if order is None and len(table) != len(labels):
        raise BadData(f"{path.name}: {len(table)} rows for {len(labels)} ROIs", "give the table of the same atlas")
    part = table if order is None else table.iloc[order]
    networks = ["Unknown" if is_missing(cell) else cell for cell in part[network]] if network else []
    names = list(part[name]) if name and (by_index or not labelled) else labels
    return names, networks or networks_from_names(names)


def _order(table: pd.DataFrame, column: str | None, labels: list[str]) -> list[int] | None:
    """Row of each label, where a column knows them all."""
    if column is None:
        return None
    rows = {cell: row for row, cell in enumerate(table[column])}
    return [rows[label] for label in labels] if all(label in rows for label in labels) else None
