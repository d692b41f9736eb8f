"""Two writers of one folder: the last one stays, whole, and a reader finds one or the other."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from brainbench.benchmark import files
from brainbench.benchmark.errors import StoreError
from brainbench.benchmark.files import exchange, whole_folder
from support import plan_of

ROUNDS = 150


def write(target: Path, word: str) -> None:
    for _ in range(ROUNDS):
        with whole_folder(target, lasting=False) as new:
            (new / "one").write_text(word)
            (new / "two").write_text(word)


def read(target: Path) -> list[str]:
    """What one look finds: all through the same folder, which may be replaced meanwhile."""
    folder = os.open(target, os.O_RDONLY)
    try:
        found = []
        for name in ("one", "two"):
            with open(os.open(name, os.O_RDONLY, dir_fd=folder)) as file:
                found.append(file.read())
        return found
    except FileNotFoundError:  # replaced, and removed while it was read
        return []
    finally:
        os.close(folder)


def hammer(target: Path) -> list[list[str]]:
    """Two writers; what was found meanwhile."""
    failed: list[BaseException] = []

    def go(word: str) -> None:
        try:
            write(target, word)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=go, args=(word,)) for word in ("a", "b")]
    write(target, "a")
    for thread in threads:
        thread.start()
    seen = []
    while any(thread.is_alive() for thread in threads):
        try:
            seen.append(read(target))
        except FileNotFoundError:
            seen.append(["absent"])
    assert not failed
    assert read(target) in (["a", "a"], ["b", "b"])
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    return seen


def test_a_reader_finds_a_whole_folder_at_all_times(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    if not exchange(tmp_path / "x", tmp_path / "y"):
        pytest.skip("this file system cannot exchange two folders")
    for name in ("x", "y"):
        (tmp_path / name).rmdir()
    seen = hammer(tmp_path / "folder")
    assert {tuple(found) for found in seen} <= {(), ("a", "a"), ("b", "b")}


def test_without_exchange_both_writers_end_well(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_renameat2", None)
    seen = hammer(tmp_path / "folder")
    assert {tuple(found) for found in seen} <= {(), ("absent",), ("a", "a"), ("b", "b")}


def test_what_was_there_comes_back_where_the_new_one_cannot_be_put(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_renameat2", None)
    target = tmp_path / "folder"
    target.mkdir()
    (target / "one").write_text("old")
    rename = Path.rename

    def refuse(self: Path, other: Path) -> Path:
        if self.name.endswith(".part"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="cannot write"), whole_folder(target) as new:
        (new / "one").write_text("new")
    assert (target / "one").read_text() == "old"


def test_a_record_that_is_written_again_while_it_is_read_is_no_edited_one(run_plan, store):
    (record,) = run_plan(plan_of("CLASSIFICATION", "FirstRoi"))
    split = plan_of("CLASSIFICATION", "FirstRoi").rows[0].split
    others = [record.model_copy(update={"environment": record.environment.model_copy(update={"created": str(k)})})
              for k in range(60)]  # fmt: skip
    writer = threading.Thread(target=lambda: [store.save(other, split, []) for other in others])
    writer.start()
    looks = 0
    while writer.is_alive():
        assert [found.id for found in store.records()] == [record.id]
        looks += 1
    assert looks
