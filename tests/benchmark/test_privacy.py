"""What leaves a lab: for each policy every byte is searched for names, and the order tells nothing."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.cli.data import known_policy
from brainbench.benchmark.contracts import LEAVES
from brainbench.benchmark.datasets.dataset import load_cohort
from brainbench.benchmark.errors import BadOption, PrivacyError, StoreError
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.privacy import (
    FEWEST,
    WITHHELD,
    Veil,
    policy_of,
    policy_of_cohort,
    shielded,
    strictest,
    veil_of,
    write_shielded,
)
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.record import Finding, Record
from brainbench.benchmark.registry import load_all, load_metric
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.salt import salt, salted
from brainbench.benchmark.stats import Scored, bootstrap
from brainbench.benchmark.store import Store, read_cell, read_record, read_split
from support import plan_of, write_planted

PEOPLE = 60
HOST = "anna-laptop"
PLUGIN = """
import numpy as np
from brainbench.baselines.majority import Majority

class Tells(Majority):
    def predict(self, test, context):
        p = np.random.default_rng(0).uniform(size=len(test))
        return np.stack([1 - p, p], axis=1)

    def report(self):
        return {"best": "sub s7 in /home/anna/cohort/s7.npy", "losses": list(range(40)), "layers": [8, 4], "c": 1.0,
                "s9": 2, "log": "/home/anna/logs/run.txt"}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data folder and a record on a planted cohort, of a method that tells much."""
    place = tmp_path_factory.mktemp("made")
    source = place / "anna" / "mine.py"
    source.parent.mkdir()
    source.write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(place / "home"))
        write_planted(place / "home", n=PEOPLE, prefix="s")
        store = Store(place / "runs")
        store.prepare()
        plan = plan_of("abide1-asd", f"{source}:Tells", data="real", folds=2)
        pool = LocalPool(1, 1, Limits(120), store.log)
        (record,) = run(plan, store, pool, Settings("cpu", 1), lambda *_: None)
        assert record.status == "ok", record.reason
    return place


@pytest.fixture
def folder(made, own_home, tmp_path) -> Path:
    """The folder of a record whose texts name people, machines and folders."""
    shutil.copytree(made / "home", own_home, dirs_exist_ok=True)
    shutil.copytree(made / "runs", tmp_path / "runs")
    store = Store(tmp_path / "runs")
    (record,) = store.records()
    place = store.path / "records" / record.id
    finding = Finding(detector="copies", level="leak", message="the scans s3 and s4 are equal")
    audit = (*record.audit, finding)
    costs = {name: cost.model_copy(update={"host": HOST}) for name, cost in record.environment.cells.items()}
    environment = record.environment.model_copy(update={"host": HOST, "cells": costs})
    for path in place.glob("cells/*/outcome.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"host": HOST}))
    changed = record.model_copy(update={"audit": audit, "environment": environment})
    content = changed.model_dump_json().encode()
    (place / "record.json").write_bytes(content)
    (place / "record.sha256").write_text(hashlib.sha256(content).hexdigest())
    return place


def everything(files) -> bytes:
    """All that would leave, Parquet as text: in packed bytes a short id may stand by chance."""
    import pyarrow.parquet as pq

    told = []
    for name, content in files.items():
        told.append(name.encode())
        if name.endswith(".parquet"):
            table = pq.read_table(content if isinstance(content, Path) else io.BytesIO(content))
            told += [table.to_pandas().to_csv().encode(), str(table.schema.metadata).encode()]
        else:
            told.append(content.read_bytes() if isinstance(content, Path) else content)
    return b"\n".join(told)


def test_open_ids_leave_and_machines_and_folders_do_not(folder):
    record = read_record(folder / "record.json")
    files = shielded(folder, "ids")
    told = everything(files)
    for word in (HOST, "/home/anna", "/tmp", "anna/"):
        assert word.encode() not in told, word
    assert b'"s7"' in files["split.json"].read_bytes()
    assert "draws.npy" in files or not (folder / "draws.npy").exists()
    left = Record.model_validate_json(files["record.json"])
    assert left.method.ref == "mine.py:Tells"
    assert left.scores == record.scores
    assert left.cells[0].report["best"] == "sub s7 in s7.npy"
    assert [finding.message for finding in left.audit] == [finding.message for finding in record.audit]


def test_what_leaves_is_a_record_with_whole_cells(folder, tmp_path):
    for policy in ("ids", "salted"):
        target = tmp_path / policy
        write_shielded(folder, policy, target)
        left = read_record(target / "record.json")
        assert left.id == folder.name
        cells = [read_cell(place) for place in sorted((target / "cells").iterdir())]
        assert len(cells) == len(left.cells)
        assert all(cells)
        split = read_split(target)
        assert all(set(cell.ids) == set(split.fold(cell.cell.fold).test) for cell in cells)


def test_salted_ids_name_nobody_and_their_order_tells_nothing(folder, tmp_path):
    files = shielded(folder, "salted")
    told = everything(files)
    for number in range(PEOPLE):
        assert f'"s{number}"'.encode() not in told
    for word in (HOST, "/home/anna", "s7", "s3 and s4", "draws"):
        assert word.encode() not in told, word
    write_shielded(folder, "salted", tmp_path / "out")
    key = salt()
    for place in sorted((folder / "cells").iterdir()):
        before, after = read_cell(place), read_cell(tmp_path / "out" / "cells" / place.name)
        assert list(after.ids) == sorted(after.ids)
        one = dict(zip([salted("abide1", name, key) for name in before.ids], predictions(place), strict=True))
        two = dict(zip(after.ids, predictions(after.folder), strict=True))
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one)
    left = read_record(tmp_path / "out" / "record.json")
    assert left.cells[0].report["best"] == WITHHELD
    assert WITHHELD in left.cells[0].report  # a key that was an id
    assert left.audit[-1].message == WITHHELD
    assert left.scores["auc"].value is not None


def predictions(folder: Path) -> np.ndarray:
    import pandas as pd

    return pd.read_parquet(folder / "prediction" / "probabilities.parquet").to_numpy()


def test_aggregates_are_the_record_alone_without_anything_of_one_person(folder):
    record = read_record(folder / "record.json")
    files = shielded(folder, "aggregates")
    assert sorted(files) == ["record.json", "record.sha256"]
    left = Record.model_validate_json(files["record.json"])
    assert left.scores["auc"] == record.scores["auc"].model_copy(update={"parts": {}})
    assert left.cells[0].report["losses"] == "(withheld: a list of 40)"
    assert (left.cells[0].report["layers"], left.cells[0].report["c"]) == ([8, 4], 1.0)
    assert hashlib.sha256(files["record.json"]).hexdigest().encode() == files["record.sha256"]


def test_folds_of_few_people_lose_their_scores_and_tasks_of_few_do_not_leave(own_home, run_plan, store):
    write_planted(own_home, n=2 * FEWEST)
    (record,) = run_plan(plan_of("abide1-asd", "majority", data="real", folds=4))
    left = Record.model_validate_json(shielded(store.path / "records" / record.id, "aggregates")["record.json"])
    assert {value for cell in left.cells for value in cell.scores.values()} == {None}
    assert left.scores["auc"].value == record.scores["auc"].value
    write_planted(own_home, n=FEWEST - 2)
    (record,) = run_plan(plan_of("abide1-asd", "majority", data="real", folds=2))
    with pytest.raises(PrivacyError, match="fewer than"):
        shielded(store.path / "records" / record.id, "aggregates")


def test_folds_named_after_people_are_renamed(folder):
    record = read_record(folder / "record.json")
    folds = ("s5", "s6")
    cells = tuple(c.model_copy(update={"fold": f}) for c, f in zip(record.cells, folds, strict=True))
    record = record.model_copy(update={"split": record.split.model_copy(update={"folds": folds}), "cells": cells})
    veil = veil_of(record, folder, "salted")
    assert all(name.startswith("fold-") and "s5" not in name for name in map(veil.fold, folds))
    assert veil.fold("fold1") == "fold1"


def test_graphs_whose_nodes_are_shown_in_an_order_do_not_leave_under_salted_ids(run_plan, store):
    (record,) = run_plan(plan_of("CONNECTIVITY", "granger"))
    with pytest.raises(PrivacyError, match="salted"):
        shielded(store.path / "records" / record.id, "salted")


def veil(*names: str) -> Veil:
    return Veil("salted", str, frozenset(names), {})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("12 of 40 items", WITHHELD),  # an id that is a number hides the whole text
        ("sub-0050002_ses-1 failed", WITHHELD),
        ("SUB-0050002 failed", WITHHELD),
        ("13 of 40 items", "13 of 40 items"),
        ("FileNotFoundError: '/home/anna/x/y.npy'", "FileNotFoundError: 'y.npy'"),
        (r"cannot open C:\Users\anna\y.npy", "cannot open y.npy"),
        ("see https://github.com/a/b/c and arXiv:1/2", "see https://github.com/a/b/c and arXiv:1/2"),
        ("~/data/x.csv is missing", "x.csv is missing"),
        ("mean and/or median, 3/4 of 5", "mean and/or median, 3/4 of 5"),
    ],
)
def test_texts_lose_people_and_folders(text, left):
    assert veil("12", "0050002").text(text) == left


def test_the_salt_is_made_once_for_its_owner_alone(own_home):
    first = salt()
    assert (len(first), salt()) == (32, first)
    assert stat.S_IMODE((own_home / "salt").stat().st_mode) == 0o600
    assert salted("a", "s1", first) != salted("b", "s1", first) != salted("b", "s2", first)
    (own_home / "salt").chmod(0o644)
    with pytest.raises(StoreError, match="others can read"):
        salt()
    (own_home / "salt").chmod(0o600)
    (own_home / "salt").write_bytes(b"short")
    with pytest.raises(StoreError, match="no salt"):
        salt()


def test_the_strictest_of_several_cohorts_holds(own_home, run_plan):
    assert [strictest(p) for p in (LEAVES, ["ids"], [], ["ids", "salted"])] == [
        "aggregates",
        "ids",
        "aggregates",
        "salted",
    ]
    write_planted(own_home, n=24)
    (record,) = run_plan(plan_of("abide1-asd", "majority", data="real", folds=2))
    assert policy_of(record) == "ids"
    both = record.model_copy(update={"data": record.data.model_copy(update={"name": "abide1+other"})})
    assert policy_of(both) == "ids"  # not installed: as the task's data set
    import_as("other", own_home, "aggregates")
    assert policy_of(both) == "aggregates"
    twin = both.model_copy(update={"data": both.data.model_copy(update={"origin": "twin"})})
    assert policy_of(twin) == "ids"
    assert policy_of_cohort("../x", "nobody-knows") == "aggregates"


def import_as(name: str, home: Path, leaves: str) -> None:
    write_planted(home, name, n=20)
    path = home / "cohorts" / name / "cohort.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"leaves": leaves}))


def test_every_card_says_what_leaves_and_gated_ones_let_no_ids_out():
    cards = {entry.name: dataset.card for entry, dataset in load_all("datasets")}
    assert {card.leaves for card in cards.values()} <= set(LEAVES)
    for name in ("ukb", "abcd", "adni", "hcp-aging", "own"):
        assert cards[name].leaves == "aggregates", name
    for name, card in cards.items():
        assert card.leaves == "ids" or card.access.startswith("gated") or name == "own", name


def test_an_import_may_be_stricter_than_the_card_and_not_laxer(own_home, tmp_path):
    from brainbench.benchmark.datasets.importer import import_cohort, refuse_laxer

    with pytest.raises(BadOption, match="no more than aggregates"):
        refuse_laxer("ukb", "ids")
    refuse_laxer("abide1", "aggregates")
    refuse_laxer("own", "ids")
    with pytest.raises(BadOption, match="expected ids, salted, aggregates"):
        known_policy("everything")
    for number in range(4):
        np.save(tmp_path / f"sub-{number}.npy", np.random.default_rng(number).normal(size=(60, 5)))
    import_cohort("own", tmp_path, name="lab", leaves="salted")
    assert policy_of_cohort("lab", "own:lab") == "salted"
    import_cohort("own", tmp_path, name="lab")
    assert policy_of_cohort("lab", "own:lab") == "aggregates"
    assert load_cohort("lab").name == "lab"


def test_what_is_no_record_is_refused(tmp_path):
    with pytest.raises(StoreError):
        shielded(tmp_path, "ids")
    assert not list(Store(tmp_path).records())


def test_draws_of_a_known_seed_tell_the_outcome_of_each_person():
    """Why they do not leave with aggregates: 2,000 equations, 300 unknowns."""
    rng = np.random.default_rng(5)
    n, resamples = 300, 2000
    truth, p = rng.integers(0, 2, n), rng.uniform(size=n)
    probabilities = np.stack([1 - p, p], axis=1)
    names = [f"s{k:04d}" for k in range(n)]
    halves = (slice(0, 150), slice(150, n))
    folds = [Scored(truth[at], probabilities[at], names[at], str(at)) for at in halves]
    draws = bootstrap(load_metric("accuracy"), folds, resamples).draws.astype(np.float32)
    public = np.random.default_rng(0)
    counts = np.array([np.bincount(public.integers(0, n, n), minlength=n) for _ in range(resamples)], float)
    for at in halves:
        counts[:, at] /= 2 * counts[:, at].sum(axis=1, keepdims=True)
    outcome = np.linalg.lstsq(counts, draws, rcond=None)[0]
    assert np.array_equal(outcome > 0.5, (p > 0.5) == truth.astype(bool))
