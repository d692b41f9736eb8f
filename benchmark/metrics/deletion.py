"""Maps of voxels: truth a `Probe`, prediction (voxels,) values, one an item."""

from __future__ import annotations

import numpy as np

from ..kinds.localisation import Probe
from .counts import ItemMetric

SHARE = 0.05
"""Share of the voxels that is deleted."""

RELEVANT = 0.1
"""Share of the voxels that counts as relevant on a twin: those with the largest true weights."""


class Deletion(ItemMetric):
    """Loss of evidence for a concept when the 5 % of voxels that a map names are set to their mean.

    From the loss is taken what other concepts of the same image lose, and then the same difference expected for
    voxels drawn at random. In standard deviations of the evidence over training items. 0 for a map that is no
    better than chance, and about 0 for one that names voxels which carry all concepts alike. An image that shows
    no other concept cannot tell these apart, and does not count.

    What is asked is what the evaluator's linear reader loses, noise of this response included. Weights times
    response of a reader like it come close to the most that can be had; the true map of a twin has less.
    """

    name = "deletion"
    title = "Deletion"
    chance = 0.0

    def items(self, truth: list[Probe], prediction: list[np.ndarray]) -> np.ndarray:
        """Loss of each item beyond that of random voxels; NaN where nothing else was seen."""
        return np.array([_loss(probe, strongest(one, SHARE)) for probe, one in zip(truth, prediction, strict=True)])

    def made_with(self, truth: list[Probe]) -> str:
        """How many voxels go, and by whom evidence is read."""
        others = sum(len(probe.kept) > 0 for probe in truth)
        return (
            f"{SHARE:.0%} of the voxels deleted; evidence by ridge readers fitted on the training items; "
            f"{others} of {len(truth)} items, whose image shows another concept"
        )


class MapAUC(ItemMetric):
    """AUC of a map for the tenth of the voxels in which the concept truly weighs most; only where that is known."""

    name = "map-auc"
    title = "Map AUC"
    chance = 0.5

    def items(self, truth: list[Probe], prediction: list[np.ndarray]) -> np.ndarray:
        """AUC of each item; NaN where the true weights are not known."""
        from scipy.stats import rankdata

        found = []
        for probe, one in zip(truth, prediction, strict=True):
            if probe.relevance is None or not (probe.relevance > 0).any():
                found.append(np.nan)
                continue
            positive = np.zeros(len(one), bool)
            positive[strongest(probe.relevance, RELEVANT)] = True
            ranks, hits = rankdata(one)[positive].sum(), positive.sum()
            found.append((ranks - hits * (hits + 1) / 2) / (hits * (len(one) - hits)))
        return np.array(found)


def strongest(values: np.ndarray, share: float) -> np.ndarray:
    """Positions of the largest values, this share of them and at least one; ties are broken by a fixed draw."""
    order = np.random.default_rng(0).permutation(len(values))
    count = max(1, round(share * len(values)))
    return order[np.argsort(-values[order], kind="stable")[:count]]


def _loss(probe: Probe, deleted: np.ndarray) -> float:
    """Evidence that lies in the deleted voxels beyond that of other concepts, less a random draw's share of it."""
    if not len(probe.kept):
        return np.nan
    carried = probe.response * (probe.reader - probe.kept.mean(axis=0))
    return float(carried[deleted].sum() - carried.mean() * len(deleted))
