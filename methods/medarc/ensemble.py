"""An ensemble of trained members: which of them predict a parcel, and what score that promises (numpy only)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...benchmark.contracts import Progress
from ...benchmark.errors import BadOption
from ...benchmark.kinds.encoding import Measured, Run, Runs
from ...benchmark.nn.film_sums import FilmSums
from .stitching import WEIGHTS, Recipe, Scores, best_member, headline, member_weights

ESTIMATES = ("nested", "same-movies")
RUNS_AT_ONCE = 8
"""Runs that one member predicts before the next one is read from disk."""

Recipes = Mapping[str, Recipe]
"""Subject -> recipe."""


class Member(Protocol):
    """A trained model."""

    @property
    def streams(self) -> Collection[str]:
        """Names of the streams that it reads; a run without any of them is beyond it."""

    def predict_run(self, run: Run) -> dict[str, np.ndarray]:
        """Subject -> (time, parcel)."""


@dataclass(frozen=True)
class Choice:
    """How members are chosen and weighed.

    Attributes
    ----------
    top, weights
        As in `member_weights`.
    standardise
        Whether members are z-scored by parcel before they are averaged (the reference does not, which lets
        members of a larger scale count more).
    estimate
        ``nested``: the expected score is taken on each inner film with members chosen on the others. Where members were
        stopped on these films, it is still a little high; and fewer films to choose on make it a little low.
        ``same-movies``: as the reference prints it, chosen and scored on the same films; told beside the other.
    """

    top: int
    weights: str = "mean"
    standardise: bool = False
    estimate: str = "nested"

    def verify(self) -> None:
        """Raise `BadOption` for values that cannot work."""
        if self.top < 0:
            raise BadOption(f"top={self.top}", "give the number of members for each parcel, or 0 for all")
        for name, allowed in (("weights", WEIGHTS), ("estimate", ESTIMATES)):
            if getattr(self, name) not in allowed:
                raise BadOption(f"{name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")


@dataclass(frozen=True)
class Ensemble:
    """Members and the recipe of each subject.

    Attributes
    ----------
    members
        In the order of the recipes' weights.
    recipes
        One a subject.
    facts
        For the record.
    """

    members: Sequence[Member]
    recipes: Recipes
    facts: dict[str, Any]

    def predict_run(self, run: Run) -> dict[str, np.ndarray]:
        """Subject -> (time, parcel) float32."""
        return stitched(self.members, [(run, [self.recipes])])[0][0]

    def predict(self, runs: Sequence[Run], progress: Progress) -> list[dict[str, np.ndarray]]:
        """The same for several runs, some at a time: each member is read once for these."""
        out: list[dict[str, np.ndarray]] = []
        while len(out) < len(runs):
            asked = [(runs[row], [self.recipes]) for row in range(len(out), min(len(out) + RUNS_AT_ONCE, len(runs)))]
            out += [found for (found,) in stitched(self.members, asked)]
            progress("runs", len(out), len(runs))
        return out

    def report(self, networks: Sequence[str] = ()) -> dict[str, Any]:
        """Expected scores, members and what they are used for."""
        return self.facts


@dataclass(frozen=True)
class Watched:
    """The inner runs, which no member was trained on.

    Attributes
    ----------
    inputs, targets
        All training runs.
    rows, films
        Positions of the inner runs, and the film of each: runs of a film are scored as one.
    """

    inputs: Runs
    targets: Measured
    rows: Sequence[int]
    films: Sequence[str]

    @property
    def movies(self) -> tuple[str, ...]:
        """Names of the films."""
        return tuple(dict.fromkeys(self.films))


def stitch(members: Sequence[Member], watched: Watched, choice: Choice, progress: Progress) -> Ensemble:
    """Choose members by their r on inner films, and tell the score to expect."""
    choice.verify()
    scores, moments = score_members(members, watched, progress)
    films = range(len(scores.movies))

    def chosen_on(movies: Sequence[int]) -> Recipes:
        return make_recipes(scores, moments, movies, choice, watched.inputs.subjects)

    recipes = chosen_on(films)
    without = [chosen_on([other for other in films if other != film]) for film in films]
    ways = {film: (recipes, without[k]) for k, film in enumerate(scores.movies)}
    same_movies, nested = expect(members, watched, ways, progress)
    return Ensemble(members, recipes, describe(scores, recipes, choice, same_movies, nested))


def score_members(
    members: Sequence[Member], watched: Watched, progress: Progress
) -> tuple[Scores, dict[str, np.ndarray]]:
    """r of every member by subject, film and parcel; and subject -> (members, 2, parcels), see `FilmSums.moments`."""
    sums = [FilmSums() for _ in members]
    for done, (member, own) in enumerate(zip(members, sums, strict=True), 1):
        for row, film in zip(watched.rows, watched.films, strict=True):
            own.add(film, member.predict_run(watched.inputs[row]), watched.targets[row])
        progress("scoring members", done, len(members))
    r, moments = [own.r(watched.movies) for own in sums], [own.moments() for own in sums]
    subjects = list(r[0])
    return (
        Scores(watched.movies, {subject: np.stack([own[subject] for own in r]) for subject in subjects}),
        {subject: np.stack([own[subject] for own in moments]) for subject in subjects},
    )


def make_recipes(
    scores: Scores, moments: Mapping[str, np.ndarray], movies: Sequence[int], choice: Choice, subjects: Sequence[str]
) -> dict[str, Recipe]:
    """The recipe of each subject, chosen on some of the inner films; of one who saw none, all members alike."""
    out = {}
    for subject, ranking in scores.ranking(movies).items():
        weights = member_weights(ranking, choice.top, choice.weights)
        mean, deviation = moments[subject].swapaxes(0, 1)
        out[subject] = Recipe.standardised(weights, mean, deviation) if choice.standardise else Recipe.plain(weights)
    alike = Recipe.plain(np.full(next(iter(out.values())).weights.shape, 1 / scores.members))
    return {subject: out.get(subject, alike) for subject in (*subjects, *out)}


def stitched(
    members: Sequence[Member], asked: Sequence[tuple[Run, Sequence[Recipes]]]
) -> list[list[dict[str, np.ndarray]]]:
    """Predictions of some runs, each by several sets of recipes; each used member predicts once, and none is kept.

    Members that read only streams which a run lacks are left out of it.
    """
    runs, ways = [run for run, _ in asked], [among(members, *one) for one in asked]
    totals: list[list[dict[str, np.ndarray]]] = [[{} for _ in own] for own in ways]
    for number, member in enumerate(members):
        for run, own, total in zip(runs, ways, totals, strict=True):
            if any(recipe.weights[number].any() for recipes in own for recipe in recipes.values()):
                _add(member.predict_run(run), number, own, total)
    return [
        [{subject: values.astype(np.float32) for subject, values in found.items()} for found in total]
        for total in totals
    ]


def among(members: Sequence[Member], run: Run, ways: Sequence[Recipes]) -> Sequence[Recipes]:
    """The recipes of the members that can read a run."""
    able = np.array([any(name in run.streams for name in member.streams) for member in members])
    if not able.any() or able.all():
        return ways
    return [{subject: recipe.among(able) for subject, recipe in recipes.items()} for recipes in ways]


def _add(
    predicted: dict[str, np.ndarray], member: int, ways: Sequence[Recipes], totals: Sequence[dict[str, np.ndarray]]
) -> None:
    """Add a member's part to each way's total of a run."""
    for subject, values in predicted.items():
        for recipes, total in zip(ways, totals, strict=True):
            start = np.tile(recipes[subject].offset, (len(values), 1))
            recipes[subject].add(total.setdefault(subject, start), member, values)


def expect(
    members: Sequence[Member], watched: Watched, ways: Mapping[str, Sequence[Recipes]], progress: Progress
) -> list[float]:
    """The score of the inner films under each of several ways: film -> the recipes of every way."""
    sums = [FilmSums() for _ in ways[watched.movies[0]]]
    for start in range(0, len(watched.rows), RUNS_AT_ONCE):
        rows, films = watched.rows[start : start + RUNS_AT_ONCE], watched.films[start : start + RUNS_AT_ONCE]
        asked = [(watched.inputs[row], ways[film]) for row, film in zip(rows, films, strict=True)]
        for row, film, found in zip(rows, films, stitched(members, asked), strict=True):
            truth = watched.targets[row]
            for own, predicted in zip(sums, found, strict=True):
                own.add(film, predicted, truth)
        progress("expected score", start + len(rows), len(watched.rows))
    tables = [np.stack(list(own.r(watched.movies).values())).mean(axis=2) for own in sums]
    return [float(headline(table)) for table in tables]


def describe(scores: Scores, recipes: Recipes, choice: Choice, same_movies: float, nested: float) -> dict[str, Any]:
    """What a record says of an ensemble; what was chosen and scored on the same films only where that was asked."""
    several = len(scores.movies) > 1
    own = best_member(scores, nested=True)
    facts: dict[str, Any] = {
        "inner_movies": list(scores.movies),
        "validation_r": nested if several else None,
        "expected_r_nested": nested if several else None,
        "best_member_r_nested": own,
        "stitching_gain_nested": nested - own if own is not None else None,
        "member_validation_r": [round(float(value), 5) for value in headline(scores.table())],
        "member_share": shares(recipes, scores.members),
    }
    if not several:
        facts["expected_r_note"] = "one inner film only: nothing is left to score the choice on"
    if choice.estimate == "same-movies":
        best = best_member(scores, nested=False)
        assert best is not None
        facts |= {
            "expected_r_same_movies": same_movies,
            "best_member_r_same_movies": best,
            "stitching_gain_same_movies": same_movies - best,
        }
    return facts


def shares(recipes: Recipes, members: int) -> list[float]:
    """Part of all subjects' parcels that each member predicts, alone or with others."""
    count = np.sum([(recipe.weights != 0).sum(axis=1) for recipe in recipes.values()], axis=0)
    total = sum(recipe.weights.shape[1] for recipe in recipes.values())
    return [round(float(value), 4) for value in count / total] if members else []
