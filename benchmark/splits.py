"""Splits as data: rules that cut a cohort into folds, and the manifests they leave.

Rules for sites, stated once: sites with fewer than `SMALL_SITE` groups are pooled for
stratification; a site's own score is given only where every class has `MIN_PER_CLASS` test items.
All rules cut groups (families, else subjects), never items.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from .contracts import Fold, Split
from .errors import BadOption, BadSplit

if TYPE_CHECKING:
    import pandas as pd

SMALL_SITE = 10
MIN_PER_CLASS = 5


class SplitManifest(BaseModel):
    """A split as data: which items train and which test in each fold.

    Attributes
    ----------
    rule, seed
        How it was made.
    data
        Fingerprint of the data it cuts.
    folds
        Fold name -> {"train": ids, "test": ids}.
    """

    rule: str
    seed: int
    data: str
    folds: dict[str, dict[str, tuple[str, ...]]]

    @property
    def hash(self) -> str:
        """Hash of the content: two runs with one hash saw the same split."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def fold(self, name: str) -> Fold:
        """One fold."""
        ids = self.folds[name]
        return Fold(name, tuple(ids["train"]), tuple(ids["test"]))


@dataclass(frozen=True)
class KFold:
    """Repeated k-fold over groups, stratified by pooled site and target."""

    n: int = 5
    repeats: int = 1
    min_per_class: int = 0

    @property
    def name(self) -> str:
        """Such as ``5-fold`` or ``3x5-fold``."""
        return f"{self.n}-fold" if self.repeats == 1 else f"{self.repeats}x{self.n}-fold"

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """The folds; every group is tested once in each repeat."""
        groups = one_row_a_group(table)
        if len(groups) < 2 * self.n:
            raise BadSplit(f"{len(groups)} subjects are too few for {self.n} folds", "choose fewer with --folds")
        strata = stratum(groups, target, self.n)
        out = []
        for repeat in range(self.repeats):
            part = deal(strata, self.n, np.random.default_rng((seed, repeat)))
            for k in range(self.n):
                name = f"fold{k + 1}" if self.repeats == 1 else f"repeat{repeat + 1}-fold{k + 1}"
                out.append(_cut(name, table, table["group"].isin(groups.index[part == k])))
        return out


@dataclass(frozen=True)
class SiteOut:
    """Leave one site out, or one group of sites when ``groups`` is given."""

    groups: int | None = None
    min_per_class: int = MIN_PER_CLASS

    @property
    def name(self) -> str:
        """``site-out``, or ``site-out-5`` for sites in five groups."""
        return "site-out" if self.groups is None else f"site-out-{self.groups}"

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """One fold a site (or group of sites); a group seen at the test site never trains."""
        counts = table["site"].value_counts().sort_index()
        if len(counts) < 2 or (self.groups and self.groups > len(counts)):
            raise BadSplit(f"{self.name} needs more sites than the cohort's {len(counts)}")
        if self.groups is None:
            parts = {str(site): [site] for site in counts.index}
        else:
            parts = _balanced_parts(counts, self.groups)
        return [_cut(name, table, table["site"].isin(sites)) for name, sites in parts.items()]


@dataclass(frozen=True)
class External:
    """Train on one cohort, test on another. The table's column ``cohort`` tells them apart."""

    min_per_class: int = 0
    name: str = "external"

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """One fold. Raises `BadSplit` when a group is in both cohorts."""
        home = table["cohort"].iloc[0]
        train, test = table[table["cohort"] == home], table[table["cohort"] != home]
        return [Fold("external", tuple(train.index), tuple(test.index))]


HALVES = "half-samples"
"""Fold whose items are random halves of the subjects; their scores give a range, not a headline."""


@dataclass(frozen=True)
class Together:
    """Nothing to train on: all items in one fold, and items whose column ``part`` is "half" in another."""

    name: str = "together"
    min_per_class: int = 0

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """The fold ``all``, and `HALVES` where the table has any."""
        import pandas as pd

        half = table["part"].eq("half") if "part" in table else pd.Series(False, index=table.index)
        folds = [Fold("all", (), tuple(map(str, table.index[~half])))]
        return [*folds, Fold(HALVES, (), tuple(map(str, table.index[half])))] if half.any() else folds


@dataclass(frozen=True)
class Given:
    """Training and test items as the data set itself tells them apart: its column ``set``."""

    name: str = "given"
    min_per_class: int = 0

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """The one fold ``test``."""
        parts = {name: tuple(map(str, table.index[table["set"] == name])) for name in ("train", "test")}
        return [Fold("test", parts["train"], parts["test"])]


