"""The documents run: code blocks are written to files, and every ``bash`` block is typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
FIRST_LINE = re.compile(r"# (\S+\.py)\n")


@pytest.mark.parametrize(
    "document",
    [
        *("docs/plugins.md", "docs/connectivity.md", "docs/own_task.md", "docs/language_models.md"),
        *("docs/describe.md", "docs/vision.md", "docs/movies.md", "docs/submitting.md"),
        *("docs/checking.md", "docs/leaderboard.md", "docs/clusters.md"),
    ],
)
def test_a_document_runs(document, tmp_path, request):
    environment = {**os.environ}
    if "BRAINBENCH_SHARED" in (ROOT / document).read_text():
        environment["BRAINBENCH_SHARED"] = str(request.getfixturevalue("shared").parent)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "brainbench"
    script.write_text(f"#!{sys.executable}\nfrom brainbench.benchmark.cli import main\nmain()\n")
    script.chmod(0o755)
    python = bin_folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment["PATH"] = f"{bin_folder}:{os.environ['PATH']}"
    ran = 0
    for language, body in BLOCK.findall((ROOT / document).read_text()):
        if language == "python":
            (tmp_path / FIRST_LINE.match(body).group(1)).write_text(body)
        elif language == "bash":
            done = subprocess.run(["bash", "-ec", body], cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            ran += 1
    assert ran


def test_every_command_in_the_documents_exists():
    from typer.main import get_command

    from brainbench.benchmark.cli import app

    command = get_command(app)
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for line in re.findall(r"brainbench ([a-z]+(?: [a-z][a-z0-9]*)?)", document.read_text()):
            name, _, rest = line.partition(" ")
            if name in ("is", "import", "alone"):
                continue
            assert name in command.commands, f"{document.name}: brainbench {name}"
            inner = getattr(command.commands[name], "commands", None)
            if inner and rest:
                assert rest in inner, f"{document.name}: brainbench {name} {rest}"


def test_every_option_in_the_documents_exists():
    from typer.main import get_command

    from brainbench.benchmark.cli import app

    wrong = []
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for words in typed(document.read_text()):
            command = get_command(app)
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            wrong += [f"{document.name}: {command.name} {option}" for option in options - known - {"--help"}]
    assert wrong == []


def typed(text: str) -> list[list[str]]:
    """The words after ``brainbench`` of every line that is typed in a block."""
    lines = []
    for language, body in BLOCK.findall(text):
        if language in ("bash", "text"):
            for line in body.replace("\\\n", " ").splitlines():
                if hit := re.match(r"(?:\S+=\S+ )*(?:\S*uv run (?:--extra \S+ )*|\./)?brainbench (.+)", line.strip()):
                    lines.append(shlex.split(hit[1].split(" > ")[0].split(" | ")[0], comments=True))
    return lines
