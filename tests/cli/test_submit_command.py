"""``brainbench submit`` and ``brainbench verify`` as they are typed; withheld labels; the workflow file."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.submitting.acceptance import accepted
from brainbench.benchmark.submitting.layout import Manifest
from brainbench.benchmark.submitting.offer import CardPart
from support import write_planted

ROOT = Path(__file__).parents[2]

OWN = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from brainbench import Card, Method


@dataclass
class Even(Method):
    card: ClassVar = Card(title="Even", summary="Every class alike.", licence="MIT")
    supports: ClassVar = ("classification",)

    def fit(self, train, context):
        pass

    def predict(self, test, context):
        return np.full((len(test), 2), 0.5)
"""


def typed(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def run_in_process(task: str, store: Path) -> None:
    done = typed(
        "run", "--task", task, "--method", "fc-logistic", "--preset", "fixed", "--data", "real", "--store", store
    )
    assert done.exit_code == 0, done.output


@pytest.fixture
def submission(own_home, tmp_path) -> Path:
    write_planted(own_home, n=60, rois=6, effect=0.2)
    run_in_process("abide1-asd", tmp_path / "runs")
    done = typed("submit", "fc-logistic", "--to", tmp_path / "jane", "--store", tmp_path / "runs", "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["records"]) == 1
    return tmp_path / "jane"


def test_from_a_run_to_the_board(submission, own_home, tmp_path, monkeypatch):
    done = typed("verify", submission)
    assert done.exit_code == 0, done.output
    assert "accepted: 1 record" in done.stdout
    assert not (tmp_path / "submissions").exists()
    done = typed("verify", submission, "--accept", "--to", tmp_path / "submissions", "--json")
    told = json.loads(done.stdout)
    assert (told["accepted"], told["reasons"]) == (True, [])
    assert [record.row for record, _, _ in accepted(tmp_path / "submissions")] == ["rescored"]
    board = typed("leaderboard", "--store", tmp_path / "none", "--submissions", tmp_path / "submissions")
    assert board.exit_code == 0, board.output
    assert "fc-logistic" in board.stdout

    monkeypatch.setenv("BRAINBENCH_HOME", str(tmp_path / "empty"))
    done = typed("verify", submission)
    assert done.exit_code == 3
    assert "not verified here" in done.output

    (submission / "card.json").write_text("{}")
    done = typed("verify", submission, "--accept", "--to", tmp_path / "more", "--json")
    assert done.exit_code == 1
    assert not json.loads(done.stdout)["accepted"]
    assert not (tmp_path / "more").exists()


def test_a_method_in_a_file_is_submitted_as_it_was_run(own_home, tmp_path, monkeypatch):
    write_planted(own_home, n=60, rois=6, effect=0.2)
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    done = typed("run", "--task", "abide1-asd", "--method", "./own.py:Even", "--data", "real")
    assert done.exit_code == 0, done.output
    done = typed("submit", "./own.py:Even", "--to", "jane")
    assert done.exit_code == 0, done.output
    assert "1 record of own:Even on 1 task, 0.1 MB" in done.stdout
    assert (tmp_path / "jane" / "method" / "own.py").read_text() == OWN


def test_a_name_that_is_taken_is_told_before_anything_is_scored(submission, tmp_path, monkeypatch):
    board = tmp_path / "submissions"
    done = typed("verify", submission, "--accept", "--to", board)
    assert f"see it:  brainbench leaderboard --task abide1-asd --submissions {board}" in done.stdout
    monkeypatch.setattr("brainbench.benchmark.submitting.verify.verify", None)  # what is not called cannot fail
    with pytest.raises(BadOption, match="jane is there already"):
        CliRunner().invoke(app, ["verify", str(submission), "--accept", "--to", str(board)], catch_exceptions=False)


def test_an_archive_that_is_not_read_is_told_in_both_forms(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"nothing")
    done = typed("verify", tmp_path / "a.zip", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["reasons"] == ["neither a folder nor a .zip nor a .tar.gz"]
    assert "refused: neither a folder nor" in typed("verify", tmp_path / "a.zip").output


@pytest.mark.parametrize("form", ["empty zip", "empty folder", "record", "store", "package"])
def test_what_is_no_submission_is_told_in_one_line(tmp_path, form):
    place = tmp_path / "offered"
    files = {
        "record": ["record.json", "cells/f-0/cell.json", "out.log"],
        "store": ["records/a/record.json", "logs/workers.log", "cells/ab/x.tmp"],
        "package": ["pyproject.toml", "pkg/__init__.py", ".git/HEAD", "a b.py"],
    }.get(form, [])
    for name in files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("{}")
    place.mkdir(exist_ok=True)
    offered = [
        place,
        Path(shutil.make_archive(str(place), "zip", place)),
        Path(shutil.make_archive(str(place), "gztar", place)),
    ]
    for source in offered[1:] if form == "empty zip" else offered:
        done = typed("verify", source)
        assert done.exit_code == 1
        assert done.output.splitlines() == [
            "refused: no submission.json: this is no submission",
            "  make one:  brainbench submit METHOD --to DIR",
        ]


def test_what_is_missing_is_told_without_the_private_folder(submission):
    (submission / "card.json").unlink()
    done = typed("verify", submission)
    assert "card.json: not there" in done.output
    assert "brainbench-submission-" not in done.output


def test_an_accepted_folder_is_checked_by_rescoring(submission, tmp_path):
    board = tmp_path / "submissions"
    assert typed("verify", submission, "--accept", "--to", board).exit_code == 0
    done = typed("verify", board / "jane")
    assert done.exit_code == 1
    assert "accepted.json is written by the board's keeper alone" in done.output
    assert "brainbench rescore FOLDER/records/ID" in done.output
    (record,) = (board / "jane" / "records").iterdir()
    done = typed("rescore", record)
    assert done.exit_code == 0, done.output


def test_withheld_labels_are_scored_by_their_keeper_alone(own_home, tmp_path):
    write_planted(own_home, n=80, rois=6, effect=0.4)
    truth = tmp_path / "truth.json"
    cut = ("data", "withhold", "abide1", "--task", "abide1-asd", "--name", "abide1-open", "--truth", truth)
    done = typed(*cut, "--share", "0.4")
    assert done.exit_code == 0, done.output
    run_in_process("abide1-asd@hidden:abide1-open", tmp_path / "runs")
    done = typed("submit", "fc-logistic", "--to", tmp_path / "jane", "--store", tmp_path / "runs")
    assert done.exit_code == 0, done.output
    done = typed("verify", tmp_path / "jane")
    assert done.exit_code == 3
    assert "the truth of its test items is withheld" in done.output
    slip = ["verify", str(tmp_path / "jane"), "--truth", str(tmp_path / "jane" / "card.json")]
    with pytest.raises(BadData, match="not a file of withheld truth"):  # and nothing against the submission
        CliRunner().invoke(app, slip, catch_exceptions=False)
    done = typed("verify", tmp_path / "jane", "--truth", truth, "--accept", "--to", tmp_path / "submissions")
    assert done.exit_code == 0, done.output
    assert "scored with the withheld truth" in done.stdout
    assert "every number is the same" not in done.output
    assert done.output.count("computed here alone") == 1
    ((record, folder, _),) = accepted(tmp_path / "submissions")
    assert record.scores["auc"].value is not None
    assert record.scores["auc"].low < record.scores["auc"].value
    assert not list(folder.glob("draws.*"))  # they would tell the labels
    labels = json.loads(truth.read_text())["labels"]
    assert labels
    held = "".join(path.read_text() for path in (tmp_path / "submissions").rglob("*.json"))
    assert str(truth) not in held
    with pytest.raises(BadData):
        CliRunner().invoke(app, ["verify", str(tmp_path / "no")], catch_exceptions=False)


@pytest.mark.parametrize(("fewest", "reason"), [("HIDDEN", "records"), ("SEEDS", "seeds")])
def test_many_predictions_of_withheld_labels_are_not_scored(own_home, tmp_path, monkeypatch, fewest, reason):
    write_planted(own_home, n=80, rois=6, effect=0.4)
    truth = tmp_path / "truth.json"
    cut = ("data", "withhold", "abide1", "--task", "abide1-asd", "--name", "abide1-open", "--truth", truth)
    assert typed(*cut, "--share", "0.4").exit_code == 0
    run_in_process("abide1-asd@hidden:abide1-open", tmp_path / "runs")
    assert typed("submit", "fc-logistic", "--to", tmp_path / "jane", "--store", tmp_path / "runs").exit_code == 0
    assert typed("verify", tmp_path / "jane", "--truth", truth).exit_code == 0
    monkeypatch.setattr(f"brainbench.benchmark.submitting.verify.MOST_{fewest}", 0)
    done = typed("verify", tmp_path / "jane", "--truth", truth)
    assert done.exit_code == 1
    assert f"1 {reason} o" in done.output
    assert "with withheld truth; at most 0 are scored: the scores of many predictions" in done.output


def test_the_template_is_what_is_read():
    folder = ROOT / "submissions" / "template"
    if not folder.is_dir():
        pytest.skip("the template is in a clone only, and this is an installed package")
    Manifest.model_validate_json((folder / "submission.json").read_text())
    CardPart.model_validate_json((folder / "card.json").read_text())
    assert not list(accepted(ROOT / "submissions"))


@pytest.fixture(scope="module")
def workflow() -> dict:
    path = ROOT / ".github" / "workflows" / "verify.yml"
    return yaml.safe_load(path.read_text())


def test_the_workflow_trusts_nothing_of_a_pull_request(workflow):
    assert set(workflow[True]) == {"pull_request"}  # YAML reads the key `on` as a truth value
    assert workflow["permissions"] == {"contents": "read"}
    text = json.dumps(workflow)
    assert "secrets." not in text
    checkouts = [step["with"] for step in workflow["jobs"]["verify"]["steps"] if "uses" in step]
    assert [step["path"] for step in checkouts] == ["project", "offered"]
    assert all(step["persist-credentials"] is False for step in checkouts)
    scripts = [step["run"] for step in workflow["jobs"]["verify"]["steps"] if "run" in step]
    assert not any("${{" in script for script in scripts)  # no text of the pull request in a shell


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"submissions/jane/submission.json": "{}"}, ""),
        ({"submissions/jane/a.json": "{}", "README.md": "x"}, "changes nothing but its own folder"),
        ({"submissions/jane/a.json": "{}", "submissions/eve/a.json": "{}"}, "one submission a pull request"),
        ({"submissions/old/a.json": "{}"}, "there is a submission of this name already"),
        ({"submissions/README.md": "x"}, "changes nothing but its own folder"),
        ({"submissions/.evil/a.json": "x"}, "changes nothing but its own folder"),
    ],
)
def test_the_workflow_takes_one_folder_and_nothing_else(workflow, tmp_path, change, message):
    def git(*words: str) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", *name, *words], cwd=offered, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(files: dict[str, str]) -> str:
        for file, text in files.items():
            (offered / file).parent.mkdir(parents=True, exist_ok=True)
            (offered / file).write_text(text)
        git("add", "-A")
        git("commit", "-qm", "x")
        return git("rev-parse", "HEAD")

    offered = tmp_path / "offered"
    offered.mkdir()
    git("init", "-q")
    base = write({"README.md": "a", "submissions/README.md": "a", "submissions/old/submission.json": "{}"})
    git("clone", "-q", str(offered), str(tmp_path / "project"))
    head = write(change)
    (script,) = (
        step["run"] for step in workflow["jobs"]["verify"]["steps"] if "adds one folder" in step.get("name", "")
    )
    environment = {"BASE": base, "HEAD": head, "GITHUB_SERVER_URL": str(tmp_path), "GITHUB_REPOSITORY": "project"}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == (1 if message else 0), done.stderr
    assert message in done.stdout
    if not message:
        assert (tmp_path / "names").read_text() == "jane\n"
