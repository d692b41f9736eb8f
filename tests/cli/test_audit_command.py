"""``brainbench audit``: a table or JSON, and an exit code that a script can rely on."""

from __future__ import annotations

import json
import re

import pytest
from test_cli import brainbench

from support import MOCKS, write_planted

ROGUES = MOCKS.parent / "audit_rogues.py"
HONEST = f"{ROGUES}:HONEST"


def test_a_clean_task_passes_and_every_trap_has_a_line(own_home, tmp_path):
    write_planted(own_home, n=40)
    done = brainbench("audit", "--task", HONEST, "--data", "real", "--json", cwd=tmp_path)
    results = json.loads(done.stdout)
    assert {result["level"] for result in results} <= {"ok", "note", "not covered"}
    traps = {int(trap) for result in results for trap in re.findall(r"L(\d+)", result["trap"])}
    assert traps == set(range(1, 17))
    assert all(result["looked"] and result["message"] for result in results)
    assert not (tmp_path / "runs").exists()


def test_a_leak_is_in_the_table_and_in_the_exit_code(own_home, tmp_path):
    write_planted(own_home, n=40, copy_of_first=True)
    done = brainbench("audit", "--task", HONEST, "--data", "real", cwd=tmp_path, code=1)
    assert re.search(r"duplicate-scans.*leak", done.stdout)
    assert re.search(r"shared-frames.*leak", done.stdout)
    assert "leak" in done.stdout.splitlines()[-1]


def test_a_method_is_put_to_the_test_and_the_same_command_reuses_its_shuffles(own_home, tmp_path):
    write_planted(own_home, n=60, effect=2.0)
    command = ("audit", "-t", HONEST, "-m", f"{ROGUES}:ScalesOnTest", "--data", "real", "--shuffles", "2", "--json")
    done = brainbench(*command, cwd=tmp_path, code=1)
    levels = {result["detector"]: result["level"] for result in json.loads(done.stdout)}
    assert levels["invariance"] == "leak"
    assert levels["label-shuffle"] == "ok"
    assert levels["score-by-site"] == "not covered"
    (kept,) = (tmp_path / "runs" / "audit").iterdir()
    assert set(json.loads(kept.read_text())) == {"true", "0", "1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "abide2-ads"], "did you mean 'abide2-asd'"),
        (["-t", HONEST, "--shuffles", "3"], "name one:  brainbench audit --task T --method M"),
        (["-t", HONEST, "-m", "majority", "--set", "depth=3"], "no option 'depth'"),
        (["-t", HONEST, "--data", "real", "--against", "nowhere"], "no cohort 'nowhere' is installed"),
        (["-t", HONEST, "--data", "real", "--checkpoint", "gone.pt"], "no such file"),
    ],
)
def test_a_person_errs_and_is_told_what_to_type(arguments, message, own_home, tmp_path):
    write_planted(own_home, n=20)
    done = brainbench("audit", *arguments, cwd=tmp_path, code=2)
    assert message in done.stderr, done.stderr
    assert done.stdout == ""


def test_help_shows_an_example():
    assert "Example" in brainbench("audit", "--help").stdout
