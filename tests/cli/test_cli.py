"""The command line: light to start, and clear when a person errs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import MOCKS, ROGUES

MAIN = "import sys; from brainbench.benchmark.cli import main; main()"


def brainbench(*arguments: str, cwd: Path | None = None, code: int | None = 0, **environment: str):
    done = subprocess.run([sys.executable, "-c", MAIN, *arguments], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, "COLUMNS": "200", **environment}, timeout=300)  # fmt: skip
    if code is not None:
        assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def imported(*arguments: str, cwd: Path | None = None) -> set[str]:
    """The modules that a command ended with."""
    code = (
        "import sys; from brainbench.benchmark.cli import app\n"
        "try: app()\nexcept SystemExit as end: assert not end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=300)
    return set(done.stderr.splitlines()[-1].split())


TABLES = {"pandas", "pyarrow"}
MATHS = {"torch", "sklearn", "scipy.special", "scipy.stats", "networkx", "nilearn"}


def test_help_imports_nothing_heavy():
    assert not imported("--help") & (TABLES | MATHS | {"numpy", "scipy", "pydantic"})


@pytest.mark.parametrize("arguments", [["tasks"], ["tasks", "abide2-asd"], ["methods"], ["data", "list"]])
def test_lists_read_no_table_and_compute_nothing(arguments):
    assert not imported(*arguments) & (TABLES | MATHS)


def test_a_board_and_finished_cells_import_only_what_they_use(tmp_path):
    run = ["run", "-t", f"{MOCKS}:CLASSIFICATION", "-m", f"{MOCKS}:FirstRoi", "--device", "cpu"]
    brainbench(*run, cwd=tmp_path)
    assert "brainbench.leaderboard.board" in (board := imported("leaderboard", cwd=tmp_path))
    assert not board & (TABLES | MATHS)
    assert "pandas" in (again := imported(*run, cwd=tmp_path))
    assert not again & MATHS


@pytest.mark.parametrize(
    "command",
    ["run", "tasks", "methods", "data", "leaderboard", "rescore", "doctor", "data list", "data get", "data import",
     "data check", "data simulate", "data where"],
)  # fmt: skip
def test_every_help_shows_an_example(command):
    assert "Example" in brainbench(*command.split(), "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "no task given"),
        (["run", "--task", "abide2-asd"], "no method given"),
        (["run", "-t", "abide2-ads", "-m", "fc-svm"], "did you mean 'abide2-asd'"),
        (["run", "-t", "abide2-asd", "-m", "fmri-ml"], "did you mean 'fmri-lm'"),
        (["run", "-t", "abide2-asd@moon", "-m", "fc-svm"], "no regime 'moon'"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--data", "real"], "brainbench data"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--data", "made-up"], "expected auto, real, simulated"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--set", "depth=3"], "no method of this run takes it"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--preset", "huge"], "no preset 'huge'"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--executor", "slurm"], "--profile FILE.toml go together"),
        (["run", "-t", "abide2-asd", "-m", "./nowhere.py:X"], "no file"),
        (["run", "-t", "abide2-asd", "-m", "./nowhere.py"], "./nowhere.py:Name"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--time-limit", "-1"], "--time-limit"),
        (["leaderboard", "--data", "made-up"], "expected real or simulated"),
        (["data", "simulate", "abide2", "--seed", "-1"], "--seed"),
        (["run", "--suite", "everything", "-m", "fc-svm"], "no suite 'everything'"),
        (["run", "-t", "abide2-asd", "-m", "fc-svm", "--device", "tpu"], "expected auto, cpu, cuda"),
        (["leaderboard"], "run something first"),
        (["rescore", "nothing"], "no record 'nothing'"),
        (["methods", "fc-svn"], "did you mean 'fc-svm'"),
    ],
)
def test_a_person_errs_and_is_told_what_to_type(arguments, message, tmp_path):
    done = brainbench(*arguments, cwd=tmp_path, code=2)
    assert message in done.stderr
    assert done.stdout == ""


def test_run_prints_a_table_and_leaves_a_record(tmp_path):
    arguments = ["run", "-t", f"{MOCKS}:CLASSIFICATION", "-m", f"{MOCKS}:FirstRoi"]
    first = brainbench(*arguments, cwd=tmp_path)
    assert "mocks:FirstRoi" in first.stdout
    assert "1.000 [1.000, 1.000]" in first.stdout
    again = brainbench(*arguments, "--dry-run", cwd=tmp_path)
    assert "2 cached, 0 to compute" in again.stdout
    board = brainbench("leaderboard", "--format", "markdown", "--ids", cwd=tmp_path).stdout
    record = next((tmp_path / "runs" / "records").iterdir()).name
    assert record in board
    assert "every number" in brainbench("rescore", record, cwd=tmp_path).stdout


def test_run_as_json_and_a_failed_method_gives_exit_code_1(tmp_path):
    done = brainbench("run", "-t", f"{MOCKS}:CLASSIFICATION", "-m", f"{ROGUES}:NaN", "--json", cwd=tmp_path, code=1)
    (record,) = json.loads(done.stdout)
    assert record["status"] == "failed"
    assert "NaN" in record["reason"]


def test_shards_together_make_the_whole(tmp_path):
    arguments = ["run", "-t", f"{MOCKS}:CLASSIFICATION", "-m", f"{MOCKS}:FirstRoi", "--seeds", "2"]
    told = brainbench(*arguments, "--shard", "1/2", cwd=tmp_path).stderr
    assert "shard 1/2: 2 of 4 cells are finished" in told
    assert "repeat the command without --shard" in told
    assert not list((tmp_path / "runs" / "records").iterdir())
    brainbench(*arguments, "--shard", "2/2", cwd=tmp_path)
    assert len(list((tmp_path / "runs" / "records").iterdir())) == 1
    assert "expected I/N" in brainbench(*arguments, "--shard", "3/2", cwd=tmp_path, code=2).stderr


def test_lists_and_cards(tmp_path):
    names = {row["method"] for row in json.loads(brainbench("methods", "--json").stdout)}
    assert {"fmri-lm", "fc-svm", "brainnetcnn", "confounds", "majority"} <= names
    assert {row["task"] for row in json.loads(brainbench("tasks", "--json").stdout)} >= {"abide1-asd", "abide2-asd"}
    assert "covariates a method may see" in brainbench("tasks", "abide1-asd").stdout
    assert "presets" in brainbench("methods", "fmri-lm").stdout


def test_doctor_names_what_is_missing(tmp_path):
    report = json.loads(brainbench("doctor", "--json", cwd=tmp_path).stdout)
    assert any("not installed" in line for line in report["data"])
    assert any(line.startswith("java: ") for line in report["extras"])
    assert all("broken" not in line for line in report["plugins"])


def test_text_from_outside_is_not_markup(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text(Path(ROGUES).read_text() + "\n\nclass Odd(Coin):\n    def skip(self, task):\n"
                    "        return '[red]x[/nonsense] <script>'\n")  # fmt: skip
    done = brainbench("run", "-t", f"{MOCKS}:CLASSIFICATION", "-m", f"{file}:Odd", cwd=tmp_path)
    assert "[red]x[/nonsense]" in done.stdout
    assert "&lt;script>" in brainbench("leaderboard", "--format", "markdown", cwd=tmp_path).stdout


@pytest.mark.slow
def test_the_main_command_of_the_readme_on_a_tiny_language_model(tmp_path):
    done = brainbench("run", "--task", "abide2-asd", "--method", "fmri-lm", "--set", "lm=tiny-random",
                      "--set", "most_steps=4", "--set", "stage3_steps=4", "--json", cwd=tmp_path)  # fmt: skip
    (record,) = json.loads(done.stdout)
    assert record["status"] == "ok", record["reason"]
    assert record["data"]["origin"] == "twin"
    assert record["ceiling"]["value"] > record["scores"]["auc"]["value"]
    assert {cell["report"]["stage3"]["steps"] for cell in record["cells"]} == {4}