@dataclass(frozen=True)
class GivenApart:
    """The same with a fold for each value of a column: it tests the items with this value alone."""

    column: str
    name: str = "given-apart"
    min_per_class: int = 0

    def folds(self, table: pd.DataFrame, target: str, seed: int) -> list[Fold]:
        """A fold with the name of each value; all train on the same items."""
        (whole,) = Given().folds(table, target, seed)
        owners = table.loc[list(whole.test), self.column].astype(str)
        return [
            Fold(name, whole.train, tuple(map(str, rows.index))) for name, rows in owners.groupby(owners, sort=True)
        ]


def one_row_a_group(table: pd.DataFrame) -> pd.DataFrame:
    """The first item of every group, indexed by group in sorted order."""
    return table.groupby("group", sort=True).first()


def stratum(groups: pd.DataFrame, target: str, least: int) -> np.ndarray:
    """(groups,) stratum labels: pooled site and target; strata under ``least`` fall back to the target."""
    import pandas as pd

    label = groups[target] if target in groups else pd.Series("", index=groups.index)
    if pd.api.types.is_numeric_dtype(label) and label.nunique() > 10:
        label = pd.qcut(label, 5, labels=False, duplicates="drop")
    elif not label.map(pd.api.types.is_scalar).all():  # texts or graphs: nothing to stratify by
        label = pd.Series("", index=groups.index)
    label = label.astype(str)
    if "site" not in groups:
        return label.to_numpy()
    sizes = groups["site"].map(groups["site"].value_counts())
    site = groups["site"].astype(str).where(sizes >= SMALL_SITE, "small sites")
    both = site + "/" + label
    return both.where(both.map(both.value_counts()) >= least, "any/" + label).to_numpy()


def deal(strata: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(groups,) part numbers: each stratum is shuffled and dealt like cards, on from the last hand."""
    part = np.empty(len(strata), int)
    start = 0
    for name in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == name))
        part[rows] = (start + np.arange(len(rows))) % n
        start += len(rows)
    return part


def _cut(name: str, table: pd.DataFrame, test: pd.Series) -> Fold:
    """A fold of the test rows; rows of a group that is tested do not train, wherever they were scanned."""
    seen = table["group"].isin(table.loc[test, "group"])
    return Fold(name, tuple(table.index[~seen]), tuple(table.index[test]))


def _balanced_parts(counts: pd.Series, groups: int) -> dict[str, list[str]]:
    """Sites in groups of about equal size: the largest site first, to the smallest group."""
    parts: list[list[str]] = [[] for _ in range(groups)]
    sizes = [0] * groups
    for site, count in counts.sort_values(ascending=False, kind="stable").items():
        k = sizes.index(min(sizes))
        parts[k].append(str(site))
        sizes[k] += int(count)
    return {f"sites{k + 1}": sites for k, sites in enumerate(parts)}


def with_folds(split: Split, n: int) -> Split:
    """The rule with another number of folds."""
    if not isinstance(split, KFold):
        raise BadOption(f"the split {split.name!r} has no number of folds", "leave --folds out")
    if n < 2:
        raise BadOption(f"--folds {n}: at least 2 are needed")
    return replace(split, n=n)


def make_manifest(split: Split, table: pd.DataFrame, target: str, fingerprint: str, seed: int = 0) -> SplitManifest:
    """Cut a table, refuse what crosses groups, and keep the result as data."""
    table = table if "group" in table else table.assign(group=table["subject"])
    folds = split.folds(table, target, seed)
    manifest = SplitManifest(
        rule=describe(split),
        seed=seed,
        data=fingerprint,
        folds={fold.name: {"train": fold.train, "test": fold.test} for fold in folds},
    )
    refuse_crossing(manifest, table)
    return manifest


def describe(split: Split) -> str:
    """The rule with its settings, for the manifest."""
    settings = {item.name: getattr(split, item.name) for item in fields(split)}  # type: ignore[arg-type]
    return f"{split.name} {json.dumps(settings, sort_keys=True)}"


def refuse_crossing(manifest: SplitManifest, table: pd.DataFrame) -> None:
    """Raise `BadSplit` when a group, or an unknown or repeated item, crosses from train to test."""
    supervised = not manifest.rule.startswith((f"{Together.name} ", "zero-shot "))
    for name, ids in manifest.folds.items():
        unknown = [item for part in ids.values() for item in part if item not in table.index]
        if unknown:
            raise BadSplit(f"{name}: the split names items that the data lack, such as {unknown[0]!r}")
        if len(set(ids["test"])) != len(ids["test"]) or not ids["test"] or (supervised and not ids["train"]):
            raise BadSplit(f"{name}: empty, or an item is listed twice")
        for column in ("group", "subject"):
            train = set(table.loc[list(ids["train"]), column])
            both = sorted(train & set(table.loc[list(ids["test"]), column]), key=str)
            if both:
                raise BadSplit(
                    f"{name}: {len(both)} {column}s are in both train and test, such as {both[0]!r}",
                    "split by subject (and family): a model must not be tested on people it has seen",
                )
