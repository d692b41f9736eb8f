"""`brainbench show reconstructions | captions | localisation`, on a small twin through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from brainbench.benchmark.cli import app

TASKS = [f"nsd-{name}" for name in ("reconstruction", "caption", "localisation")]
METHODS = ["nearest-neighbour", "random-training-image", "random-voxels"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """Home and store with controls on the pictures, captions and maps of a twin of forty training images a brain."""
    home, store = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("runs")
    chosen = [word for task in TASKS for word in ("--task", task)] + [w for name in METHODS for w in ("--method", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(home))
        done = CliRunner().invoke(app, ["run", *chosen, "--data", "simulated:40", "--store", str(store)])
    assert done.exit_code == 0, done.output
    return home, store


@pytest.fixture
def show(made, monkeypatch):
    home, store = made
    monkeypatch.setenv("BRAINBENCH_HOME", str(home))
    return lambda *words: CliRunner().invoke(app, ["show", *words, "--store", str(store)])


def test_reconstructions_are_a_grid_of_what_was_seen_and_decoded(show, tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "grid.png"
    names = [f"nsd-reconstruction--{name}" for name in ("nearest-neighbour", "random-training-image")]
    assert show("reconstructions", *names, "-n", "2", "--out", str(file)).exit_code == 0
    with Image.open(file) as image:
        assert min(image.size) > 200


def test_captions_stand_beside_their_references(show):
    done = show("captions", "nsd-caption--nearest-neighbour", "-n", "3", "--json")
    rows = json.loads(done.stdout)
    assert len(rows) == 3
    assert all(len(row["references"]) == 2 and row["texts"]["nearest-neighbour"] for row in rows)
    one = show("captions", "nsd-caption--nearest-neighbour", "--image", rows[0]["image"], "--brain", "subj07")
    assert rows[0]["image"] in one.stdout
    assert "as named" in one.stdout


def test_maps_are_drawn_beside_the_true_ones(show, tmp_path):
    pytest.importorskip("nilearn")
    file = tmp_path / "glass.png"
    assert show("localisation", "nsd-localisation--random-voxels", "-n", "2", "--out", str(file)).exit_code == 0
    assert file.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("reconstructions", "nsd-caption--nearest-neighbour"), "holds predictions of kind 'captioning'"),
        (("captions", "nsd-caption--nearest-neighbour", "--brain", "subj03"), "brains are: subj01"),
        (("captions", "nsd-caption--nearest-neighbour", "--image", "nothing"), "no image 'nothing'"),
        (("localisation", "nsd-localisation--random-voxels", "--concept", "unicorn"), "concepts are:"),
        (("reconstructions", "nsd-reconstruction--nearest-neighbour", "--out", "x.jpg"), "use  --out x.png"),
        (("reconstructions", "nsd-reconstruction--random-voxels"), "no finished cell"),
    ],
)
def test_slips_are_one_clear_message(words, message, show):
    done = show(*words)
    assert done.exit_code != 0
    assert message in str(done.exception)


def test_labels_are_text_and_no_formulas():
    pytest.importorskip("matplotlib")
    from brainbench.leaderboard.viewed_figures import draw, grid, saved

    figure, axes = grid(1, 1)
    draw(axes[0][0], np.zeros((16, 16, 3), np.uint8), "a$_{b$", "$\\frac$")
    assert saved(figure, "$x^$").startswith(b"\x89PNG")
