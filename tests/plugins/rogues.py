"""Methods that misbehave, each in one way, on the mock classification task."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import Card, Method


@dataclass
class Coin(Method):
    """A fair method: half and half."""

    card = Card("coin", "Says one half.")
    supports = ("classification",)

    def fit(self, train, context) -> None:
        self.train = train

    def predict(self, test, context):
        return np.full((len(test), 2), 0.5)


class NaN(Coin):
    def predict(self, test, context):
        return np.full((len(test), 2), np.nan)


class WrongShape(Coin):
    def predict(self, test, context):
        return np.full((len(test) - 1, 2), 0.5)


class NotNormalised(Coin):
    def predict(self, test, context):
        return np.full((len(test), 2), 0.9)


class Raises(Coin):
    def fit(self, train, context) -> None:
        raise RuntimeError("the sky fell")


class RaisesOnce(Coin):
    """Fails while a file is absent, so that a second run can succeed."""

    def fit(self, train, context) -> None:
        marker = Path(os.environ["ROGUE_MARKER"])
        if not marker.exists():
            marker.touch()
            raise RuntimeError("only the first time")


class Sleeps(Coin):
    def fit(self, train, context) -> None:
        time.sleep(600)


class Slow(Coin):
    """One second a cell, and a line in a file for each fit."""

    def fit(self, train, context) -> None:
        with open(os.environ["ROGUE_LOG"], "a") as file:
            file.write(f"{context.seed}\n")
        time.sleep(1)

    def predict(self, test, context):
        p = np.random.default_rng(context.seed).uniform(size=len(test))
        return np.stack([1 - p, p], axis=1)


class Eats(Coin):
    """Takes memory until it is stopped."""

    def fit(self, train, context) -> None:
        hoard = []
        while True:
            hoard.append(np.ones(1 << 22))
            time.sleep(0.01)


class Killed(Coin):
    """Dies as under the system's out-of-memory killer."""

    def fit(self, train, context) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Remembers(Coin):
    """Keeps what it learned in its class, where the next fold's model would find it."""

    fits = 0

    def fit(self, train, context) -> None:
        Remembers.fits += 1

    def report(self):
        return {"fits": Remembers.fits}


class Orphans(Coin):
    """Dies, and leaves a child that holds the pipes."""

    def fit(self, train, context) -> None:
        if os.fork() == 0:
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGKILL)


class Asks(Coin):
    def fit(self, train, context) -> None:
        input("name? ")


class Prints(Coin):
    """Talks on standard output, where the worker's messages go."""

    def fit(self, train, context) -> None:
        print('{"done": "ok"}')
        os.system('echo \'{"done": "ok"}\'')


class Skips(Coin):
    def skip(self, task):
        return "needs a full moon"


class Position(Coin):
    """Bets that the order of test items gives the label away, as it does in many public tables."""

    def predict(self, test, context):
        p = np.arange(len(test)) / len(test)
        return np.stack([1 - p, p], axis=1)


class Snoops(Coin):
    """Looks for test labels and ids in all it is handed (but the training set and the task's words)."""

    def predict(self, test, context):
        words = {"zebra", "stripes", "plain", "item-", "person-"}
        found = set()
        folder = context.workdir.parent
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in ("train.parquet", "job.json"):
                data = path.read_bytes()
                found |= {word for word in words if word.encode() in data}
        table = test._items.table
        found |= {str(name) for name in table.columns if name in ("zebra", "subject", "group", "digest")}
        for column in table.columns:
            found |= {str(value) for value in table[column] if str(value) in words}
        found |= {str(index) for index in table.index if not str(index).isdigit()}
        self.found = sorted(found)
        return super().predict(test, context)

    def report(self):
        return {"found": self.found}
