"""``brainbench leaderboard``: the faces, the choices, and what a person who errs is told."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadOption, BrainbenchError, StoreError, UnknownName
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store
from support import plan_of, write_planted


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with a record of two methods on a task, for reading."""
    home = tmp_path_factory.mktemp("home")
    store = Store(tmp_path_factory.mktemp("runs"))
    store.prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(home))
        write_planted(home, "abide2", n=60)
        plan = plan_of("abide2-asd", "majority", "site-only", data="real", folds=2)
        pool = LocalPool(1, 1, Limits(seconds=120), store.log)
        assert len(list(run(plan, store, pool, Settings("cpu", 1), lambda cell, event: None))) == 2
    return store.path


def printed(place, *arguments: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, ["leaderboard", "--store", str(place), *arguments])
    assert done.exit_code == 0, done.exception
    return done.stdout


def error(place, *arguments: str) -> BrainbenchError:
    """The error that the command ends with."""
    done = CliRunner().invoke(app, ["leaderboard", "--store", str(place), *arguments])
    assert isinstance(done.exception, BrainbenchError)
    assert done.stdout == ""
    return done.exception


def test_every_face_shows_the_board_on_the_screen_and_in_a_file(place, tmp_path):
    for face, sign in (("table", "┃ method"), ("markdown", "| method"), ("latex", r"\toprule")):
        text = printed(place, "--format", face)
        assert sign in text
        assert "site-only" in text
        assert "abide2-asd (version 2)" in text
        file = tmp_path / f"board.{face}"
        assert printed(place, "--format", face, "--out", str(file)) == ""
        assert sign in file.read_text(encoding="utf-8")


def test_a_site_is_a_folder_of_pages(place, tmp_path):
    site = tmp_path / "site"
    assert printed(place, "--format", "html", "--out", str(site)) == ""
    assert "site-only" in "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    again = (site / "index.html").read_bytes()
    printed(place, "--format", "html", "--out", str(site))
    assert (site / "index.html").read_bytes() == again
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert isinstance(error(place, "--format", "html", "--out", str(tmp_path / "mine")), StoreError)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_ids_and_another_metric(place):
    (first, *_) = sorted(path.name for path in (place / "records").iterdir())
    assert first not in printed(place, "--format", "markdown")
    assert first in printed(place, "--format", "markdown", "--ids")
    assert "ranked by ece" in printed(place, "--metric", "ece")


@pytest.mark.parametrize(
    ("arguments", "kind", "message", "hint"),
    [
        (["--task", "abide2-asdd"], UnknownName, "no task 'abide2-asdd'", "did you mean 'abide2-asd'"),
        (["--task", "abide1-asd"], StoreError, "fits", "run --task abide1-asd"),
        (["--family", "autisn"], UnknownName, "no family 'autisn'", "did you mean 'autism'"),
        (["--family", "sex"], StoreError, "fits", "run something first"),
        (["--metric", "aucc"], UnknownName, "no metric 'aucc'", "did you mean 'auc'"),
        (["--suite", "netsmi"], UnknownName, "no suite 'netsmi'", "did you mean 'netsim'"),
        (["--suite", "netsim", "--metric", "auc"], BadOption, "--metric with --suite", "leave out"),
        (["--format", "html"], BadOption, "folder of pages", "--out site"),
        (["--data", "simulated"], StoreError, "fits", "run something first"),
        (["--submissions", "nowhere"], StoreError, "no folder nowhere", ""),
    ],
)
def test_a_slip_is_told_with_what_may_have_been_meant(place, arguments, kind, message, hint):
    found = error(place, *arguments)
    assert type(found) is kind
    assert message in found.message
    assert hint in found.hint


def test_a_task_whose_every_record_was_withdrawn_is_told(place, tmp_path):
    mine = tmp_path / "runs"
    shutil.copytree(place, mine)
    ids = sorted(path.name for path in (mine / "records").iterdir())
    for name in ids:
        done = CliRunner().invoke(app, ["withdraw", name, "--store", str(mine), "--reason", "wrong labels", "--yes"])
        assert done.exit_code == 0, done.exception
    told = error(mine, "--task", "abide2-asd").message
    assert all(name in told for name in ids)
    assert "withdrawn" in told
    shutil.copytree(place / "records" / ids[0], mine / "records" / "another")
    assert "withdrawn" not in error(mine, "--task", "abide2-asd", "--data", "simulated").message
