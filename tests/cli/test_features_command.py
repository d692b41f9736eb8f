"""The commands ``brainbench features``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.datasets.movies import MovieWriter
from brainbench.benchmark.errors import BadOption, DataMissing
from brainbench.benchmark.home import cohorts


def call(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["features", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    for run in ("s01e01a", "s01e01b"):
        (folder / f"friends_{run}.tsv").write_text("text_per_tr\nhello\n\nyou\n")
    return folder


@pytest.fixture
def cohort(own_home: Path) -> str:
    with MovieWriter(cohorts() / "films", "films", "real", 1.49, ["sub-01"], ["a"], [""], {}) as writer:
        for run in ("s01e01a", "s01e01b", "s01e02a"):
            writer.run(run, "friends", "s1", run, 1, {}, {"sub-01": np.ones((4, 1))})
        writer.finish()
    return "films"


def test_from_transcripts_to_the_streams_of_a_cohort_and_back(transcripts: Path, cohort: str, tmp_path: Path) -> None:
    out = tmp_path / "features"
    command = ("extract", "--model", "tiny-random", "--stimuli", transcripts, "--out", out, "--layers", "0.5,1.0")
    told = call(*command)
    assert "2 runs written, 0 were there, 0 failed" in told
    assert f"brainbench features add {out}" in told
    again = json.loads(call(*command, "--json"))
    assert (again["written"], again["kept"]) == ([], ["s01e01a", "s01e01b"])
    assert "tiny-random/model.layers.1: 2 stimuli" in call("add", out, "--cohort", cohort)
    rows = json.loads(call("list", "--cohort", cohort, "--json"))
    assert [(row["stream"], row["dimensions"], row["stimuli"]) for row in rows] == [
        ("tiny-random/model.layers.0", "64", "2/3"),
        ("tiny-random/model.layers.1", "64", "2/3"),
    ]
    assert "tiny-random/model.layers.1" in call("list", "--cohort", str(cohorts() / cohort))
    assert "removed from 2 stimuli" in call("remove", "tiny-random/model.layers.0", "-c", cohort)
    assert len(json.loads(call("list", "-c", cohort, "--json"))) == 1
    assert (out / "tiny-random" / "friends" / "s1" / "s01e01a.h5").exists()


def test_failures_are_told_and_end_with_code_1(transcripts: Path, tmp_path: Path) -> None:
    (transcripts / "s01e02a.tsv").write_text("nothing\nhere\n")
    command = ("extract", "-m", "tiny-random", "--stimuli", transcripts, "--out", tmp_path / "out", "--json")
    assert list(json.loads(call(*command, code=1))["failed"]) == ["s01e02a"]


def test_slips_are_refused_with_what_there_is(transcripts: Path, cohort: str) -> None:
    with pytest.raises(BadOption, match="--modality smell"):
        call("extract", "-m", "tiny-random", "--stimuli", transcripts, "--modality", "smell")
    with pytest.raises(DataMissing, match=r"'no-such' \(there are: films\)"):
        call("list", "--cohort", "no-such")
    with pytest.raises(DataMissing, match="no features"):
        call("add", transcripts, "--cohort", cohort)
    with pytest.raises(BadOption, match="no stream"):
        call("remove", "a/b", "--cohort", cohort)
