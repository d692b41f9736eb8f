"""The index of a store is a saving and nothing else: boards are the same with any index, and without one."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brainbench.benchmark import index
from brainbench.benchmark.errors import StoreError
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.record import Record
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import SEAL, Store, read_record
from brainbench.leaderboard.board import boards, stored_boards
from brainbench.leaderboard.markdown import to_markdown
from brainbench.leaderboard.tables import board_sheet
from support import plan_of, write_planted

ALWAYS = -(10**18)
"""As `index.SETTLED_NS`: what was written a moment ago is remembered, too."""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Record:
    """A real record."""
    home = tmp_path_factory.mktemp("indexed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(home))
        write_planted(home, "abide2", n=60)
        place = Store(home / "runs")
        place.prepare()
        pool = LocalPool(1, 1, Limits(seconds=120), place.log)
        plan = plan_of("abide2-asd", "majority", data="real", folds=2)
        (found,) = run(plan, place, pool, Settings("cpu", 1), lambda cell, event: None)
    return found


@pytest.fixture
def eager(monkeypatch):
    """An index that is written however few records are new, and remembers what changed a moment ago."""
    monkeypatch.setattr(index, "WORTH", 1)
    monkeypatch.setattr(index, "SETTLED_NS", ALWAYS)


def variant(model: Record, task: int, method: int, value: float) -> Record:
    name = f"toy-{task}"
    return model.model_copy(
        update={
            "id": f"{name}--m{method}",
            "task": model.task.model_copy(update={"name": name, "oracle_of": "toy-0" if task == 2 else ""}),
            "method": model.method.model_copy(update={"name": f"m{method}", "ref": f"m{method}"}),
            "scores": {"auc": model.scores["auc"].model_copy(update={"value": value})},
        }
    )


def put(place: Store, record: Record, sealed: bool = True) -> None:
    folder = place.path / "records" / record.id
    folder.mkdir(parents=True, exist_ok=True)
    content = record.model_dump_json().encode()
    rewrite(folder / "record.json", content)
    (folder / SEAL).unlink(missing_ok=True)
    if sealed:
        (folder / SEAL).write_text(hashlib.sha256(content).hexdigest())


def rewrite(path: Path, content: bytes) -> None:
    """Write until the clock of the disk has moved, so that two writes never look like one."""
    before = path.stat().st_ctime_ns if path.exists() else None
    path.write_bytes(content)
    while path.stat().st_ctime_ns == before:
        path.write_bytes(content)


def direct(place: Store, task: str = "") -> list[str]:
    """The boards, made from all records."""
    found = [board for board in boards(place.records(), place.draws) if not task or board.first.task.name == task]
    return [to_markdown(board_sheet(board, ids=True)) for board in found]


def indexed(place: Store, task: str = "") -> list[str]:
    found = stored_boards(place, place.draws, lambda where: not task or where.task == task)
    return [to_markdown(board_sheet(board, ids=True)) for board in found]


def same(place: Store) -> None:
    assert indexed(place) == direct(place)
    assert indexed(place, "toy-0") == direct(place, "toy-0")


def add(place: Store, model: Record, rng: np.random.Generator) -> None:
    put(place, variant(model, int(rng.integers(3)), int(rng.integers(3)), float(rng.random())), bool(rng.integers(2)))


def lose(place: Store, model: Record, rng: np.random.Generator) -> None:
    if names := index.record_names(place.path / "records"):
        shutil.rmtree(place.path / "records" / str(rng.choice(names)))


def edit(place: Store, model: Record, rng: np.random.Generator) -> None:
    """Change a record where it lies, to as many bytes: another task, or none that can be read."""
    if names := index.record_names(place.path / "records"):
        path = place.path / "records" / str(rng.choice(names)) / "record.json"
        old, new = (b'"name":"toy-0"', b'"name":"toy-1"') if rng.integers(2) else (b'"version"', b'"verslon"')
        rewrite(path, path.read_bytes().replace(old, new))


def truncate(place: Store, model: Record, rng: np.random.Generator) -> None:
    if names := index.record_names(place.path / "records"):
        path = place.path / "records" / str(rng.choice(names)) / "record.json"
        rewrite(path, path.read_bytes()[: int(rng.integers(3000))])


def unseal(place: Store, model: Record, rng: np.random.Generator) -> None:
    if names := index.record_names(place.path / "records"):
        (place.path / "records" / str(rng.choice(names)) / SEAL).unlink(missing_ok=True)


def cut_index(place: Store, model: Record, rng: np.random.Generator) -> None:
    if (path := place.path / index.INDEX).exists():
        content = path.read_bytes()
        path.write_bytes(content[: int(rng.integers(len(content) + 1))])


def flip_index(place: Store, model: Record, rng: np.random.Generator) -> None:
    if (path := place.path / index.INDEX).exists() and (content := bytearray(path.read_bytes())):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(content))


def old_index(place: Store, model: Record, rng: np.random.Generator) -> None:
    """The index as it was before the last changes comes back, as from a copy of the folder."""
    kept, path = place.path / "kept", place.path / index.INDEX
    if kept.exists():
        shutil.copyfile(kept, path)
    elif path.exists():
        shutil.copyfile(path, kept)


CHANGES = (add, add, add, lose, edit, truncate, unseal, cut_index, flip_index, old_index)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_boards_are_the_same_with_any_index_and_without(model, eager, changes, seed):
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as name:
        place = Store(Path(name))
        for change in (add, add, *changes):
            change(place, model, rng)
            same(place)


def counting(read: Callable[[Path], Record]) -> tuple[Callable[[Path], Record], list[str]]:
    seen: list[str] = []

    def counted(path: Path) -> Record:
        seen.append(path.parent.name)
        return read(path)

    return counted, seen


def filled(model: Record, path: Path, count: int = 6) -> Store:
    place = Store(path)
    for k in range(count):
        put(place, variant(model, k % 3, k, k / 10))
    return place


def test_only_what_is_new_or_changed_is_read(model, eager, tmp_path):
    place = filled(model, tmp_path)
    first = place.places()
    read, seen = counting(read_record)
    assert index.places(tmp_path, SEAL, read) == first
    assert seen == []
    put(place, variant(model, 0, 0, 0.9))
    put(place, variant(model, 1, 99, 0.9))
    assert list(index.places(tmp_path, SEAL, read)) == sorted([*first, "toy-1--m99"])
    assert seen == ["toy-0--m0", "toy-1--m99"]


def test_a_board_reads_its_own_records_alone(model, eager, tmp_path, monkeypatch):
    place = filled(model, tmp_path)
    place.places()
    read, seen = counting(read_record)
    monkeypatch.setattr("brainbench.benchmark.store.read_record", read)
    (text,) = indexed(place, "toy-1")
    assert sorted(seen) == ["toy-1--m1", "toy-1--m4"]
    assert "m4" in text


def test_a_record_in_the_making_is_none(model, tmp_path):
    place = filled(model, tmp_path, 1)
    whole = tmp_path / "records" / "toy-0--m0"
    shutil.copytree(whole, whole.parent / ".toy-0--m0.host.1-00000000.part")
    assert [record.id for record in place.records()] == ["toy-0--m0"]
    assert list(place.places()) == ["toy-0--m0"]


def test_a_few_records_leave_no_index(model, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "SETTLED_NS", ALWAYS)
    filled(model, tmp_path).places()
    assert not (tmp_path / index.INDEX).exists()


def test_what_was_written_a_moment_ago_is_not_remembered(model, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "WORTH", 1)
    filled(model, tmp_path).places()
    assert index.load(tmp_path / index.INDEX) == {}


def test_a_store_that_cannot_be_written_is_read_all_the_same(model, eager, tmp_path):
    place = filled(model, tmp_path)
    (tmp_path / index.INDEX).mkdir()  # nothing can take the place of a folder, not even for root
    same(place)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_index_of_another_store_is_of_no_use(model, eager, tmp_path):
    one, other = filled(model, tmp_path / "one"), filled(model, tmp_path / "other", 5)
    put(other, variant(model, 1, 0, 0.7).model_copy(update={"id": "toy-0--m0"}))
    one.places()
    shutil.copy2(one.path / index.INDEX, other.path / index.INDEX)
    same(other)


def lying(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def forged(content: dict[str, object]) -> Iterator[bytes]:
    """Files that a program of ours never writes, with a checksum that fits."""
    yield lying(b"[" * 100_000)
    yield lying(b"null")
    yield lying(b"\xff")
    for change in (
        {"made_by": [99, ""]}, {"places": [["a"]]}, {"places": [[[]] * 7]}, {"places": 3}, {"at": [7] * 6},
        {"names": [[]] * 6}, {"names": []}, {"stamps": [None] * 6}, {"stamps": 1},
    ):  # fmt: skip
        yield lying(json.dumps(content | change).encode())


def test_a_forged_index_is_left_alone_or_refused(model, eager, tmp_path):
    place = filled(model, tmp_path)
    place.places()
    path = tmp_path / index.INDEX
    content = json.loads(path.read_bytes().partition(b"\n")[2])
    for made in forged(content):
        path.write_bytes(made)
        same(place)
    moved = content | {"at": content["at"][::-1]}
    path.write_bytes(lying(json.dumps(moved).encode()))
    with pytest.raises(StoreError, match="repeat the command"):
        indexed(place)
    same(place)


def test_several_writers_leave_a_whole_index(model, eager, tmp_path):
    place = filled(model, tmp_path)
    expected = place.places()
    failed: list[object] = []

    def work(number: int) -> None:
        for _ in range(5):
            if number % 2:
                (tmp_path / index.INDEX).unlink(missing_ok=True)
            if Store(tmp_path).places() != expected:
                failed.append(number)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    place.places()
    assert set(index.load(tmp_path / index.INDEX)) == set(expected)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
