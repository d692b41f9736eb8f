"""What the scan of a twin says of its person, exactly: posteriors by enumeration.

The law of a person's class, sex, alleles and age is a table a site (`Population`), and the likelihood
is a product over traits (`Design.log_likelihood`), so Bayes' rule is a sum over the table. Scores are
independent of the rest, so each has a posterior of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from .gaussian import Design
from .people import SEXES, Population

CELL_TRAITS = ("diagnosis", "sex", "apoe4")
"""Traits whose combinations are the cells of a site's table."""


@dataclass(frozen=True)
class Evidence:
    """What is seen of people.

    Attributes
    ----------
    table
        Columns of `Population.draw`.
    likelihood
        Trait -> (n, values) likelihood of its values, up to a factor a person.
    """

    table: pd.DataFrame
    likelihood: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Oracle:
    """Reads energies as well as anybody can, because it knows the laws."""

    design: Design
    population: Population

    @property
    def traits(self) -> tuple[str, ...]:
        """Names of all traits."""
        return tuple(self.population.values)

    @cached_property
    def _sites(self) -> list[str]:
        return sorted(self.population.groups["site"].unique())

    def _site_index(self, names: pd.Series) -> np.ndarray:
        """Places of sites in the tables."""
        return np.asarray(names.map({name: k for k, name in enumerate(self._sites)}))

    @cached_property
    def _cell_shape(self) -> tuple[int, int, int]:
        return self.population.classes, len(SEXES), len(self._alleles[0])

    @cached_property
    def _alleles(self) -> np.ndarray:
        """(classes, 3) probabilities of 0, 1, 2 alleles."""
        return np.array(self.population.alleles or [[1.0, 0.0, 0.0]] * self.population.classes)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index of site, class and sex of each of the population's groups."""
        groups = self.population.groups
        sex = (groups["sex"] == SEXES[1]).to_numpy(int)
        return self._site_index(groups["site"]), groups["label"].to_numpy(int), sex

    @cached_property
    def _site_law(self) -> np.ndarray:
        """(sites,) probabilities."""
        counts = self.population.groups.groupby("site")["n"].sum().loc[self._sites].to_numpy(float)
        return np.asarray(counts / counts.sum())

    def _cells(self, groups: np.ndarray) -> np.ndarray:
        """(..., sites, cells) probabilities, from those (..., groups) in each group."""
        classes, sexes, _ = self._cell_shape
        array = np.zeros((*groups.shape[:-1], len(self._sites), classes, sexes))
        array[(..., *self._places)] = groups
        full = array[..., None] * self._alleles[:, None, :]
        return np.asarray(full.reshape(*array.shape[:-2], -1))

    @cached_property
    def _prior(self) -> np.ndarray:
        """(sites, cells, ages) p(cell, age bin | site)."""
        share = self._share[:, None] * self.population.age_law.bins(self.population.age_edges)
        return np.moveaxis(self._cells(share.T), 0, -1)

    @cached_property
    def _share(self) -> np.ndarray:
        """(groups,) p(group | site)."""
        groups = self.population.groups
        return np.asarray(groups["n"] / groups.groupby("site")["n"].transform("sum"))

    def evidence(self, table: pd.DataFrame, energies: np.ndarray) -> Evidence:
        """Likelihoods of people's statistics (n, 8)."""
        frames = table["frames"].to_numpy()
        found = {}
        for trait, values in self.population.values.items():
            log = self.design.log_likelihood(trait, self.population.coded(trait, values), energies, frames)
            found[trait] = np.exp(log - log.max(axis=1, keepdims=True))
        return Evidence(table, found)

    def posterior(
        self, evidence: Evidence, known: Collection[str] = (), site_known: bool = True
    ) -> dict[str, np.ndarray]:
        """Trait -> (n, values) p(value | energies, and what is known).

        Parameters
        ----------
        known
            "age" and "sex", where these are read beside the scan.
        site_known
            Whether the site is read as well; only without ``known`` age.
        """
        table, likelihood = evidence.table, dict(evidence.likelihood)
        if "sex" in known:
            male = (table["sex"] == SEXES[1]).to_numpy(int)
            likelihood["sex"] = np.eye(len(SEXES))[male]
        cells = self._cell_likelihood(likelihood)
        prior = self._prior if site_known else np.tensordot(self._site_law, self._prior, 1)[None]
        site = self._site_index(table["site"]) if site_known else np.zeros(len(table), dtype=int)
        by_cell, by_age = np.empty_like(cells), np.empty_like(likelihood["age"])
        for k in np.unique(site):
            rows = site == k
            by_cell[rows] = likelihood["age"][rows] @ prior[k].T
            by_age[rows] = cells[rows] @ prior[k]
        if "age" in known:
            by_cell = self._at_age(table["age"].to_numpy(), site)
        joint = _normal(cells * by_cell).reshape(-1, *self._cell_shape)
        found = {
            name: joint.sum(axis=tuple(axis for axis in (1, 2, 3) if axis != own))
            for own, name in enumerate(CELL_TRAITS, start=1)
        }
        found["age"] = _normal(likelihood["age"] * by_age)
        for score in self.population.scores:
            found[score.name] = _normal(likelihood[score.name] * score.law)
        return found

    def _cell_likelihood(self, likelihood: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n, cells) likelihood of class, sex and alleles together."""
        diagnosis, sex, alleles = (likelihood[name] for name in CELL_TRAITS)
        full = diagnosis[:, :, None, None] * sex[:, None, :, None] * alleles[:, None, None, :]
        return np.asarray(full.reshape(len(full), -1))

    def _at_age(self, age: np.ndarray, site: np.ndarray) -> np.ndarray:
        """(n, cells) p(cell, age | site) of people whose age is known."""
        cells = self._cells(self._share * self.population.age_law.density(age))
        return np.asarray(cells[np.arange(len(age)), site])


def _normal(weights: np.ndarray) -> np.ndarray:
    """Weights (n, v) with sum one in each row."""
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
