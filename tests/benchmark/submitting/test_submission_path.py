"""The way of a submission: from a store to a folder, through verification, onto a board."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from submission_toy import edit, record_of, reseal

from brainbench.benchmark.errors import BadOption, NoSandbox, StoreError
from brainbench.benchmark.registry import load_dataset
from brainbench.benchmark.rescoring import rescore
from brainbench.benchmark.sandbox import find_sandbox, need_sandbox
from brainbench.benchmark.store import Store, read_record
from brainbench.benchmark.submitting import licences
from brainbench.benchmark.submitting.acceptance import accepted, damaged
from brainbench.benchmark.submitting.archive import received
from brainbench.benchmark.submitting.collect import submit
from brainbench.benchmark.submitting.layout import Manifest
from brainbench.benchmark.submitting.verify import accept, verify
from brainbench.benchmark.withdrawing import TOMBSTONE, tombstone_of
from brainbench.leaderboard.board import boards


def silent(*_):
    pass


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def taken(source: Path, to: Path, sandbox=None) -> Path:
    """Verify and accept."""
    with received(source) as place:
        verdict = verify(place, None, silent, sandbox)
        assert verdict.accepted, verdict.reasons
        return accept(verdict, to)


def test_a_submission_holds_what_is_needed_and_no_path_of_the_machine(made, home):
    held = files(made.folder)
    assert {"submission.json", "card.json", "README.md", "checksums.sha256"} <= set(held)
    assert {name for name in held if name.startswith("method/")} == {"method/own.py", "method/own_features.py"}
    assert not any(str(made.store.parent).encode() in content for content in held.values())
    assert not any(os.uname().nodename.encode() in content for name, content in held.items() if name.endswith(".json"))
    manifest = Manifest.model_validate_json(held["submission.json"])
    assert (manifest.name, manifest.method, manifest.licence) == ("jane-spread", "own:Spread", "MIT")
    assert manifest.source == "method/own.py:Spread"
    page = held["README.md"].decode()
    assert "brainbench run --task abide1-asd --method ./method/own.py:Spread --data real --set gain=1.0" in page


def test_the_command_of_its_page_makes_the_same_predictions(made, home, folder, store, run_plan, monkeypatch):
    from support import plan_of

    monkeypatch.chdir(folder)
    (again,) = run_plan(plan_of("abide1-asd", "./method/own.py:Spread", data="real", settings=("gain=1.0",)))
    first = read_record(record_of(folder) / "record.json")
    assert [part.prediction for part in again.cells] == [part.prediction for part in first.cells]


@pytest.mark.parametrize("form", ["folder", "zip", "gztar"])
def test_is_accepted_in_every_form(made, home, tmp_path, form):
    source = made.folder
    if form != "folder":
        source = Path(shutil.make_archive(str(tmp_path / "packed"), form, made.folder.parent, made.folder.name))
    place = taken(source, tmp_path / "submissions")
    assert place == tmp_path / "submissions" / "jane-spread"


def test_accepted_is_what_was_made_here(made, home, tmp_path):
    before = files(made.folder)
    place = taken(made.folder, tmp_path / "submissions")
    assert files(made.folder) == before
    ((record, folder, acceptance),) = accepted(tmp_path / "submissions")
    first = read_record(record_of(made.folder) / "record.json")
    assert record.row == "rescored"
    assert acceptance.records[record.id].row == "rescored"
    assert folder.parent.parent == place
    assert record.scores == first.scores
    assert (record.method.ref, record.method.name) == ("submission:jane-spread", "own:Spread")
    assert not record.isolated
    assert any(finding.detector == "origin" for finding in record.audit)
    assert (folder / "draws.npy").is_file()
    assert rescore(record, folder, silent).differences == ()
    assert not list(damaged(tmp_path / "submissions"))


def test_a_submission_can_be_accepted_where_it_lies(made, home, tmp_path):
    place = shutil.copytree(made.folder, tmp_path / "submissions" / "jane-spread")
    assert not list(accepted(tmp_path / "submissions"))
    assert taken(place, tmp_path / "submissions") == place
    assert len(list(accepted(tmp_path / "submissions"))) == 1
    with pytest.raises(BadOption, match="there already"):
        taken(made.folder, tmp_path / "submissions")


def test_an_accepted_row_neither_ranks_with_nor_replaces_the_keepers_own(made, home, tmp_path):
    taken(made.folder, tmp_path / "submissions")
    ours = list(Store(made.store).records())
    theirs = [record for record, _, _ in accepted(tmp_path / "submissions")]
    late = theirs[0].environment.model_copy(update={"created": "2999-01-01"})
    theirs = [record.model_copy(update={"environment": late}) for record in theirs]
    (board,) = boards([*ours, *theirs])
    assert [line.record.id for line in board.lines] == [record.id for record in ours]
    assert [line.record.id for line in board.rescored] == [record.id for record in theirs]
    assert not {record.id for record in ours} & {record.id for record in theirs}
    assert board.superseded == 0


@pytest.mark.parametrize("what", ["record", "row", "acceptance", "hash", "name", "gone"])
def test_what_was_changed_after_acceptance_is_not_on_the_board(made, home, tmp_path, what):
    place = taken(made.folder, tmp_path / "submissions")
    record = record_of(place) / "record.json"
    if what == "record":
        record.write_text(record.read_text().replace('"value": 0', '"value": 1', 1))
        (record.parent / "record.sha256").unlink()
    elif what == "row":
        edit(place / "accepted.json", lambda tree: next(iter(tree["records"].values())).update(row="reproduced"))
    elif what == "acceptance":
        (place / "accepted.json").write_text("[]")
    elif what == "hash":
        edit(place / "accepted.json", lambda tree: next(iter(tree["records"].values())).update(sha256="0" * 64))
    elif what == "name":
        edit(
            place / "accepted.json",
            lambda tree: tree["records"].update({"../../x": next(iter(tree["records"].values()))}),
        )
    else:
        shutil.rmtree(record.parent)
    left = 1 if what == "name" else 0
    assert len(list(accepted(tmp_path / "submissions"))) == left
    assert len(list(damaged(tmp_path / "submissions"))) == 1


def test_a_withdrawn_record_is_off_the_board_and_does_not_come_back(made, home, tmp_path):
    place = taken(made.folder, tmp_path / "submissions")
    record = read_record(record_of(place) / "record.json")
    folder = record_of(place)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / TOMBSTONE).write_text(tombstone_of(record, "record", "asked for", "2026-01-02").model_dump_json())
    assert not list(accepted(tmp_path / "submissions"))
    assert not list(damaged(tmp_path / "submissions"))
    renamed = shutil.copytree(made.folder, tmp_path / "jane-again")
    edit(renamed / "submission.json", lambda tree: tree.update(name="jane-again"))
    reseal(renamed)
    with pytest.raises(BadOption, match="withdrawn on 2026-01-02"):
        taken(renamed, tmp_path / "submissions")
    assert not (tmp_path / "submissions" / "jane-again").exists()


@pytest.mark.skipif(find_sandbox() is None, reason="no sandbox on this machine: install bubblewrap")
def test_run_again_becomes_reproduced(made, home, tmp_path):
    taken(made.folder, tmp_path / "submissions", need_sandbox())
    ((record, folder, acceptance),) = accepted(tmp_path / "submissions")
    assert record.row == "reproduced"
    assert record.isolated
    assert record.ranked
    assert "the same predictions, to the byte" in acceptance.records[record.id].checked
    assert rescore(record, folder, silent).differences == ()
    assert {p.name for p in (folder.parents[1] / "method").iterdir()} == {"own.py", "own_features.py"}


@pytest.mark.skipif(find_sandbox() is None, reason="no sandbox on this machine: install bubblewrap")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("return np.column_stack([p, 1 - p])", "run again, it gives other numbers"),
        ("open('/usr/was-here', 'w')", "run again, it ended: failed"),
    ],
)
def test_a_method_that_does_not_do_it_again_is_refused(made, home, folder, judged, source, reason):
    file = folder / "method" / "own.py"
    file.write_text(file.read_text().replace("return np.column_stack([1 - p, p])", source))
    reseal(folder)
    verdict = judged(folder, sandbox=need_sandbox())
    assert not verdict.accepted
    assert reason in verdict.reasons[0]
    assert judged(folder).accepted  # its predictions are what they are


@pytest.mark.skipif(find_sandbox() is None, reason="no sandbox on this machine: install bubblewrap")
def test_a_method_that_never_ends_is_stopped_and_what_it_prints_is_nowhere(made, home, folder, tmp_path):
    file = folder / "method" / "own.py"
    endless = "import sys\n        while True: print('x' * 1000, file=sys.stderr)"
    file.write_text(file.read_text().replace("return np.column_stack([1 - p, p])", endless))
    reseal(folder)
    with received(folder) as place:
        (reason,) = verify(place, None, silent, need_sandbox(), seconds=6).reasons
        assert not any(path.stat().st_size for path in place.parent.glob("again-0/runs/**/*.log"))
    assert "stopped after 6 s (--time-limit)" in reason
    assert str(place.parent) not in reason


def test_running_again_without_a_sandbox_is_refused_with_the_reason(monkeypatch):
    import brainbench.benchmark.sandbox as sandbox

    sandbox._find.cache_clear()
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(NoSandbox, match="no sandbox on this machine"):
        need_sandbox()
    sandbox._find.cache_clear()


def test_says_what_cannot_be_submitted(made, home, tmp_path):
    store = Store(made.store)
    with pytest.raises(StoreError, match="no record 'nobody'"):
        submit(["nobody"], store, tmp_path / "x")
    with pytest.raises(BadOption, match="there already"):
        submit(["own:Spread"], store, made.folder)
    with pytest.raises(BadOption, match="cannot be the name"):
        submit(["own:Spread"], store, tmp_path / "a b")
    with pytest.raises(BadOption, match="licence"):
        submit(["own:Spread"], store, tmp_path / "x", licence="my own, ask me")
    with pytest.raises(BadOption, match="own:Spread, majority: one method a submission"):
        submit(["own:Spread", "majority"], store, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_licences_are_compared_without_regard_to_capitals(made, home, tmp_path):
    assert licences.written("mit or (apache-2.0 and LicenseRef-mit)") == "MIT OR (Apache-2.0 AND LicenseRef-mit)"
    assert licences.is_open("gpl-3.0-only or LicenseRef-Mine")
    assert not licences.is_open("licenseref-mit")
    assert licences.wrong("mit apache-2.0")
    assert submit(["own:Spread"], Store(made.store), tmp_path / "x", licence="mit").manifest.licence == "MIT"
    edit(tmp_path / "x" / "submission.json", lambda tree: tree.update(licence="mit"))
    reseal(tmp_path / "x")
    taken(tmp_path / "x", tmp_path / "submissions")
    ((_, _, acceptance),) = accepted(tmp_path / "submissions")
    assert (acceptance.licence, acceptance.open_licence) == ("MIT", True)


def test_a_source_that_changed_since_is_not_submitted(made, home, tmp_path):
    store = shutil.copytree(made.store, tmp_path / "runs")
    source = made.store.parent / "own_features.py"
    text = source.read_text()
    try:
        source.write_text(text + "# changed\n")
        with pytest.raises(BadOption, match="has changed since it was run"):
            submit(["own:Spread"], Store(Path(store)), tmp_path / "x")
    finally:
        source.write_text(text)


def gated_import(made, place: Path, monkeypatch, policy: str) -> None:
    """A lab whose import of the same cohort is stricter than the data set's card."""
    cohort = shutil.copytree(made.home, place / "lab-home") / "cohorts" / "abide1" / "cohort.json"
    edit(cohort, lambda tree: tree.update(leaves=policy))
    monkeypatch.setenv("BRAINBENCH_HOME", str(place / "lab-home"))


