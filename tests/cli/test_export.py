"""`brainbench export algonauts2025`: real records become files that the challenge takes, those of twins do not."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.registry import load_task

FILMS = Path(__file__).parents[1] / "plugins" / "films.py"
DATASETS = Path(__file__).parents[1] / "benchmark" / "datasets"
SUBJECTS = ("sub-01", "sub-02", "sub-03", "sub-05")
INSIDE = "fmri_predictions_ood.npy"


def invoke(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """Stores with a record of each task: real and simulated."""
    found = {}
    for source, names in (("real", ("FRIENDS", "OOD", "OTHER")), ("simulated", ("OOD",))):
        found[source] = tmp_path_factory.mktemp(source)
        words = [word for name in names for word in ("--task", f"{FILMS}:{name}")]
        words += ["--method", f"{FILMS}:Slope", "--data", source, "--seeds", str(len(names[1:2]) + 1)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BRAINBENCH_HOME", str(tmp_path_factory.mktemp("home")))
            done = invoke("run", *words, "--store", found[source])
        assert done.exit_code == 0, done.output
    return found


def record(runs, source: str, task: str) -> str:
    return next(path.name for path in (runs[source] / "records").iterdir() if path.name.startswith(f"{task}--"))


@pytest.fixture
def export(runs):
    load_task(f"{FILMS}:OOD")  # here, too, a person has asked for that file
    return lambda source, *words: invoke("export", "algonauts2025", *words, "--store", runs[source])


@pytest.mark.parametrize(("task", "inside", "names"), [
    ("algonauts2025-ood", INSIDE, ["chaplin1", "wot1"]),
    ("algonauts2025-friends", "fmri_predictions_friends_s7.npy", ["s07e01a", "s07e01b"]),
])  # fmt: skip
def test_a_real_record_whose_truth_is_withheld_becomes_a_file(task, inside, names, runs, export, tmp_path):
    file = tmp_path / "sent.zip"
    done = export("real", record(runs, "real", task), "--out", file)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(file)
    assert "accepted" in done.stderr
    assert "SIMULATED" not in done.stderr
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == [inside]
        with archive.open(inside) as held:
            found = np.load(held, allow_pickle=True).item()
    assert list(found) == list(SUBJECTS)
    assert all(list(runs) == names for runs in found.values())
    assert {values.dtype for runs in found.values() for values in runs.values()} == {np.dtype("float32")}


def test_runs_keep_their_names_and_subjects(runs, export, tmp_path):
    """Items are shuffled before a method sees them: what it predicted for a film must stand under that film."""
    sys.path.insert(0, str(FILMS.parent))
    import films

    data = films.Films().load("real")
    file = tmp_path / "sent.zip"
    assert export("real", record(runs, "real", "algonauts2025-ood"), "--out", file).exit_code == 0
    with zipfile.ZipFile(file) as archive, archive.open(INSIDE) as held:
        found = np.load(held, allow_pickle=True).item()
    for run in ("chaplin1", "wot1"):
        film = data.items.arrays["features/toy/one"][data.items.table.index.get_loc(run)][:, 0]
        for subject in films.SUBJECTS:
            values = found[subject][run]
            assert len(values) == len(film)
            assert np.corrcoef(values[:, 0], film)[0, 1] > 0.999
    assert not np.allclose(found["sub-01"]["wot1"], found["sub-02"]["wot1"], rtol=0.01)


def test_simulated_data_are_refused_unless_asked_for_and_then_said_loudly(runs, export, tmp_path):
    file, name = tmp_path / "toy.zip", record(runs, "simulated", "algonauts2025-ood")
    done = export("simulated", name, "--out", file)
    assert done.exit_code != 0
    assert "made on simulated data" in str(done.exception)
    assert "--simulated" in str(done.exception)
    assert not file.exists()
    done = export("simulated", name, "--out", file, "--simulated")
    assert done.exit_code == 0
    assert "SIMULATED DATA" in done.stderr
    checked = export("simulated", name, "--check", file)
    assert checked.exit_code == 0
    assert "SIMULATED DATA" in checked.stderr
    done = export("real", record(runs, "real", "algonauts2025-ood"), "--out", file, "--simulated")
    assert "is of real data" in str(done.exception)


def test_a_file_is_checked_against_a_record_or_counts(runs, export, tmp_path):
    file, name = tmp_path / "sent.zip", record(runs, "real", "algonauts2025-ood")
    assert export("real", name, "--out", file).exit_code == 0
    told = json.loads(export("real", name, "--check", file, "--json").stdout)
    assert (told["phase"], told["runs"], told["parcels"]) == ("ood", 2, 1000)
    counts = tmp_path / "counts.json"
    rows = {"chaplin1": 136, "wot1": 137}
    counts.write_text(json.dumps({subject: rows for subject in SUBJECTS}))
    assert export("real", "--check", file, "--counts", counts).exit_code == 0
    counts.write_text(json.dumps({subject: {**rows, "wot1": 138, "wot2": 9} for subject in SUBJECTS}))
    done = export("real", "--check", file, "--counts", counts)
    assert "sub-01, wot1: 137 TRs where 138 are expected" in str(done.exception)
    assert "sub-05: run missing: 'wot2'" in str(done.exception)
    done = export("real", name, "--counts", counts, "--out", tmp_path / "none.zip")
    assert "137 TRs where 138" in str(done.exception)
    assert not (tmp_path / "none.zip").exists()
    counts.write_text(json.dumps({"sub-01": rows, "sub-02": {}}))
    done = export("real", "--check", file, "--counts", counts)
    assert "no numbers of TRs of sub-02, sub-03, sub-05 for the phase 'ood'" in str(done.exception)
    counts.write_text(json.dumps({subject: rows for subject in SUBJECTS}))
    done = export("real", "--check", file, "--phase", "friends", "--counts", counts)
    assert "not fmri_predictions_friends_s7.npy" in str(done.exception)


def test_the_seed_is_chosen(runs, export, tmp_path):
    name = record(runs, "real", "algonauts2025-ood")
    files = [tmp_path / f"{k}.zip" for k in (0, 1)]
    for seed, file in enumerate(files):
        assert export("real", name, "--seed", seed, "--out", file).exit_code == 0
    assert export("real", name, "--out", tmp_path / "first.zip").exit_code == 0
    assert (tmp_path / "first.zip").read_bytes() == files[0].read_bytes()
    assert "seeds of" in str(export("real", name, "--seed", 7, "--out", files[0]).exception)


def test_the_challenges_own_tree_imported_run_exported_and_checked(own_home, tmp_path):
    """With the real layout: counts come from its sample files, and the truth is never there."""
    pytest.importorskip("h5py")
    sys.path.insert(0, str(DATASETS))
    from algonauts_files import COUNTS, write_challenge

    tree, store, file = write_challenge(tmp_path / "tree"), tmp_path / "runs", tmp_path / "s7.zip"
    assert invoke("data", "import", "algonauts2025", tree).exit_code == 0
    task = ("--task", "algonauts2025-friends", "--method", "mean-response", "--data", "real")
    done = invoke("run", *task, "--store", store)
    assert done.exit_code == 0, done.output
    done = invoke("export", "algonauts2025", "algonauts2025-friends--mean-response", "--out", file, "--store", store)
    assert done.exit_code == 0, done.exception
    checks = [("--check", file), ("--check", file, "--counts", tree / "fmri")]
    told = [json.loads(invoke("export", "algonauts2025", *words, "--json").stdout) for words in checks]
    rows = 4 * sum(COUNTS["friends-s7"].values()) + len(COUNTS["friends-s7"])  # sub-02 counts one more in each
    assert [one["rows"] for one in told] == [rows, rows]
    assert "the installed" in told[0]["source"]
    assert any("never change, and score 0" in note for note in told[0]["notes"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mock-films",), "Codabench takes predictions of"),
        (("algonauts2025-ood", "--out", "x.npy"), "the file is a zip"),
        (("algonauts2025-ood", "--phase", "ood"), "nothing to export"),
        ((), "nothing to export"),
        (("--check", "x.zip", "--simulated"), "--check writes nothing"),
        (("--check", "none.zip", "--counts", "x", "--phase", "ood"), "no sample counts"),
        (("--check", "none.zip", "--phase", "third"), "phases are: friends, ood"),
        (("--check", "none.zip"), "no such file"),
    ],
)
def test_slips_are_one_clear_message(words, message, runs, export, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    words = [
        record(runs, "real", word) if k == 0 and not word.startswith("-") else word for k, word in enumerate(words)
    ]
    done = export("real", *words)
    assert done.exit_code != 0
    assert message in str(done.exception)
