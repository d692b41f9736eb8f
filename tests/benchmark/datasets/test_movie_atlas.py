"""Schaefer's 1000 parcels by position."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from brainbench.benchmark.datasets.movie_atlas import name_parcels, schaefer_parcels

# First number of each block of networks in Schaefer2018_1000Parcels_7Networks_order.txt.
FIRST = {
    1: "LH_Vis_1",
    82: "LH_SomMot_1",
    173: "LH_DorsAttn_1",
    234: "LH_SalVentAttn_1",
    289: "LH_Limbic_1",
    318: "LH_Cont_1",
    375: "LH_Default_1",
    501: "RH_Vis_1",
    582: "RH_SomMot_1",
    685: "RH_DorsAttn_1",
    746: "RH_SalVentAttn_1",
    812: "RH_Limbic_1",
    843: "RH_Cont_1",
    913: "RH_Default_1",
    999: "RH_Cont_71",
}


def test_blocks_begin_where_the_atlas_has_them():
    names, networks = schaefer_parcels()
    assert len(set(names)) == 1000
    assert {number: names[number - 1] for number in FIRST} == FIRST
    assert all(f"_{network}_" in name for name, network in zip(names, networks, strict=True))
    assert Counter(networks)["Default"] == 126 + 86


def test_other_numbers_of_parcels_are_not_guessed():
    names, networks, how = name_parcels(400)
    assert (names[0], set(networks)) == ("parcel-1", {""})
    assert "no known atlas" in how


@pytest.mark.parametrize("version", ["7Networks_LH_Vis_1", "7Networks_LH_Default_PFC_3"])
def test_schaefers_own_names_tell_the_network(tmp_path: Path, version: str):
    file = tmp_path / "order.txt"
    file.write_text(f"1\t{version}\t1\t1\t1\t0\n")
    assert name_parcels(1, file)[:2] == ([version], [version.split("_")[2]])
