"""Connectivity: recover the directed graph of a network from recordings alone, without labels.

Four tracks that are never mixed: each subject alone (the task itself), and three group tables,
``@score-mean``, ``@concatenated`` and ``@multi-group``. ``:N`` after a track keeps the first N subjects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..benchmark.contracts import Task
from ..benchmark.errors import BadOption
from ..benchmark.items import Items
from ..benchmark.splits import Together
from . import NETSIM, SANCHEZ

HALF_SAMPLES = 20

METRICS = (
    "graph-f1",
    "graph-precision",
    "graph-recall",
    "shd",
    "graph-auroc",
    "graph-auprc",
    "skeleton-f1",
    "orientation-accuracy",
    "shd-double",
    "graph-accuracy",
    "native-f1",
    "native-shd",
    "graph-oracle-f1",
    "capped-f1",
    "graph-accuracy-with-diagonal",
)


def subject(task: Task, argument: str) -> Task:
    """Each subject alone, the first N of them."""
    return replace(task, derive=partial(first, count=number(task, "subject", argument)))


def score_mean(task: Task, argument: str) -> Task:
    """The score matrices of all subjects averaged, then scored: no other run than the subject track's."""
    alone = task.regime(f"subject:{argument}") if argument else task
    return replace(
        alone,
        title=f"{task.title}, mean of the subjects' scores",
        track="score-mean",
        published=None,
        computed_as=alone,
    )


def concatenated(task: Task, argument: str) -> Task:
    """All subjects as one long recording, each z-scored by node."""
    return group(task, "concatenated", argument, concatenate, "subjects concatenated")


def multi_group(task: Task, argument: str) -> Task:
    """All subjects' recordings at once, for methods with a form of their own for several."""
    return group(task, "multi-group", argument, side_by_side, "subjects together")


def group(task: Task, track: str, argument: str, join: Callable[[Items], np.ndarray], title: str) -> Task:
    """One item made of all subjects, and half-samples of them for a range."""
    count = number(task, track, argument) if argument else None
    return replace(
        task,
        title=f"{task.title}, {title}",
        track=track,
        published=None,
        derive=partial(joined, join=join, count=count),
        interval="range",
    )


def number(task: Task, track: str, argument: str) -> int:
    """The N of ``@track:N``. Raises `BadOption`."""
    if not (argument.isdecimal() and int(argument) >= 1):
        raise BadOption(f"{task.name}@{track}:{argument}: not a number of subjects", f"use  {task.name}@{track}:10")
    return int(argument)


def first(items: Items, count: int | None) -> Items:
    """The first ``count`` subjects in the order of the data set; all when None. Raises `BadOption`."""
    if count is not None and count > len(items):
        raise BadOption(f"{count} subjects are asked for, and there are {len(items)}", "leave the number out for all")
    return items if count is None else items.take(np.arange(count))


def joined(items: Items, join: Callable[[Items], np.ndarray], count: int | None) -> Items:
    """All subjects as one item, and half-samples of them as further items."""
    import pandas as pd

    items = first(items, count)
    parts = {"all": np.arange(len(items)), **halves(len(items))}
    wholes = [items.take(rows) for rows in parts.values()]
    frames = [[int(n) for row in whole.table["frames"] for n in row] for whole in wholes]
    if join is concatenate:
        frames = [[sum(lengths)] for lengths in frames]
    table = pd.DataFrame(
        {
            "subject": list(parts),
            "group": list(parts),
            "part": ["whole" if name == "all" else "half" for name in parts],
            "frames": frames,
            "tr": float(items.table["tr"].iloc[0]),
        },
        index=list(parts),
    )
    graph = items.read("graph", 0)
    arrays = {"series": [join(whole) for whole in wholes], "graph": [graph] * len(table)}
    return Items(table, arrays, {**items.meta, "subjects": len(items)})


def halves(subjects: int) -> dict[str, np.ndarray]:
    """Row numbers of the half-samples, drawn without replacement; none of fewer than four subjects."""
    rng = np.random.default_rng(0)
    if subjects < 4:
        return {}
    different: dict[bytes, np.ndarray] = {}
    while len(different) < min(HALF_SAMPLES, math.comb(subjects, subjects // 2)):
        rows = np.sort(rng.permutation(subjects)[: subjects // 2])
        different[rows.tobytes()] = rows
    return {f"half-{k + 1:02d}": rows for k, rows in enumerate(different.values())}


def concatenate(items: Items) -> np.ndarray:
    """One recording: each subject z-scored by node, one after the other."""
    series = [items.read("series", row) for row in range(len(items))]
    return np.concatenate([(values - values.mean(axis=0)) / values.std(axis=0) for values in series])


def side_by_side(items: Items) -> np.ndarray:
    """All recordings as they are, one below the other; ``frames`` tells them apart."""
    return np.concatenate([items.read("series", row) for row in range(len(items))])


TRACKS = {"subject": subject, "score-mean": score_mean, "concatenated": concatenated, "multi-group": multi_group}

DESCRIPTION = (
    "The graph is recovered from the recordings alone: nothing is trained on labels, and nodes are shown in a random "
    "order. Scores are of each subject alone, averaged over subjects. @score-mean averages the subjects' score "
    "matrices first; @concatenated joins their series, @multi-group gives them to methods with a form for several. "
    "The four are never ranked together; :N after a track keeps the first N subjects."
)


def declare(name: str, dataset: str, title: str, tracks: Sequence[str] = tuple(TRACKS), note: str = "") -> Task:
    """A connectivity task."""
    return Task(
        name=name,
        title=title,
        description=f"{DESCRIPTION} {note}".rstrip(),
        family="connectivity",
        version=1,
        kind="connectivity",
        dataset=dataset,
        target="graph",
        split=Together(),
        metrics=METRICS,
        track="subject",
        regimes={track: TRACKS[track] for track in tracks},
    )


OWN_GRAPHS = "Its subjects have different graphs, so it has no group table."
REFERENCE = (
    "The graph is an anatomical reference from the literature, the same for both hemispheres, not a measured truth: "
    "scores are agreement with it."
)


def netsim(number: str) -> Task:
    """One of the 28 NetSim simulations."""
    title = f"NetSim simulation {number} (Smith et al. 2011)"
    if number == "13":
        return declare("netsim-13", "netsim:13", title, ("subject",), OWN_GRAPHS)
    task = declare(f"netsim-{number}", f"netsim:{number}", title)
    return replace(task, published=("NetSim sim3", "graph")) if number == "3" else task


def sanchez(case: str) -> Task:
    """One of the feedback networks."""
    return declare(f"sanchez-{case}", f"sanchez:{case}", f"{case} (Sanchez-Romero et al. 2019)")


def declared() -> dict[str, Task]:
    """All tasks of the family by name."""
    found = [
        *(netsim(name.removeprefix("netsim-")) for name in NETSIM),
        *(sanchez(name.removeprefix("sanchez-")) for name in SANCHEZ),
        *(declare(f"cdrl-quad-{n}", f"cdrl:quad-{n}", f"CDRL quadratic system, {n} nodes") for n in (5, 7)),
        *(
            declare(f"mtl-{side}", f"mtl:{side}", f"Medial temporal lobe, {side}", note=REFERENCE)
            for side in ("left", "right")
        ),
    ]
    return {task.name: task for task in found}


DECLARED = declared()
