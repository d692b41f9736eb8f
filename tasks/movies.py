"""Movies: responses of a thousand parcels to films, from features of the films (Algonauts 2025).

A test set is scored film by film and the films are averaged. Four people took part, so that intervals are over
segments of these films in these people; nothing follows for others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..benchmark.contracts import Task
from ..benchmark.errors import BadData, BadOption
from ..benchmark.items import Items
from ..benchmark.kinds.encoding import FEATURES, FRAMES
from ..benchmark.splits import Given, GivenApart

if TYPE_CHECKING:
    import pandas as pd

NAME = "algonauts2025"
TARGET = "responses"
SUBJECTS = ("1", "2", "3", "5")
NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
METRICS = (
    "encoding-r",
    "encoding-r:organisers",
    *(f"encoding-r:{network}" for network in NETWORKS),
    *(f"encoding-r:sub-{subject:0>2}" for subject in SUBJECTS),
)

SEASONS = ("s1", "s2", "s3", "s4", "s5", "s6")
MOVIE10 = ("bourne", "wolf", "figures", "life")
OOD = ("chaplin", "mononoke", "passepartout", "planetearth", "pulpfiction", "wot")

DESCRIPTION = (
    "Responses (TR 1.49 s) of four people to films, averaged over the 1,000 parcels of Schaefer 2018. Pearson r along "
    "time of each parcel, all runs of a film as one series, averaged over parcels, people and films; no division by a "
    "noise ceiling; a constant prediction scores 0. encoding-r:organisers leaves out 5 TRs at both ends of each run, "
    "encoding-r:medarc is MedARC's formula. Intervals resample segments of about 90 s. @held-out:wolf tests on a film "
    "(or stimulus) of your choice and learns from all others; @subjects:1,2 keeps some people; @cross-subject gives "
    "the other people's responses in the place of the film's features (an oracle, never ranked)."
)


def cut(test: tuple[str, ...], train: tuple[str, ...], showings: int, items: Items) -> Items:
    """Items of the named films (or stimuli) as column ``set``; ``train`` of none means all others.

    Both showings of a tested stimulus are kept from training; of each the first ``showings`` are tested.
    """
    table = items.table
    tested = named(table, test)
    learned = ~tested & (named(table, train) if train else np.ones(len(table), bool)) & measured(items)
    missing = [name for name in test if not named(table, (name,)).any()]
    if missing:
        films = ", ".join(sorted(table["movie"].unique()))
        raise BadData(f"the data hold no run of {', '.join(missing)}", f"their films: {films}; or a stimulus of one")
    part = np.where(tested & (table["showing"].to_numpy() <= showings), "test", np.where(learned, "train", ""))
    chosen = items.take(np.flatnonzero(part != ""))
    # Segments of one stimulus are drawn together, whoever saw them and how often.
    whole = chosen.table.assign(set=part[part != ""], subject=chosen.table["stimulus"])
    return Items(whole, chosen.arrays, {**chosen.meta, "subjects": len(people(chosen))})


def named(table: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    """Which runs (n,) are of one of these films or stimuli."""
    found: np.ndarray = (table["movie"].isin(names) | table["stimulus"].isin(names)).to_numpy(bool)
    return found


def measured(items: Items) -> np.ndarray:
    """Which runs (n,) have a response of anybody."""
    values = [values for name, values in items.arrays.items() if name.startswith(f"{TARGET}/")]
    return np.array([any(one[row] is not None for one in values) for row in range(len(items))], bool)


def people(items: Items) -> list[str]:
    """Names of the subjects."""
    return [str(name).removeprefix(FRAMES) for name in items.table.columns if str(name).startswith(FRAMES)]


def held_out(task: Task, argument: str) -> Task:
    """Films or stimuli of the user's choice to test on, all other measured ones to learn from."""
    names = tuple(argument.split(",")) if argument else ()
    if not names or "" in names or len(set(names)) != len(names) or list(names) != sorted(names):
        raise BadOption(
            f"{task.name}@held-out{argument and ':'}{argument}: expected films or stimuli after a colon, each once and "
            "in alphabetical order",
            f"use  {task.name}@held-out:figures,life   or  {task.name}@held-out:s01e02b",
        )
    return replace(
        task,
        title=f"Algonauts 2025, films held out: {', '.join(names)}",
        derive=partial(cut, names, (), 1),
        published=None,
    )


def both_showings(task: Task, argument: str) -> Task:
    """Test on both showings of figures and life."""
    refuse_argument(task, "both-showings", argument)
    return replace(
        task,
        title=f"{task.title}, both showings of the films that were shown twice",
        derive=partial(cut, VALIDATION[0], VALIDATION[1], 2),
        published=None,
    )


def subjects(task: Task, argument: str) -> Task:
    """Some of the people, in training as in testing."""
    given = tuple(argument.split(","))
    proper = tuple(name for name in SUBJECTS if name in given)
    if given != proper or proper == SUBJECTS:
        raise BadOption(
            f"{task.name}@subjects:{argument}: some of {', '.join(SUBJECTS)}, in this order",
            f"use  {task.name}@subjects:1  or  {task.name}@subjects:1,2",
        )
    wanted = tuple(f"sub-{name:0>2}" for name in proper)
    others = {f"encoding-r:sub-{name:0>2}" for name in SUBJECTS} - {f"encoding-r:{name}" for name in wanted}
    return replace(
        task,
        title=f"{task.title}, {' and '.join(wanted)}",
        derive=partial(of_people, task.derive, wanted),
        metrics=tuple(name for name in task.metrics if name not in others),
        published=None,
    )


