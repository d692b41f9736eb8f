"""``brainbench new method``: what it writes works as written, for every kind, and nothing is overwritten."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from brainbench.benchmark.checking import trials
from brainbench.benchmark.checking.checks import Wanted, check_kind, resolve
from brainbench.benchmark.contracts import silent
from brainbench.benchmark.errors import BadOption, UnknownName
from brainbench.benchmark.kinds import KINDS
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.scaffold import MODELS, TASKS, class_name, new_method
from brainbench.benchmark.worker import run_cell


class InProcess:
    """A worker in this process: quick."""

    def __init__(self, threads, log, variables) -> None:
        log.touch()

    def run(self, folder, limits, progress):
        return run_cell(folder, progress)

    def kill(self) -> None:
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_each_kind_passes_every_check(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "WatchedWorker", InProcess)
    files = new_method("my-model", kind, tmp_path / "my-model")
    method, spec = resolve(Wanted(f"{files[1]}:MyModel"))
    assert method.supports == (kind,)
    (tmp_path / "check").mkdir()
    verdicts = list(check_kind(method, spec, kind, tmp_path / "check", silent))
    assert {verdict.level for verdict in verdicts} <= {"ok", "not covered"}, verdicts
    assert len(verdicts) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_whole(kind, tmp_path):
    files = new_method("zebra-42", kind, tmp_path / "here")
    assert sorted(path for path in (tmp_path / "here").rglob("*") if path.is_file()) == sorted(files)
    for path in files:
        text = path.read_text()
        assert not any(name in text for name in ("my-method", "my_method", "MyMethod", "My method", "TASK"))
        assert max(map(len, text.splitlines())) <= 120
        if path.suffix == ".py":
            ast.parse(text)
    page = (tmp_path / "here" / "README.md").read_text().splitlines()
    assert len({line.index("  # ") for line in page if "  # " in line}) == 1
    told = tomllib.loads((tmp_path / "here" / "pyproject.toml").read_text())
    assert told["project"]["entry-points"]["brainbench.methods"] == {"zebra-42": "zebra_42.method:Zebra42"}
    assert told["project"]["name"] == "zebra-42"
    assert "'.[test]'" in "".join(page)
    assert "test" in told["project"]["optional-dependencies"]
    assert load_task(TASKS[kind])[0].kind == kind
    assert f"--task {TASKS[kind]} --method zebra-42" in (tmp_path / "here" / "README.md").read_text()
    assert set(MODELS) == set(KINDS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("My Method", "my-method"),
        ("MyMethod", "my-method"),
        ("../../evil", "evil"),
        ("my_method", "my-method"),
        ("a" * 41, "a" * 40),
        ("", "my-method"),
        ("3d", "d"),
        ("-x", "x"),
        ("x\n", "x"),
    ],
)
def test_a_name_that_is_none_is_refused_with_one_that_is(name, hint, tmp_path):
    with pytest.raises(BadOption) as caught:
        new_method(name, "classification", tmp_path / "here")
    assert caught.value.hint == f"such as  {hint}"
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("name", ["majority", "numpy", "json", "class", "brainbench", "method", "train"])
def test_a_name_that_is_taken_is_refused(name, tmp_path):
    with pytest.raises(BadOption):
        new_method(name, "classification", tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "here").mkdir()
    with pytest.raises(BadOption, match="there already"):
        new_method("my-model", "classification", tmp_path / "here")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadOption, match="there already"):
        new_method("my-model", "classification", tmp_path / "link")


def test_a_misspelt_kind_gets_the_nearest_one(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'connectivity'"):
        new_method("my-model", "conectivity", tmp_path / "here")


def test_the_class_is_named_after_the_method():
    assert class_name("fc-2-net") == "Fc2Net"


def test_the_command_prints_the_files_and_what_to_type_next(tmp_path):
    line = [sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", "new", "method", "my-model"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=False)
    assert done.returncode == 0, done.stderr
    assert [Path(name).name for name in done.stdout.split()] == [
        *("__init__.py", "method.py", "test_my_model.py", "pyproject.toml", "README.md")
    ]
    assert "brainbench check my-model" in done.stderr
    again = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=False)
    assert again.returncode == 2
    assert "there already" in again.stderr
