"""False positives of the tests over a suite's tasks: Friedman, Nemenyi, and pairs with Holm's adjustment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sim_report import share, show

from brainbench.benchmark.stats import holm
from brainbench.leaderboard.critical import ALPHA, Critical, critical, signs

REPEATS = 100


@dataclass(frozen=True)
class Suite:
    """Scores of methods on tasks: what is random about them.

    Attributes
    ----------
    tasks, methods
        How many.
    cohorts
        Data sets that the tasks share evenly: two tasks on one share ``common`` of the variance of a method's luck.
    alike
        Of the methods so many are nearly one: their scores correlate by 0.95.
    ahead
        How far the first method is truly ahead, in standard deviations of its luck on a task.
    """

    tasks: int
    methods: int
    cohorts: int = 0
    common: float = 0.5
    alike: int = 0
    ahead: float = 0.0

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Scores (tasks, methods)."""
        luck = self._luck(self.tasks, rng)
        if self.cohorts:
            shared = self._luck(self.cohorts, rng)[np.arange(self.tasks) % self.cohorts]
            luck = np.sqrt(self.common) * shared + np.sqrt(1 - self.common) * luck
        return np.asarray(luck + self.ahead * (np.arange(self.methods) == 0))

    def _luck(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        luck = rng.standard_normal((rows, self.methods))
        luck[:, : self.alike] *= np.sqrt(0.05)
        luck[:, : self.alike] += np.sqrt(0.95) * rng.standard_normal((rows, 1))
        return luck


CASES = {
    "equal methods, independent tasks": [Suite(n, k) for k in (5, 10) for n in (3, 5, 8, 20)],
    "equal methods, tasks on few cohorts": [Suite(n, 10, cohorts=c) for n, c in ((8, 2), (8, 4), (20, 4))],
    "equal methods, half of them nearly one": [Suite(n, 10, alike=5) for n in (8, 20)],
    "the first is ahead by one standard deviation": [Suite(n, 10, ahead=1.0) for n in (5, 8, 20)],
    "the first is ahead by two": [Suite(n, 10, ahead=2.0) for n in (5, 8, 20)],
}


def separated(tested: Critical) -> bool:
    """Whether the critical difference separates some row from the best."""
    return not all(tested.tied(label) for label in tested.labels)


def once(suite: Suite, seed: int) -> tuple[bool, bool, bool, bool]:
    """Whether Friedman rejects, Nemenyi separates from the best, Wilcoxon, and the sign test separate any pair."""
    scores = suite.draw(np.random.default_rng(seed))
    labels = [f"method{row}" for row in range(suite.methods)]
    signed = critical(labels, scores, [True] * suite.tasks, True)
    sign = holm([signs(scores[:, a] - scores[:, b]) for a, b in combinations(range(suite.methods), 2)])
    return (
        signed.friedman.p <= ALPHA,
        separated(signed),
        min(pair.holm for pair in signed.pairs) < ALPHA,
        float(sign.min()) < ALPHA,
    )


def main(part: float = 1.0) -> None:
    """Print the table."""
    table = []
    for label, suites in CASES.items():
        for suite in suites:
            found = np.array([once(suite, seed) for seed in range(max(2, round(part * REPEATS)))])
            data = str(suite.cohorts or suite.tasks)
            table.append([label, str(suite.tasks), data, str(suite.methods), *(share(column) for column in found.T)])
    headers = ("suite", "tasks", "cohorts", "methods", "Friedman", "Nemenyi", "Wilcoxon, Holm", "sign, Holm")
    show("How often a test over tasks separates anything, %", headers, table)
