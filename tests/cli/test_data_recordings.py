"""``brainbench data`` on networks: import, check, list, simulate and where."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from brainbench.benchmark import home
from brainbench.benchmark.cli import app
from brainbench.benchmark.cli.recordings_rows import listed
from brainbench.benchmark.datasets.recordings.netsim import known_graph
from brainbench.benchmark.errors import BrainbenchError


def command(*arguments: object) -> Result:
    """Run in this process; an error that a person can mend stays in `Result.exception`."""
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def refused(*arguments: object) -> BrainbenchError:
    error = command(*arguments).exception
    assert isinstance(error, BrainbenchError), error
    assert error.hint
    return error


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Simulations 1, 13 and 14 in the layout of GVAR; one recording of simulation 14 is broken."""
    folder = tmp_path / "copy"
    folder.mkdir()
    off = ~np.eye(5, dtype=bool)
    for sim in (1, 13, 14):
        values = np.random.default_rng(sim).normal(size=(4, 5, 30, 1))
        if sim == 14:
            values[2, 0] = np.nan
        np.save(folder / f"fmri_sim{sim}.npy", values)
        np.savetxt(folder / f"fmri_sim{sim}_struct.csv", known_graph(str(sim)).T[off])
    return folder


def test_import_says_what_it_did(copy):
    done = command("import", "netsim", copy)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["installed", "subjects", "nodes"]
    assert lines[1].split()[:7] == ["netsim-1", "4", "5", "30", "3", "5", "1"]
    assert "orientation of fmri_simK.npy with fmri_simK_struct.csv: target-source (documented: " in done.stdout
    assert "subjects left out: 1\n  netsim-14 sub-03: NaN or infinity in 30 of 30 frames" in done.stdout
    assert "not installed: 1\n  netsim-13: fmri_sim13.npy: its subjects have different graphs" in done.stdout
    assert "missing: 25: 2-12, 15-28" in done.stdout
    assert "brainbench data check netsim-1" in done.stderr


def test_import_for_programs(copy):
    found = json.loads(command("import", "netsim", copy, "--json").stdout)
    assert [row["name"] for row in found["installed"]] == ["netsim-1", "netsim-14"]
    assert found["installed"][0]["orientation"]["found"] == "target-source"
    assert list(found["failed"]) == ["13"]
    only = json.loads(command("import", "netsim:14", copy, "--json").stdout)
    assert ([row["name"] for row in only["installed"]], only["missing"]) == (["netsim-14"], [])


def test_errors_are_messages(copy, tmp_path):
    error = refused("import", "netsim:1", copy, "--orientation", "source-target")
    assert "the orientation is wrong" in error.message
    assert "no orientation 'up'" in refused("import", "netsim", copy, "--orientation", "up").message
    assert (
        "netsim takes --orientation, --tr and --json only" in refused("import", "netsim", copy, "--name", "x").message
    )
    assert "netsim takes" in refused("import", "netsim", copy, "--min-frames", 20).message
    assert "the TR of netsim is known" in refused("import", "netsim", copy, "--tr", 3).message
    assert "own holds no graphs" in refused("import", "own", copy, "--orientation", "source-target").message
    assert "netsim has no part '99'" in refused("import", "netsim:99", copy).message
    assert "no dataset 'netsin'" in refused("import", "netsin", copy).message
    assert "netsim has 28 parts" in refused("simulate", "netsim").message
    assert "no twin of size 'huge'" in refused("simulate", "netsim:1", "--size", "huge").message
    assert "there are: none" in refused("check", "netsin-1").message
    folder = tmp_path / "seed42_node5_n_samples10000"
    folder.mkdir()
    np.save(folder / "data1.npy", np.ones((9, 5)))
    np.save(folder / "ground_truth.npy", np.zeros((5, 5)))
    assert "orientation not stated" in refused("import", "cdrl", tmp_path).message


