"""Sites and participants of a twin, drawn from aggregates, and the exact joint law of their traits.

A person has a class (diagnosis), a sex and an age, drawn together within a site, and may have alleles,
whose shares depend on the class only, and test scores, which depend on nothing else (assumed). The
class, the sex, the alleles and the scores take finitely many values; age is summed over narrow bins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from .atlas import shares

SEXES = ("female", "male")

LEAST_AGE_SD = 0.5
"""Years; a site whose table gives no deviation gets this."""

AGE_LIMIT = 2.5
"""Ages count in standard deviations from the cohort's mean, cut here, so that no old person's energies explode."""

LEAST_AGE_BINS = 96
"""A cohort's ages fall into so many bins or up to twice as many, of a width that divides a year or a few."""


@dataclass(frozen=True)
class Score:
    """A test score in whole points: a normal law, rounded and cut at ``low`` and ``high``."""

    name: str
    mean: float
    sd: float
    low: int
    high: int

    @cached_property
    def values(self) -> np.ndarray:
        """(v,) points."""
        return np.arange(self.low, self.high + 1, dtype=float)

    @cached_property
    def law(self) -> np.ndarray:
        """(v,) probabilities; the ends hold the tails."""
        cuts = ndtr((self.values[:-1] + 0.5 - self.mean) / self.sd)
        return np.diff(np.concatenate([[0.0], cuts, [1.0]]))

    def coded(self, points: np.ndarray) -> np.ndarray:
        """Points in standard deviations from the mean."""
        return np.asarray((np.asarray(points, dtype=float) - self.mean) / self.sd)


