"""Fetching through DataLad: the right commands in the right order, or what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from brainbench.benchmark.datasets import algonauts_get
from brainbench.benchmark.datasets.fetch import get
from brainbench.benchmark.errors import BadData, BadOption, DataMissing

TOOL = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
  clone) mkdir -p "$3/.git" ;;
  -C) if [ -e "{log}.fail" ]; then exit 3; fi; mkdir -p "$2/$6" ;;
esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for DataLad that notes what it is asked for."""
    tools, log = tmp_path / "bin", tmp_path / "log"
    tools.mkdir()
    for name in ("datalad", "git-annex"):
        (tools / name).write_text(TOOL.format(log=log))
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return log


def test_datalad_is_asked_for_responses_and_transcripts_not_for_films(log, tmp_path):
    folder = tmp_path / "alg"
    assert get("algonauts2025", folder) == folder
    assert log.read_text().splitlines() == [
        f"clone https://github.com/courtois-neuromod/algonauts_2025.competitors.git {folder}",
        f"-C {folder} get -r -J4 fmri",
        f"-C {folder} get -r -J4 stimuli/transcripts",
    ]
    assert algonauts_get.films_command(folder) == f"datalad -C {folder} get -r -J4 stimuli/movies"


def test_the_same_command_continues(log, tmp_path):
    folder = tmp_path / "alg"
    (tmp_path / "log.fail").touch()
    with pytest.raises(DataMissing, match="ended with 3") as caught:
        get("algonauts2025", folder, url="/some/where")
    assert "repeat" in caught.value.hint
    (tmp_path / "log.fail").unlink()
    get("algonauts2025", folder, url="/some/where")
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["clone", "-C", "-C", "-C"]


def test_without_datalad_the_commands_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataMissing, match="not found here: datalad, git-annex") as caught:
        get("algonauts2025", tmp_path / "my films")
    lines = [line.strip() for line in caught.value.hint.splitlines()]
    assert lines[1] == "uv pip install datalad git-annex"
    assert lines[2].startswith("datalad clone https://github.com/")
    assert lines[3] == f"datalad -C '{tmp_path}/my films' get -r -J4 fmri"


def test_a_folder_with_something_else_is_left_alone(log, tmp_path):
    folder = tmp_path / "alg"
    folder.mkdir()
    (folder / "thesis.tex").touch()
    with pytest.raises(BadData, match="not empty"):
        get("algonauts2025", folder)
    assert not log.exists()
    with pytest.raises(BadOption, match="no atlas"):
        get("algonauts2025", tmp_path / "other", "cc200")
