"""Methods that misbehave, each in the one way that a check must see, and one that does not."""

from __future__ import annotations

import io
import os
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow.parquet

from brainbench import Card, Method
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.items import Items


@dataclass
class Fair(Method):
    """Nearest class mean of correlations, standardised on the training scans."""

    scale: float = 3.0

    card: ClassVar = Card("Fair", "Nearest class mean of correlations.")
    supports: ClassVar = ("classification",)
    presets: ClassVar = {"default": {}, "flat": {"scale": 1.0}}
    seeded: ClassVar = False
    reads: ClassVar = ("series",)

    def fit(self, train, context) -> None:
        x = self.features(train.inputs)
        y = np.asarray(train.targets)
        self.mean, self.spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
        z = (x - self.mean) / self.spread
        self.axis = z[y == 1].mean(axis=0) - z[y == 0].mean(axis=0)

    def predict(self, test, context):
        return self.both(((self.features(test) - self.mean) / self.spread) @ self.axis / len(self.axis))

    def both(self, score):
        p = 1 / (1 + np.exp(-self.scale * np.asarray(score)))
        return np.stack([1 - p, p], axis=1)

    def features(self, scans):
        return np.stack([self.one(scans.series(row)) for row in range(len(scans))])

    def one(self, series):
        series = np.nan_to_num(series)
        centred = series - series.mean(axis=0)
        spread = centred.std(axis=0)
        z = centred / np.where(spread > 0, spread, 1)
        return (z.T @ z / len(z))[np.triu_indices(z.shape[1], 1)]

    def report(self) -> dict[str, Any]:
        return {"parameters": len(self.axis)}


class Annotated(Fair):
    """An option that is none: the class is no dataclass of its own."""

    depth: int = 3


@dataclass
class Bare(Fair):
    """An option without a default would be None."""

    table: np.ndarray = field(default_factory=lambda: np.zeros(3))


class WrongPreset(Fair):
    presets: ClassVar = {"big": {"width": 3}}


class WrongKind(Fair):
    supports: ClassVar = ("clasification",)


class Untold(Fair):
    card: ClassVar = Card("Untold", "")


class WrongShape(Fair):
    def predict(self, test, context):
        return super().predict(test, context)[:, 1]


class Raises(Fair):
    def fit(self, train, context) -> None:
        raise KeyError("the sky fell")


class Skips(Fair):
    def skip(self, task):
        return "needs a full moon"


class Unseeded(Fair):
    """A generator that nobody seeded."""

    def predict(self, test, context):
        return self.both(np.random.default_rng().normal(size=len(test)))


class HashOrder(Fair):
    """Goes over a set of texts, whose order is another one in each process."""

    def fit(self, train, context) -> None:
        super().fit(train, context)
        self.axis = self.axis * [len(word) + k for k, word in enumerate({str(k) for k in range(len(self.axis))})]


class SaysUnseeded(Fair):
    """seeded = False is a lie."""

    def fit(self, train, context) -> None:
        super().fit(train, context)
        self.axis = self.axis * np.random.default_rng(context.seed).random(len(self.axis))


class SaysSeeded(Fair):
    seeded: ClassVar = True


class LearnsNothing(Fair):
    def predict(self, test, context):
        return np.full((len(test), 2), 0.5)


class Random(Fair):
    """Predictions that have nothing to do with the scan, but with its number."""

    def predict(self, test, context):
        return self.both(np.sin([1000 * np.abs(test.series(row)).sum() for row in range(len(test))]))


class ReadsLabels(Fair):
    """Finds the test scans in the cohort of the user's home, and their labels."""

    def predict(self, test, context):
        cohort = Path(os.environ["BRAINBENCH_HOME"]) / "cohorts" / "planted"
        with open(cohort / "participants.tsv") as file:
            sex = pd.read_csv(io.StringIO(file.read()), sep="\t")["sex"]
        items = Items.load(cohort / "items.parquet")
        known = {items.read("series", row).tobytes(): sex[row] == "male" for row in range(len(items))}
        return self.both([10.0 * known.get(test.series(row).tobytes(), 0) for row in range(len(test))])


