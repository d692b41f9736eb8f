"""What is asked of a twin's people: classes and numbers made from their traits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .people import Population

AGE_EDGES = (18, 36, 60, 75)
"""Years at which an age group ends and the next begins."""

STATUS_LIMIT = 1.5
"""A score this many of the norm's standard deviations below or above its mean is lower or higher."""

NORMS = {"fluid": (5.60236, 2.01301), "fluid_composite": (100.0, 15.0), "flanker": (100.0, 15.0)}
"""Score -> mean and standard deviation of its norm: UK Biobank's fluid score, and NIH Toolbox scores."""

NOT_ASKED = -1
"""Class of a value whose people the target leaves out."""


@dataclass(frozen=True)
class Target:
    """A column that a task predicts.

    Attributes
    ----------
    name
        The column.
    trait
        The trait that it is made from.
    groups
        Class of each of the trait's values, or `NOT_ASKED`; None for the value itself, a number.
    known
        Covariates that may be read beside the scan.
    """

    name: str
    trait: str
    groups: np.ndarray | None
    known: frozenset[str]

    def asked(self, value: np.ndarray) -> np.ndarray:
        """(n,) whether people whose trait has the value of this index are asked for."""
        if self.groups is None:
            return np.ones(len(value), dtype=bool)
        return np.asarray(self.groups[value] != NOT_ASKED)

    def classes(self, posterior: np.ndarray) -> np.ndarray:
        """(n, classes) probabilities of the classes, from those of the trait's values (n, v)."""
        assert self.groups is not None
        found = np.stack([posterior[:, self.groups == k].sum(axis=1) for k in range(self.groups.max() + 1)], axis=1)
        total = found.sum(axis=1, keepdims=True)
        # A person of none of the classes for certain is never asked for; any probabilities do.
        return np.asarray(np.divide(found, total, out=np.full_like(found, 1 / found.shape[1]), where=total > 0))


def targets(population: Population, labels: Mapping[str, tuple[int, ...]]) -> tuple[Target, ...]:
    """All targets of a cohort.

    Parameters
    ----------
    labels
        Target -> class of each diagnosis, or `NOT_ASKED`.
    """
    found = [_target(name, "diagnosis", np.array(groups)) for name, groups in labels.items()]
    found += [_target("sex", "sex", np.array([0, 1])), _target("age", "age", None)]
    bands = np.searchsorted(AGE_EDGES, population.values["age"])
    if len(np.unique(bands)) > 1:
        found.append(_target("age_group", "age", np.unique(bands, return_inverse=True)[1]))
    if population.alleles:
        found.append(_target("apoe4_carrier", "apoe4", np.array([0, 1, 1])))
    for score in population.scores:
        mean, sd = NORMS[score.name]
        z = (score.values - mean) / sd
        found.append(_target(score.name, score.name, None))
        found.append(_target(f"{score.name}_status", score.name, 1 + (z > STATUS_LIMIT) - (z < -STATUS_LIMIT)))
    return tuple(found)


def _target(name: str, trait: str, groups: np.ndarray | None) -> Target:
    return Target(name, trait, groups, frozenset({"age", "sex"} - {trait}))


def value_indices(population: Population, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Trait -> (n,) index of people's values among `Population.values`; of age, the bin."""
    found = {}
    for trait, value in population.traits(table).items():
        if trait == "age":
            bins = np.searchsorted(population.age_edges, value, side="right") - 1
            found[trait] = np.clip(bins, 0, len(population.values["age"]) - 1)
        else:
            found[trait] = np.searchsorted(population.values[trait], value)
    return found
