"""``brainbench check``: each detector sees its rogue, and a fair method passes them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from brainbench.benchmark.checking import (
    Wanted,
    check_method,
    contract,
    labels,
    passed,
    robust,
    steady,
    trials,
    watching,
)
from brainbench.benchmark.checking.bait import Bait, tells_reads
from brainbench.benchmark.checking.checks import Bench, check_kind, resolve, shapes
from brainbench.benchmark.checking.planted import MAKERS, Ask, plant, with_truth_of
from brainbench.benchmark.checking.trials import Trial, Trials
from brainbench.benchmark.checking.verdict import Verdict
from brainbench.benchmark.contracts import silent
from brainbench.benchmark.errors import BadOption, BrainbenchError
from brainbench.benchmark.kinds import KINDS, get_kind
from brainbench.benchmark.registry import load_method
from brainbench.benchmark.staging import visible
from brainbench.benchmark.worker import run_cell

ROGUES = Path(__file__).parents[1] / "plugins" / "check_rogues.py"


class InProcess:
    """A worker in this process: quick, and blind to what is opened."""

    def __init__(self, threads, log, variables) -> None:
        self.log = log

    def run(self, folder, limits, progress):
        import contextlib

        with open(self.log, "w") as log, contextlib.redirect_stderr(log):
            return run_cell(folder, progress)

    def kill(self) -> None:
        pass


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(trials, "WatchedWorker", InProcess)


def bench_of(name: str, folder: Path) -> Bench:
    method, spec = resolve(Wanted(f"{ROGUES}:{name}"))
    (folder / "data").mkdir()
    (folder / "trials").mkdir()
    planted = plant(Ask("classification", method, folder / "data"))
    return Bench(method, spec, planted, Trials(spec, ROGUES, folder / "trials"), ROGUES)


def started(name: str, folder: Path):
    bench = bench_of(name, folder)
    (base,) = bench.trials.run([Trial("first run", bench.planted)])
    return bench, base


def faults(verdicts, level: str = "fault") -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.level == level]


def test_a_fair_method_passes_every_check_in_processes_of_their_own(tmp_path):
    method, spec = resolve(Wanted(f"{ROGUES}:Fair"))
    verdicts = list(check_kind(method, spec, "classification", tmp_path, silent))
    assert {verdict.level for verdict in verdicts} == {"ok"}, verdicts
    assert len(verdicts) == 12


# --- the class ---


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Annotated", "depth: no options"),
        ("Bare", "option table"),
        ("WrongPreset", "sets width"),
        ("WrongKind", "there is not"),
    ],
)
def test_a_class_that_breaks_the_contract_is_told(name, told):
    method, _ = load_method(f"{ROGUES}:{name}")
    found = faults(contract.contract(method))
    assert len(found) == 1
    assert told in found[0].message
    assert found[0].hint


def test_a_misspelt_kind_gets_the_right_one_for_a_hint():
    method, _ = load_method(f"{ROGUES}:WrongKind")
    assert "'classification'" in faults(contract.contract(method))[0].hint


def test_an_empty_card_is_a_fault():
    method, _ = load_method(f"{ROGUES}:Untold")
    assert "no summary" in contract.card(method).message


def test_a_heavy_import_is_told(tmp_path):
    file = tmp_path / "heavy.py"
    file.write_text(ROGUES.read_text().replace("import io\n", "import io\nimport nilearn\n", 1))
    assert contract.import_cost(f"{file}:Fair").level == "note"
    assert contract.import_cost(f"{ROGUES}:Fair").level == "ok"


def test_a_class_with_faults_is_not_run():
    verdicts = list(check_method(Wanted(f"{ROGUES}:WrongPreset")))
    assert verdicts[-1].level == "not covered"
    assert not passed(verdicts)


def test_a_kind_that_a_method_does_not_support_is_refused():
    with pytest.raises(BadOption, match="does not support 'regression'"):
        list(check_method(Wanted(f"{ROGUES}:Fair", "regression")))


# --- a first run ---


def test_a_wrong_shape_is_told_with_the_right_one(quick, tmp_path):
    _, base = started("WrongShape", tmp_path)
    assert shapes(base).level == "fault"
    assert "expected (40, 2)" in shapes(base).message


def test_an_error_is_told_with_its_line(quick, tmp_path):
    _, base = started("Raises", tmp_path)
    line = next(k for k, text in enumerate(ROGUES.read_text().splitlines(), 1) if "the sky fell" in text)
    assert f"check_rogues.py:{line} in fit" in shapes(base).message


def test_a_skipped_task_is_no_pass(quick, tmp_path):
    _, base = started("Skips", tmp_path)
    assert shapes(base).level == "not covered"
    assert "full moon" in shapes(base).message
    assert not passed([shapes(base)])


@pytest.mark.parametrize(("name", "told"), [("LearnsNothing", "the same for every item"), ("Random", "do not follow")])
def test_what_learns_nothing_is_seen(quick, tmp_path, name, told):
    _, base = started(name, tmp_path)
    verdict = steady.learned(base)
    assert verdict.level == "fault"
    assert told in verdict.message


# --- seeds ---


@pytest.mark.parametrize("name", ["Unseeded", "HashOrder"])
def test_what_differs_from_run_to_run_is_seen(tmp_path, name, request, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # as test runners do
    if name == "Unseeded":
        request.getfixturevalue("quick")
    bench, base = started(name, tmp_path)
    (again,) = bench.trials.run([steady.trials(bench)[0]])
    (verdict,) = steady.same_seed(bench, base, {steady.SAME: again})
    assert verdict.level == "fault"
    assert "context.seed" in verdict.hint


@pytest.mark.parametrize(("name", "level"), [("SaysUnseeded", "fault"), ("SaysSeeded", "note"), ("Fair", "ok")])
def test_whether_seeded_tells_the_truth(quick, tmp_path, name, level):
    bench, base = started(name, tmp_path)
    (other,) = bench.trials.run([steady.trials(bench)[1]])
    assert steady.other_seed(bench, base, {steady.SEEDS: other}).level == level


# --- labels ---


def test_a_reader_of_labels_is_seen_three_times(tmp_path):
    bench, base = started("ReadsLabels", tmp_path)
    again, noise = bench.trials.run([steady.trials(bench)[0], *labels.trials(bench)])
    (changed,) = steady.same_seed(bench, base, {steady.SAME: again})
    assert (changed.check, changed.level) == ("labels", "fault")
    opened = labels.opened(bench, [base], True)
    assert opened.level == "fault"
    assert "cohorts/planted/participants.tsv" in opened.message
    assert labels.on_noise(bench, noise).level == "fault"


def test_labels_that_compiled_code_reads_are_seen_by_the_time_of_the_read(tmp_path):
    if not tells_reads(tmp_path):
        pytest.skip("this file system keeps no times of reads")
    bench, base = started("ReadsCompiled", tmp_path)
    assert labels.opened(bench, [base], True).level == "fault"


def test_a_file_system_without_times_of_reads_is_told(quick, tmp_path):
    bench, base = started("Fair", tmp_path)
    verdict = labels.opened(bench, [base], False)
    assert verdict.level == "note"
    assert "compiled code" in verdict.message


def test_programs_and_hosts_are_told(tmp_path):
    bench, base = started("Outgoing", tmp_path)
    (verdict,) = labels.around(bench, [base])
    assert verdict.level == "note"
    assert "starts true" in verdict.message
    assert "127.0.0.1" in verdict.message


def test_packages_are_no_kept_weights_where_the_environment_lies_in_a_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(sys.prefix).parent))
    weights = Path(sys.prefix).parent / "weights.safetensors"
    seen = [watching.Seen("open", np.__file__), watching.Seen("open", str(weights))]
    assert watching.elsewhere(seen, tmp_path, ROGUES) == ([str(weights)], [])


def test_a_fair_method_is_at_chance_where_labels_say_nothing(quick, tmp_path):
    bench, _ = started("Fair", tmp_path)
    (noise,) = bench.trials.run(labels.trials(bench))
    assert labels.on_noise(bench, noise).level == "ok"


# --- company ---


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Position", {"another order", "fewer test items"}),
        ("ScalesOnTest", {"hold noise", "fewer test items"}),
        ("BatchSize", {"fewer test items"}),
        ("ReadsAge", {"covariates change"}),
    ],
)
def test_what_looks_beyond_its_item_is_seen_and_named(quick, tmp_path, name, told):
    bench, base = started(name, tmp_path)
    both = bench.trials.run([steady.trials(bench)[2]])[0]
    found = faults(steady.company(bench, base, {steady.ALONE: both}))
    assert len(found) == len(told)
    assert all(any(text in verdict.message for verdict in found) for text in told)


# --- what real data hold ---


@pytest.mark.parametrize(
    ("name", "level", "told"),
    [
        ("CrashesOnNaN", "fault", ["NaN: ValueError"]),
        ("NeedsFrames", "fault", ["short scans: ValueError"]),
        ("DividesByZero", "fault", ["constant ROIs: predict returned NaN"]),
        ("Spoilt", "fault", ["NaN of a few items spoil"]),
        ("Refuses", "note", ["short scans: it refuses"]),
    ],
)
def test_what_a_method_does_not_survive_is_named(quick, tmp_path, name, level, told):
    bench, _ = started(name, tmp_path)
    planted = bench.planted
    answer = bench.trials.run([Trial("survives", robust._with(planted, *planted.troubles))])[0]
    verdicts = list(robust.troubles(bench, answer, True))
    found = faults(verdicts, level)
    assert [text in verdict.message for text, verdict in zip(told, found, strict=True)] == [True] * len(told)
    assert len(verdicts) == len(planted.troubles)


def test_inner_folds_without_enough_of_a_class_are_seen(quick, tmp_path):
    bench, _ = started("NeedsMany", tmp_path)
    answer = bench.trials.run([Trial("few", bench.planted, train=bench.planted.few)])[0]
    assert robust.few(answer).level == "fault"


@pytest.mark.parametrize(
    ("name", "level", "told"),
    [
        ("Keeps", "ok", "starts from them"),
        ("KeepsNaN", "fault", "not finite"),
        ("KeepsPickles", "fault", "pickles"),
        ("CannotStart", "fault", "cannot start"),
        ("KeepsInVain", "note", "cannot start"),
        ("Fair", "ok", "keeps none"),
    ],
)
def test_weights_are_kept_and_started_from(quick, tmp_path, name, level, told):
    bench, base = started(name, tmp_path)
    found = {answer.trial.name: answer for answer in bench.trials.run(robust.trials(bench, base)[2:])}
    verdict = robust.weights(bench, base, found.get(robust.WEIGHTS))
    assert (verdict.level, told in verdict.message) == (level, True), verdict


# --- the planted data ---


@pytest.mark.parametrize("kind", KINDS)
def test_planted_data_of_every_kind(kind, tmp_path):
    method, _ = load_method(f"{ROGUES}:Fair")
    planted = plant(Ask(kind, method, tmp_path))
    assert set(MAKERS) == set(KINDS)
    assert not set(planted.train) & set(planted.test)
    assert visible(planted.task, get_kind(kind)) == planted.task.covariates
    order = np.random.default_rng(0).permutation(len(planted.items))
    other = with_truth_of(planted.items, order, planted.task)
    shown = (*get_kind(kind).inputs, *planted.task.covariates)
    before, after = planted.items.select(shown), other.select(shown)
    assert before.table.equals(after.table)
    assert all(before.arrays[name] is after.arrays[name] for name in before.arrays)
    for make in planted.troubles.values():
        assert len(make(planted.items)) == len(planted.items)


def test_a_bait_is_touched_by_a_read_alone(tmp_path):
    if not tells_reads(tmp_path):
        pytest.skip("this file system keeps no times of reads")
    method, _ = load_method(f"{ROGUES}:Fair")
    bait = Bait.laid(tmp_path / "home", plant(Ask("classification", method, tmp_path)).items)
    assert not bait.touched()
    bait.files[0].read_bytes()
    assert bait.touched() == [bait.files[0]]


# --- the command ---


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess:
    line = [sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, env={**os.environ}, check=False)


def test_the_command_says_what_it_found_and_exits_by_it(tmp_path):
    done = command("check", f"{ROGUES}:Raises", "--json", folder=tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert not told["passed"]
    assert told["verdicts"][-1]["check"] == "run"


def test_the_report_is_in_words(quick, capsys):
    from brainbench.benchmark.checking.report import show, summary

    verdicts = list(check_method(Wanted(f"{ROGUES}:Skips")))
    for verdict in verdicts:
        show(verdict, Console(width=80))
    told = capsys.readouterr().out
    assert "it skips the planted task: needs a full moon" in told
    assert max(map(len, told.splitlines())) <= 80
    assert summary(verdicts, 3.2) == "not passed: 3 ok, 1 not covered, in 3 s"


def test_an_unknown_method_is_one_message(tmp_path):
    with pytest.raises(BrainbenchError):
        resolve(Wanted("fc-logistik"))
