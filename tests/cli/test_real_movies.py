"""From a copy of the challenge and features of its films to scores: the way of real data, on a small copy."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from algonauts_files import bold, feature, write_features
from typer.testing import CliRunner, Result

from brainbench.benchmark.cli import app

LAG = 4
FRIENDS = {f"s{season:02}e01{part}": 90 for season in range(1, 7) for part in "ab"}
FILMS = {"bourne01": 80, "wolf01": 80, **{f"{film}01_run-{k}": 80 for film in ("figures", "life") for k in (1, 2)}}
R = 0.5
"""Correlation of the noise-free response with the measured one."""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def place_of(stimulus: str) -> str:
    """``series/group/file stem``: files of films begin with another word, as the challenge's do."""
    if stimulus.startswith("s0"):
        return f"friends/s{int(stimulus[1:3])}/friends_{stimulus}"
    return f"movie10/{stimulus[:-2]}/movie10_{stimulus}"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Responses of two people that follow the features of a film by `LAG` TRs; sub-02 lacks an episode."""
    root = tmp_path_factory.mktemp("copy")
    rng = np.random.default_rng(0)
    frames = {run.partition("_")[0]: count for run, count in {**FRIENDS, **FILMS}.items()}
    write_features(root / "features", "clip", {place_of(name): count - 1 for name, count in frames.items()})
    for subject in ("sub-01", "sub-02"):
        weights = rng.normal(size=(4, 1000)) / 2
        for task, runs in (("friends", FRIENDS), ("movie10", FILMS)):
            path = bold(root, subject, task)
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                for session, (run, count) in enumerate(runs.items()):
                    if (subject, run) == ("sub-02", "s03e01a"):
                        continue
                    film = feature("clip", Path(place_of(run.partition("_")[0])).name, (count - 1, 4)) @ weights
                    signal = np.concatenate([np.zeros((LAG, 1000)), film])[:count]
                    noise = rng.normal(size=(count, 1000)) * np.sqrt(1 / R**2 - 1) * signal.std(axis=0)
                    file[f"ses-{session:03}_task-{run}"] = (signal + noise).astype(np.float32)
    return root


def test_a_planted_encoding_is_found_on_a_copy_of_the_challenge(copy: Path, tmp_path: Path) -> None:
    assert command("data", "import", "algonauts2025", copy).exit_code == 0
    assert command("features", "add", copy / "features").exit_code == 0
    task = ("--task", "algonauts2025-val", "--method", "delayed-ridge", "--data", "real")
    done = command("run", *task, "--store", tmp_path / "runs")
    assert done.exit_code == 0, done.output
    record = json.loads(next((tmp_path / "runs" / "records").glob("*/record.json")).read_text())
    assert (record["status"], record["data"]["origin"], bool(record["data"]["inputs"])) == ("ok", "real", True)
    score = record["scores"]["encoding-r"]
    assert set(score["parts"]) == {"s6", "figures", "life"}
    assert 0.8 * R < score["low"] < score["value"] < R + 0.02
