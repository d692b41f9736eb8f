"""Shards: dealt out evenly, on stores of their own, and brought together by copying folders."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from brainbench.benchmark import logs
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.plan import Plan
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.record import Record
from brainbench.benchmark.run import Settings, run, shard_keys
from brainbench.benchmark.store import Store
from support import ROGUES, plan_of


class Named:
    """A cell with a method and a key, as far as dealing out looks at it."""

    def __init__(self, method: str, number: int) -> None:
        self.method, self.key = self, f"{method}-{number}"
        self.name = method

    def model_dump_json(self) -> str:
        return self.name


class Planned:
    def __init__(self, methods: list[str], folds: int) -> None:
        self.cells = [(None, Named(name, fold)) for fold in range(folds) for name in methods]


@given(methods=st.integers(1, 5), folds=st.integers(1, 12), parts=st.integers(1, 9))
def test_every_cell_is_in_one_shard_and_each_method_spread_evenly(methods, folds, parts):
    plan = Planned([f"m{k}" for k in range(methods)], folds)
    shards = [shard_keys(plan, (part, parts)) for part in range(1, parts + 1)]  # type: ignore[arg-type]
    assert sorted(key for keys in shards for key in keys) == sorted(cell.key for _, cell in plan.cells)
    for method in range(methods):
        counts = Counter(number for number, keys in enumerate(shards) for key in keys if key.startswith(f"m{method}-"))
        assert max(counts.values()) - min(counts.get(number, 0) for number in range(parts)) <= 1
    sizes = [len(keys) for keys in shards]
    assert max(sizes) - min(sizes) <= 1


def go(plan: Plan, folder: Path, shard: tuple[int, int] = (1, 1), events: list | None = None) -> list[Record]:
    store = Store(folder)
    store.prepare()
    pool = LocalPool(1, 1, Limits(seconds=120), store.log)
    seen = [] if events is None else events

    def watch(cell, event):
        if event.what == "ended":
            seen.append(cell.key)

    return list(run(plan, store, pool, Settings("cpu", 1), watch, shard))


def test_stores_of_shards_are_merged_by_copying_also_when_a_copy_was_interrupted(tmp_path):
    plan = plan_of("CLASSIFICATION", f"{ROGUES}:Coin", seeds=2)
    one, two = tmp_path / "one", tmp_path / "two"
    assert go(plan, one, (1, 2)) == []
    assert go(plan, two, (2, 2)) == []
    ours, theirs = sorted((one / "cells").iterdir()), sorted((two / "cells").iterdir())
    assert (len(ours), len(theirs)) == (2, 2)

    # The copy stops in the middle of a file of the second cell; an unfinished folder came along, too.
    shutil.copytree(two / "cells", one / "cells", dirs_exist_ok=True)
    (broken,) = (one / "cells" / theirs[1].name / "prediction").iterdir()
    broken.write_bytes(broken.read_bytes()[:-7])
    shutil.copytree(theirs[0], one / "cells" / f".{theirs[0].name}.00000000.1-00000000.part")
    computed: list[str] = []
    (merged,) = go(plan, one, events=computed)
    assert computed == [theirs[1].name]

    # The other direction, which stopped before the second cell's last file.
    shutil.copytree(ours[0], two / "cells" / ours[0].name)
    shutil.copytree(ours[1], two / "cells" / ours[1].name, ignore=shutil.ignore_patterns("prediction.sha256"))
    again: list[str] = []
    (back,) = go(plan, two, events=again)
    assert again == [ours[1].name]
    assert merged.content_hash == back.content_hash

    # Repeated over what is there already: nothing is computed any more.
    shutil.copytree(two / "cells", one / "cells", dirs_exist_ok=True)
    nothing: list[str] = []
    (same,) = go(plan, one, events=nothing)
    assert nothing == []
    assert same.content_hash == merged.content_hash


def test_a_log_is_begun_anew_and_its_end_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LOG_BYTES", 10)
    log = tmp_path / "log.txt"
    logs.bound(log)
    with open(log, "ab", buffering=0) as worker:
        worker.write(b"0123456789")
        logs.bound(log)
        assert log.read_bytes() == b"0123456789"
        worker.write(b"abc")
        logs.bound(log)
        assert log.read_bytes() == b""
        worker.write(b"more")
    assert log.read_bytes() == b"more"
    assert (tmp_path / "log.1.txt").read_bytes() == b"3456789abc"