def test_check_where_and_list(copy):
    command("import", "netsim", copy)
    for name in ("netsim-1", "netsim:1"):
        assert command("where", name).stdout.strip() == str(home.cohorts() / "netsim-1")
    done = command("check", "netsim-14")
    assert done.exit_code == 0
    assert "not topological; the graph has cycles" in done.stdout
    assert "sub-03: NaN or infinity" in done.stdout
    assert done.stdout.rstrip().endswith("netsim-14: 3 subjects: 0 errors, 0 warnings")
    assert json.loads(command("check", "netsim-1", "--json").stdout)["facts"]["edges"] == "5"
    shown = command("list").stdout
    assert "netsim    public simulation  1, 14" in shown
    assert "(2 of 28 parts installed)" in shown
    assert shown.count("NetSim") == 1
    found = json.loads(command("list", "--json").stdout)
    assert [row["name"] for row in found["networks"]] == ["netsim-1", "netsim-14"]
    assert {"netsim", "sanchez", "cdrl", "mtl"} <= {row["dataset"] for row in found["datasets"]}


def test_damage_is_shown(copy):
    command("import", "netsim", copy)
    file = home.cohorts() / "netsim-1" / "series.f64"
    raw = bytearray(file.read_bytes())
    raw[0] ^= 1
    file.write_bytes(raw)
    done = command("check", "netsim-1")
    assert done.exit_code == 1
    assert "sub-01: error: the series is not the one that was written" in done.stdout
    file.write_bytes(raw[:-1])
    assert "damaged: " in command("list").stdout
    assert "truncated or replaced" in refused("check", "netsim-1").message


def test_get_says_what_comes_next(monkeypatch, tmp_path):
    from brainbench.benchmark.datasets import fetch

    asked = []
    monkeypatch.setattr(fetch, "get", lambda *options, **more: asked.append(options) or options[1])
    assert command("get", "netsim:1").stdout == "netsim\nnext:  brainbench data import netsim:1 netsim\n"
    assert asked == [("netsim:1", Path("netsim"), None)]


def test_simulate():
    done = command("simulate", "netsim:26", "--seed", 2)
    assert done.stdout.strip() == str(home.twins() / "netsim-26-small-seed2")
    checked = json.loads(command("check", "netsim-26-small-seed2", "--json").stdout)
    assert (checked["facts"]["subjects"], checked["facts"]["origin"], checked["errors"]) == (10, "twin", 0)


def test_runs_of_numbers():
    assert listed(["1", "2", "3", "5", "6", "8"]) == "1-3, 5, 6, 8"
    assert listed(["Network1_amp", "Network2_amp"]) == "Network1_amp, Network2_amp"
    assert listed([]) == ""


def test_check_of_a_data_set_checks_all_its_installed_parts(copy):
    assert "netsim is not installed" in refused("check", "netsim").message
    command("import", "netsim", copy)
    done = command("check", "netsim")
    assert done.exit_code == 0, done.output
    lines = ["netsim-1: 4 subjects: 0 errors, 0 warnings", "netsim-14: 3 subjects: 0 errors, 0 warnings"]
    assert done.stdout.splitlines() == lines
    file = home.cohorts() / "netsim-14" / "series.f64"
    raw = bytearray(file.read_bytes())
    raw[0] ^= 1
    file.write_bytes(raw)
    done = command("check", "netsim")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [lines[0], "netsim-14: 3 subjects: 1 errors, 0 warnings"]
    assert "brainbench data check netsim-14" in done.stderr
    file.write_bytes(raw[:-1])
    assert "netsim-14: damaged: " in command("check", "netsim").stdout
    done = command("check", "netsim", "--json")
    assert done.exit_code == 1
    assert [(each["name"], each["errors"]) for each in json.loads(done.stdout)] == [("netsim-1", 0), ("netsim-14", 1)]
    assert "netsim is no folder but 2 installed parts: 1, 14" in refused("where", "netsim").message


@pytest.mark.parametrize("name", ["netsim:13", "netsim-13"])
def test_a_part_that_is_not_installed_says_how_to_get_it(copy, name):
    command("import", "netsim", copy)
    error = refused("check", name)
    assert error.message.startswith("netsim:13 is not installed")
    assert "brainbench data get netsim   then  brainbench data import netsim PATH" in error.hint
    assert "brainbench data simulate netsim:13" in error.hint
    assert "netsim has no part '99'" in refused("check", "netsim:99").message
    assert "no cohort 'netsim-1-small'" in refused("check", "netsim-1-small").message
    assert "cdrl:quad-5 is not installed" in refused("check", "cdrl-quad-5").message
