"""Sweeps rank by inner validation alone, compute nothing twice, and tell test scores of the chosen only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.space import draw, size, space_of
from brainbench.benchmark.store import Store, read_cell
from brainbench.benchmark.sweeping import BY_FOLD, validation
from support import MOCKS

SWEEPERS = Path(__file__).parents[1] / "plugins" / "sweepers.py"
SPACE = {"a": (1, 2, 3), "b": ("x", "y"), "fixed": (7,)}


def sweep(tmp_path: Path, method: str, *options: str, code: int = 0) -> str:
    arguments = ["sweep", "--task", f"{MOCKS}:REGRESSION", "--method", f"{SWEEPERS}:{method}", "--data", "simulated"]
    found = CliRunner().invoke(app, [*arguments, "--store", str(tmp_path), *options])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == code, found.output
    return found.stdout


def swept(tmp_path: Path, method: str, *options: str) -> tuple[list[dict], list[dict]]:
    told = json.loads(sweep(tmp_path, method, "--json", *options))
    return told["trials"], told["records"]


@given(st.integers(1, 6), st.integers(0, 99))
def test_draws_are_different_and_a_longer_list_begins_with_a_shorter_one(count, seed):
    drawn = draw(SPACE, count, seed)
    assert len({tuple(one.items()) for one in drawn}) == count
    assert all(one["a"] in SPACE["a"] and one["b"] in SPACE["b"] and one["fixed"] == 7 for one in drawn)
    assert draw(SPACE, 6, seed)[:count] == drawn


def test_every_configuration_is_drawn_in_the_end_and_no_more():
    assert size(SPACE) == 6
    with pytest.raises(BadOption, match="the space holds 6"):
        draw(SPACE, 7, 0)


def test_a_sweep_ranks_by_validation_and_never_by_the_test(tmp_path):
    trials, records = swept(tmp_path, "Sweeper", "--configs", "4")
    assert [trial["status"] for trial in trials] == ["ok", "ok", "ok", "failed"]
    assert [trial["validation"] for trial in trials] == pytest.approx([0.31, 0.3, 0.0, None])
    (record,) = records
    assert record["method"]["name"].endswith("+swept")
    assert record["method"]["options"] == trials[0]["options"] == {"shift": 3.0, "twist": "b"}
    assert record["scores"]["mae"]["value"] == pytest.approx(3, abs=0.2)  # the worst of all by the test
    assert len(list(Store(tmp_path).records())) == 1  # no other configuration has a test score
    out = sweep(tmp_path, "Sweeper", "--configs", "4")
    assert "this one cannot be trained" in out
    assert "no test score is used" in out


def test_the_same_sweep_computes_nothing_again_and_a_wider_one_only_the_rest(tmp_path):
    first, _ = swept(tmp_path, "Losing", "--configs", "2", "--seed", "1")
    keys = {path.name for path in (tmp_path / "cells").iterdir()}
    again, _ = swept(tmp_path, "Losing", "--configs", "2", "--seed", "1")
    assert again == first
    wider, _ = swept(tmp_path, "Losing", "--configs", "3", "--seed", "1")
    assert {path.name for path in (tmp_path / "cells").iterdir()} > keys
    numbered = {trial["number"]: trial["options"] for trial in wider}
    assert all(numbered[trial["number"]] == trial["options"] for trial in first)


def test_less_of_a_loss_is_better(tmp_path):
    trials, _ = swept(tmp_path, "Losing", "--configs", "4")
    assert trials[0]["options"] == {"shift": 0.0, "twist": "a"}
    assert trials[0]["validation"] == 0.0


def test_each_fold_takes_what_its_own_validation_prefers(tmp_path):
    trials, (record,) = swept(tmp_path, "ByFold", "--configs", "2")
    assert {tuple(trial["folds"].values()) for trial in trials} == {(0.0, 1.0), (1.0, 0.0)}
    assert record["method"]["options"]["shift"] == BY_FOLD
    folders = sorted((tmp_path / "records" / record["id"] / "cells").iterdir())
    shifts = [read_cell(folder).cell.method.options["shift"] for folder in folders]
    assert sorted(shifts) == [0.0, 1.0]
    assert [cell["report"]["validation_r"] for cell in record["cells"]] == [1.0, 1.0]


def test_an_ensemble_uses_what_the_trials_trained_and_is_told_beside_the_chosen(tmp_path):
    trials, records = swept(tmp_path, "Team", "--configs", "2", "--seed", "3", "--top", "1", "--top", "2")
    assert all(trial["status"] == "ok" for trial in trials)
    chosen, *ensembles = records
    assert chosen["method"]["options"]["members"] == 0
    assert [record["method"]["options"]["top"] for record in ensembles] == [1, 2]
    for record in ensembles:
        assert (record["method"]["options"]["members"], record["method"]["options"]["members_seed"]) == (2, 3)
        assert [cell["report"]["made"] for cell in record["cells"]] == [[], []]
    out = sweep(tmp_path, "Team", "--configs", "2", "--seed", "3", "--top", "1")
    assert "ensemble of 2, top 1" in out
    assert "expected_r_nested 0.2500" in out


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("Sweeper", ("--configs", "5"), "the space holds 4"),
        ("Sweeper", ("--configs", "2", "--top", "3"), "has no ensemble"),
        ("Silent", ("--configs", "1"), "no validation_... figure"),
    ],
)
def test_what_cannot_be_swept_is_refused(tmp_path, method, options, message):
    with pytest.raises(BadOption, match=message):
        sweep(tmp_path, method, *options)


def test_a_method_without_a_space_is_refused(tmp_path):
    with pytest.raises(BadOption, match="no space"):
        sweep(tmp_path, "Plain", "--configs", "2")


def test_a_dry_run_lists_the_cells_of_all_configurations(tmp_path):
    rows = json.loads(sweep(tmp_path, "Team", "--configs", "3", "--dry-run", "--json"))
    assert len(rows) == (3 + 1) * 2
    assert not (tmp_path / "records").exists()


def test_spaces_by_name_follow_the_option():
    class Two:
        space = {"small": {"a": (1,)}, "large": {"a": (2,)}}

    assert space_of(Two, {"a": 0, "member_space": "large"}) == {"a": (2,)}
    with pytest.raises(BadOption, match="no option: a"):
        space_of(Two, {"member_space": "large"})


def test_the_validation_figure_is_the_first_number():
    assert validation({"validation_by": {"a": 1}, "validation_nan": float("nan"), "validation_r": 0.5}) == (
        "validation_r", 0.5,
    )  # fmt: skip
    assert validation({"r": 1.0}) == ("", None)