@pytest.mark.parametrize("policy", ["salted", "aggregates"])
def test_aggregates_of_data_that_are_open_to_the_keeper_are_refused(made, home, tmp_path, monkeypatch, judged, policy):
    gated_import(made, tmp_path, monkeypatch, policy)
    folder = submit(["own:Spread"], Store(made.store), tmp_path / "lab").folder
    assert judged(folder).accepted  # gated where it is verified as well
    for keeper in (home, tmp_path / "empty"):  # by the installed cohort, and by the card alone
        monkeypatch.setenv("BRAINBENCH_HOME", str(keeper))
        (reason,) = judged(folder).reasons
        assert reason.endswith("open data (abide1): submit its predictions")
    card = replace(load_dataset("abide1").card, leaves="aggregates")
    monkeypatch.setattr("brainbench.benchmark.privacy.load_dataset", lambda name: SimpleNamespace(card=card))
    assert judged(folder).accepted


@pytest.mark.parametrize("policy", ["salted", "aggregates"])
def test_what_may_not_leave_is_reported_by_its_lab(made, home, tmp_path, monkeypatch, policy):
    gated_import(made, tmp_path, monkeypatch, policy)
    submission = submit(["own:Spread"], Store(made.store), tmp_path / "lab")
    ((name, entry),) = submission.manifest.records.items()
    assert (entry.row, entry.leaves) == ("reported", policy)
    held = files(submission.folder)
    assert not any(b"s17" in content for path, content in held.items() if path.startswith("records/"))
    assert any("ids.json" in path for path in held) == (policy == "salted")
    place = taken(submission.folder, tmp_path / "submissions")
    ((record, folder, _),) = accepted(tmp_path / "submissions")
    assert (record.row, record.ranked, record.ceiling, record.controls) == ("reported", False, None, {})
    assert {path.name for path in folder.iterdir()} == {"record.json", "record.sha256"}
    assert json.loads((place / "submission.json").read_text())["records"][name]["leaves"] == policy
    (board,) = boards([*Store(made.store).records(), record])
    assert [line.rank for line in board.reported] == [None]
    assert len(board.lines) == 1
