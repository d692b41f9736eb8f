"""The cuts of the movie tasks: which films train and test, showings, people, and the oracle's items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from brainbench import Items
from brainbench.benchmark.contracts import Ceiling, Data
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.loading import ceilings_of
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.splits import make_manifest
from brainbench.tasks.movies import MOVIE10, OOD, SEASONS, VALIDATION

PEOPLE = ("sub-01", "sub-02", "sub-03", "sub-05")
T, P = 8, 3


def library(withheld: bool = False) -> Items:
    """Two stimuli a film; figures and life shown twice; sub-02 misses s02e01a."""
    rows = []
    for movie in (*SEASONS, "s7", *MOVIE10, *OOD):
        series = "friends" if movie[1:].isdecimal() else "movie10" if movie in MOVIE10 else "ood"
        for half in "ab" if series == "friends" else "12":
            stimulus = f"s{int(movie[1:]):02d}e01{half}" if series == "friends" else f"{movie}{half}"
            for showing in (1, 2) if movie in ("figures", "life") else (1,):
                name = f"{stimulus}_run-{showing}" if movie in ("figures", "life") else stimulus
                rows.append({"item": name, "series": series, "movie": movie, "stimulus": stimulus, "showing": showing})
    table = pd.DataFrame(rows).set_index("item")
    table["group"] = table["stimulus"]
    table["subject"] = table.index
    hidden = withheld & (table["movie"].isin(["s7", *OOD])).to_numpy()
    arrays = {"features/m/video": [np.full((T, 2), k, np.float32) for k in range(len(table))]}
    for number, name in enumerate(PEOPLE):
        lacks = (name == "sub-02") & (table.index == "s02e01a")
        table[f"frames:{name}"] = np.where(lacks, 0, T)
        arrays[f"responses/{name}"] = [
            None if gone or secret else np.full((T, P), 100 * number + k, np.float32)
            for k, (gone, secret) in enumerate(zip(lacks, hidden, strict=True))
        ]
    return Items(table, arrays, {"parcels": list("abc"), "networks": ["Vis", "Vis", "Cont"]})


def cut(name: str, items: Items | None = None):
    task, _ = load_task(name)
    made = task.derive(items or library())
    make_manifest(task.split, made.table, task.target, "x")  # refuses what crosses
    films = {part: set(rows["movie"]) for part, rows in made.table.groupby("set")}
    return task, made, films


def test_each_task_learns_from_and_tests_on_its_films():
    _, made, films = cut("algonauts2025-val")
    assert films == {"test": set(VALIDATION[0]), "train": set(VALIDATION[1])}
    assert set(made.table.loc[made.table["set"] == "test", "showing"]) == {1}
    assert len(made) == 2 * 10  # second showings are in neither part
    for name, test in (("friends", {"s7"}), ("ood", set(OOD))):
        _, made, films = cut(f"algonauts2025-{name}")
        assert films == {"test": test, "train": {*SEASONS, *MOVIE10}}
        assert (made.table["movie"] == "life").sum() == 4


def test_withheld_films_are_tested_but_never_learned_from():
    _, _, films = cut("algonauts2025-ood", library(withheld=True))
    assert films["test"] == set(OOD)
    _, _, films = cut("algonauts2025-val@held-out:wolf", library(withheld=True))
    assert films == {"test": {"wolf"}, "train": {*SEASONS, *MOVIE10} - {"wolf"}}


def test_both_showings_are_tested_and_drawn_together():
    _, made, _ = cut("algonauts2025-val@both-showings")
    life = made.table[made.table["movie"] == "life"]
    assert len(life) == 4
    assert set(life["set"]) == {"test"}
    assert life["subject"].nunique() == 2


def test_films_and_stimuli_of_the_users_choice():
    _, made, films = cut("algonauts2025-val@held-out:figures,s01e01b")
    assert set(made.table.index[made.table["set"] == "test"]) == {"figures1_run-1", "figures2_run-1", "s01e01b"}
    assert "s1" in films["train"]
    assert "figures" not in films["train"]
    with pytest.raises(BadData, match="no run of casablanca"):
        cut("algonauts2025-val@held-out:casablanca")
    for wrong in ("", ":", ":life,figures", ":life,life", ":life,"):
        with pytest.raises(BadOption):
            cut(f"algonauts2025-val@held-out{wrong}")


def test_some_people_only():
    task, made, _ = cut("algonauts2025-val@subjects:2,5")
    assert {name for name in made.arrays if name.startswith("responses/")} == {"responses/sub-02", "responses/sub-05"}
    assert "encoding-r:sub-05" in task.metrics
    assert "encoding-r:sub-01" not in task.metrics
    assert "s02e01a" in made.table.index
    _, alone, _ = cut("algonauts2025-val@subjects:2")
    assert "s02e01a" not in alone.table.index
    for wrong in ("", ":4", ":2,1", ":1,2,3,5"):
        with pytest.raises(BadOption):
            cut(f"algonauts2025-val@subjects{wrong}")


def test_the_oracle_sees_the_others_and_never_its_own_subject():
    task, made, _ = cut("algonauts2025-val@cross-subject")
    assert task.oracle_of == "algonauts2025-val"
    view = get_kind("encoding").view(made, task.info)
    truth = get_kind("encoding").targets(made, task.info)
    for row in range(len(made)):
        (me,) = view[row].frames
        assert truth.subjects(row) == (me,)
        assert f"responses/{me}" not in view[row].streams
        mine = truth[row][me][0, 0]
        others = {view[row].read(stream)[0, 0] for stream in view[row].streams}
        assert mine not in others
        assert {value % 100 for value in others} == {mine % 100}  # the same run
    assert len(made) == 4 * 20 - 1
    three = view[list(made.table.index).index("s02e01a/sub-01")].streams
    assert three == ("responses/sub-03", "responses/sub-05")
    with pytest.raises(BadData, match="withheld"):
        cut("algonauts2025-ood@cross-subject", library(withheld=True))


def test_ceilings_are_means_over_the_tested_films_where_all_of_them_is_tested():
    items = library()
    known = {f"responses/{movie}": Ceiling("encoding-r", 0.1 * k, 0.0) for k, movie in enumerate(VALIDATION[0], 1)}
    data = Data(items, "twin", "twin", "f", known)

    def ceiling(name):
        task, made, _ = cut(name, items)
        return replace(data, items=made, ceilings=ceilings_of(task, data, made)).ceiling(task)

    assert ceiling("algonauts2025-val").value == pytest.approx(0.2)
    assert ceiling("algonauts2025-val@held-out:figures,life").value == pytest.approx(0.25)
    assert ceiling("algonauts2025-val@both-showings").value == pytest.approx(0.2)
    assert ceiling("algonauts2025-val@held-out:life1") is None  # half of the film
    assert ceiling("algonauts2025-val@subjects:1") is None
    assert ceiling("algonauts2025-ood") is None