def of_people(derive: Callable[[Items], Items] | None, wanted: tuple[str, ...], items: Items) -> Items:
    """The runs with the responses of these people alone."""
    missing = [name for name in wanted if f"{FRAMES}{name}" not in items.table]
    if missing:
        raise BadOption(f"the data hold nobody of the name {', '.join(missing)}", f"they hold: {people(items)}")
    gone = set(people(items)) - set(wanted)
    table = items.table.drop(columns=[f"{FRAMES}{name}" for name in gone])
    arrays = {name: values for name, values in items.arrays.items() if name.removeprefix(f"{TARGET}/") not in gone}
    seen = (table[[f"{FRAMES}{name}" for name in wanted]] > 0).any(axis=1).to_numpy()
    chosen = Items(table, arrays, items.meta).take(np.flatnonzero(seen))
    return derive(chosen) if derive else chosen


def cross_subject(task: Task, argument: str) -> Task:
    """One subject an item, with the others' responses to the same run as the only streams.

    Each subject is tested in a fold of its own: beside a tested item of another one, its truth would lie as a stream.
    """
    refuse_argument(task, "cross-subject", argument)
    return replace(
        task,
        split=GivenApart(WHO),
        metrics=tuple(name for name in task.metrics if not name.startswith("encoding-r:sub-")),
        title=f"{task.title}, from the other people's responses",
        derive=partial(by_subject, task.derive),
        published=None,
        oracle_of=task.name,
    )


def by_subject(derive: Callable[[Items], Items] | None, items: Items) -> Items:
    """Items (run, subject): frames and truth of that subject; of the others the responses, as streams.

    Runs in which fewer than two people were measured are left out.
    """
    import pandas as pd

    made = derive(items) if derive else items
    whom = people(made)
    rows = [
        (row, name)
        for row in range(len(made))
        for name in whom
        if made.arrays[f"{TARGET}/{name}"][row] is not None
        and any(made.arrays[f"{TARGET}/{other}"][row] is not None for other in whom if other != name)
    ]
    kept = {made.table["set"].iloc[row] for row, _ in rows}
    if kept != {"train", "test"}:
        raise BadData(
            "the other people's responses to the tested films are withheld", "use the task without @cross-subject"
        )
    table = made.table.iloc[[row for row, _ in rows]].copy()
    table.index = pd.Index([f"{made.table.index[row]}/{name}" for row, name in rows], name=made.table.index.name)
    table[WHO] = [name for _, name in rows]
    for name in whom:
        mine = np.array([name == one for _, one in rows])
        table[f"{FRAMES}{name}"] = np.where(mine, table[f"{FRAMES}{name}"], 0)
    arrays = {}
    for name in whom:
        values = made.arrays[f"{TARGET}/{name}"]
        arrays[f"{TARGET}/{name}"] = [values[row] if one == name else None for row, one in rows]
        arrays[f"{FEATURES}{TARGET}/{name}"] = [None if one == name else values[row] for row, one in rows]
    return Items(table, arrays, made.meta)


def refuse_argument(task: Task, regime: str, argument: str) -> None:
    """Raise `BadOption` where a regime that takes nothing is given something."""
    if argument:
        raise BadOption(f"{task.name}@{regime}:{argument}: takes nothing after the colon", f"use  {task.name}@{regime}")


WHO = "whose"
"""Column with the subject that an item of the oracle is of; no method sees it."""

VALIDATION = (("s6", "figures", "life"), ("s1", "s2", "s3", "s4", "s5", "bourne", "wolf"))
REGIMES = {"held-out": held_out, "subjects": subjects, "cross-subject": cross_subject}


def declare(name: str, title: str, test: tuple[str, ...], train: tuple[str, ...], note: str) -> Task:
    """A task of the family."""
    return Task(
        name=f"{NAME}-{name}",
        title=title,
        description=f"{DESCRIPTION} {note}",
        family="movies",
        version=1,
        kind="encoding",
        dataset=NAME,
        target=TARGET,
        split=Given(),
        metrics=METRICS,
        published=("Algonauts 2025", name),
        parts="movie",
        derive=partial(cut, test, train, 1),
        regimes=REGIMES,
    )


def declared() -> Mapping[str, Task]:
    """All tasks of the family by name."""
    withheld = (
        "Its responses are withheld: on real data a run leaves predictions, of which `brainbench export algonauts2025 "
        "RECORD` makes the file that the organisers' server scores."
    )
    tasks = (
        declare(
            "val", "Algonauts 2025, MedARC's validation: Friends season 6, Hidden Figures, Life", *VALIDATION,
            "Learns from seasons 1 to 5, Bourne and Wolf; of films shown twice the first showing is tested, as MedARC "
            "does; @both-showings tests both.",
        ),
        declare(
            "friends", "Algonauts 2025, phase 1: Friends season 7", ("s7",), (*SEASONS, *MOVIE10),
            f"Learns from seasons 1 to 6 and Movie10. {withheld}",
        ),
        declare(
            "ood", "Algonauts 2025, phase 2: six films out of distribution", OOD, (*SEASONS, *MOVIE10),
            f"Learns from seasons 1 to 6 and Movie10. {withheld}",
        ),
    )  # fmt: skip
    found = {task.name: task for task in tasks}
    val = found[f"{NAME}-val"]
    return {**found, val.name: replace(val, regimes={**REGIMES, "both-showings": both_showings})}


DECLARED = declared()
