"""Slips in names of tasks, controls and options: refused before anything is run, with the right spelling."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.cli.judge import refuse_no_model, tell
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.judges import Case, EndpointJudge, JudgeError
from brainbench.benchmark.judging import judge_record
from brainbench.benchmark.plan import Request, resolve_method, unused_settings, with_controls
from brainbench.benchmark.registry import load_method, load_task


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("hcp-sex@", "no regime after the @", "hcp-sex"),
        ("hcp-sex@zero-shot:", "nothing after the colon", "hcp-sex@zero-shot"),
        ("hcp-sex@joint:", "nothing after the colon", "hcp-sex@joint"),
        ("hcp-sex@external:", "which cohort", "hcp-sex@external:NAME"),
        ("hcp-sex@4-shot:ukb-age,ukb-age", "each once", "ukb-age"),
        ("hcp-sex@4-shot: ukb-age, hcp-age", "no space", "ukb-age,hcp-age"),
        ("hcp-sex@4-shot:,", "each once", "name tasks, or none"),
        ("hcp-sex@4-shot:none,ukb-sex", "none stands alone", "name tasks, or none"),
        ("hcp-sex@4-shot:hcp-sex", "its own source", "name other tasks"),
    ],
)
def test_a_task_has_one_spelling(name, message, hint):
    with pytest.raises(BadOption, match=message) as caught:
        load_task(name)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("method", "message", "hint"),
    [
        ("fmri-lm+", "no control after the", "use  fmri-lm"),
        ("fmri-lm+textonly", "no control 'textonly'", "text-only, question-only"),
        ("majority+text-only", "no control 'text-only'", "use  majority"),
    ],
)
def test_a_control_that_is_none(method, message, hint):
    with pytest.raises(BadOption, match=message) as caught:
        resolve_method(Request(("hcp-sex",), (method,)), method)
    assert hint in caught.value.hint


def test_controls_of_methods_that_have_none():
    with pytest.raises(BadOption, match="no controls of majority, fc-svm"):
        with_controls(Request(("hcp-sex",), ("majority", "fc-svm"), controls=True))
    assert len(with_controls(Request(("hcp-sex",), ("majority", "fmri-lm"), controls=True))) > 2


def test_an_option_of_a_control_is_that_of_its_method():
    request = Request(("hcp-sex",), ("fmri-lm+no-lm",), settings=("fmri-lm+no-lm.lm=tiny-random",))
    with pytest.raises(BadOption, match="takes the options of its method") as caught:
        unused_settings(request, [load_method("fmri-lm")[0]])
    assert caught.value.hint == "use  --set fmri-lm.lm=tiny-random"


def test_an_interrupted_pretraining_says_what_goes_on(monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("brainbench.benchmark.pretraining.pretrain", stop)
    done = CliRunner().invoke(app, ["pretrain", "--method", "fmri-lm", "--cohort", "hcp", "--out", str(tmp_path / "w")])
    assert (done.exit_code, "the same command goes on" in done.output) == (130, True)
    assert not (tmp_path / "w").exists()


def test_a_judge_is_refused_before_anything_is_sent():
    asked = SimpleNamespace(unique=[1, 2])
    with pytest.raises(BadOption, match="needs a key"):
        tell(asked, EndpointJudge("gpt"), True)
    with pytest.raises(BadOption, match="with which model"):
        refuse_no_model("http://localhost:1/v1")


def test_replies_that_nobody_can_read_leave_no_verdicts(monkeypatch, tmp_path):
    monkeypatch.setattr(EndpointJudge, "ask", lambda self, user: "who knows")
    asked = SimpleNamespace(unique=[Case("sex", ("f", "m"), "f", "she")], record=SimpleNamespace(id="r"))
    with pytest.raises(JudgeError, match="no reply of gpt can be read"):
        judge_record(asked, EndpointJudge("gpt"), tmp_path, lambda *step: None)
    assert not list(tmp_path.rglob("*.json"))


def test_a_store_of_edited_records_is_not_called_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for store, told in ((tmp_path / "edited", "doctor --store"), (tmp_path / "empty", "run something first")):
        (store / "records" / "a").mkdir(parents=True)
        if store.name == "edited":
            (store / "records" / "a" / "record.json").write_text("{}")
        result = CliRunner().invoke(app, ["leaderboard", "--store", str(store)])
        assert told in str(result.exception or result.output)
