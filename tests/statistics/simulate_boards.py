"""Cross-validated boards of ten trained classifiers: paired tests, who is separated from the best, and ranks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sim_path import CLASSES, Trained, cut, fold_scores, keep_what_repeats, train
from sim_report import covered, number, share, show
from sim_standing import against_best, all_pairs, gaps, rank_percentiles, true_ranks
from sim_worlds import Classes

from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.score import Scores, score_cells
from brainbench.benchmark.stats import corrected_resampled_t, interval, two_sided
from brainbench.leaderboard.standing import Entry, standings

METHODS = 10
WIDER = 1.25
"""By so much the errors of resampling are taken larger, for what the folds share."""

TASK = replace(CLASSES, metrics=("auc",))
EQUAL = (0.5,) * METHODS
GRADED = tuple(np.linspace(0.2, 1.5, METHODS))


@dataclass(frozen=True)
class Setting:
    """A world, whether its methods are equally good, and whether people are tested whom no fold trained on."""

    label: str
    world: Classes
    equal: bool = True
    new: bool = False


SETTINGS = (
    Setting("equal, nothing to learn", Classes(0.0, EQUAL)),
    Setting("equal, middling", Classes(1.2, EQUAL)),
    Setting("equal, middling, new people", Classes(1.2, EQUAL), new=True),
    Setting("equal, strong", Classes(2.2, EQUAL)),
    Setting("graded", Classes(1.6, GRADED), equal=False),
)
SIZES = {40: 140, 120: 80, 700: 20}
LARGE = {700: (SETTINGS[0], SETTINGS[1], SETTINGS[4])}
"""Where a repeat takes a third of a second, fewer settings."""


def once(setting: Setting, people: int, seed: int) -> dict[str, np.ndarray]:
    """One cohort, its folds, its ten methods and their board."""
    rng = np.random.default_rng((seed, people))
    cohort = setting.world.draw(people, rng)
    new = setting.world.draw(people, rng) if setting.new else None
    trained = train(setting.world, cohort, cut(cohort, TASK.split, seed), new)
    scored = [score_cells(TASK, cells) for cells in trained.cells]
    true = np.stack([setting.world.auc(models) for models in trained.models], axis=1)
    draws = np.stack([one.draws.of("auc") for one in scored]).astype(float)
    values = np.array([one.scores["auc"].value for one in scored])
    return {
        "truth": true.mean(axis=1),
        **against_first(draws, true, trained, scored[0].draws.of_what.units),
        **standing(values, draws, scored),
    }


def against_first(draws: np.ndarray, true: np.ndarray, trained: Trained, units: int) -> dict[str, np.ndarray]:
    """Every method minus the first, as `compare` tests them."""
    each = np.stack([fold_scores(AUC(), trained.scored(row)) for row in range(METHODS)])
    differences = draws[1:] - draws[0]
    low, high = np.array([interval(row) for row in differences]).T
    test, total = trained.test.mean(), trained.test.sum()
    return {
        "d_low": low,
        "d_high": high,
        "d_truth": (true[1:] - true[0]).mean(axis=1),
        "d_p": np.array([two_sided(row, units) for row in differences]),
        "d_t": np.array([corrected_resampled_t(row, total - test, test).p for row in each[1:] - each[0]]),
    }


def standing(values: np.ndarray, draws: np.ndarray, scored: list[Scores]) -> dict[str, np.ndarray]:
    """What the board says of every row, in the methods' order, and what other tests would say."""
    order = np.argsort(-values, kind="stable")
    told = standings([Entry(f"r{row}", scored[row].scores["auc"], scored[row].draws) for row in order], "auc")
    back = np.argsort(order)
    observed, around = gaps(values, draws)
    low, high = rank_percentiles(draws)
    return {
        "best": np.array(order[0]),
        "apart": np.array([bool(one.separated) for one in told])[back],
        "rank_low": np.array([one.rank_low for one in told], dtype=float)[back],
        "rank_high": np.array([one.rank_high for one in told], dtype=float)[back],
        "single_apart": against_best(order[0], draws, scored[0].draws.of_what.units),
        "single_low": low,
        "single_high": high,
        "wide_apart": all_pairs(observed / WIDER, around)[order[0]] < 0.05,
    }


