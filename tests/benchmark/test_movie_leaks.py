"""Planted marks in movie responses: none of a test truth's may lie in what a method is handed.

The response of every run and subject is one number that nothing else holds, so that a staged folder can be searched.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench import Items
from brainbench.benchmark.cells import Cell, MethodSpec
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.nn.inner_movies import hold_out
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.splits import make_manifest
from brainbench.benchmark.staging import Extras, load_test, load_train, stage
from brainbench.tasks.movies import MOVIE10, OOD, SEASONS

PEOPLE = ("sub-01", "sub-02", "sub-03", "sub-05")
TWICE = ("figures", "life")
T, P = 6, 2

TASKS = (
    "algonauts2025-val",
    "algonauts2025-val@both-showings",
    "algonauts2025-val@held-out:figures,wolf",
    "algonauts2025-val@held-out:figures1,s02e01b",
    "algonauts2025-val@subjects:2",
    "algonauts2025-friends",
    "algonauts2025-friends@subjects:1,5",
    "algonauts2025-ood",
)
ORACLE = "algonauts2025-val@cross-subject"
SEEN = {"series", "movie", "stimulus", "showing", *(f"frames:{name}" for name in PEOPLE)}


def library() -> Items:
    """Two stimuli a film; figures and life shown twice; one subject lacks a run."""
    rows = []
    for movie in (*SEASONS, "s7", *MOVIE10, *OOD):
        series = "friends" if movie[1:].isdecimal() else "movie10" if movie in MOVIE10 else "ood"
        for half in (1, 2):
            stimulus = f"s{int(movie[1:]):02d}e01{'ab'[half - 1]}" if series == "friends" else f"{movie}{half}"
            for showing in (1, 2) if movie in TWICE else (1,):
                name = f"{stimulus}_run-{showing}" if movie in TWICE else stimulus
                rows.append({"item": name, "series": series, "movie": movie, "stimulus": stimulus, "showing": showing})
    table = pd.DataFrame(rows).set_index("item")
    table.insert(0, "subject", table.index)
    table["group"] = table["stimulus"]
    arrays = {"features/m/video": [np.full((T, 3), -k - 1, np.float32) for k in range(len(table))]}
    for number, name in enumerate(PEOPLE):
        lacks = (name == "sub-02") & (table.index == "s06e01a")
        table[f"frames:{name}"] = np.where(lacks, 0, T)
        arrays[f"responses/{name}"] = [
            None if gone else np.full((T, P), mark(number, k), np.float32) for k, gone in enumerate(lacks)
        ]
    table["digest"] = [f"digest-{k}" for k in range(len(table))]
    return Items(table, arrays, {"tr": 1.49, "parcels": ["a", "b"], "networks": ["Vis", "Cont"]})


def mark(person: int, run: int) -> int:
    """The value of a subject's response to a run, by position of both."""
    return 1000 * (person + 1) + run


def staged(name: str, folder: Path, fold_name: str = "test"):
    """The task, the key to its tested items, and the training and test items of its staged folder."""
    task, _ = load_task(name)
    items = task.derive(library())
    split = make_manifest(task.split, items.table, task.target, "data")
    fold = split.fold(fold_name)
    spec = MethodSpec(name="m", ref="m", preset="", options={}, source="x")
    cell = Cell(task=name, version=1, method=spec, data="data", split=split.hash, fold=fold_name, seed=0)
    shown = stage(cell, task, items, fold, folder, Extras(threads=1, device="cpu"))
    return task, shown, Items.load(folder / "train.parquet"), Items.load(folder / "test.parquet")


def marks(items: Items, family: str = "") -> set[int]:
    """Marks in all arrays of some items."""
    held = [
        items.read(name, row)
        for name, values in items.arrays.items()
        if name.startswith(family)
        for row, value in enumerate(values)
        if value is not None
    ]
    return {int(value) for array in held for value in np.unique(array)}


def truth_of(ids: tuple[str, ...]) -> set[int]:
    """Marks of everybody's responses to the stimuli of these runs, whichever showing."""
    table = library().table
    stimuli = set(table.loc[[one.partition("/")[0] for one in ids], "stimulus"])
    runs = np.flatnonzero(table["stimulus"].isin(stimuli))
    return {mark(person, int(run)) for person in range(len(PEOPLE)) for run in runs}


@pytest.mark.parametrize("name", TASKS)
def test_no_response_to_a_tested_film_is_staged(tmp_path, name):
    _, shown, train, test = staged(name, tmp_path)
    hidden = truth_of(shown.ids)
    assert not marks(test) & hidden
    assert not marks(train) & hidden
    assert marks(train, "responses/")  # the search finds what is there
    assert {field.partition("/")[0] for field in test.arrays} == {"features"}
    assert set(test.table.columns) <= SEEN
    assert set(train.table.columns) <= {*SEEN, "_group"}
    text = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.suffix in (".json", ".parquet"))
    assert b"digest-" not in text


@pytest.mark.parametrize("name", TASKS)
def test_the_order_of_items_tells_nothing(tmp_path, name):
    _, shown, _, test = staged(name, tmp_path)
    assert list(test.table.index) == [str(row) for row in range(len(test))]
    assert list(shown.ids) != sorted(shown.ids) or len(shown.ids) < 4


def test_the_search_fires_on_a_planted_leak(tmp_path, monkeypatch):
    kind = get_kind("encoding")
    monkeypatch.setattr(type(kind), "inputs", (*type(kind).inputs, "responses/"))
    _, shown, _, test = staged("algonauts2025-val", tmp_path)
    assert marks(test) & truth_of(shown.ids)


@pytest.mark.parametrize("person", PEOPLE)
def test_the_oracle_never_finds_the_truth_of_one_item_in_another(tmp_path, person):
    task, shown, train, test = staged(ORACLE, tmp_path, person)
    assert not marks(train) & truth_of(shown.ids)
    table = library().table
    view = get_kind("encoding").view(test, task.info)
    assert {tuple(run.frames) for run in view} == {(person,)}
    asked = [id.partition("/")[0] for id in shown.ids]
    own = {mark(PEOPLE.index(person), list(table.index).index(run)) for run in asked}
    assert not marks(test) & own
    assert marks(test) < truth_of(shown.ids)  # the others' responses to the same films
    tested_runs = table.index[table["movie"].isin(["s6", *TWICE]) & (table["showing"] == 1)]
    assert set(asked) == {run for run in tested_runs if (person, run) != ("sub-02", "s06e01a")}


@pytest.mark.parametrize("name", [*TASKS, ORACLE])
@pytest.mark.parametrize("movies", [1, 2])
def test_inner_films_are_whole_and_of_the_training_set(tmp_path, name, movies):
    task, _, _, _ = staged(name, tmp_path, "sub-03" if name == ORACLE else "test")
    train = load_train(tmp_path / "train.parquet", get_kind("encoding"), task.info)
    learn, watch = hold_out(train.inputs, movies)
    assert not {train.groups[row] for row in learn} & {train.groups[row] for row in watch}
    assert not {train.inputs[row].movie for row in learn} & {train.inputs[row].movie for row in watch}
    assert sorted([*learn, *watch]) == list(range(len(train.inputs)))
    own = {train.inputs[row].stimulus for row in range(len(train.inputs))}
    _, test = load_test(tmp_path, get_kind("encoding"), task.info)
    assert not own & {run.stimulus for run in test}
