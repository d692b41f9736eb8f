"""``brainbench data`` on responses to images: import, check, list and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nsd_files import write_coco, write_pictures, write_tree
from typer.testing import CliRunner, Result

from brainbench.benchmark import home
from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BrainbenchError


def command(*arguments: object) -> Result:
    """Run in this process; an error that a person can mend stays in `Result.exception`."""
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def refused(*arguments: object) -> BrainbenchError:
    error = command(*arguments).exception
    assert isinstance(error, BrainbenchError), error
    assert error.hint
    return error


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tree(tmp_path_factory.mktemp("nsd"), subjects=(1,))
    write_pictures(folder)
    write_coco(folder.parent / "annotations-of-coco", folder)
    return folder


@pytest.fixture
def coco(tree: Path) -> Path:
    return tree.parent / "annotations-of-coco"


def test_import_says_what_it_did(tree: Path, coco: Path) -> None:
    done = command("import", "nsd", tree, "--sessions", 2, "--pixels", 16, "--coco", coco)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["subj01", "2", "1500", "4", "10", "32", "0", "/", "30", "/", "2"]
    assert "42 images; files: NSD's tree; kept as f2" in done.stdout
    assert "subj01: test images: 968 shared images were not shown in these sessions" in done.stdout
    assert "brainbench data check nsd" in done.stderr


def test_import_for_programs_then_check_list_and_where(tree: Path, coco: Path) -> None:
    found = json.loads(command("import", "nsd", tree, "--sessions", 2, "--coco", coco, "--json").stdout)
    assert found["brains"][0]["test images"] == 32
    assert set(found["left_out"]) >= {"subj02", "subj05", "subj07"}
    checked = command("check", "nsd")
    assert checked.exit_code == 0, checked.output
    assert "test images seen fewer than 3 times: 2 once, 30 twice of 32" in checked.stdout
    assert json.loads(command("check", "nsd", "--json").stdout)["errors"] == 0
    assert command("where", "nsd").stdout.strip() == str(home.cohorts() / "nsd")
    (row,) = json.loads(command("list", "--json").stdout)["responses"]
    assert row == {
        "responses": "nsd", "dataset": "nsd", "origin": "real", "brains": 1, "images": 42, "trials": 1500,
        "voxels": "4", "left out": len(found["left_out"]),
    }  # fmt: skip


def test_damage_ends_with_1_and_is_listed(tree: Path, coco: Path) -> None:
    command("import", "nsd", tree, "--sessions", 2, "--coco", coco)
    folder = home.cohorts() / "nsd"
    raw = bytearray((folder / "images.bin").read_bytes())
    raw[0] ^= 1
    (folder / "images.bin").write_bytes(raw)
    assert command("check", "nsd").exit_code == 1
    (folder / "images.bin").write_bytes(raw[:-1])
    assert "damaged" in command("list").stdout


def test_brainhub(shared: Path) -> None:
    done = command("import", "brainhub", shared / "brainhub")
    assert done.exit_code == 0, done.output
    assert "982 images, 4913 captions, 5829 boxes" in done.stdout
    assert command("check", "brainhub").exit_code == 0


def test_what_is_not_there_says_how_to_get_it() -> None:
    assert "brainbench data get brainhub" in refused("check", "brainhub").hint
    assert "brainbench data simulate nsd" in refused("where", "nsd").hint


def test_options_of_others_are_refused(tree: Path, tmp_path: Path) -> None:
    assert "--coco, --texts, --sessions" in refused("import", "nsd", tree, "--atlas", "cc200").message
    assert "takes no --pixels" in refused("import", "brainhub", tree, "--pixels", 64).message
    assert "takes no --coco" in refused("import", "abide1", tree, "--coco", tmp_path).message
    assert "--orientation, --tr and --json" in refused("import", "netsim", tree, "--grid", 8).message


def test_the_twin_shows_real_photographs_where_they_are_given(shared):
    done = command("simulate", "nsd", "--photos", shared / "coco-mini")
    assert "nsd-photos" in done.stdout
    assert "small twin of nsd" in refused("simulate", "abide2", "--photos", shared / "coco-mini").message
    from brainbench.benchmark.datasets.nsd import NSD

    data = NSD().load("simulated:photos")
    assert "image" not in data.ceilings
    assert len(data.items) == 4 * 400