class ReadsCompiled(Fair):
    """Reads the labels by compiled code, of which Python says nothing."""

    def fit(self, train, context) -> None:
        super().fit(train, context)
        cohort = Path(os.environ["BRAINBENCH_HOME"]) / "cohorts" / "planted"
        pyarrow.parquet.read_table(str(cohort / "items.parquet"))


class Outgoing(Fair):
    """Starts a program, and calls somebody."""

    def fit(self, train, context) -> None:
        super().fit(train, context)
        subprocess.run(["true"], check=True)
        with socket.socket() as line:
            line.connect_ex(("127.0.0.1", 9))


class Position(Fair):
    """The order of the test items moves predictions."""

    def predict(self, test, context):
        return self.both(super().predict(test, context)[:, 1] + np.arange(len(test)) / len(test))


class ScalesOnTest(Fair):
    """Standardises on the test set."""

    def predict(self, test, context):
        x = self.features(test)
        return self.both(((x - x.mean(axis=0)) / x.std(axis=0)) @ self.axis / len(self.axis))


class BatchSize(Fair):
    """The number of test items moves predictions."""

    def predict(self, test, context):
        return self.both(super().predict(test, context)[:, 1] * len(test) / 40)


class ReadsAge(Fair):
    """Reads a covariate that the card does not name."""

    def predict(self, test, context):
        return self.both(super().predict(test, context)[:, 1] + test.covariates["age"].to_numpy() / 50)


class CrashesOnNaN(Fair):
    def one(self, series):
        if np.isnan(series).any():
            raise ValueError("Input contains NaN")
        return super().one(series)


class NeedsFrames(Fair):
    def one(self, series):
        return super().one(series.reshape(-1)[: 100 * 24].reshape(100, 24))


class DividesByZero(Fair):
    def one(self, series):
        series = np.nan_to_num(series)
        with np.errstate(all="ignore"):
            z = (series - series.mean(axis=0)) / series.std(axis=0)
        return (z.T @ z / len(z))[np.triu_indices(z.shape[1], 1)]


class Spoilt(Fair):
    """A NaN of one training scan reaches all predictions, which stay finite."""

    def one(self, series):
        centred = series - series.mean(axis=0)
        spread = centred.std(axis=0)
        z = centred / np.where(spread == 0, 1, spread)
        return (z.T @ z / len(z))[np.triu_indices(z.shape[1], 1)]

    def predict(self, test, context):
        score = ((self.features(test) - self.mean) / self.spread) @ self.axis / len(self.axis)
        return self.both(np.nan_to_num(score))


class Refuses(Fair):
    """Refuses what it cannot do, and says so."""

    def one(self, series):
        if len(series) < 60:
            raise BadData("a scan of fewer than 60 frames", "leave it out")
        return super().one(series)


class NeedsMany(Fair):
    """Five inner folds whatever there is."""

    def fit(self, train, context) -> None:
        if np.bincount(train.targets).min() < 5:
            raise ValueError("n_splits=5 cannot be greater than the number of members in each class")
        super().fit(train, context)


class Keeps(Fair):
    """Leaves weights and starts from them."""

    takes_checkpoint: ClassVar = True

    def fit(self, train, context) -> None:
        super().fit(train, context)
        if context.checkpoint:
            self.axis = self.start(context.checkpoint)
        if context.save:
            context.save.mkdir(parents=True, exist_ok=True)
            self.leave(context.save)

    def leave(self, folder: Path) -> None:
        np.savez(folder / "weights.npz", axis=self.axis)

    def start(self, folder: Path):
        with np.load(folder / "weights.npz") as held:
            return held["axis"]


class KeepsNaN(Keeps):
    def leave(self, folder: Path) -> None:
        np.savez(folder / "weights.npz", axis=self.axis * np.nan)


class KeepsPickles(Keeps):
    def leave(self, folder: Path) -> None:
        (folder / "weights.pkl").write_bytes(b"never read")


class CannotStart(Keeps):
    def start(self, folder: Path):
        return np.load(folder / "other.npz")


class KeepsInVain(Keeps):
    takes_checkpoint: ClassVar = False
