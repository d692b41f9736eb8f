"""Pretraining leaves a checkpoint that knows whom it saw, and a run refuses to test on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.audit import SEEN
from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadData, BadOption, DataMissing
from brainbench.benchmark.pretraining import Plan, pretrain
from support import write_planted

METHOD = f"{Path(__file__).parents[1] / 'plugins' / 'pretrained.py'}:Averaged"


def type_in(*arguments: object) -> object:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def two_cohorts(own_home: Path) -> None:
    write_planted(own_home, "abide1", n=40)
    write_planted(own_home, "elsewhere", n=24, prefix="other", seed=1)


def test_a_checkpoint_of_other_people_may_be_used(two_cohorts, tmp_path):
    done = type_in("pretrain", "--method", METHOD, "--cohort", "elsewhere", "--out", tmp_path / "weights")
    assert done.exit_code == 0, done.output
    assert "24 scans of 24 subjects" in done.stdout
    assert (tmp_path / "weights" / SEEN).is_file()
    run = type_in(
        "run", "--task", "abide1-asd", "--method", METHOD, "--folds", 2, "--checkpoint", tmp_path / "weights",
        "--store", tmp_path / "runs",
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert "none of the 40 test subjects" in run.stdout.replace("\n", " ")


def test_a_checkpoint_that_saw_test_subjects_is_refused_or_marked(two_cohorts, tmp_path):
    both = ("--cohort", "abide1", "--cohort", "elsewhere")
    assert type_in("pretrain", "--method", METHOD, *both, "--out", tmp_path / "w").exit_code == 0
    command = (
        "run", "--task", "abide1-asd", "--method", METHOD, "--folds", 2, "--checkpoint", tmp_path / "w",
        "--store", tmp_path / "runs",
    )  # fmt: skip
    refused = type_in(*command)
    assert isinstance(refused.exception, BadOption)
    assert "40 of 40 test subjects" in str(refused.exception)
    allowed = type_in(*command, "--allow-overlap")
    assert allowed.exit_code == 0, allowed.output
    assert "LEAK" in allowed.output
    assert "│ - │" in allowed.output  # no rank
    store = ("--store", tmp_path / "runs")
    fair = type_in("run", "--task", "abide1-asd", "--method", "majority", "--folds", 2, *store)
    assert fair.exit_code == 0, fair.output
    compared = type_in("compare", "majority", "pretrained:Averaged", "--task", "abide1-asd", *store)
    assert compared.exit_code == 0, compared.output
    assert compared.output.count("is not ranked") == 1


def test_what_cannot_be_pretrained_is_answered(two_cohorts, tmp_path):
    def go(method=METHOD, cohorts=("abide1",), data="real", target="w"):
        return pretrain(Plan(method, cohorts, data), tmp_path / target, lambda label, done, total: None)

    with pytest.raises(BadOption, match="no pretraining") as told:
        go("majority")
    assert "brain-jepa, " in told.value.hint
    assert "majority" not in told.value.hint
    with pytest.raises(BadData, match="no scans of people"):
        go(cohorts=("netsim:1",), data="simulated")
    with pytest.raises(DataMissing):
        go(cohorts=("nowhere",))
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    with pytest.raises(BadOption, match="no checkpoint"):
        go(target="full")
    assert (full / "thesis.txt").read_text() == "mine"


def test_cohorts_of_other_atlases_are_not_mixed(own_home, tmp_path):
    write_planted(own_home, "abide1", n=20)
    write_planted(own_home, "wide", n=20, rois=20, prefix="w")
    with pytest.raises(BadData, match="other ROIs"):
        pretrain(Plan(METHOD, ("abide1", "wide")), tmp_path / "w", lambda label, done, total: None)
    assert not (tmp_path / "w").exists()


def test_a_method_that_reads_no_weights_refuses_a_checkpoint(two_cohorts, tmp_path):
    assert type_in("pretrain", "--method", METHOD, "--cohort", "elsewhere", "--out", tmp_path / "w").exit_code == 0
    refused = type_in("run", "--task", "abide1-asd", "--method", "fc-svm", "--checkpoint", tmp_path / "w")
    assert isinstance(refused.exception, BadOption)
    assert "cannot start from weights" in str(refused.exception)
