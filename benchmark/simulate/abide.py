"""Twins of ABIDE I and ABIDE II: the sites, counts, ages, TR and lengths of the real cohorts.

The effect is planted on three pairs of networks. Which ones, and which way, is our choice, in the
direction that the literature reports most often (weaker Default-Frontoparietal and
Visual-Attention, stronger Somatomotor-Subcortex connectivity); its size is set for a ceiling near
AUC 0.90 and says nothing about autism.
"""

from __future__ import annotations

from pathlib import Path

from ..contracts import Progress, silent
from ..datasets.cohort import Cohort
from .gaussian import Pair
from .twin import TwinSpec, write_twin

PAIRS = (Pair("Default", "Cont", -1), Pair("SomMot", "Subcortex", 1), Pair("Vis", "DorsAttn", -1))

EFFECT = 0.28
"""Log factor on the energies of the pairs' sums and differences."""

ASSUMED = (
    "Site counts by diagnosis and sex and site ages from the public phenotype table; TR, frames and motion by site "
    "as the source columns of {tables}_scans.csv say. Motion does not depend on diagnosis (assumed)."
)

SPECS = {
    name: TwinSpec(
        dataset=name,
        tables=name,
        column="diagnosis",
        classes=("control", "autism"),
        pairs=PAIRS,
        effect=EFFECT,
        source=ASSUMED.format(tables=name),
    )
    for name in ("abide1", "abide2")
}


def simulate(
    name: str, size: str, path: Path, seed: int = 0, effect: float | None = None, progress: Progress = silent
) -> Cohort:
    """Write the twin of ``abide1`` or ``abide2``.

    Parameters
    ----------
    name
        Data set.
    size
        "small" or "full".
    path
        The cohort's folder; one that exists is replaced.
    seed
        Another seed draws other people from the same population.
    effect
        Size of the planted effect; `EFFECT` when None, 0 for none.
    """
    return write_twin(SPECS[name], size, path, seed, effect, progress)
