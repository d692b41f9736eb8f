"""Atlases of the twins: 8 networks, with the sizes of Schaefer-400 (7 networks) + Tian S3, or smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "Subcortex")
"""Network names, as the public label tables spell them; `TwinAtlas.network` holds indices into this."""

BLOCKS = (
    ("rh", "Subcortex", 25),
    ("lh", "Subcortex", 25),
    ("LH", "Vis", 31),
    ("LH", "SomMot", 37),
    ("LH", "DorsAttn", 23),
    ("LH", "SalVentAttn", 22),
    ("LH", "Limbic", 13),
    ("LH", "Cont", 22),
    ("LH", "Default", 52),
    ("RH", "Vis", 30),
    ("RH", "SomMot", 40),
    ("RH", "DorsAttn", 23),
    ("RH", "SalVentAttn", 25),
    ("RH", "Limbic", 13),
    ("RH", "Cont", 30),
    ("RH", "Default", 39),
)
"""Hemisphere, network, ROIs, in the order of ``Schaefer2018_400Parcels_7Networks_order_Tian_Subcortex_S3``:
subcortex first (Tian et al. 2020), then cortex (Schaefer et al. 2018)."""

FULL_ROIS = 450


@dataclass(frozen=True)
class TwinAtlas:
    """Regions of a twin.

    Attributes
    ----------
    name
        Name in the cohort's manifest; it says how many ROIs there are.
    labels
        One a column, in the style of the public tables. They name a network and a number, not a place.
    network
        (rois,) index into `NETWORKS`.
    """

    name: str
    labels: tuple[str, ...]
    network: np.ndarray

    @property
    def rois(self) -> int:
        """Number of columns."""
        return len(self.labels)

    def manifest(self) -> dict[str, Any]:
        """The atlas block of a cohort's manifest."""
        return {
            "name": self.name,
            "labels": list(self.labels),
            "networks": [NETWORKS[k] for k in self.network],
        }


def twin_atlas(rois: int = FULL_ROIS) -> TwinAtlas:
    """The atlas with 450 ROIs, or one with fewer and the same proportions."""
    sizes = shares([size for _, _, size in BLOCKS], rois)
    labels: list[str] = []
    network: list[int] = []
    for (hemisphere, name, _), size in zip(BLOCKS, sizes, strict=True):
        network += [NETWORKS.index(name)] * size
        if name == "Subcortex":
            labels += [f"SUB-{k + 1}-{hemisphere}" for k in range(size)]
        else:
            labels += [f"7Networks_{hemisphere}_{name}_{k + 1}" for k in range(size)]
    return TwinAtlas(f"twin-schaefer-tian-{rois}", tuple(labels), np.array(network))


def shares(sizes: list[int], total: int) -> list[int]:
    """Whole numbers in the proportions of ``sizes`` that sum to ``total`` (largest remainders)."""
    exact = np.array(sizes) * total / sum(sizes)
    whole = np.floor(exact).astype(int)
    rest = np.argsort(-(exact - whole), kind="stable")[: total - whole.sum()]
    whole[rest] += 1
    return [int(size) for size in whole]
