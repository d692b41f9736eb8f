"""``brainbench data``: from a folder to a checked cohort, and every error in one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from brainbench.benchmark import home
from brainbench.benchmark.cli import app
from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.errors import BrainbenchError

MAIN = "import sys; from brainbench.benchmark.cli import main; main()"


def command(*arguments: object) -> Result:
    """Run in this process; an error that a person can mend stays in `Result.exception`."""
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def refused(*arguments: object) -> BrainbenchError:
    error = command(*arguments).exception
    assert isinstance(error, BrainbenchError), error
    assert error.hint
    return error


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(6):
        values = rng.normal(size=(60 if k else 20, 4)).astype(np.float32)
        values[:, 0] = 1 if k == 1 else values[:, 0]
        np.save(folder / f"p{k}.npy", values)
    (folder / "people.csv").write_text(
        "id,dx,age,sex,centre\n" + "".join(f"p{k},{k % 2 + 1},{20 + k},{'mf'[k % 2]},X\n" for k in range(6))
    )
    return folder


def take(lab: Path, *more: object) -> Result:
    return command(
        "import",
        "own",
        lab,
        "--name",
        "mine",
        "--participants",
        lab / "people.csv",
        "--column",
        "diagnosis=dx",
        "--code",
        "diagnosis:1=autism,2=control",
        "--column",
        "site=centre",
        *more,
    )


def test_import_says_what_it_did(lab):
    done = take(lab, "--tr", 2)
    assert done.exit_code == 0, done.output
    assert "cohort mine: 5 scans of 5 subjects, 4 ROIs" in done.stdout
    assert "format table (6 files of series" in done.stdout
    assert "left out: 1\n  p0: p0.npy: 20 frames, fewer than 50" in done.stdout
    assert "flag zero-variance-rois: 1 scans" in done.stdout
    assert "brainbench data check mine" in done.stderr
    assert command("where", "mine").stdout.strip() == str(home.cohorts() / "mine")


def test_relative_paths(lab, monkeypatch):
    monkeypatch.chdir(lab.parent)
    done = command(
        "import", "own", "lab", "--name", "mine", "--participants", "lab/people.csv", "--column", "diagnosis=dx"
    )
    assert done.exit_code == 0, done.exception
    assert "6 files of series" in done.stdout
    assert "left out: 1\n" in done.stdout


def test_several_tables_are_joined(lab):
    scores = lab.parent / "scores.csv"
    scores.write_text("subject,fluid\n" + "".join(f"p{k},{k}\n" for k in range(6)))
    done = take(lab, "--participants", lab / "people.csv", "--participants", scores)
    assert done.exit_code == 0, done.output
    found = Cohort.open(home.cohorts() / "mine").scans()
    assert found["fluid"].tolist() == [1, 2, 3, 4, 5]
    assert "scores.csv" in done.stdout


def test_import_for_programs(lab):
    found = json.loads(take(lab, "--json", "--min-frames", 10).stdout)
    assert found["left_out"] == {}
    assert (found["scans"], found["format"]) == (6, "table")
    assert found["flags"] == {"p1": "zero-variance-rois:1"}


def test_check_by_subject(lab):
    take(lab, "--tr", 2)
    done = command("check", "mine")
    assert done.exit_code == 0
    assert "1 of 4 ROIs have zero variance" in done.stdout
    assert "p0: p0.npy: 20 frames" in done.stdout
    found = json.loads(command("check", "mine", "--json").stdout)
    assert (found["errors"], found["scans"]) == (0, 5)
    assert found["by_site"] == [{"site": "X", "scans": 5, "subjects": 5, "diagnosis=autism": 2, "diagnosis=control": 3}]


def test_check_fails_on_changed_data(lab):
    take(lab)
    file = home.cohorts() / "mine" / "series.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    assert command("check", "mine").exit_code == 1


def test_list_shows_cohorts_and_cards(lab):
    assert "nothing yet" in command("list").stdout
    take(lab)
    done = command("list")
    assert "mine" in done.stdout
    assert "abide1" in done.stdout
    found = json.loads(command("list", "--json").stdout)
    assert [cohort["cohort"] for cohort in found["cohorts"]] == ["mine"]
    cards = {entry["dataset"]: entry for entry in found["datasets"]}
    cohorts = {"abide1", "abide2", "abcd", "adhd200", "adni", "hcp", "hcp-aging", "ukb"}
    assert cohorts <= set(cards)
    for name in cohorts:
        assert all(cards[name][key] for key in ("summary", "counts", "access", "licence", "expected", "citation"))
        assert f"import {name} PATH" in cards[name]["access"] or f"get {name}" in cards[name]["access"]
    (home.cohorts() / "mine" / "series.npy").unlink()
    assert "damaged" in command("list").stdout


def test_errors_are_messages(lab):
    assert "no cohort 'x'" in refused("check", "x").message
    assert "no cohort '../mine'" in refused("where", "../mine").message
    assert "no dataset 'abide9'" in refused("import", "abide9", lab).message
    assert "expected NAME=VALUE" in refused("import", "own", lab, "--name", "a", "--column", "x").message
    assert "expected NAME:CODE=VALUE" in refused("import", "own", lab, "--name", "a", "--code", "dx").message
    assert "no column nope" in refused("import", "own", lab, "--name", "a", "--column", "diagnosis=nope").message
    assert "a TR of 2000 s" in refused("import", "own", lab, "--name", "a", "--tr", 2000).message
    assert "cannot be fetched" in refused("get", "abide2").message


def test_unknown_codes_are_refused(lab):
    error = refused("import", "own", lab, "--name", "a", "--column", "diagnosis=dx", "--code", "diagnosis:1=autism")
    assert "column 'dx': unknown codes 2; known are 1" in error.message
    assert "--code 'diagnosis:2=VALUE" in error.hint


def test_simulate_prints_the_folder(monkeypatch):
    from brainbench.benchmark.datasets import twins

    asked = []

    class Twin:
        path = Path("there")

    monkeypatch.setattr(twins, "make_twin", lambda *options: asked.append(options[:3]) or Twin)
    done = command("simulate", "abide2", "--size", "small", "--seed", 3)
    assert (done.stdout.strip(), asked) == ("there", [("abide2", "small", 3)])


def test_a_real_process_shows_no_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "data", "import", "own", str(tmp_path), "--name", "x"],
        capture_output=True,
        text=True,
        env={**os.environ},
        timeout=120,
    )
    assert done.returncode == 2
    assert "no known format in this folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_module_is_light():
    code = (
        "import sys, brainbench.benchmark.cli.data as d\n"
        "found = {'numpy', 'pandas', 'nilearn', 'torch', 'rich.progress'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
