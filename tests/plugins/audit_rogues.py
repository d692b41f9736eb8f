"""Methods that use the test set or the labels in ways that an audit must see, and one that does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brainbench import Card, Items, Method, Task
from brainbench.benchmark.splits import KFold, SiteOut


@dataclass
class Fair(Method):
    """Nearest class mean of standardised variances; standardised on the training scans."""

    card = Card("fair", "Standardises on the training scans.")
    supports = ("classification",)

    def features(self, scans) -> np.ndarray:
        return np.stack([scans.series(row).std(axis=0) for row in range(len(scans))])

    def fit(self, train, context) -> None:
        found = self.features(train.inputs)
        self.mean, self.spread = self.scale(found, context)
        scaled = (found - self.mean) / self.spread
        labels = np.asarray(train.targets)
        self.axis = scaled[labels == 1].mean(axis=0) - scaled[labels == 0].mean(axis=0)
        if context.save:
            context.save.mkdir(parents=True, exist_ok=True)
            np.savez(context.save / "weights.npz", axis=self.axis, mean=self.mean)

    def scale(self, found, context):
        return found.mean(axis=0), found.std(axis=0)

    def predict(self, test, context):
        score = ((self.features(test) - self.mean) / self.spread) @ self.axis
        p = 1 / (1 + np.exp(-score))
        return np.stack([1 - p, p], axis=1)

    def report(self):
        return {"prompts": ["Is this person a control or has autism?"]}


class ScalesOnTest(Fair):
    """z-scores the test set by itself."""

    def predict(self, test, context):
        found = self.features(test)
        self.mean, self.spread = found.mean(axis=0), found.std(axis=0)
        return super().predict(test, context)


class PeeksInFit(Fair):
    """Fits its scaler on all scans: it reads the staged test file while it trains."""

    def scale(self, found, context):
        items = Items.load(context.workdir.parent / "test.parquet")
        test = np.stack([items.read("series", row).astype(np.float32).std(axis=0) for row in range(len(items))])
        everyone = np.concatenate([found, test])
        return everyone.mean(axis=0), everyone.std(axis=0)


class SavesTest(Fair):
    """Predicts each scan by itself, but leaves a statistic of the test set among its weights."""

    def fit(self, train, context) -> None:
        super().fit(train, context)
        items = Items.load(context.workdir.parent / "test.parquet")
        np.save(context.save / "test.npy", items.read("series", 0)) if context.save else None


class Random(Fair):
    """Not deterministic: takes no seed."""

    def predict(self, test, context):
        p = np.random.default_rng().uniform(size=len(test))
        return np.stack([1 - p, p], axis=1)


class Names(Fair):
    """Writes prompts that name the answer."""

    def report(self):
        return {"prompts": ["A scan of a person with autism."]}


class Moves(Fair):
    """Reads motion and nothing else."""

    def features(self, scans) -> np.ndarray:
        return scans.covariates[["motion"]].to_numpy(float)


class ReadsSite(Fair):
    """Reads the site and nothing else."""

    def features(self, scans) -> np.ndarray:
        return (scans.covariates[["site"]] == "east").to_numpy(float)

    def scale(self, found, context):
        return found.mean(axis=0), 1.0


def select(items: Items) -> Items:
    """Keep the three ROIs whose variance differs most between the classes, over all scans: selection outside folds."""
    yes = (items.table["diagnosis"] == "autism").to_numpy()
    spread = np.stack([items.read("series", row).astype(np.float64).std(axis=0) for row in range(len(items))])
    best = np.argsort(-np.abs(spread[yes].mean(axis=0) - spread[~yes].mean(axis=0)))[:3]
    series = [items.read("series", row)[:, best] for row in range(len(items))]
    atlas = {"name": "chosen", "labels": [f"r{k}" for k in best]}
    return Items(items.table, {"series": series}, {"atlas": atlas})


HONEST = Task(
    name="honest", title="h", family="mock", version=1, kind="classification", dataset="abide1", target="diagnosis",
    classes=("control", "autism"), covariates=("age", "site", "motion"), split=KFold(2), metrics=("auc",),
)  # fmt: skip

SITES_OUT = replace(HONEST, name="honest@site-out", split=SiteOut())

SELECTED = replace(HONEST, name="selected", derive=select)
