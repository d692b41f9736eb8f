"""Tables of a fold that further cells are given again: the same bytes, of which no cell can alter another's."""

from __future__ import annotations

import pytest

from brainbench.benchmark import run as running
from brainbench.benchmark import shelf as shelves
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.shelf import Shelf
from brainbench.benchmark.staging import Shown
from brainbench.benchmark.store import Store
from brainbench.benchmark.worker import Outcome
from support import plan_of

FAILED = Outcome(status="failed", reason="nobody runs it")


class Vandal:
    """An executor that reads what is staged, spoils it, and runs nothing."""

    name, threads = "vandal", 1

    def __init__(self):
        self.found = []

    def run(self, works):
        for work in works:
            folder = work.stage()
            self.found.append({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
            for path in folder.iterdir():
                with path.open("r+b") as file:
                    file.write(b"spoilt")
            yield running.Event(work.key, "ended", outcome=FAILED)


def staged(tmp_path, monkeypatch, most):
    """What cells of two methods and two seeds are given, and how often tables were made."""
    made = []
    whole = running.stage_tables
    monkeypatch.setattr(running, "stage_tables", lambda *given: (made.append(given), whole(*given))[1])
    monkeypatch.setattr(shelves, "MOST_BYTES", most)
    plan = plan_of("CLASSIFICATION", "fc-logistic", "majority", seeds=2)
    pool = Vandal()
    list(run(plan, Store(tmp_path / str(most)), pool, Settings("cpu", 1), lambda *_: None))
    return pool.found, len(made), plan


def test_cells_are_given_what_they_would_be_given_alone(tmp_path, monkeypatch):
    kept, few, plan = staged(tmp_path, monkeypatch, 64 << 20)
    alone, many, _ = staged(tmp_path, monkeypatch, 0)
    tables = [{name: content for name, content in one.items() if name != "job.json"} for one in kept]
    assert tables == [{name: content for name, content in one.items() if name != "job.json"} for one in alone]
    assert {"train.parquet", "test.parquet", "train.bin", "test.json"} <= tables[0].keys()
    assert many == len(plan.cells) > few == len(plan.rows[0].split.folds)


def test_little_is_kept_and_the_oldest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(shelves, "MOST_BYTES", 100)
    shelf, made = Shelf(), []

    def ask(key, size):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()

        def make():
            made.append(key)
            (folder / "a").write_bytes(key.encode() * size)
            return Shown(ids=(key,))

        assert shelf.stage(key, folder, make).ids == (key,)
        assert (folder / "a").read_bytes() == key.encode() * size

    for key in "abcdaeabe":
        ask(key, 24)
    assert made == ["a", "b", "c", "d", "e", "b"]
    ask("z", 26)
    ask("z", 26)
    assert made[-2:] == ["z", "z"]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "home"))
