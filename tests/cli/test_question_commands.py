"""``show answers``, and judges' verdicts below a board."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.judging import judge_record, prepare
from support import plan_of, write_planted


class Yes:
    """A judge that calls every answer right."""

    name, version, where, instructions = "yes-man", "1", "this machine", ""

    def verdicts(self, cases):
        return iter(["right"] * len(cases))


def test_answers_and_verdicts_are_shown_apart_from_the_ranking(own_home, run_plan, store):
    write_planted(own_home, n=40)
    run_plan(plan_of("abide1-multi", "majority", folds=2))
    record, folder = store.find("abide1-multi--majority")
    runner, place = CliRunner(), ["--store", str(store.path)]

    shown = runner.invoke(app, ["show", "answers", record.id, "--items", "3", "--json", *place])
    rows = json.loads(shown.stdout)
    assert len(rows) == 3
    assert rows[0]["answer"].count("|") == 2
    assert "'|'" in rows[0]["prompt"]
    assert list(rows[0]["truth"]) == ["sex", "age_group", "diagnosis"]
    assert set(rows[0]["matched"].values()) == set(rows[0]["answer"].split(" | "))
    wrong = json.loads(
        runner.invoke(app, ["show", "answers", record.id, "--items", "40", "--wrong", "--json", *place]).stdout
    )
    assert all(any(row["matched"][name] != label for name, label in row["truth"].items()) for row in wrong)
    share = 1 - len(wrong) / 40
    assert share == pytest.approx(record.scores["all-fields-accuracy"].pooled)
    assert "wrong" in runner.invoke(app, ["show", "answers", record.id, *place]).stdout

    before = runner.invoke(app, ["leaderboard", "--format", "markdown", *place]).stdout
    assert "Judged" not in before
    judge_record(prepare(record, folder, lambda label, done, total: None), Yes(), store.path, lambda *step: None)
    after = runner.invoke(app, ["leaderboard", "--format", "markdown", *place]).stdout
    judged = after[after.index("**Judged") :].partition("\n- ")[0]
    assert after.replace(judged, "").replace("\n\n\n", "\n\n") == before  # the board is the same
    assert "not ranked" in judged
    assert "yes-man (1; this machine)" in judged
    assert "1.000" in judged


def test_records_without_answers_are_refused(own_home, run_plan, store):
    write_planted(own_home, n=40)
    run_plan(plan_of("abide1-asd", "majority", folds=2))
    runner, place = CliRunner(), ["--store", str(store.path)]
    for command in (["show", "answers", "abide1-asd"], ["judge", "abide1-asd", "--model", "tiny-random"]):
        done = runner.invoke(app, [*command, *place])
        assert isinstance(done.exception, BadOption)
        assert "no answers to fields" in str(done.exception)
