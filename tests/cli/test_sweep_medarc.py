"""``brainbench sweep`` of MedARC from draw to stitched record, with real workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app

TASK = f"{Path(__file__).parents[1] / 'plugins' / 'toy_films.py'}:TOY"
TINY = ("crops=48", "epochs=2", "batch=8", "estimate=same-movies")


def test_members_are_trained_once_and_stitched(tmp_path):
    settings = [part for text in TINY for part in ("--set", text)]
    found = CliRunner().invoke(
        app,
        ["sweep", "--task", TASK, "--method", "medarc", "--data", "simulated", "--configs", "3", "--top", "1", "--top",
         "0", *settings, "--store", str(tmp_path), "--json"],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    trials, (chosen, one, every) = told["trials"], told["records"]
    assert [trial["figure"] for trial in trials] == ["validation_r"] * 3
    assert chosen["method"]["name"] == "medarc+swept"
    assert chosen["method"]["options"]["rate"] == trials[0]["options"]["rate"]
    for record, top in ((one, 1), (every, 0)):
        assert record["method"]["name"] == "medarc+ensemble"
        assert record["method"]["options"]["top"] == top
        assert record["method"]["options"]["inner_movies"] == 2
        (cell,) = record["cells"]
        facts = cell["report"]
        assert facts["validation_r"] == facts["expected_r_nested"]
        by_number = sorted(trials, key=lambda trial: trial["number"])
        assert facts["member_validation_r"] == pytest.approx([t["validation"] for t in by_number], abs=1e-4)
        assert set(facts["inner_movies"]) == {"figures", "bourne"}
    assert one["cells"][0]["report"]["expected_r_same_movies"] >= one["cells"][0]["report"]["expected_r_nested"]
    assert every["cells"][0]["report"]["member_share"] == [1, 1, 1]
    assert all(record["scores"]["encoding-r"]["value"] > 0.1 for record in (chosen, one, every))
    assert not list((tmp_path / "shared").glob("*"))
