"""Kinds: what a prediction must be, said in one clear message when it is not; nothing is lost on disk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from brainbench import Answers, Graphs, Items, TaskInfo
from brainbench.benchmark.errors import BadData, BadPrediction, UnknownName
from brainbench.benchmark.kinds import KINDS, get_kind
from brainbench.benchmark.kinds.arrays import load_arrays, save_arrays
from brainbench.benchmark.kinds.pictures import Pictures
from brainbench.benchmark.kinds.scans import strangers

INFO = TaskInfo("t", "classification", "y", ("a", "b"))
N = 3


def items(**columns) -> Items:
    arrays = {"series": [np.ones((4, 2))] * N, "response": [np.ones((2, 3))] * N}
    return Items(pd.DataFrame({"x": range(N), **columns}, index=list("pqr")), arrays)


GOOD = {
    "classification": (np.array([[0.2, 0.8], [1, 0], [0.5, 0.5]]), {}),
    "regression": (np.array([1.0, -2.0, 3.5]), {}),
    "connectivity": (Graphs([np.eye(2)] * N, [np.eye(2) > 0] * N), {}),
    "captioning": (["a", "", "ü|\n"], {}),
    "description": (["a", "b", "c"], {}),
    "reasoning": (["a", "b", "c"], {}),
    "reconstruction": ([np.arange(768, dtype=np.uint8).reshape(16, 16, 3)] * N, {}),
    "grounding": ([np.array([[0, 0, 1, 1.0]]), np.zeros((0, 4)), np.ones((2, 4))], {}),
    "localisation": ([np.array([0, 1.5, 2])] * N, {}),
    "encoding": ([{"one": np.ones((4, 2), np.float32)}] * N, {"frames:one": 4}),
    "questions": (Answers(["x", "y", "z"], [{"sex": {"f": 0.5}}] * N), {}),
}

BAD = {
    "classification": ["text", np.ones((2, 2)), np.full((N, 2), np.inf), np.full((N, 2), 0.4), [[2, -1]] * N],
    "regression": [np.ones((N, 1)), np.full(N, np.nan)],
    "connectivity": [[np.eye(2)], [np.eye(3)] * N, [np.ones((2, 3))] * N, [np.full((2, 2), np.nan)] * N],
    "captioning": ["abc", ["a"], ["a", "b", 3]],
    "description": [["a"]],
    "reasoning": [["a"]],
    "reconstruction": [
        *([np.zeros((size, size, 3), np.uint8)] * N for size in (2, 1025)),
        [np.zeros((16, 16, 3))] * N,
        [np.full((16, 16, 3), np.nan)] * N,
        [np.zeros((16, 16), np.uint8)] * N,
        [np.zeros((16, 20, 3), np.uint8)] * N,
        [],
    ],
    "grounding": [[np.ones(4)] * N, [np.full((1, 4), np.nan)] * N, [np.zeros((1001, 4))] * N, []],
    "localisation": [[np.ones(2)] * N, [np.full(3, np.nan)] * N, [np.ones((3, 1))] * N, []],
    "encoding": [[{"one": np.ones((3, 2))}] * N, [{}] * N, [{"one": np.full((4, 2), np.nan)}] * N, []],
    "questions": [["a"], Answers(["a"] * N, [{}]), Answers(["a"] * N, [{"f": {"l": float("nan")}}] * N)],
}


def same(a, b) -> bool:
    if isinstance(a, Graphs):
        return same(a.scores, b.scores) and (a.native is None) == (b.native is None)
    if isinstance(a, Answers):
        return a == b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, Pictures)) and not isinstance(a[0], str):
        return all(map(same, a, b))
    return bool(np.all(a == b))


@pytest.mark.parametrize("name", KINDS)
def test_a_good_prediction_survives_the_disk(name, tmp_path):
    kind = get_kind(name)
    prediction, columns = GOOD[name]
    checked = kind.check(prediction, items(**columns), INFO)
    kind.save(checked, tmp_path, INFO)
    loaded = kind.check(kind.load(tmp_path, INFO), items(**columns), INFO)
    assert same(checked, loaded)


@pytest.mark.parametrize(("name", "number"), [(name, k) for name in BAD for k in range(len(BAD[name]))])
def test_a_bad_prediction_is_refused(name, number):
    _, columns = GOOD[name]
    with pytest.raises(BadPrediction):
        get_kind(name).check(BAD[name][number], items(**columns), INFO)


def test_joining_folds_keeps_every_item():
    graphs = get_kind("connectivity").concat([Graphs([np.eye(2)], [np.eye(2)]), Graphs([np.eye(2)])])
    assert (len(graphs), graphs.native) == (2, None)
    answers = get_kind("questions").concat([Answers(["a"]), Answers(["b"], [{"f": {"l": 1.0}}])])
    assert answers.scores == [{}, {"f": {"l": 1.0}}]
    assert get_kind("regression").concat([np.ones(2), np.zeros(1)]).tolist() == [1, 1, 0]


def test_a_target_that_is_missing_or_has_unknown_codes():
    kind = get_kind("classification")
    with pytest.raises(BadData, match="no column 'y'"):
        kind.clean(items(), INFO)
    with pytest.raises(BadData, match=r"holds \['maybe'\], the task knows \['a', 'b'\]"):
        kind.clean(items(y=["a", "b", "maybe"]), INFO)
    kept, left_out = kind.clean(items(y=["a", None, "b"]), INFO)
    assert (list(kept.table.index), left_out) == (["p", "r"], {"no y": 1})


def test_nodes_are_shown_in_a_random_order_that_is_undone():
    kind = get_kind("connectivity")
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(9, 6)) for _ in range(4)]
    truth = [np.triu(np.ones((6, 6)), 1)] * 4
    data = Items(pd.DataFrame(index=list("abcd")), {"series": series, "graph": truth})
    shown, key = kind.present(data, 7)
    assert any((order != np.arange(6)).any() for order in key)
    found = kind.restore(Graphs([shown.read("graph", k) for k in range(4)]), key)
    for k in range(4):
        np.testing.assert_array_equal(found.scores[k], truth[k])
        np.testing.assert_array_equal(np.sort(shown.read("series", k), axis=None), np.sort(series[k], axis=None))


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(UnknownName, match="connectivity"):
        get_kind("telepathy")


@pytest.mark.parametrize("count", [2, 3, 10])
def test_strangers_are_never_oneself(count: int) -> None:
    rows = strangers(count, 3)
    assert sorted(rows) == list(range(count))
    assert (rows != np.arange(count)).all()
    assert np.array_equal(rows, strangers(count, 3))
    assert list(strangers(1, 3)) == [0]


def test_damaged_lists_of_arrays_are_named(tmp_path):
    save_arrays(tmp_path / "a.npz", [np.arange(1000.0)])
    whole = (tmp_path / "a.npz").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"PK\x03\x04", b"", whole[:60] + b"\xff" * 40 + whole[100:]):
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(BadData, match="not a list of arrays"):
            load_arrays(tmp_path / "a.npz")
