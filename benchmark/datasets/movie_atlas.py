"""Names and networks of parcels in the order of a cohort's columns."""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path

from ..errors import BadData
from .atlas import describe, networks_from_names

SCHAEFER = 1000
"""Parcels of Schaefer 2018 in its finest version."""


@cache
def schaefer_parcels() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names (``LH_Vis_1`` ...) and networks of Schaefer's 1000 parcels (7 networks) in the order of their numbers.

    The names count parcels within hemisphere and network; the atlas's own name parts of networks as well, and differ
    between its versions, whereas the networks do not. Counts: ``benchmark/simulate/schaefer1000.csv``.
    """
    folder = files(str(__package__).rpartition(".")[0] + ".simulate")
    text = folder.joinpath("schaefer1000.csv").read_text(encoding="utf-8")
    names: list[str] = []
    networks: list[str] = []
    counted: Counter[str] = Counter()
    for row in csv.DictReader(text.splitlines()):
        prefix = f"{row['hemisphere']}H_{row['network']}"
        for _ in range(int(row["parcels"])):
            counted[prefix] += 1
            names.append(f"{prefix}_{counted[prefix]}")
            networks.append(row["network"])
    return tuple(names), tuple(networks)


def name_parcels(parcels: int, table: Path | None = None) -> tuple[list[str], list[str], str]:
    """Names, networks ("" where unknown), and where they come from.

    ``table`` is Schaefer's ``..._order.txt``, or a table with one row a parcel. Without one, 1000 columns are taken
    for Schaefer's 1000 parcels in the order of their numbers. Raises `BadData`.
    """
    if table is not None:
        names = _order(table)
        if names is None:
            told, how = describe("parcels", [f"parcel-{k}" for k in range(1, parcels + 1)], table, labelled=False)
            names, networks = told["labels"], told["networks"]
        else:
            how, networks = f"names and networks from {table.name}", networks_from_names(names)
        if len(names) != parcels:
            raise BadData(f"{table}: {len(names)} parcels; the responses have {parcels}", "give the table of the atlas")
        return names, networks or [""] * parcels, how
    if parcels == SCHAEFER:
        known, networks_known = schaefer_parcels()
        return (
            list(known),
            list(networks_known),
            "1000 columns: taken for Schaefer's 1000 parcels, 7 networks, in order",
        )
    how = f"{parcels} parcels: no known atlas, so without networks (give them with --atlas-table FILE)"
    return [f"parcel-{k}" for k in range(1, parcels + 1)], [""] * parcels, how


def _order(path: Path) -> list[str] | None:
    """Names out of Schaefer's order file: number, name and colour, by tabs, without a header; else None."""
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path}: cannot be read ({error})") from None
    if not rows or len(rows[0]) < 2 or not rows[0][0].isdecimal():
        return None
    if [row[0] for row in rows] != [str(k) for k in range(1, len(rows) + 1)]:
        raise BadData(f"{path}: the parcels are not numbered 1 to {len(rows)} in order")
    if any(len(row) < 2 for row in rows):
        raise BadData(f"{path}: a line without the name of a parcel", "copy the file again")
    return [row[1] for row in rows]
