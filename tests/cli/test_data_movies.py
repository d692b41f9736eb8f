"""``brainbench data`` on responses to movies: import, check, list, where and simulate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from algonauts_files import write_challenge, write_features
from typer.testing import CliRunner, Result

from brainbench.benchmark import home
from brainbench.benchmark.cli import app
from brainbench.benchmark.datasets.algonauts import Algonauts
from brainbench.benchmark.datasets.movies import MovieCohort
from brainbench.benchmark.errors import BrainbenchError


def command(*arguments: object) -> Result:
    """Run in this process; an error that a person can mend stays in `Result.exception`."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def refused(*arguments: object) -> BrainbenchError:
    error = command(*arguments).exception
    assert isinstance(error, BrainbenchError), error
    assert error.hint
    return error


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_challenge(tmp_path_factory.mktemp("challenge"), (1, 5))


def test_import_says_what_it_did(tree: Path) -> None:
    done = command("data", "import", "algonauts2025", tree)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[2].split()[:6] == ["sub-05", "2", "5", "0", "209", "0.1"]
    assert "12 runs, 1000 parcels, TR 1.49 s" in done.stdout
    assert "note: sub-02: no folder of responses" in done.stdout
    assert "brainbench data check algonauts2025" in done.stderr
    assert "brainbench features add" in done.stderr


def test_import_for_programs_then_check_list_and_where(tree: Path, tmp_path: Path) -> None:
    found = json.loads(command("data", "import", "algonauts2025", tree, "--json").stdout)
    assert (found["runs"], found["parcels"], found["left_out"]) == (12, 1000, {})
    checked = command("data", "check", "algonauts2025")
    assert checked.exit_code == 0, checked.output
    assert "sub-05 s6: warning: lacks 1 run: s06e24d" in checked.stdout
    assert "no features of the films" in checked.stdout
    features = write_features(tmp_path / "f", "clip", {"friends/s1/friends_s01e01a": 39})
    assert command("features", "add", features).exit_code == 0
    told = json.loads(command("data", "check", "algonauts2025", "--json").stdout)
    assert told["errors"] == 0
    assert told["streams"][0]["responses longer by"] == "1 to 1 TRs"
    rows = json.loads(command("data", "list", "--json").stdout)["movies"]
    assert [(row["movies"], row["runs"], row["streams"]) for row in rows] == [("algonauts2025", 12, 1)]
    assert "algonauts2025" in command("data", "list").stdout
    assert command("data", "where", "algonauts2025").stdout.strip() == str(home.cohorts() / "algonauts2025")


def test_a_damaged_cohort_fails_the_check_and_shows_in_the_list(tree: Path) -> None:
    command("data", "import", "algonauts2025", tree)
    file = home.cohorts() / "algonauts2025" / "sub-05.bin"
    content = bytearray(file.read_bytes())
    content[3] ^= 0x40
    file.write_bytes(content)
    assert command("data", "check", "algonauts2025").exit_code == 1
    file.write_bytes(content[:-1])
    rows = json.loads(command("data", "list", "--json").stdout)["movies"]
    assert "truncated" in rows[0]["origin"]


def test_options_of_other_data_sets_are_refused(tree: Path) -> None:
    for option in (("--name", "mine"), ("--tr", "2"), ("--grid", "8"), ("--min-frames", "9"), ("--sessions", "3")):
        refused("data", "import", "algonauts2025", tree, *option)
    refused("data", "simulate", "abide1", "--features", tree)
    refused("data", "simulate", "algonauts2025", "--features", tree, "--size", "full")
    refused("data", "simulate", "algonauts2025", "--size", "huge")
    refused("data", "simulate", "algonauts2025", "--size", "features")


def test_what_is_not_installed_says_how_to_get_it() -> None:
    error = refused("data", "check", "algonauts2025")
    assert "brainbench data get algonauts2025" in error.hint
    assert "brainbench data simulate algonauts2025" in error.hint


def test_the_twin_is_made_checked_and_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = command("data", "simulate", "algonauts2025", "--size", 3000)
    assert made.exit_code == 0, made.output
    assert Path(made.stdout.strip()) == home.twins() / "algonauts2025-3000"
    told = json.loads(command("data", "check", "algonauts2025-3000", "--json").stdout)
    assert told["errors"] == 0
    assert {row["movie"] for row in told["repeats"]} == {"figures", "life"}
    manifest = home.twins() / "algonauts2025-3000" / "movies.json"
    before = manifest.stat().st_mtime_ns
    data = Algonauts().load("simulated:3000")
    assert manifest.stat().st_mtime_ns == before  # the stored twin is used again
    assert (data.origin, data.inputs) == ("twin", "")
    assert set(data.ceilings) == {f"responses/{movie}" for movie in set(data.items.table["movie"])}
    ceiling = data.ceilings["responses/figures"]
    assert ceiling.metric == "encoding-r"
    lists = MovieCohort.open(manifest.parent).ceilings().query("movie == 'figures'")["r"]
    assert ceiling.value == pytest.approx(np.mean([np.mean(r) for r in lists]))
    assert 0.2 < ceiling.value < 0.6
    # a twin of another version is made again
    told = json.loads(manifest.read_text())
    told["twin"]["version"] -= 1
    manifest.write_text(json.dumps(told))
    made_again = []
    monkeypatch.setattr(
        "brainbench.benchmark.simulate.movie_twin.simulate",
        lambda *given: made_again.append(given) or MovieCohort.open(given[1]),
    )
    Algonauts().load("simulated:3000")
    assert [given[:2] for given in made_again] == [("3000", manifest.parent)]