def simulate(setting: Setting, people: int, repeats: int) -> dict[str, np.ndarray]:
    """Stacked over repeats."""
    found = [once(setting, people, seed) for seed in range(repeats)]
    return {name: np.stack([one[name] for one in found]) for name in found[0]}


def difference_row(setting: Setting, found: dict[str, np.ndarray]) -> list[str]:
    """Coverage of a difference, and how often two tests call it one."""
    method = 0.0 if setting.equal else found["d_truth"].mean(axis=0)
    low, high = found["d_low"], found["d_high"]
    return [
        number(found["truth"]), number(high - low), covered(low, high, found["d_truth"]), covered(low, high, method),
        share(found["d_p"] < 0.05), share(found["d_t"] < 0.05),
    ]  # fmt: skip


def standing_row(setting: Setting, found: dict[str, np.ndarray]) -> list[str]:
    """How often a row that is not worse than the leader is called so, how many are separated, is the best kept."""
    rows, lead, truth = np.arange(len(found["best"])), found["best"], found["truth"]
    method = np.zeros(METHODS) if setting.equal else truth.mean(axis=0)
    no_worse = truth >= truth[rows, lead][:, None] - 1e-12
    cells = []
    for name in ("apart", "single_apart", "wide_apart"):
        apart = found[name]
        cells += [
            share((apart & no_worse).any(axis=1)),
            share((apart & (method >= method[lead][:, None])).any(axis=1)),
            number(apart.sum(axis=1), 2),
        ]
    return [*cells, share(~found["apart"][rows, truth.argmax(axis=1)])]


def rank_row(setting: Setting, found: dict[str, np.ndarray]) -> list[str]:
    """How often rank intervals hold the rank of the trained models, over all rows and of the leader."""
    rows, lead = np.arange(len(found["best"])), found["best"]
    if np.ptp(found["truth"]) < 1e-12:
        return ["-"] * 7
    truth = np.stack([true_ranks(one)[0] for one in found["truth"]])
    cells = [share(found["truth"].argmax(axis=1) == lead)]
    for name in ("rank", "single"):
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        cells += [
            covered(low, high, truth),
            covered(low[rows, lead], high[rows, lead], truth[rows, lead]),
            number(high - low + 1, 1),
        ]
    return cells


TABLES = {
    "Nine differences to a fixed method": (
        difference_row,
        ("AUC", "width", "covers: models", "covers: method", "p < 0.05", "corrected t < 0.05"),
    ),
    "Who is separated from the best of ten": (
        standing_row,
        (
            "board: wrong, models", "wrong, method", "rows apart", "best alone: wrong, models", "wrong, method ",
            "rows apart ", "wider: wrong, models", "wrong, method  ", "rows apart  ", "board keeps the truly best",
        ),
    ),
    "Rank intervals": (
        rank_row,
        (
            "truly best leads", "board: all rows", "the leader", "ranks",
            "percentiles: all rows", "the leader ", "ranks ",
        ),
    ),
}  # fmt: skip


def main(part: float = 1.0) -> None:
    """Print the tables."""
    keep_what_repeats()
    tables: dict[str, list[list[str]]] = {title: [] for title in TABLES}
    for people, repeats in SIZES.items():
        for setting in LARGE.get(people, SETTINGS):
            found = simulate(setting, people, max(2, round(part * repeats)))
            for title, (row, _) in TABLES.items():
                tables[title].append([setting.label, str(people), *row(setting, found)])
    for title, (_, headers) in TABLES.items():
        show(f"{title}, 5 folds", ("methods", "people", *headers), tables[title])
