"""Nothing from outside is unpickled but by the restricted reader: hostile files do nothing, and no code could."""

from __future__ import annotations

import ast
import io
import pickle
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fuzz_readers import READERS
from fuzz_trials import try_on

import brainbench

ROOT = Path(str(brainbench.__file__)).parent
PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
UNSAFE = {"read_pickle", "extractall", "extract", "unpack_archive", "eval", "exec", "Unpickler", "unsafe_load"}
"""Calls by which a file from outside would run, or be written where it likes. Methods of networks are called eval."""


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def saved(array: np.ndarray) -> bytes:
    """An array as ``numpy.save`` pickles it."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def packed(names: list[str], content: bytes) -> bytes:
    """A zip whose members are all the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def bombs(sound: bytes, mark: Path) -> Iterator[bytes]:
    """Files that leave the mark: bare, as an array, as archives of arrays under the sound file's names, of torch."""
    import torch

    bare, object_array = pickle.dumps(Bomb(mark)), saved(np.array([Bomb(mark)], dtype=object))
    yield bare
    yield object_array
    yield saved(np.array({"sub-01": Bomb(mark)}, dtype=object))
    if sound[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(sound)) as archive:
            names = archive.namelist()
        yield packed(names, object_array)
        yield packed(names, bare)
    for old in (False, True):
        out = io.BytesIO()
        torch.save({"weights": Bomb(mark)}, out, _use_new_zipfile_serialization=not old)
        yield out.getvalue()


def test_the_bomb_goes_off_where_python_unpickles(tmp_path: Path) -> None:
    for content in bombs(b"", tmp_path / "mark"):
        assert b"touch" in content
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore")
def test_hostile_files_do_nothing(name: str, tmp_path: Path) -> None:
    reader, mark, folder = READERS[name], tmp_path / "mark", tmp_path / "folder"
    folder.mkdir()
    reader.seed(folder)
    sound = (folder / reader.file).read_bytes()
    for content in bombs(sound, mark):
        try_on(reader, folder, content)
        assert not mark.exists()


def modules() -> list[Path]:
    """All modules of the package."""
    return [
        path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in ("tests", "build", "submissions")
    ]


@cache
def nodes(path: Path) -> list[ast.AST]:
    """What a module is made of."""
    return list(ast.walk(ast.parse(path.read_bytes())))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Calls of functions with a name in a module, each by its dotted name."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield dotted(node.func), node


def dotted(name: ast.expr) -> str:
    """``np.load``; of what is no plain name, its last part."""
    if isinstance(name, ast.Attribute):
        return f"{dotted(name.value)}.{name.attr}"
    return name.id if isinstance(name, ast.Name) else ""


def told(call: ast.Call, key: str) -> object:
    """A keyword's literal value; None where it is not told."""
    return next((ast.literal_eval(word.value) for word in call.keywords if word.arg == key), None)


def test_no_module_has_a_way_to_unpickle() -> None:
    found = []
    for path in modules():
        where = path.relative_to(ROOT).as_posix()
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            found += [(where, name) for name in names if name.partition(".")[0] in PICKLERS]
        for name, call in calls(path):
            last = name.rpartition(".")[2]
            if name.startswith("pickle.") or (last in UNSAFE and name in (last, f"pd.{last}", f"archive.{last}")):
                found.append((where, name))
            if name == "torch.load" and told(call, "weights_only") is not True:
                found.append((where, name))
            if name in ("np.load", "numpy.load") and told(call, "allow_pickle") is not False:
                found.append((where, name))
            if told(call, "shell"):
                found.append((where, f"{name} with a shell"))
    assert not found


def test_a_pickle_is_written_in_one_place() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for path in modules()
        for name, call in calls(path)
        if name in ("np.save", "np.savez", "np.savez_compressed") and told(call, "allow_pickle")
    ]
    assert found == ["benchmark/datasets/codabench.py"]


def test_modules_are_run_by_path_in_one_place() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        for name, _ in calls(path)
        if name.rpartition(".")[2] in ("exec_module", "run_path", "run_module", "load_module")
    }
    assert found == {"benchmark/registry.py"}
