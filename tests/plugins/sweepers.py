"""Methods with a space: their inner validation and their test score are planted to disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brainbench import Card, Method
from brainbench.benchmark.files import made_once, write_text

CARD = Card("sweeper", "A method for tests of sweeps.")


@dataclass
class Sweeper(Method):
    """Predicts the true line shifted by ``shift``: validation prefers the largest shift, the test the smallest."""

    shift: float = 0.0
    twist: str = "a"
    card = CARD
    supports = ("regression",)
    seeded = False
    space: ClassVar = {"shift": (0.0, 3.0), "twist": ("a", "b")}

    def level(self, view) -> np.ndarray:
        return np.array([view.series(row)[:, 0].mean() for row in range(len(view))])

    def fit(self, train, context) -> None:
        if self.shift == 0.0 and self.twist == "b" and type(self) is Sweeper:
            raise ValueError("this one cannot be trained")
        self.line = np.polyfit(self.level(train.inputs), train.targets, 1)

    def predict(self, test, context):
        return np.polyval(self.line, self.level(test)) + self.shift

    def report(self):
        return {"validation_r": self.shift / 10 + (self.twist == "b") / 100, "other": 1.0}


@dataclass
class Plain(Sweeper):
    """Has no space."""

    space: ClassVar = {}


@dataclass
class Losing(Sweeper):
    """The same, with a loss."""

    def report(self):
        return {"validation_scans": "three", "validation_loss": self.shift + (self.twist == "b") / 100}


@dataclass
class Silent(Sweeper):
    """Tells no validation."""

    def report(self):
        return {}


@dataclass
class ByFold(Sweeper):
    """Its validation prefers one shift where the training targets are high and another where they are low."""

    space: ClassVar = {"shift": (0.0, 1.0), "centre": (None,)}
    centre: float | None = None

    def fit(self, train, context) -> None:
        super().fit(train, context)
        high = float(np.mean(train.targets)) > MIDDLE
        self.good = float(high == (self.shift == 1.0))

    def report(self):
        return {"validation_r": self.good}


MIDDLE = 0.0
"""The mock's targets have mean 0 by design; a test checks that folds lie on both sides of it."""


@dataclass
class Team(Sweeper):
    """An ensemble of the same configurations; members leave a file for those that need them again."""

    members: int = 0
    members_seed: int = 0
    top: int = 2

    def fit(self, train, context) -> None:
        from brainbench.benchmark.space import draw

        self.line = np.polyfit(self.level(train.inputs), train.targets, 1)
        wanted = draw(self.space, self.members, self.members_seed) if self.members else [
            {"shift": self.shift, "twist": self.twist}
        ]  # fmt: skip
        self.made: list[str] = []
        for one in wanted:
            name = f"{one['shift']}{one['twist']}"
            made_once(
                context.shared / name,
                lambda folder: (folder / "shift").read_text(),
                lambda name=name: self.made.append(name) or name,
                lambda folder, value: write_text(folder / "shift", value),
            )

    def report(self):
        if self.members:
            return {"validation_r": 0.5, "expected_r_nested": 0.25, "made": self.made, "top": self.top}
        return super().report()
