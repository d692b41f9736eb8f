"""Sites and participants of a twin, drawn from aggregates, with the exact law of their covariates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import truncnorm

from .atlas import shares

SEXES = ("female", "male")

LEAST_AGE_SD = 0.5
"""Years; a site whose table gives no deviation gets this."""


@dataclass(frozen=True)
class Population:
    """Who is scanned where.

    Attributes
    ----------
    people
        One row a site and class: site, label (0 or 1), male, female, age_mean, age_sd, age_min, age_max.
    scans
        One row a site, index site: tr (seconds), frames, motion_median (mm), motion_spread (of the log).
    """

    people: pd.DataFrame
    scans: pd.DataFrame

    @classmethod
    def read(cls, name: str, column: str, classes: tuple[str, str]) -> Population:
        """Read ``NAME_sites.csv`` and ``NAME_scans.csv`` of this package; ``column`` holds the class."""
        folder = resources.files(__package__)
        with resources.as_file(folder / f"{name}_sites.csv") as file:
            people = pd.read_csv(file)
        with resources.as_file(folder / f"{name}_scans.csv") as file:
            scans = pd.read_csv(file, index_col="site")
        people["label"] = people[column].map(classes.index)
        # Both classes of a site share one age range, so that no age gives a label away for certain.
        by_site = people.groupby("site")
        people["age_min"], people["age_max"] = by_site["age_min"].transform("min"), by_site["age_max"].transform("max")
        people["age_sd"] = people["age_sd"].fillna(LEAST_AGE_SD).clip(lower=LEAST_AGE_SD)
        return cls(people, scans)

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

    def draw(self, counts: list[int], rng: np.random.Generator) -> pd.DataFrame:
        """People with ``counts`` in each of `groups`: columns site, label, sex, age, motion, tr, frames."""
        table = self.groups.loc[np.repeat(self.groups.index, counts)].reset_index(drop=True)
        table["age"] = self._age_law(table).rvs(random_state=rng).round(2)
        scans = self.scans.loc[table["site"]]
        spread = rng.standard_normal(len(table)) * scans["motion_spread"].to_numpy()
        table["motion"] = (scans["motion_median"].to_numpy() * np.exp(spread)).round(4)
        table["tr"], table["frames"] = scans["tr"].to_numpy(float), scans["frames"].to_numpy(int)
        return table[["site", "label", "sex", "age", "motion", "tr", "frames"]]

    def sample(self, subjects: int | None, rng: np.random.Generator) -> pd.DataFrame:
        """A cohort: everybody, or ``subjects`` in the same proportions."""
        counts = self.groups["n"].tolist()
        return self.draw(counts if subjects is None else shares(counts, subjects), rng)

    def population(self, subjects: int, rng: np.random.Generator) -> pd.DataFrame:
        """Independent draws of people, for Monte Carlo."""
        part = self.groups["n"].to_numpy(float)
        return self.draw(rng.multinomial(subjects, part / part.sum()).tolist(), rng)

    def log_site_ratio(self, table: pd.DataFrame) -> np.ndarray:
        """(n,) log p(site | label 1) - log p(site | label 0); infinite at a site with one class."""
        counts = self.groups.groupby(["label", "site"])["n"].sum()
        with np.errstate(divide="ignore"):
            log = {label: np.log(counts[label].reindex(self.scans.index, fill_value=0)) for label in (0, 1)}
        ratio = log[1] - np.log(counts[1].sum()) - log[0] + np.log(counts[0].sum())
        return np.asarray(ratio.loc[table["site"]])

    def log_person_ratio(self, table: pd.DataFrame) -> np.ndarray:
        """(n,) log p(sex, age | site, label 1) - log p(sex, age | site, label 0).

        Zero at a site with one class, where the site alone has decided.
        """
        log = [self._log_person(table, label) for label in (0, 1)]
        one_class = np.isinf(self.log_site_ratio(table))
        return np.where(one_class, 0.0, np.subtract(log[1], log[0], where=~one_class, out=np.zeros(len(table))))

    def _log_person(self, table: pd.DataFrame, label: int) -> np.ndarray:
        """(n,) log p(sex, age | site, label); not a number where the site lacks the class."""
        groups = self.groups[self.groups["label"] == label].set_index(["site", "sex"])
        rows = groups.reindex(pd.MultiIndex.from_frame(table[["site", "sex"]]))
        total = groups.groupby("site")["n"].sum().reindex(table["site"]).to_numpy()
        with np.errstate(divide="ignore"):
            sex = np.log(rows["n"].to_numpy() / total)
        return np.asarray(sex + self._age_law(rows).logpdf(table["age"].to_numpy()))

    @staticmethod
    def _age_law(rows: pd.DataFrame) -> Any:
        """Normal law of age, cut at the site's range."""
        mean, sd = rows["age_mean"].to_numpy(), rows["age_sd"].to_numpy()
        low, high = (rows["age_min"].to_numpy() - mean) / sd, (rows["age_max"].to_numpy() - mean) / sd
        return truncnorm(low, high, loc=mean, scale=sd)


def key_of(name: str) -> int:
    """A number that stands for a name in seeds, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