@dataclass(frozen=True)
class Subtypes:
    """Kinds of the last class, which leave no trace in a scan: a column, the first class's entry, kinds -> shares."""

    column: str
    other: str
    kinds: Mapping[str, float]

    def draw(self, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) entries of the column."""
        part = np.array(list(self.kinds.values()), dtype=float)
        return np.where(label == 0, self.other, rng.choice(list(self.kinds), len(label), p=part / part.sum()))


@dataclass(frozen=True)
class Population:
    """Who is scanned where.

    Attributes
    ----------
    people
        One row a site and class: site, label (index of the class), male, female, age_mean, age_sd, age_min, age_max.
    scans
        One row a site, index site: tr (seconds), frames, motion_median (mm), motion_spread (of the log).
    classes
        Number of classes.
    scores
        Test scores that everybody has.
    alleles
        For each class the probabilities of 0, 1 and 2 alleles; empty where nobody was genotyped.
    families
        Probabilities of families with 1, 2, 3 ... people; empty where all are unrelated.
    subtypes
        See `Subtypes`.
    """

    people: pd.DataFrame
    scans: pd.DataFrame
    classes: int = 1
    scores: tuple[Score, ...] = ()
    alleles: tuple[tuple[float, float, float], ...] = ()
    families: tuple[float, ...] = ()
    subtypes: Subtypes | None = None

    @classmethod
    def read(cls, name: str, column: str, classes: tuple[str, ...], **others: Any) -> Population:
        """Read ``NAME_sites.csv`` and ``NAME_scans.csv`` of this package.

        ``column`` holds the class; it is "" where there is one class only.
        """
        folder = resources.files(__package__)
        with resources.as_file(folder / f"{name}_sites.csv") as file:
            people = pd.read_csv(file)
        with resources.as_file(folder / f"{name}_scans.csv") as file:
            scans = pd.read_csv(file, index_col="site")
        people["label"] = people[column].map(classes.index) if column else 0
        # All classes of a site share one age range, so that no age gives a class away for certain.
        by_site = people.groupby("site")
        people["age_min"], people["age_max"] = by_site["age_min"].transform("min"), by_site["age_max"].transform("max")
        people["age_sd"] = people["age_sd"].fillna(LEAST_AGE_SD).clip(lower=LEAST_AGE_SD)
        return cls(people, scans, max(1, len(classes)), **others)

    @property
    def subjects(self) -> int:
        """Number of people in the tables."""
        return int(self.people[list(SEXES)].to_numpy().sum())

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row a site, class and sex, with the count ``n`` and the parameters of the age law."""
        keep = ["site", "label", "age_mean", "age_sd", "age_min", "age_max"]
        parts = [self.people[keep].assign(sex=sex, n=self.people[sex]) for sex in SEXES]
        return pd.concat(parts).sort_values(["site", "label", "sex"], ignore_index=True)

    @cached_property
    def age_law(self) -> AgeLaw:
        """Law of age in each of `groups`."""
        return AgeLaw(*self.groups[["age_mean", "age_sd", "age_min", "age_max"]].to_numpy(float).T)

    def draw(self, counts: list[int], rng: np.random.Generator) -> pd.DataFrame:
        """People with ``counts`` in each of `groups`.

        Columns site, label, sex, age, motion, tr, frames; apoe4, scores, subtype and family where there are any.
        """
        rows = np.repeat(np.arange(len(self.groups)), counts)
        table = self.groups.loc[rows, ["site", "label", "sex"]].reset_index(drop=True)
        table["age"] = self.age_law.draw(rows, rng).round(2)
        scans = self.scans.loc[table["site"]]
        spread = rng.standard_normal(len(table)) * scans["motion_spread"].to_numpy()
        table["motion"] = (scans["motion_median"].to_numpy() * np.exp(spread)).round(4)
        table["tr"], table["frames"] = scans["tr"].to_numpy(float), scans["frames"].to_numpy(int)
        if self.alleles:
            below = np.cumsum(self.alleles, axis=1)[table["label"], :-1]
            table["apoe4"] = (rng.random((len(table), 1)) > below).sum(axis=1)
        for score in self.scores:
            table[score.name] = rng.choice(score.values, len(table), p=score.law)
        if self.subtypes:
            table[self.subtypes.column] = self.subtypes.draw(table["label"].to_numpy(), rng)
        if self.families:
            table["family"] = self._join(table["site"].to_numpy(), rng)
        return table

    def _join(self, site: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) number of each person's family; a family lives at one site, and shares nothing else (assumed)."""
        family, first = np.zeros(len(site), dtype=int), 0
        for name in np.unique(site):
            members = rng.permutation(np.flatnonzero(site == name))
            sizes = 1 + rng.choice(len(self.families), len(members), p=self.families)
            family[members] = first + np.repeat(np.arange(len(members)), sizes)[: len(members)]
            first += len(members)
        return family

    def sample(self, subjects: int | None, rng: np.random.Generator) -> pd.DataFrame:
        """A cohort: everybody, or ``subjects`` in the same proportions."""
        counts = self.groups["n"].tolist()
        return self.draw(counts if subjects is None else shares(counts, subjects), rng)

    def population(self, subjects: int, rng: np.random.Generator) -> pd.DataFrame:
        """Independent draws of people, for Monte Carlo."""
        part = self.groups["n"].to_numpy(float)
        return self.draw(rng.multinomial(subjects, part / part.sum()).tolist(), rng)

    @cached_property
    def age_edges(self) -> np.ndarray:
        """(G + 1,) edges of the age bins; whole years are among them."""
        low, high = self.groups["age_min"].min(), self.groups["age_max"].max()
        width = 2.0 ** np.floor(np.log2((high - low) / LEAST_AGE_BINS))
        return np.asarray(np.arange(low, high + width / 2, width))

    @cached_property
    def _age_scale(self) -> tuple[float, float]:
        """Mean and standard deviation of age over the tables."""
        part = self.groups["n"] / self.groups["n"].sum()
        mean = float((part * self.groups["age_mean"]).sum())
        spread = self.groups["age_sd"] ** 2 + (self.groups["age_mean"] - mean) ** 2
        return mean, float(np.sqrt((part * spread).sum()))

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Trait -> (v,) its values: classes and sexes by their index, middles of the age bins, alleles, points."""
        found = {
            "diagnosis": np.arange(self.classes, dtype=float),
            "sex": np.arange(len(SEXES), dtype=float),
            "age": (self.age_edges[1:] + self.age_edges[:-1]) / 2,
            "apoe4": np.arange(3.0),
        }
        return found | {score.name: score.values for score in self.scores}

    def coded(self, trait: str, values: np.ndarray) -> np.ndarray:
        """The number that scales energies: classes and sexes from 0 to 1, alleles, ages and points standardised."""
        if trait == "diagnosis":
            return np.asarray(values / max(1, self.classes - 1))
        if trait == "age":
            mean, sd = self._age_scale
            return np.asarray(np.clip((values - mean) / sd, -AGE_LIMIT, AGE_LIMIT))
        for score in self.scores:
            if score.name == trait:
                return score.coded(values)
        return np.asarray(values, dtype=float)

    def traits(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Trait -> (n,) values of people."""
        found = {
            "diagnosis": table["label"].to_numpy(float),
            "sex": (table["sex"] == SEXES[1]).to_numpy(float),
            "age": table["age"].to_numpy(float),
        }
        names = [score.name for score in self.scores] + (["apoe4"] if self.alleles else [])
        return found | {name: table[name].to_numpy(float) for name in names}

    def codes(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Trait -> (n,) `coded` values of people: what `Design.scales` takes."""
        return {name: self.coded(name, values) for name, values in self.traits(table).items()}


@dataclass(frozen=True)
class AgeLaw:
    """Normal laws of age, each cut at its range: arrays (g,) of parameters, in years."""

    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @cached_property
    def _tails(self) -> tuple[np.ndarray, np.ndarray]:
        """(g,) the uncut law's probabilities below ``low`` and below ``high``."""
        return ndtr((self.low - self.mean) / self.sd), ndtr((self.high - self.mean) / self.sd)

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One age a row (law by its index)."""
        below, above = (tail[rows] for tail in self._tails)
        ages = self.mean[rows] + self.sd[rows] * ndtri(below + rng.random(len(rows)) * (above - below))
        return np.asarray(np.clip(ages, self.low[rows], self.high[rows]))

    def bins(self, edges: np.ndarray) -> np.ndarray:
        """(g, G) probabilities between edges (G + 1,)."""
        below, above = self._tails
        inside = np.clip(edges, self.low[:, None], self.high[:, None])
        cumulative = ndtr((inside - self.mean[:, None]) / self.sd[:, None])
        return np.asarray(np.diff(cumulative, axis=1) / (above - below)[:, None])

    def density(self, age: np.ndarray) -> np.ndarray:
        """(n, g) densities a year at ages (n,)."""
        below, above = self._tails
        z = (age[:, None] - self.mean) / self.sd
        inside = (age[:, None] >= self.low) & (age[:, None] <= self.high)
        return np.where(inside, np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * self.sd * (above - below)), 0.0)


def key_of(name: str) -> int:
    """A number that stands for a name in seeds, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
